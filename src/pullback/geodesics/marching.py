"""Anisotropic fast marching in the plane: the distances from one point under a tabulated metric, in one pass.

With M the metric in units of a grid's steps, Selling's decomposition (1874; Mirebeau, 2014, "Anisotropic fast-marching
on Cartesian grids using lattice basis reduction") writes its inverse as

    M^-1 = sum_i w_i e_i e_i^T,        w_i >= 0, e_i three offsets in integers

at every node, and the distances U solve

    sum_i w_i max(0, U(x) - U(x + e_i), U(x) - U(x - e_i))^2 = m(x)^2,

m the slowness, 1 for the metric itself. The nodes are accepted in the order of their values, as by Dijkstra. A node
that is accepted is computed once more with differences of second order (Sethian, 1999), where there is room for them,
and takes the smaller value: where two fronts meet, the second order overshoots.
Near the source, U is the cone of the metric there and a rest, and differences are taken of the rest (Luo and Qian,
2012, additive factors). Farther off the cone would only disturb: where the metric is much smaller than at the source,
the cone's curvature exceeds the slope of U itself.

The loops are compiled by numba where it is installed (`pip install numba`). Without it the same code runs as plain
Python, with the same numbers, some hundred times slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

try:
    from numba import njit
except ImportError:
    COMPILED = False

    def compiled(function: Callable) -> Callable:
        return function
else:
    COMPILED = True
    compiled = njit(cache=True)  # type: ignore[assignment]

WORST = 1e-10  # the least eigenvalue of M, relative to the largest, that the stencils follow
NEAR = 5  # nodes no further than this from the source, in steps, start from the length of the straight line
TIP = 20  # steps from the source within which the differences are of U less the cone of the metric at the source

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def march(metric: Array, source: Array, slowness: Array) -> Array:
    """The distances (n, m) of the nodes from the source (2,), in steps; infinite where no path leads.

    metric : (n, m, 3) M_xx, M_xy, M_yy in units of the grid's steps; where it is not finite is a wall.
    slowness : (n, m) a factor of all lengths, node by node.
    """
    open_ = np.isfinite(metric).all(2) & np.isfinite(slowness)
    weights, offsets = _stencils(np.where(open_[..., None], metric, 1.0))
    pointers, sources = _reverse(offsets, open_)
    here, first = _lines(metric, source, slowness, open_)
    return _march(weights, offsets, pointers, sources, first, slowness, open_, source, here)


def _lines(metric: Array, source: Array, slowness: Array, open_: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Lengths (n, m) of the straight lines from the source to the nodes near it, by Simpson's rule; infinite elsewhere.

    M at the source is bilinear in the nodes about it.
    """
    first = np.full(open_.shape, np.inf)
    corner = np.minimum(np.maximum(source.astype(np.int64), 0), np.array(open_.shape) - 2)
    x, y = source - corner
    at = np.zeros(3)
    total = 0.0
    for i, j, share in ((0, 0, (1 - x) * (1 - y)), (1, 0, x * (1 - y)), (0, 1, (1 - x) * y), (1, 1, x * y)):
        node = corner[0] + i, corner[1] + j
        if open_[node]:
            at += share * metric[node] * slowness[node] ** 2
            total += share
    if total <= 0:
        raise ValueError("the metric is not finite about an end point")
    low = np.maximum(np.ceil(source - NEAR).astype(np.int64), 0)
    high = np.minimum(np.floor(source + NEAR).astype(np.int64) + 1, open_.shape)
    block = slice(low[0], high[0]), slice(low[1], high[1])
    d = np.stack(np.meshgrid(*(np.arange(p, q) for p, q in zip(low, high, strict=True)), indexing="ij"), -1) - source

    def length(M: Array) -> Array:
        q = M[..., 0] * d[..., 0] ** 2 + 2 * M[..., 1] * d[..., 0] * d[..., 1] + M[..., 2] * d[..., 1] ** 2
        return np.sqrt(np.maximum(q, 0.0))

    there, here = metric[block] * slowness[block][..., None] ** 2, at / total
    lines = (length(here) + 4 * length((here + there) / 2) + length(there)) / 6
    first[block] = np.where(open_[block], lines, np.inf)
    return here, first


