"""Initial-value problems y' = F(y), a batch at a time, each with steps of its own.

Method. The explicit Runge-Kutta pair of order 8 by Dormand and Prince with its continuous extension of order 7. The
coefficients are scipy's. A problem's steps depend on that problem alone, so its solution does not depend on the batch.

Cost. 12 evaluations of F a step, rejected steps included, and 3 more where a time that is asked for lies inside it.
`max_steps` bounds them.

Fails. Where F is not smooth or not finite: steps are halved again and again, down to rounding. Stiff problems take many
steps.

Reference. Hairer, Norsett and Wanner (1993), Solving ordinary differential equations I, section II.10 (DOP853).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy.integrate import DOP853
from torch import Tensor

FIRST = 1 / 8  # the first step tried
SMALLEST = 2.0**-50  # a few units in the last place of t
SAFETY, SLOWEST, FASTEST = 0.9, 0.2, 10.0  # bounds of a step's change
STAGES = DOP853.n_stages

System = Callable[[Tensor, Tensor], Tensor]


class Trajectory(NamedTuple):
    """The states (B, T, d) at the times asked for, NaN beyond `reached` (B,), the time up to which each problem was
    solved; and `spent` (B,) bool, whether `max_steps` was the reason to stop before t = 1."""

    states: Tensor
    reached: Tensor
    spent: Tensor


def integrate(system: System, state: Tensor, times: Tensor, *, tol: float, max_steps: int) -> Trajectory:
    """The solutions from `state` (B, d), float64, at t = 0, at the increasing times (T,) in [0, 1].

    `system(rows, y)` gives F (b, d) of the problems `rows` (b,) at y (b, d). The error of a step, in root mean square
    over the state, is at most tol (1 + |y|).
    """
    method = {
        name: torch.from_numpy(getattr(DOP853, name)).to(state) for name in ("A", "B", "E3", "E5", "A_EXTRA", "D")
    }
    states = state.new_full((len(state), len(times), state.shape[1]), torch.nan)
    states[:, times == 0] = state[:, None]
    reached, spent = torch.zeros_like(state[:, 0]), torch.zeros_like(state[:, 0], dtype=torch.bool)
    rows = torch.arange(len(state), device=state.device)
    t, h, y, slope = reached.clone(), torch.full_like(reached, FIRST), state, system(rows, state)
    cautious = torch.zeros_like(spent)
    for _ in range(max_steps):
        if not len(rows):
            break
        h = torch.minimum(h, 1 - t)
        K = _stages(system, rows, y, slope, h, method)
        new = y + h[:, None] * _mix(method["B"], K)
        last = system(rows, new)
        K = torch.cat((K, last[:, None]), 1)
        error = _error(K, h, tol * (1 + torch.maximum(y.abs(), new.abs())), method)
        good = error <= 1  # false where it is NaN
        after = torch.where(1 - t - h < SMALLEST, 1.0, t + h)
        if good.any():
            passed = (times > t[good, None]) & (times <= after[good, None])
            some = passed.any(1)
            if some.any():
                which = good.nonzero().flatten()[some]
                share = ((times - t[which, None]) / h[which, None]).clamp(0, 1)
                values = _between(system, rows[which], y[which], new[which], h[which], K[which], share, method)
                states[rows[which]] = torch.where(passed[some][..., None], values, states[rows[which]])
        growth = SAFETY * error.clamp_min(1e-30) ** (-1 / 8)
        growth = growth.nan_to_num(nan=SLOWEST).clamp(SLOWEST, FASTEST)
        h = h * torch.where(good & ~cautious, growth, growth.clamp_max(1.0))
        cautious = ~good
        t, y, slope = torch.where(good, after, t), _where(good, new, y), _where(good, last, slope)
        reached[rows] = t
        stay = (t < 1) & (h >= SMALLEST)
        rows, t, h, y, slope, cautious = (a[stay] for a in (rows, t, h, y, slope, cautious))
    spent[rows] = True
    return Trajectory(states, reached, spent)


def _stages(system: System, rows: Tensor, y: Tensor, slope: Tensor, h: Tensor, method: dict[str, Tensor]) -> Tensor:
    """F (b, STAGES, d) at the stages of a step h (b,)."""
    K = slope[:, None]
    for s in range(1, STAGES):
        K = torch.cat((K, system(rows, y + h[:, None] * _mix(method["A"][s, :s], K))[:, None]), 1)
    return K


def _error(K: Tensor, h: Tensor, scale: Tensor, method: dict[str, Tensor]) -> Tensor:
    """The error (b,) of a step, relative to what is allowed: that of order 5, corrected by that of order 3."""
    five, three = ((_mix(method[name], K) / scale).square().sum(1) for name in ("E5", "E3"))
    size = torch.where(five == 0, 0.0, five / (five + 0.01 * three).sqrt())
    return h * size / scale.shape[1] ** 0.5


def _between(
    system: System,
    rows: Tensor,
    y: Tensor,
    new: Tensor,
    h: Tensor,
    K: Tensor,
    share: Tensor,
    method: dict[str, Tensor],
) -> Tensor:
    """The states (b, T, d) at the shares (b, T) of a step from y to new (b, d)."""
    inside = (share > 0) & (share < 1)
    if not inside.any():
        return torch.where(share[..., None] < 1, y[:, None], new[:, None])
    for a in method["A_EXTRA"]:
        s = K.shape[1]
        K = torch.cat((K, system(rows, y + h[:, None] * _mix(a[:s], K))[:, None]), 1)
    step, first, last = new - y, h[:, None] * K[:, 0], h[:, None] * K[:, STAGES]
    terms = [step, first - step, 2 * step - first - last, *(h[:, None] * _mix(d, K) for d in method["D"])]
    values = torch.zeros_like(y)[:, None]
    for i, term in enumerate(reversed(terms)):
        values = (values + term[:, None]) * (share if i % 2 == 0 else 1 - share)[..., None]
    return y[:, None] + values


def _mix(weights: Tensor, K: Tensor) -> Tensor:
    """The weighted sum (b, d) of the stages K (b, s, d): row by row, so that the batch does not matter."""
    return (weights[:, None] * K).sum(1)


def _where(good: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(good[:, None], new, old)
