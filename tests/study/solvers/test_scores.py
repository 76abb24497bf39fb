"""Scores say what is planted."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fake_comparison import compared, curves, exact
from pullback.study.solvers.scores import (
    Bounds,
    bounds,
    failures,
    in_common,
    milliseconds,
    outcomes,
    performance,
    scored,
    solved,
    summary,
    told_apart,
    verdicts,
    within,
)


@pytest.fixture
def table() -> pd.DataFrame:
    """Four pairs, the last with equal end points; a method that was given two, one that breaks down once."""
    straight = curves([1.5, 2.0, 1.0, 0.0], [False, False, False, True])
    good = curves([1.005, 1.0, 1.0, 0.0], [True, True, False, True], seconds=8.0)
    bad = curves([1.6, math.nan], [True, False])
    found = {"straight": straight, "good": good, "bad": bad}
    shortest = [1.0, 1.0, 1.0, 0.0]
    return outcomes({"vae-128-32-tanh": compared(found, shortest)}, {"vae-128-32-tanh": exact(shortest)})


def test_scores_are_what_was_planted(table: pd.DataFrame) -> None:
    found = summary(table)
    assert found["pairs"].to_dict() == {"straight": 3, "good": 3, "bad": 2}  # equal end points do not count
    assert found["solved"].to_dict() == pytest.approx({"straight": 1 / 3, "good": 1, "bad": 0})
    assert found["not solved"].to_dict() == pytest.approx({"straight": 2 / 3, "good": 0, "bad": 1})
    assert found.loc["good", "ratio, median"] == 1
    assert found["ratio, worst"].to_dict() == {"straight": 2, "good": 1.005, "bad": math.inf}
    assert found["longer than straight"].to_dict() == {"straight": 0, "good": 0, "bad": 0.5}
    assert set(found["iterations"]) == {5}
    assert milliseconds(table).to_dict() == {"VAE": {"straight": 250, "good": 2000, "bad": 500}}


def test_what_was_not_bounded_is_not_judged_and_what_is_open_is_counted() -> None:
    """Distances in [0.98, 1], in [0, 1], and one whose lower bound was not sought."""
    length, known = [0.985, 1.0, 1.0], Bounds(np.ones(3), np.array([0.98, 0.0, math.nan]))
    c = compared({"straight": curves(length, [True] * 3)}, [1.0] * 3)
    found = outcomes({"vae": c}, {"vae": known})
    assert found["pair"].tolist() == [0, 1] and found["verdict"].tolist() == ["solved", "undecided"]
    assert summary(found).loc["straight", ["pairs", "solved", "not solved"]].tolist() == [2, 0.5, 0]


@pytest.mark.parametrize("distance", [0.95, 0.97, 1.0])
def test_no_verdict_is_wrong_wherever_in_its_interval_the_distance_lies(distance: float) -> None:
    length = np.linspace(0.9, 1.1, 2001) * distance
    found = verdicts(length, Bounds(np.ones_like(length), np.full_like(length, 0.95)))
    assert (length[found == "solved"] <= 1.01 * distance).all()
    assert (length[found == "not solved"] > 1.01 * distance).all()
    certain = np.full_like(length, distance)
    assert not (verdicts(length, Bounds(certain, certain)) == "undecided").any()
    assert verdicts([math.nan], Bounds(certain, certain)).tolist() == ["not solved"]


def test_a_shorter_curve_lowers_the_upper_bound_and_certified_means_one_per_cent() -> None:
    found = bounds([1.0, 1.0, 0.0], [0.991, 0.0, 0.0], [[0.995, math.nan], [1.2, 0.9, 0.0]])
    assert found.upper.tolist() == [0.995, 0.9, 0.0] and found.lower.tolist() == [0.991, 0.0, 0.0]
    assert found.certified[:2].tolist() == [True, False] and found.sought.tolist() == [True, True, False]
    assert found.gap.tolist() == [pytest.approx(0.995 / 0.991 - 1), math.inf, 0.0]


def test_failures_are_told_apart() -> None:
    """Of six pairs with distance 1, one each: solved; solved but not converged; undecided; given up; near another
    geodesic, which polishing leaves at 1.3; near none, which polishing brings from 1.4 to 1."""
    length, said = [1.0, 1.0, 1.005, 1.2, 1.3, 1.4], [True, False, True, False, True, True]
    known = Bounds(np.ones(6), np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0]))
    table = outcomes({"vae": compared({"straight": curves(length, said)}, [1.0] * 6)}, {"vae": known})
    keys = pd.MultiIndex.from_tuples([("vae", "straight", 4), ("vae", "straight", 5)])
    found = told_apart(table, pd.Series([1.299, 1.0], keys))
    assert found.loc["straight"].tolist() == pytest.approx([1 / 6] * 6)
    assert list(found)[-1] == "wrong flag" and list(found)[-2] == "another minimum"


def test_the_profile_counts_the_pairs_within_each_distance(table: pd.DataFrame) -> None:
    found = performance(table, np.array([0.0, 0.01, 0.5, 1e9]))
    assert found["good"].tolist() == pytest.approx([2 / 3, 1, 1, 1])
    assert found["bad"].tolist() == [0, 0, 0, 0.5]  # a curve that is not finite is never near
    assert found["straight"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_pairs_in_common_are_those_of_the_slowest_method(table: pd.DataFrame) -> None:
    assert set(in_common(table)["pair"]) == {0, 1} and len(in_common(table)) == 6


def test_failures_are_the_worst_pairs_of_the_worst_methods(table: pd.DataFrame) -> None:
    found = failures(table, 1)
    assert found.index.tolist() == ["bad"]
    assert found.loc["bad", ["pair", "ratio"]].tolist() == [0, 1.6]


def test_what_a_solver_undercuts_is_not_scored_and_no_length_is_not_solved() -> None:
    shortest, nan = [1.0, 1.0, 1.0, 0.0], math.nan
    held = scored(shortest, [True, True, False, True], [[1.0, 0.99], [0.9995, 1.2, 0.5, 0.0]])
    assert held.tolist() == [True, False, False, False]
    assert scored(shortest[:2], [True, True], [[nan, nan]]).all()
    assert solved([1.01, 1.011, nan], [1.0, 1.0, 1.0]).tolist() == [True, False, False]


def test_a_curve_with_one_knot_outside_is_not_within_the_box() -> None:
    points = torch.zeros(2, 5, 2, dtype=torch.float64)
    points[1, 3, 0] = 1.5
    found = {"m": SimpleNamespace(found={"newton": SimpleNamespace(points=points)})}
    table = pd.DataFrame({"model": "m", "method": "newton", "pair": [1, 0]}, index=[7, 3])
    assert within(table, found, {"m": ((-1, 1), (-1, 1))}).to_dict() == {7: False, 3: True}  # type: ignore[arg-type]
    assert within(table, found, {"m": ((-1, 2), (-1, 1))}).all()  # type: ignore[arg-type]
