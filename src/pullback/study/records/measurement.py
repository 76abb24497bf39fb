"""The numbers of one trained model, that the claims rest on.

Codes are those of the model's own training images; of a GAN, which has none, as many draws from its prior.

Version 1 of the recipe is of the explored seeds, version 2 of the fresh ones (docs/criteria.md). Version 2 maps GANs
over the 1 to 99 % range of their prior and not over [-3, 3]^2, takes disjoint pairs and not all pairs of a few digits,
and measures what `schema.Fresh` and the fields with a default hold. All else is as in version 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...geodesics import Geodesics, ShortestPaths, geodesic, invert, measure, shortest_path
from ...geodesics.curves import segment
from ...geodesics.newton import refine
from ...geometry import Embedded, LatentMap, LatentSpace, latent_map
from .. import data
from ..models import Classifier
from ..profiles import Profile
from ..solvers.premise import along, neighbours
from ..solvers.runs import CONTESTANTS, Problem, search_box
from ..solvers.scores import solved
from ..training import Trained
from . import quantities
from .interpolation import CHAIN, Sparsity, features, nearest_image, quality, sensitivity, times
from .schema import (
    Away,
    CoverageNumbers,
    Found,
    Fresh,
    HeldOut,
    Late,
    MapNumbers,
    Numbers,
    Optimum,
    Packing,
    PairNumbers,
)

RECIPE = 2  # the version of what turns a trained model into a record's numbers: see recipes.py
EXPLORED = 1  # the version by which explored seeds are measured still, and their committed records were
EDGES = 2.0 ** np.arange(-1, 8, 0.5)  # of the bins of sparsity
TEST_IMAGES = 100  # whose latent points are looked at; a GAN's are found by inversion
BUMP = 0.01  # sides of the box by which a curve is moved aside
GRID, SEGMENTS = 64, 128  # of the shortest paths: their error, about 1e-4, is far below what counts as solved
RECORDED = ("straight", "newton", "cubic spline", "fixed point")  # contestants whose curves a record has


def measure_model(
    trained: Trained,
    judge: Classifier,
    profile: Profile,
    images: Tensor,
    *,
    seed: int,
    everything: bool,
    before: Sequence[Any] | None = None,
) -> Numbers:
    """The numbers of one model.

    `images` (n, 784) are those that it was trained on, `seed` decides the draws; without `everything` the geodesics
    are left out. With `before`, the model as it was after each of the last epochs but the very last, the numbers are
    those of version 2; else of version 1.
    """
    model, gan, fresh = trained.model, trained.spec.family == "gan", before is not None
    space = LatentSpace(model.generator)
    test, _ = data.load("test", sample=profile.sample)
    noise = torch.Generator().manual_seed(seed)
    chosen = test[torch.randperm(len(test), generator=noise)[:TEST_IMAGES]]
    with torch.no_grad():
        codes = torch.randn(len(images), 2, generator=noise) if gan else model.encode(images)
        prior = quantities.PRIOR_BOX if fresh else quantities.GAN_BOX
        box = prior if gan else quantities.percentile_box(codes)
        ends = invert(space, chosen, quantities.GAN_BOX)[0] if gan else model.encode(chosen)
    sparsity = Sparsity(codes, box)
    inner = latent_map(space, box, profile.grid)
    wide = latent_map(space, quantities.widened(box, 3), 2 * profile.grid)
    renewed = None if gan else quantities.recalibrated(model, images)
    pairs, near = None, None
    covered = quantities.coverage(model, judge, profile.gan_samples, noise) if gan else None
    if everything:
        z = ends[: profile.points].double()
        among = Problem(space, *_pairs(z), box, codes, trained.spec.name)
        optimum = _shortest(among)
        near = neighbours(z, optimum.length)
        if fresh:
            start, end = ends[: 2 * profile.disjoint_pairs].double().unflatten(0, (-1, 2)).unbind(1)
            apart = replace(among, start=start, end=end)
            known = features(judge, images)
            pairs = _geodesics(apart, _shortest(apart), space, judge, sparsity, images, known)
        else:
            pairs = _geodesics(among, optimum, space, judge, sparsity, images)
    return Numbers(
        maps=quantities.describe(inner),
        renewed=None if renewed is None else _renewed(renewed, images, profile),
        beyond=quantities.beyond(wide, box),
        held_out=None if renewed is None else HeldOut(
            quantities.reconstruction_loss(model, test), quantities.reconstruction_loss(renewed, test)
        ),
        coverage=None if covered is None else CoverageNumbers(covered.classes, covered.confidence),
        packing=Packing(
            gaps=float((sparsity(_points(inner)) > sparsity.limit).mean()),
            median_norm=ends.norm(dim=1).median().item(),
        ),
        away=_away(space, wide, sparsity, images),
        pairs=pairs,
        neighbours=near,
        fresh=None if before is None else Fresh(
            area=quantities.shares_above(inner.log_cond),
            codes=quantities.shares_at_codes(space, codes),
            between=float((sparsity(quantities.midpoints(codes, noise)) > sparsity.limit).mean()),
            log_area=quantities.log_area(codes),
            late=_late([*(_map(m, gan, images, profile) for m in before), inner]),
        ),
    )  # fmt: skip


@torch.no_grad()
def _map(model: Any, gan: bool, images: Tensor, profile: Profile) -> LatentMap:
    """The map of a model over the 1 to 99 % range of its prior, or of its own codes."""
    box = quantities.PRIOR_BOX if gan else quantities.percentile_box(model.encode(images))
    return latent_map(model.generator, box, profile.grid)


def _late(maps: Sequence[LatentMap]) -> Late:
    found = [quantities.describe(m) for m in maps]
    return Late([numbers.log_cond.q95 for numbers in found], [numbers.roughness for numbers in found])


@torch.no_grad()
def _renewed(model: quantities.Encoding, images: Tensor, profile: Profile) -> MapNumbers:
    box = quantities.percentile_box(model.encode(images))
    return quantities.describe(latent_map(model.generator, box, profile.grid))


def _points(m: LatentMap) -> Tensor:
    """The grid of a map, row by row, as (rows * columns, 2)."""
    return torch.cartesian_prod(torch.from_numpy(m.y), torch.from_numpy(m.x)).flip(1)


def _pairs(z: Tensor) -> tuple[Tensor, Tensor]:
    first, second = torch.combinations(torch.arange(len(z))).T
    return z[first], z[second]


def _away(space: Embedded, wide: LatentMap, sparsity: Sparsity, images: Tensor) -> Away:
    """Medians over the points of every second row and column of a map, in bins of their sparsity."""
    thin = LatentMap(wide.box, wide.x[::2], wide.y[::2], wide.log_det[::2, ::2], wide.log_cond[::2, ::2])
    z = _points(thin)
    found = np.digitize(sparsity(z), EDGES[1:-1])  # what lies beyond the outermost edges counts in the bins next to it
    bins = [found == i for i in range(len(EDGES) - 1)]

    def medians(values: np.ndarray) -> list[float]:
        return [float(np.median(values[b])) if b.any() else np.nan for b in bins]

    return Away(
        edges=EDGES.tolist(),
        count=[int(b.sum()) for b in bins],
        log_det=medians(thin.log_det.flatten()),
        log_cond=medians(thin.log_cond.flatten()),
        image_distance=medians(nearest_image(space.images(z).float(), images).numpy()),
    )


def _shortest(p: Problem) -> ShortestPaths:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of end points outside the data, and of singular metrics: both are recorded
        return shortest_path(p.manifold, p.start, p.end, search_box(p), grid=GRID, segments=SEGMENTS, effort=0)


def _geodesics(
    p: Problem,
    optimum: ShortestPaths,
    space: Embedded,
    judge: Classifier,
    sparsity: Sparsity,
    images: Tensor,
    known: Tensor | None = None,
) -> PairNumbers:
    """Straight lines and geodesics between the pairs of a problem whose shortest paths are `optimum`; with the features
    of the images, `known`, as version 2 measures them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        found = {
            c.name: geodesic(space, p.start, p.end, method=c.solver, **c.settings)
            for c in CONTESTANTS
            if c.name in RECORDED
        }
        polished = {name: None if known is None else _polished(space, g, optimum) for name, g in found.items()}
    path = along(p, optimum)
    sides = torch.tensor(p.box, dtype=torch.float64).diff(dim=1).mean().item()
    return PairNumbers(
        latent_distance=(p.end - p.start).norm(dim=1).tolist(),
        sensitivity=sensitivity(space, found["newton"].points, BUMP * sides).tolist(),
        optimum=Optimum(
            length=optimum.length.tolist(),
            certified=(optimum.agreed & (optimum.length > 0)).tolist(),
            log_cond_highest=path["log_cond, highest"].tolist(),
            log_cond_variation=path["log_cond, variation"].tolist(),
            log_det_variation=path["log_det, variation"].tolist(),
        ),
        methods={
            name: Found(g.length.tolist(), g.converged.tolist(), g.iterations.tolist(), polished[name])
            for name, g in found.items()
        },
        straight=quality(space, segment(p.start, p.end, CHAIN - 1), judge, sparsity, images, known),
        geodesic=quality(space, found["newton"].curve(times(CHAIN)), judge, sparsity, images, known),
    )


def _polished(space: Embedded, found: Geodesics, optimum: ShortestPaths) -> list[float]:
    """The length, after Newton's method, of each curve that its solver calls converged and that does not solve its
    pair; NaN for the others."""
    length = torch.full_like(found.length, torch.nan)
    claimed = found.converged & ~torch.from_numpy(solved(found.length, optimum.length))
    if claimed.any():
        length[claimed] = measure(space, refine(space, found.points[claimed]).points).length
    return length.tolist()
