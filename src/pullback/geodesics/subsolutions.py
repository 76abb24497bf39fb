"""Functions whose slope is at most one, on a grid in the plane: each bounds distances from below.

The slope of u under a metric M is h = |grad u|_{M^-1} = sup { du(v) : <v, M v> <= 1 }, and where h <= 1 along every
curve in question, u(b) - u(a) is at most its length. With a rate phi'(t) = 1 / max { h(z) : u(z) = t }, phi(u) is such
a function for any u.

Places p of a grid of n by m cells lie in [1/2, n + 1/2] x [1/2, m + 1/2]; cell (i, j) is the unit square about
(i + 1, j + 1). Functions are quadratic tensor B-splines with a coefficient at each of the (n + 2) (m + 2) integer
places: continuously differentiable, and one polynomial in every cell. "The half grid" is that of all places that are
multiples of 1/2: nine in each cell. What a function takes in a cell is bounded by its nine values there and a reserve
for what lies between them, made of their second differences; and checked at random places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .marching import Array, march

FLAT = 6.0  # steps within which a distance's square is moved to have its least value at the source
RESERVE = 2.0  # the second derivatives that a cell is credited with, over those that its samples show
SHALLOW = 0.5  # the least slope that a level is credited with
CURVATURES = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # multiples of the correction that are tried
ROUNDING = 4e-16  # of a product of two numbers, relative, with some reserve

Cells = NDArray[np.bool_]
Function = tuple[Array, Array, Array]  # values and the two partial derivatives, at the same places


def on_half_grid(c: Array) -> Function:
    """The spline with coefficients c (n + 2, m + 2) on the half grid, (2 n + 1, 2 m + 1)."""
    x = _halves(c)
    return _halves(x.T).T, _halves(_differences(c).T).T, _differences(x.T).T


def _halves(c: Array) -> Array:
    out = np.empty((2 * len(c) - 3, *c.shape[1:]))
    out[0::2] = (c[1:] + c[:-1]) / 2
    out[1::2] = (c[2:] + 6 * c[1:-1] + c[:-2]) / 8
    return out


def _differences(c: Array) -> Array:
    out = np.empty((2 * len(c) - 3, *c.shape[1:]))
    out[0::2] = c[1:] - c[:-1]
    out[1::2] = (c[2:] - c[:-2]) / 2
    return out


def at_places(c: Array, p: Array) -> Function:
    """The spline with coefficients c (n + 2, m + 2) at places p (k, 2); outside the grid its last polynomial, and
    NaN at a place that is NaN."""
    node = np.nan_to_num(np.clip(np.floor(p + 0.5), 1, np.array(c.shape) - 2), nan=1.0).astype(int)
    d = p - node
    values = np.stack(((0.5 - d) ** 2 / 2, 0.75 - d**2, (0.5 + d) ** 2 / 2))
    slopes = np.stack((d - 0.5, -2 * d, d + 0.5))
    around = np.arange(-1, 2)
    near = c[node[:, 0] + around[:, None, None], node[:, 1] + around[:, None]]  # (3, 3, k)
    pairs = ((values, values), (slopes, values), (values, slopes))
    v, vx, vy = (np.einsum("abk,ak,bk->k", near, x[..., 0], y[..., 1]) for x, y in pairs)
    return v, vx, vy


def slope(metric: Array, function: Function) -> Array:
    """h of a function where the metric is `metric` (..., 3), M_xx, M_xy, M_yy in steps of the grid; rounded upwards.

    Infinite where M is singular and the gradient is not zero; 0 where M is not finite, where no curve leads.
    """
    _, gx, gy = function
    a, b, c = np.moveaxis(metric, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.maximum(c * gx * gx - 2 * b * gx * gy + a * gy * gy, 0.0)
        h = np.sqrt(square / np.maximum(a * c - b * b - ROUNDING * a * c, 0.0))
    h[square == 0] = 0.0
    return np.where(np.isfinite(metric).all(-1), h, 0.0)


def soft(metric: Array) -> Array:
    """The harmonic mean (n, m, 3) of the metric (2 n + 1, 2 m + 1, 3) over each cell's nine places: as short as the
    shortest of them in every direction, but for a factor of 3. NaN where it is not finite amid the cell; what is not
    finite elsewhere, or singular, is left out of the mean.

    The slopes of a distance are one under the metric that it was marched with. Where the metric is far smaller in one
    place of a cell than in the others, only a distance under a mean like this is not too steep there.
    """
    a, b, c = np.moveaxis(metric, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.stack((c, -b, a), -1) / (a * c - b * b)[..., None]
        known = np.isfinite(inverse).all(-1)
        total = _sum_of_cells(np.where(known[..., None], inverse, 0.0)) / _sum_of_cells(known[..., None] * 1.0)
        p, q, r = np.moveaxis(total, -1, 0)
        mean = np.stack((r, -q, p), -1) / (p * r - q * q)[..., None]
    amid = metric[1::2, 1::2]
    return np.where(np.isfinite(mean).all(-1, keepdims=True) & np.isfinite(amid), mean, amid)


def _sum_of_cells(x: Array) -> Array:
    x = x[:-2:2] + x[1::2] + x[2::2]
    return x[:, :-2:2] + x[:, 1::2] + x[:, 2::2]


def least(x: Array) -> Array:
    """No more than a function takes in each cell, from its values on the half grid: see `_reserve`."""
    return -most(-x)


def most(x: Array) -> Array:
    """No less than a function takes in each cell, from its values on the half grid: see `_reserve`."""
    return _of_cells(x, np.maximum) + _reserve(x)


def steep(h: Array) -> Array:
    """No less than the slope h takes in each cell. The bound is taken of its square, which is smoother."""
    return np.sqrt(most(h * h))


def _reserve(x: Array) -> Array:
    """By how much a function may exceed each cell's nine values on the half grid.

    Between samples d apart it exceeds their bilinear interpolant, and so their maximum, by at most
    d^2 / 8 max (|x_11| + |x_22|). For d^2 |x_ii| stand the largest second differences of the samples, RESERVE times.
    """
    with np.errstate(invalid="ignore"):
        down, across = np.abs(x[:-2:2] - 2 * x[1::2] + x[2::2]), np.abs(x[:, :-2:2] - 2 * x[:, 1::2] + x[:, 2::2])
    down = np.maximum(np.maximum(down[:, :-2:2], down[:, 1::2]), down[:, 2::2])
    across = np.maximum(np.maximum(across[:-2:2], across[1::2]), across[2::2])
    reserve = RESERVE / 8 * (down + across)
    return np.where(np.isfinite(reserve), reserve, 0.0)  # where it is not, neither are the values


def _of_cells(x: Array, of: np.ufunc) -> Array:
    x = of(of(x[:-2:2], x[1::2]), x[2::2])
    return of(of(x[:, :-2:2], x[:, 1::2]), x[:, 2::2])


def spread(cells: Cells, by: int = 1) -> Cells:
    """The cells, and those no further than `by` from them."""
    return ndimage.binary_dilation(cells, np.ones((3, 3)), iterations=by)


def hold(cells: Cells, p: Array) -> Cells:
    """Which places p (k, 2) lie in one of the cells; a place that is NaN does not."""
    held = np.asarray(((p >= 0.5) & (p <= np.array(cells.shape) + 0.5)).all(1))
    inside = np.minimum(p[held], np.array(cells.shape) + 0.5 - 1e-9)
    held[held] = cells[tuple(np.floor(inside - 0.5).astype(int).T)]
    return held


@dataclass(frozen=True)
class Distance:
    """About the distance from a place of a grid, u = sqrt(max(v - v(source), 0)) with v a spline: the square of a
    distance is smooth where the distance itself has a tip."""

    coefficients: Array
    least: float

    @staticmethod
    def march(nodes: Array, source: Array, slowness: Array) -> Distance:
        """From the source (2,), by fast marching on the metric (n + 2, m + 2, 3) at the coefficients' places."""
        c = march(nodes, source, slowness)
        unreached = ~np.isfinite(c)
        if unreached.any():
            index = ndimage.distance_transform_edt(unreached, return_distances=False, return_indices=True)
            c = c[tuple(index)]
        c = c**2
        x, y = np.meshgrid(*(np.arange(k) - s for k, s in zip(c.shape, source, strict=True)), indexing="ij")
        near = np.exp(-(x**2 + y**2) / FLAT**2)
        for _ in range(4):  # each leaves about a thirtieth of the gradient at the source
            _, gx, gy = at_places(c, source[None])
            c = c - (gx * x + gy * y) * near
        return Distance(c, float(at_places(c, source[None])[0][0]))

    def on_half_grid(self) -> Function:
        return self._root(on_half_grid(self.coefficients))

    def at_places(self, p: Array) -> Function:
        return self._root(at_places(self.coefficients, p))

    def _root(self, square: Function) -> Function:
        v, vx, vy = square
        u = np.sqrt(np.maximum(v - self.least, 0.0))
        share = np.divide(0.5, u, out=np.zeros_like(u), where=u > 0)
        return u, vx * share, vy * share


