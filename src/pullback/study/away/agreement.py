"""How well distances agree between trainings: distances (S, B) of B pairs in S trainings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ..claims.statistics import bounds

Array = NDArray[np.float64]


def variation(distances: Array) -> float:
    """The coefficient of variation over trainings, mean over pairs."""
    return float((distances.std(0, ddof=1) / distances.mean(0)).mean())


def rank_agreement(distances: Array) -> float:
    """Spearman's rank correlation of the distances in two trainings, mean over all couples of trainings."""
    return float(np.mean([spearmanr(a, b).statistic for a, b in combinations(distances, 2)]))


def jackknife(statistic: Callable[..., float], *distances: Array) -> tuple[float, float, float]:
    """A statistic of distances (S, B), of one kind or more, freed of its bias, and its 95 % interval: the mean of
    Tukey's pseudo-values and Student's interval. These are S times the statistic less S - 1 times that without one
    training (Efron and Tibshirani 1993, chapter 11). For fewer than three trainings the statistic as it is, and NaN."""
    S = len(distances[0])
    whole = statistic(*distances)
    if S < 3:
        return whole, np.nan, np.nan
    without = [statistic(*(np.delete(d, i, 0) for d in distances)) for i in range(S)]
    low, high = bounds([S * whole - (S - 1) * value for value in without])
    return (low + high) / 2, low, high


def log_ratio(a: Array, b: Array) -> float:
    """The logarithm of the variation of a over that of b."""
    return float(np.log(variation(a) / variation(b)))
