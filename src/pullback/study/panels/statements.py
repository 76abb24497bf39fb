"""Which of the report's statements hang on a choice that it does not print. docs/panels.md has the criteria.

A statement's number is taken from models that were trained with the same choices, on the published boxes, and from the
published panels themselves. It is not the number of the claim of that name, and decides no claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from .reading import ALL_SEEDS, FOLDER, Measured, measured, shared

Panels = Mapping[str, Any]  # by figure, the numbers of both its panels, as `run.measure` records them
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
BASE_EPOCHS = 100
BASE, OWN_BOXES = f"{BASE_EPOCHS} epochs", ", boxes of 1 to 99 %"
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
    """Median log_det of Figure 4 less that of Figure 3, where the box of the DAE's map has the area of the VAE's."""
    four, three = (_quantile(figure, "log_det", 50)(panels) for figure in ("figure_4", "figure_3"))
    dae, vae = panels["figure_4"], panels["figure_3"]
    return four - dae["shift"] + published.shift(dae["box"], vae["box"]) - three


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
    def holds(self) -> bool:
        """Whether the mean lies on the side that the statement asks for."""
        return self.statement.off(fmean(self.numbers)) > 0

    @property
    def verdict(self) -> str:
        if (found := self.interval) is None:
            return f"{HOLDS if self.holds else FAILS}, one seed"
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
            own = panels.setdefault(figure, {"box": PANELS[figure].box, "shift": 0.0})
            own[quantity] = {"quantiles": {"as read": found}, "roughness": published.roughness(cells)}
    return statement.number(panels)


def findings(folder: Path = FOLDER) -> dict[Statement, list[Finding]]:
    """Every statement with all choices for which its models were trained, with statistics as trained: the base
    settings first. It is of all seeds if all its models have them, and else of seed 0."""
    found: dict[Statement, list[Finding]] = {statement: [] for statement in STATEMENTS}
    for own_box in (False, True):
        of = measured(folder, own_box=own_box)
        there = {(m.variant, m.epochs): m for m in of if m.statistics == "trained"}
        for statement, own in found.items():
            if own_box and not set(VAES) & set(statement.figures):
                continue
            for leading in there.values():
                group = [_same(there, leading, figure) for figure in statement.figures]
                whole = [m for m in group if m is not None]
                if leading.variant.figure != statement.figures[0] or len(whole) < len(group):
                    continue
                common = set.intersection(*(set(m.seeds) for m in whole))
                seeds = ALL_SEEDS if common == set(ALL_SEEDS) else sorted(common & {0})
                numbers = [statement.number({m.variant.figure: m.seeds[seed] for m in whole}) for seed in seeds]
                if numbers:
                    own.append(Finding(statement, f"{leading.told}{OWN_BOXES if own_box else ''}", numbers))
    return {statement: sorted(own, key=lambda f: f.choices != BASE) for statement, own in found.items()}


def _same(there: Mapping[tuple[Variant, int], Measured], leading: Measured, figure: str) -> Measured | None:
    """The model of a figure with the choices that it shares with the leading one."""
    if figure == leading.variant.figure:
        return leading
    for (other, n), m in there.items():
        if other.figure == figure and n == leading.epochs and other.choices == shared(leading.variant):
            return m
    return None


def base(found: Sequence[Finding]) -> Finding | None:
    """The finding of the base settings."""
    return next((f for f in found if f.choices == BASE), None)


def otherwise(found: Sequence[Finding]) -> list[Finding]:
    """The findings of all seeds that are decided, and otherwise than that of the base settings is."""
    first = base(found)
    return [f for f in found if first and first.interval and f.verdict in (HOLDS, FAILS) and f.verdict != first.verdict]


def table(folder: Path = FOLDER) -> pd.DataFrame:
    """One row a statement: whether it holds in the published panels, and with the base settings; the choices with which
    it is decided otherwise; and of how many choices, tried with one seed, how many lie on the other side."""
    rows = {}
    for statement, own in findings(folder).items():
        first, printed = base(own), on_the_published(statement)
        single = [f for f in own if len(f.numbers) == 1]
        other = [f for f in single if first and f.holds != first.holds]
        rows[f"{statement.claim}: {statement.text}"] = {
            PUBLISHED: f"{HOLDS if statement.off(printed) > 0 else FAILS} ({printed:.2f})",
            "base settings": _told(first) if first else "not measured",
            "base settings, boxes of 1 to 99 %": next((_told(f) for f in own if f.choices == BASE + OWN_BOXES), ""),
            "decided otherwise with": "; ".join(f"{f.choices} ({_told(f)})" for f in otherwise(own)) or "none",
            "of one seed, on the other side": f"{len(other)} of {len(single)}",
        }
    return pd.DataFrame(rows).T


def _told(finding: Finding) -> str:
    if (found := finding.interval) is None:
        return f"{finding.verdict} ({finding.numbers[0]:.2f})"
    return f"{finding.verdict} ({fmean(finding.numbers):.2f}; {found[0]:.2f} to {found[1]:.2f})"
