"""What every solver returns, and the one measure by which all are judged.

A curve g is the cubic spline (not-a-knot; de Boor, 2001) in latent space through knots z_0, ..., z_n at t = i/n.
Its length and energy

    L = int_0^1 |g'|_M dt,        E = int_0^1 <g', M(g) g'> dt

are integrated from |A g'|, with A^T A = M (the Jacobian, of an embedded manifold) in float64, by Gauss-Legendre
quadrature between the knots, as finely as it takes. They belong to the curve: they depend neither on the solver nor,
but for the quadrature's error, on the number of knots. L is in pixel units for a latent space. E >= L^2, with
equality for constant speed (Cauchy-Schwarz).

The spline, and not the chain of straight segments, because its error falls as n^-4 and not n^-2: on random
128-32 decoders with 32 segments, 3e-6 of the length at worst instead of 9e-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from ..geometry.metric import log_cond, singular_values

NODES = 3  # Gauss-Legendre nodes a panel: exact where the integrand is a polynomial of degree 5
PANELS, FINEST = 64, 2**11  # of a curve, at first and at most
SETTLED = 1e-4  # relative change of the length by halving the panels that ends the halving
POINTS = 1024  # evaluated at a time: bounds the memory, and fits the cache


class Solution(NamedTuple):
    """What a solver itself knows of B curves: knots (B, n + 1, k) at t = i/n, its criterion (B,), whether that holds
    (B,), iterations (B,)."""

    points: Tensor
    criterion: Tensor
    converged: Tensor
    iterations: Tensor


class Measured(NamedTuple):
    """Length, energy and largest log-condition number of the metric's root on the way, each (B,), and where that is
    met, (B, k). NaN for a curve on which the metric is not finite."""

    length: Tensor
    energy: Tensor
    log_cond: Tensor
    worst: Tensor


@dataclass(frozen=True)
class Geodesics:
    """A batch of B curves between pairs of points; all tensors but `converged` and `iterations` are float64.

    Attributes
    ----------
    points : (B, n + 1, k) the knots at t = 0, 1/n, ..., 1, the end points included.
    length, energy : (B,) as the module defines them.
    converged : (B,) bool, True exactly where the solver's scale-free criterion held and the length is finite.
    criterion : (B,) the criterion's last value, as the solver defines it; NaN where nothing was solved.
    iterations : (B,) int64.
    seconds : wall-clock time of the solver for the whole batch, without the measurement of length and energy.
    log_cond, worst : (B,) the largest log-condition number of the Jacobian met on the way, +inf where it is rank
        deficient, and (B, k) the point where it is.
    """

    points: Tensor
    length: Tensor
    energy: Tensor
    converged: Tensor
    criterion: Tensor
    iterations: Tensor
    seconds: float
    log_cond: Tensor
    worst: Tensor

    def curve(self, t: Tensor) -> Tensor:
        """The curves at times t (T,) in [0, 1], as (B, T, k)."""
        if t.ndim != 1 or not bool(((t >= 0) & (t <= 1)).all()):
            raise ValueError(f"t must be a tensor (T,) of times in [0, 1]; got shape {tuple(t.shape)}: {t}")
        return interpolate(self.points, t)


def interpolate(points: Tensor, t: Tensor, derivative: int = 0) -> Tensor:
    """The splines with knots points (B, n + 1, k), or a derivative of them, at times t (T,), as (B, T, k).

    Relative to its first knot, so that a curve that stays where it is does so exactly.
    """
    first = points[:, :1]
    matrix = torch.from_numpy(_basis(points.shape[1] - 1, derivative, t.double().cpu().numpy().tobytes())).to(points)
    return matrix @ (points - first) + (0 if derivative else first)


@lru_cache(maxsize=64)
def _basis(segments: int, derivative: int, t: bytes) -> NDArray[np.float64]:
    """Values (T, segments + 1), or derivatives, of the splines that are 1 at one knot, at times t."""
    spline = CubicSpline(np.linspace(0, 1, segments + 1), np.eye(segments + 1))
    return spline(np.frombuffer(t), derivative)


def segment(start: Tensor, end: Tensor, segments: int) -> Tensor:
    """Knots (B, segments + 1, k) of the straight lines from start (B, k) to end (B, k)."""
    t = torch.linspace(0, 1, segments + 1, dtype=start.dtype, device=start.device)[:, None]
    return torch.lerp(start[:, None], end[:, None], t)


def measure(f: Manifold | Generator, points: Tensor) -> Measured:
    """Length, energy and conditioning of the curves with knots points (B, n + 1, k).

    On at least PANELS panels, of NODES nodes each, and on twice as many as long as that changes a curve's length by
    more than SETTLED, up to FINEST.
    """
    manifold, points = as_manifold(f), points.to(torch.float64)
    segments = points.shape[1] - 1
    panels = segments * -(-PANELS // segments)
    found, left = _integrate(manifold, points, panels), torch.arange(len(points), device=points.device)
    while len(left) and 2 * panels <= FINEST:
        panels *= 2
        finer = _integrate(manifold, points[left], panels)
        moved = (finer.length - found.length[left]).abs() > SETTLED * finer.length
        for column, values in zip(found, finer, strict=True):
            column[left] = values
        left = left[moved]
    return found


def _integrate(manifold: Manifold, points: Tensor, panels: int) -> Measured:
    """As `measure`, on that many panels, a multiple of the segments."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(NODES))
    t = ((torch.arange(panels)[:, None] + (nodes + 1) / 2) / panels).flatten()
    z, velocity = (interpolate(points, t, derivative).flatten(0, 1) for derivative in (0, 1))
    parts = zip(z.split(POINTS), velocity.split(POINTS), strict=True)
    values = torch.cat([_speed_and_condition(manifold, *part) for part in parts]).unflatten(0, (len(points), len(t)))
    speed, condition = values.unbind(-1)
    weights = (weights / (2 * panels)).repeat(panels).to(points.device)
    largest, at = condition.max(1)
    worst = z.unflatten(0, speed.shape)[torch.arange(len(points)), at]
    return Measured(speed @ weights, speed.square() @ weights, largest, worst)


def _speed_and_condition(manifold: Manifold, z: Tensor, v: Tensor) -> Tensor:
    """Speeds of v (n, k) at z (n, k) and log-condition numbers there, as (n, 2); NaN where the metric is not finite."""
    values = torch.full((len(z), 2), torch.nan, dtype=z.dtype, device=z.device)
    with torch.no_grad():
        root = manifold.root(z)
        good = root.flatten(1).isfinite().all(1)
        A = root[good]
        values[good, 0] = (A @ v[good][..., None]).squeeze(-1).norm(dim=1)
        values[good, 1] = log_cond(singular_values(A))
    return values
