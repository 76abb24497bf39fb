"""Rotated images with codes on circles, and pairs of points between which paths are sought."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...geometry import Box
from .. import data
from ..models.mlp import PIXELS

DIGITS = (7, 4)  # the first of each in the committed sample; half a turn makes none of them another or itself
NOISE = 0.05  # standard deviation of the codes about their circle, whose radius is 1
APART = 3.0  # between the centres of two circles
MARGIN = 2.0  # of the box about the centres
NEAREST, FARTHEST = 54.0, 162.0  # degrees between the ends of a pair


class Rings(NamedTuple):
    """Rotated images (n, 784) in [0, 1], their angles (n,) in radians, codes (n, 2), and which digit (n,) each is; the
    centres (D, 2) of the digits' circles."""

    images: Tensor
    angles: Tensor
    codes: Tensor
    digit: Tensor
    centres: Tensor

    @property
    def box(self) -> Box:
        low, high = (self.centres.amin(0) - MARGIN).tolist(), (self.centres.amax(0) + MARGIN).tolist()
        return (low[0], high[0]), (low[1], high[1])

    def at(self, angles: Tensor, digit: Tensor) -> Tensor:
        """Points (..., 2) on the circles of digits (B,) at angles (B, ...)."""
        return on_circle(angles) + self.centres[digit].unflatten(-1, (*[1] * (angles.ndim - digit.ndim), 2))


def chosen(count: int) -> Tensor:
    """The images (count, 784) of the first `count` of DIGITS."""
    images, labels = data.load("train", sample=True)
    return torch.stack([images[labels == digit][0] for digit in DIGITS[:count]])


def rings(originals: Tensor, angles: int, seed: int) -> Rings:
    """Images (D, 784) rotated about their middle through `angles` even angles, bilinearly; `seed` draws the codes."""
    digits = len(originals)
    turns = 2 * math.pi * torch.arange(angles, dtype=torch.float32) / angles
    turn = torch.stack((turns.cos(), -turns.sin(), 0 * turns, turns.sin(), turns.cos(), 0 * turns), 1)
    grid = F.affine_grid(turn.reshape(-1, 2, 3), [angles, 1, 28, 28], align_corners=False)
    stack = originals.reshape(1, digits, 28, 28).expand(angles, -1, -1, -1)
    images = F.grid_sample(stack, grid, align_corners=False).transpose(0, 1).reshape(-1, PIXELS).clamp(0, 1)
    noise = NOISE * torch.randn(digits * angles, 2, generator=torch.Generator().manual_seed(seed))
    digit, centres = torch.arange(digits).repeat_interleave(angles), _centres(digits)
    codes = on_circle(turns).repeat(digits, 1) + centres[digit].float() + noise
    return Rings(images, turns.repeat(digits), codes, digit, centres)


def on_circle(angles: Tensor) -> Tensor:
    return torch.stack((angles.cos(), angles.sin()), -1)


def _centres(digits: int) -> Tensor:
    """Of a regular polygon with sides APART; one circle is about the origin."""
    if digits == 1:
        return torch.zeros(1, 2, dtype=torch.float64)
    turns = 2 * math.pi * torch.arange(digits, dtype=torch.float64) / digits
    return APART / (2 * math.sin(math.pi / digits)) * on_circle(turns)


class Pairs(NamedTuple):
    """Angles (B,) of the ends of ways round a circle, in radians, and the digit (B,) whose circle it is."""

    start: Tensor
    end: Tensor
    digit: Tensor

    def angles(self, count: int) -> Tensor:
        """The angles (B, count) at even shares of the way."""
        t = torch.linspace(0, 1, count, dtype=torch.float64)
        return self.start[:, None] + t * (self.end - self.start)[:, None]


def pairs(count: int = 20, digits: int = 1, seed: int = 0) -> Pairs:
    """`count` pairs, the digits in turn: the second end is NEAREST to FARTHEST degrees beyond the first."""
    random = torch.Generator().manual_seed(seed)
    first, apart = torch.rand(2, count, dtype=torch.float64, generator=random)
    start = 2 * math.pi * first
    return Pairs(start, start + torch.deg2rad(NEAREST + apart * (FARTHEST - NEAREST)), torch.arange(count) % digits)