@compiled
def _stencils(metric: Array) -> tuple[Array, Integers]:
    """Selling's weights (n, m, 3) and offsets (n, m, 3, 2) of the inverses of the metric (n, m, 3)."""
    n, m = metric.shape[:2]
    weights, offsets = np.empty((n, m, 3)), np.empty((n, m, 3, 2), dtype=np.int64)
    for i in range(n):
        for j in range(m):
            a, b, c = metric[i, j, 0], metric[i, j, 1], metric[i, j, 2]
            largest = (a + c) / 2 + math.hypot((a - c) / 2, b)
            if largest <= 0.0:
                largest = 1e-300
            a += WORST * largest
            c += WORST * largest
            det = max(a * c - b * b, (WORST * largest) * largest / 2)
            p, q, r = c / det, -b / det, a / det  # the inverse
            ux, uy, vx, vy = 1, 0, 0, 1
            for _ in range(100000):  # towards u, v, -u - v with no acute angle in the inverse's product
                wx, wy = -ux - vx, -uy - vy
                if p * ux * vx + q * (ux * vy + uy * vx) + r * uy * vy > 1e-14 * (p + r):
                    ux, uy, vx, vy = -ux, -uy, vx, vy
                elif p * ux * wx + q * (ux * wy + uy * wx) + r * uy * wy > 1e-14 * (p + r):
                    ux, uy, vx, vy = -ux, -uy, wx, wy
                elif p * vx * wx + q * (vx * wy + vy * wx) + r * vy * wy > 1e-14 * (p + r):
                    ux, uy, vx, vy = -vx, -vy, wx, wy
                else:
                    break
            wx, wy = -ux - vx, -uy - vy
            weights[i, j, 0] = max(0.0, -(p * vx * wx + q * (vx * wy + vy * wx) + r * vy * wy))
            weights[i, j, 1] = max(0.0, -(p * ux * wx + q * (ux * wy + uy * wx) + r * uy * wy))
            weights[i, j, 2] = max(0.0, -(p * ux * vx + q * (ux * vy + uy * vx) + r * uy * vy))
            offsets[i, j, 0, 0], offsets[i, j, 0, 1] = -uy, ux
            offsets[i, j, 1, 0], offsets[i, j, 1, 1] = -vy, vx
            offsets[i, j, 2, 0], offsets[i, j, 2, 1] = -wy, wx
    return weights, offsets


@compiled
def _reverse(offsets: Integers, open_: NDArray[np.bool_]) -> tuple[Integers, NDArray[np.int32]]:
    """For each node the nodes whose stencils hold it: those from pointers[node] to pointers[node + 1]."""
    n, m = open_.shape
    pointers = np.zeros(n * m + 1, dtype=np.int64)
    for fill in range(2):
        if fill == 1:
            for k in range(n * m):
                pointers[k + 1] += pointers[k]
            nodes = np.empty(pointers[n * m], dtype=np.int32)
            place = pointers[:-1].copy()
        for i in range(n):
            for j in range(m):
                if not open_[i, j]:
                    continue
                for k in range(3):
                    for sign in (-1, 1):
                        x, y = i + sign * offsets[i, j, k, 0], j + sign * offsets[i, j, k, 1]
                        if 0 <= x < n and 0 <= y < m and open_[x, y]:
                            if fill == 0:
                                pointers[x * m + y + 1] += 1
                            else:
                                nodes[place[x * m + y]] = i * m + j
                                place[x * m + y] += 1
    return pointers, nodes


@compiled
def _solve(v: Array, w: Array, m: float) -> float:
    """The root U of sum_i w_i max(0, U - v_i)^2 = m^2; v and w (3,) are sorted by v in place."""
    for i in range(1, 3):
        for j in range(i, 0, -1):
            if v[j] < v[j - 1]:
                v[j], v[j - 1] = v[j - 1], v[j]
                w[j], w[j - 1] = w[j - 1], w[j]
    root, a, b, c = math.inf, 0.0, 0.0, -m * m  # a U^2 - 2 b U + c = 0, relative to v_0
    for i in range(3):
        if v[i] == math.inf or v[i] >= v[0] + root:
            break
        d = v[i] - v[0]
        a += w[i]
        b += w[i] * d
        c += w[i] * d * d
        if a > 0.0:
            root = (b + math.sqrt(max(b * b - a * c, 0.0))) / a
    return v[0] + root


@compiled
def _cone(x: float, y: float, here: Array) -> float:
    return math.sqrt(here[0] * x * x + 2 * here[1] * x * y + here[2] * y * y)


