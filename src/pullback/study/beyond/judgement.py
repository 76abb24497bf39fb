"""Rows B-1 to B-9 of docs/beyond.md: a number a seed, its interval over seeds, and a verdict a data set and dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...benchmark import SOLVED
from ..claims.criteria import LONGER, NONE, SMALL_SHARE, WEAK
from ..claims.remedies import NOT_MEASURED, together
from ..claims.statistics import interval
from ..solvers.premise import partial
from .items import DATA, DIMENSIONS, FAMILIES, FOLDER, ITEMS, Item
from .pairs import DEFAULT, LOCAL, SHORTEST, SPLINE, STRAIGHT

CANNOT_TELL = "cannot be told"
BADLY = "20"  # the condition number above which a code is badly conditioned, as a key of a record

Models = Mapping[str, dict[str, Any]]  # by family, the numbers of one seed's records of a data set and dimension
Cell = tuple[str, int]  # a data set and a number of latent dimensions


class Part(NamedTuple):
    """One number a seed, and on which side of its threshold it supports the statement."""

    label: str
    number: Callable[[Models], float]
    side: str
    threshold: float = 0.0

    def verdict(self, values: Sequence[float]) -> str:
        """Of the numbers of all seeds, of which NaN stands for one that is lacking."""
        found = None if any(map(math.isnan, values)) else interval(values)
        if found is None:
            return CANNOT_TELL
        below, above = found[1] < self.threshold, found[0] > self.threshold
        if not below and not above:
            return "undecided"
        return "supported" if above == (self.side == "above") else "contradicted"


class Row(NamedTuple):
    """A statement of docs/beyond.md, the claims that it follows, and its parts."""

    id: str
    statement: str
    after: str
    parts: tuple[Part, ...]


# ------------------------------------------------------------------------------------------------ numbers


def badly(active: bool) -> Callable[[Models], float]:
    """Of a VAE, the share of test codes that are badly conditioned, of all or of the active columns."""

    def number(models: Models) -> float:
        own = models["vae"]["at"]["test"]
        return (own["active"] if active else own)["above"][BADLY]

    return number


def cond_difference(quantile: str) -> Callable[[Models], float]:
    """Of log_cond at test codes, DAE less VAE."""
    return lambda m: np.subtract(*(m[f]["at"]["test"]["log_cond"][quantile] for f in ("dae", "vae"))).item()


def rougher(m: Models) -> float:
    """Logarithm of the roughness, DAE less VAE."""
    return math.log(m["dae"]["roughness"]["distance"] / m["vae"]["roughness"]["distance"])


def lengths(numbers: Mapping[str, Any], method: str) -> NDArray[np.float64]:
    """Of a method's curves, inf where one has none."""
    return np.nan_to_num(np.array(numbers["pairs"]["methods"][method]["length"], float), nan=np.inf)


def failed(numbers: Mapping[str, Any], method: str) -> NDArray[np.bool_]:
    """Which pairs a method does not solve: its curve is more than 1 % longer than the shortest found."""
    return lengths(numbers, method) > (1 + SOLVED) * np.array(numbers["pairs"]["shortest"])


def excess(family: str) -> Callable[[Models], float]:
    def number(m: Models) -> float:
        return median((lengths(m[family], STRAIGHT) / np.array(m[family]["pairs"]["shortest"])).tolist()) - 1

    return number


def share_solved(family: str, method: str = DEFAULT) -> Callable[[Models], float]:
    return lambda m: 1 - failed(m[family], method).mean().item()


def predicts(method: str) -> Callable[[Models], float]:
    """Rank correlation of conditioning on the shortest curve with failure, at equal latent distance and length: the
    mean over the models that have one, NaN if none has."""

    def of(numbers: Mapping[str, Any]) -> float:
        pairs = numbers["pairs"]
        highest = np.nan_to_num(np.array(pairs["ways"][SHORTEST]["log_cond_highest"], float), nan=np.inf)
        apart = np.array(pairs["latent_distance"])
        columns = (highest, apart, pairs["shortest"], failed(numbers, method))
        return partial(np.column_stack(columns).astype(float)[apart > 0])

    def number(m: Models) -> float:
        found = [value for family in FAMILIES if not math.isnan(value := of(m[family]))]
        return fmean(found) if found else math.nan

    return number


