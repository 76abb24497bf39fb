"""The exponential map: geodesics from their initial velocities. Its inverse is `logarithm`.

Equation. g'' = `manifold.acceleration`(g, g') on [0, 1] with g(0) = z and g'(0) = v; exp_z(v) = g(1). The metric's
scale cancels in it: multiplying f by a constant changes nothing.

Method. Runge-Kutta steps of order 8, each curve its own (see `runge_kutta`), for
((g - z) / |v|, g' / |v|), so that neither the units nor the origin of the latent space matter.

Criterion. A geodesic has constant speed: converged is a curve that came to t = 1 with |g'|_M within
SPEED of its initial value, relative to it, at all knots. Errors of a step are below `tol`, relative to |v| or the
state. Where a curve did not converge, `reason` says why.

Cost. 12 accelerations of every curve a step (for an embedded manifold k + 2 passes of f with tangents each). On the
study's 128-32 decoders 50 to 350 steps. `max_steps` bounds them.

Fails. Where the curve leaves the domain of f, or of the chart, or becomes infinite, before t = 1, and where the metric
has a kink: steps then fall to rounding. Where the metric is singular M^-1 is regularised (`Manifold.acceleration`); the
curve is then one of many, or its speed changes. Where curvature is negative, errors grow exponentially with length.

Reference. do Carmo (1992), Riemannian geometry, chapter 3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .curves import POINTS
from .problem import check_domain, end_points
from .runge_kutta import integrate

SPEED = 1e-4  # largest relative change of the speed of a converged curve
MAX_STEPS = 1000


class Trajectories(NamedTuple):
    """Geodesics from their initial velocities, at n + 1 knots t = i/n.

    Attributes
    ----------
    points, velocities : (B, n + 1, k) g and g' = dg/dt in latent units, so exp_z(v) is points[:, -1]. NaN beyond
        `reached`.
    converged : (B,) bool, whether the criterion holds (see the module).
    reached : (B,) the time up to which the curve was integrated, 1 if all of it was.
    reason : for each curve why it did not converge, empty where it did.
    """

    points: Tensor
    velocities: Tensor
    converged: Tensor
    reached: Tensor
    reason: tuple[str, ...]


def exponential(
    f: Manifold | Generator,
    start: Tensor,
    velocity: Tensor,
    *,
    segments: int = 64,
    tol: float = 1e-10,
    max_steps: int = MAX_STEPS,
) -> Trajectories:
    """The geodesics from start (B, k) with initial velocities (B, k), in latent units, for a unit of time.

    f is a manifold, or a generator as in `geodesic`. Their lengths are |velocity|_M. Accurate to about `tol`, between
    1e-12 and 1. A curve that fails, or takes more than `max_steps` steps, rejected ones included, is flagged, with the
    reason; ValueError only for arguments of the wrong shape, dtype, device or value, and where the metric at start is
    not finite. Warns of starts outside the manifold's box.
    """
    if segments < 1 or max_steps < 1 or not 1e-12 <= tol < 1:
        raise ValueError(
            f"segments and max_steps must be at least 1, tol in [1e-12, 1); got segments={segments}, "
            f"max_steps={max_steps}, tol={tol}"
        )
    start, velocity = end_points(start, velocity, "velocity")
    manifold = as_manifold(f)
    check_domain(manifold, start)
    return shoot(manifold, start, velocity, segments, tol, max_steps)


def shoot(
    manifold: Manifold, start: Tensor, velocity: Tensor, segments: int, tol: float, max_steps: int
) -> Trajectories:
    """As `exponential`, with nothing checked."""
    k = start.shape[1]
    size = velocity.norm(dim=1, keepdim=True)
    size = torch.where(size > 0, size, 1)

    def system(rows: Tensor, state: Tensor) -> Tensor:
        w, v = state[:, :k], state[:, k:]
        unit = size[rows]
        with torch.no_grad():
            return torch.cat((v, manifold.acceleration(start[rows] + unit * w, unit * v) / unit), 1)

    times = torch.linspace(0, 1, segments + 1, dtype=start.dtype, device=start.device)
    states, reached, spent = integrate(
        system, torch.cat((torch.zeros_like(start), velocity / size), 1), times, tol=tol, max_steps=max_steps
    )
    points, velocities = start[:, None] + size[:, None] * states[..., :k], size[:, None] * states[..., k:]
    change = _change_of_speed(manifold, points, velocities)
    columns = zip(reached.tolist(), spent.tolist(), change.tolist(), strict=True)
    reasons = tuple(_reason(*row, max_steps) for row in columns)
    return Trajectories(points, velocities, (reached == 1) & (change <= SPEED), reached, reasons)


def _reason(reached: float, spent: bool, change: float, max_steps: int) -> str:
    if spent:
        return f"all {max_steps} steps (max_steps) were spent at t = {reached:.6g}"
    if reached < 1:
        return f"steps fell to rounding at t = {reached:.6g}: the curve leaves the domain, or the metric is not smooth"
    if not change <= SPEED:
        return f"the speed changes by {change:.2g}: the metric is singular, not smooth, or its derivatives are wrong"
    return ""


def _change_of_speed(manifold: Manifold, points: Tensor, velocities: Tensor) -> Tensor:
    """The largest change (B,) of the speed at the knots from that at the first, relative to it; NaN where a knot is."""
    parts = zip(points.flatten(0, 1).split(POINTS), velocities.flatten(0, 1).split(POINTS), strict=True)
    with torch.no_grad():
        speed = torch.cat([manifold.speed_squared(*part) for part in parts]).sqrt().reshape(len(points), -1)
    change = (speed - speed[:, :1]).abs()
    return torch.where(change == 0, 0.0, change / speed[:, :1]).amax(1)
