"""Judge every metric on one and two rotated digits: `python -m pullback.study.rings [--report]`.

Each number of digits and seed leaves one record in results/rings, keyed by all that decides it; what is measured of an
unfinished one is kept after every metric, in the build folder, so an interrupted run continues. Records are made side
by side, one process and one thread each; PULLBACK_JOBS says how many. `--report` prints the verdicts of the records
that are there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from ..away.kept import kept
from ..errors import status
from ..paths import RESULTS, build_root
from ..provenance import read_sealed, versions, write_sealed
from ..workers import job_count, say, side_by_side
from . import RECIPE
from .decoders import WEIGHTS, Decoders, new_decoder, train_all
from .digits import DIGITS, Rings, chosen, pairs, rings
from .judgement import judge_known, judge_metric, verdict
from .metrics import metrics

FOLDER = RESULTS / "rings"
SEEDS = 5


class Size(NamedTuple):
    """How much is made of a record: angles a digit, epochs, decoders of the ensemble, pairs, grid of the paths."""

    angles: int = 2000
    epochs: int = 400
    members: int = 10
    pairs: int = 20
    grid: int = 128


class Item(NamedTuple):
    """A number of digits and a seed, which draws codes and weights; the pairs are the same for all."""

    digits: int
    seed: int
    size: Size = Size()

    @property
    def name(self) -> str:
        return f"{'-'.join(map(str, DIGITS[: self.digits]))}-seed{self.seed}"

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits of what decides the record."""
        decisive = [RECIPE, DIGITS[: self.digits], self.seed, self.size, WEIGHTS]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


ITEMS = tuple(Item(digits, seed) for digits in range(1, len(DIGITS) + 1) for seed in range(SEEDS))


# ------------------------------------------------------------------------------------------------ one record


def work(item: Item, progress: Callable[[str], object]) -> dict[str, Any]:
    """The record of an item."""
    data = rings(chosen(item.digits), item.size.angles, item.seed)
    ends = pairs(item.size.pairs, item.digits)
    trained = decoders(item, data, progress)
    path = build_root() / "rings" / f"{item.name}.json"
    record = read_sealed(path, item.key) or {"digits": list(DIGITS[: item.digits]), "seed": item.seed, "key": item.key,
                                             "recipe": RECIPE, "straight": {}, "metrics": {}}  # fmt: skip
    for name, compared in metrics(data, trained).items():
        if name in record["metrics"]:
            continue
        started = time.perf_counter()
        measures = judge_metric(data, compared.space, compared.decode, ends, item.size.grid)
        seconds = round(time.perf_counter() - started, 1)
        record["metrics"][name] = measures | {"decoder": compared.decoder, "seconds": seconds}
        if compared.decoder not in record["straight"]:
            record["straight"][compared.decoder] = judge_known(data, compared.decode, ends)
        write_sealed(path, record)
        progress(f"{item.name}: {name} ({seconds:.0f} s)")
    return record | {"versions": versions() | {"gpytorch": version("gpytorch")}}


def decoders(item: Item, data: Rings, progress: Callable[[str], object]) -> Decoders:
    """The decoders of an item, from their file where there is one. `progress` hears of each that is trained."""
    made: list[Decoders] = []

    def make() -> dict[str, Tensor]:
        made.append(train_all(data, item.seed, item.size.members, item.size.epochs, progress=progress))
        return _modules(made[0]).state_dict()

    tensors = kept(f"rings-{item.name}", {"key": item.key}, make)
    found = Decoders([new_decoder() for _ in range(item.size.members)], new_decoder(deviation=True),
                     {name: new_decoder() for name in WEIGHTS})  # fmt: skip
    _modules(found).load_state_dict(tensors)
    return found


def _modules(trained: Decoders) -> nn.ModuleList:
    return nn.ModuleList([*trained.members, trained.deviation, *trained.penalised.values()])


def read(item: Item, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The record of an item; None if there is none, or it was edited or made with other settings."""
    return read_sealed(folder / f"{item.name}.json", item.key)


def _work_and_write(item: Item, folder: Path) -> None:
    write_sealed(folder / f"{item.name}.json", work(item, say))
    say(f"{item.name}: its record is there")


# ------------------------------------------------------------------------------------------------ all of them


def run(items: Sequence[Item], folder: Path = FOLDER, progress: Callable[[str], object] = print) -> None:
    """See to it that every item has its record in `folder`."""
    missing = [item for item in items if read(item, folder) is None]
    progress(f"{len(items) - len(missing)} of {len(items)} records are there")
    if missing:
        jobs = min(job_count(), len(missing))
        side_by_side(_work_and_write, [(item, folder) for item in missing], jobs, "judging rotated digits", progress)


def verdicts(items: Sequence[Item], folder: Path = FOLDER) -> dict[int, dict[str, str]]:
    """What the records say of each metric, by the number of digits, for those of which all seeds are there."""
    found: dict[int, dict[str, str]] = {}
    for digits in sorted({item.digits for item in items}):
        records = [read(item, folder) for item in items if item.digits == digits]
        if not records or None in records:
            continue
        whole = [record for record in records if record is not None]
        found[digits] = {
            name: verdict([(r["metrics"][name], line(r, name)) for r in whole]) for name in whole[0]["metrics"]
        }
    return found


def line(record: dict[str, Any], name: str) -> dict[str, Any]:
    """The straight lines as the decoder of a metric shows them."""
    return record["straight"][record["metrics"][name]["decoder"]]["straight line"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.rings", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--report", action="store_true", help="print the verdicts; nothing is trained")
    if not parser.parse_args(arguments).report:
        failed = status(lambda: run(ITEMS, progress=lambda line: print(line, flush=True)))
        if failed:
            return failed
    for digits, by_metric in verdicts(ITEMS).items():
        for name, found in by_metric.items():
            print(f"{digits} digits  {name:<24} {found}")
    return 0
