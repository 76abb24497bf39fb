"""What solvers achieve, against intervals that hold the distances.

Of every pair an upper and a lower bound of its distance are known (`Bounds`). A curve at most 1 % longer than the
distance solves the pair. Whether it does is decided by the bounds, whatever the solver's own flag says: "solved" and
"not solved" are certain, as far as the bounds are, and what neither can be said of is "undecided" and counted as such.
A solver's curve that is shorter than the upper bound lowers it. No pair is left out but those with equal end points and
those whose lower bound was not sought.

The records of the sweep have no lower bounds. There a pair is scored if two grids agree on its shortest path and no
solver undercuts it, and solved by a curve at most 1 % longer: `scored` and `solved`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...benchmark import SOLVED
from ..labels import COLLAPSED_GAN as COLLAPSED_GAN
from ..labels import family

if TYPE_CHECKING:
    from .runs import Compared

BEATEN = 1e-3  # relative; a path that a solver undercuts by more is not the shortest
TOLD_APART = 1e-4  # excesses below it are not told apart: the shortest path's own error is of that size


class Bounds(NamedTuple):
    """Between what the distances (n,) of n pairs lie. `lower` is 0 where nothing is known, and NaN where it was not
    sought."""

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Which pairs (n,) are certified: a curve as long as the upper bound is known to solve them."""
        return self.upper <= (1 + SOLVED) * self.lower

    @property
    def sought(self) -> NDArray[np.bool_]:
        """Which pairs (n,) are judged by these bounds."""
        return ~np.isnan(self.lower) & (self.upper > 0)

    @property
    def gap(self) -> NDArray[np.float64]:
        """upper / lower - 1 (n,): inf where nothing is known from below."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.upper > 0, self.upper / self.lower - 1, 0.0)


def bounds(upper: ArrayLike, lower: ArrayLike, found: Iterable[ArrayLike]) -> Bounds:
    """Bounds of distances (n,), the upper ones lowered where a solver's curve is shorter.

    `found` has the lengths of each solver's curves, of all pairs or of the first ones, NaN where a curve has none.
    """
    upper = np.array(upper, float)
    for length in (np.asarray(lengths, float) for lengths in found):
        upper[: len(length)] = np.fmin(upper[: len(length)], length)
    return Bounds(upper, np.asarray(lower, float))


def verdicts(length: ArrayLike, limits: Bounds) -> NDArray[np.str_]:
    """What is known of curves of n pairs, of which `length` (n,) is NaN where a curve has none; n may be fewer than
    there are limits.

    "solved": the curve is at most SOLVED longer than the lower bound, and so than the shortest path, wherever that
    lies. "not solved": it is more than SOLVED longer than the upper bound. "undecided": neither can be said.
    """
    lengths = np.nan_to_num(np.asarray(length, float), nan=np.inf)
    upper, lower = (limit[: len(lengths)] for limit in limits)
    failed = lengths > (1 + SOLVED) * upper
    return np.where(failed, "not solved", np.where(lengths <= (1 + SOLVED) * lower, "solved", "undecided"))


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


def outcomes(compared: Mapping[str, Compared], limits: Mapping[str, Bounds]) -> pd.DataFrame:
    """One row a model, method and pair, by the bounds of each model's distances.

    Columns: the curve's length; its ratio to the upper bound, inf where the metric is not finite on the curve; the
    verdict (`verdicts`), and it as two flags, solved and failed; whether the curve is longer than the straight line,
    and the solver's own flag set; iterations; and the batch's seconds a pair.
    """
    frames = []
    for model, c in compared.items():
        known = limits[model]
        straight = np.where(known.upper > 0, c.found["straight"].length, np.nan)
        for method, g in c.found.items():
            n = len(g.length)
            verdict = verdicts(g.length, known)
            with np.errstate(divide="ignore", invalid="ignore"):  # equal end points, which are left out
                ratio = np.nan_to_num(g.length.numpy() / known.upper[:n], nan=np.inf)
            frame = {
                "model": model, "family": family(model), "method": method, "pair": np.arange(n),
                "length": g.length, "ratio": ratio,
                "verdict": verdict, "solved": verdict == "solved", "failed": verdict == "not solved",
                "longer": g.length.numpy() > (1 + 1e-9) * straight[:n], "converged": g.converged,
                "iterations": g.iterations, "seconds": g.seconds / n,
            }  # fmt: skip
            frames.append(pd.DataFrame(frame)[known.sought[:n]])
    return pd.concat(frames, ignore_index=True)


def summary(table: pd.DataFrame, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """What `outcomes` say of each group: shares, and the ratio of the lengths to the shortest paths'."""
    groups = table.groupby(list(by), sort=False)
    return pd.DataFrame({
        "pairs": groups.size(),
        "solved": groups["solved"].mean(),
        "not solved": groups["failed"].mean(),
        "ratio, median": groups["ratio"].median(),
        "ratio, 95 %": groups["ratio"].quantile(0.95, interpolation="higher"),
        "ratio, worst": groups["ratio"].max(),
        "longer than straight": groups["longer"].mean(),
        "iterations": groups["iterations"].median(),
    })


