"""Inversion of a generator: the latent point whose image is nearest to a given one.

The nearest node of a latent grid, by Euclidean distance in pixel space, then Levenberg-Marquardt steps on
|f(z) - x|^2 (Nocedal and Wright, 2006, chapter 10), kept only where the residual falls. Steps are cut off at the box.
Where descent would leave the box they run along its side. The grid makes the result global up to its spacing; a
generator that folds more finely can hide a better point.

A grid has grid^k nodes. Where that is more than NODES, as many points of a scrambled Sobol sequence (Owen, 1998) take
its place, and steps start from the STARTS nearest. Then the result is the best of so many local ones.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from .derivatives import Generator
from .inputs import as_box, as_tensor
from .latent import as_manifold
from .manifolds import Embedded, Manifold

NODES = 2**18  # the most that a grid may have: 64 a side in three dimensions
SCATTERED = 2**15  # nodes that take the place of a larger grid
STARTS = 8  # of each image, from scattered nodes
STEPS = 20
DAMPING = 1e-3  # the first; relative, as LEAST_DAMPING, to the mean diagonal of J^T J
LEAST_DAMPING = 1e-12


@torch.no_grad()
def invert(f: Manifold | Generator, images: Any, box: Any, grid: int = 64) -> tuple[Tensor, Tensor]:
    """Latent points z (n, k) and residuals |f(z) - x| (n,), pixel units, float64, of images x (n, N).

    f is an embedded manifold or any generator. `images` are flattened if they have more dimensions. `box` has one
    (low, high) for each of the k latent dimensions; it is searched with `grid` points a side, and z stays in it.
    ValueError or TypeError for a manifold without images, for images that are not finite or of the wrong shape, for an
    empty box or one of the wrong dimension, for grid < 2, and for an f that lies, or is finite nowhere on the grid.
    """
    space, limits = as_manifold(f), as_box(box)
    if not isinstance(space, Embedded):
        raise TypeError(f"f must be a generator of images or an embedded manifold; got {type(space).__name__}")
    if isinstance(grid, bool) or not isinstance(grid, int) or grid < 2:
        raise ValueError(f"grid must be an integer, at least 2; got {grid!r}")
    x = as_tensor(images, "images", space.dtype).detach()
    limits = limits.to(x)
    nodes, starts = _nodes(limits, grid)
    space.check(nodes)
    x = x.flatten(1) if x.ndim > 2 else x
    pixels = space.images(nodes[:1]).shape[1]
    if x.ndim != 2 or x.shape[1] != pixels or not bool(x.isfinite().all()):
        raise ValueError(f"images must be finite and of shape (n, {pixels}), as f's; got {tuple(x.shape)}")
    if not len(x):
        return limits.new_zeros(0, len(limits)).double(), limits.new_zeros(0).double()
    z, distance = _nearest(space, x, nodes, min(starts, len(nodes)))
    if not bool(distance.isfinite().all()):
        raise ValueError(f"f is not finite at any of {len(nodes)} nodes of the box {limits.tolist()}")
    n, starts = distance.shape

    def polish(z: Tensor, x: Tensor) -> Tensor:
        return torch.cat(_polish(space, z, x, limits), 1)

    found = space.in_parts(polish, z.flatten(0, 1), x.repeat_interleave(starts, 0)).unflatten(0, (n, starts))
    best = found[torch.arange(n, device=x.device), found[..., -1].argmin(1)].double()
    return best[:, :-1], best[:, -1]


def _nodes(limits: Tensor, grid: int) -> tuple[Tensor, int]:
    """Nodes (m, k) of the box with limits (k, 2), and how many of them steps start from."""
    k = len(limits)
    if grid**k <= NODES:
        axes = [torch.linspace(low, high, grid, dtype=limits.dtype, device=limits.device) for low, high in limits]
        return torch.cartesian_prod(*axes).reshape(-1, k), 1
    cube = SobolEngine(k, scramble=True, seed=0).draw(SCATTERED, dtype=limits.dtype).to(limits.device)
    return torch.lerp(limits[:, 0], limits[:, 1], cube), STARTS


def _nearest(space: Embedded, x: Tensor, nodes: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """The `count` nodes, of (m, k), whose images are nearest to each of x (n, N), and distances: (n, count, k) and
    (n, count), the nearest first. Nodes at which f is not finite are at an infinite distance."""
    best = torch.full((len(x), count), torch.inf, dtype=x.dtype, device=x.device)
    index = torch.zeros(len(x), count, dtype=torch.int64, device=x.device)

    for numbers in torch.arange(len(nodes), device=x.device).split(space.together(nodes)):
        distances = torch.cdist(x, space.images(nodes[numbers])).nan_to_num(torch.inf, torch.inf)
        best, order = torch.cat((best, distances), 1).sort(dim=1, stable=True)
        index = torch.cat((index, numbers.expand(len(x), -1)), 1).gather(1, order[:, :count])
        best = best[:, :count]
    return nodes[index], best


def _polish(space: Embedded, z: Tensor, x: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """Points (n, k) within limits (k, 2), no further from x (n, N) than z (n, k), and their residuals (n, 1)."""
    error = space.images(z) - x
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
        step = torch.linalg.solve_ex(normal + ridge[:, None, None] * eye, j.mT @ error[..., None])[0]
        trial = (z - step.squeeze(-1)).clamp(low, high)
        moved = space.images(trial) - x
        nearer = moved.norm(dim=1) < error.norm(dim=1)
        z, error = torch.where(nearer[:, None], trial, z), torch.where(nearer[:, None], moved, error)
        damping = torch.where(nearer, damping / 10, damping * 10).clamp(min=LEAST_DAMPING)
    return z, error.norm(dim=1, keepdim=True)
