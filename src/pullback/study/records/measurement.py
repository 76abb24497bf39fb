"""What the claims rest on: the numbers that the sweep reads off one trained model.

Latent lengths are in sides of the box that holds the data, so that the latent scale, a convention, drops out. The
sparsity of a latent point is the radius of the disc about it that holds a thousandth of the codes, over the median of
that radius at the codes themselves: 1 among the data, whatever their number, and growing with the distance to them.
The codes are those of the model's own training images; of a GAN, which has none, as many draws from its prior.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor, nn

from ...geodesics import geodesic, invert
from ...geodesics.curves import interpolate, segment
from ...geodesics.shortest import shortest_path
from ...geometry import Box, LatentMap, LatentSpace, jacobian, latent_map, log_det, singular_values
from .. import data
from ..models import Classifier
from ..profiles import Profile
from ..solvers.premise import along, neighbours
from ..solvers.runs import Problem, search_box
from ..training import Trained
from . import quantities as measures

SHARE = 1e-3  # of the codes, in the disc whose radius is the sparsity
EDGES = 2.0 ** np.arange(-1, 8, 0.5)  # of the bins of sparsity
PROBES = 5_000  # codes at which the usual radius is taken
SPARSE = 0.99  # the quantile of the codes' own sparsity above which a point is called sparse
TEST_IMAGES = 100  # whose latent points are looked at; a GAN's are found by inversion
FRAMES = 33  # images along a curve, end points included
BUMP = 0.01  # sides of the box by which a curve is moved aside
CHAIN = 257  # points of a curve between which it is taken for straight
STRIDE = (CHAIN - 1) // (FRAMES - 1)
GRID, SEGMENTS = 64, 128  # of the certified optimum: its error, about 1e-4, is far below what counts as solved
METHODS = {
    "newton": ("newton", {}),
    "cubic spline": ("spline", {"degree": 3}),
    "fixed point": ("fixed_point", {}),
}


class Sparsity:
    """The sparsity of latent points (n, 2), as the module defines it, for codes (m, 2) and the box of the data."""

    def __init__(self, codes: Tensor, box: Box) -> None:
        self._low, self._sides = np.array(box)[:, 0], np.ptp(np.array(box), axis=1)
        scaled = self._scaled(codes)
        self._tree, self._count = KDTree(scaled), max(1, round(SHARE * len(codes)))
        own = self._tree.query(scaled[:PROBES], [self._count + 1])[0]  # the nearest of a code is itself
        self._usual = np.median(own)
        self.limit = float(np.quantile(own, SPARSE) / self._usual)  # above it a point is sparse

    def __call__(self, z: Tensor) -> NDArray[np.float64]:
        return self._tree.query(self._scaled(z), [self._count])[0][:, 0] / self._usual

    def _scaled(self, z: Tensor) -> NDArray[np.float64]:
        return (z.double().numpy() - self._low) / self._sides


def measure_model(
    trained: Trained, judge: Classifier, profile: Profile, images: Tensor, *, seed: int, everything: bool
) -> dict[str, Any]:
    """The numbers of one model, in the types JSON has: None where one is not finite or does not apply.

    `images` (n, 784) are those that it was trained on, `seed` decides the draws; without `everything` the geodesics
    are left out. Pixel units for distances and lengths, natural logarithms.
    """
    model, gan = trained.model, trained.spec.family == "gan"
    test, _ = data.load("test", sample=profile.sample)
    noise = torch.Generator().manual_seed(seed)
    chosen = test[torch.randperm(len(test), generator=noise)[:TEST_IMAGES]]
    with torch.no_grad():
        codes = torch.randn(len(images), 2, generator=noise) if gan else model.encode(images)
        box = measures.GAN_BOX if gan else measures.percentile_box(codes)
        ends = invert(model.generator, chosen, box)[0] if gan else model.encode(chosen)
    sparsity = Sparsity(codes, box)
    inner = latent_map(model.generator, box, profile.grid)
    wide = latent_map(model.generator, measures.widened(box, 3), 2 * profile.grid)
    renewed = None if gan else measures.recalibrated(model, images)
    numbers = {
        "maps": measures.describe(inner),
        "renewed": None if renewed is None else _renewed(renewed, images, profile),
        "beyond": measures.beyond(wide, box),
        "held_out": None if renewed is None else {
            "reconstruction": measures.reconstruction_loss(model, test),
            "renewed": measures.reconstruction_loss(renewed, test),
        },
        "coverage": _coverage(model, judge, profile, noise) if gan else None,
        "packing": {
            "gaps": float((sparsity(_points(inner)) > sparsity.limit).mean()),
            "median_norm": ends.norm(dim=1).median().item(),
        },
        "away": _away(model.generator, wide, sparsity, images),
        "pairs": None,
        "neighbours": None,
    }
    if everything:
        z = ends[: profile.points].double()
        numbers |= _geodesics(Problem(model.generator, *_pairs(z), box, codes), z, judge, sparsity, images)
    return _plain(numbers)


def _renewed(model: Any, images: Tensor, profile: Profile) -> dict[str, object]:
    with torch.no_grad():
        box = measures.percentile_box(model.encode(images))
    return measures.describe(latent_map(model.generator, box, profile.grid))


def _coverage(gan: Any, judge: Classifier, profile: Profile, noise: torch.Generator) -> dict[str, float]:
    seen = measures.coverage(gan, judge, profile.gan_samples, noise)
    return {"classes": seen.classes, "confidence": seen.confidence}


def _points(m: LatentMap) -> Tensor:
    """The grid of a map, row by row, as (rows * columns, 2)."""
    return torch.cartesian_prod(torch.from_numpy(m.y), torch.from_numpy(m.x)).flip(1)


def _pairs(z: Tensor) -> tuple[Tensor, Tensor]:
    first, second = torch.combinations(torch.arange(len(z))).T
    return z[first], z[second]


def nearest_image(decoded: Tensor, images: Tensor, chunk: int = 512) -> Tensor:
    """Euclidean distances (n,) of decoded images (n, 784) to the nearest of images (m, 784)."""
    squares = images.square().sum(1)
    parts = [(squares - 2 * x @ images.T).min(1).values + x.square().sum(1) for x in decoded.split(chunk)]
    return torch.cat(parts).clamp(min=0).sqrt()


@torch.no_grad()
def _away(f: nn.Module, wide: LatentMap, sparsity: Sparsity, images: Tensor) -> dict[str, Any]:
    """Medians over the points of every second row and column of a map, in bins of their sparsity."""
    thin = LatentMap(wide.box, wide.x[::2], wide.y[::2], wide.log_det[::2, ::2], wide.log_cond[::2, ::2])
    z = _points(thin)
    values = {
        "log_det": thin.log_det.flatten(),
        "log_cond": thin.log_cond.flatten(),
        "image_distance": nearest_image(f(z.float()), images).numpy(),
    }
    found = np.digitize(sparsity(z), EDGES[1:-1])  # what lies beyond the outermost edges counts in the bins next to it
    bins = [found == i for i in range(len(EDGES) - 1)]
    medians = {name: [np.median(v[b]) if b.any() else None for b in bins] for name, v in values.items()}
    return {"edges": EDGES, "count": [int(b.sum()) for b in bins]} | medians


def _geodesics(p: Problem, z: Tensor, judge: Classifier, sparsity: Sparsity, images: Tensor) -> dict[str, Any]:
    """Straight lines and geodesics between all pairs of points z (n, 2)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of end points outside the data, and of singular metrics: both are recorded
        optimum = shortest_path(p.manifold, p.start, p.end, search_box(p), grid=GRID, segments=SEGMENTS)
        found = {name: geodesic(p.manifold, p.start, p.end, method=m, **kw) for name, (m, kw) in METHODS.items()}
        straight = geodesic(p.manifold, p.start, p.end, method="straight")
    path = along(p, optimum)
    sides = torch.tensor(p.box, dtype=torch.float64).diff(dim=1).mean().item()
    pairs = {
        "latent_distance": (p.end - p.start).norm(dim=1),
        "sensitivity": sensitivity(p.manifold, found["newton"].points, BUMP * sides),
        "optimum": {
            "length": optimum.length,
            "certified": optimum.certified & (optimum.length > 0),
            "log_cond_highest": path["log_cond, highest"].to_numpy(),
            "log_cond_variation": path["log_cond, variation"].to_numpy(),
            "log_det_variation": path["log_det, variation"].to_numpy(),
        },
        "methods": {
            name: {"length": g.length, "converged": g.converged, "iterations": g.iterations}
            for name, g in {"straight": straight, **found}.items()
        },
        "straight": quality(p.manifold, segment(p.start, p.end, CHAIN - 1), judge, sparsity, images),
        "geodesic": quality(p.manifold, found["newton"].curve(times(CHAIN)), judge, sparsity, images),
    }
    return {"pairs": pairs, "neighbours": neighbours(z, optimum.length)._asdict()}


