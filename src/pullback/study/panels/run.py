"""Train and measure the variants: `python -m pullback.study.panels.run [--stage 2] [--report]`.

Each variant and seed leaves one record in results/panels as soon as it is finished, keyed by all that decides it, so
that an interrupted run continues and a second one has nothing to do. Variants work side by side, one process and one
thread each; PULLBACK_JOBS says how many. What they train becomes checkpoints. A training that diverges leaves a record too: what it was up to then, and
"diverges at epoch N". `--report` prints the scores of the records that are there and trains nothing.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ...geometry import Box, latent_map
from .. import checkpoints, data, training
from ..errors import DivergenceError, status
from ..paths import RESULTS, write_atomically
from ..provenance import read_sealed, write_sealed
from ..records.quantities import percentile_box, recalibrated
from ..report import PANELS
from ..sweep import versions
from ..training import Epoch, Trained, TrainingSettings, scaled, train
from ..workers import job_count, say, side_by_side
from . import published
from .grid import SEEDS, STATISTICS, VARIANTS, Variant
from .score import NEAREST, score

RECIPE = 1  # the version of what turns a trained model into the numbers of a record
FOLDER = RESULTS / "panels"
DRAWS = 10_000  # samples by which a GAN is judged and its statistics renewed


class Unbounded(DivergenceError):
    """A loss that is finite and below its own lower bound."""


# ------------------------------------------------------------------------------------------------ one variant


def path_of(variant: Variant, seed: int, folder: Path = FOLDER) -> Path:
    return folder / f"{variant.name}-seed{seed}.json"


def key(variant: Variant, seed: int) -> str:
    """Sixteen hexadecimal digits that change whenever the numbers of a record might."""
    own = checkpoints.key(variant.spec, variant.settings(seed), data.data_hash(False))
    decisive = [own, variant.figure, list(variant.epochs), RECIPE]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def renewed(model: Any, family: str, images: Tensor, noise: torch.Generator) -> Any:
    """A copy whose batch norm statistics are averages at the final weights: over images, or over draws of a GAN."""
    if family != "gan":
        return recalibrated(model, images)
    model = copy.deepcopy(model)
    update_bn(torch.randn(DRAWS, model.latent_dim, generator=noise).split(1000), model.generator)
    return model


def measure(variant: Variant, model: Any, images: Tensor, seed: int) -> dict[str, Any]:
    """Of a model in eval mode: for each of STATISTICS the numbers of both panels, and of a GAN how much its samples
    differ. `images` are as the model is shown them."""
    noise, family = torch.Generator().manual_seed(seed), variant.spec.family
    found: dict[str, Any] = {}
    for statistics in STATISTICS:
        own = model if statistics == "trained" else renewed(model, family, images, noise)
        found[statistics] = _panels(variant.figure, own, family, images)
    if family == "gan":
        with torch.no_grad():
            samples = model.sample(1000, noise)
        # root mean square distance, in pixel units, of samples from their mean: 0 for a GAN that shows one image
        found["variety"] = float((samples - samples.mean(0)).square().sum(1).mean().sqrt())
    return found


def _panels(figure: str, model: Any, family: str, images: Tensor) -> dict[str, Any]:
    """Both panels of a figure: on the published box and, for its error, on two more. A DAE is mapped on its own box,
    which is known, and the published box decides only what its log_det is compared with."""
    error = {"as read": 0.0, "grown": published.BOX_ERROR, "shrunk": -published.BOX_ERROR}
    read = {name: moved(PANELS[figure].box, by) for name, by in error.items()}
    if family == "dae":
        with torch.no_grad():
            box = percentile_box(model.encode(images))
        m = latent_map(model.generator, box, published.GRID)
        maps = dict.fromkeys(read, m)
        shifts = {name: published.shift(box, other) for name, other in read.items()}
    else:
        maps = {name: latent_map(model.generator, box, published.GRID) for name, box in read.items()}
        shifts = dict.fromkeys(read, 0.0)
    numbers: dict[str, Any] = {"box": maps["as read"].box, "shift": shifts["as read"]}
    for quantity in published.QUANTITIES:
        visible = np.isfinite(published.panel(figure, quantity))
        values = {name: getattr(m, quantity) + (shifts[name] if quantity == "log_det" else 0)
                  for name, m in maps.items()}
        rough = published.roughness(np.where(visible, values["as read"], np.nan))
        numbers[quantity] = {
            "quantiles": {name: _finite(published.quantiles(v, visible)) for name, v in values.items()},
            "roughness": rough if math.isfinite(rough) else None,
        }
    return numbers


def moved(box: Box, by: float) -> Box:
    """The box with every edge moved out by a latent length."""
    (x0, x1), (y0, y1) = box
    return (x0 - by, x1 + by), (y0 - by, y1 + by)


def _finite(values: Sequence[float]) -> list[float]:
    """Infinite quantiles, of maps that are rank deficient, as the largest numbers that a record is to hold."""
    return np.clip(values, -1e3, 1e3).tolist()


def work(
    variant: Variant,
    seed: int,
    images: Tensor,
    labels: Tensor,
    keep: Callable[[Trained, TrainingSettings], object] = lambda trained, settings: None,
) -> dict[str, Any]:
    """The record of a variant and seed: measured at its epochs, up to the one at which it diverges if it does.

    `keep` is given the model at each of these epochs, and the settings of a training that ends there: it is the same.
    """
    started, taken, settings = time.perf_counter(), {}, variant.settings(seed)
    history: dict[str, list[float]] = {}
    shown = scaled(images, settings.pixels)

    def watch(epoch: Epoch, model: Any) -> None:
        for name, value in epoch.losses.items():
            history.setdefault(name, []).append(value)
        lowest = min(epoch.losses.values())
        if variant.spec.family != "gan" and lowest < 0:
            raise Unbounded(f"the loss, which cannot be negative, is {lowest:.4g} at epoch {epoch.number}")
        if epoch.number in variant.epochs:
            losses = {name: round(value, 4) for name, value in epoch.losses.items()}
            trained = Trained(variant.spec, copy.deepcopy(model).eval(), history)
            taken[str(epoch.number)] = {"losses": losses} | measure(variant, trained.model, shown, seed)
            keep(trained, replace(settings, epochs=epoch.number))
        reached[0] = epoch.number

    reached, outcome = [0], "trained"
    try:
        train(variant.spec, settings, images, labels, device="cpu", watch=watch)
    except DivergenceError as error:
        outcome = f"diverges at epoch {reached[0] + 1}: {error}"
    record = {
        "variant": variant.name, "figure": variant.figure, "choices": dict(variant.choices), "seed": seed,
        "key": key(variant, seed), "recipes": {"training": training.RECIPE, "panels": RECIPE}, "outcome": outcome,
        "epochs": taken, "seconds": round(time.perf_counter() - started, 1), "versions": versions(),
    }  # fmt: skip
    return json.loads(json.dumps(record))


def read(variant: Variant, seed: int, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The record of a variant and seed; None if there is none, or it was edited or made with other settings."""
    return read_sealed(path_of(variant, seed, folder), key(variant, seed))


