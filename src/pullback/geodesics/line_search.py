"""One line search for all solvers: backtracking, for a batch of problems that have nothing to do with each other.

Method. Along its own direction each problem tries the steps 1, 1/2, 1/4, ... and takes the first that its solver
accepts. Problems that have taken a step are evaluated no more. What "accepted" means is the solver's business. For
most it is Armijo's condition, in `sufficient`.

Reference. Nocedal and Wright (2006), Numerical optimization, 2nd ed., algorithm 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ARMIJO = 1e-4  # share of the fall that the slope promises, of which a step must bring at least as much

State = tuple[Tensor, ...]
Attempt = Callable[[Tensor, Tensor], tuple[State, Tensor]]


def sufficient(after: Tensor, before: Tensor, fall: Tensor, step: Tensor | float, share: float = ARMIJO) -> Tensor:
    """Armijo's condition (b,): the value has fallen from `before` by at least `share` of step * fall, where `fall` (b,)
    is minus the slope along the direction and step is one number or (b,). False where anything is NaN."""
    return after <= before - share * step * fall


def backtrack(before: Sequence[Tensor], attempt: Attempt, trials: int = 30, together: int = 1) -> tuple[State, Tensor]:
    """The states after a step of each of B problems, and whether (B,) there was one.

    `before` are the tensors (B, ...) that describe the problems. `attempt(rows, steps)` tries steps (b,) for the
    problems `rows` (b,). It returns new tensors (b, ...) in place of those of `before`, which it must not keep, and
    which steps (b,) are acceptable. After `trials` steps without success a problem stays as it was. Of the steps after
    the first, `together` are tried at once, which changes no result: more evaluations, in fewer calls.
    """
    rows = torch.arange(len(before[0]), device=before[0].device)
    after, moved = attempt(rows, before[0].new_ones(len(rows)))
    moved, tried = moved.clone(), 1
    left = (~moved).nonzero().flatten()
    while tried < trials and len(left):
        halvings = torch.arange(tried, min(tried + together, trials), device=left.device)
        steps = (0.5**halvings).to(before[0])
        found, good = attempt(left.repeat(len(steps)), steps.repeat_interleave(len(left)))
        good = good.unflatten(0, (len(steps), -1))
        some, first = good.any(0), good.long().argmax(0) * len(left) + rows[: len(left)]
        for column, values in zip(after, found, strict=True):
            column[left[some]] = values[first[some]]
        moved[left[some]] = True
        left, tried = left[~some], tried + len(steps)
    for column, values in zip(after, before, strict=True):
        column[left] = values[left]
    return after, moved
