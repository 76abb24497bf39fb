"""Train and measure the variants: `python -m pullback.study.panels [--stage 2] [--report]`.

Each variant and seed leaves one record in results/panels as soon as it is finished, keyed by all that decides it, so
that an interrupted run continues and a second one has nothing to do. Variants work side by side, one process and one
thread each; PULLBACK_JOBS says how many. What they train becomes checkpoints. A training that diverges leaves a record
too: what it was up to then, and "diverges at epoch N". `--report` prints the scores of the records that are there and
trains nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .. import checkpoints, data, training
from ..errors import DivergenceError, status
from ..paths import write_atomically
from ..provenance import versions, write_sealed
from ..training import Epoch, Trained, TrainingSettings, scaled, train
from ..workers import job_count, say, side_by_side
from . import maps
from .grid import SEEDS, VARIANTS, Variant
from .measuring import measure
from .reading import RECIPES, is_there, key, path_of, report, second_stage


class Unbounded(DivergenceError):
    """A loss that is finite and below its own lower bound."""


# ------------------------------------------------------------------------------------------------ one variant


def work(
    variant: Variant,
    seed: int,
    images: Tensor,
    labels: Tensor,
    keep: Callable[[Trained, TrainingSettings], object] = lambda trained, settings: None,
    kept: Sequence[Trained] | None = None,
) -> dict[str, Any]:
    """The record of a variant and seed: measured at its epochs, up to the one at which it diverges if it does.

    `keep` is given the model at each of these epochs, and the settings of a training that ends there: it is the same.
    `kept` are these models where they are there; then nothing is trained.
    """
    started, settings, outcome = time.perf_counter(), variant.settings(seed), "trained"
    taken: dict[str, dict[str, Any]] = {}
    history: dict[str, list[float]] = {}
    shown, reached = scaled(images, settings.pixels), 0

    def take(trained: Trained) -> None:
        losses = {name: round(values[-1], 4) for name, values in trained.history.items()}
        epochs = len(next(iter(trained.history.values())))
        taken[str(epochs)] = {"losses": losses} | measure(variant, trained.model, shown, seed)

    def watch(epoch: Epoch, model: Any) -> None:
        nonlocal reached
        for name, value in epoch.losses.items():
            history.setdefault(name, []).append(value)
        lowest = min(epoch.losses.values())
        if variant.spec.family != "gan" and lowest < 0:
            raise Unbounded(f"the loss, which cannot be negative, is {lowest:.4g} at epoch {epoch.number}")
        if epoch.number in variant.epochs:
            trained = Trained(variant.spec, copy.deepcopy(model).eval(), history)
            take(trained)
            keep(trained, replace(settings, epochs=epoch.number))
        reached = epoch.number

    try:
        if kept is None:
            train(variant.spec, settings, images, labels, device="cpu", watch=watch)
        else:
            for trained in kept:
                take(trained)
    except DivergenceError as error:
        outcome = f"diverges at epoch {reached + 1}: {error}"
    recipes = {"training": training.RECIPE, "panels": RECIPES[variant.spec.family]}
    record = {
        "variant": variant.name, "figure": variant.figure, "choices": dict(variant.choices), "seed": seed,
        "key": key(variant, seed), "recipes": recipes, "outcome": outcome,
        "epochs": taken, "seconds": round(time.perf_counter() - started, 1), "versions": versions(),
    }  # fmt: skip
    return json.loads(json.dumps(record))


def _keep(trained: Trained, settings: TrainingSettings) -> None:
    data_hash = data.data_hash(False)
    about = {"device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__}
    write_atomically(checkpoints.path_of(trained.spec, settings, data_hash),
                     checkpoints.encode(trained, settings, data_hash, about))  # fmt: skip


def _kept(variant: Variant, seed: int) -> list[Trained] | None:
    """The variant's models from their checkpoints, if all of them are there."""
    own, data_hash = [replace(variant.settings(seed), epochs=n) for n in variant.epochs], data.data_hash(False)
    if not all(checkpoints.path_of(variant.spec, settings, data_hash).exists() for settings in own):
        return None
    return [checkpoints.read(variant.spec, settings, data_hash) for settings in own]


def _work_and_write(variant: Variant, seed: int) -> None:
    record = work(variant, seed, *data.load("train"), keep=_keep, kept=_kept(variant, seed))
    write_sealed(path_of(variant, seed), record)
    say(f"{variant.name}, seed {seed}: {record['outcome'][:60]} ({record['seconds']:.0f} s)")


# ------------------------------------------------------------------------------------------------ all of them


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.panels")
    parser.add_argument("--stage", type=int, choices=SEEDS, default=1)
    parser.add_argument("--report", action="store_true", help="print the scores of what is there")
    chosen = parser.parse_args(arguments)
    if chosen.report:
        print(report())
        return 0
    variants = VARIANTS if chosen.stage == 1 else second_stage()
    wanted = [(v, seed) for v in variants for seed in range(SEEDS[chosen.stage])]  # so that variants become whole
    missing = [(v, seed) for v, seed in wanted if not is_there(v, seed)]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} records of stage {chosen.stage} are there", flush=True)

    def work() -> None:
        if missing:
            data.ensure()
            jobs = min(job_count(), len(missing))
            side_by_side(_work_and_write, missing, jobs, "training a variant", lambda line: print(line, flush=True))
        if chosen.stage == 2:
            maps.write()

    return status(work)