def _keep(trained: Trained, settings: TrainingSettings) -> None:
    data_hash = data.data_hash(False)
    about = {"device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__}
    write_atomically(checkpoints.path_of(trained.spec, settings, data_hash),
                     checkpoints.encode(trained, settings, data_hash, about))  # fmt: skip


def _work_and_write(variant: Variant, seed: int) -> None:
    record = work(variant, seed, *data.load("train"), keep=_keep)
    write_sealed(path_of(variant, seed), record)
    say(f"{variant.name}, seed {seed}: {record['outcome'][:60]} ({record['seconds']:.0f} s)")


# ------------------------------------------------------------------------------------------------ all of them


def scores(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """One row a variant, number of epochs and choice of statistics that has records, nearest first within a figure."""
    rows = []
    for variant in VARIANTS:
        found = [r for seed in range(max(SEEDS.values())) if (r := read(variant, seed, folder))]
        for epochs in map(str, variant.epochs):
            own = [r["epochs"][epochs] for r in found if epochs in r["epochs"]]
            for statistics in STATISTICS if own else ():
                panels = {
                    row: score(figure, quantity, [e[statistics][quantity]["quantiles"] for e in own])
                    for row, (figure, quantity) in published.ROWS.items() if figure == variant.figure
                }  # fmt: skip
                rows.append({
                    "variant": variant, "epochs": int(epochs), "statistics": statistics, "seeds": len(own),
                    "distance": float(np.mean([s.distance for s in panels.values()])), "panels": panels,
                    "roughness": {q: float(np.mean([e[statistics][q]["roughness"] or math.nan for e in own]))
                                  for q in published.QUANTITIES},
                })  # fmt: skip
    return sorted(rows, key=lambda r: (r["variant"].figure, r["distance"]))


def second_stage(folder: Path = FOLDER) -> list[Variant]:
    """The NEAREST variants of each figure by their nearest epochs and statistics, and the base settings."""
    chosen: list[Variant] = []
    for figure in PANELS:
        ranked = dict.fromkeys(r["variant"] for r in scores(folder) if r["variant"].figure == figure)
        base = [v for v in VARIANTS if v.figure == figure and not v.choices]
        chosen += dict.fromkeys([*list(ranked)[:NEAREST], *base])
    return chosen


def report(folder: Path = FOLDER) -> str:
    """The scores as lines of text."""
    lines = []
    for r in scores(folder):
        told = f"{r['variant'].name:<44} {r['epochs']:>3} epochs, {r['statistics']:<7} distance {r['distance']:.2f}"
        for row, s in r["panels"].items():
            state = {None: "", True: " compatible", False: ""}[s.compatible] or (" near" if s.near else "")
            told += f"  {row} {' '.join(f'{m:.2f}' for m in s.mean)}{state}"
        lines.append(f"{told}  roughness {r['roughness']['log_det']:.0f} {r['roughness']['log_cond']:.0f}, "
                     f"{r['seeds']} seeds")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.panels.run")
    parser.add_argument("--stage", type=int, choices=SEEDS, default=1)
    parser.add_argument("--report", action="store_true", help="print the scores of what is there")
    chosen = parser.parse_args(arguments)
    if chosen.report:
        print(report())
        return 0
    variants = VARIANTS if chosen.stage == 1 else second_stage()
    wanted = [(v, seed) for seed in range(SEEDS[chosen.stage]) for v in variants]
    missing = [(v, seed) for v, seed in wanted if read(v, seed) is None]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} records of stage {chosen.stage} are there", flush=True)

    def work() -> None:
        if missing:
            data.ensure()
            jobs = min(job_count(), len(missing))
            side_by_side(_work_and_write, missing, jobs, "training a variant", lambda line: print(line, flush=True))

    return status(work)


if __name__ == "__main__":
    from pullback.study.panels.run import main as _main  # by its name, so that its functions unpickle elsewhere

    sys.exit(_main())
