"""Scores say what is planted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fake_comparison import compared, curves
from pullback.study.solvers.scores import (
    FAMILY_NAMES,
    failures,
    family,
    flags,
    in_common,
    milliseconds,
    outcomes,
    performance,
    scored,
    solved,
    summary,
)


@pytest.fixture
def table() -> pd.DataFrame:
    """Four pairs, the last with equal end points; a method that was given two, one that breaks down once."""
    straight = curves([1.5, 2.0, 1.0, 0.0], [False, False, False, True])
    good = curves([1.005, 1.0, 1.0, 0.0], [True, True, False, True], seconds=8.0)
    bad = curves([1.6, math.nan], [True, False])
    found = {"straight": straight, "good": good, "bad": bad}
    return outcomes({"vae-128-32-tanh": compared(found, [1.0, 1.0, 1.0, 0.0])})


def test_scores_are_what_was_planted(table: pd.DataFrame) -> None:
    found = summary(table)
    assert found["pairs"].to_dict() == {"straight": 3, "good": 3, "bad": 2}  # equal end points do not count
    assert found["solved"].to_dict() == pytest.approx({"straight": 1 / 3, "good": 1, "bad": 0})
    assert found.loc["good", "ratio, median"] == 1
    assert found["ratio, worst"].to_dict() == {"straight": 2, "good": 1.005, "bad": math.inf}
    assert found["longer than straight"].to_dict() == {"straight": 0, "good": 0, "bad": 0.5}
    assert set(found["iterations"]) == {5}
    assert milliseconds(table).to_dict() == {"VAE": {"straight": 250, "good": 2000, "bad": 500}}


def test_only_certified_pairs_are_scored() -> None:
    c = compared({"straight": curves([2.0, 2.0], [False, False])}, [1.0, 1.0])
    doubtful = replace(c.optimum, error=torch.tensor([0.0, 0.01], dtype=torch.float64))
    assert outcomes({"vae": replace(c, optimum=doubtful)})["pair"].tolist() == [0]


def test_flags_are_set_against_the_truth(table: pd.DataFrame) -> None:
    found = flags(table)
    assert np.allclose(found.sum(axis=1), 1)
    assert found.loc["good"].tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    assert found.loc["bad"].tolist() == pytest.approx([0, 0.5, 0, 0.5])


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


def test_every_model_of_the_study_has_a_family() -> None:
    names = ["vae-128-32-tanh", "dae-256-64-sigmoid", "gan-128-32-tanh-nobn-r1", "gan-128-32-tanh"]
    assert [family(name) for name in names] == list(FAMILY_NAMES)


def test_what_a_solver_undercuts_is_not_scored_and_no_length_is_not_solved() -> None:
    shortest, nan = [1.0, 1.0, 1.0, 0.0], math.nan
    held = scored(shortest, [True, True, False, True], [[1.0, 0.99], [0.9995, 1.2, 0.5, 0.0]])
    assert held.tolist() == [True, False, False, False]
    assert scored(shortest[:2], [True, True], [[nan, nan]]).all()
    assert solved([1.01, 1.011, nan], [1.0, 1.0, 1.0]).tolist() == [True, False, False]
