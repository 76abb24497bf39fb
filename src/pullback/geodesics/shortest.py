"""The shortest path of all between two points of a two-dimensional manifold: what the solvers are scored against.

Equation. d(a, b) = min over all curves g from a to b, within a box, of L(g) = int_0^1 |g'|_M dt. A geodesic is only a
local minimum of it.

Method. The paths of a graph over a grid (see `grid`), at most PATHS a pair and within MARGIN of the shortest one. Each
path, at constant speed, is the first curve of Newton's method on the discrete energy (`newton.refine`) with a quarter
of the segments. The shortest of the outcomes that differ are refined with all segments. The shortest curve then,
measured as all curves are, is the grid's. Every pair is solved on two grids of unlike steps, and on others until the
shortest two curves agree within AGREE, no grid is left, or BIAS is exceeded. No other solver's result enters.

Criterion. `lower` is a lower bound of the distance within the box (see `certificate`, which says what of it is proven
and what is sampled), and `certified` is gap = length / lower - 1 <= CERTIFIED: no curve in the box is shorter by more.
`error` is by how much the shortest curve from any other grid is longer than the shortest of all, relative to it;
`agreed` is weaker evidence, that two grids agree: error <= AGREE, and the polish converged, and the graph's path was at
most BIAS longer than the curve, and at most MISSED shorter. None changes when f is multiplied by a constant.

Cost. A grid's table takes 4 values of M a node, whatever the number of pairs: on one core, with the study's decoders,
1 s for 128^2 nodes and 4 s for 256^2. A pair takes 0.1 to 0.2 s on both, and the polish 0.2 to 0.6 s a grid; about a
minute for 100 pairs of a VAE, five for a rough GAN. Edges are 176 a node (reach 8): 320^2 nodes hold 0.3 GB, and twice
that while the graph is built.

Agreement of two grids, grid = 256: within 1e-6 on most pairs of the study's VAEs and DAEs; notebook 05 has it for all
models.

Fails. Graph paths are too long by the bias of their directions, at worst 1 / cos(atan(1 / reach) / 2) - 1 where the
grid's steps are of equal length and orthogonal (0.19 % for reach 8, 8 % for reach 1). Where J has the condition number
c in the grid's units it is at worst sqrt(1 + (c / 2 / reach)^2) - 1, for few edges follow a weak direction: measured,
5 % on the GANs with R1 penalty (c up to 25), but paths four times too long on a collapsed one (c above 100). The polish
removes it from the path taken, but another may be missed: hence BIAS. Where M varies within a step a passage may be
missed: compare `error`. A path that meets the side of the box (`border`) is the shortest within the box only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .certificate import lower_bound
from .curves import Curves, interpolate, measure
from .first_curves import distinct
from .grid import Grid
from .newton import refine
from .problem import end_points

CERTIFIED = 0.01  # largest gap of a certified length
GRIDS = (2, 4, 3, 5)  # quarters of `grid`: the steps a side of the grids
AGREE = 0.003  # relative difference of two grids' lengths
BIAS = 0.1  # largest relative excess of a graph's path over the curve that it became
MISSED = 0.02  # largest relative excess of the curve over the graph's path: more, and the grid missed a ridge
MARGIN, PATHS = 0.05, 8  # relative excess, and number for a pair and a grid, of the paths that are polished
ROUGH = 1e-2  # tolerance of the first polish, with a quarter of the segments
KEPT, FEW = 0.02, 4  # relative excess, and number, of a pair's curves that are polished further
PRECISE = 1e-6  # relative error of the lengths, by which curves are told apart
TOGETHER = 32  # curves polished at a time: bounds the memory


@dataclass(frozen=True, kw_only=True)
class ShortestPaths(Curves):
    """What `shortest_path` returns: the shortest curves found, whose lengths are upper bounds of the distances, and how
    much speaks for them.

    Attributes
    ----------
    lower : (B,) a lower bound of the distance within the box, or where some of the curves leave it, within a larger one
        that holds them all; 0 where none was found or sought, as if it is not given.
    everywhere : (B,) bool, whether `lower` is known to be one outside the box too: no curve that leaves it is shorter.
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
    lower: Tensor = None  # type: ignore[assignment]
    everywhere: Tensor = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.lower is None:
            object.__setattr__(self, "lower", torch.zeros_like(self.length))
            object.__setattr__(self, "everywhere", torch.zeros_like(self.converged))

    @property
    def gap(self) -> Tensor:
        """(B,) length / lower - 1: by how much the curve is too long at most; 0 for equal end points."""
        return torch.where(self.length > 0, self.length / self.lower - 1, 0.0)

    @property
    def certified(self) -> Tensor:
        """(B,) bool: gap <= CERTIFIED."""
        return self.gap <= CERTIFIED

    @property
    def agreed(self) -> Tensor:
        """(B,) bool: two grids agree on the curve; see the module's criterion."""
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
    effort: int = 8,
    cells: int = 2**18,
) -> ShortestPaths:
    """The shortest curves within the box ((x_min, x_max), (y_min, y_max)) from start (B, 2) to end (B, 2).

    f is a manifold or a generator, as for `geodesic`; without a box, the manifold's own is taken. The box must hold the
    paths, so it should be wider than that of the end points. The first two grids have grid / 2 and grid steps a side,
    the others, where they are needed, 3 grid / 4 and 5 grid / 4; `reach` is the largest offset of an edge, in steps;
    `segments` are those of the curves, which should resolve the surface.

    The lower bound of a pair takes at most `effort` grids of at most `cells` cells. The first bounds its time, and
    effort = 0 seeks none; the second bounds its memory, to about 1.5 kB a cell.

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
    if effort < 0 or cells < 256:
        raise ValueError(f"effort must be at least 0 and cells at least 256; got effort={effort}, cells={cells}")
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
        tabulated = Grid(manifold.single(), low, high, quarters * grid // 4, reach)
        if bad := int((~np.isfinite(tabulated.table)).any(2).sum()):
            raise ValueError(f"the metric is not finite at {bad} nodes of the grid")
        found = tabulated.paths(start[apart], end[apart], segments // 4, PATHS, MARGIN, graph_length[apart])
        pair = apart[found.pair]
        graph_length.scatter_reduce_(0, pair, found.length, "amin")
        pair, curves, holds, length = _polish(manifold, pair, found.knots, segments)
        shorter = length < best[pair, 0]
        points[pair[shorter]], converged[pair[shorter]] = curves[shorter], holds[shorter]
        best[pair] = torch.cat((best[pair], length[:, None]), 1).sort(1).values[:, :2]
    length = best[:, 0]
    error = torch.where(length > 0, best[:, 1] / length - 1, 0.0)
    edge = (high - low) / grid
    border = ((points < low + edge) | (points > high - edge)).flatten(1).any(1)
    energy = measure(manifold, points, PRECISE).energy
    lower, everywhere = torch.zeros_like(length), torch.zeros_like(converged)
    if effort and (known := length.isfinite()).any():
        side = min(max(16, grid // 2), math.isqrt(cells))
        bounds = lower_bound(manifold, points[known], limits.tolist(), grid=side, cells=cells, grids=effort)
        length = length.masked_scatter(known, bounds.length)
        lower = lower.masked_scatter(known, bounds.lower)
        everywhere = everywhere.masked_scatter(known, bounds.everywhere)
    return ShortestPaths(
        points=points, length=length, energy=energy, manifold=manifold, error=error, converged=converged,
        border=border, graph_length=graph_length, lower=lower, everywhere=everywhere,
    )  # fmt: skip


def _polish(manifold: Manifold, pair: Tensor, curves: Tensor, segments: int) -> tuple[Tensor, ...]:
    """The pairs (B,) of which some of the coarse curves (P, n + 1, 2), of pairs (P,), are; and of each the shortest
    once polished: knots (B, segments + 1, 2), whether it converged (B,), length (B,)."""
    curves = torch.cat([refine(manifold, part, tol=ROUGH).points for part in curves.split(TOGETHER)])
    chosen = distinct(_chain(manifold, curves), pair, KEPT, FEW)
    pair, ends = pair[chosen], curves[chosen][:, [0, -1]]
    curves = interpolate(curves[chosen], torch.linspace(0, 1, segments + 1, dtype=torch.float64))
    curves[:, [0, -1]] = ends
    parts = [refine(manifold, part) for part in curves.split(TOGETHER)]
    curves, holds = (torch.cat([getattr(part, name) for part in parts]) for name in ("points", "converged"))
    chosen = distinct(_chain(manifold, curves), pair, AGREE, FEW)
    pair, curves, holds = pair[chosen], curves[chosen], holds[chosen]
    length = measure(manifold, curves, PRECISE).length.nan_to_num(torch.inf)
    order = torch.from_numpy(np.lexsort((length.cpu().numpy(), pair.cpu().numpy())))
    order = order[pair[order].diff(prepend=pair[:1] - 1) != 0]
    return pair[order], curves[order], holds[order], length[order]


@torch.no_grad()
def _chain(manifold: Manifold, curves: Tensor) -> Tensor:
    """The sums of the chords (P,) of curves (P, n + 1, 2)."""
    return torch.cat([manifold.chords(part).sqrt().sum(1) for part in curves.split(TOGETHER)])