def gain(quantity: str, family: str) -> Callable[[Models], float]:
    """What the default's curve has more of than the straight line, mean over the pairs that have both."""

    def number(m: Models) -> float:
        ways = (np.array(m[family]["pairs"]["ways"][name][quantity], float) for name in (DEFAULT, STRAIGHT))
        difference = np.subtract(*ways)
        there = difference[~np.isnan(difference)]
        return fmean(there.tolist()) if len(there) else math.nan

    return number


def _of_both(number: Callable[[str], Callable[[Models], float]], side: str, threshold: float) -> tuple[Part, ...]:
    return tuple(Part(family.upper(), number(family), side, threshold) for family in FAMILIES)


ROWS = (
    Row("B-1", "A VAE is well conditioned where its data are.", "A-2, 5-5",
        (Part("test codes", badly(active=False), "below", NONE),)),
    Row("B-2", "The same on active coordinates.", "A-2, 5-5",
        (Part("test codes", badly(active=True), "below", NONE),)),
    Row("B-3", "DAEs are worse conditioned than VAEs.", "4.2-4",
        (Part("median", cond_difference("q50"), "above"), Part("95 %", cond_difference("q95"), "above"))),
    Row("B-4", "A DAE's metric is less smooth than a VAE's.", "4.2-2", (Part("log ratio", rougher, "above"),)),
    Row("B-5", "The straight line is longer than the geodesic by more than 1 %.", "5-1",
        _of_both(excess, "above", LONGER)),
    Row("B-6", "Conditioning does not predict failure.", "A-1, turned round",
        tuple(Part(method, predicts(method), "below", WEAK) for method in (LOCAL, SPLINE))),
    Row("B-7", "Geodesics leave the data.", "A-5", _of_both(lambda f: gain("sparse", f), "above", NONE)),
    Row("B-8", "Geodesics avoid regions of high determinant.", "3.3-1",
        _of_both(lambda f: gain("log_det", f), "below", 0.0)),
    Row("B-9", "The library's default solves nearly all pairs.", "4.2-9",
        _of_both(share_solved, "above", 1 - SMALL_SHARE)),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------ verdicts


class Found(NamedTuple):
    """A row in one cell: the verdict, and by part the numbers of the seeds; none where a record is missing."""

    verdict: str
    values: dict[str, list[float]]


def evaluate(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> dict[str, dict[Cell, Found]]:
    """Every row in every cell of which all items have their records. "not measured" where one has none."""
    records = {item: item.read(folder) for item in items}
    found: dict[str, dict[Cell, Found]] = {row.id: {} for row in ROWS}
    for cell in ((name, k) for name in DATA for k in DIMENSIONS):
        own = {item: record for item, record in records.items() if (item.data, item.latent_dim) == cell}
        whole = bool(own) and None not in own.values()
        seeds = sorted({item.seed for item in own})
        for row in ROWS:
            found[row.id][cell] = _judge(row, _by_seed(own, seeds)) if whole else Found(NOT_MEASURED, {})
    return found


def _by_seed(records: Mapping[Item, dict[str, Any] | None], seeds: Sequence[int]) -> list[Models]:
    """The numbers of each seed by family, without those of a training that diverged."""
    return [
        {item.family: record["numbers"] for item, record in records.items()
         if item.seed == seed and record is not None and "numbers" in record}
        for seed in seeds
    ]  # fmt: skip


def _judge(row: Row, seeds: Sequence[Models]) -> Found:
    values = {part.label: [_number(part, models) for models in seeds] for part in row.parts}
    verdicts = [part.verdict(values[part.label]) for part in row.parts]
    return Found(CANNOT_TELL if CANNOT_TELL in verdicts else together(verdicts), values)


def _number(part: Part, models: Models) -> float:
    return part.number(models) if set(models) == set(FAMILIES) else math.nan


def overall(cells: Mapping[Cell, Found]) -> str:
    """What the verdicts of all cells say of a statement together."""
    verdicts = [found.verdict for found in cells.values()]
    if NOT_MEASURED in verdicts:
        return NOT_MEASURED
    if CANNOT_TELL in verdicts and not {"supported", "contradicted"} <= set(verdicts):
        return "undecided"
    return {"supported": "generalises", "contradicted": "fails everywhere"}.get(word := together(verdicts), word)
