"""Train and measure the models: `python -m pullback.study.beyond [--report]`.

Each model leaves one record in results/beyond as soon as it is finished, keyed by all that decides it, so that an
interrupted run continues and a second one has nothing to do. What is trained becomes a checkpoint, and what has one is
not trained again. Models are worked on side by side, one process and one thread each; PULLBACK_JOBS says how many. A
training that diverges leaves a record that says so. `--report` prints the verdicts and the numbers of the records that
are there, and trains nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ...geometry import LatentSpace
from .. import checkpoints, data, training
from ..errors import DivergenceError, status
from ..paths import write_atomically
from ..provenance import versions, write_sealed
from ..records.quantities import reconstruction_loss
from ..training import Epoch, Trained
from ..workers import job_count, say, side_by_side
from . import RECIPE, tables
from .codes import conditioning, roughness, scale
from .items import FOLDER, ITEMS, Item
from .pairs import drawn, measure_pairs

# ------------------------------------------------------------------------------------------------ one record


def work(item: Item, progress: Callable[[str], object]) -> dict[str, Any]:
    """The record of an item."""
    started = time.perf_counter()
    record = {
        "data": item.data, "latent_dim": item.latent_dim, "family": item.family, "seed": item.seed, "key": item.key,
        "recipes": {"training": training.RECIPE, "beyond": RECIPE}, "versions": versions(),
    }  # fmt: skip
    try:
        trained = train_or_read(item, progress)
    except DivergenceError as error:
        return record | {"outcome": f"diverges: {error}"}
    ready = time.perf_counter()
    weights = checkpoints.digest(trained.model.state_dict())[:16]
    numbers = measure(item, trained.model, lambda line: progress(f"{item.name}: {line}"))
    seconds = {"training": round(ready - started, 1), "measuring": round(time.perf_counter() - ready, 1)}
    record |= {"outcome": "trained", "weights": weights, "seconds": seconds, "numbers": numbers}
    return json.loads(json.dumps(record))


def train_or_read(item: Item, progress: Callable[[str], object]) -> Trained:
    """The model of an item, from its checkpoint where there is one."""
    if item.checkpoint.exists():
        return checkpoints.read(item.spec, item.settings, item.data_hash)

    def tell(epoch: Epoch) -> None:
        if epoch.milestone:
            progress(f"{item.name}: {epoch}")

    started = time.perf_counter()
    trained = training.train(item.spec, item.settings, *item.images("train"), device="cpu", progress=tell)
    about = {"device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__,
             "seconds": round(time.perf_counter() - started, 1)}  # fmt: skip
    write_atomically(item.checkpoint, checkpoints.encode(trained, item.settings, item.data_hash, about))
    return trained


def measure(item: Item, model: Any, progress: Callable[[str], object]) -> dict[str, Any]:
    """The numbers of docs/beyond.md of a model in eval mode."""
    size, space = item.size, LatentSpace(model.generator)
    test, train = (item.images(split)[0][: size.codes] for split in ("test", "train"))
    with torch.no_grad():
        codes = {"test": model.encode(test), "training": model.encode(train)}
    spread = scale(codes["test"])
    numbers = {
        "scale": spread,
        "at": {split: conditioning(space, z, spread["active"]) for split, z in codes.items()},
        "roughness": roughness(space, codes["test"][: size.probes], codes["test"]),
        "reconstruction": reconstruction_loss(model, test),
    }
    progress("conditioning and roughness")
    ends = drawn(codes["test"], size.pairs, item.seed)
    return numbers | {"pairs": measure_pairs(space, ends, codes["training"], size, progress)}


def _work_and_write(item: Item, folder: Path) -> None:
    write_sealed(folder / f"{item.name}.json", work(item, say))
    say(f"{item.name}: its record is there")


# ------------------------------------------------------------------------------------------------ all of them


def run(items: Sequence[Item], folder: Path = FOLDER, progress: Callable[[str], object] = print) -> None:
    """See to it that every item has its record in `folder`; the first items come first."""
    missing = [item for item in items if item.read(folder) is None]
    progress(f"{len(items) - len(missing)} of {len(items)} records are there")
    if not missing:
        return
    for name in dict.fromkeys(item.data for item in missing if not item.size.sample):
        data.ensure(name=name)  # once, before every process would
    jobs = min(job_count(), len(missing))
    side_by_side(_work_and_write, [(item, folder) for item in missing], jobs, "working on a model", progress)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.beyond", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--report", action="store_true", help="print verdicts and numbers; nothing is trained")
    if not parser.parse_args(arguments).report:
        failed = status(lambda: run(ITEMS, progress=lambda line: print(line, flush=True)))
        if failed:
            return failed
    print(tables.report())
    return 0