def times(count: int) -> Tensor:
    """`count` times from 0 to 1."""
    return torch.linspace(0, 1, count, dtype=torch.float64)


@torch.no_grad()
def quality(f: nn.Module, z: Tensor, judge: Classifier, sparsity: Sparsity, images: Tensor) -> dict[str, Any]:
    """How well curves z (B, CHAIN, 2), in their own parameter, interpolate: one number a curve.

    evenness: coefficient of variation of the image steps between frames at equal steps of the parameter, 0 if all are
    alike. What follows knows nothing of the parameter. Over frames at equal steps in image space, nearest: mean
    distance of the inner ones to the nearest of `images`; confidence, lowest_confidence: of the classifier in its first
    choice; changes: of that choice. Over latent length, sparse: the share at sparse points; log_det: its mean.
    """
    own = f(z[:, ::STRIDE].float().flatten(0, 1)).unflatten(0, (len(z), -1))
    steps = own.diff(dim=1).norm(dim=2)
    frames = f(equal_steps(f, z, FRAMES).float().flatten(0, 1)).unflatten(0, (len(z), -1))
    inner = nearest_image(frames[:, 1:-1].flatten(0, 1), images).unflatten(0, (len(z), -1))
    label, probability = (seen.unflatten(0, frames.shape[:2]) for seen in judge.classify(frames.flatten(0, 1)))
    middle, length = (z[:, 1:] + z[:, :-1]) / 2, z.diff(dim=1).norm(dim=2)
    part = length / length.sum(1, keepdim=True)
    sparse = torch.from_numpy(sparsity(middle.flatten(0, 1)) > sparsity.limit).reshape(part.shape)
    magnitude = log_det(singular_values(jacobian(f, middle.flatten(0, 1).double()))).reshape(part.shape)
    return {
        "evenness": steps.std(1, correction=0) / steps.mean(1),
        "nearest": inner.mean(1),
        "confidence": probability.mean(1),
        "lowest_confidence": probability.min(1).values,
        "changes": (label.diff(dim=1) != 0).sum(1),
        "sparse": (sparse * part).sum(1),
        "log_det": (magnitude * part).sum(1),
    }


