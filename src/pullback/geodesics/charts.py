"""Grids in the plane on which lower bounds are sought: a box of the manifold's own chart, and a tube along a curve.

A chart maps the places p of a grid of n by m cells (see `subsolutions`) to points z, with z's derivatives in closed
form, so that the metric in the grid's steps is exact at every place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from ..geometry.manifolds import Embedded, Manifold
from .curves import POINTS
from .marching import Array
from .subsolutions import Cells, about, hold, least, spread

SKETCH, SMALLER = 48, 0.5  # steps a side of the grids on which chords are taken, and largest ratio of their boxes
THIN = 12  # least cells across a box or a tube
BEYOND = 0.3  # of the curve's length by which a tube may go beyond its ends
ROOM = 1.1  # sides of the box about curves that leave the first box, over sides of the least box that holds all of it


class Chart(ABC):
    """A map from the places of a grid of `shape` cells to points."""

    shape: tuple[int, int]

    @abstractmethod
    def points(self, p: Array) -> Array:
        """The points (k, 2) at places p (k, 2)."""

    @abstractmethod
    def derivatives(self, p: Array) -> tuple[Array, Array]:
        """dz / dp_1 and dz / dp_2 (k, 2) at places p (k, 2)."""

    def metric(self, manifold: Manifold, p: Array) -> Array:
        """M_xx, M_xy, M_yy (k, 3) in steps of the grid at places p (k, 2)."""
        M = metric(manifold, self.points(p))
        first, second = self.derivatives(p)
        return np.stack([_product(M, x, y) for x, y in ((first, first), (first, second), (second, second))], 1)

    def table(self, manifold: Manifold, cells: Cells) -> Array:
        """The metric (2 n + 1, 2 m + 1, 3) on the half grid; NaN but in those cells and two about them."""
        n, m = self.shape
        needed = np.zeros((2 * n + 1, 2 * m + 1), dtype=bool)
        wide = spread(cells, 2)
        for i in range(3):
            for j in range(3):
                needed[i : i + 2 * n - 1 : 2, j : j + 2 * m - 1 : 2] |= wide
        table = np.full((*needed.shape, 3), np.nan)
        table[needed] = self.metric(manifold, (np.argwhere(needed) + 1) / 2)
        return table


def metric(manifold: Manifold, z: Array) -> Array:
    """M_xx, M_xy, M_yy (k, 3) at the points z (k, 2); NaN where the metric is not finite."""
    out = np.empty((len(z), 3))
    with torch.no_grad():
        for part in range(0, len(z), POINTS):
            A = manifold.root(torch.from_numpy(z[part : part + POINTS]))
            for column, (i, j) in enumerate(((0, 0), (0, 1), (1, 1))):
                out[part : part + POINTS, column] = (A[..., i] * A[..., j]).sum(1).cpu().numpy()
    return out


def _product(M: Array, x: Array, y: Array) -> Array:
    """<x, M y> (k,) for M (k, 3) and vectors (k, 2)."""
    cross = x[:, 0] * y[:, 1] + x[:, 1] * y[:, 0]
    return M[:, 0] * x[:, 0] * y[:, 0] + M[:, 1] * cross + M[:, 2] * x[:, 1] * y[:, 1]


@dataclass(frozen=True)
class Box(Chart):
    """The points between the corners low (2,) and high (2,)."""

    low: Array
    high: Array
    shape: tuple[int, int]

    def points(self, p: Array) -> Array:
        return self.low + (p - 0.5) * (self.high - self.low) / self.shape

    def derivatives(self, p: Array) -> tuple[Array, Array]:
        first, second = np.diag((self.high - self.low) / self.shape)
        return np.broadcast_to(first, p.shape), np.broadcast_to(second, p.shape)

    def half_grid(self) -> Array:
        """The points (2 n + 1, 2 m + 1, 2) of the half grid."""
        n, m = self.shape
        half = np.stack(np.meshgrid(np.arange(1, 2 * n + 2), np.arange(1, 2 * m + 2), indexing="ij"), -1) / 2
        return self.points(half)

    def places(self, z: Array) -> Array:
        """Where the points z (k, 2) are; outside the grid for points outside the box."""
        return 0.5 + (z - self.low) * self.shape / (self.high - self.low)


@dataclass(frozen=True)
class Axis:
    """A curve z(t) from t = 0 to t = 1, continued straight beyond its ends, and its normals: of unit length under M
    and orthogonal to the curve."""

    centre: CubicSpline
    normal: CubicSpline

    @staticmethod
    def along(manifold: Manifold, knots: Array) -> Axis:
        """Of the curve with knots (n + 1, 2) at t = 0, 1/n, ..., 1."""
        n = len(knots) - 1
        curve = CubicSpline(np.linspace(0, 1, n + 1), knots)
        more = int(np.ceil(BEYOND * n))
        t = np.arange(-more, n + more + 1) / n
        on = np.clip(t, 0, 1)
        centre = CubicSpline(t, curve(on) + (t - on)[:, None] * curve(on, 1))
        M, d = metric(manifold, centre(t)), centre(t, 1)
        down = np.stack((M[:, 0] * d[:, 0] + M[:, 1] * d[:, 1], M[:, 1] * d[:, 0] + M[:, 2] * d[:, 1]), 1)
        normal = np.stack((-down[:, 1], down[:, 0]), 1)
        normal = normal / np.sqrt(_product(M, normal, normal))[:, None]
        kept = np.isfinite(normal).all(1)
        first, last = np.flatnonzero(~kept & (t < 0.5)), np.flatnonzero(~kept & (t >= 0.5))
        part = slice(first[-1] + 1 if len(first) else 0, last[0] if len(last) else None)
        return Axis(centre, CubicSpline(t[part], normal[part], extrapolate=False))

    def points(self, t: Array, m: Array) -> Array:
        """The points (k, 2) off the curve at t (k,) by m (k,) of its normal."""
        return self.centre(t) + m[:, None] * self.normal(t)


@dataclass(frozen=True)
class Tube(Chart):
    """The points off a curve, by at most `width` of its normal, at t in `span`: near the curve, and for constant speed,
    the metric is diagonal."""

    axis: Axis
    width: float
    span: tuple[float, float]
    shape: tuple[int, int]

    def _coordinates(self, p: Array) -> tuple[Array, Array]:
        s, n = (p - 0.5).T / np.array(self.shape)[:, None]
        return self.span[0] + s * (self.span[1] - self.span[0]), (2 * n - 1) * self.width

    def points(self, p: Array) -> Array:
        return self.axis.points(*self._coordinates(p))

    def derivatives(self, p: Array) -> tuple[Array, Array]:
        t, m = self._coordinates(p)
        along = self.axis.centre(t, 1) + m[:, None] * self.axis.normal(t, 1)
        step = (self.span[1] - self.span[0]) / self.shape[0]
        return along * step, self.axis.normal(t) * (2 * self.width / self.shape[1])

    def places(self, t: Array, m: Array) -> Array:
        """Where the points off the curve at t (k,) by m (k,) are."""
        s = (t - self.span[0]) / (self.span[1] - self.span[0])
        return 0.5 + np.stack((s, (m / self.width + 1) / 2), -1) * self.shape

    def whole(self) -> tuple[Tube, Cells, Array]:
        """The tube, all its cells, and the places (2, 2) of the curve's ends."""
        return self, np.ones(self.shape, dtype=bool), self.places(np.array([0.0, 1.0]), np.zeros(2))

    def finer(self) -> tuple[Tube, Cells, Array]:
        """The same tube with a finer grid, as `whole` returns it."""
        along, across = (3 * steps // 2 for steps in self.shape)
        return Tube(self.axis, self.width, self.span, (along, across)).whole()

    def folds(self) -> bool:
        """Whether the tube is not one to one on its sides, or is not known there."""
        s = np.linspace(0.5, self.shape[0] + 0.5, 4 * self.shape[0] + 1)
        p = np.concatenate([np.stack((s, np.full_like(s, side)), 1) for side in (0.5, self.shape[1] + 0.5)])
        (a, b), (c, d) = (x.T for x in self.derivatives(p))
        turn = a * d - b * c
        return not (turn.min() > 0 or turn.max() < 0)

    def outline(self, steps: int, across: int = 129) -> tuple[Array, Array]:
        """t and m (k,) at places all round the tube, in order."""
        t, m = np.linspace(*self.span, steps), np.linspace(-self.width, self.width, across)
        first, last = np.full(across, self.span[0]), np.full(across, self.span[1])
        sides = np.full(steps, self.width)
        return np.concatenate((t, last, t[::-1], first)), np.concatenate((-sides, m, sides, m[::-1]))

    def holds_once(self, z: Array) -> bool:
        """Whether exactly one place of a tube that does not fold is the point z (2,): as its outline winds about z."""
        x, y = (self.axis.points(*self.outline(8 * self.shape[0])) - z).T
        turns = np.diff(np.unwrap(np.arctan2(y, x)), append=np.nan)[:-1].sum() / (2 * np.pi)
        return abs(abs(turns) - 1) < 0.1


def holding(box: Array, points: Array) -> Array:
    """The box (2, 2), ((x_min, x_max), (y_min, y_max)), if it holds the points (k, 2); or a larger one that does."""
    low, high = np.minimum(box[:, 0], points.min(0)), np.maximum(box[:, 1], points.max(0))
    if (low == box[:, 0]).all() and (high == box[:, 1]).all():
        return box
    return np.stack((low + high - ROOM * (high - low), low + high + ROOM * (high - low)), 1) / 2


def within_chords(manifold: Manifold, points: Array, upper: float, first: Box) -> tuple[Box, Cells, bool]:
    """Where the curves between two points (2, 2) stay that are no longer than `upper`, for no curve in an embedded
    manifold is shorter than its chords: a smaller box than the first, its cells in which they stay, and whether they
    keep off the sides of the first box. That box itself where the chords are no help."""
    box, kept, closed = first, np.ones(first.shape, dtype=bool), False
    while isinstance(manifold, Embedded):
        sketch = Box(box.low, box.high, (SKETCH, SKETCH))
        half = sketch.half_grid()
        total = _chords(manifold, half.reshape(-1, 2), points).reshape(half.shape[:2])
        ends, found = sketch.places(points), spread(least(total) <= upper)
        found = about(found, ends[0])
        if not hold(found, ends).all():
            break
        if box is first:
            closed = not (found[[0, -1]].any() or found[:, [0, -1]].any())
        index = np.argwhere(found)
        corners = sketch.points(np.stack((index.min(0) + 0.5, index.max(0) + 1.5)))
        sides = (corners[1] - corners[0]) / (first.high - first.low) * first.shape
        n, m = np.maximum(np.sqrt(np.prod(first.shape) * sides / sides[::-1]), THIN)
        smaller = Box(corners[0], corners[1], (int(n), int(m)))
        if np.prod(smaller.high - smaller.low) > SMALLER * np.prod(box.high - box.low):
            break
        places = sketch.places(smaller.half_grid()[1::2, 1::2].reshape(-1, 2))
        box, kept = smaller, hold(spread(found), places).reshape(smaller.shape)
    return box, kept, closed


def closed(total: Array, upper: float) -> bool:
    """Whether a function exceeds `upper` all the way along a closed line, given at close places of it: by more than
    what it changes from one place to the next."""
    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(total, append=total[:1]))
    change = np.where(np.isfinite(change), change, 0.0)
    return bool((total - np.maximum(change, np.roll(change, 1)) > upper).all())


def chord(manifold: Manifold, ends: Array) -> float:
    """|f(b) - f(a)| for ends a and b (2, 2), which is at most their distance; 0 without an embedding."""
    return float(_chords(manifold, ends[:1], ends)[0]) if isinstance(manifold, Embedded) else 0.0


def _chords(manifold: Embedded, z: Array, ends: Array) -> Array:
    """|f(z) - f(a)| + |f(z) - f(b)| (k,) at the points z (k, 2), with ends a and b (2, 2): no curve from a to b
    by way of z is shorter."""
    out = np.empty(len(z))
    images = manifold.images(torch.from_numpy(ends)).double()
    for part in range(0, len(z), POINTS):
        there = manifold.images(torch.from_numpy(z[part : part + POINTS])).double()
        out[part : part + POINTS] = sum((there - image).norm(dim=1) for image in images).cpu().numpy()
    return out
