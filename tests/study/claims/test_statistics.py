"""Intervals, bands and corrections against closed forms and by drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pullback.study.claims.statistics import FLOOR, MOST_SEEDS, band, holm, interval, p_value, seeds_needed


def test_the_interval_covers_what_it_says_and_the_bootstrap_does_not() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2_000, 5))
    found = np.array([interval(row.tolist()) for row in draws])
    assert np.mean((found[:, 0] < 0) & (found[:, 1] > 0)) == pytest.approx(0.95, abs=0.015)
    resampled = draws[:, rng.integers(5, size=(400, 5))].mean(2)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=1)
    assert np.mean((low < 0) & (high > 0)) < 0.87


def test_the_interval_is_student_s() -> None:
    low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451 * math.sqrt(2.5 / 5)  # t at 0.975 with four degrees of freedom
    assert (low, high) == pytest.approx((3 - half, 3 + half))
    assert interval([1.0]) is None and interval([]) is None and band([1.0]) is None


def test_the_band_holds_the_mean_of_another_run() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(10, 1, size=(2, 2_000, 5))
    bands = np.array([band(row.tolist()) for row in first])
    inside = (bands[:, 0] <= second.mean(1)) & (second.mean(1) <= bands[:, 1])
    assert np.mean(inside) == pytest.approx(0.99, abs=0.01)
    assert band([0.0] * 5) == (-FLOOR, FLOOR)


def test_the_band_is_for_the_number_of_seeds_of_the_other_run() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(10, 1, size=(2_000, 5)), rng.normal(10, 1, size=(2_000, 2))
    bands = np.array([band(row.tolist(), 2) for row in first])
    inside = (bands[:, 0] <= second.mean(1)) & (second.mean(1) <= bands[:, 1])
    assert np.mean(inside) == pytest.approx(0.99, abs=0.01)


def test_the_p_value_is_student_s_and_agrees_with_the_interval() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    low, _ = interval(values)
    assert p_value(values, low) == pytest.approx(0.05)
    assert p_value(values, 0.5) == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue)
    assert p_value([2.0, 2.0], 1.0) == 0 and p_value([2.0, 2.0], 2.0) == 1 and p_value([2.0], 0.0) == 1


def test_holm_s_correction_is_that_of_a_textbook_s_example() -> None:
    """Holm (1979), by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, and the last not below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([]) == []


def test_holm_s_correction_keeps_false_claims_below_one_in_twenty() -> None:
    rng = np.random.default_rng(3)
    wrong = np.mean([min(holm(row.tolist())) < 0.05 for row in rng.uniform(size=(4_000, 20))])
    assert wrong == pytest.approx(0.05, abs=0.012)


def test_the_seeds_that_would_do_are_those_whose_interval_leaves_the_threshold_out() -> None:
    """Mean 1 and spread 1.5811: half of the interval is t s / sqrt(n), 1.034 at twelve seeds and 0.955 at thirteen."""
    values = [-1.0, 0.0, 1.0, 2.0, 3.0]
    needed = seeds_needed(values, 0.0)
    halves = {n: stats.t.ppf(0.975, n - 1) * math.sqrt(2.5 / n) for n in range(2, MOST_SEEDS + 1)}
    assert needed == min(n for n, half in halves.items() if half < 1)
    assert seeds_needed(values, 0.9) is None and seeds_needed(values, -50.0) == 2
