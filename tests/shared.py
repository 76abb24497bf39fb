"""What the tests of geometry and of geodesics share: random decoders, scalings, and random pairs of points."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def decoder(k: int = 2, gain: float = 1.5, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """A random generator R^k -> R^50 in float32 and eval mode; the more `gain`, the more it bends."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(k, 16), nn.BatchNorm1d(16), activation(), nn.Linear(16, 32), activation()]
        f = nn.Sequential(*layers, nn.Linear(32, 50), nn.Sigmoid())
        for layer in (f[0], f[3], f[5]):
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
        f(torch.randn(500, k))
    return f.eval()


def scaling(size: int, factor: float, shift: float = 0.0) -> nn.Linear:
    """The map x -> factor x + shift of R^size."""
    layer = nn.Linear(size, size)
    with torch.no_grad():
        layer.weight.copy_(factor * torch.eye(size))
        layer.bias.fill_(shift)
    return layer


def pairs(count: int, low: float, high: float, k: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Start and end points (count, k), uniform in a cube."""
    random = torch.Generator().manual_seed(seed)
    start, end = torch.rand(2, count, k, dtype=torch.float64, generator=random) * (high - low) + low
    return start, end