@dataclass(frozen=True)
class Rate:
    """phi(t), the integral of 1 / worst from 0 to t: levels from `low` on, in bins of width `step`."""

    low: float
    step: float
    worst: Array

    @staticmethod
    def over(
        cells: Cells, values: Array, slopes: Array, more: tuple[Array, Array], limits: tuple[float, float], bins: int
    ) -> Rate:
        """From values and slopes on the half grid, in those cells, and `more` of both at other places in them.

        A bin's worst slope is that of any cell with a value in it. Levels beyond the `limits` belong to the outermost
        bins, and phi is constant there.
        """
        lowest, highest, worst_in = (x[cells] for x in (least(values), most(values), steep(slopes)))
        low = max(lowest.min(), limits[0])
        step = max((min(highest.max(), limits[1]) - low) / bins, 1e-300)

        def to_bin(u: Array) -> NDArray[np.int64]:
            return np.clip((u - low) / step, 0, bins - 1).astype(np.int64)

        first, span = to_bin(lowest), to_bin(highest) - to_bin(lowest)
        worst = np.full(bins, SHALLOW)
        for k in range(span.max() + 1):
            wide = span >= k
            first, span, worst_in = first[wide], span[wide], worst_in[wide]
            np.maximum.at(worst, first + k, worst_in)
        for neighbour in (-1, 0, 1):
            np.maximum.at(worst, np.clip(to_bin(more[0]) + neighbour, 0, bins - 1), more[1])
        return Rate(low, step, worst)

    def __call__(self, u: Array) -> Array:
        edges = self.low + self.step * np.arange(len(self.worst) + 1)
        phi = np.concatenate(([0.0], np.cumsum(self.step / self.worst)))
        return np.interp(u, edges, phi)


