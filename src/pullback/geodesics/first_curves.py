"""Where the solvers start: a solver finds the geodesic near its first curve, so the first curve decides which.

In two dimensions the first curves are the shortest paths along a coarse grid (see `grid`), tabulated under a sketch of
the manifold. The grid's box holds all end points and the manifold's own box, or else the data's where codes are given,
with a margin about the whole. So for a manifold without a box, which geodesic is found can depend on the other pairs of
the call. In other dimensions a first curve is the shortest path through the data's graph where codes are given (see
`graph`); elsewhere there are BENT curves, bent to both sides in directions that depend on the end points alone.

The straight line is always among the first curves. Where there are others, all are relaxed by a few Newton steps on
the sketch, at a few segments. Relaxed curves that lie beside each other become the same geodesic, so one of them is
kept. Of the rest, the few that are nearly as short as the shortest are handed on.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry.inputs import as_tensor
from ..geometry.manifolds import Manifold
from . import graph
from .curves import interpolate, segment
from .grid import Grid
from .newton import COARSEST, refine

SIDE, REACH = 48, 3  # steps of the coarse grid a side, and of its longest edge
WIDER = 1.25  # sides of the grid's box over those of the box that holds end points and data
PATHS, EXCESS = 4, 0.15  # number, and relative excess, of a pair's paths along the grid
BENT, BEND = 2, 0.5  # directions, to both sides of the line, and the deviation in units of the line's length
ROUGH, STEPS = 1e-2, 20  # tolerance and iterations of the relaxation
NEARLY, KEPT = 0.05, 3  # relative excess over the shortest, and number, of the relaxed curves that are handed on
SAME = 1e-4  # relative difference of lengths below which curves are one
BESIDE = 0.05  # distance of knots, relative to a curve's latent length, up to which relaxed curves become one

_tables: weakref.WeakKeyDictionary[object, dict[tuple, Grid]] = weakref.WeakKeyDictionary()


def first_curves(
    manifold: Manifold, start: Tensor, end: Tensor, first: str | Tensor, codes: Any = None, key: object = None
) -> tuple[Tensor, Tensor, Tensor]:
    """First curves from start to end (B, k): the pairs that they belong to (P,), their knots (P, n + 1, k), and how
    many were tried for each pair (B,).

    `first` is as for `geodesic`; curves are as `given_curves` returns them. Tables of the metric are kept as long as
    the object `key` lives.
    """
    pair, line = torch.arange(len(start), device=start.device), segment(start, end, COARSEST)
    if isinstance(first, str) and first == "straight":
        return pair, line, torch.ones_like(pair)
    if not isinstance(first, str):
        others = list(first)
        pairs = [pair] * len(others)
    elif start.shape[1] == 2:
        found = _along_the_grid(manifold, start, end, codes, key)
        pairs, others = [found[0]], [found[1]]
    elif codes is not None:
        paths = graph.solve(manifold, start, end, codes=codes, segments=COARSEST)
        pairs, others = [pair[paths.converged]], [paths.points[paths.converged]]
    elif start.shape[1] > 2:
        others = _bent(start, end, line)
        pairs = [pair] * len(others)
    else:
        return pair, line, torch.ones_like(pair)
    n = max(curves.shape[1] for curves in others) - 1
    t = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    curves, which = torch.cat([segment(start, end, n), *(interpolate(c, t) for c in others)]), torch.cat([pair, *pairs])
    order = which.argsort(stable=True)
    which, curves = which[order], curves[order]
    tried = torch.bincount(which, minlength=len(start))
    sketch = manifold.sketch()
    relaxed = refine(sketch, curves, tol=ROUGH, max_iterations=STEPS).points
    chosen = distinct(sketch.energies(relaxed)[2].sqrt(), which, NEARLY, KEPT, relaxed)
    return which[chosen], relaxed[chosen], tried


def given_curves(first: Any, start: Tensor, end: Tensor) -> Tensor:
    """The caller's first curves as (S, B, n + 1, k), with ends exactly as they should be."""
    curves = as_tensor(first, "first").detach().to(start.device)
    curves = curves[None] if curves.ndim == 3 else curves
    B, k = start.shape
    if curves.ndim != 4 or curves.shape[1] != B or curves.shape[3] != k or curves.shape[2] < 3 or not len(curves):
        raise ValueError(
            f"first must be 'auto', 'straight', or curves (B, n + 1, k) or (S, B, n + 1, k) with B = {B}, k = {k}, n "
            f"at least 2; got {tuple(first.shape) if isinstance(first, Tensor) else first!r}"
        )
    if not curves.isfinite().all():
        raise ValueError("first must be finite")
    size = (end - start).norm(dim=1) + start.norm(dim=1)
    apart = torch.maximum((curves[:, :, 0] - start).norm(dim=2), (curves[:, :, -1] - end).norm(dim=2))
    if (apart > 1e-3 * size).any():
        raise ValueError(f"the curves of first must join the end points; they miss them by {apart.max().item():.2g}")
    curves = curves.clone()
    curves[:, :, 0], curves[:, :, -1] = start, end
    return curves


