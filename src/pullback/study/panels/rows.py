"""Rows P-1 to P-10 of the scorecard: where each published panel lies among our models. docs/panels.md has the criteria.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ..labels import architecture
from ..report import PANELS
from . import published
from .reading import ALL_SEEDS, FOLDER, Measured, measured
from .statements import BASE_EPOCHS

NOT_MEASURED = "not measured"


class Row(NamedTuple):
    """A published panel, the model of the base settings, and that which fits its figure best; None for what has no
    records of all seeds."""

    id: str
    figure: str
    quantity: str
    base: Measured | None
    best: Measured | None

    @property
    def panel(self) -> str:
        model = PANELS[self.figure].model
        return f"{named(self.figure)}, {model[:3].upper()} {architecture(model)}, {self.quantity}"

    @property
    def ours(self) -> str:
        """Where the panel lies for the base settings."""
        return NOT_MEASURED if self.base is None else self.base.panels[self.id].state

    @property
    def nearest(self) -> str:
        """Where it lies for the model that fits its figure best."""
        return NOT_MEASURED if self.best is None else self.best.panels[self.id].state

    @property
    def takes(self) -> str:
        """What that model has instead of the base settings."""
        return "" if self.best is None else self.best.told

    @property
    def roughness(self) -> str:
        """Mean slope of a map in sides of its box: of the published panel, the base settings, and the best fit."""
        told = [published.roughness(published.panel(self.figure, self.quantity))]
        told += [m.roughness(self.quantity) for m in (self.base, self.best) if m is not None]
        return ", ".join(f"{value:.0f}" for value in told)

    @property
    def width(self) -> float | None:
        """Of that model's interval of the median."""
        return self.best.panels[self.id].width if self.best else None


def named(figure: str) -> str:
    """For instance "Figure 1"."""
    return figure.replace("_", " ").capitalize()


def rows(folder: Path = FOLDER) -> list[Row]:
    """The ten rows, in the report's order."""
    whole, best = _whole(folder), best_fits(folder)
    base = {m.variant.figure: m for m in whole if is_base(m)}
    return [Row(row, figure, quantity, base.get(figure), best.get(figure))
            for row, (figure, quantity) in published.ROWS.items()]  # fmt: skip


def best_fits(folder: Path = FOLDER) -> dict[str, Measured]:
    """By figure, the model that comes nearest in quantiles and look, of those that have records of all seeds."""
    nearest: dict[str, Measured] = {}
    for m in sorted(_whole(folder), key=lambda m: m.distance + m.look):
        nearest.setdefault(m.variant.figure, m)
    return {figure: nearest[figure] for figure in PANELS if figure in nearest}


def _whole(folder: Path) -> list[Measured]:
    return [m for m in measured(folder) if len(m.seeds) == len(ALL_SEEDS)]


def is_base(m: Measured) -> bool:
    """Whether it is the study's own model of the figure."""
    return not m.variant.choices and (m.epochs, m.statistics) == (BASE_EPOCHS, "trained")


def table(folder: Path = FOLDER) -> pd.DataFrame:
    """One row a panel: where it lies for the base settings, and for the model that fits its figure best."""
    return pd.DataFrame({
        r.id: {
            "panel": r.panel,
            "base settings": r.ours,
            "best fit": r.nearest,
            "what the best fit takes": r.takes,
            "width of its interval of the median": "" if r.width is None else f"{r.width:.2g}",
            "roughness: published, base, best fit": r.roughness,
        }
        for r in rows(folder)
    }).T


def markdown(folder: Path = FOLDER) -> str:
    """`table` as markdown."""
    shown = table(folder)
    head = ("", *(name.capitalize() for name in shown.columns))
    lines = [head, ["---"] * len(head), *((name, *row) for name, row in shown.iterrows())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
