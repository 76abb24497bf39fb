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

from ..records.schema import Away, Numbers, PairNumbers
from ..solvers.premise import FEWEST_RANKED, partial, rank_correlations


class Seed:
    """The numbers of one seed: of the models trained on all images, by name, and on fewer, by name and their number.

    alike: of models trained on all images in batches of the size that those on fewer have; None of an explored seed,
    for which `whole` has to do.
    """

    def __init__(
        self,
        whole: Mapping[str, Numbers],
        parts: Mapping[tuple[str, int], Numbers],
        alike: Mapping[str, Numbers] | None = None,
    ) -> None:
        self.whole, self.parts, self.alike = whole, parts, alike

    def __call__(self, model: str, path: str, images: int | None = None) -> Any:
        """The number at `path`, attributes of `Numbers` joined by dots; of the model trained on `images` if given."""
        return attrgetter(path)(self.whole[model] if images is None else self.parts[model, images])

    def on_all(self, model: str, path: str) -> Any:
        """The number at `path` of the model with which those trained on fewer images are compared."""
        return attrgetter(path)((self.whole if self.alike is None else self.alike)[model])

    def pairs(self, model: str) -> PairNumbers:
        return self(model, "pairs")


Effect = Callable[[Seed], float]
Rows = Callable[[PairNumbers], tuple[ArrayLike, ArrayLike]]  # two numbers for each pair of a model
FEWEST_PAIRS = 6  # of which a correlation at equal distance and length is taken


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


def drop(models: Sequence[str]) -> Effect:
    """By how much log_det falls from the data's box to the ring around it."""
    return difference_of("beyond.median_inside", "beyond.median_outside", models)


def less(first: Effect, second: Effect) -> Effect:
    return lambda s: first(s) - second(s)


def beyond_all(effect: Callable[[Sequence[str]], Effect], models: Sequence[str], *others: Sequence[str]) -> Effect:
    """How far an effect of some models exceeds the largest of the effects of other groups of models."""
    return lambda s: effect(models)(s) - max(effect(names)(s) for names in others)


def contrast(effect: Callable[[Sequence[str]], Effect], models: Sequence[str], others: Sequence[str]) -> Effect:
    """An effect of some models less that of others. A difference of means, it is 0 on average where all are equal."""
    return less(effect(models), effect(others))


def trained_on(size: int, path: str, model: str, logarithm: bool = False) -> Effect:
    """A number of a model trained on `size` images, or its logarithm, less that of the model trained on all."""
    of = math.log if logarithm else float
    return lambda s: of(s(model, path, size)) - of(s.on_all(model, path))


def in_units_of(others: Sequence[str], path: str, models: Sequence[str]) -> Effect:
    """Mean log_det at `path`, at the latent scale of other models.

    With latent points s times as far apart, log_det is smaller by 4 log(s). s is the factor, as geometric mean over
    pairs, between the latent distances of the same test digits on both.
    """

    def effect(s: Seed) -> float:
        unit = fmean(_log_distance(s.pairs(name)) for name in others)
        return fmean(s(name, path) + 4 * (_log_distance(s.pairs(name)) - unit) for name in models)

    return effect


def in_units_of_codes(others: Sequence[str], path: str, models: Sequence[str]) -> Effect:
    """`in_units_of`, with the latent scale of the codes: s^2 is the ratio of the square roots of the determinants of
    their covariances, because these are areas."""

    def effect(s: Seed) -> float:
        unit = average("fresh.log_area", others)(s)
        return fmean(s(name, path) + 2 * (s(name, "fresh.log_area") - unit) for name in models)

    return effect


def _log_distance(pairs: PairNumbers) -> float:
    return _mean(np.log(np.array(pairs.latent_distance, float)))


def where_dense(quantity: str, models: Sequence[str], limit: float) -> Effect:
    """Mean of `log_det` or `log_cond` over the area whose sparsity is at most `limit`, an edge of the bins of `Away`:
    of the bins' medians, each with the number of its points as weight. It needs no box."""

    def of(away: Away) -> float:
        inside = [i for i, edge in enumerate(away.edges[1:]) if edge <= limit * (1 + 1e-9) and away.count[i]]
        return float(np.average([getattr(away, quantity)[i] for i in inside], weights=[away.count[i] for i in inside]))

    return lambda s: fmean(of(s(name, "away")) for name in models)


# ------------------------------------------------------------------------------------------------ over pairs


def gain(column: str, models: Sequence[str]) -> Effect:
    """What the geodesic has more of than the straight line, a column of `Quality`; over the pairs that have both."""

    def effect(s: Seed) -> float:
        curves = [(getattr(s.pairs(n).geodesic, column), getattr(s.pairs(n).straight, column)) for n in models]
        return fmean(_mean(np.array(g, float) - np.array(straight, float)) for g, straight in curves)

    return effect


def geodesic_mean(column: str, models: Sequence[str]) -> Effect:
    """Mean over pairs of a column of `Quality`, on the geodesic."""
    return lambda s: fmean(_mean(np.array(getattr(s.pairs(name).geodesic, column), float)) for name in models)


def highest_on_path(models: Sequence[str]) -> Effect:
    """Mean over all pairs of the highest log_cond on the shortest path."""
    return lambda s: fmean(_mean(np.array(s.pairs(name).optimum.log_cond_highest, float)) for name in models)


def _mean(values: NDArray[np.float64]) -> float:
    """Of the values that are there, NaN if there are none."""
    there = values[~np.isnan(values)]
    return fmean(there) if len(there) else math.nan


def share_solved(models: Sequence[str], method: str = "newton") -> Effect:
    """Of the scored pairs."""

    def effect(s: Seed) -> float:
        return fmean(_mean(s.pairs(name).solved(method)[s.pairs(name).scored].astype(float)) for name in models)

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


def correlation(rows: Rows, models: Sequence[str], equal: bool) -> Effect:
    """Spearman's rank correlation over a model's scored pairs, mean over the models that have one.

    With `equal` it is partial, at equal latent distance and equal length of the shortest path, because a longer path
    meets higher condition numbers and is harder for other reasons too. It then takes FEWEST_PAIRS pairs.
    """

    def within(pairs: PairNumbers) -> float:
        given = (pairs.latent_distance, pairs.optimum.length) if equal else ()
        first, last = rows(pairs)
        found = np.column_stack((first, *given, last)).astype(float)[pairs.scored]
        found = found[~np.isnan(found).any(1)]
        return partial(found) if len(found) >= (FEWEST_PAIRS if equal else FEWEST_RANKED) else math.nan

    return lambda s: _mean(np.array([within(s.pairs(name)) for name in models]))


def correlation_of_models(path: str, other: str, models: Sequence[str]) -> Effect:
    """Spearman's rank correlation of two numbers over models."""
    return lambda s: float(rank_correlations([(s(name, path), s(name, other)) for name in models])[0, 1])


def unsolved(method: str) -> Rows:
    """Highest log_cond on the shortest path, and whether the method misses it."""
    return lambda pairs: (pairs.optimum.log_cond_highest, ~pairs.solved(method))


def iterations(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.optimum.log_cond_highest, pairs.methods["newton"].iterations


def sensitivity(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.optimum.log_cond_highest, pairs.sensitivity


def distances(pairs: PairNumbers) -> tuple[ArrayLike, ArrayLike]:
    return pairs.latent_distance, pairs.optimum.length
