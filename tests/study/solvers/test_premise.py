"""Correlations are found where they are planted, and only there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from fake_comparison import compared, curves, exact, optimum
from pullback.study.records.schema import Neighbours
from pullback.study.solvers.premise import (
    along,
    answers,
    at_equal_length,
    by_quantile,
    correlate,
    correlations,
    distance_correlation,
    neighbours,
    partial,
    rank_correlations,
    select,
)
from pullback.study.solvers.runs import Compared, Problem
from pullback.study.solvers.scores import outcomes

BOX = ((-1.0, 1.0), (-1.0, 1.0))


def test_a_linear_generator_has_constant_conditioning_along_its_paths() -> None:
    f = nn.Linear(2, 3, bias=False)
    f.weight.data = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    z = torch.tensor([[[0.0, 0.0], [0.5, 1.0], [1.0, 1.0], [2.0, 0.0]]], dtype=torch.float64)
    found = along(Problem(f, z[:, 0], z[:, -1], BOX, z[0]), replace(optimum([2.0]), points=z))
    expected = [math.log(3), math.log(3), 0, 2 * math.log(3), 0, 2]
    assert found.iloc[0].tolist() == pytest.approx(expected, abs=1e-6)
    f.weight.data[1] = 0
    found = along(Problem(f, z[:, 0], z[:, -1], BOX, z[0]), replace(optimum([2.0]), points=z))
    assert found.iloc[0].tolist() == [math.inf, math.inf, math.inf, -math.inf, math.inf, 2]


def blocks(count: int, rows: int, make: Callable[[np.random.Generator, int], np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [make(rng, rows) for _ in range(count)]


def test_the_correlation_is_spearmans() -> None:
    data = blocks(4, 30, lambda rng, n: rng.integers(0, 9, (n, 3)).astype(float))  # with ties
    pooled, within = correlate(data, 20, 0)
    rows = np.concatenate(data)
    for column in range(2):
        assert pooled[column].value == pytest.approx(spearmanr(rows[:, column], rows[:, 2]).statistic)
        inside = [spearmanr(block[:, column], block[:, 2]).statistic for block in data]
        assert within[column].value == pytest.approx(np.mean(inside))
        assert all(c.low < c.value < c.high for c in (pooled[column], within[column]))
    assert correlate(data, 20, 0) == correlate(data, 20, 0) != correlate(data, 20, 1)


def test_a_constant_variable_has_no_correlation_and_infinities_have_ranks() -> None:
    x = np.array([[1.0, -math.inf, 0.0], [1.0, 2.0, 1.0], [1.0, math.inf, 2.0]])
    pooled, within = correlate([x], 50, 0)
    assert all(math.isnan(value) for value in (*pooled[0], *within[0]))
    assert pooled[1].value == within[1].value == pytest.approx(1)


def test_between_and_within_models_are_told_apart() -> None:
    """Simpson's paradox, planted: models with a higher x have a higher y, pairs in them a lower one."""

    def paradox(rng: np.random.Generator, n: int) -> np.ndarray:
        level, x = rng.uniform(0, 100), rng.normal(size=n)
        return np.column_stack((level + x, level - x))

    (pooled,), (within,) = correlate(blocks(12, 20, paradox), 200, 0)
    assert pooled.low > 0.5 and within.high == pytest.approx(-1)


def test_the_interval_draws_models_and_not_only_pairs() -> None:
    """Rows that repeat their model's one value tell no more than the models: the interval has the width for 10."""
    rng = np.random.default_rng(0)
    levels = rng.normal(size=(10, 2))
    repeated, _ = correlate([np.repeat(level[None], 50, 0) for level in levels], 300, 0)
    single, _ = correlate([level[None] for level in levels], 300, 0)
    assert repeated[0].high - repeated[0].low == pytest.approx(single[0].high - single[0].low, rel=0.3)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(100):
        (found,), _ = correlate([rng.normal(size=(40, 2))], 100, i)
        hits += found.low <= 0 <= found.high
    assert 85 <= hits <= 100


