"""The metric on a grid over a box of two dimensions, and the shortest paths along it.

A graph joins the grid's nodes to those at all coprime offsets of at most `reach` steps. An edge's length is integrated
along it, from M tabulated at 1 / FINER of the grid's step and linear in between. End points are no nodes, but joined to
all nodes about them. Dijkstra's algorithm (1959) from both end points gives for every node w the length of the shortest
path through w. The paths worth a closer look are taken one by one: the shortest one first, then the shortest of those
through a node far from the paths taken before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from torch import Tensor

from ..geometry.manifolds import Manifold

FINER = 2  # steps of the table in one of a grid
APART = 0.1  # of a path's length in the chart: nodes nearer to it start no other path

Array = NDArray[np.float64]
Nodes = NDArray[np.int32]


class Paths(NamedTuple):
    """P paths: the pairs that they join (P,), knots (P, segments + 1, 2) at constant speed, in the chart, and lengths
    (P,)."""

    pair: Tensor
    knots: Tensor
    length: Tensor


class Grid:
    """The metric over the box from `low` to `high` (2,), with `size` steps a side and edges of at most `reach` steps.

    An edge that meets a point where the metric is not finite is left out.
    """

    def __init__(self, manifold: Manifold, low: Tensor, high: Tensor, size: int, reach: int) -> None:
        self.low, self.step, self.reach = low, (high - low) / (FINER * size), reach
        self.table = _table(manifold, low, self.step, FINER * size)

    @cached_property
    def graph(self) -> tuple[Array, Nodes, NDArray[np.int64]]:
        return _graph(self.table, self.reach)

    def paths(
        self, start: Tensor, end: Tensor, segments: int, count: int, margin: float, bound: Tensor, half: bool = False
    ) -> Paths:
        """The paths between start and end (B, 2) worth a closer look: at most `count` a pair, of relative excess
        `margin`. The shortest path of pair i is at most about bound[i] long. With `half`, only nodes at about half the
        distance are looked through, which is a quarter of the work and misses no path that is clearly another one."""
        a, b = (((z - self.low) / self.step).cpu().numpy() for z in (start, end))
        limits = bound.cpu().numpy()
        which, knots, length = _paths(self.table, self.graph, a, b, self.reach, limits, segments, count, margin, half)
        curves = self.low + self.step * torch.from_numpy(knots).to(self.low)
        pair = torch.from_numpy(which).to(start.device)
        curves[:, 0], curves[:, -1] = start[pair], end[pair]
        return Paths(pair, curves, torch.from_numpy(length).to(self.low))

    def distances(self, points: Tensor) -> Tensor:
        """Lengths (n, n) of the shortest paths along the grid between all of points (n, 2): too long by the bias of its
        directions, and infinite where no path leads."""
        z = ((points - self.low) / self.step).cpu().numpy()
        size, joined = len(self.graph[2]), [_join(self.table, u, self.reach) for u in z]
        found = dijkstra(_with_ends(self.graph, joined), indices=size + np.arange(len(z)))[:, :size]
        lengths = np.stack([(found[:, nodes] + edges).min(1, initial=np.inf) for nodes, edges in joined], 1)
        for i, u in enumerate(z):
            near = np.flatnonzero(np.abs(z - u).max(1) <= self.reach * FINER)
            direct = _line(self.table, u, z[near], self.reach * FINER)
            lengths[i, near] = np.fmin(lengths[i, near], direct)
        return torch.from_numpy(np.minimum(lengths, lengths.T)).to(self.low)

    def straight(self, start: Tensor, end: Tensor) -> Tensor:
        """Lengths (B,) of the straight lines, from the table; NaN where the metric on the way is not finite."""
        a, b = (((z - self.low) / self.step).cpu().numpy() for z in (start, end))
        steps = 2 * len(self.table)
        lengths = [_line(self.table, u, v[None], steps)[0] for u, v in zip(a, b, strict=True)]
        return torch.tensor(lengths, dtype=start.dtype, device=start.device)


def _table(manifold: Manifold, low: Tensor, step: Tensor, size: int) -> Array:
    """The metric (size + 1, size + 1, 3) at the nodes of a table as M_xx, M_xy, M_yy, in units of its steps."""
    axis = torch.arange(size + 1, dtype=low.dtype, device=low.device)
    points = low + step * torch.cartesian_prod(axis, axis)
    table = low.new_empty(len(points), 3)  # filled in place: small parts kept apart would fragment the memory
    rows = manifold.together(points)
    with torch.no_grad():
        for part, values in zip(points.split(rows), table.split(rows), strict=True):
            A = manifold.root(part.to(manifold.dtype)).to(low.dtype) * step
            for column, (i, j) in enumerate(((0, 0), (0, 1), (1, 1))):
                values[:, column] = (A[..., i] * A[..., j]).sum(1)
    return table.reshape(size + 1, size + 1, 3).cpu().numpy()


def _paths(
    table: Array,
    edges: tuple[Array, Nodes, NDArray[np.int64]],
    a: Array,
    b: Array,
    reach: int,
    bound: Array,
    segments: int,
    count: int,
    margin: float,
    half: bool,
) -> tuple[NDArray[np.int64], Array, Array]:
    """`Grid.paths` between a and b (B, 2), in steps of the table."""
    n = len(table) // FINER + 1
    ends = np.concatenate((a, b))
    graph = _with_ends(edges, [_join(table, u, reach) for u in ends])
    where = np.concatenate((FINER * np.stack(np.divmod(np.arange(n * n), n), 1), ends))
    longest = graph.data.max(initial=0)
    t, pairs, knots, lengths = np.linspace(0, 1, segments + 1), [], [], []

    def found(pair: int, path: Array, length: float) -> None:
        pairs.append(pair)
        knots.append(path)
        lengths.append(length)

    for i in range(len(a)):
        sources = (n * n + i, n * n + len(a) + i)
        limit = (1 + margin) * bound[i]
        limit = min(limit / 2 + longest, limit) if half else limit
        to, before = dijkstra(graph, indices=sources, return_predecessors=True, limit=limit)
        if np.isinf(to.sum(0)[: n * n]).all():  # the bound is too low, as that of a grid that missed a ridge is
            to, before = dijkstra(graph, indices=sources, return_predecessors=True)
        through = to.sum(0)[: n * n]
        shortest = through.min()
        if np.abs(a[i] - b[i]).max() <= reach * FINER:  # the straight edge
            direct = _line(table, a[i], b[i][None], reach * FINER)[0]
            if np.isfinite(direct):
                found(i, a[i] + t[:, None] * (b[i] - a[i]), direct)
                shortest = min(shortest, direct)
        left = np.flatnonzero((through <= (1 + margin) * shortest) & np.isfinite(through))
        for _ in range(count):
            if not len(left):
                break
            via = left[through[left].argmin()]
            there, back = (_trace(before[j], via, sources[j]) for j in (0, 1))
            arc = np.concatenate((to[0, there[::-1]], through[via] - to[1, back[1:]]))
            points = where[np.concatenate((there[::-1], back[1:]))]
            path = np.stack([np.interp(t * arc[-1], arc, column) for column in points.T], 1)
            found(i, path, through[via])
            size = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
            left = left[cKDTree(path).query(where[left])[0] > APART * size]
    shape = (0, segments + 1, 2)
    return np.array(pairs, dtype=np.int64), np.array(knots) if knots else np.zeros(shape), np.array(lengths)


def _trace(before: Nodes, node: int, source: int) -> NDArray[np.int64]:
    """The nodes from `node` back to `source`."""
    nodes = [int(node)]
    while nodes[-1] != source:
        nodes.append(int(before[nodes[-1]]))
    return np.array(nodes)


def _graph(table: Array, reach: int) -> tuple[Array, Nodes, NDArray[np.int64]]:
    """The graph's edges, node by node: lengths, the nodes they lead to, and how many there are of each node."""
    n = len(table) // FINER + 1
    around = range(-reach, reach + 1)
    offsets = [(dx, dy) for dx in around for dy in around if math.gcd(dx, dy) == 1]
    lengths = np.full((n, n, len(offsets)), np.inf)
    for column, (dx, dy) in enumerate(offsets):
        if dx > 0 and abs(dy) <= dx:
            edges = _edges(table, dx, dy)
        elif dy > abs(dx):
            edges = _edges(table[..., ::-1].swapaxes(0, 1), dy, dx).T
        else:
            continue
        x, y = max(0, -dx), max(0, -dy)
        rows, columns = edges.shape
        lengths[x : x + rows, y : y + columns, column] = edges
        lengths[x + dx : x + dx + rows, y + dy : y + dy + columns, -1 - column] = edges  # the other way
    inside = np.isfinite(lengths)
    nodes = np.arange(n * n, dtype=np.int32).reshape(n, n, 1)
    jumps = np.array([dx * n + dy for dx, dy in offsets], dtype=np.int32)
    return lengths[inside], (nodes + jumps)[inside], inside.sum(2).ravel()


