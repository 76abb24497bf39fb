"""The latent points of a model that the study looks at: codes of images, the box of its maps, pairs of test digits.

They are kept with the published models. Another processor rounds a code in another way, and no kept result of a solver
would then be found by its key, which is made of the end points.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry.inversion import invert
from .checkpoints import digest
from .records.quantities import GAN_BOX, Box, percentile_box
from .training import Trained

RECIPE = 1  # the version of what turns a model and images into these points: see recipes.py
FIRST = 10_000  # training images whose codes are shown, and kept with a published model


class Pairs(NamedTuple):
    """Pairs of test images (B, 2) by index, their latent points (B, k), and for a GAN each image's distance (2B,), in
    pixel units, to that of its latent point."""

    images: Tensor
    start: Tensor
    end: Tensor
    residual: Tensor | None


class Points(NamedTuple):
    """What is kept of a model: its box, its pairs, and the codes (FIRST, k) and labels (FIRST,) of the first training
    images; of a GAN no codes."""

    box: Box
    pairs: Pairs
    codes: Tensor | None
    labels: Tensor | None


def key(trained: Trained, data_hash: str, pairs: int, seed: int) -> str:
    """Sixteen hexadecimal digits of what decides a model's points: recipe, weights, data, number of pairs, seed."""
    decisive = [RECIPE, digest(trained.model.state_dict()), data_hash, pairs, seed]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


@torch.no_grad()
def box_of(trained: Trained, images: Tensor | None) -> Box:
    """Where the report maps a model: the 1 to 99 % range of the codes of images (n, 784), [-3, 3]^2 for a GAN."""
    return GAN_BOX if images is None else percentile_box(trained.model.encode(images))


def pairs_of(trained: Trained, images: Tensor, count: int, generator: torch.Generator) -> Pairs:
    """`count` pairs of test images (n, 784), drawn from `generator`: their codes, or for a GAN their inversions."""
    index = torch.randperm(len(images), generator=generator)[: 2 * count].reshape(-1, 2)
    chosen = images[index.flatten()]
    if trained.spec.family == "gan":
        codes, residual = invert(trained.model.generator, chosen, GAN_BOX)
    else:
        with torch.no_grad():
            codes, residual = trained.model.encode(chosen), None
    start, end = codes.reshape(len(index), 2, -1).unbind(1)
    return Pairs(index, start, end, residual)
