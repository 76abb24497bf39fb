"""The logarithm against closed forms, against the exponential, and on a trained decoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pullback.geodesics import exponential, logarithm
from pullback.geometry import EuclideanSpace, HyperbolicHalfPlane, Manifold, Sphere


def draw(low: float, high: float, n: int = 4, k: int = 2) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (torch.rand(2, n, k, dtype=torch.float64, generator=random) * (high - low) + low).unbind(0)


def initial_velocity(manifold: Manifold, start: Tensor, end: Tensor, h: float = 1e-5) -> Tensor:
    """Of the closed-form curve, by central differences of order 4: two thirds of 8 (f(h) - f(-h)) ..."""
    t = torch.tensor([-2 * h, -h, h, 2 * h], dtype=torch.float64)
    z = manifold.curve(start, end, t)  # the closed forms go on beyond their ends
    return (z[:, 0] - 8 * z[:, 1] + 8 * z[:, 2] - z[:, 3]) / (12 * h)


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -0.7, 0.7), (HyperbolicHalfPlane(), 0.5, 2.0)])
def test_the_velocity_is_that_of_the_closed_form(manifold: Manifold, low: float, high: float) -> None:
    start, end = draw(low, high)
    found = logarithm(manifold, start, end)
    assert found.converged.all() and (found.miss <= 1e-6).all()
    torch.testing.assert_close(found.velocity, initial_velocity(manifold, start, end), rtol=0, atol=1e-5)
    there = exponential(manifold, start, found.velocity, segments=1).points[:, -1]
    torch.testing.assert_close(there, end, rtol=0, atol=3e-6)


def test_tol_decides_the_miss() -> None:
    """As the exponential finds it, with an accuracy of its own."""
    start, end = draw(0.5, 2.0)
    for tol in (1e-3, 1e-8):
        found = logarithm(HyperbolicHalfPlane(), start, end, tol=tol)
        there = exponential(HyperbolicHalfPlane(), start, found.velocity, segments=1, tol=1e-12).points[:, -1]
        miss = (there - end).norm(dim=1) / (end - start).norm(dim=1)
        assert found.converged.all() and (miss <= 1.1 * tol).all()


def test_equal_points_and_flat_space() -> None:
    start, end = draw(-1, 1, k=3)
    end[0] = start[0]
    found = logarithm(EuclideanSpace(), start, end)
    assert found.converged.all() and not found.velocity[0].any()
    torch.testing.assert_close(found.velocity, end - start, rtol=0, atol=1e-9)


def test_a_geodesic_that_was_not_found_is_not_called_converged() -> None:
    """Beyond the antipode along the equator: `geodesic` has no minimum there."""
    start, end = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    found = logarithm(Broken(), start, end)
    assert not found.converged.any() and found.miss.isinf().all()


class Broken(Sphere):
    """A sphere whose accelerations are wrong, so that no exponential is a geodesic of its metric."""

    def acceleration(self, z: Tensor, v: Tensor) -> Tensor:
        return torch.full_like(z, torch.nan)


@pytest.mark.parametrize("tol", [0.0, 1.0, 1e-12, float("nan")])
def test_bad_tolerances(tol: float) -> None:
    with pytest.raises(ValueError, match="tol"):
        logarithm(Sphere(), *draw(-0.5, 0.5), tol=tol)