def about(cells: Cells, place: Array) -> Cells:
    """The connected part of the cells that holds the place (2,); none if none does."""
    labels, _ = ndimage.label(cells, np.ones((3, 3)))
    i, j = np.floor(np.clip(place, 0.5, np.array(cells.shape) + 0.5 - 1e-9) - 0.5).astype(int)
    return (labels == labels[i, j]) & cells


def trials(a: Function, b: Function, L: float, p: Array, towards: Array) -> Iterator[Function]:
    """Functions of the places p (..., 2), or of u_a and u_b there, that grow from a to b by about the distance, L.

    The linear one, with the gradient `towards`, is exact where M is constant.
    """
    yield p @ towards, np.full(p.shape[:-1], towards[0]), np.full(p.shape[:-1], towards[1])
    (u, ux, uy), (w, wx, wy) = a, b
    yield (u - w) / 2, (ux - wx) / 2, (uy - wy) / 2
    excess = u + w - L
    for curvature in CURVATURES:
        q = curvature / (2 * L**3)
        by_u = u / L - q * ((2 * u - w) * w * excess + (u - w) * u * w)
        by_w = -w / L - q * ((u - 2 * w) * u * excess + (u - w) * u * w)
        yield (u**2 - w**2) / (2 * L) - q * (u - w) * u * w * excess, by_u * ux + by_w * wx, by_u * uy + by_w * wy
