"""Which of the report's statements hang on a choice that it does not print. docs/panels.md has the criteria.

A statement's number is taken from models that were trained with the same choices, on the published boxes, and from the
published panels themselves. It is not the number of the claim of that name, and decides no claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..claims.criteria import ALIKE, HIGH, LINEAR
from ..claims.statistics import interval
from ..report import PANELS
from . import published
from .grid import Variant
from .reading import FOLDER, Measured, measured, shared

Panels = Mapping[str, Any]  # by figure, the numbers of both its panels, as `run.measure` records them
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
BASE_EPOCHS = 100
PUBLISHED = "the published panels"


class Statement(NamedTuple):
    """A statement of the report, in our words, with the claim that judges it.

    number: what is compared with the threshold, given the panels of `figures`.
    side: above, below, or within: between -threshold and threshold.
    """

    claim: str
    text: str
    figures: tuple[str, ...]
    number: Callable[[Panels], float]
    side: str
    threshold: float = 0.0

    def off(self, number: float) -> float:
        """How far a number is on the side that the statement asks for; negative on the other."""
        return {"above": number - self.threshold, "below": self.threshold - number,
                "within": self.threshold - abs(number)}[self.side]  # fmt: skip


def _quantile(figure: str, quantity: str, percent: int) -> Callable[[Panels], float]:
    place = published.QUANTILES.index(percent)
    return lambda panels: float(panels[figure][quantity]["quantiles"]["as read"][place])


def _width(figure: str) -> Callable[[Panels], float]:
    low, high = (_quantile(figure, "log_det", q) for q in (5, 95))
    return lambda panels: high(panels) - low(panels)


def _rough(figure: str) -> Callable[[Panels], float]:
    return lambda panels: math.log(panels[figure]["log_det"]["roughness"])


def _less(first: Callable[[Panels], float], *others: Callable[[Panels], float]) -> Callable[[Panels], float]:
    """Less the largest of the others."""
    return lambda panels: first(panels) - max(other(panels) for other in others)


def _over_vaes(choose: Callable[..., float], quantity: str, percent: int) -> Callable[[Panels], float]:
    parts = [_quantile(figure, quantity, percent) for figure in VAES]
    return lambda panels: choose(part(panels) for part in parts)


def _larger_dae(panels: Panels) -> float:
    """Median log_det of Figure 4 less that of Figure 3, where the published box of each has the same area."""
    four, three = (_quantile(figure, "log_det", 50)(panels) for figure in ("figure_4", "figure_3"))
    return four + published.shift(PANELS["figure_4"].box, PANELS["figure_3"].box) - three


VAES = ("figure_1", "figure_2", "figure_3")
_COND, _COND_95 = ({figure: _quantile(figure, "log_cond", q) for figure in PANELS} for q in (50, 95))

STATEMENTS = (
    Statement("4.2-4", "DAEs are worse conditioned than VAEs.", ("figure_4", "figure_3"),
              _less(_COND["figure_4"], _COND["figure_3"]), "above"),
    Statement("4.2-2", "A DAE's metric is less smooth than a VAE's.", ("figure_4", "figure_3"),
              _less(_rough("figure_4"), _rough("figure_3")), "above"),
    Statement("4.2-3", "A DAE's metric is larger than a VAE's.", ("figure_4", "figure_3"), _larger_dae, "above"),
    Statement("4.1-7", "A sigmoid makes the metric smoother than tanh does.", ("figure_3", "figure_1"),
              _less(_rough("figure_3"), _rough("figure_1")), "below"),
    Statement("4.1-8", "A sigmoid gives a better conditioning than tanh does.", ("figure_3", "figure_1"),
              _less(_COND["figure_3"], _COND["figure_1"]), "below"),
    Statement("4.1-5", "Wider hidden layers make the metric smoother.", ("figure_2", "figure_1"),
              _less(_rough("figure_2"), _rough("figure_1")), "below"),
    Statement("4.1-6", "Wider hidden layers leave the conditioning as it is.", ("figure_2", "figure_1"),
              _less(_COND["figure_2"], _COND["figure_1"]), "within", ALIKE),
    Statement("4.1-2", "A VAE's metric is very large.", VAES, _over_vaes(min, "log_det", 50), "above", LINEAR),
    Statement("4.1-4", "A VAE is well conditioned.", VAES, _over_vaes(max, "log_cond", 95), "below", HIGH),
    Statement("4.2-5", "A GAN's magnitude spans a larger range.", ("figure_5", "figure_1", "figure_4"),
              _less(_width("figure_5"), _width("figure_1"), _width("figure_4")), "above"),
    Statement("4.2-6", "A GAN's condition number reaches much higher values.", ("figure_5", "figure_1", "figure_4"),
              _less(_COND_95["figure_5"], _COND_95["figure_1"], _COND_95["figure_4"]), "above", ALIKE),
    Statement("4.2-7", "GANs are ill-conditioned.", ("figure_5",), _COND_95["figure_5"], "above", HIGH),
)  # fmt: skip


class Finding(NamedTuple):
    """A statement with one set of choices: its number of each seed, and what follows from them.

    verdict: "holds", "fails" or "undecided" with several seeds; with one only on which side it lies: "holds, one seed".
    """

    statement: Statement
    choices: str
    numbers: list[float]

    @property
    def interval(self) -> tuple[float, float] | None:
        return interval(self.numbers)

    @property
    def verdict(self) -> str:
        if (found := self.interval) is None:
            return f"{HOLDS if self.statement.off(self.numbers[0]) > 0 else FAILS}, one seed"
        offs = [self.statement.off(end) for end in found]
        if self.statement.side == "within" and found[0] < 0 < found[1]:  # the number itself may be nearer to zero
            offs.append(self.statement.off(0.0))
        return HOLDS if min(offs) > 0 else FAILS if max(offs) < 0 else UNDECIDED


def on_the_published(statement: Statement) -> float:
    """The statement's number on the report's own panels."""
    panels: dict[str, dict[str, Any]] = {}
    for figure in statement.figures:
        for quantity in published.QUANTITIES:
            cells = published.panel(figure, quantity)
            found = published.quantiles(cells, np.isfinite(cells))
            panels.setdefault(figure, {})[quantity] = {"quantiles": {"as read": found},
                                                       "roughness": published.roughness(cells)}  # fmt: skip
    return statement.number(panels)


def findings(folder: Path = FOLDER) -> dict[Statement, list[Finding]]:
    """Every statement with all choices for which its models were trained, with statistics as trained: the base
    settings first. The seeds are those that all its models have."""
    there = {(m.variant, m.epochs): m for m in measured(folder) if m.statistics == "trained"}
    found: dict[Statement, list[Finding]] = {}
    for statement in STATEMENTS:
        first, *others = statement.figures
        own = []
        for (variant, epochs), leading in there.items():
            if variant.figure != first:
                continue
            group = [leading, *(_same(there, variant, figure, epochs) for figure in others)]
            if None in group:
                continue
            whole: list[Measured] = [m for m in group if m is not None]
            seeds = sorted(set.intersection(*(set(m.seeds) for m in whole)))
            numbers = [statement.number({m.variant.figure: m.seeds[seed] for m in whole}) for seed in seeds]
            if numbers:
                own.append(Finding(statement, leading.told, numbers))
        found[statement] = sorted(own, key=lambda f: f.choices != f"{BASE_EPOCHS} epochs")
    return found


def _same(there: Mapping[tuple[Variant, int], Measured], variant: Variant, figure: str, epochs: int) -> Measured | None:
    """The model of another figure with the choices that the two share."""
    for (other, n), m in there.items():
        if other.figure == figure and n == epochs and other.choices == shared(variant):
            return m
    return None


def hangs_on(found: list[Finding]) -> list[Finding]:
    """The findings, each with several seeds, that are the opposite of that of the base settings."""
    if not found or found[0].choices != f"{BASE_EPOCHS} epochs":
        return []
    opposite = {HOLDS: FAILS, FAILS: HOLDS}.get(found[0].verdict)
    return [f for f in found if opposite and f.verdict == opposite]


def table(folder: Path = FOLDER) -> pd.DataFrame:
    """One row a statement: whether it holds in the published panels and with the base settings, the choices with which
    it is the other way round, and those with which one seed lies on the other side."""
    rows = {}
    for statement, own in findings(folder).items():
        base = own[0] if own and own[0].choices == f"{BASE_EPOCHS} epochs" else None
        printed = on_the_published(statement)
        hinted = [f.choices for f in own if len(f.numbers) == 1
                  and base and (statement.off(f.numbers[0]) > 0) != (statement.off(fmean(base.numbers)) > 0)]
        rows[f"{statement.claim}: {statement.text}"] = {
            PUBLISHED: f"{HOLDS if statement.off(printed) > 0 else FAILS} ({printed:.2f})",
            "base settings": _told(base) if base else "not measured",
            "the opposite with": "; ".join(f"{f.choices} ({_told(f)})" for f in hangs_on(own)) or "none",
            "of one seed, the other side with": "; ".join(hinted) or "none",
        }
    return pd.DataFrame(rows).T


def _told(finding: Finding) -> str:
    if (found := finding.interval) is None:
        return f"{finding.verdict} ({finding.numbers[0]:.2f})"
    return f"{finding.verdict} ({fmean(finding.numbers):.2f}; {found[0]:.2f} to {found[1]:.2f})"
