"""What predicts that a solver fails: the premise of the report, and how far latent distance misleads.

Rank correlations are Spearman's. Over all pairs, differences between models enter; within models, they do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from torch import Tensor

from ...geodesics import ShortestPaths
from ...geodesics.curves import interpolate
from ...geometry import as_manifold, log_cond, log_det, singular_values
from ..records.schema import Neighbours
from .runs import Compared, Problem
from .scores import TOLD_APART, Bounds

FEWEST_TOLD = 10  # pairs that fail, and pairs that do not, below which nothing is said of what predicts failure
FEWEST_RANKED = 3  # rows below which no rank correlation is taken


def along(problem: Problem, optimum: ShortestPaths, samples: int = 129) -> pd.DataFrame:
    """What a solver meets along the shortest paths: one row a pair.

    Variation is a path's total variation, the sum of all rises and falls. It is infinite, as the extremes are, where
    the metric's root is rank deficient.
    """
    z = interpolate(optimum.points, torch.linspace(0, 1, samples, dtype=torch.float64))
    s = singular_values(as_manifold(problem.manifold).root(z.flatten(0, 1))).unflatten(0, z.shape[:2])
    cond, det = log_cond(s), log_det(s)
    return pd.DataFrame({
        "log_cond, highest": cond.amax(1),
        "log_cond, mean": cond.mean(1),
        "log_cond, variation": cond.diff(dim=1).abs().sum(1).nan_to_num(nan=torch.inf),
        "log_det, mean": det.mean(1),
        "log_det, variation": det.diff(dim=1).abs().sum(1).nan_to_num(nan=torch.inf),
        "length": optimum.length,
    })


class Answer(NamedTuple):
    """Whether something holds in one run, None where that run cannot tell, and a sentence that says why."""

    holds: bool | None
    sentence: str


class Correlation(NamedTuple):
    """Spearman's rank correlation with a 95 % bootstrap interval; NaN where a variable is constant."""

    value: float
    low: float
    high: float


