"""The paths that notebook 7 draws on one rotated digit, and the images that stand above its films."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from ...geodesics import shortest_path
from ...geometry import Manifold
from ..away.kept import kept
from .digits import Pairs, Rings
from .judgement import POINTS, even, judge
from .metrics import Compared
from .run import Item, Size
from .tables import MEASURES, mean

SIZES = {"paper": Size(), "smoke": Size(angles=200, epochs=40, members=2, pairs=3, grid=32)}  # of notebook 7, a profile

def first(ends: Pairs, count: int) -> Pairs:
    """The first `count` pairs."""
    return Pairs(*(part[:count] for part in ends))


def paths(item: Item, data: Rings, compared: Mapping[str, Compared], ends: Pairs) -> dict[str, Tensor]:
    """The shortest paths of each metric, (B, POINTS, 2) at equal steps of length, from its file where there is one."""
    a, b = (data.at(angles, ends.digit) for angles in (ends.start, ends.end))
    grid = item.size.grid
    decisive = {"key": item.key, "start": ends.start.tolist(), "end": ends.end.tolist(), "points": POINTS}

    def shortest(space: Manifold) -> dict[str, Tensor]:
        return {"points": even(shortest_path(space, a, b, data.box, grid=grid, segments=grid, effort=0), POINTS)}

    return {
        name: kept("ring-path", {**decisive, "metric": name}, partial(shortest, found.space))["points"]
        for name, found in compared.items()
    }


def round_the_circle(data: Rings, ends: Pairs) -> Tensor:
    """The right paths, (B, POINTS, 2)."""
    return data.at(ends.angles(POINTS), ends.digit)


def decoder_of(compared: Mapping[str, Compared], name: str) -> Callable[[Tensor], Tensor]:
    """What shows the path of that name: a metric's own decoder, else the plain one; without derivatives."""
    return torch.no_grad()(compared[name if name in compared else "deterministic"].decode)


def judged(data: Rings, compared: Mapping[str, Compared], found: Mapping[str, Tensor], ends: Pairs) -> pd.DataFrame:
    """One row a path of that name: the means over pairs of the measures of docs/rings.md, agreed or not."""
    every = torch.ones(len(ends.start), dtype=torch.bool)
    rows = {}
    for name, points in found.items():
        measures = judge(data, decoder_of(compared, name), points, ends, every)
        rows[name] = {told: mean(measures, measure) for measure, told in MEASURES.items()}
    return pd.DataFrame(rows).T


def off_the_data(data: Rings, images: Tensor) -> Tensor:
    """The distances (n,) of images (n, 784) from the nearest true ones, in pixel units."""
    return torch.cdist(images, data.images, compute_mode="donot_use_mm_for_euclid_dist").amin(1)


def true_images(data: Rings, angles: Tensor, digit: int = 0) -> Tensor:
    """The images (n, 784) of a digit at the nearest angles that there are to angles (n,)."""
    own = data.digit == digit
    apart = torch.remainder(data.angles[own].double() - angles[:, None] + torch.pi, 2 * torch.pi) - torch.pi
    return data.images[own][apart.abs().argmin(1)]
