"""The claims R-1 to R-9, of what keeps shortest paths on the data, judged by the records of the rotated digits and of
MNIST.

Their criteria stand in docs/rings.md and docs/away.md, each committed before there was a record. A number of digits, or
MNIST, is judged when the records of all seeds are there. Until then its verdict is "not measured".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..away import tables as mnist
from ..away.agreement import jackknife, log_ratio
from ..away.knobs import KNOBS
from ..away.tables import ONE_DECODER, both
from ..rings.decoders import WEIGHTS
from ..rings.judgement import LIMIT, verdict
from ..rings.metrics import PLAIN
from ..rings.run import FOLDER, ITEMS, Item, line, read
from ..rings.tables import DENSITY, NOT_MEASURED, RBF, counted, mean, over_line
from .criteria import NONE
from .statistics import bounds

AS_GOOD = math.log(1.1)  # two distances from the data that differ by less than a tenth are as good as each other

MNIST, NOT_ASKED = "MNIST", ""

Records = Sequence[dict[str, Any]]  # of all seeds, of one number of digits or of MNIST
Judge = Callable[[Records], str]


class RemedyClaim(NamedTuple):
    """A statement, its criterion in words, and the verdict of all seeds' records of one number of digits, and of MNIST;
    None where it is not asked."""

    id: str
    statement: str
    criterion: str
    rings: Judge | None
    mnist: Judge | None


def evaluate(
    items: Sequence[Item] = ITEMS, folder: Path = FOLDER, of_mnist: Records | None = None
) -> list[dict[str, str]]:
    """One row a claim: id, statement, criterion, the verdict of each number of digits and of MNIST, and that of all.
    `of_mnist` are the records of MNIST; by default the committed ones."""
    digits = sorted({item.digits for item in items})
    records: dict[str, list[Any]] = {
        counted(n): [read(item, folder) for item in items if item.digits == n] for n in digits
    }
    records[MNIST] = list(mnist.records() if of_mnist is None else of_mnist)
    rows = []
    for claim in CLAIMS:
        told = {}
        for on, own in records.items():
            judge = claim.mnist if on == MNIST else claim.rings
            whole = [record for record in own if record is not None]
            told[on] = NOT_ASKED if judge is None else judge(whole) if len(whole) == len(own) else NOT_MEASURED
        named = {"id": claim.id, "statement": claim.statement, "criterion": claim.criterion}
        measured = [word for word in told.values() if word not in (NOT_MEASURED, NOT_ASKED)]
        rows.append(named | told | {"verdict": together(measured) if measured else NOT_MEASURED})
    return rows


def together(verdicts: Sequence[str]) -> str:
    """The verdict of a claim with parts: theirs if they are alike, "depends" if they contradict each other, else
    "undecided"."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return "depends" if "depends" in verdicts or {"supported", "contradicted"} <= set(verdicts) else "undecided"


# ------------------------------------------------------------------------------------------------ the rings


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


def _each(asked: str, *names: str) -> Judge:
    """Supported where each metric does what is asked, "keeps" or "leaves"; contradicted where each does the other."""
    return lambda records: _told(asked, [_verdict(records, name) for name in names])


def _told(asked: str, found: Sequence[str]) -> str:
    words = {"undecided": "undecided", asked: "supported"}
    return together([words.get(own, "contradicted") for own in found])


def _verdict(records: Records, name: str) -> str:
    return verdict([(r["metrics"][name], line(r, name)) for r in records])


def _above(values: Sequence[float], threshold: float) -> str:
    """By where the interval of the mean over seeds lies."""
    low, high = bounds(values)
    return "supported" if low > threshold else "contradicted" if high < threshold else "undecided"


def _hangs_on_zeta(records: Records) -> str:
    return _above([spread(r, RBF) for r in records], LIMIT)


def _as_good(records: Records) -> str:
    """Of straight lines under each penalised decoder, where the plain one's are not as good."""
    plain = _alike([line_over_path(r, "deterministic") for r in records])
    found = [_alike([line_over_path(r, name) for r in records]) for name in WEIGHTS]
    return together(["undecided" if own == "supported" and plain != "contradicted" else own for own in found])


def _alike(values: Sequence[float]) -> str:
    low, high = bounds(values)
    if -AS_GOOD < low and high < AS_GOOD:
        return "supported"
    return "contradicted" if high < -AS_GOOD or low > AS_GOOD else "undecided"


def _costs(records: Records) -> str:
    return together([_above([reconstruction_lost(r, name) for r in records], 0.0) for name in WEIGHTS])


