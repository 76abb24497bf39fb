"""Manifolds whose distances and geodesics are known: the truth that solvers are tested against.

Each has `distance(start (B, k), end (B, k))`, the length (B,) of the shortest path, and `curve(start, end, t (T,))`,
that path at constant speed, as (B, T, k). Angles are in radians. Where several points of a chart are one point of the
surface, `distance` is that of the surface, and `curve` leaves from start, stays continuous in the chart and so ends at
a copy of end.

On the sphere and in hyperbolic space the geodesics are those of a linear space, R^3 or Minkowski's, cut with the
surface (Ratcliffe, 2019, chapters 2 to 4): x(t) = (S((1 - t) d) x(0) + S(t d) x(1)) / S(d), with S = sin or sinh and d
the distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .manifolds import Embedded, Manifold


class EuclideanSpace(Embedded):
    """R^k with its own metric, any k."""

    def embed(self, z: Tensor) -> Tensor:
        return z.clone()

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        return (end - start).norm(dim=1)

    def curve(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        return torch.lerp(start[:, None], end[:, None], t[:, None])


class Sphere(Embedded):
    """The unit sphere by latitude and longitude, z = (lat, lon); M = diag(1, cos^2 lat).

    M is singular at the poles, lat = +-pi/2. Beyond them, and every 2 pi in longitude, the chart repeats the sphere.
    Antipodes have no single shortest path: there `curve` is not finite, or follows rounding.
    """

    def embed(self, z: Tensor) -> Tensor:
        lat, lon = z.unbind(1)
        return torch.stack((lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()), 1)

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        x, y = self.embed(start), self.embed(end)
        return torch.atan2(torch.linalg.cross(x, y).norm(dim=1), (x * y).sum(1))

    def curve(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        turned = end.clone()
        turned[:, 1] -= start[:, 1]  # longitudes from that of start, in which a shortest path never reaches +-pi
        own = torch.stack((start[:, 0], torch.zeros_like(start[:, 1])), 1)
        first, last = _weights(torch.sin, self.distance(start, end), t)
        x = first * self.embed(own)[:, None] + last * self.embed(turned)[:, None]
        lat = torch.atan2(x[..., 2], torch.hypot(x[..., 0], x[..., 1]))
        return torch.stack((lat, torch.atan2(x[..., 1], x[..., 0]) + start[:, 1, None]), -1)


class HyperbolicHalfPlane(Manifold):
    """The upper half-plane y > 0 of points z = (x, y), with M = I / y^2 and curvature -1; not embedded.

    With k > 2 it is the half-space, x in R^(k-1). Geodesics are semicircles that meet y = 0 at right angles, and
    lines upright. Complete, any two points joined by one geodesic. Where y <= 0, M is NaN.
    """

    def metric(self, z: Tensor) -> Tensor:
        return self.root(z).square()

    def root(self, z: Tensor) -> Tensor:
        y = z[:, -1].where(z[:, -1] > 0, torch.nan)
        return torch.eye(z.shape[1], dtype=z.dtype, device=z.device) / y[:, None, None]

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        return 2 * ((end - start).norm(dim=1) / (2 * (start[:, -1] * end[:, -1]).sqrt())).asinh()

    def curve(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        """1/y and x/y are linear in Minkowski's coordinates."""
        first, last = _weights(torch.sinh, self.distance(start, end), t)
        a, b = first / start[:, -1:, None], last / end[:, -1:, None]
        x = (a * start[:, None, :-1] + b * end[:, None, :-1]) / (a + b)
        return torch.cat((x, 1 / (a + b)), -1)


