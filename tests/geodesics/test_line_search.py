"""The line search against steps that are known, and against searching for each problem alone."""

from __future__ import annotations

import torch
from torch import Tensor

from pullback.geodesics.line_search import backtrack, sufficient


def test_each_problem_takes_the_first_step_of_its_own_that_is_accepted() -> None:
    """Problem i accepts steps of at most `longest[i]`; the last accepts none, and stays."""
    x, longest = torch.zeros(5).double(), torch.tensor([1.0, 0.6, 0.25, 0.01, 0.0]).double()
    tried: list[list[int]] = []

    def attempt(rows: Tensor, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        tried.append(rows.tolist())
        return (x[rows] + step,), step <= longest[rows]

    (after,), moved = backtrack((x,), attempt, trials=8)
    assert after.tolist() == [1.0, 0.5, 0.25, 1 / 128, 0.0]
    assert moved.tolist() == [True, True, True, True, False]
    assert not x.any()
    assert tried == [[0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4], *[[3, 4]] * 5]


def test_all_tensors_of_a_problem_move_together() -> None:
    x, y = torch.zeros(3, 2), torch.full((3,), 7.0)

    def attempt(rows: Tensor, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        return (x[rows] + step[:, None], y[rows] - step), step < 0.5**rows

    for together in (1, 2, 5):
        (a, b), moved = backtrack((x, y), attempt, trials=3, together=together)
        assert moved.tolist() == [True, True, False]
        assert a.tolist() == [[0.5, 0.5], [0.25, 0.25], [0.0, 0.0]] and b.tolist() == [6.5, 6.75, 7.0]


def test_steps_tried_together_are_those_tried_one_by_one() -> None:
    """Random acceptable steps, so that some problems skip over steps that are refused after one that is not."""
    x, steps = torch.zeros(50), 0.5 ** torch.arange(8)
    accepted = torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) < 0.2

    def attempt(rows: Tensor, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        return (x[rows] + step,), (accepted[rows] & (steps == step[:, None])).any(1)

    (alone,), moved = backtrack((x,), attempt, trials=8)
    assert moved.equal(accepted.any(1)) and moved.any() and not moved.all()
    for together in (2, 3, 7, 20):
        (after,), also = backtrack((x,), attempt, trials=8, together=together)
        assert after.equal(alone) and also.equal(moved)


def test_sufficient_is_armijos_condition() -> None:
    """x^2 from 1 along -2: slope -4. At step s the value is (1 - 2 s)^2, which is 1 - 4 s share at s = 1 - share."""
    for share in (1e-4, 0.4):
        for step, expected in ((1 - share - 1e-6, True), (1 - share + 1e-6, False)):
            after = torch.tensor([(1 - 2 * step) ** 2]).double()
            assert sufficient(after, torch.ones(1).double(), torch.tensor([4.0]).double(), step, share) == expected
    assert not sufficient(torch.tensor([torch.nan]), torch.ones(1), torch.ones(1), 1.0)
