"""The numbers of a map, of a GAN's samples, and of a model's reconstructions."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ...geometry import Box, Embedded, LatentMap, log_cond, singular_values
from ..figures import quantiles
from ..models import DAE, GAN, VAE, Classifier
from ..models.losses import bernoulli_loss
from .schema import Beyond, MapNumbers, Quantiles, Shares

Encoding = VAE | DAE  # a model that has codes of its own
GAN_BOX: Box = ((-3.0, 3.0), (-3.0, 3.0))
PRIOR_BOX: Box = ((float(norm.ppf(0.01)), float(norm.ppf(0.99))),) * 2  # of a GAN's prior, as `percentile_box` of codes
BADLY_CONDITIONED = 20.0  # condition number of J; the report calls all its VAEs, which reach 15, well conditioned
CODES = 10_000  # codes at which conditioning is measured, and random pairs of codes between which gaps are
COVERED = 0.01  # share of the samples from which a class counts as covered


def percentile_box(codes: Tensor, share: float = 0.01) -> Box:
    """The box ((x_min, x_max), (y_min, y_max)) from the `share` to the 1 - `share` quantile of codes (n, 2)."""
    low, high = np.quantile(codes.double().numpy(), [share, 1 - share], axis=0).tolist()
    return ((low[0], high[0]), (low[1], high[1]))


def widened(box: Box, factor: float) -> Box:
    """The box with the same centre and `factor` times the sides."""

    def stretch(low: float, high: float) -> tuple[float, float]:
        return (low + high - factor * (high - low)) / 2, (low + high + factor * (high - low)) / 2

    return stretch(*box[0]), stretch(*box[1])


def describe(m: LatentMap) -> MapNumbers:
    """What a reader reads off a map: quantiles of both quantities, and the numbers below."""
    return MapNumbers(
        log_det=Quantiles(**quantiles(m.log_det)),
        log_cond=Quantiles(**quantiles(m.log_cond)),
        rank_deficient=int(np.isinf(m.log_cond).sum()),
        badly_conditioned=badly_conditioned(m),
        roughness=roughness(m),
        centre_excess=centre_excess(m),
    )


def badly_conditioned(m: LatentMap) -> float:
    """Share of the map's area where the condition number of J exceeds 20."""
    return float((m.log_cond > np.log(BADLY_CONDITIONED)).mean())


def shares_above(log_conds: ArrayLike) -> Shares:
    """Shares of places above each condition number of `Shares`, of their log_cond."""
    found = np.asarray(log_conds)
    return Shares(*(float((found > np.log(condition)).mean()) for condition in (5, 10, 20, 50)))


def shares_at_codes(space: Embedded, codes: Tensor) -> Shares:
    """`shares_above` at the first CODES of codes (n, 2), so that places count as often as data lie there."""

    def conditioning(z: Tensor) -> Tensor:
        return log_cond(singular_values(space.root(z)))

    return shares_above(space.in_parts(conditioning, codes[:CODES].double()).numpy())


def midpoints(codes: Tensor, noise: torch.Generator) -> Tensor:
    """The midpoints (CODES, 2) of random pairs of codes (n, 2), each of two different ones."""
    first = torch.randint(len(codes), (CODES,), generator=noise)
    second = (first + torch.randint(1, len(codes), (CODES,), generator=noise)) % len(codes)
    return (codes[first] + codes[second]) / 2


def log_area(codes: Tensor) -> float:
    """The logarithm of the square root of the determinant of the covariance of codes (n, 2)."""
    return torch.linalg.slogdet(codes.double().T.cov()).logabsdet.item() / 2


def roughness(m: LatentMap) -> float:
    """Mean norm of the gradient of log_det over the map, per box: latent lengths are measured in sides of the box,
    so that the latent scale, which is a convention, drops out. Central differences; finite points only."""
    (slope_y, slope_x) = np.gradient(m.log_det, np.linspace(0, 1, len(m.y)), np.linspace(0, 1, len(m.x)))
    norm = np.hypot(slope_x, slope_y)
    return float(norm[np.isfinite(norm)].mean())


def centre_excess(m: LatentMap) -> float:
    """Median log_det in the disc about the latent origin with half the box's smaller half-width, less that of the
    map; for a box that does not hold the origin the disc is about the box's centre. Finite values only."""
    (x_min, x_max), (y_min, y_max) = m.box
    holds_origin = x_min < 0 < x_max and y_min < 0 < y_max
    x, y = (0.0, 0.0) if holds_origin else ((x_min + x_max) / 2, (y_min + y_max) / 2)
    radius = min(x_max - x_min, y_max - y_min) / 4
    disc = np.hypot(m.x[None, :] - x, m.y[:, None] - y) <= radius
    finite = np.isfinite(m.log_det)
    return float(np.median(m.log_det[disc & finite]) - np.median(m.log_det[finite]))


def outside(m: LatentMap, box: Box) -> NDArray[np.bool_]:
    """Which points of a map, (rows, columns), lie outside a box."""
    (x_min, x_max), (y_min, y_max) = box
    x, y = m.x[None, :], m.y[:, None]
    return (x < x_min) | (x > x_max) | (y < y_min) | (y > y_max)


def beyond(wide: LatentMap, box: Box) -> Beyond:
    """log_det in and out of the box of the data, over a map that is wider. Finite values only; beside them stands the
    share of the points outside that are rank deficient."""
    out, finite = outside(wide, box), np.isfinite(wide.log_det)
    return Beyond(
        median_inside=float(np.median(wide.log_det[~out & finite])),
        median_outside=float(np.median(wide.log_det[out & finite])),
        lowest_outside=float(wide.log_det[out & finite].min()),
        rank_deficient_outside=float(1 - finite[out].mean()),
    )


@dataclass(frozen=True)
class Coverage:
    """How the classifier sees a GAN's samples: the share of each class (10,) and its mean confidence."""

    shares: list[float]
    confidence: float

    @property
    def classes(self) -> int:
        """Classes with at least 1 % of the samples."""
        return sum(share >= COVERED for share in self.shares)


@torch.no_grad()
def coverage(gan: GAN, judge: Classifier, count: int, noise: torch.Generator) -> Coverage:
    """The classes of `count` samples of `gan` as `judge` sees them; both in eval mode."""
    labels, confidence = judge.classify(gan.sample(count, noise))
    return Coverage((torch.bincount(labels, minlength=10).double() / count).tolist(), confidence.mean().item())


@torch.no_grad()
def accuracy(judge: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of images (n, 784) that the classifier gives its label (n,)."""
    return (judge.classify(images)[0] == labels).double().mean().item()


@torch.no_grad()
def reconstruction_loss(model: Encoding, images: Tensor) -> float:
    """Binary cross-entropy, in nats an image, of the images given the decoded mean code of each; no noise is drawn."""
    return bernoulli_loss(model.generator[:-1](model.encode(images)), images).item()


@torch.no_grad()
def recalibrated(model: Encoding, images: Tensor) -> Encoding:
    """A copy whose batch norm statistics are averages over images (n, 784) at the final weights.

    Those that training leaves behind are running averages over the weights of its last steps, which at a high
    learning rate differ from the final ones.
    """
    model = copy.deepcopy(model)
    update_bn(images.split(1000), model.encoder)
    update_bn(model.encode(images).split(1000), model.generator)
    return model