# ------------------------------------------------------------------------------------------------ MNIST


def _mnist_each(asked: str, *systems: str) -> Judge:
    return lambda records: _told(asked, [mnist.on_data(records, name) for name in systems])


def _mnist_zeta(records: Records) -> str:
    spreads = []
    for record in records:
        names = KNOBS["least precision"].values()
        agreed = np.all([record["systems"][name]["agreed"] for name in names], axis=0)
        shares = [mnist.mean(record, name, "path", "sparse", agreed) for name in names]
        spreads.append(max(shares) - min(shares))
    return _above(spreads, NONE)


def _mnist_as_good(records: Records) -> str:
    def alike(system: str) -> str:
        return _alike([-mnist.log_gain(record, system, "nearest") for record in records])

    plain = alike("deterministic")
    found = [alike(name) for name in PENALISED]
    return together(["undecided" if own == "supported" and plain != "contradicted" else own for own in found])


def _mnist_costs(records: Records) -> str:
    return together([_above([mnist.error_over_plain(record, name) for record in records], 0.0) for name in PENALISED])


def _by_draws(records: Records) -> str:
    """Whether the expected metric does not make distances agree better than one decoder's, and the draws do."""
    one, ten, drawn = mnist.distances(records, ONE_DECODER), mnist.distances(records, "ensemble"), mnist.drawn(records)
    metric, draws = (jackknife(log_ratio, *both(*couple))[1:] for couple in ((ten, one), (drawn, ten)))
    if metric[0] > -AS_GOOD and draws[1] < -AS_GOOD:
        return "supported"
    return "contradicted" if metric[1] < -AS_GOOD or draws[0] > -AS_GOOD else "undecided"


def _better(gain: Callable[[dict[str, Any], str], float], systems: Sequence[str]) -> Judge:
    return lambda records: together([_above([gain(record, name) for record in records], 0.0) for name in systems])


PENALISED = ("flat", "isometric")

CLAIMS = (
    RemedyClaim(
        "R-1", "The result of the RBF deviation is set by zeta.",
        f"Over the four zetas the mean of `leaves` differs by more than {LIMIT:g}; on MNIST that of `sparse` by more "
        f"than {NONE:g}.", _hangs_on_zeta, _mnist_zeta,
    ),
    RemedyClaim(
        "R-2", "Fisher-Rao alone does not keep to the data.",
        "The Fisher-Rao metric of the plain decoder leaves the ring, or the data.", _each("leaves", "Fisher-Rao"),
        _mnist_each("leaves", "Fisher-Rao"),
    ),
    RemedyClaim(
        "R-3", "The expected metric of an ensemble alone does not keep to the data.",
        "The expected metric of ten decoders leaves the ring, or the data.", _each("leaves", "ensemble"),
        _mnist_each("leaves", "ensemble"),
    ),
    RemedyClaim(
        "R-4", "A density metric keeps to the data.",
        "The density metric keeps to the ring, or to the data, with each of the three floors.",
        _each("keeps", *DENSITY), _mnist_each("keeps", *KNOBS["floor"].values()),
    ),
    RemedyClaim(
        "R-5", "Flattening makes straight lines as good as geodesics.",
        "With each penalty the mean of `off_largest`, or of `nearest`, of straight lines is within 10 % of the "
        "shortest paths', and without a penalty it is not.", _as_good, _mnist_as_good,
    ),
    RemedyClaim(
        "R-6", "Flattening costs reconstruction.",
        "With each penalty the mean of `off_mean` on the circle, or the squared error of test images, is larger than "
        "without.", _costs, _mnist_costs,
    ),
    RemedyClaim(
        "R-7", "An ensemble's distances agree better between trainings because of the independent draws, not because "
        "of the expected metric.",
        "The variation of distances over trainings is not a tenth lower under the expected metric of ten decoders than "
        "under that of one, and more than a tenth lower with draws.", None, _by_draws,
    ),
    RemedyClaim(
        "R-8", "Distances that know where the data are find classes better than latent distance.",
        "The F-measure of clusters is higher than that of latent distance, for the density metric and for the radial "
        "variance.", None, _better(mnist.clusters_gained, ("density", "radial variance")),
    ),
    RemedyClaim(
        "R-9", "Images on shortest paths teach more than images on straight lines.",
        "The share of test images told right is higher, for the deterministic and for the density metric.", None,
        _better(mnist.told_right_gained, ("deterministic", "density")),
    ),
)  # fmt: skip
