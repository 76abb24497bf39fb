"""What every solver returns, and the one measure by which all are judged.

A curve g is the cubic spline (not-a-knot; de Boor, 2001) in latent space through knots z_0, ..., z_n at t = i/n.
Its length and energy

    L = int_0^1 |g'|_M dt,        E = int_0^1 <g', M(g) g'> dt

are integrated from |g'|_M in float64 (of an embedded manifold, the directional derivative of the embedding) by Boole's
rule on panels with five evenly spaced nodes. A curve starts with at least NODES steps between nodes. Its length's error
is estimated panel by panel, as the larger of two numbers: a quarter of the difference between Boole's and Simpson's
rules, and the excess of the panel's chords over its length. While the errors of a curve sum up to more than SETTLED of
its length, its panels of the largest errors are halved. Chords join the images of neighbouring nodes. They cannot be
longer than the curve, so an excess means that a ridge lies between nodes, or that f's derivative is wrong.

L and E belong to the curve: they depend neither on the solver nor, but for the quadrature's error, on the number of
knots. L is in pixel units for a latent space. E >= L^2, with equality for constant speed (Cauchy-Schwarz).

The spline, and not the chain of straight segments, because its error falls as n^-4 and not n^-2: on random
128-32 decoders with 32 segments, 3e-6 of the length at worst instead of 9e-5.
"""

from __future__ import annotations

import math
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

NODES = 64  # steps between the first nodes of a curve, at least
BOOLE = (7 / 90, 32 / 90, 12 / 90, 32 / 90, 7 / 90)  # weights of a panel's five nodes: order 6
SIMPSON = (1 / 6, 4 / 6, 1 / 6)  # of every second node: order 4
SETTLED = 1e-4  # estimated relative error of a length at which the halving of panels ends
DEEPEST = 10  # times that a panel is halved at most
ROUNDING = 1e-6  # chords shorter than this part of an image's norm may be rounding
HELD = 32  # times `together` points whose images are held at a time
SAME_SPLINE = 1e-10  # largest distance, relative to the curve's size, of knots from a spline that has them
POINTS = 1024  # evaluated at a time: bounds the memory, and fits the cache


class Solution(NamedTuple):
    """What a solver itself knows of B curves: knots (B, n + 1, k) at t = i/n, its criterion (B,), whether that holds
    (B,), iterations (B,)."""

    points: Tensor
    criterion: Tensor
    converged: Tensor
    iterations: Tensor


class Measured(NamedTuple):
    """Length and energy of B curves, NaN for a curve on which the metric is not finite, and the sum of the chords
    between the images of the nodes, 0 without an embedding; (B,) each."""

    length: Tensor
    energy: Tensor
    chords: Tensor


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
    """Values (T, segments + 1), or derivatives, of `_splines` at times t."""
    return _splines(segments)(np.frombuffer(t), derivative)


@lru_cache(maxsize=64)
def _splines(segments: int) -> CubicSpline:
    """The splines, one a knot, that are 1 at that knot and 0 at the others."""
    return CubicSpline(np.linspace(0, 1, segments + 1), np.eye(segments + 1))


def segment(start: Tensor, end: Tensor, segments: int) -> Tensor:
    """Knots (B, segments + 1, k) of the straight lines from start (B, k) to end (B, k)."""
    t = torch.linspace(0, 1, segments + 1, dtype=start.dtype, device=start.device)[:, None]
    return torch.lerp(start[:, None], end[:, None], t)