class FlatCylinder(Embedded):
    """A circle of radius `radius` times a line, z = (angle, height), in R^3; M = diag(radius^2, 1).

    Geodesics are straight in the chart. `distance` is that of the shortest, whose angles differ by pi at most; that
    is where the cut locus lies, and two paths are shortest. `unwrapped` is the length of the chart's own segment,
    which a solver in the chart finds: a geodesic too, though not the shortest where it turns by more than pi.
    """

    def __init__(self, radius: float = 1.0) -> None:
        if not 0 < radius < math.inf:
            raise ValueError(f"radius must be positive and finite; got {radius}")
        self.radius = radius

    def embed(self, z: Tensor) -> Tensor:
        angle, height = z.unbind(1)
        return torch.stack((self.radius * angle.cos(), self.radius * angle.sin(), height), 1)

    def unwrapped(self, start: Tensor, end: Tensor) -> Tensor:
        angle, height = (end - start).unbind(1)
        return torch.hypot(self.radius * angle, height)

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        return self.unwrapped(start, self._nearest(start, end))

    def curve(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        return torch.lerp(start[:, None], self._nearest(start, end)[:, None], t[:, None])

    def _nearest(self, start: Tensor, end: Tensor) -> Tensor:
        """The copies of end whose angles are within pi of those of start."""
        angle, height = end.unbind(1)
        turns = ((angle - start[:, 0]) / (2 * math.pi)).round()
        return torch.stack((angle - 2 * math.pi * turns, height), 1)


class Paraboloid(Embedded):
    """The paraboloid (x, y, curvature (x^2 + y^2) / 2) by z = (x, y): a chart without singularities.

    `curvature` a > 0 is that of both principal directions at the vertex. Along a geodesic Clairaut's c, the radius r
    times the sine of the angle with the meridian, is constant (do Carmo, 1976, section 4-4). With r^2 = c^2 + w^2 and
    w from -inf to inf, arc length and polar angle have the smooth derivatives q and c q / (c^2 + w^2) in w, where
    q = sqrt(1 + a^2 (c^2 + w^2)), and both integrals are elementary. So a geodesic between given points is the root
    of one equation, for the angle between it and the meridian at the point nearer the vertex, found by bisection. It is
    the root that turns by pi at most, as the shortest path does; far from the vertex, points on opposite meridians
    have two such paths, one on either side.
    """

    def __init__(self, curvature: float = 1.0) -> None:
        if not 0 < curvature < math.inf:
            raise ValueError(f"curvature must be positive and finite; got {curvature}")
        self.curvature = curvature

    def embed(self, z: Tensor) -> Tensor:
        return torch.cat((z, self.curvature / 2 * z.square().sum(1, keepdim=True)), 1)

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        c, inner, outer = self._solve(start, end)
        return self._arc(c, outer) - self._arc(c, inner)

    def curve(self, start: Tensor, end: Tensor, t: Tensor) -> Tensor:
        outward = start.norm(dim=1) <= end.norm(dim=1)
        near, far = (torch.where(outward[:, None], *pair) for pair in ((start, end), (end, start)))
        c, inner, outer = (value[:, None] for value in self._solve(start, end))
        t = torch.where(outward[:, None], t, 1 - t)
        arcs = torch.lerp(self._arc(c, inner), self._arc(c, outer), t)
        w = _bisect(lambda w: self._arc(c, w) - arcs, inner.expand_as(t), outer.expand_as(t))
        side = torch.where(_cross(far, near) < 0, -1.0, 1.0)[:, None]
        angle = torch.atan2(far[:, 1], far[:, 0])[:, None] + side * (self._angle(c, outer) - self._angle(c, w))
        return torch.hypot(c, w)[..., None] * torch.stack((angle.cos(), angle.sin()), -1)

    def _solve(self, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Clairaut's constant (B,), and w (B,) at the point nearer the vertex and at the other."""
        small, large = torch.stack((start.norm(dim=1), end.norm(dim=1))).sort(0).values
        between = torch.atan2(_cross(start, end).abs(), (start * end).sum(1))

        def excess(direction: Tensor) -> Tensor:
            c, inner, outer = path(direction)
            return self._angle(c, outer) - self._angle(c, inner) - between

        def path(direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            c = small * direction.sin()
            return c, small * direction.cos(), ((large - c) * (large + c)).sqrt()

        return path(_bisect(excess, torch.zeros_like(small), torch.full_like(small, math.pi)))

    def _arc(self, c: Tensor, w: Tensor) -> Tensor:
        a, q = self.curvature, self._stretch(c, w)
        least = self._stretch(c, torch.zeros_like(w))
        return (w * q + least.square() / a * (a * w / least).asinh()) / 2

    def _angle(self, c: Tensor, w: Tensor) -> Tensor:
        a, q = self.curvature, self._stretch(c, w)
        return c * a * (a * w / self._stretch(c, torch.zeros_like(w))).asinh() + torch.atan2(w, c * q)

    def _stretch(self, c: Tensor, w: Tensor) -> Tensor:
        return (1 + self.curvature**2 * (c.square() + w.square())).sqrt()


def _weights(S: Callable[[Tensor], Tensor], distance: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """S((1 - t) d) / S(d) and S(t d) / S(d) for distances d (B,) and times t (T,), as (B, T, 1) each."""
    d = distance[:, None, None]
    t = t[:, None]
    return tuple(torch.where(d > 0, S(s * d) / S(d), s) for s in (1 - t, t))  # type: ignore[return-value]


def _bisect(function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Elementwise root of a function that is negative at low and positive at high, to 2^-64 of their distance."""
    for _ in range(64):
        middle = (low + high) / 2
        negative = function(middle) < 0
        low, high = torch.where(negative, middle, low), torch.where(negative, high, middle)
    return low


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """The oriented area (B,) between a and b (B, 2)."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