def planted(fails: Callable) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Eight models of 40 pairs; `fails` says from the highest log_cond, in [0, 1], which pairs fail."""
    rng = np.random.default_rng(0)
    features, found = {}, {}
    for model in (f"vae-{i}" for i in range(8)):
        cond = rng.uniform(size=40)
        features[model] = pd.DataFrame({"log_cond, highest": cond, "length": rng.uniform(size=40)})
        solver = curves(np.where(fails(cond, rng), 1.5, 1.0).tolist(), [True] * 40)
        found[model] = compared({"straight": curves([2.0] * 40, [False] * 40), "s": solver}, [1.0] * 40)
    return outcomes(found, dict.fromkeys(found, exact([1.0] * 40))), features


@pytest.mark.parametrize(
    ("fails", "holds", "word"),
    [
        (lambda cond, rng: cond > 0.7, True, "yes: "),
        (lambda cond, rng: rng.uniform(size=len(cond)) > 0.7, False, "no: "),
        (lambda cond, rng: cond < 0.3, False, "no: "),
        (lambda cond, rng: cond > 2, None, "cannot be told: 0 of 320 pairs not solved"),
    ],
)
def test_the_answer_is_what_was_planted(fails: Callable, holds: bool | None, word: str) -> None:
    table, features = planted(fails)
    found = correlations(table, features, 100, 0)
    answer = answers(table, found)["s"]
    assert answer.holds is holds and answer.sentence.startswith(word)
    assert answers(table, found, "not converged")["s"] == (None, "cannot be told: 0 of 320 pairs not converged")
    for over in ("all", "within"):
        unrelated = select(found, "not solved", over, "length").loc["s"]
        assert holds is None or unrelated["low"] < 0.1 and unrelated["high"] > -0.1


def test_the_partial_correlation_is_the_textbook_s() -> None:
    """For one given column: (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)), of Spearman's correlations."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=60)
    x, y = z + rng.normal(size=60), z + rng.normal(size=60)
    rows = np.column_stack((x, z, y))
    r = spearmanr(rows).statistic
    expected = (r[0, 2] - r[0, 1] * r[1, 2]) / math.sqrt((1 - r[0, 1] ** 2) * (1 - r[1, 2] ** 2))
    assert partial(rows) == pytest.approx(expected)
    assert math.isnan(partial(np.column_stack((z, z, y)))) and math.isnan(partial(np.column_stack((x, z, 0 * y))))


@pytest.mark.parametrize(("cause", "tells"), [("length", False), ("log_cond, highest", True)])
def test_at_equal_length_only_a_cause_is_left(cause: str, tells: bool) -> None:
    """Conditioning rises with length in both cases; failure follows one of the two alone."""
    rng = np.random.default_rng(0)
    features, found = {}, {}
    for model in (f"vae-{i}" for i in range(8)):
        length = rng.uniform(1, 2, 60)
        path = pd.DataFrame({"length": length, "log_cond, highest": length + 0.2 * rng.normal(size=60)})
        fails = path[cause].rank(pct=True) + 0.1 * rng.normal(size=60) > 0.6
        solver = curves(np.where(fails, 1.5, 1.0).tolist(), [True] * 60)
        features[model], c = path, compared({"straight": solver}, [1.0] * 60)
        found[model] = replace(c, end=torch.rand(60, 2, generator=torch.Generator().manual_seed(0)))
    table = outcomes(found, dict.fromkeys(found, exact([1.0] * 60)))
    (row,) = at_equal_length(table, features, found, "log_cond, highest", 60, 0).to_dict("records")
    assert row["low"] < row["value"] < row["high"]
    assert row["low"] > 0.1 if tells else row["low"] < 0.05 and abs(row["value"]) < 0.1


def test_failures_rise_over_the_parts_as_planted() -> None:
    table, features = planted(lambda cond, rng: rng.uniform(size=len(cond)) < cond)
    found = by_quantile(table, features, "log_cond, highest", 4)
    assert found.index.to_numpy() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.05)
    assert found["s"].to_numpy() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.15)
    assert (found["straight"] == 1).all()


def test_a_length_that_grows_with_latent_distance_correlates_perfectly() -> None:
    start, end = torch.zeros(20, 2), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    lengths = end.norm(dim=1).double().square()
    c = Compared(start, end, optimum(lengths.tolist()), 1.0, {})
    assert distance_correlation(c, exact(lengths.tolist()), 50, 0) == pytest.approx((1, 1, 1))


def pairwise(z: Tensor) -> Tensor:
    first, second = torch.combinations(torch.arange(len(z))).T
    return (z[first] - z[second]).norm(dim=1)


def test_neighbours_stay_where_geodesic_length_is_latent_distance() -> None:
    z = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert neighbours(z, 3 * pairwise(z)) == Neighbours(0, 1)


def test_neighbours_that_change_are_counted() -> None:
    """On a line, 0, 1, 3: as latent distance has it, 1 is the neighbour of 0 and 3, and 0 that of 1. Far apart are
    0 and 1 by geodesic length: the neighbour of both becomes 3."""
    z = torch.tensor([[0.0], [1.0], [3.0]])
    found = neighbours(z, torch.tensor([6.0, 3.0, 2.0]))
    assert found.changed == pytest.approx(2 / 3)
    assert found.further == pytest.approx((6 / 3 + 6 / 2) / 2)


def test_two_rows_have_no_rank_correlation() -> None:
    assert np.isnan(rank_correlations([[0.0, 1.0], [1.0, 0.0]])).all()
    assert rank_correlations([[0.0, 1.0], [1.0, 0.5], [2.0, 0.0]])[0, 1] == pytest.approx(-1)
