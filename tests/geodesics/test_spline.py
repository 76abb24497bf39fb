"""Spline descent against closed forms, the default solver, and the invariances of the problem."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pullback.geodesics import measure, newton
from pullback.geodesics.descent import minimise
from pullback.geodesics.spline import _basis, solve
from pullback.geometry.latent import LatentSpace
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere
from shared import decoder, pairs


@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("pieces", [1, 2, 8])
def test_basis_vanishes_at_the_ends_and_is_orthonormal_in_h1(degree: int, pieces: int) -> None:
    n = 20000
    basis = _basis(degree, pieces, n)
    assert basis.shape == (n + 1, pieces + degree - 2)
    assert np.abs(basis[[0, -1]]).max(initial=0) < 1e-12
    slopes = np.diff(basis, axis=0) * n
    np.testing.assert_allclose(slopes.T @ slopes / n, np.eye(basis.shape[1]), atol=1e-5)


@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -1.1, 1.1), (HyperbolicHalfPlane(), 0.3, 2.0)])
def test_error_on_surfaces_falls_with_the_pieces(manifold, low: float, high: float, degree: int) -> None:
    """The length is stationary, so its error is the square of the spline's in H^1: order 2 degree in 1/pieces."""
    start, end = pairs(8, low, high)
    distance, errors = manifold.distance(start, end), []
    for pieces in (2, 4, 8):
        found = solve(manifold, start, end, degree=degree, pieces=pieces, segments=128, tol=1e-11)
        assert found.converged.all()
        errors.append(float((measure(manifold, found.points).length / distance - 1).max()))
    assert errors[0] > errors[1] > errors[2] > 0
    assert math.log2(errors[0] / errors[2]) / 2 > degree
    assert errors[2] < 1e-4


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_euclidean_space_has_straight_geodesics(k: int) -> None:
    start, end = pairs(5, -1, 1, k)
    found = solve(EuclideanSpace(), start, end)
    assert found.converged.all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)
    torch.testing.assert_close(measure(EuclideanSpace(), found.points).length, (end - start).norm(dim=1))


@pytest.mark.parametrize("k", [2, 4])
def test_agrees_with_newton(k: int) -> None:
    manifold, (start, end) = LatentSpace(decoder(k)), pairs(8, -2, 2, k)
    found, expected = solve(manifold, start, end, pieces=16, tol=1e-9), newton.solve(manifold, start, end)
    both = found.converged & expected.converged
    assert found.converged.all() and both.sum() >= 8 // 2
    lengths = [measure(manifold, solution.points[both]).length for solution in (found, expected)]
    torch.testing.assert_close(lengths[0], lengths[1], rtol=1e-3, atol=0)


