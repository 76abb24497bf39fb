"""The shortest path of all between two points of a two-dimensional manifold: what the solvers are scored against.

Equation. d(a, b) = min over all curves g from a to b, within a box, of L(g) = int_0^1 |g'|_M dt. A geodesic is only a
local minimum of it.

Method. Dijkstra's algorithm (1959) on a grid over the box whose nodes are joined to those at all coprime offsets of
at most `reach` steps. An edge's length is integrated along it, from M tabulated at half the grid's step and linear in
between; the end points are no nodes, but joined to all those about them. Run from both ends it gives at every node w
the shortest path through w: taken in turn are the shortest of these, at most PATHS, that are within MARGIN of the
best and pass through a node far from those before. Each, resampled to constant speed, is the first curve of Newton's
method on the discrete energy (`newton.refine`), and the shortest outcome, measured as all curves are, stands. All this
is done twice, on the grid and on one of twice its step. No other solver's result enters.

Criterion. `converged` is that of `newton.refine` for the curve returned. `error` is the relative difference of the
lengths from the two grids. Neither changes when f is multiplied by a constant.

Cost. The table takes 4 grid^2 values of M, whatever the number of pairs; a pair about 0.05 s on the graphs of 256^2
and 128^2 nodes, and the polish 0.2 s for each of its paths (256 segments, the study's decoders). The finer graph has
176 edges a node (reach 8): about 140 MB, and twice that while it is built.

Fails. Graph paths are too long by the bias of their directions, at worst 1 / cos(atan(1 / reach) / 2) - 1 where the
grid's steps are of equal length and orthogonal (0.19 % for reach 8, 8 % for reach 1), and more the worse M is
conditioned in the grid's units: on a collapsed GAN, J's condition number above 100, a graph path was up to four times
too long. The polish removes it from the path taken, but paths whose lengths differ by less than the bias may be taken
one for the other. Where M varies within a step the graph may miss a passage: compare `error`. A path that
meets the side of the box (`border`) is the shortest within the box only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from ..geometry.jacobian import Generator
from ..geometry.manifolds import Manifold, as_manifold
from .newton import refine
from .problem import end_points
from .result import POINTS, measure

FINER = 2  # steps of the table in one of the grid
MARGIN = 0.015  # paths longer than the shortest by more than this share are not polished
PATHS = 3  # polished at most, for a pair and a grid
APART = 0.1  # of a path's length in the chart: nodes nearer to it start no other path
TOGETHER = 16  # curves polished at a time: bounds the memory

Array = NDArray[np.float64]
Nodes = NDArray[np.int32]


@dataclass(frozen=True)
class Reference:
    """The shortest curves found between B pairs of points; float64 but for the flags.

    Attributes
    ----------
    points : (B, n + 1, 2) the knots at t = 0, 1/n, ..., 1, the end points included.
    length : (B,) as `result.measure` defines it.
    error : (B,) relative difference between the lengths found from the two grids.
    converged : (B,) bool, whether the polish converged; where not, `length` is that of the curve it was left with.
    border : (B,) bool, whether the curve comes within a step of the box's sides, or leaves it.
    graph_length : (B,) of the shortest path on the finer graph: up to quadrature an upper bound of the distance, and
        too long by the bias of its directions (see the module).
    """

    points: Tensor
    length: Tensor
    error: Tensor
    converged: Tensor
    border: Tensor
    graph_length: Tensor


class _Path(NamedTuple):
    """A path on a graph: its pair, points (p, 2) in steps of the table, and its length up to each (p,)."""

    pair: int
    points: Array
    arc: Array

    def knots(self, segments: int) -> Array:
        """Its points (segments + 1, 2) at constant speed."""
        t = np.linspace(0, self.arc[-1], segments + 1)
        return np.stack([np.interp(t, self.arc, column) for column in self.points.T], 1)


def reference(
    f: Manifold | Generator,
    start: Tensor,
    end: Tensor,
    box: Sequence[Sequence[float]],
    *,
    grid: int = 256,
    reach: int = 8,
    segments: int = 256,
) -> Reference:
    """The shortest curves within the box ((x_min, x_max), (y_min, y_max)) from start (B, 2) to end (B, 2).

    f is a manifold or a generator, as for `geodesic`. `grid`, even, is the number of steps a side of the finer graph;
    `reach` the largest offset of an edge, in steps; `segments` of the curves, which should resolve the surface. The
    box must hold the paths, so it should be wider than that of the end points.

    ValueError for end points that are not two-dimensional or lie outside the box, a box or settings that are not as
    stated, and a metric that is not finite on the grid.
    """
    manifold = as_manifold(f)
    start, end = end_points(start, end)
    limits = torch.as_tensor(box, dtype=torch.float64, device=start.device)
    if start.shape[1] != 2 or limits.shape != (2, 2) or not bool((limits[:, 0] < limits[:, 1]).all()):
        raise ValueError(
            f"the reference is for two dimensions, with box ((x_min, x_max), (y_min, y_max)); got end points of shape "
            f"{tuple(start.shape)} and box {box}"
        )
    if reach < 1 or segments < 2 or grid % 2 or grid < 4 * reach:
        raise ValueError(
            f"grid must be even and at least 4 * reach, reach at least 1, segments at least 2; got grid={grid}, "
            f"reach={reach}, segments={segments}"
        )
    low, high = limits.T
    out = ~((low <= start) & (start <= high) & (low <= end) & (end <= high)).all(1)
    if out.any():
        raise ValueError(f"start {start[out].tolist()} or end {end[out].tolist()} outside the box {box}")
    moving = (start != end).any(1)
    still = start[:, None].repeat(1, segments + 1, 1)
    zero = torch.zeros_like(start[:, 0])
    if not moving.any():
        return Reference(still, zero, zero, zero == 0, _border(still, limits, grid), zero)
    a, b = start[moving], end[moving]
    curves, graph_length = _two_grids(manifold, a, b, limits, grid, reach, segments)
    length = torch.stack([curve.length for curve in curves])
    shorter = length.nan_to_num(nan=torch.inf).argmin(0)
    points, converged = (
        torch.stack(column)[shorter, torch.arange(len(a))] for column in list(zip(*curves, strict=True))[:2]
    )
    shortest = length.amin(0)
    still[moving] = points
    return Reference(
        still,
        zero.masked_scatter(moving, shortest),
        zero.masked_scatter(moving, (length[0] - length[1]).abs() / shortest),
        (~moving).masked_scatter(moving, converged),
        _border(still, limits, grid),
        zero.masked_scatter(moving, graph_length),
    )


class _Curves(NamedTuple):
    """The best polished curve of each pair: knots (B, n + 1, 2), whether it converged (B,), and its length (B,)."""

    points: Tensor
    converged: Tensor
    length: Tensor


def _two_grids(
    manifold: Manifold, start: Tensor, end: Tensor, limits: Tensor, grid: int, reach: int, segments: int
) -> tuple[list[_Curves], Tensor]:
    """The curves from the coarser grid and from the finer, and the shortest paths' lengths (B,) on the latter."""
    low, step = limits[:, 0], limits.diff(dim=1)[:, 0] / (FINER * grid)
    table = _table(manifold, low, step, FINER * grid)
    a, b = (((z - low) / step).cpu().numpy() for z in (start, end))
    bound, curves = np.full(len(a), np.inf), []
    for every in (2 * FINER, FINER):
        paths = _paths(table, a, b, every, reach, bound)
        points = low + step * torch.from_numpy(np.stack([path.knots(segments) for path in paths])).to(low)
        pair = np.array([path.pair for path in paths])
        points[:, 0], points[:, -1] = start[pair], end[pair]
        np.minimum.at(bound, pair, [path.arc[-1] for path in paths])
        curves.append(_polish(manifold, points, pair))
    return curves, torch.from_numpy(bound).to(low)


