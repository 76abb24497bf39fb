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

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
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
    """Length and energy, (B,) each; NaN for a curve on which the metric is not finite."""

    length: Tensor
    energy: Tensor


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A batch of B curves between pairs of points; all tensors but flags and counts are float64.

    Attributes
    ----------
    points : (B, n + 1, k) the knots at t = 0, 1/n, ..., 1, the end points included, in latent units.
    length, energy : (B,) as the module defines them.
    manifold : where the curves lie; None for curves that were read from a file.
    """

    points: Tensor
    length: Tensor
    energy: Tensor
    manifold: Manifold | None = field(default=None, repr=False, compare=False)

    def curve(self, t: Tensor) -> Tensor:
        """The curves at times t (T,) in [0, 1], as (B, T, k)."""
        if t.ndim != 1 or not bool(((t >= 0) & (t <= 1)).all()):
            raise ValueError(f"t must be a tensor (T,) of times in [0, 1]; got shape {tuple(t.shape)}: {t}")
        return interpolate(self.points, t)

    @property
    def log_cond(self) -> Tensor:
        """(B,) the largest log-condition number of the Jacobian on the way, +inf where it is rank deficient."""
        return self._conditioning[0]

    @property
    def worst(self) -> Tensor:
        """(B, k) the point of the way where the condition number is largest."""
        return self._conditioning[1]

    @cached_property
    def _conditioning(self) -> tuple[Tensor, Tensor]:
        if self.manifold is None:
            raise ValueError("these curves were read from a file, without their manifold: use conditioning(f, points)")
        return conditioning(self.manifold, self.points)


@dataclass(frozen=True, kw_only=True)
class Geodesics(Curves):
    """What `geodesic` returns: curves, and what their solver says of them.

    Attributes
    ----------
    converged : (B,) bool, True exactly where the solver's scale-free criterion held and the length is finite.
    criterion : (B,) the criterion's last value, as the solver defines it; NaN where nothing was solved.
    iterations : (B,) int64.
    tried : (B,) int64, how many first curves were tried; the shortest of their outcomes is returned.
    seconds : wall-clock time of the whole call.
    """

    converged: Tensor
    criterion: Tensor
    iterations: Tensor
    tried: Tensor
    seconds: float


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
    """Length and energy of the curves with knots points (B, n + 1, k).

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
    with torch.no_grad():
        squared = [manifold.speed_squared(*part) for part in zip(z.split(POINTS), velocity.split(POINTS), strict=True)]
    speed = torch.cat(squared).sqrt().unflatten(0, (len(points), len(t)))
    weights = (weights / (2 * panels)).repeat(panels).to(points.device)
    return Measured(speed @ weights, speed.square() @ weights)


@torch.no_grad()
def conditioning(f: Manifold | Generator, points: Tensor) -> tuple[Tensor, Tensor]:
    """The largest log-condition number (B,) of the metric's root at the knots points (B, n + 1, k) and at the
    segments' middles, +inf where the root is rank deficient and NaN where it is not finite; the point (B, k) there."""
    manifold, points = as_manifold(f), points.to(torch.float64)
    z = interpolate(points, torch.linspace(0, 1, 2 * points.shape[1] - 1, dtype=torch.float64))
    values = torch.cat([_log_cond(manifold, part) for part in z.flatten(0, 1).split(POINTS)]).unflatten(0, z.shape[:2])
    largest, at = values.max(1)
    return largest, z[torch.arange(len(z)), at]


def _log_cond(manifold: Manifold, z: Tensor) -> Tensor:
    """Log-condition numbers (n,) at the points z (n, k); NaN where the metric is not finite."""
    values = torch.full_like(z[:, 0], torch.nan)
    root = manifold.root(z)
    good = root.flatten(1).isfinite().all(1)
    values[good] = log_cond(singular_values(root[good]))
    return values
