"""The exponential map, geodesics from their initial velocities, and its inverse, the logarithm.

Equation. g'' = `manifold.acceleration`(g, g') on [0, 1] with g(0) = z and g'(0) = v; exp_z(v) = g(1). The metric's
scale cancels in it: multiplying f by a constant changes nothing.

Method. The explicit Runge-Kutta pair of order 8 by Dormand and Prince with its continuous extension of order 7
(DOP853; Hairer, Norsett and Wanner, 1993, section II.10; scipy's), for all curves of the batch with common steps. It
integrates ((g - z) / |v|, g' / |v|), so that neither the units nor the origin of the latent space matter. Where the
batch cannot go on it is halved, and its halves continue, until the curve that stopped it is alone.

Criterion. A geodesic has constant speed: converged is a curve that came to t = 1 with |g'|_M within SPEED of its
initial value, relative to it, at all knots. Local errors are below `tol`, relative to |v| or the state, in root mean
square over each curve, whatever batch it is in.

Cost. 12 accelerations of every curve a step (for an embedded manifold k + 2 passes of f with tangents each), and 3
more for the knots within it. On the study's 128-32 decoders 50 to 200 steps.

Fails. Where the curve leaves the domain of f, or of the chart, or becomes infinite, before t = 1: it is flagged, with
the time it came to. Where the metric is singular M^-1 is regularised (`Manifold.acceleration`); the curve is then
one of many, or its speed changes. Where curvature is negative, errors grow exponentially with length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.integrate import DOP853
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .curves import POINTS, interpolate
from .problem import check_domain, end_points, geodesic

SPEED = 1e-4  # largest relative change of the speed of a converged curve


class Trajectories(NamedTuple):
    """Geodesics from their initial velocities, at n + 1 knots t = i/n; NaN at knots beyond `reached`.

    points, velocities (B, n + 1, k): g and g' = dg/dt, so exp_z(v) is points[:, -1]. converged (B,): whether the
    criterion holds (see the module). reached (B,): the time up to which the curve was integrated, 1 if all of it was.
    """

    points: Tensor
    velocities: Tensor
    converged: Tensor
    reached: Tensor


def exponential(
    f: Manifold | Generator,
    start: Tensor,
    velocity: Tensor,
    *,
    segments: int = 64,
    tol: float = 1e-10,
    max_steps: int = 1000,
) -> Trajectories:
    """The geodesics from start (B, k) with initial velocities (B, k), in latent units, for a unit of time.

    f is a manifold, or a generator as in `geodesic`. Their lengths are |velocity|_M. Accurate to about `tol`, between
    1e-12 and 1. A curve that fails, or takes more than `max_steps` steps, is flagged; ValueError only for
    arguments of the wrong shape, dtype, device or value, and where the metric at start is not finite. Warns of starts
    outside the manifold's box.
    """
    if segments < 1 or max_steps < 1 or not 1e-12 <= tol < 1:
        raise ValueError(
            f"segments and max_steps must be at least 1, tol in [1e-12, 1); got segments={segments}, "
            f"max_steps={max_steps}, tol={tol}"
        )
    start, velocity = end_points(start, velocity, "velocity")
    manifold = as_manifold(f)
    check_domain(manifold, start)
    batch, k = start.shape
    size = velocity.norm(dim=1, keepdim=True)
    size = torch.where(size > 0, size, 1)

    def acceleration(rows: np.ndarray) -> Callable[[float, np.ndarray], np.ndarray]:
        origin, unit = start[rows], size[rows]

        def right(_: float, state: np.ndarray) -> np.ndarray:
            z, v = torch.from_numpy(state).to(start).reshape(-1, 2, k).unbind(1)
            change = manifold.acceleration(origin + unit * z, unit * v) / unit
            return torch.stack((v, change), 1).detach().cpu().numpy().reshape(-1)

        return right

    states = np.full((batch, 2, k, segments + 1), np.nan)
    states[..., 0] = torch.stack((torch.zeros_like(start), velocity / size), 1).cpu()
    reached = np.zeros(batch)
    waiting = [(np.arange(batch), states[..., 0])]
    while waiting:
        rows, state = waiting.pop()
        begin = reached[rows[0]]
        reached[rows], state, knots, values = _integrate(acceleration(rows), begin, state, segments, tol, max_steps)
        part = states[rows]
        part[..., knots] = values
        states[rows] = part
        if reached[rows[0]] < 1 and len(rows) > 1:
            waiting += zip(np.array_split(rows, 2), np.array_split(state, 2), strict=True)

    scaled, velocities = (torch.from_numpy(states).to(start) * size[:, None, :, None]).mT.unbind(1)
    points, time = start[:, None] + scaled, torch.from_numpy(reached).to(start)
    return Trajectories(points, velocities, (time == 1) & _steady(manifold, points, velocities), time)


def logarithm(f: Manifold | Generator, start: Tensor, end: Tensor, **settings: Any) -> tuple[Tensor, Tensor]:
    """Velocities (B, k), in latent units, from which `exponential` goes from start (B, k) to end (B, k), and converged
    (B,): the initial velocities of `geodesic(f, start, end, **settings)`, as accurate as its knots."""
    found = geodesic(f, start, end, **settings)
    return interpolate(found.points, torch.zeros(1, dtype=torch.float64), 1).squeeze(1), found.converged


def _integrate(
    right: Callable[[float, np.ndarray], np.ndarray],
    begin: float,
    state: np.ndarray,
    segments: int,
    tol: float,
    max_steps: int,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """From state (b, 2, k) at time `begin` towards 1: the time come to, the state there, the knots passed (m,) and the
    states (b, 2, k, m) there."""
    times = 1 + np.linspace(0, 1, segments + 1)  # from 1 to 2, where numbers are evenly spaced and steps end at eps
    accuracy = max(tol / len(state) ** 0.5, 100 * np.finfo(float).eps)
    first = min(1 / segments, 1 - begin)
    solver = DOP853(right, 1 + begin, state.reshape(-1), 2.0, rtol=accuracy, atol=accuracy, first_step=first)
    passed, values = [np.empty(0, int)], [np.empty((state.size, 0))]
    with np.errstate(all="ignore"):
        for _ in range(max_steps):
            if solver.status != "running":
                break
            before = solver.t
            solver.step()
            inside = np.flatnonzero((times > before) & (times <= solver.t))
            if len(inside):
                passed.append(inside)
                values.append(solver.dense_output()(times[inside]))
    knots = np.concatenate(passed)
    states = np.concatenate(values, 1).reshape(*state.shape, len(knots))
    return solver.t - 1, solver.y.reshape(state.shape), knots, states


def _steady(manifold: Manifold, points: Tensor, velocities: Tensor) -> Tensor:
    """Whether the speeds (B,) at all knots are, within SPEED, those at the first."""
    parts = zip(points.flatten(0, 1).split(POINTS), velocities.flatten(0, 1).split(POINTS), strict=True)
    with torch.no_grad():
        speed = torch.cat([manifold.speed_squared(*part) for part in parts]).sqrt().reshape(len(points), -1)
    return ((speed - speed[:, :1]).abs() <= SPEED * speed[:, :1]).all(1)
