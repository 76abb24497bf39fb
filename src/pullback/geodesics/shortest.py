"""The shortest path of all between two points of a two-dimensional manifold: what the solvers are scored against.

Equation. d(a, b) = min over all curves g from a to b, within a box, of L(g) = int_0^1 |g'|_M dt. A geodesic is only a
local minimum of it.

Method. Dijkstra's algorithm (1959) on a grid over the box whose nodes are joined to those at all coprime offsets of
at most `reach` steps. An edge's length is integrated along it, from M tabulated at half the grid's step and linear in
between; the end points are no nodes, but joined to all those about them. Run from both ends it gives at every node w
the shortest path through w: taken in turn are the shortest of these, at most PATHS, that are within MARGIN of the
best and pass through a node far from those before. Each, at constant speed, is the first curve of Newton's method on
the discrete energy (`newton.refine`) with a quarter of the segments; the shortest outcomes that differ are refined
with all. The shortest then, measured as all curves are, is the grid's. Every pair is solved on two grids of unlike
steps, and on others until the shortest two agree within AGREE, there are none left, or BIAS is exceeded. No other
solver's result enters.

Criterion. `error` is by how much the shortest curve from any other grid is longer than the shortest of all, relative
to it. `certified` is error <= AGREE, and that the polish converged, and that the graph's path was at most BIAS longer
than the curve, and at most MISSED shorter. None changes when f is multiplied by a constant.

Cost. A grid's table takes 4 values of M a node, whatever the number of pairs: on one core, with the study's decoders,
1 s for 128^2 nodes and 4 s for 256^2. A pair takes 0.1 to 0.2 s on both, and the polish 0.2 to 0.6 s a grid; about a
minute for 100 pairs of a VAE, five for a rough GAN. Edges are 176 a node (reach 8): 320^2 nodes hold 0.3 GB, and twice
that while the graph is built.

Agreement of two grids, grid = 256: within 1e-6 on most pairs of the study's VAEs and DAEs; notebook 05 has it for all
models.

Fails. Graph paths are too long by the bias of their directions, at worst 1 / cos(atan(1 / reach) / 2) - 1 where the
grid's steps are of equal length and orthogonal (0.19 % for reach 8, 8 % for reach 1). Where J has the condition number
c in the grid's units it is at worst sqrt(1 + (c / 2 / reach)^2) - 1, for few edges follow a weak direction: measured,
5 % on the healthy GANs (c up to 25), but paths four times too long on a collapsed one (c above 100). The polish
removes it from the path taken, but another may be missed: hence BIAS. Where M varies within a step a passage may be
missed: compare `error`. A path that meets the side of the box (`border`) is the shortest within the box only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .curves import POINTS, Curves, interpolate, measure
from .newton import refine
from .problem import end_points

GRIDS = (2, 4, 3, 5)  # quarters of `grid`: the steps a side of the grids
AGREE = 0.003  # relative difference of two grids' lengths
BIAS = 0.1  # largest relative excess of a graph's path over the curve that it became
MISSED = 0.02  # largest relative excess of the curve over the graph's path: more, and the grid missed a ridge
FINER = 2  # steps of the table in one of a grid
MARGIN, PATHS = 0.05, 8  # relative excess, and number for a pair and a grid, of the paths that are polished
APART = 0.1  # of a path's length in the chart: nodes nearer to it start no other path
ROUGH = 1e-2  # tolerance of the first polish, with a quarter of the segments
KEPT, SAME, FEW = 0.02, 1e-4, 4  # relative excess, difference, and number, of the curves that are polished further
PRECISE = 1e-6  # relative error of the lengths, by which curves are told apart
TOGETHER = 32  # curves polished at a time: bounds the memory

Array = NDArray[np.float64]
Nodes = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class ShortestPaths(Curves):
    """What `shortest_path` returns: the shortest curves found, and how much speaks for them.

    Attributes
    ----------
    error : (B,) relative difference between the two shortest lengths from different grids.
    converged : (B,) bool, whether the polish converged; where not, `length` is that of the curve it was left with.
    border : (B,) bool, whether the curve comes within a step of the box's sides, or leaves it.
    graph_length : (B,) of the shortest path on any of the graphs: up to quadrature an upper bound of the distance, and
        too long by the bias of its directions (see the module).
    """

    error: Tensor
    converged: Tensor
    border: Tensor
    graph_length: Tensor

    @property
    def certified(self) -> Tensor:
        """(B,) bool: a curve that is not certified should not be scored against; see the module's criterion."""
        alike = (self.graph_length <= (1 + BIAS) * self.length) & (self.graph_length >= (1 - MISSED) * self.length)
        return self.converged & (self.error <= AGREE) & alike


