"""Generators that lie: faults that would make every derivative wrong, found by a few evaluations before the work.

A generator is asked at a few of the caller's own points, moved a little, because a caller often starts at 0, where a
network without biases has all its kinks. It is refused if

- it changes its argument,
- two calls at the same points differ: it draws random numbers, or keeps a state,
- one point alone gives another image than among others: its rows depend on each other,
- its directional derivative J v disagrees with the difference quotient (f(z + h v) - f(z - h v)) / 2h at most of the
  points: part of its graph is hidden from torch (detach, numpy, no_grad, rounding).

An honest generator agrees for at least one h of `STEPS`: in float64 all but the sharpest bends agree for the smaller
ones, at which the quotient hardly ever straddles a kink; in float32 rounding spoils the smaller ones, and the largest
agrees. A quotient is compared only up to the rounding that its h leaves in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .derivatives import Derivatives

POINTS = 4  # of the caller's points that are asked
STEPS = (1e-2, 1e-4, 1e-6)  # h, in units of the largest coordinate
OFFSET = 1e-3  # how far points are moved off kinks, in the same unit
AGREES = 1e-2  # relative error of J v; the parts of a graph that people detach change it by more
SAME_ROW = 1e-5  # relative difference of one image alone and in a batch; float32 kernels leave 1e-6
REPEATED = 8  # units in the last place by which two calls may differ; the same kernels leave none
ROUNDING = 16  # units in the last place of an image in a difference of two


class Extent(NamedTuple):
    """The largest entries of f and of its directional derivatives, in units of the largest coordinate, that a check
    has seen; both 0 where it has seen none."""

    value: float
    derivative: float

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether sums of squares of these stay within the range of `dtype`. A generator that does not move fits."""
        limits = torch.finfo(dtype)
        small, large = limits.tiny**0.4, limits.max**0.4
        return max(self) < large and (self.derivative == 0 or self.derivative > small)


@torch.no_grad()
def check_generator(derivatives: Derivatives, z: Tensor) -> Extent | None:
    """The extent of the generator behind `derivatives` at or near the points z (n, k), None if none of them is finite.

    ValueError that names the fault if it lies there. Costs two evaluations of f at 28 points, one at one point, and a
    directional derivative at 4; for a plain network, whose derivatives are ours, only the last two.
    """
    base, v = _probes(z)
    if not len(base):
        return None
    tangent = derivatives.push(base, v)
    if derivatives.network is not None:
        return _extent(derivatives.value(base), tangent)
    steps = torch.tensor(STEPS, dtype=z.dtype, device=z.device)[:, None, None]
    stencil = torch.cat((base[None], base + steps * v, base - steps * v))  # (1 + 2 steps, points, k)
    rows = stencil.flatten(0, 1)
    given = rows.clone()
    y = derivatives(rows)
    if not rows.equal(given):
        raise ValueError("f changes its argument in place: let it work on a copy")
    _check_repeats(derivatives, rows, y)
    values = y.unflatten(0, stencil.shape[:2]).to(tangent.dtype)
    if _disagree(values, tangent, torch.finfo(y.dtype).eps):
        raise ValueError(
            f"the derivative of f that torch finds is not that of its values, at or near the latent point "
            f"{base[0].tolist()}: it differs from the difference quotient by more than {AGREES:.0%}. Part of f is "
            "hidden from torch (detach, no_grad, numpy, rounding to integers)"
        )
    return _extent(y, tangent)


def _extent(y: Tensor, tangent: Tensor) -> Extent:
    return Extent(*(float(a[a.isfinite()].abs().max()) if a.isfinite().any() else 0.0 for a in (y, tangent)))


def _probes(z: Tensor) -> tuple[Tensor, Tensor]:
    """A few of the points z (n, k), moved a little, and directions there, each (m, k)."""
    z = z.detach()
    z = z[z.isfinite().all(1)]
    z = z[torch.linspace(0, len(z) - 1, min(POINTS, len(z)), device=z.device).round().long()]
    if not len(z):
        return z, z
    unit = float(z.abs().max()) or 1.0
    random = torch.Generator().manual_seed(0)
    offset, v = (torch.randn(2, POINTS, z.shape[1], generator=random, dtype=torch.float64)[:, : len(z)]).to(z)
    return z + OFFSET * unit * offset, unit * v / v.norm(dim=1, keepdim=True)


def _check_repeats(derivatives: Derivatives, rows: Tensor, y: Tensor) -> None:
    """ValueError if two calls at the rows (n, k), whose images are y, differ, or one row alone from the same row."""
    size = y.nan_to_num(0, 0, 0).abs().max()

    def apart(a: Tensor, b: Tensor, bound: float) -> str | None:
        if torch.allclose(a, b, rtol=0, atol=float(bound * size), equal_nan=True):
            return None
        return f"{float((a - b).nan_to_num(torch.inf).abs().max() / size):.2g} of its largest value"

    if differ := apart(y, derivatives(rows.clone()), REPEATED * torch.finfo(y.dtype).eps):
        raise ValueError(
            f"two calls of f at the same latent points differ, by {differ}: it draws random numbers (dropout, a "
            "sampled variance) or keeps a state. Fix what it draws, or return its mean"
        )
    if differ := apart(y[:1], derivatives(rows[:1].clone()), SAME_ROW):
        raise ValueError(
            f"f gives another image for a latent point alone than among others, by {differ}: its rows depend on each "
            "other (batch statistics, a mean over the batch), and have no Jacobian of their own"
        )


def _disagree(values: Tensor, tangent: Tensor, eps: float) -> bool:
    """Whether J v, tangent (m, N), is far from all difference quotients of values (1 + 2 steps, m, N) at most of the
    points where they are finite."""
    known = (values.isfinite().all(0) & tangent.isfinite()).to(tangent)
    values, tangent = values.nan_to_num(0, 0, 0) * known, tangent.nan_to_num(0, 0, 0) * known
    scale = values.abs().max().clamp(min=torch.finfo(values.dtype).tiny)  # squares of the rest stay in range
    values, tangent = values / scale, tangent / scale
    size = values.abs().amax(0).norm(dim=1)
    agree = torch.zeros_like(size, dtype=torch.bool)
    count = len(STEPS)
    for i, h in enumerate(STEPS):
        quotient = (values[1 + i] - values[1 + count + i]) / (2 * h)
        rounding = ROUNDING * (torch.finfo(torch.float32).eps if i == 0 else eps) * size / h
        goal = AGREES * torch.maximum(quotient.norm(dim=1), tangent.norm(dim=1)) + rounding
        agree |= (quotient - tangent).norm(dim=1) <= goal
    asked = known.amax(1) > 0
    return bool(asked.any()) and int((asked & ~agree).sum()) * 2 > int(asked.sum())
