"""Pairs of test images in latent spaces of any dimension: straight lines, solvers' curves, and what lies on their way.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from ...geodesics import Geodesics, ShortestPaths, geodesic, shortest_path
from ...geometry import LatentSpace, log_cond, log_det, singular_values
from ..records.quantities import percentile_box
from ..solvers.runs import Problem, search_box
from .items import Size

STRAIGHT, LOCAL, DEFAULT, SPLINE, GRAPH = "straight", "newton", "default", "cubic spline", "graph"
SHORTEST = "shortest"  # of all curves found
CHAIN = 129  # points of a curve between which it is taken for straight
NEAREST = 10  # the code by whose distance a place is sparse or not
SPARSE = 0.99  # the quantile of the codes' own such distance above which a place is sparse
GRID, SEGMENTS = 64, 128  # of the shortest paths in the plane


class Sparsity:
    """Which latent points (n, k) are sparse: their tenth nearest of the codes (m, k) is farther than at SPARSE of the
    codes themselves."""

    def __init__(self, codes: Tensor) -> None:
        self._tree = KDTree(codes.double().numpy())
        own = self._tree.query(codes.double().numpy(), [NEAREST + 1])[0]  # a code's own nearest code is itself
        self.limit = float(np.quantile(own, SPARSE))

    def __call__(self, z: Tensor) -> Tensor:
        return torch.from_numpy(self._tree.query(z.numpy(), [NEAREST])[0][:, 0] > self.limit)


def measure_pairs(
    space: LatentSpace, ends: Tensor, codes: Tensor, size: Size, progress: Callable[[str], object] = lambda line: None
) -> dict[str, Any]:
    """The numbers of docs/beyond.md of pairs of points, ends (B, 2, k); codes (m, k) are of training images."""
    start, end = ends.double().unbind(1)
    found, plane = solve(space, start, end, codes, size, progress)
    lengths = torch.stack([curves.length.nan_to_num(torch.inf) for curves in found.values()])
    points = torch.stack([curves.curve(_times()) for curves in found.values()])
    best = points[lengths.argmin(0), torch.arange(len(start))]
    shown = {name: points[list(found).index(name)] for name in (STRAIGHT, DEFAULT)} | {SHORTEST: best}
    sparsity = Sparsity(codes)
    return {
        "latent_distance": (end - start).norm(dim=1).tolist(),
        "shortest": lengths.amin(0).tolist(),
        "methods": {name: _told(curves) for name, curves in found.items()},
        "plane": plane,
        "ways": {name: along(space, z, sparsity) for name, z in shown.items()},
    }


def drawn(codes: Tensor, pairs: int, seed: int) -> Tensor:
    """Ends (pairs, 2, k) of disjoint pairs of codes (n, k), drawn by the seed."""
    chosen = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))[: 2 * pairs]
    return codes[chosen].reshape(pairs, 2, -1)


def solve(
    space: LatentSpace, start: Tensor, end: Tensor, codes: Tensor, size: Size, progress: Callable[[str], object]
) -> tuple[dict[str, Geodesics | ShortestPaths], dict[str, Any] | None]:
    """Every solver's curves from start to end (B, k), by name; and of the plane, lower bounds of the distances, whether
    two grids agree, and whether the bound holds outside the box as well."""
    given = codes[: size.given].double()
    settings: dict[str, dict[str, Any]] = {
        STRAIGHT: {"method": "straight"},
        LOCAL: {"first": "straight"},
        DEFAULT: {"codes": given},
        SPLINE: {"method": "spline", "degree": 3},
        GRAPH: {"method": "graph", "codes": given},
    }
    found: dict[str, Geodesics | ShortestPaths] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of singular metrics, which are recorded
        for name, chosen in settings.items():
            found[name] = geodesic(space, start, end, **chosen)
            progress(name)
        if start.shape[1] != 2:
            return found, None
        box = search_box(Problem(space, start, end, percentile_box(codes), given, "beyond"))
        path = shortest_path(space, start, end, box, grid=GRID, segments=SEGMENTS, effort=size.effort)
    progress("shortest path")
    return found | {"shortest path": path}, {
        "lower": path.lower.tolist(), "agreed": path.agreed.tolist(), "everywhere": path.everywhere.tolist(),
    }  # fmt: skip


@torch.no_grad()
def along(space: LatentSpace, z: Tensor, sparsity: Sparsity) -> dict[str, list[float | None]]:
    """Of curves z (B, CHAIN, k), over their latent length: the highest and the mean log_cond, the mean log_det, and the
    share at sparse places. None for what is not finite, as where the Jacobian is rank deficient."""
    middle, length = ((z[:, 1:] + z[:, :-1]) / 2).flatten(0, 1), z.diff(dim=1).norm(dim=2)
    part = length / length.sum(1, keepdim=True)
    s = space.in_parts(lambda a: singular_values(space.root(a)), middle)
    cond, det, sparse = (
        values.reshape(part.shape) for values in (log_cond(s), log_det(s), sparsity(middle).to(part.dtype))
    )
    found = {"log_cond_highest": cond.amax(1), "log_cond": (cond * part).sum(1), "log_det": (det * part).sum(1),
             "sparse": (sparse * part).sum(1)}  # fmt: skip
    return {name: _finite(values) for name, values in found.items()}


def _told(curves: Geodesics | ShortestPaths) -> dict[str, Any]:
    told: dict[str, Any] = {"length": _finite(curves.length), "converged": curves.converged.tolist()}
    return told | {"iterations": curves.iterations.tolist()} if isinstance(curves, Geodesics) else told


def _finite(values: Tensor) -> list[float | None]:
    return [value if abs(value) < torch.inf else None for value in values.tolist()]


def _times() -> Tensor:
    return torch.linspace(0, 1, CHAIN, dtype=torch.float64)