def shortest_path(
    f: Manifold | Generator,
    start: Tensor,
    end: Tensor,
    box: Sequence[Sequence[float]] | None = None,
    *,
    grid: int = 256,
    reach: int = 8,
    segments: int = 256,
) -> ShortestPaths:
    """The shortest curves within the box ((x_min, x_max), (y_min, y_max)) from start (B, 2) to end (B, 2).

    f is a manifold or a generator, as for `geodesic`; without a box, the manifold's own is taken. The box must hold the
    paths, so it should be wider than that of the end points. The first two grids have grid / 2 and grid steps a side,
    the others, where they are needed, 3 grid / 4 and 5 grid / 4; `reach` is the largest offset of an edge, in steps;
    `segments` are those of the curves, which should resolve the surface.

    ValueError for end points that are not two-dimensional or lie outside the box, a box or settings that are not as
    stated, no box at all, and a metric that is not finite on a grid.
    """
    manifold = as_manifold(f)
    start, end = end_points(start, end)
    box = manifold.box if box is None else box
    if box is None:
        raise ValueError("box must be given, ((x_min, x_max), (y_min, y_max)), as the manifold has none of its own")
    limits = torch.as_tensor(box, dtype=torch.float64, device=start.device)
    if start.shape[1] != 2 or limits.shape != (2, 2) or not bool((limits[:, 0] < limits[:, 1]).all()):
        raise ValueError(
            f"shortest_path is for two dimensions, with box ((x_min, x_max), (y_min, y_max)); got end points of shape "
            f"{tuple(start.shape)} and box {box}"
        )
    if reach < 1 or segments < 8 or grid % 4 or grid < 4 * reach:
        raise ValueError(
            f"grid must be a multiple of 4 and at least 4 * reach, reach at least 1, segments at least 8; got "
            f"grid={grid}, reach={reach}, segments={segments}"
        )
    low, high = limits.T
    out = ~((low <= start) & (start <= high) & (low <= end) & (end <= high)).all(1)
    if out.any():
        raise ValueError(f"start {start[out].tolist()} or end {end[out].tolist()} outside the box {box}")
    points, best = start[:, None].repeat(1, segments + 1, 1), start.new_full((len(start), 2), torch.inf)
    converged, graph_length = (start == end).all(1), best[:, 0].clone()
    best[converged], graph_length[converged] = 0.0, 0.0
    for quarters in GRIDS:
        agree = best[:, 1] - best[:, 0] <= AGREE * best[:, 0]  # false at first, for inf - inf
        hopeless = graph_length > (1 + BIAS) * best[:, 0]
        apart = (~agree & ~(hopeless & best[:, 1].isfinite())).nonzero().flatten()
        if not len(apart):
            break
        step = (high - low) / (FINER * quarters * grid // 4)
        table = _table(manifold, low, step, FINER * quarters * grid // 4)
        a, b = (((z[apart] - low) / step).cpu().numpy() for z in (start, end))
        which, knots, arc = _paths(table, a, b, reach, graph_length[apart].cpu().numpy(), segments // 4)
        pair, curves = apart[which], low + step * torch.from_numpy(knots).to(low)
        curves[:, 0], curves[:, -1] = start[pair], end[pair]
        graph_length.scatter_reduce_(0, pair, torch.from_numpy(arc).to(low), "amin")
        pair, curves, holds, length = _polish(manifold, pair, curves, segments)
        shorter = length < best[pair, 0]
        points[pair[shorter]], converged[pair[shorter]] = curves[shorter], holds[shorter]
        best[pair] = torch.cat((best[pair], length[:, None]), 1).sort(1).values[:, :2]
    length = best[:, 0]
    error = torch.where(length > 0, best[:, 1] / length - 1, 0.0)
    edge = (high - low) / grid
    border = ((points < low + edge) | (points > high - edge)).flatten(1).any(1)
    energy = measure(manifold, points, PRECISE).energy
    return ShortestPaths(
        points=points, length=length, energy=energy, manifold=manifold, error=error, converged=converged,
        border=border, graph_length=graph_length,
    )  # fmt: skip


def _polish(manifold: Manifold, pair: Tensor, curves: Tensor, segments: int) -> tuple[Tensor, ...]:
    """The pairs (B,) of which some of the coarse curves (P, n + 1, 2), of pairs (P,), are; and of each the shortest
    once polished: knots (B, segments + 1, 2), whether it converged (B,), length (B,)."""
    curves = torch.cat([refine(manifold, part, tol=ROUGH).points for part in curves.split(TOGETHER)])
    chosen = _distinct(manifold, pair, curves, KEPT)
    pair, ends = pair[chosen], curves[chosen][:, [0, -1]]
    curves = interpolate(curves[chosen], torch.linspace(0, 1, segments + 1, dtype=torch.float64))
    curves[:, [0, -1]] = ends
    parts = [refine(manifold, part) for part in curves.split(TOGETHER)]
    curves, holds = (torch.cat([getattr(part, name) for part in parts]) for name in ("points", "converged"))
    chosen = _distinct(manifold, pair, curves, AGREE)
    pair, curves, holds = pair[chosen], curves[chosen], holds[chosen]
    length = measure(manifold, curves, PRECISE).length.nan_to_num(torch.inf)
    order = torch.from_numpy(np.lexsort((length.cpu().numpy(), pair.cpu().numpy())))
    order = order[pair[order].diff(prepend=pair[:1] - 1) != 0]
    return pair[order], curves[order], holds[order], length[order]


def _distinct(manifold: Manifold, pair: Tensor, curves: Tensor, within: float) -> list[int]:
    """Of the curves (P, n + 1, 2) of each pair, in the order of the pairs: the FEW shortest, by their chords, that are
    at most `within` longer than the shortest and not within SAME of another."""
    with torch.no_grad():
        chords = torch.cat([manifold.chords(part).sqrt().sum(1) for part in curves.split(TOGETHER)])
    chords, chosen = chords.nan_to_num(torch.inf), []
    for p in pair.unique():
        own: list[int] = []
        for i in sorted((pair == p).nonzero().flatten().tolist(), key=chords.__getitem__):
            if not own or (1 + SAME) * chords[own[-1]] < chords[i] <= (1 + within) * chords[own[0]]:
                own.append(i)
        chosen += own[:FEW]
    return chosen


def _table(manifold: Manifold, low: Tensor, step: Tensor, size: int) -> Array:
    """The metric (size + 1, size + 1, 3) at the nodes of a grid as M_xx, M_xy, M_yy, in units of its steps."""
    axis = torch.arange(size + 1, dtype=low.dtype, device=low.device)
    points, single = low + step * torch.cartesian_prod(axis, axis), manifold.single()
    table = low.new_empty(len(points), 3)  # filled in place: small parts kept apart would fragment the memory
    with torch.no_grad():
        for part, rows in zip(points.split(POINTS), table.split(POINTS), strict=True):
            A = single.root(part.to(single.dtype)).to(low.dtype) * step
            for column, (i, j) in enumerate(((0, 0), (0, 1), (1, 1))):
                rows[:, column] = (A[..., i] * A[..., j]).sum(1)
    if not table.isfinite().all():
        raise ValueError(f"the metric is not finite at {int((~table.isfinite()).any(1).sum())} nodes of the grid")
    return table.reshape(size + 1, size + 1, 3).cpu().numpy()


def _paths(
    table: Array, a: Array, b: Array, reach: int, bound: Array, segments: int
) -> tuple[NDArray[np.int64], Array, Array]:
    """The P paths worth polishing between a and b (B, 2), in steps of the table: of which pairs they are (P,), knots
    (P, segments + 1, 2) at constant speed, and lengths (P,). That of pair i is about bound[i] or less."""
    n = len(table) // FINER + 1
    weights, neighbours, counts = _graph(table, reach)
    ends = np.concatenate((a, b))
    joined = [_join(table, u, reach) for u in ends]
    counts = np.concatenate((counts, [len(nodes) for nodes, _ in joined]))
    pointers = np.concatenate(([0], counts.cumsum())).astype(np.int32)
    neighbours = np.concatenate((neighbours, *(nodes for nodes, _ in joined)), dtype=np.int32)
    weights = np.concatenate((weights, *(w for _, w in joined)))
    graph = csr_array((weights, neighbours, pointers), shape=(n * n + len(ends),) * 2)
    where = np.concatenate((FINER * np.stack(np.divmod(np.arange(n * n), n), 1), ends))
    t, found = np.linspace(0, 1, segments + 1), []
    for i in range(len(a)):
        sources = (n * n + i, n * n + len(a) + i)
        to, before = dijkstra(graph, indices=sources, return_predecessors=True, limit=(1 + MARGIN) * bound[i])
        if np.isinf(to.sum(0)[: n * n]).all():  # the bound came of a grid that missed a ridge
            to, before = dijkstra(graph, indices=sources, return_predecessors=True)
        through = to.sum(0)[: n * n]
        shortest = through.min()
        if np.abs(a[i] - b[i]).max() <= reach * FINER:  # the straight edge
            direct = _line(table, a[i], b[i][None], reach * FINER)[0]
            found.append((i, a[i] + t[:, None] * (b[i] - a[i]), direct))
            shortest = min(shortest, direct)
        left = np.flatnonzero(through <= (1 + MARGIN) * shortest)
        for _ in range(PATHS):
            if not len(left):
                break
            via = left[through[left].argmin()]
            there, back = (_trace(before[j], via, sources[j]) for j in (0, 1))
            arc = np.concatenate((to[0, there[::-1]], through[via] - to[1, back[1:]]))
            points = where[np.concatenate((there[::-1], back[1:]))]
            knots = np.stack([np.interp(t * arc[-1], arc, column) for column in points.T], 1)
            found.append((i, knots, through[via]))
            size = np.linalg.norm(np.diff(knots, axis=0), axis=1).sum()
            left = left[cKDTree(knots).query(where[left])[0] > APART * size]
    return tuple(np.array(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


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


def _edges(table: Array, dx: int, dy: int) -> Array:
    """Lengths of the edges (dx, dy), |dy| <= dx, from all nodes from which they stay on the grid: trapezoids, with M
    between two neighbours in y at each step of the table in x."""
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
    return nodes @ (n, 1), _line(table, u, (nodes * FINER).astype(float), reach * FINER)


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