def test_the_flag_means_near_the_optimum_among_splines() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(20, -2, 2)
    found, best = solve(manifold, start, end), solve(manifold, start, end, tol=1e-13, steps=1000)
    assert found.converged.all()
    lengths = [measure(manifold, solution.points).length for solution in (found, best)]
    torch.testing.assert_close(lengths[0], lengths[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
@pytest.mark.parametrize("settings", [{}, {"objective": "length", "segments": 128}])
def test_shorter_than_the_straight_line(settings: dict, activation: type[nn.Module]) -> None:
    f, (start, end) = decoder(activation=activation), pairs(10, -2, 2)
    line = torch.lerp(start[:, None], end[:, None], torch.linspace(0, 1, 129, dtype=torch.float64)[:, None])
    found = solve(LatentSpace(f), start, end, **settings)
    assert (measure(f, found.points).length < measure(f, line).length).all()


def test_energy_gives_constant_speed() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(10, -2, 2)
    found = measure(manifold, solve(manifold, start, end).points)
    torch.testing.assert_close(found.energy, found.length.square(), rtol=0.01, atol=0)


def test_length_agrees_with_energy_on_the_sphere() -> None:
    start, end = pairs(6, -0.8, 0.8)
    found = solve(Sphere(), start, end, objective="length")
    torch.testing.assert_close(measure(Sphere(), found.points).length, Sphere().distance(start, end), rtol=1e-4, atol=0)


@pytest.mark.parametrize("objective", ["energy", "length"])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_no_iterate(factor: float, objective: str) -> None:
    f, (start, end) = decoder().double(), pairs(6, -1.5, 1.5)
    plain = solve(LatentSpace(f), start, end, objective=objective, steps=30)
    scaled = solve(LatentSpace(lambda z: factor * f(z)), start, end, objective=objective, steps=30)
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-7)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_scaling_and_turning_the_latent_space_changes_no_iterate() -> None:
    f, (start, end) = decoder().double(), pairs(6, -1.5, 1.5)
    turn = 50 * torch.tensor([[0.6, 0.8], [-0.8, 0.6]], dtype=torch.float64)
    plain = solve(LatentSpace(f), start, end)
    turned = solve(LatentSpace(lambda z: f(z @ turn.inverse())), start @ turn, end @ turn)
    torch.testing.assert_close(turned.points @ turn.inverse(), plain.points, rtol=0, atol=1e-7)
    assert turned.iterations.equal(plain.iterations)


def test_a_batch_is_its_pairs_one_by_one() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(5, -2, 2)
    together = solve(manifold, start, end)
    for i in range(5):
        alone = solve(manifold, start[i : i + 1], end[i : i + 1])
        torch.testing.assert_close(alone.points[0], together.points[i], rtol=0, atol=1e-7)
        assert alone.iterations[0] == together.iterations[i]


def test_a_curve_that_is_stopped_says_so() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(6, -2, 2)
    found = solve(manifold, start, end, steps=1)
    assert not found.converged.any() and (found.criterion > 1e-6).all()
    assert (found.iterations == 1).all()
    assert solve(manifold, start, end, tol=1e-3).iterations.max() < solve(manifold, start, end).iterations.max()


def test_a_pair_that_fails_spoils_no_other() -> None:
    """f is not finite below z_0 = -1: the first pair starts there."""

    def f(z: Tensor) -> Tensor:
        return torch.cat(((z[:, :1] + 1).sqrt(), z.sin()), 1)

    start = torch.tensor([[-1.5, 0.0], [0.2, 0.1]]).double()
    end = torch.tensor([[1.0, 1.0], [1.0, 1.0]]).double()
    found = solve(LatentSpace(f), start, end)
    assert found.converged.tolist() == [False, True]
    torch.testing.assert_close(found.points[1], solve(LatentSpace(f), start[1:], end[1:]).points[0])


def test_rank_deficient_generator() -> None:
    found = solve(
        LatentSpace(lambda z: torch.stack((z[:, 0], z[:, 0].square()), 1)),
        *(torch.tensor([[a, a]]).double() for a in (0.0, 1.0)),
    )
    assert found.points.isfinite().all()
    length = measure(lambda z: torch.stack((z[:, 0], z[:, 0].square()), 1), found.points).length
    assert length.item() == pytest.approx((2 * math.sqrt(5) + math.asinh(2)) / 4, rel=1e-3)


def test_a_generator_that_is_constant_between_the_ends() -> None:
    found = solve(LatentSpace(lambda z: 0 * z + 1), *pairs(2, -1, 1), objective="length")
    assert found.points.isfinite().all()


def test_nothing_given_is_modified() -> None:
    f, (start, end) = decoder().double(), pairs(3, -2, 2)
    copies = start.clone(), end.clone()
    found = solve(LatentSpace(f), start, end)
    assert start.equal(copies[0]) and end.equal(copies[1])
    assert not found.points.requires_grad and all(parameter.grad is None for parameter in f.parameters())


def test_minimise_solves_badly_scaled_quadratics() -> None:
    """Problems of one batch with condition numbers from 1 to 1e6, each with its own minimum."""
    scales = torch.logspace(0, 1, 6, dtype=torch.float64) ** torch.arange(0, 7, 2)[:, None]
    target = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def function(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        gradient = scales[rows] * (x - target[rows])
        return 1 + (gradient * (x - target[rows])).sum(1) / 2, gradient

    x, criterion, iterations = minimise(
        function, lambda x, before, rows: rows >= 0, torch.zeros_like(target), 500, 1e-12
    )
    assert (criterion <= 1e-12).all()
    torch.testing.assert_close(x, target, rtol=0, atol=1e-4)
    assert iterations[0] < iterations[3] < 500


@pytest.mark.parametrize(
    "setting",
    [
        {"degree": 4},
        {"pieces": 0},
        {"segments": 15},
        {"objective": "area"},
        {"steps": 0},
        {"tol": 0.0},
        {"tol": math.nan},
    ],
)
def test_bad_settings(setting: dict) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        solve(Sphere(), *pairs(1, -1, 1), **setting)