def _with_ends(
    edges: tuple[Array, Nodes, NDArray[np.int64]], joined: Sequence[tuple[NDArray[np.int64], Array]]
) -> csr_array:
    """The graph with further nodes behind its own, each with edges to the nodes that `_join` gave it. No edge leads to
    a further node, so no path leads through one."""
    weights, neighbours, counts = edges
    counts = np.concatenate((counts, [len(nodes) for nodes, _ in joined]))
    pointers = np.concatenate(([0], counts.cumsum())).astype(np.int32)
    neighbours = np.concatenate((neighbours, *(nodes for nodes, _ in joined)), dtype=np.int32)
    weights = np.concatenate((weights, *(w for _, w in joined)))
    return csr_array((weights, neighbours, pointers), shape=(len(counts),) * 2)


def _edges(table: Array, dx: int, dy: int) -> Array:
    """Lengths of the edges (dx, dy), |dy| <= dx, from all nodes from which they stay on the grid: trapezoids, with M
    between two neighbours in y at each step of the table in x."""
    with np.errstate(invalid="ignore"):  # where the metric is not finite, neither is the edge
        q = table @ np.array([dx * dx, 2 * dx * dy, dy * dy]) * FINER**2
    steps, top = dx * FINER, max(0, -dy) * FINER
    rows, columns = q.shape[0] - steps, q.shape[1] - abs(dy) * FINER
    length = np.zeros(((rows - 1) // FINER + 1, (columns - 1) // FINER + 1))
    for s in range(steps + 1):
        j, rest = divmod(s * dy, dx)
        value = q[s : s + rows : FINER, top + j : top + j + columns : FINER]
        if rest:
            above = q[s : s + rows : FINER, top + j + 1 : top + j + 1 + columns : FINER]
            value = value + rest / dx * (above - value)
        length += np.sqrt(np.maximum(value, 0)) * ((0.5 if s in (0, steps) else 1.0) / steps)
    return length


def _join(table: Array, u: Array, reach: int) -> tuple[NDArray[np.int64], Array]:
    """The nodes about u (2,), and the lengths of the edges to them."""
    around, n = np.arange(1 - reach, reach + 1), len(table) // FINER + 1
    nodes = (u // FINER).astype(int) + np.stack(np.meshgrid(around, around), -1).reshape(-1, 2)
    nodes = nodes[((nodes >= 0) & (nodes < n)).all(1)]
    lengths = _line(table, u, (nodes * FINER).astype(float), reach * FINER)
    good = np.isfinite(lengths)
    return (nodes @ (n, 1))[good], lengths[good]


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