@torch.no_grad()
def equal_steps(f: nn.Module, z: Tensor, count: int) -> Tensor:
    """Points (B, count, 2) on the curves z (B, n, 2), as far from each other in image space, along the curve."""
    images = LatentSpace(f).embed(z.flatten(0, 1).double()).unflatten(0, z.shape[:2])
    along_it = images.diff(dim=1).norm(dim=2).cumsum(1)
    points = []
    for curve, s in zip(z.double().numpy(), torch.nn.functional.pad(along_it, (1, 0)).numpy(), strict=True):
        wanted = np.linspace(0, s[-1], count)
        points.append(np.stack([np.interp(wanted, s, coordinate) for coordinate in curve.T], axis=1))
    return torch.from_numpy(np.stack(points))


@torch.no_grad()
def sensitivity(f: nn.Module, points: Tensor, size: float) -> Tensor:
    """Relative lengthening (B,) of curves with knots points (B, n + 1, 2) moved aside by size * sin(pi t), across
    their chords: the mean of both sides. Lengths are those of the chains of decoded images."""
    z = interpolate(points, times(CHAIN))
    chord = z[:, -1] - z[:, 0]
    across = torch.stack((-chord[:, 1], chord[:, 0]), 1) / chord.norm(dim=1, keepdim=True)
    bump = size * torch.linspace(0, math.pi, CHAIN, dtype=torch.float64).sin()[:, None] * across[:, None]
    space = LatentSpace(f)

    def length(curves: Tensor) -> Tensor:
        return torch.stack([space.embed(curve).diff(dim=0).norm(dim=1).sum() for curve in curves])

    return (length(z + bump) + length(z - bump)) / (2 * length(z)) - 1


def _plain(value: Any) -> Any:
    """`value` in the types JSON has, None for a number that is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