def distinct(length: Tensor, pair: Tensor, within: float, few: int, knots: Tensor | None = None) -> list[int]:
    """Of curves of these lengths (P,), of pairs (P,) in order: the `few` shortest of each pair, that are at most
    `within` longer than the shortest and not within SAME of another. Where knots (P, n + 1, k) are given, curves are
    also one if no knot is farther than BESIDE from that of the other."""
    lengths, chosen = length.nan_to_num(torch.inf).tolist(), []
    z = None if knots is None else knots.cpu().numpy()

    def beside(i: int, j: int) -> bool:
        if z is None:
            return False
        size = np.linalg.norm(np.diff(z[j], axis=0), axis=1).sum()
        return bool(np.linalg.norm(z[i] - z[j], axis=1).max() <= BESIDE * size)

    own: dict[int, list[int]] = {}
    for i, p in enumerate(pair.tolist()):
        own.setdefault(p, []).append(i)
    for curves in own.values():
        kept: list[int] = []
        for i in sorted(curves, key=lengths.__getitem__):
            if not kept or (
                (1 + SAME) * lengths[kept[-1]] < lengths[i] <= (1 + within) * lengths[kept[0]]
                and not any(beside(i, j) for j in kept)
            ):
                kept.append(i)
        chosen += kept[:few]
    return chosen


def _along_the_grid(manifold: Manifold, start: Tensor, end: Tensor, codes: Any, key: object) -> tuple[Tensor, Tensor]:
    """The paths of the coarse grid: the pairs that they are of (P,), and knots (P, n + 1, 2)."""
    corners = [start, end]
    if manifold.box is not None:
        corners.append(torch.as_tensor(manifold.box, dtype=start.dtype, device=start.device).T)
    elif codes is not None:
        corners.append(as_tensor(codes, "codes").to(start))
    points = torch.cat(corners)
    low, high = points.amin(0), points.amax(0)
    half = (high - low).clamp_min(0.25 * (high - low).amax()) * WIDER / 2
    low, high = (low + high) / 2 - half, (low + high) / 2 + half
    place = (*low.tolist(), *high.tolist(), *_versions(key))
    try:
        kept = _tables.setdefault(key, {})
    except TypeError:  # what cannot be referred to weakly
        kept = {}
    if place not in kept:
        kept.clear()
        kept[place] = Grid(manifold.sketch(), low, high, SIDE, REACH)
    grid = kept[place]
    bound = grid.straight(start, end).nan_to_num(torch.inf)
    found = grid.paths(start, end, COARSEST, PATHS, EXCESS, bound, half=True)
    return found.pair, found.knots


def _bent(start: Tensor, end: Tensor, line: Tensor) -> list[Tensor]:
    """Lines bent to both sides, in directions across them."""
    chord = end - start
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(BENT, start.shape[1], generator=draw, dtype=torch.float64).to(start)
    bump = torch.linspace(0, torch.pi, line.shape[1], dtype=torch.float64).sin().to(start)[:, None]
    curves, size = [], chord.norm(dim=1, keepdim=True)
    for direction in directions:
        across = direction - (chord @ direction)[:, None] * chord / size.square()
        step = BEND * size * across / across.norm(dim=1, keepdim=True)
        curves += [line + bump * step[:, None], line - bump * step[:, None]]
    return curves


def _versions(key: object) -> list[int]:
    """What changes when the weights of a module are changed in place."""
    f = getattr(key, "f", key)
    return [t._version for t in (*f.parameters(), *f.buffers())] if isinstance(f, nn.Module) else []