def _polish(manifold: Manifold, points: Tensor, pair: NDArray[np.int64]) -> _Curves:
    """The shortest curve of each pair, polished, from those of points (P, n + 1, 2)."""
    parts = [refine(manifold, part) for part in points.split(TOGETHER)]
    solved, converged = (torch.cat([getattr(part, name) for part in parts]) for name in ("points", "converged"))
    length = measure(manifold, solved).length
    order = np.lexsort((length.nan_to_num(nan=torch.inf).cpu().numpy(), pair))
    best = order[np.unique(pair[order], return_index=True)[1]]
    return _Curves(solved[best], converged[best], length[best])


def _border(points: Tensor, limits: Tensor, grid: int) -> Tensor:
    """Which curves (B,) come within a step of the sides of the box `limits` (2, 2), or leave it."""
    low, high = limits.T
    step = (high - low) / grid
    return ((points < low + step) | (points > high - step)).flatten(1).any(1)


def _table(manifold: Manifold, low: Tensor, step: Tensor, size: int) -> Array:
    """The metric (size + 1, size + 1, 3) at the nodes of a grid as M_xx, M_xy, M_yy, in units of its steps."""
    axis = torch.arange(size + 1, dtype=low.dtype, device=low.device)
    single, rows = manifold.single(), []
    with torch.no_grad():
        for part in (low + step * torch.cartesian_prod(axis, axis)).split(POINTS):
            A = single.root(part).to(low.dtype) * step
            rows.append(torch.stack([(A[..., i] * A[..., j]).sum(1) for i, j in ((0, 0), (0, 1), (1, 1))], 1))
    table = torch.cat(rows)
    if not table.isfinite().all():
        raise ValueError(f"the metric is not finite at {int((~table.isfinite()).any(1).sum())} nodes of the grid")
    return table.reshape(size + 1, size + 1, 3).cpu().numpy()


