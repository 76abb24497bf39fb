"""The measures of docs/rings.md of one path, and what they say of a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...geodesics import shortest_path
from ...geodesics.curves import Curves, segment
from ...geometry import Manifold
from .digits import Pairs, Rings

POINTS = 65  # of a path, at which it is judged
LIMIT = 0.15  # of `leaves`, for a metric that keeps to the ring
NEEDED = 4  # seeds of five

Measures = dict[str, list[Any]]  # of docs/rings.md, one number a pair, and "agreed": whether two grids do


def judge(data: Rings, decode: Callable[[Tensor], Tensor], points: Tensor, ends: Pairs, agreed: Tensor) -> Measures:
    """The measures of paths with POINTS points (B, POINTS, 2), at equal steps of length in the plane."""
    with torch.no_grad():
        images = decode(points.flatten(0, 1)).unflatten(0, points.shape[:2])
    off, shown = (torch.empty(points.shape[:2], dtype=torch.float64) for _ in range(2))
    for digit in range(len(data.centres)):
        own, mine = data.digit == digit, ends.digit == digit
        exact = "donot_use_mm_for_euclid_dist"  # by products of matrices, equal images are 0.007 apart
        distance = torch.cdist(images[mine].flatten(0, 1), data.images[own], compute_mode=exact)
        least, nearest = distance.min(1)
        off[mine] = least.double().unflatten(0, (-1, points.shape[1]))
        shown[mine] = data.angles[own].double()[nearest].unflatten(0, (-1, points.shape[1]))
    wanted = ends.angles(points.shape[1])
    turned = torch.remainder(shown - wanted + math.pi, 2 * math.pi) - math.pi
    leaves = ((points - data.centres[ends.digit][:, None]).norm(dim=2) - 1).abs().amax(1)
    found = {"off_largest": off.amax(1), "off_mean": off.mean(1), "angle": turned.abs().mean(1).rad2deg(),
             "leaves": leaves, "agreed": agreed}  # fmt: skip
    return {name: values.tolist() for name, values in found.items()}


def judge_known(data: Rings, decode: Callable[[Tensor], Tensor], ends: Pairs) -> dict[str, Measures]:
    """The measures of the straight lines, and of the way round the circle."""
    known = torch.ones(len(ends.start), dtype=torch.bool)
    a, b = (data.at(angles, ends.digit) for angles in (ends.start, ends.end))
    round_ = data.at(ends.angles(POINTS), ends.digit)
    paths = {"straight line": segment(a, b, POINTS - 1), "circle": round_}
    return {name: judge(data, decode, points, ends, known) for name, points in paths.items()}


def judge_metric(
    data: Rings, space: Manifold, decode: Callable[[Tensor], Tensor], ends: Pairs, grid: int
) -> Measures:
    """The measures of a metric's shortest paths in the box of the data."""
    a, b = (data.at(angles, ends.digit) for angles in (ends.start, ends.end))
    paths = shortest_path(space, a, b, data.box, grid=grid, segments=grid, effort=0)
    return judge(data, decode, even(paths), ends, paths.agreed)


def even(curves: Curves | Tensor, count: int = POINTS) -> Tensor:
    """Points (B, count, 2) of curves, or of chains (B, n, 2), at equal steps of their length in the plane."""
    z = curves if isinstance(curves, Tensor) else curves.curve(torch.linspace(0, 1, 8 * count, dtype=torch.float64))
    arc = F.pad(z.diff(dim=1).norm(dim=2).cumsum(1), (1, 0))
    wanted = arc[:, -1:] * torch.linspace(0, 1, count, dtype=z.dtype)
    right = torch.searchsorted(arc.contiguous(), wanted.contiguous()).clamp(1, z.shape[1] - 1)
    a, b = (arc.gather(1, right + i) for i in (-1, 0))
    share = ((wanted - a) / (b - a).clamp(min=torch.finfo(z.dtype).tiny))[..., None]
    left, after = (z.gather(1, (right + i)[..., None].expand(-1, -1, 2)) for i in (-1, 0))
    return torch.lerp(left, after, share)


def verdict(seeds: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str:
    """"keeps", "leaves" or "undecided" (see docs/rings.md), from the measures of a metric and of the straight lines
    that its decoder shows, one pair of them a seed."""
    keeps = leaves = 0
    for own, straight in seeds:
        agreed = np.array(own["agreed"])
        if not agreed.any():
            continue
        (off, away), (line_off, line_away) = (
            [np.array(measures[name])[agreed].mean() for name in ("off_largest", "leaves")]
            for measures in (own, straight)
        )
        keeps += away <= LIMIT and off < line_off
        leaves += away > line_away
    return "keeps" if keeps >= NEEDED else "leaves" if leaves >= NEEDED else "undecided"
