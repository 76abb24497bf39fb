"""The numbers of a curve: how well it interpolates images, whether data are sparse on its way, how sensitive it is.

The sparsity of a latent point is the radius of the disc about it that holds a thousandth of the codes, over the median
of that radius at the codes themselves: 1 among the data, whatever their number, and growing with the distance to them.
Lengths in latent space are in sides of the box that holds the data, so that the latent scale, a convention, drops out.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from ...geodesics.curves import interpolate
from ...geometry import Box, log_det, singular_values
from ..models import Classifier
from .schema import Quality

SHARE = 1e-3  # of the codes, in the disc whose radius is the sparsity
PROBES = 5_000  # codes at which the usual radius is taken
SPARSE = 0.99  # the quantile of the codes' own sparsity above which a point is called sparse
FRAMES = 33  # images along a curve, end points included
CHAIN = 257  # points of a curve between which it is taken for straight
STRIDE = (CHAIN - 1) // (FRAMES - 1)


class Shown(Protocol):
    """What is asked of a space: images (n, N) of points (n, k), and roots (n, N, k) of the metric (see `Manifold`)."""

    def images(self, z: Tensor) -> Tensor: ...

    def root(self, z: Tensor) -> Tensor: ...


class Sparsity:
    """The sparsity of latent points (n, 2), as the module defines it, for codes (m, 2) and the box of the data."""

    def __init__(self, codes: Tensor, box: Box) -> None:
        self._low, self._sides = np.array(box)[:, 0], np.ptp(np.array(box), axis=1)
        scaled = self._scaled(codes)
        self._tree, self._count = KDTree(scaled), max(1, round(SHARE * len(codes)))
        own = self._tree.query(scaled[:PROBES], [self._count + 1])[0]  # a code's own nearest code is itself
        self._usual = np.median(own)
        self.limit = float(np.quantile(own, SPARSE) / self._usual)  # above it a point is sparse

    def __call__(self, z: Tensor) -> NDArray[np.float64]:
        return self._tree.query(self._scaled(z), [self._count])[0][:, 0] / self._usual

    def _scaled(self, z: Tensor) -> NDArray[np.float64]:
        return (z.double().numpy() - self._low) / self._sides


def times(count: int) -> Tensor:
    """`count` times from 0 to 1."""
    return torch.linspace(0, 1, count, dtype=torch.float64)


def nearest_image(decoded: Tensor, images: Tensor, chunk: int = 512) -> Tensor:
    """Euclidean distances (n,) of decoded images (n, N) to the nearest of images (m, N)."""
    squares = images.square().sum(1)
    parts = [(squares - 2 * x @ images.T).min(1).values + x.square().sum(1) for x in decoded.split(chunk)]
    return torch.cat(parts).clamp(min=0).sqrt()


@torch.no_grad()
def features(judge: Classifier, images: Tensor) -> Tensor:
    """What the classifier's last hidden layer says (n, width) of images (n, 784)."""
    return judge.logits[:-1](images)


@torch.no_grad()
def quality(
    space: Shown, z: Tensor, judge: Classifier, sparsity: Sparsity, images: Tensor, known: Tensor | None = None
) -> Quality:
    """How well curves z (B, CHAIN, 2), in their own parameter, interpolate in `space`: one number a curve.

    evenness: coefficient of variation of the image steps between frames at equal steps of the parameter; 0 if all steps
    are alike. All else is independent of the parameter. Over frames at equal steps in image space: nearest is the mean
    distance of the inner frames to the nearest of `images` (m, N); confidence and lowest_confidence are the
    classifier's, in its first choice; changes counts how often that choice changes. Over latent length: sparse is the
    share at sparse points; log_det is its mean.

    With the `features` of the images, `known` (m, width), features is as nearest, between features: a distance in
    pixels favours images that are blurred.
    """
    own = space.images(z[:, ::STRIDE].flatten(0, 1)).unflatten(0, (len(z), -1))
    steps = own.diff(dim=1).norm(dim=2)
    frames = space.images(equal_steps(space, z, FRAMES).flatten(0, 1)).float().unflatten(0, (len(z), -1))
    inner = frames[:, 1:-1].flatten(0, 1)
    distance = nearest_image(inner, images).unflatten(0, (len(z), -1))
    seen = None if known is None else nearest_image(features(judge, inner), known).unflatten(0, (len(z), -1))
    label, probability = (told.unflatten(0, frames.shape[:2]) for told in judge.classify(frames.flatten(0, 1)))
    middle, length = (z[:, 1:] + z[:, :-1]) / 2, z.diff(dim=1).norm(dim=2)
    part = length / length.sum(1, keepdim=True)
    sparse = torch.from_numpy(sparsity(middle.flatten(0, 1)) > sparsity.limit).reshape(part.shape)
    magnitude = log_det(singular_values(space.root(middle.flatten(0, 1)))).reshape(part.shape)
    return Quality(
        evenness=(steps.std(1, correction=0) / steps.mean(1)).tolist(),
        nearest=distance.mean(1).tolist(),
        confidence=probability.mean(1).tolist(),
        lowest_confidence=probability.min(1).values.tolist(),
        changes=(label.diff(dim=1) != 0).sum(1).tolist(),
        sparse=(sparse * part).sum(1).tolist(),
        log_det=(magnitude * part).sum(1).tolist(),
        features=None if seen is None else seen.mean(1).tolist(),
    )


def equal_steps(space: Shown, z: Tensor, count: int) -> Tensor:
    """`count` points on each of the curves z (B, n, 2), at equal distances along the image of the curve, as (B, count,
    2)."""
    images = space.images(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    along = torch.nn.functional.pad(images.diff(dim=1).norm(dim=2).cumsum(1), (1, 0))
    points = []
    for curve, s in zip(z.numpy(), along.numpy(), strict=True):
        wanted = np.linspace(0, s[-1], count)
        points.append(np.stack([np.interp(wanted, s, coordinate) for coordinate in curve.T], axis=1))
    return torch.from_numpy(np.stack(points))


def sensitivity(space: Shown, points: Tensor, size: float) -> Tensor:
    """Relative lengthening (B,) of curves with knots points (B, n + 1, 2) that are moved aside, across their chords.

    They are moved by size * sin(pi t), to one side and to the other; the mean of both is returned. Lengths are those of
    chains of decoded images.
    """
    z = interpolate(points, times(CHAIN))
    chord = z[:, -1] - z[:, 0]
    across = torch.stack((-chord[:, 1], chord[:, 0]), 1) / chord.norm(dim=1, keepdim=True)
    bump = size * torch.linspace(0, math.pi, CHAIN, dtype=torch.float64).sin()[:, None] * across[:, None]

    def length(curves: Tensor) -> Tensor:
        return torch.stack([space.images(curve).diff(dim=0).norm(dim=1).sum() for curve in curves])

    return (length(z + bump) + length(z - bump)) / (2 * length(z)) - 1
