"""Inversion: planted latent points are found again, and no step makes a residual worse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pullback.geodesics import invert
from pullback.geometry import LatentSpace, inversion, manifolds

BOX = ((-1.2, 1.2), (-1.4, 1.4))


def surface(z: Tensor) -> Tensor:
    """An injective surface in R^4."""
    return torch.stack((z[:, 0], z[:, 1], z[:, 0].sin() * z[:, 1], z[:, 1].exp()), 1)


def planted(n: int = 40) -> Tensor:
    return torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_planted_points_are_recovered() -> None:
    z, residual = invert(surface, surface(planted()), BOX, grid=16)
    torch.testing.assert_close(z, planted(), rtol=0, atol=1e-8)
    assert residual.max() < 1e-8


def test_residual_is_the_distance_and_never_above_the_grids() -> None:
    noise = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    images = surface(planted()) + 0.3 * noise
    z, residual = invert(surface, images, BOX, grid=16)
    torch.testing.assert_close(residual, (surface(z) - images).norm(dim=1))
    axes = [torch.linspace(low, high, 16, dtype=torch.float64) for low, high in BOX]
    nodes = torch.cartesian_prod(*axes)
    assert (residual <= torch.cdist(images, surface(nodes)).min(1).values).all()
    error = (surface(z) - images).square().sum(1)
    for step in 1e-4 * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64):
        near = (z + step).clamp(*torch.tensor(BOX, dtype=torch.float64).T)
        assert ((surface(near) - images).square().sum(1) >= error - 1e-12).all()


def test_nearest_node_is_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    images = surface(planted())
    nodes = torch.cartesian_prod(*[torch.linspace(-1, 1, 9, dtype=torch.float64)] * 2)
    monkeypatch.setattr(manifolds, "TOGETHER", 1)  # of 4 pixels and 2 dimensions 32 at a time
    nearest, distance = inversion._nearest(LatentSpace(surface), images, nodes)
    assert nearest[:, 0].equal(nodes[torch.cdist(images, surface(nodes)).argmin(1)])


@pytest.mark.parametrize("k", [1, 3])
def test_any_latent_dimension(k: int) -> None:
    matrix = torch.randn(k, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    z = torch.rand(10, k, dtype=torch.float64) - 0.5
    found, residual = invert(lambda a: a @ matrix, z @ matrix, ((-1, 1),) * k, grid=6)
    torch.testing.assert_close(found, z, rtol=0, atol=1e-9)


def test_a_constant_generator_keeps_the_grid_point() -> None:
    z, residual = invert(lambda a: 0 * a + 1, torch.zeros(2, 2), BOX, grid=4)
    assert z.isfinite().all()
    torch.testing.assert_close(residual, torch.full((2,), math.sqrt(2), dtype=torch.float64))


@pytest.mark.parametrize(
    ("images", "box", "message"),
    [
        (torch.zeros(2, 5), BOX, r"\(n, 4\).*\(2, 5\)"),
        (torch.full((2, 4), torch.nan), BOX, "finite"),
        (torch.zeros(2, 4), ((1, -1), (0, 1)), "low < high"),
        (torch.zeros(2, 4), (0, 1), "low, high"),
    ],
)
def test_bad_input(images: Tensor, box: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert(surface, images, box)
