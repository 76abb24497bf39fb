"""Inversion of a generator: the latent point whose image is nearest to a given one.

The nearest node of a latent grid, by Euclidean distance in pixel space, then Levenberg-Marquardt steps on
|f(z) - x|^2 (Nocedal and Wright, 2006, chapter 10), kept only where the residual falls. They are cut off at the box,
and run along its side where the descent would leave it. The grid makes the result global up to its spacing; a
generator that folds more finely can hide a better point.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..geodesics.curves import POINTS
from .derivatives import Generator
from .latent import LatentSpace

STEPS = 20
DAMPING = 1e-3  # the first; relative, as LEAST, to the mean diagonal of J^T J
LEAST = 1e-12


def invert(f: Generator, images: Tensor, box: tuple[tuple[float, float], ...], grid: int = 64) -> tuple[Tensor, Tensor]:
    """Latent points z (n, k) and residuals |f(z) - x| (n,), pixel units, float64, of images x (n, N).

    `box` is one (low, high) for each of the k latent dimensions, searched with grid points a side; z stays in it.
    ValueError for images that are not finite or of the wrong shape, an empty box, or grid < 2.
    """
    limits = torch.as_tensor(box, dtype=torch.float64, device=images.device)
    if limits.ndim != 2 or limits.shape[1] != 2 or not bool((limits[:, 0] < limits[:, 1]).all()) or grid < 2:
        raise ValueError(f"box must hold one (low, high) with low < high a dimension, grid >= 2; got {box}, {grid}")
    space = LatentSpace(f)
    x = images.detach().to(torch.float64)
    axes = [torch.linspace(low, high, grid, dtype=x.dtype, device=x.device) for low, high in limits.tolist()]
    nodes = torch.cartesian_prod(*axes).reshape(-1, len(limits))
    with torch.no_grad():
        pixels = space.embed(nodes[:1]).shape[1]
        if x.ndim != 2 or x.shape[1] != pixels or not bool(x.isfinite().all()):
            raise ValueError(f"images must be finite and of shape (n, {pixels}), as f's; got {tuple(x.shape)}")
        z = _nearest(space, x, nodes)
        parts = [_polish(space, *part, limits) for part in zip(x.split(POINTS), z.split(POINTS), strict=True)]
    z, residual = (torch.cat(column) for column in zip(*parts, strict=True))
    return z, residual


def _nearest(space: LatentSpace, x: Tensor, nodes: Tensor) -> Tensor:
    """The node (of (m, k)) whose image is nearest to each of x (n, N), as (n, k)."""
    best = torch.full_like(x[:, 0], torch.inf)
    z = nodes[:1].repeat(len(x), 1)
    for part in nodes.split(POINTS):
        distance, index = torch.cdist(x, space.embed(part)).min(1)
        nearer = distance < best
        z[nearer], best[nearer] = part[index[nearer]], distance[nearer]
    return z


def _polish(space: LatentSpace, x: Tensor, z: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """Points (n, k) within limits (k, 2), no further from x (n, N) than z, and their residuals (n,)."""
    error = space.embed(z) - x
    damping = torch.full_like(x[:, 0], DAMPING)
    eye = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    low, high = limits.T
    for _ in range(STEPS):
        j = space.root(z)
        slope = (j.mT @ error[..., None]).squeeze(-1)
        held = ((z == low) & (slope > 0)) | ((z == high) & (slope < 0))
        j = j.masked_fill(held[:, None], 0)
        normal = j.mT @ j
        ridge = (damping * normal.diagonal(dim1=1, dim2=2).mean(1)).clamp(min=torch.finfo(z.dtype).tiny)
        step = torch.linalg.solve(normal + ridge[:, None, None] * eye, j.mT @ error[..., None])
        trial = (z - step.squeeze(-1)).clamp(low, high)
        moved = space.embed(trial) - x
        nearer = moved.norm(dim=1) < error.norm(dim=1)
        z, error = torch.where(nearer[:, None], trial, z), torch.where(nearer[:, None], moved, error)
        damping = torch.where(nearer, damping / 10, damping * 10).clamp(min=LEAST)
    return z, error.norm(dim=1)
