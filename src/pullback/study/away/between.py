"""Shortest paths between test digits under each system's metric, and how much of them lies where data are sparse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from ...geodesics import shortest_path
from ...geodesics.curves import segment
from ...geometry import Box, Manifold
from ..checkpoints import digest
from ..data import data_hash
from ..latent_points import FIRST
from ..notebook import Study
from ..records.interpolation import CHAIN, Sparsity
from ..rings.judgement import even
from ..solvers import runs
from ..training import Trained
from .kept import kept
from .systems import BELLS, DENSITY_CODES, FLOOR, System, untrained

COARSEST = 32  # steps a side of the coarsest grid that `shortest_path` takes


class Comparison(NamedTuple):
    """What is compared on one trained model: systems by name, all of one latent space; training codes (m, 2); the
    sparsity of a point among them; the box in which paths are sought; the ends (B, 2) of the pairs; and all else that
    decides the paths."""

    systems: dict[str, System]
    codes: Tensor
    sparsity: Sparsity
    box: Box
    start: Tensor
    end: Tensor
    decisive: dict[str, Any]


def comparison(study: Study, trained: Trained, zetas: Mapping[str, float], pairs: int) -> Comparison:
    """The systems that a VAE has as it is, on the first pairs of the study.

    What a metric learns of the data it learns from test images. Sparsity is that among training codes, so that no
    metric is judged by the codes that it has seen.
    """
    images = study.images("test")[0][:FIRST]
    seen = {"data": data_hash(study.profile.sample), "split": "test", "images": len(images)}
    settings = {"zetas": dict(zetas), "bells": BELLS, "floor": FLOOR, "density codes": DENSITY_CODES}
    decisive = seen | settings | {"solving": runs.RECIPE, "weights": digest(trained.model.state_dict())}
    codes, ends = study.codes(trained, "train", FIRST)[0], study.pairs(trained)
    box = runs.search_box(runs.problem(study, trained, ends))
    start, end = ends.start[:pairs].double(), ends.end[:pairs].double()
    found = untrained(trained.model, images, seen, zetas)
    return Comparison(found, codes, Sparsity(codes, study.box(trained)), box, start, end, decisive)


class Paths(NamedTuple):
    """Paths (B, CHAIN, 2) at equal steps of their length in latent space; whether two grids agree on each (B,); and
    whether it comes to the border of the box (B,)."""

    points: Tensor
    agreed: Tensor
    border: Tensor


def shortest(compared: Comparison, grid: int, progress: Callable[[str], object]) -> dict[str, Paths]:
    """The shortest paths of each system, each from its file where there is one. On fewer than COARSEST steps a side
    none can be sought, and then the grid has so many."""
    grid = max(grid, COARSEST)
    ends = {"start": compared.start.tolist(), "end": compared.end.tolist()}
    decisive = compared.decisive | ends | {"box": compared.box, "grid": grid}

    def paths(space: Manifold) -> dict[str, Tensor]:
        a, b = compared.start, compared.end
        found = shortest_path(space, a, b, compared.box, grid=grid, segments=grid, effort=0)
        return {"points": even(found, CHAIN), "agreed": found.agreed, "border": found.border}

    found = {}
    for name, system in compared.systems.items():
        found[name] = Paths(**kept("paths", decisive | {"metric": name}, partial(paths, system.space)))
        progress(f"{len(found)} of {len(compared.systems)} metrics: {name}")
    return found


def straight(compared: Comparison) -> Tensor:
    """Straight lines (B, CHAIN, 2)."""
    return segment(compared.start, compared.end, CHAIN - 1)


def sparse(points: Tensor, sparsity: Sparsity) -> tuple[Tensor, Tensor]:
    """Of paths (B, n, 2) at equal steps, the share of the latent length at sparse points, and the sparsity of the
    sparsest point, both (B,)."""
    at = torch.from_numpy(sparsity(points.flatten(0, 1))).reshape(points.shape[:2])
    inner = (at[:, 1:] + at[:, :-1]) / 2
    return (inner > sparsity.limit).double().mean(1), at.amax(1)


def table(found: Mapping[str, Paths], lines: Tensor, sparsity: Sparsity) -> pd.DataFrame:
    """One row a metric: means over the pairs on which its paths are agreed, beside those of the straight lines (B, n,
    2) between the same points."""
    line_share, line_far = sparse(lines, sparsity)
    rows = {}
    for name, paths in found.items():
        share, far = sparse(paths.points, sparsity)
        used = paths.agreed
        rows[name] = {
            "pairs agreed": int(used.sum()),
            "at the border": int((paths.border & used).sum()),
            "over sparse ground": int((share[used] > 0).sum()),
            "share sparse (%)": 100 * float(share[used].mean()),
            "straight line (%)": 100 * float(line_share[used].mean()),
            "sparsest point": float(far[used].mean()),
            "of the straight line": float(line_far[used].mean()),
        }
    return pd.DataFrame(rows).T


def furthest(found: Mapping[str, Paths], sparsity: Sparsity, count: int) -> Tensor:
    """The `count` pairs of which some metric's path has the sparsest point, in their order."""
    far = torch.stack([sparse(paths.points, sparsity)[1] for paths in found.values()]).amax(0)
    return far.topk(min(count, len(far))).indices.sort().values