def _paths(table: Array, a: Array, b: Array, every: int, reach: int, bound: Array) -> list[_Path]:
    """The paths worth polishing between a and b (B, 2), in steps of the table, on the grid of every so many of its
    nodes; the shortest of pair i is at most bound[i] long."""
    n, m = _shape(table, every)
    weights, neighbours, counts = _graph(table, every, reach)
    ends = np.concatenate((a, b))
    joined = [_join(table, u, every, reach) for u in ends]
    counts = np.concatenate((counts, [len(nodes) for nodes, _ in joined]))
    pointers = np.concatenate(([0], counts.cumsum())).astype(np.int32)
    neighbours = np.concatenate((neighbours, *(nodes for nodes, _ in joined)), dtype=np.int32)
    weights = np.concatenate((weights, *(w for _, w in joined)))
    graph = csr_array((weights, neighbours, pointers), shape=(n * m + len(ends),) * 2)
    where = np.concatenate((every * np.stack(np.divmod(np.arange(n * m), m), 1), ends))
    found = []
    for i in range(len(a)):
        sources = (n * m + i, n * m + len(a) + i)
        limit = (1 + MARGIN) * bound[i]
        to, before = dijkstra(graph, indices=sources, return_predecessors=True, limit=limit)
        through = to.sum(0)[: n * m]
        shortest = through.min()
        if np.abs(a[i] - b[i]).max() <= reach * every:  # the straight edge
            direct = _line(table, a[i], b[i][None], reach * every)
            found.append(_Path(i, np.stack((a[i], b[i])), np.concatenate(([0.0], direct))))
            shortest = min(shortest, direct[0])
        left = np.flatnonzero(through <= (1 + MARGIN) * shortest)
        for _ in range(PATHS):
            if not len(left):
                break
            via = left[through[left].argmin()]
            there, back = (_trace(before[j], via, sources[j]) for j in (0, 1))
            arc = np.concatenate((to[0, there[::-1]], through[via] - to[1, back[1:]]))
            found.append(path := _Path(i, where[np.concatenate((there[::-1], back[1:]))], arc))
            knots = path.knots(64)
            size = np.linalg.norm(np.diff(knots, axis=0), axis=1).sum()
            gap = np.linalg.norm(where[left][:, None] - knots, axis=2).min(1)
            left = left[gap > APART * size]
    return found


def _shape(table: Array, every: int) -> tuple[int, int]:
    return (table.shape[0] - 1) // every + 1, (table.shape[1] - 1) // every + 1


def _trace(before: Nodes, node: int, source: int) -> NDArray[np.int64]:
    """The nodes from `node` back to `source`."""
    nodes = [int(node)]
    while nodes[-1] != source:
        nodes.append(int(before[nodes[-1]]))
    return np.array(nodes)


