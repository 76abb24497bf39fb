"""One digit rotated through all angles: data whose shortest paths are known, and how far each metric's are from them.

Codes are given, on a circle, because those that an encoder chooses wind and come near themselves. `docs/rings.md` says
what is judged. The smoke size is that of the test; nothing here is in a notebook yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..geodesics import shortest_path
from ..geodesics.curves import Curves, segment
from ..geometry import (
    BernoulliFisherRao,
    DensityMetric,
    EnsembleMetric,
    ExpectedMetric,
    KernelDensity,
    LatentSpace,
    Manifold,
    rbf_centres,
    rbf_deviation,
)
from .models.losses import bernoulli_loss
from .models.mlp import PIXELS, mlp

NOISE = 0.05  # standard deviation of the codes about the circle
BOX = ((-2.0, 2.0), (-2.0, 2.0))
NEAREST, FARTHEST = 54.0, 162.0  # degrees between the ends of a pair
POINTS = 65  # of a path, at which it is judged
CENTRES, BANDWIDTH = 80, 0.15
LEAST_VARIANCE = 1e-3  # of a pixel about its reconstruction: what a deviation has at the data, at least
ZETAS, FLOORS = (100.0, 1.0, 0.01, 0.0001), (0.3, 0.1, 0.01)


class Ring(NamedTuple):
    """Rotated images (n, 784) in [0, 1], their angles (n,) in radians, and codes (n, 2) by the circle."""

    images: Tensor
    angles: Tensor
    codes: Tensor


class Judged(NamedTuple):
    """The measures of docs/rings.md, (B,) each, and whether two grids agree on the path."""

    off_largest: Tensor
    off_mean: Tensor
    angle: Tensor
    leaves: Tensor
    agreed: Tensor


def ring(image: Tensor, count: int = 2000, seed: int = 0) -> Ring:
    """An image (784,) rotated about its middle through `count` even angles, bilinearly, with codes drawn by `seed`."""
    angles = 2 * math.pi * torch.arange(count, dtype=torch.float32) / count
    turn = torch.stack((angles.cos(), -angles.sin(), 0 * angles, angles.sin(), angles.cos(), 0 * angles), 1)
    grid = F.affine_grid(turn.reshape(-1, 2, 3), [count, 1, 28, 28], align_corners=False)
    images = F.grid_sample(image.reshape(1, 1, 28, 28).expand(count, -1, -1, -1), grid, align_corners=False)
    noise = NOISE * torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return Ring(images.reshape(count, PIXELS).clamp(0, 1), angles, on_circle(angles) + noise)


def on_circle(angles: Tensor) -> Tensor:
    return torch.stack((angles.cos(), angles.sin()), -1)


def train_decoder(data: Ring, seed: int, epochs: int = 400, batch: int = 1000) -> nn.Sequential:
    """A 2-32-128-784 decoder of the codes, tanh and batch norm, in eval mode; the same seed gives the same bits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f = mlp((2, 32, 128, PIXELS), nn.Tanh).append(nn.Sigmoid())
        adam = torch.optim.Adam(f.parameters(), lr=0.01)
        for _ in range(epochs):
            for rows in torch.randperm(len(data.codes)).split(batch):
                adam.zero_grad()
                bernoulli_loss(f[:-1](data.codes[rows]), data.images[rows]).backward()
                adam.step()
    return f.eval().requires_grad_(False)


