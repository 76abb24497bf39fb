"""The claims R-1 to R-6, of what keeps shortest paths on the data, judged by the records of the rotated digits.

Their criteria stand in docs/rings.md, which was committed before there was a record. A number of digits is judged when
the records of all seeds are there. Until then its verdict is "not measured".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..rings.decoders import WEIGHTS
from ..rings.judgement import LIMIT, verdict
from ..rings.metrics import PLAIN
from ..rings.run import FOLDER, ITEMS, Item, line, read
from ..rings.tables import DENSITY, NOT_MEASURED, RBF, counted, mean, over_line
from .statistics import interval

AS_GOOD = math.log(1.1)  # two distances from the data that differ by less than a tenth are as good as each other

Records = Sequence[dict[str, Any]]  # of all seeds, of one number of digits


class RingClaim(NamedTuple):
    """A statement, its criterion in words, and the verdict of all seeds' records of one number of digits."""

    id: str
    statement: str
    criterion: str
    judge: Callable[[Records], str]


def evaluate(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> list[dict[str, str]]:
    """One row a claim: id, statement, criterion, the verdict of each number of digits, and that of all."""
    digits = sorted({item.digits for item in items})
    records = {n: [read(item, folder) for item in items if item.digits == n] for n in digits}
    rows = []
    for claim in CLAIMS:
        found = {
            n: NOT_MEASURED if None in own else claim.judge([r for r in own if r is not None])
            for n, own in records.items()
        }
        named = {"id": claim.id, "statement": claim.statement, "criterion": claim.criterion}
        told = {counted(n): word for n, word in found.items()}
        measured = [word for word in found.values() if word != NOT_MEASURED]
        rows.append(named | told | {"verdict": together(measured) if measured else NOT_MEASURED})
    return rows


def together(verdicts: Sequence[str]) -> str:
    """The verdict of a claim with parts: theirs if they are alike, "depends" if they contradict each other, else
    "undecided"."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return "depends" if "depends" in verdicts or {"supported", "contradicted"} <= set(verdicts) else "undecided"


# ------------------------------------------------------------------------------------------------ what is judged


def spread(record: dict[str, Any], metrics: Sequence[str], measure: str = "leaves") -> float:
    """The largest less the smallest mean of a measure, of several metrics, over pairs on which all are agreed; NaN if
    there is none."""
    own = [record["metrics"][name] for name in metrics]
    agreed = np.all([measures["agreed"] for measures in own], axis=0)
    means = [mean(measures, measure, agreed) for measures in own]
    return max(means) - min(means)


def line_over_path(record: dict[str, Any], metric: str) -> float:
    """The logarithm of the ratio of the mean `off_largest`, of straight lines over shortest paths, on agreed pairs; NaN
    if there is none."""
    return -math.log(over_line(record, metric))


def reconstruction_lost(record: dict[str, Any], decoder: str) -> float:
    """The logarithm of the ratio of the mean `off_mean` on the circle, of a decoder over the plain one."""
    own, plain = (mean(record["straight"][name]["circle"], "off_mean") for name in (decoder, PLAIN))
    return math.log(own / plain)


def _leaving(*names: str) -> Callable[[Records], str]:
    """Supported where each metric leaves the ring, contradicted where each keeps to it."""
    words = {"leaves": "supported", "keeps": "contradicted", "undecided": "undecided"}
    return lambda records: together([words[_verdict(records, name)] for name in names])


def _keeping(*names: str) -> Callable[[Records], str]:
    words = {"keeps": "supported", "leaves": "contradicted", "undecided": "undecided"}
    return lambda records: together([words[_verdict(records, name)] for name in names])


def _verdict(records: Records, name: str) -> str:
    return verdict([(r["metrics"][name], line(r, name)) for r in records])


def _above(values: Sequence[float], threshold: float) -> str:
    """By where the interval of the mean over seeds lies."""
    low, high = _interval(values)
    return "supported" if low > threshold else "contradicted" if high < threshold else "undecided"


def _hangs_on_zeta(records: Records) -> str:
    return _above([spread(r, RBF) for r in records], LIMIT)


def _as_good(records: Records) -> str:
    """Of straight lines under each penalised decoder, where the plain one's are not as good."""
    plain = _alike([line_over_path(r, "deterministic") for r in records])
    found = [_alike([line_over_path(r, name) for r in records]) for name in WEIGHTS]
    return together(["undecided" if own == "supported" and plain != "contradicted" else own for own in found])


def _alike(values: Sequence[float]) -> str:
    low, high = _interval(values)
    if -AS_GOOD < low and high < AS_GOOD:
        return "supported"
    return "contradicted" if high < -AS_GOOD or low > AS_GOOD else "undecided"


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval, NaN if a seed has no number: no comparison then holds."""
    missing = math.nan, math.nan
    return missing if any(map(math.isnan, values)) else interval(values) or missing


def _costs(records: Records) -> str:
    return together([_above([reconstruction_lost(r, name) for r in records], 0.0) for name in WEIGHTS])


CLAIMS = (
    RingClaim(
        "R-1", "The result of the RBF deviation is set by zeta.",
        f"The mean of `leaves` differs over the four zetas by more than {LIMIT:g}.", _hangs_on_zeta,
    ),
    RingClaim(
        "R-2", "Fisher-Rao alone does not keep to the data.",
        "The Fisher-Rao metric of the plain decoder leaves the ring.", _leaving("Fisher-Rao"),
    ),
    RingClaim(
        "R-3", "The expected metric of an ensemble alone does not keep to the data.",
        "The expected metric of ten decoders leaves the ring.", _leaving("ensemble"),
    ),
    RingClaim(
        "R-4", "A density metric keeps to the data.",
        "The density metric keeps to the ring with each of the three floors.",
        _keeping(*DENSITY),
    ),
    RingClaim(
        "R-5", "Flattening makes straight lines as good as geodesics.",
        "With each penalty the mean of `off_largest` of straight lines is within 10 % of the shortest paths', and "
        "without a penalty it is not.", _as_good,
    ),
    RingClaim(
        "R-6", "Flattening costs reconstruction.",
        "With each penalty the mean of `off_mean` on the circle is larger than without.", _costs,
    ),
)  # fmt: skip
