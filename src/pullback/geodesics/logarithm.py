"""The logarithm: the initial velocities of geodesics between given points. Its inverse is `exponential`.

Equation. exp_a(v) = b, with |v|_M the length of the geodesic.

Method. Multiple shooting. The curve that `geodesic` finds is cut into PIECES. Each piece starts from a point and a
velocity of its own and is an exponential. Newton's method changes these starts until every piece ends where the next
one starts, and the last in b. The derivatives of the pieces' ends in their starts are difference quotients. Short
pieces keep errors from growing, so that a curve with a few correct digits is a good enough first guess. This is done
to the accuracy ROUGH. Then v alone is corrected by what its exponential, in one piece, misses b by, with the
derivative of the last correction.

Criterion. |exp_a(v) - b| <= tol |b - a|, on a curve that is not longer than the one that `geodesic` found by more than
LONGER: so v is that of the same geodesic, or of a shorter one.

Cost. Up to CORRECTIONS times 2k + 1 rough exponentials, all pieces of all pairs at once. Then two to four accurate
ones.

Fails. Where `geodesic` does; where a curve leaves the domain; where the end is conjugate to the start, because then the
end's derivative in v is singular.

Reference. Keller (1968), Numerical methods for two-point boundary-value problems; Stoer and Bulirsch (2002),
Introduction to numerical analysis, 3rd ed., section 7.3.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .curves import interpolate
from .exponential import MAX_STEPS, shoot
from .problem import geodesic

PIECES = 8
CORRECTIONS = 4  # of the pieces' starts, until ENOUGH
ENOUGH = 1e-3  # relative change of the pieces' velocities
ROUGH = 1e-5  # accuracy of the pieces
DIFFERENCE = 3e-3  # relative step of the difference quotients
LAST = 6  # corrections of v alone
ACCURACY = 1e-9  # of an exponential, or a thousandth of `tol` if that is less
LONGER = 1e-3  # relative excess of |v|_M over the length of the curve that `geodesic` found


class Logarithms(NamedTuple):
    """Initial velocities of geodesics between B pairs of points.

    Attributes
    ----------
    velocity : (B, k) in latent units, what `exponential` takes. Its length |velocity|_M is that of the geodesic.
    converged : (B,) bool, whether the criterion holds (see the module).
    miss : (B,) |exp_a(velocity) - b| / |b - a|; infinite where the curve does not come to t = 1 or is too long.
    """

    velocity: Tensor
    converged: Tensor
    miss: Tensor


def logarithm(f: Manifold | Generator, start: Tensor, end: Tensor, *, tol: float = 1e-6, **settings: Any) -> Logarithms:
    """Initial velocities of geodesics from start (B, k) to end (B, k): `exponential` takes them to end.

    f is a manifold, or a generator as in `geodesic`. `tol`, in [1e-9, 1), bounds the miss of the end, relative to
    |end - start|. The other settings are those of `geodesic`, which finds the curves. ValueError as `geodesic` raises.
    """
    if not 1e-9 <= tol < 1:
        raise ValueError(f"tol must be in [1e-9, 1); got tol={tol}")
    manifold = as_manifold(f)
    found = geodesic(manifold, start, end, **settings)
    times = torch.linspace(0, 1, PIECES + 1, dtype=torch.float64)[:-1]
    velocity = interpolate(found.points, times[:1], 1)[:, 0]
    miss = torch.zeros_like(found.length)
    moving = ((found.points[:, 0] != found.points[:, -1]).any(1) & found.length.isfinite()).nonzero().flatten()
    miss[found.length.isnan()] = torch.inf
    if len(moving):
        points = found.points[moving]
        starts = torch.cat((interpolate(points, times), interpolate(points, times, 1) / PIECES), 2)
        accuracy = max(min(tol / 1000, ACCURACY), 1e-12)
        velocity[moving], gap = _solve(manifold, starts, points[:, -1], tol, accuracy)
        speed = manifold.speed_squared(points[:, 0], velocity[moving]).sqrt()
        miss[moving] = gap.where(speed <= (1 + LONGER) * found.length[moving], torch.inf)
    return Logarithms(velocity, miss <= tol, miss)


def _solve(manifold: Manifold, starts: Tensor, end: Tensor, tol: float, accuracy: float) -> tuple[Tensor, Tensor]:
    """Velocities (B, k) and misses (B,) of the ends (B, k), from the first starts (B, PIECES, 2k) of the pieces."""
    k = end.shape[1]
    first, distance = starts[:, 0, :k].clone(), (end - starts[:, 0, :k]).norm(dim=1)
    starts, slopes = starts.clone(), torch.zeros(len(end), k, k, dtype=end.dtype, device=end.device)
    rows = torch.arange(len(end), device=end.device)
    for _ in range(CORRECTIONS):
        change, slopes[rows] = _correction(manifold, starts[rows], end[rows])
        starts[rows] += change
        rows = rows[(change[..., k:].norm(dim=2) > ENOUGH * starts[rows, :, k:].norm(dim=2)).any(1)]
        rows = rows[starts[rows].isfinite().flatten(1).all(1)]
        if not len(rows):
            break
    velocity = (PIECES * starts[:, 0, k:]).nan_to_num(0.0, 0.0, 0.0)
    best, miss = velocity.clone(), torch.full_like(distance, torch.inf)
    rows = torch.arange(len(end), device=end.device)
    for _ in range(1 + LAST):
        there = shoot(manifold, first[rows], velocity[rows], 1, accuracy, MAX_STEPS).points[:, -1]
        gap = ((there - end[rows]).norm(dim=1) / distance[rows]).nan_to_num(nan=torch.inf)
        better = gap < miss[rows]
        best[rows[better]], miss[rows[better]] = velocity[rows[better]], gap[better]
        step = torch.linalg.solve_ex(slopes[rows], (end[rows] - there)[..., None])[0].squeeze(-1)
        velocity[rows] += step
        rows = rows[better & (gap > tol) & step.isfinite().all(1)]
        if not len(rows):
            break
    return best, miss


def _correction(manifold: Manifold, starts: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Newton's change of the starts (B, m, 2k) of m pieces, and the derivative (B, k, k) of the curve's end in its
    initial velocity. A piece takes a unit of time, so its velocity is a PIECES-th of the curve's."""
    batch, m, k = *starts.shape[:2], end.shape[1]
    small = DIFFERENCE * starts[..., k:].norm(dim=2)[..., None, None]
    steps = torch.cat((torch.zeros(1, 2 * k), torch.eye(2 * k))).to(starts)
    several = (starts[:, :, None] + small * steps).flatten(0, 2)
    found = shoot(manifold, several[:, :k], several[:, k:], 1, ROUGH, MAX_STEPS)
    ends = torch.cat((found.points[:, -1], found.velocities[:, -1]), 1).unflatten(0, (batch, m, 2 * k + 1))
    slopes = ((ends[:, :, 1:] - ends[:, :, :1]) / small).mT
    defects = ends[:, :, 0].clone()
    defects[:, :-1] -= starts[:, 1:]
    defects[:, -1, :k] -= end
    # The change of start i is shift_i + tilt_i (change of the first velocity).
    shift, tilt = [torch.zeros_like(starts[:, 0])], [steps[1 + k :].mT.expand(batch, -1, -1)]
    for i in range(m):
        shift.append(defects[:, i] + (slopes[:, i] @ shift[-1][..., None]).squeeze(-1))
        tilt.append(slopes[:, i] @ tilt[-1])
    last = torch.linalg.solve_ex(tilt[-1][:, :k], -shift[-1][:, :k, None])[0]
    change = torch.stack([s + (t @ last).squeeze(-1) for s, t in zip(shift[:-1], tilt[:-1], strict=True)], 1)
    return change, tilt[-1][:, :k] / m
