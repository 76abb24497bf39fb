"""What solvers achieve, against the certified shortest path.

A pair is scored if its shortest path is certified and no solver undercuts it. It is solved by a curve at most 1 %
longer than that path, whatever the solver's own flag says. `scored` and `solved` decide this for the comparison of
notebook 05 and for the records of the sweep alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

if TYPE_CHECKING:
    from .runs import Compared

SOLVED = 0.01  # relative excess over the shortest path's length up to which a pair counts as solved
BEATEN = 1e-3  # relative; a path that a solver undercuts by more is not the shortest
TOLD_APART = 1e-4  # excesses below it are not told apart: the shortest path's own error is of that size
PRINTED_GAN = "GAN as printed"
FAMILY_NAMES = ("VAE", "DAE", "healthy GAN", PRINTED_GAN)


def family(model: str) -> str:
    """The family, of FAMILY_NAMES, of the model called `model`."""
    if not model.startswith("gan"):
        return model.split("-")[0].upper()
    return "healthy GAN" if model.endswith("-r1") else PRINTED_GAN


def scored(shortest: ArrayLike, certified: ArrayLike, found: Iterable[ArrayLike]) -> NDArray[np.bool_]:
    """Which of n pairs are scored.

    `shortest` (n,) are the lengths of the shortest paths and `certified` (n,) their flags; `found` has the lengths of
    each solver's curves, of all pairs or of the first ones, NaN where a curve has none. A pair with equal end points
    is not scored.
    """
    shortest = np.asarray(shortest, float)
    held = np.asarray(certified, bool) & (shortest > 0)
    for length in (np.asarray(lengths, float) for lengths in found):
        held[: len(length)] &= ~(length < (1 - BEATEN) * shortest[: len(length)])
    return held


def solved(length: ArrayLike, shortest: ArrayLike) -> NDArray[np.bool_]:
    """Which curves are at most SOLVED longer than the shortest paths; a curve of no length (NaN) is not."""
    return np.asarray(length, float) <= (1 + SOLVED) * np.asarray(shortest, float)


def scored_pairs(compared: Compared) -> Tensor:
    """Which pairs (B,) of a model's comparison are scored."""
    best, found = compared.optimum, [curves.length for curves in compared.found.values()]
    return torch.from_numpy(scored(best.length, best.agreed, found))


def outcomes(compared: Mapping[str, Compared]) -> pd.DataFrame:
    """One row a model, method and scored pair.

    Columns: the curve's length; its ratio to the shortest path's, inf where the metric is not finite on the curve;
    whether the pair is solved, the curve longer than the straight line, and the solver's own flag set; iterations; and
    the batch's seconds a pair.
    """
    frames = []
    for model, c in compared.items():
        straight = torch.where(c.optimum.length > 0, c.found["straight"].length, torch.nan)
        for method, g in c.found.items():
            n = len(g.length)
            frame = {
                "model": model, "family": family(model), "method": method, "pair": np.arange(n),
                "length": g.length, "ratio": (g.length / c.optimum.length[:n]).nan_to_num(nan=torch.inf),
                "solved": solved(g.length, c.optimum.length[:n]),
                "longer": g.length > (1 + 1e-9) * straight[:n], "converged": g.converged,
                "iterations": g.iterations, "seconds": g.seconds / n,
            }  # fmt: skip
            frames.append(pd.DataFrame(frame)[scored_pairs(c)[:n].numpy()])
    return pd.concat(frames, ignore_index=True)


def summary(table: pd.DataFrame, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """What `outcomes` say of each group: shares, and the ratio of the lengths to the shortest paths'."""
    groups = table.groupby(list(by), sort=False)
    return pd.DataFrame({
        "pairs": groups.size(),
        "solved": groups["solved"].mean(),
        "ratio, median": groups["ratio"].median(),
        "ratio, 95 %": groups["ratio"].quantile(0.95, interpolation="higher"),
        "ratio, worst": groups["ratio"].max(),
        "longer than straight": groups["longer"].mean(),
        "iterations": groups["iterations"].median(),
    })


def flags(table: pd.DataFrame) -> pd.DataFrame:
    """A solver's own flag against the truth: shares of the pairs, which add up to one."""
    said, true = table["converged"], table["solved"]
    cells = pd.DataFrame({
        "converged, solved": said & true,
        "converged, not solved": said & ~true,
        "not converged, solved": ~said & true,
        "not converged, not solved": ~said & ~true,
    })
    return cells.groupby(table["method"], sort=False).mean()


def milliseconds(table: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds a pair by method and family, means over the models."""
    once = table.drop_duplicates(["model", "method"])
    return 1000 * once.pivot_table("seconds", "method", "family", sort=False)


def in_common(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the pairs that all methods were given."""
    return table[table.groupby(["model", "pair"])["method"].transform("size") == table["method"].nunique()]


def performance(table: pd.DataFrame, excess: NDArray[np.float64]) -> pd.DataFrame:
    """Performance profile (Dolan and More, 2002), with the shortest path in place of the best solver.

    One row an excess, one column a method: the share of pairs whose ratio is at most 1 + excess.
    """
    shares = {
        str(method): (group["ratio"].to_numpy()[:, None] <= 1 + excess).mean(0)
        for method, group in table.groupby("method", sort=False)
    }
    return pd.DataFrame(shares, index=excess)


def failures(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """The worst pair of each of the `count` solvers that solve the fewest: the pair with the largest ratio.

    One row a method. The straight line, which solves nothing, and curves of infinite length are left out.
    """
    solvers = table[(table["method"] != "straight") & np.isfinite(table["ratio"])]
    shares = solvers.groupby("method", sort=False)["solved"].mean().sort_values(kind="stable")
    rows = [solvers[solvers["method"] == method]["ratio"].idxmax() for method in shares.index[:count]]
    columns = ["method", "model", "pair", "ratio", "converged", "iterations"]
    return solvers.loc[rows, columns].set_index("method")