@torch.no_grad()
def measure(f: Manifold | Generator, points: Tensor, tol: float = SETTLED) -> Measured:
    """Length, energy and chords of the curves with knots points (B, n + 1, k); see the module for the quadrature. `tol`
    bounds the estimated relative error of a length."""
    manifold, points = as_manifold(f), points.to(torch.float64)
    curves = max(1, HELD * manifold.together(points) // NODES)
    found, own = points.new_empty(3, len(points)), _own_segments(points)
    for segments in own.unique().tolist():
        for rows in (own == segments).nonzero().flatten().split(curves):
            knots = points[rows, :: (points.shape[1] - 1) // segments]
            found[:, rows] = torch.stack(_measure(manifold, knots, tol))
    return Measured(*found)


def _own_segments(points: Tensor) -> Tensor:
    """The fewest segments (B,) whose spline has all the knots points (B, n + 1, k). A solver gives the curves of a
    batch as many knots as the finest one needs, and the others need not be measured as finely."""
    n = m = points.shape[1] - 1
    own = torch.full((len(points),), n, device=points.device)
    size = (points - points[:, :1]).abs().amax((1, 2))
    while m % 2 == 0 and m >= NODES:
        rows = (own == m).nonzero().flatten()
        knots = points[rows, :: n // m]
        apart = interpolate(knots[:, ::2], torch.linspace(0, 1, m + 1, dtype=torch.float64)) - knots
        own[rows[apart.abs().amax((1, 2)) <= SAME_SPLINE * size[rows]]] = m = m // 2
    return own


def _measure(manifold: Manifold, points: Tensor, tol: float) -> Measured:
    """As `measure`, without a bound on the memory."""
    t = _first_nodes(points.shape[1] - 1)
    B, panels = len(points), len(t) // 4
    z, velocity = (interpolate(points, t, derivative) for derivative in (0, 1))
    images, speed = manifold.in_parts(manifold.track, z.flatten(0, 1), velocity.flatten(0, 1))
    # Five nodes a panel, at which speeds (p, 5) and images (p, 5, N) are known; neighbours share a node.
    state = [_windows(column.unflatten(0, (B, -1))) for column in ((speed,) if images is None else (speed, images))]
    curve = torch.arange(B, device=points.device).repeat_interleave(panels)
    left, width = t[:-1:4].to(points).repeat(B), points.new_full((B * panels,), 1 / panels)
    noise = points.new_zeros(B) if images is None else ROUNDING * images[:: len(t)].norm(dim=1).to(points)
    noise = noise[curve]
    totals = points.new_zeros(3, B)  # of the panels that are done
    for depth in range(DEEPEST + 1):
        length, energy, chords, error = _panels(width, noise, *state)
        sums = totals.index_add(1, curve, torch.stack((length, energy, chords)))
        errors = torch.zeros_like(sums[0]).index_add(0, curve, error)
        count = torch.zeros_like(sums[0]).index_add(0, curve, torch.ones_like(error))
        split = (errors > tol * sums[0])[curve] & (error > (tol * sums[0] / count)[curve])
        if depth == DEEPEST or not split.any():
            break
        kept = torch.stack((length, energy, chords))[:, ~split]
        totals = totals.index_add(1, curve[~split], kept)
        curve, left, width, noise, *state = (a[split] for a in (curve, left, width, noise, *state))
        state = _halved(manifold, points, curve, left, width, state)
        curve, noise = curve.repeat_interleave(2), noise.repeat_interleave(2)
        left = torch.stack((left, left + width / 2), 1).flatten()
        width = (width / 2).repeat_interleave(2)
    return Measured(*sums)


def _first_nodes(segments: int) -> Tensor:
    """Times of the first nodes, evenly spaced, four steps a panel: the knots are among them, and as many others, for a
    curve between its knots need not be what it is at them."""
    steps = segments * max(2, -(-NODES // segments))
    return torch.linspace(0, 1, 1 + steps * (4 // math.gcd(4, steps)), dtype=torch.float64)


def _windows(column: Tensor) -> Tensor:
    """Values (B, 4p + 1, ...) at the nodes of B curves as those (B p, 5, ...) of their panels."""
    return column.unfold(1, 5, 4).movedim(-1, 2).flatten(0, 1)


def _panels(width: Tensor, noise: Tensor, speed: Tensor, images: Tensor | None = None) -> tuple[Tensor, ...]:
    """Of panels of these widths (p,): length and energy by Boole's rule, chords, and the estimated error of the length,
    (p,) each."""
    length, energy = ((value @ value.new_tensor(BOOLE)) * width for value in (speed, speed.square()))
    simpson = speed[:, ::2] @ speed.new_tensor(SIMPSON) * width
    chords = torch.zeros_like(length) if images is None else images.diff(dim=1).norm(dim=2).sum(1).to(length)
    return length, energy, chords, torch.maximum((length - simpson).abs() / 4, chords - length - noise)


def _halved(
    manifold: Manifold, points: Tensor, curve: Tensor, left: Tensor, width: Tensor, state: list[Tensor]
) -> list[Tensor]:
    """Speeds and images (2p, 5, ...) of the halves of p panels, with four new nodes each."""
    t = (left[:, None] + width[:, None] * left.new_tensor([1, 3, 5, 7]) / 8).flatten()
    parts = [_at(points, *part) for part in zip(curve.repeat_interleave(4).split(POINTS), t.split(POINTS), strict=True)]
    z, velocity = (torch.cat(column) for column in zip(*parts, strict=True))
    images, speed = manifold.in_parts(manifold.track, z, velocity)
    halves = []
    for known, new in zip(state, (speed,) if images is None else (speed, images), strict=True):
        nodes = torch.empty(len(known), 9, *known.shape[2:], dtype=known.dtype, device=known.device)
        nodes[:, ::2], nodes[:, 1::2] = known, new.unflatten(0, (-1, 4))
        halves.append(_windows(nodes))
    return halves


def _at(points: Tensor, curve: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Points and velocities (T, k) of some of the curves with knots points (B, n + 1, k) at a time of each, (T,)."""
    splines, times = _splines(points.shape[1] - 1), t.cpu().numpy()
    knots = (points - points[:, :1])[curve]
    z, velocity = (
        (torch.from_numpy(splines(times, derivative)).to(points)[:, None] @ knots).squeeze(1) for derivative in (0, 1)
    )
    return points[curve, 0] + z, velocity


@torch.no_grad()
def conditioning(f: Manifold | Generator, points: Tensor, t: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The largest log-condition number (B,) of the metric's root on the curves with knots points (B, n + 1, k), at
    times t (T,), or else at the first nodes of `measure`: +inf where the root is rank deficient and NaN where it is not
    finite; and where it is met, (B, k)."""
    manifold, points = as_manifold(f), points.to(torch.float64)
    z = interpolate(points, _first_nodes(points.shape[1] - 1) if t is None else t)
    values = manifold.in_parts(lambda a: _log_cond(manifold, a), z.flatten(0, 1)).unflatten(0, z.shape[:2])
    largest, at = values.max(1)
    return largest, z[torch.arange(len(z)), at]


def _log_cond(manifold: Manifold, z: Tensor) -> Tensor:
    """Log-condition numbers (n,) at the points z (n, k); NaN where the metric is not finite."""
    values = torch.full_like(z[:, 0], torch.nan)
    root = manifold.root(z)
    good = root.flatten(1).isfinite().all(1)
    values[good] = log_cond(singular_values(root[good]))
    return values