def told_apart(table: pd.DataFrame, polished: pd.Series) -> pd.DataFrame:
    """Why pairs are not solved: shares of each method's pairs, which add up to one.

    `polished` has the lengths of the curves that the solver calls converged and that do not solve their pairs, after
    they were polished by Newton's method; its index is model, method and pair. A failure is

    - "no convergence", where the solver itself says so;
    - "another minimum", where polishing shortens the curve by at most SOLVED: it is near a geodesic, but not near the
      shortest;
    - "wrong flag", where polishing shortens it by more: it was near no geodesic.

    A pair that is solved by a curve whose solver says that it did not converge is counted apart, as is what is
    undecided.
    """
    keys = pd.MultiIndex.from_frame(table[["model", "method", "pair"]])
    said, solved, failed = (table[name].to_numpy() for name in ("converged", "solved", "failed"))
    cells = pd.DataFrame({
        "solved, converged": solved & said,
        "solved, not converged": solved & ~said,
        "undecided": ~solved & ~failed,
        **reasons(failed, said, table["length"], polished.reindex(keys)),
    })
    return cells.groupby(table["method"].to_numpy(), sort=False).mean().rename_axis("method")


def reasons(
    failed: NDArray[np.bool_], converged: ArrayLike, length: ArrayLike, polished: ArrayLike
) -> dict[str, NDArray[np.bool_]]:
    """Which of n curves failed for each of the reasons of `told_apart`; `polished` (n,) is NaN where it is not needed
    and where a curve that was polished has no length."""
    said, shortened = np.asarray(converged, bool), np.asarray(length) > (1 + SOLVED) * np.asarray(polished)
    return {"no convergence": failed & ~said, "another minimum": failed & said & ~shortened,
            "wrong flag": failed & said & shortened}  # fmt: skip


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


def within(
    table: pd.DataFrame, compared: Mapping[str, Compared], boxes: Mapping[str, Sequence[Sequence[float]]]
) -> pd.Series:
    """Which curves of a table of outcomes have all their knots in the box of their model: a flag a row."""
    inside: dict[Any, bool] = {}
    for (model, method), own in table.groupby(["model", "method"], sort=False):
        points = compared[str(model)].found[str(method)].points.numpy()
        low, high = np.array(boxes[str(model)]).T
        held = ((low <= points) & (points <= high)).all((1, 2))
        inside |= dict(zip(own.index, held[own["pair"]], strict=True))
    return pd.Series(inside, dtype=bool).reindex(table.index)


def failures(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """The worst pair of each of the `count` solvers that fail most often: the pair with the largest ratio.

    One row a method. The straight line, which solves nothing, and curves of infinite length are left out.
    """
    solvers = table[(table["method"] != "straight") & np.isfinite(table["ratio"])]
    shares = solvers.groupby("method", sort=False)["failed"].mean().sort_values(ascending=False, kind="stable")
    rows = [solvers[solvers["method"] == method]["ratio"].idxmax() for method in shares.index[:count]]
    columns = ["method", "model", "pair", "ratio", "converged", "iterations"]
    return solvers.loc[rows, columns].set_index("method")
