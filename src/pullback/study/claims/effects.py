"""One number from the records of one seed: what a claim's part is about.

An effect first averages over the pairs of a model, then over models. It is NaN where no pair or model has the number,
and raises KeyError where a record that it needs is not there; such a seed does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..records.schema import Numbers, PairNumbers
from ..solvers.premise import rank_correlations


class Seed:
    """The numbers of one seed: of the models trained on all images, by name, and on fewer, by name and their number."""

    def __init__(self, whole: Mapping[str, Numbers], parts: Mapping[tuple[str, int], Numbers]) -> None:
        self.whole, self.parts = whole, parts

    def __call__(self, model: str, path: str, images: int | None = None) -> Any:
        """The number at `path`, attributes of `Numbers` joined by dots; of the model trained on `images` if given."""
        return attrgetter(path)(self.whole[model] if images is None else self.parts[model, images])

    def pairs(self, model: str) -> PairNumbers:
        return self(model, "pairs")


Effect = Callable[[Seed], float]
Rows = Callable[[PairNumbers], tuple[ArrayLike, ArrayLike]]  # two numbers for each pair of a model


def average(path: str, models: Sequence[str]) -> Effect:
    return lambda s: fmean(s(name, path) for name in models)


def difference(path: str, models: Sequence[str], others: Sequence[str]) -> Effect:
    return lambda s: average(path, models)(s) - average(path, others)(s)


def log_ratio(path: str, models: Sequence[str], others: Sequence[str]) -> Effect:
    """Difference of the mean logarithms."""
    return lambda s: fmean(math.log(s(n, path)) for n in models) - fmean(math.log(s(n, path)) for n in others)


def spread(path: str, models: Sequence[str]) -> Effect:
    """Largest less smallest."""
    return lambda s: max(s(name, path) for name in models) - min(s(name, path) for name in models)


def difference_of(path: str, other: str, models: Sequence[str]) -> Effect:
    """Mean difference of two numbers of the same model."""
    return lambda s: fmean(s(name, path) - s(name, other) for name in models)


def width(models: Sequence[str]) -> Effect:
    """Mean width of log_det's range over the map."""
    return difference_of("maps.log_det.q100", "maps.log_det.q0", models)


def drop(models: Sequence[str]) -> Effect:
    """By how much log_det falls from the data's box to the ring around it."""
    return difference_of("beyond.median_inside", "beyond.median_outside", models)


def less(first: Effect, second: Effect) -> Effect:
    return lambda s: first(s) - second(s)


def beyond_all(effect: Callable[[Sequence[str]], Effect], models: Sequence[str], *others: Sequence[str]) -> Effect:
    """How far an effect of some models exceeds the largest of the effects of other groups of models."""
    return lambda s: effect(models)(s) - max(effect(names)(s) for names in others)


def trained_on(size: int, path: str, model: str) -> Effect:
    """A number of a model trained on `size` images, less that of the model trained on all."""
    return lambda s: s(model, path, size) - s(model, path)


# ------------------------------------------------------------------------------------------------ over pairs


def gain(column: str, models: Sequence[str]) -> Effect:
    """What the geodesic has more of than the straight line, a column of `Quality`; over the pairs that have both."""

    def effect(s: Seed) -> float:
        curves = [(getattr(s.pairs(n).geodesic, column), getattr(s.pairs(n).straight, column)) for n in models]
        return fmean(_mean(np.array(g, float) - np.array(straight, float)) for g, straight in curves)

    return effect


def geodesics_mean(column: str, models: Sequence[str]) -> Effect:
    return lambda s: fmean(_mean(np.array(getattr(s.pairs(name).geodesic, column), float)) for name in models)


def _mean(values: NDArray[np.float64]) -> float:
    """Of the values that are there, NaN if there are none."""
    there = values[~np.isnan(values)]
    return fmean(there) if len(there) else math.nan


def share_solved(models: Sequence[str], method: str = "newton") -> Effect:
    """Of the scored pairs."""

    def effect(s: Seed) -> float:
        return fmean(_mean(s.pairs(name).solved(method)[s.pairs(name).scored].astype(float)) for name in models)

    return effect


def solved_spread(models: Sequence[str]) -> Effect:
    def effect(s: Seed) -> float:
        shares = [share_solved([name])(s) for name in models]
        return max(shares) - min(shares)

    return effect


def excess(models: Sequence[str]) -> Effect:
    """Median over scored pairs, mean over models, of the straight line's relative length above the shortest path's."""

    def effect(s: Seed) -> float:
        ratios = []
        for pairs in map(s.pairs, models):
            lengths = np.array([pairs.methods["straight"].length, pairs.optimum.length])[:, pairs.scored]
            ratios.append(median((lengths[0] / lengths[1]).tolist()) if pairs.scored.any() else math.nan)
        return fmean(ratios) - 1

    return effect


# ------------------------------------------------------------------------------------------------ correlations


def correlation(rows: Rows, models: Sequence[str], pooled: bool) -> Effect:
    """Spearman's rank correlation over scored pairs: of all models together, or the mean of those within a model."""

    def effect(s: Seed) -> float:
        blocks = [_scored_rows(rows, s.pairs(name)) for name in models]
        if pooled:
            return float(rank_correlations(np.concatenate(blocks))[0, 1])
        inside = [r for block in blocks if not math.isnan(r := float(rank_correlations(block)[0, 1]))]
        return fmean(inside) if inside else math.nan

    return effect


def correlation_of_models(path: str, other: str, models: Sequence[str]) -> Effect:
    """Spearman's rank correlation of two numbers over models."""
    return lambda s: float(rank_correlations([(s(name, path), s(name, other)) for name in models])[0, 1])


def _scored_rows(rows: Rows, pairs: PairNumbers) -> NDArray[np.float64]:
    """Two columns, of the scored pairs that have both numbers."""
    found = np.column_stack(rows(pairs)).astype(float)[pairs.scored]
    return found[~np.isnan(found).any(1)]


def unsolved(method: str) -> Rows:
    """Highest log_cond on the shortest path, and whether the method misses it."""
    return lambda pairs: (pairs.optimum.log_cond_highest, ~pairs.solved(method))


def iterations(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.optimum.log_cond_highest, pairs.methods["newton"].iterations


def sensitivity(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.optimum.log_cond_highest, pairs.sensitivity


def distances(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.latent_distance, pairs.optimum.length