def pairs(count: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Angles (count,) of the ends, in radians: the second is NEAREST to FARTHEST degrees beyond the first."""
    random = torch.Generator().manual_seed(seed)
    first, apart = torch.rand(2, count, dtype=torch.float64, generator=random)
    start = 2 * math.pi * first
    return start, start + torch.deg2rad(NEAREST + apart * (FARTHEST - NEAREST))


def manifolds(data: Ring, decoder: nn.Sequential, members: list[nn.Sequential]) -> dict[str, Manifold]:
    """Every metric that is compared, by name; `members` are the ensemble's."""
    codes = data.codes.double()
    found: dict[str, Manifold] = {
        "deterministic": LatentSpace(decoder, BOX),
        "Fisher-Rao": BernoulliFisherRao(decoder, BOX),
        "ensemble": EnsembleMetric(members, BOX),
    }
    centres, _ = rbf_centres(codes, min(CENTRES, len(codes) // 4))
    rates = torch.full((len(centres),), 0.5 / BANDWIDTH**2, dtype=torch.float64)
    bells = torch.exp(-rates * torch.cdist(codes, centres).square()).sum(1).mean()
    with torch.no_grad():
        variance = (decoder(data.codes) - data.images).double().square().mean(0).clamp(min=LEAST_VARIANCE)
    weights = (1 / (variance * bells))[:, None].expand(-1, len(centres))
    for zeta in ZETAS:
        found[f"RBF, zeta {zeta:g}"] = ExpectedMetric(decoder, rbf_deviation(centres, rates, weights, zeta), BOX)
    density = KernelDensity(codes, BANDWIDTH)
    level = float(density(on_circle(data.angles.double())).mean())
    for floor in FLOORS:
        found[f"density, floor {floor:g}"] = DensityMetric(density, 1 / level, floor, BOX)
    return found


def judge(decoder: nn.Sequential, data: Ring, points: Tensor, start: Tensor, end: Tensor, agreed: Tensor) -> Judged:
    """The measures of paths with POINTS points (B, POINTS, 2), at equal steps of length in the plane, between the
    angles start and end (B,)."""
    with torch.no_grad():
        images = decoder(points.float().flatten(0, 1))
        exact = "donot_use_mm_for_euclid_dist"  # by products of matrices, equal images are 0.007 apart
        off, nearest = torch.cdist(images, data.images, compute_mode=exact).min(1)
    off, shown = (a.unflatten(0, points.shape[:2]) for a in (off, data.angles.double()[nearest]))
    wanted = start[:, None] + torch.linspace(0, 1, points.shape[1], dtype=torch.float64) * (end - start)[:, None]
    turned = torch.remainder(shown - wanted + math.pi, 2 * math.pi) - math.pi
    leaves = (points.norm(dim=2) - 1).abs().amax(1)
    return Judged(off.amax(1), off.mean(1), turned.abs().mean(1).rad2deg(), leaves, agreed)


def even(curves: Curves | Tensor, count: int = POINTS) -> Tensor:
    """Points (B, count, 2) of curves, or of chains (B, n, 2), at equal steps of their length in the plane."""
    z = curves if isinstance(curves, Tensor) else curves.curve(torch.linspace(0, 1, 8 * count, dtype=torch.float64))
    arc = F.pad(z.diff(dim=1).norm(dim=2).cumsum(1), (1, 0))
    wanted = arc[:, -1:] * torch.linspace(0, 1, count, dtype=z.dtype)
    right = torch.searchsorted(arc.contiguous(), wanted.contiguous()).clamp(1, z.shape[1] - 1)
    a, b = (arc.gather(1, right + i) for i in (-1, 0))
    share = ((wanted - a) / (b - a).clamp(min=torch.finfo(z.dtype).tiny))[..., None]
    left, after = (z.gather(1, (right + i)[..., None].expand(-1, -1, 2)) for i in (-1, 0))
    return torch.lerp(left, after, share)


def compare(
    data: Ring, decoder: nn.Sequential, spaces: Mapping[str, Manifold], count: int = 20, grid: int = 128
) -> dict[str, Judged]:
    """The measures of the straight lines, of the way round the circle, and of every metric's shortest paths."""
    start, end = pairs(count)
    a, b = on_circle(start), on_circle(end)
    t = torch.linspace(0, 1, POINTS, dtype=torch.float64)
    known = torch.ones(count, dtype=torch.bool)
    found = {
        "straight line": judge(decoder, data, segment(a, b, POINTS - 1), start, end, known),
        "circle": judge(decoder, data, on_circle(start[:, None] + t * (end - start)[:, None]), start, end, known),
    }
    for name, space in spaces.items():
        paths = shortest_path(space, a, b, grid=grid, segments=grid, effort=0)
        found[name] = judge(decoder, data, even(paths), start, end, paths.agreed)
    return found
