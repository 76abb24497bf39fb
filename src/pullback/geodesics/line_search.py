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
Attempt = Callable[[Tensor, float], tuple[State, Tensor]]


def sufficient(after: Tensor, before: Tensor, fall: Tensor, step: float, share: float = ARMIJO) -> Tensor:
    """Armijo's condition (b,): the value has fallen from `before` by at least `share` of step * fall, where `fall` (b,)
    is minus the slope along the direction. False where anything is NaN."""
    return after <= before - share * step * fall


def backtrack(before: Sequence[Tensor], attempt: Attempt, trials: int = 30) -> tuple[State, Tensor]:
    """The states after a step of each of B problems, and whether (B,) there was one.

    `before` are the tensors (B, ...) that describe the problems. `attempt(rows, step)` tries that step for the
    problems `rows` (b,). It returns new tensors (b, ...) in place of those of `before`, which it must not keep, and
    which steps (b,) are acceptable. After `trials` steps without success a problem stays as it was.
    """
    after, moved = attempt(torch.arange(len(before[0]), device=before[0].device), 1.0)
    moved = moved.clone()
    left = (~moved).nonzero().flatten()
    for halvings in range(1, trials):
        if not len(left):
            break
        found, good = attempt(left, 0.5**halvings)
        for column, values in zip(after, found, strict=True):
            column[left[good]] = values[good]
        moved[left[good]] = True
        left = left[~good]
    for column, values in zip(after, before, strict=True):
        column[left] = values[left]
    return after, moved
