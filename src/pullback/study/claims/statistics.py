"""The statistics of a few numbers, one a seed: intervals, bands, p-values, Holm's correction, and seeds that would do.

The mean of n seeds is taken for Student's with n - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from scipy.stats import t as student

LEVEL, BAND_LEVEL = 0.95, 0.99
FLOOR = 0.02  # least half-width of a band, relative to the effect or absolute: machines differ in their last bits, and
# training amplifies them into other draws, so a spread of zero over seeds says nothing of another machine
MOST_SEEDS = 30  # an effect that so many seeds could not tell from its threshold is called at its threshold


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """`interval`; NaN for fewer than two values or if one is NaN, so that no comparison holds."""
    missing = math.nan, math.nan
    return missing if any(map(math.isnan, values)) else interval(values) or missing


def band(values: Sequence[float], seeds: int | None = None) -> tuple[float, float] | None:
    """Where the mean of other seeds, `seeds` or as many, lies with a probability of 99 %: Student's prediction
    interval."""
    if len(values) < 2:
        return None
    return band_of(fmean(values), stdev(values), len(values), seeds or len(values))


def band_of(mean: float, spread: float, n: int, seeds: int) -> tuple[float, float]:
    """`band` of n values with that mean and standard deviation, for the mean of `seeds` others."""
    half = float(student.ppf((1 + BAND_LEVEL) / 2, n - 1)) * spread * math.sqrt(1 / n + 1 / seeds)
    half = max(half, FLOOR * max(1.0, abs(mean)))
    return mean - half, mean + half


def p_value(values: Sequence[float], threshold: float) -> float:
    """Student's two-sided p-value of a mean that is the threshold; 1 for fewer than two values."""
    if len(values) < 2:
        return 1.0
    error, off = stdev(values) / math.sqrt(len(values)), abs(fmean(values) - threshold)
    if error == 0:
        return float(off == 0)
    return float(2 * student.sf(off / error, len(values) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order of the p-values: the k-th smallest of m times m - k + 1, and never
    below a smaller one's."""
    adjusted, running = [1.0] * len(p_values), 0.0
    for k, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - k) * p_values[i]))
        adjusted[i] = running
    return adjusted


def seeds_needed(values: Sequence[float], threshold: float) -> int | None:
    """The fewest seeds whose 95 % interval would leave out the threshold, at the mean and spread of these values; None
    where more than MOST_SEEDS would be needed."""
    off, spread = abs(fmean(values) - threshold), stdev(values)
    for n in range(2, MOST_SEEDS + 1):
        if float(student.ppf((1 + LEVEL) / 2, n - 1)) * spread / math.sqrt(n) < off:
            return n
    return None
