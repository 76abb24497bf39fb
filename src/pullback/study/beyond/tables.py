"""The records as tables: one row a model, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...benchmark import SOLVED
from ..labels import family
from .codes import CONDITIONS, corrected
from .items import FOLDER, ITEMS, Item
from .judgement import ROWS, evaluate, lengths, overall, share_solved
from .pairs import DEFAULT, GRAPH, LOCAL, SPLINE, STRAIGHT

NAMES = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
MEDIAN, HIGH = "log condition number", "log condition number, 95 %"
ACTIVE = "log condition number, active"
BAD = {condition: f"condition number above {condition} (%)" for condition in CONDITIONS}
USED, SIZE = "active coordinates", "log_det / 2k, corrected"
ROUGH, EXCESS, SPARSE = "roughness", "straight line longer by (%)", "geodesic at sparse places (%)"
SOLVED_SHARE = {method: f"solved by {method} (%)" for method in (LOCAL, DEFAULT, SPLINE, GRAPH)}
LOSS, OVERLOOKED = "reconstruction (nats)", "shortest found, certified (%)"


def table(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> pd.DataFrame:
    """One row a model that has a record and did not diverge: data set, latent dimension, family, seed, and what a
    reader would compare."""
    rows = []
    for item in items:
        record = item.read(folder)
        if record is not None and "numbers" in record:
            told = {"data": NAMES[item.data], "latent_dim": item.latent_dim, "family": family(item.family)}
            rows.append(told | {"seed": item.seed} | row(item, record["numbers"]))
    return pd.DataFrame(rows)


def row(item: Item, numbers: Mapping[str, Any]) -> dict[str, float]:
    """What a reader would compare of a model, of the numbers of its record."""
    at, scale, pairs = numbers["at"]["test"], numbers["scale"], numbers["pairs"]
    k, models = item.latent_dim, {item.family: dict(numbers)}
    sparse = np.array(pairs["ways"][DEFAULT]["sparse"], float)
    return {
        MEDIAN: at["log_cond"]["q50"],
        HIGH: at["log_cond"]["q95"],
        ACTIVE: at["active"]["log_cond"]["q50"],
        **{told: 100 * at["above"][str(condition)] for condition, told in BAD.items()},
        USED: len(scale["active"]),
        SIZE: corrected(at["log_det"]["q50"], scale["distance"], k) / (2 * k),
        ROUGH: numbers["roughness"]["distance"],
        EXCESS: 100 * (float(np.median(lengths(numbers, STRAIGHT) / np.array(pairs["shortest"]))) - 1),
        SPARSE: 100 * float(np.nanmean(sparse)),
        **{told: 100 * share_solved(item.family, method)(models) for method, told in SOLVED_SHARE.items()},
        OVERLOOKED: 100 * _certified(pairs),
        LOSS: numbers["reconstruction"],
    }


def means(found: pd.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over seeds of columns of `table`, by family, data set and latent dimensions, as a figure's sidecar has
    them; what no seed has is left out."""
    groups = found.groupby(["family", "data", "latent_dim"], sort=False)[list(columns)].mean()
    return {", ".join(map(str, names)): row.dropna().to_dict() for names, row in groups.iterrows()}


def _certified(pairs: Mapping[str, Any]) -> float:
    """Share of pairs whose shortest curve found is at most 1 % longer than a lower bound of the distance; NaN beyond
    the plane, where no bound is known."""
    if pairs["plane"] is None:
        return math.nan
    return float((np.array(pairs["shortest"]) <= (1 + SOLVED) * np.array(pairs["plane"]["lower"])).mean())


def verdicts(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> pd.DataFrame:
    """One row a statement, one column a data set and dimension, and the verdict of all."""
    found = evaluate(items, folder)
    rows = {}
    for row in ROWS:
        cells = found[row.id]
        told = {f"{NAMES[name]}, {k}": cell.verdict for (name, k), cell in cells.items()}
        rows[f"{row.id} {row.statement}"] = told | {"together": overall(cells)}
    return pd.DataFrame(rows).T


def report(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> str:
    """The verdicts, and means over the seeds that are there, as text."""
    found = table(items, folder)
    if found.empty:
        return "there is no record yet: run without --report"
    groups = found.groupby(["data", "latent_dim", "family"], sort=False)
    means = groups.mean().drop(columns="seed")
    means.insert(0, "seeds", groups.size())
    with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_rows", None):
        return f"{verdicts(items, folder)}\n\n{means.round(2).T}"
