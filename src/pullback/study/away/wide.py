"""Maps that reach far beyond the data, of metrics with unlike scales: the log-determinant less its median at the codes.

So a plateau stands at the height that the metric has far out, a wall rises about the data, and a moat is a wall that
falls again. A density metric has no scale of its own, which drops out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...geometry import Box, LatentMap, Manifold, latent_map, log_det, singular_values
from ..records.interpolation import Sparsity

PROBES = 500  # codes at which the median is taken


@torch.no_grad()
def relative_map(space: Manifold, codes: Tensor, box: Box, grid: int) -> LatentMap:
    """The map of a metric over a box, its log_det less the median at PROBES of the codes (m, 2), evenly many apart."""
    some = codes[:: max(1, len(codes) // PROBES)].double()
    level = log_det(singular_values(space.root(some))).median()
    found = latent_map(space, box, grid)
    return replace(found, log_det=found.log_det - float(level))


def sparsity_map(sparsity: Sparsity, m: LatentMap) -> NDArray[np.float64]:
    """The sparsity at the points of a map (rows, columns), over the limit above which a point is sparse."""
    x, y = np.meshgrid(m.x, m.y)
    points = torch.from_numpy(np.stack((x.ravel(), y.ravel()), 1))
    return sparsity(points).reshape(x.shape) / sparsity.limit


def around(m: LatentMap, centre: tuple[float, float] = (0.0, 0.0), bins: int = 40) -> tuple[NDArray[np.float64], ...]:
    """The median of a map's log_det on rings about a centre, against their distance from it, both (bins,), as far as
    the map holds whole rings."""
    x, y = np.meshgrid(m.x - centre[0], m.y - centre[1])
    reach = min(abs(edge - c) for ends, c in zip(m.box, centre, strict=True) for edge in ends)
    edges = np.linspace(0, reach, bins + 1)
    place = np.digitize(np.hypot(x, y), edges) - 1
    middle = (edges[1:] + edges[:-1]) / 2
    there = [i for i in range(bins) if (place == i).any()]
    return middle[there], np.array([np.median(m.log_det[place == i]) for i in there])