@compiled
def _update(
    i: int, j: int, U: Array, done: NDArray[np.bool_], weights: Array, offsets: Integers, m: float, second: bool,
    source: Array, here: Array,
) -> float:
    """The value of node (i, j) from its accepted neighbours, by differences of first or second order."""
    rows, columns = U.shape
    v, w = np.empty(3), np.empty(3)
    for k in range(3):
        v[k], w[k] = math.inf, weights[i, j, k]
        ex, ey = offsets[i, j, k, 0], offsets[i, j, k, 1]
        for sign in (-1, 1):
            x, y = i + sign * ex, j + sign * ey
            if 0 <= x < rows and 0 <= y < columns and done[x, y] and U[x, y] < v[k]:
                v[k] = U[x, y]
                side = sign
        if second and v[k] < math.inf:
            px, py, ex, ey = i - source[0], j - source[1], side * ex, side * ey
            slope, cone, near, far = 0.0, 0.0, 0.0, 0.0
            if px * px + py * py < TIP * TIP:
                cone = _cone(px, py, here)
                slope = (here[0] * px * ex + here[1] * (px * ey + py * ex) + here[2] * py * ey) / max(cone, 1e-300)
                near, far = _cone(px + ex, py + ey, here), _cone(px + 2 * ex, py + 2 * ey, here)
            x, y = i + 2 * ex, j + 2 * ey
            if 0 <= x < rows and 0 <= y < columns and done[x, y] and U[x, y] <= v[k]:
                v[k] = (4 * v[k] - U[x, y]) / 3
                v[k] += slope * 2 / 3 + cone - (4 * near - far) / 3
                w[k] = 2.25 * weights[i, j, k]
            else:
                v[k] += slope + cone - near
    return _solve(v, w, m)


@compiled
def _march(
    weights: Array,
    offsets: Integers,
    pointers: Integers,
    sources: NDArray[np.int32],
    first: Array,
    slowness: Array,
    open_: NDArray[np.bool_],
    source: Array,
    here: Array,
) -> Array:
    """Fast marching from the values `first`, with a binary heap of nodes by their values."""
    n, m = open_.shape
    U, done = first.copy(), np.zeros((n, m), dtype=np.bool_)
    heap, place = np.empty(n * m, dtype=np.int32), np.full(n * m, -1, dtype=np.int32)
    size = 0
    for node in range(n * m):
        if U[node // m, node % m] < math.inf:
            heap[size], place[node] = node, size
            size += 1
            _raise(heap, place, U, size - 1)
    while size > 0:
        node = heap[0]
        size -= 1
        heap[0] = heap[size]
        place[heap[0]] = 0
        _sink(heap, place, U, size)
        i, j = node // m, node % m
        if U[i, j] < first[i, j]:
            value = _update(i, j, U, done, weights, offsets, slowness[i, j], True, source, here)
            if value < U[i, j]:
                U[i, j] = value
        done[i, j] = True
        for k in range(pointers[node], pointers[node + 1]):
            x, y = sources[k] // m, sources[k] % m
            if done[x, y]:
                continue
            value = _update(x, y, U, done, weights, offsets, slowness[x, y], False, source, here)
            if value < U[x, y]:
                U[x, y] = value
                if place[sources[k]] < 0:
                    heap[size], place[sources[k]] = sources[k], size
                    size += 1
                _raise(heap, place, U, place[sources[k]])
    return U


@compiled
def _raise(heap: NDArray[np.int32], place: NDArray[np.int32], U: Array, k: int) -> None:
    """Moves entry k of the heap towards its top, as far as it belongs."""
    m, node = U.shape[1], heap[k]
    value = U[node // m, node % m]
    while k > 0:
        parent = (k - 1) // 2
        other = heap[parent]
        if U[other // m, other % m] <= value:
            break
        heap[k], place[other] = other, k
        k = parent
    heap[k], place[node] = node, k


@compiled
def _sink(heap: NDArray[np.int32], place: NDArray[np.int32], U: Array, size: int) -> None:
    """Moves the top of the heap downwards, as far as it belongs."""
    if size == 0:
        return
    m, node, k = U.shape[1], heap[0], 0
    value = U[node // m, node % m]
    while 2 * k + 1 < size:
        child = 2 * k + 1
        if child + 1 < size:
            left, right = heap[child], heap[child + 1]
            if U[right // m, right % m] < U[left // m, left % m]:
                child += 1
        other = heap[child]
        if U[other // m, other % m] >= value:
            break
        heap[k], place[other] = other, k
        k = child
    heap[k], place[node] = node, k