def _graph(table: Array, every: int, reach: int) -> tuple[Array, Nodes, NDArray[np.int64]]:
    """The graph's edges, node by node: lengths, the nodes they lead to, and how many there are of each node (n m,)."""
    n, m = _shape(table, every)
    around = range(-reach, reach + 1)
    offsets = [(dx, dy) for dx in around for dy in around if math.gcd(dx, dy) == 1]
    lengths = np.full((n, m, len(offsets)), np.inf)
    for column, (dx, dy) in enumerate(offsets):
        if dx > 0 and abs(dy) <= dx:
            edges = _edges(table, dx, dy, every)
        elif dy > abs(dx):
            edges = _edges(table[..., ::-1].swapaxes(0, 1), dy, dx, every).T
        else:
            continue
        x, y = max(0, -dx), max(0, -dy)
        rows, columns = edges.shape
        lengths[x : x + rows, y : y + columns, column] = edges
        lengths[x + dx : x + dx + rows, y + dy : y + dy + columns, -1 - column] = edges  # the other way
    inside = np.isfinite(lengths)
    nodes = np.arange(n * m, dtype=np.int32).reshape(n, m, 1)
    jumps = np.array([dx * m + dy for dx, dy in offsets], dtype=np.int32)
    return lengths[inside], (nodes + jumps)[inside], inside.sum(2).ravel()


def _edges(table: Array, dx: int, dy: int, every: int) -> Array:
    """Lengths of the edges (dx, dy), |dy| <= dx, from all nodes from which they stay on the grid: trapezoids, with M
    between two neighbours in y at each step of the table in x."""
    q = table @ np.array([dx * dx, 2 * dx * dy, dy * dy]) * every**2
    steps, top = dx * every, max(0, -dy) * every
    rows, columns = q.shape[0] - steps, q.shape[1] - abs(dy) * every
    length = np.zeros(((rows - 1) // every + 1, (columns - 1) // every + 1))
    for s in range(steps + 1):
        j, rest = divmod(s * dy, dx)
        value = q[s : s + rows : every, top + j : top + j + columns : every]
        if rest:
            above = q[s : s + rows : every, top + j + 1 : top + j + 1 + columns : every]
            value = value + rest / dx * (above - value)
        length += np.sqrt(np.maximum(value, 0)) * ((0.5 if s in (0, steps) else 1.0) / steps)
    return length


def _join(table: Array, u: Array, every: int, reach: int) -> tuple[NDArray[np.int64], Array]:
    """The nodes about u (2,), and the lengths of the edges to them."""
    around = np.arange(1 - reach, reach + 1)
    nodes = np.floor(u / every).astype(int) + np.stack(np.meshgrid(around, around), -1).reshape(-1, 2)
    nodes = nodes[((nodes >= 0) & (nodes < _shape(table, every))).all(1)]
    return nodes @ (_shape(table, every)[1], 1), _line(table, u, (nodes * every).astype(float), reach * every)


def _line(table: Array, u: Array, ends: Array, steps: int) -> Array:
    """Lengths (p,) of the straight lines from u (2,) to ends (p, 2): trapezoids, with M bilinear between nodes."""
    t = np.linspace(0, 1, steps + 1)
    d = ends - u
    z = u + t[:, None, None] * d
    cell = np.minimum(z.astype(int), np.array(table.shape[:2]) - 2)
    (x, y), (i, j) = np.moveaxis(z - cell, -1, 0), np.moveaxis(cell, -1, 0)
    q = np.zeros_like(x)
    for di, dj, share in ((0, 0, (1 - x) * (1 - y)), (0, 1, (1 - x) * y), (1, 0, x * (1 - y)), (1, 1, x * y)):
        M = table[i + di, j + dj]
        q += share * (M[..., 0] * d[:, 0] ** 2 + 2 * M[..., 1] * d[:, 0] * d[:, 1] + M[..., 2] * d[:, 1] ** 2)
    return np.trapezoid(np.sqrt(np.maximum(q, 0)), t, axis=0)