def rank_correlations(columns: ArrayLike) -> NDArray[np.float64]:
    """Spearman's rank correlations (c, c) of the columns of rows (n, c).

    NaN for a column that is constant, and for fewer than FEWEST_RANKED rows.
    """
    columns = np.asarray(columns, float)
    if len(columns) < FEWEST_RANKED:
        return np.full((columns.shape[1],) * 2, np.nan)
    ranks = rankdata(columns, axis=0)
    ranks -= ranks.mean(0)
    size = np.sqrt((ranks**2).sum(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return ranks.T @ ranks / np.outer(size, size)


def pooled_and_within(blocks: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Rank correlations (2, c) of the last column of blocks (n_i, c + 1), one a model, with each of the others.

    First over all rows together, then the mean of the correlations within a block, over the blocks that have one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean over no defined block is NaN
        within = np.nanmean([rank_correlations(block)[-1, :-1] for block in blocks], 0)
    return np.stack((rank_correlations(np.concatenate(blocks))[-1, :-1], within))


def correlate(blocks: Sequence[NDArray], resamples: int, seed: int) -> tuple[list[Correlation], list[Correlation]]:
    """`pooled_and_within` with intervals: the correlations over all rows, and within blocks, one a column.

    Intervals are percentiles over resamples of blocks, and of the rows in each, because the rows of one model are not
    independent draws. A single block keeps its place.
    """
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        chosen = [blocks[i] for i in rng.integers(len(blocks), size=len(blocks))]
        draws.append(pooled_and_within([block[rng.integers(len(block), size=len(block))] for block in chosen]))
    value, spread = pooled_and_within(blocks), np.full((2, *np.shape(draws)[1:]), np.nan)
    defined = np.isfinite(draws).any(0)
    spread[:, defined] = np.nanpercentile(np.array(draws)[:, defined], [2.5, 97.5], axis=0)
    found = np.stack((value, *spread), -1).tolist()
    return [Correlation(*c) for c in found[0]], [Correlation(*c) for c in found[1]]


def correlations(table: pd.DataFrame, features: Mapping[str, pd.DataFrame], resamples: int, seed: int) -> pd.DataFrame:
    """Rank correlations of every feature of the shortest path (`along`, by model) with every method's outcome.

    Outcomes: a pair is not solved for certain; the solver says not converged; the excess of the length. One row a
    method, outcome and feature, over all pairs and within models.
    """
    rows = []
    for method, group in table.groupby("method", sort=False):
        outcomes = {
            "not solved": group["failed"],
            "not converged": ~group["converged"],
            "excess": (group["ratio"] - 1).clip(lower=TOLD_APART),
        }
        for outcome, values in outcomes.items():
            blocks = [
                np.column_stack((features[str(model)].loc[own["pair"]], values[own.index].astype(float)))
                for model, own in group.groupby("model", sort=False)
            ]
            for kind, found in zip(("all", "within"), correlate(blocks, resamples, seed), strict=True):
                for feature, c in zip(next(iter(features.values())), found, strict=True):
                    rows.append({"method": method, "outcome": outcome, "over": kind, "feature": feature, **c._asdict()})
    return pd.DataFrame(rows)


def select(found: pd.DataFrame, outcome: str, over: str, feature: str) -> pd.DataFrame:
    """The rows of `correlations` with one outcome and feature, over "all" pairs or "within" models, by method."""
    rows = (found["outcome"] == outcome) & (found["over"] == over) & (found["feature"] == feature)
    return found[rows].set_index("method")[["value", "low", "high"]]


def answers(
    table: pd.DataFrame, found: pd.DataFrame, outcome: str = "not solved", feature: str = "log_cond, highest"
) -> dict[str, Answer]:
    """Does the condition number predict that a pair is "not solved", or "not converged"? One answer a method.

    True if the interval of their rank correlation lies above zero, over all pairs and within models. None where fewer
    than FEWEST_TOLD pairs are of either kind.
    """
    told = {}
    for method, group in table.groupby("method", sort=False):
        failed = int((group["failed"] if outcome == "not solved" else ~group["converged"]).sum())
        if min(failed, len(group) - failed) < FEWEST_TOLD:
            told[str(method)] = Answer(None, f"cannot be told: {failed} of {len(group)} pairs {outcome}")
            continue
        pooled, within = (select(found, outcome, over, feature).loc[method] for over in ("all", "within"))
        own = found[(found["method"] == method) & (found["outcome"] == outcome) & (found["over"] == "within")]
        own = own.dropna()
        holds = bool(pooled["low"] > 0 and within["low"] > 0)
        word = "yes" if holds else "between models, not within one" if pooled["low"] > 0 else "no"
        told[str(method)] = Answer(
            holds,
            f"{word}: {failed} of {len(group)} {outcome}; rank correlation with {feature} {_interval(pooled)}, within "
            f"a model {_interval(within)}; strongest within a model: {_strongest(own)}",
        )
    return told


def _strongest(found: pd.DataFrame) -> str:
    """The feature with the largest correlation of rows of `correlations`, and that correlation."""
    if found.empty:
        return "none, no model has pairs of both kinds"
    best = found.loc[found["value"].abs().idxmax()]
    return f"{best['feature']} {_interval(best)}"


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def by_quantile(
    table: pd.DataFrame, features: Mapping[str, pd.DataFrame], feature: str, parts: int = 5
) -> pd.DataFrame:
    """Share of pairs not solved for certain, by method, along a feature.

    The pairs are put in order of the feature and cut into `parts` equal parts; the index is each part's median.
    """
    values = pd.concat(features, names=["model", "pair"])[feature].rename("feature")
    joined = table.join(values, on=["model", "pair"])
    part = ((joined["feature"].rank(pct=True) * parts).apply(np.ceil)).clip(1, parts)
    failed = joined["failed"].groupby([part, joined["method"]], sort=False).mean().unstack()
    return failed.set_index(joined["feature"].groupby(part).median().loc[failed.index]).sort_index()


def at_equal_length(
    table: pd.DataFrame,
    features: Mapping[str, pd.DataFrame],
    compared: Mapping[str, Compared],
    feature: str,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Rank correlation of a feature of the path with failure, at equal length and equal latent distance.

    Partial rank correlations within models (`partial`), their mean over the models that have one, and a bootstrap
    interval of models and of the pairs in them. One row a method, columns value, low and high.
    """
    distance = {name: (c.end - c.start).norm(dim=1).numpy() for name, c in compared.items()}
    rng, rows = np.random.default_rng(seed), {}
    for method, group in table.groupby("method", sort=False):
        blocks = []
        for model, own in group.groupby("model", sort=False):
            path = features[str(model)].loc[own["pair"]]
            columns = (path[feature], path["length"], distance[str(model)][own["pair"]], own["failed"].astype(float))
            blocks.append(np.column_stack([np.asarray(column, float) for column in columns]))
        draws = []
        for _ in range(resamples):
            chosen = [blocks[i] for i in rng.integers(len(blocks), size=len(blocks))]
            draws.append(_mean_partial([block[rng.integers(len(block), size=len(block))] for block in chosen]))
        known = np.array(draws)[np.isfinite(draws)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
        rows[method] = {"value": _mean_partial(blocks), "low": low, "high": high}
    return pd.DataFrame(rows).T


def partial(columns: ArrayLike) -> float:
    """Spearman's correlation of the first and the last of columns (n, c), given those between (Kendall, 1942, for
    ranks): of what is left of their ranks after a linear fit to the others'. NaN where one of the two is constant, or
    is a linear function of the others up to rounding."""
    ranks = rankdata(np.asarray(columns, float), axis=0)
    ranks -= ranks.mean(0)
    given = ranks[:, 1:-1]
    ends = ranks[:, [0, -1]]
    left = ends - given @ np.linalg.lstsq(given, ends, rcond=None)[0]
    size, whole = np.linalg.norm(left, axis=0), np.linalg.norm(ends, axis=0)
    return float(left[:, 0] @ left[:, 1] / size.prod()) if (size > 1e-6 * whole).all() and whole.all() else np.nan


def _mean_partial(blocks: Sequence[NDArray]) -> float:
    """The mean over the blocks that have one of `partial`."""
    found = [value for block in blocks if np.isfinite(value := partial(block))]
    return float(np.mean(found)) if found else np.nan


def distance_correlation(compared: Compared, known: Bounds, resamples: int, seed: int) -> Correlation:
    """Rank correlation of the latent distance of all pairs with the length of the shortest curve known."""
    told = torch.from_numpy(known.upper > 0)
    distance = (compared.end - compared.start).norm(dim=1)
    (found,), _ = correlate([torch.stack((distance, torch.from_numpy(known.upper)), 1)[told].numpy()], resamples, seed)
    return found


def neighbours(points: Tensor, length: Tensor) -> Neighbours:
    """For points (n, k) and the lengths (n (n - 1) / 2,) between them, in the order of `torch.combinations`."""
    n = len(points)
    first, second = torch.combinations(torch.arange(n)).T
    geodesic_distance = torch.full((n, n), torch.inf, dtype=length.dtype)
    geodesic_distance[first, second] = geodesic_distance[second, first] = length.nan_to_num(nan=torch.inf)
    latent = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    near = geodesic_distance.min(1).values
    taken = geodesic_distance[torch.arange(n), latent.argmin(1)]
    changed = taken > near
    further = (taken / near)[changed].mean().item() if changed.any() else 1.0
    return Neighbours(changed.double().mean().item(), further)
