"""The fixed-point iteration against closed forms, its kernel against differentiation, its failures flagged."""

from __future__ import annotations

import math

import pytest
import torch
from torch.func import grad

from pullback.geodesics import fixed_point
from pullback.geodesics.curves import measure, segment
from pullback.geometry.latent import LatentSpace
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere
from shared import decoder, pairs


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -0.8, 0.8), (HyperbolicHalfPlane(), 0.7, 1.7)])
def test_curves_are_those_of_the_closed_form(manifold: Sphere | HyperbolicHalfPlane, low: float, high: float) -> None:
    start, end = pairs(6, low, high)
    found = fixed_point.solve(manifold, start, end, nodes=20, tol=1e-8)
    assert found.converged.all() and (found.criterion <= 1e-8).all()
    torch.testing.assert_close(measure(manifold, found.points).length, manifold.distance(start, end), rtol=1e-6, atol=0)
    exact = manifold.curve(start, end, torch.linspace(0, 1, 65).double())
    torch.testing.assert_close(found.points, exact, rtol=0, atol=1e-5)


def test_more_nodes_are_more_accurate() -> None:
    """Faster than with the fourth power of their number."""
    manifold, (start, end) = HyperbolicHalfPlane(), pairs(3, 0.7, 1.7)
    exact = manifold.curve(start, end, torch.linspace(0, 1, 65).double())
    few, many = (
        (fixed_point.solve(manifold, start, end, nodes=n, tol=1e-9).points - exact).abs().max() for n in (6, 24)
    )
    assert few > (24 / 6) ** 4 * many


@pytest.mark.parametrize(("p", "q"), [(0, 0), (1, 0), (0, 2), (1, 2), (2, 2)])
def test_kernel_derivatives_are_those_of_automatic_differentiation(p: int, q: int) -> None:
    x, y = torch.tensor(0.3).double(), torch.tensor(0.55).double()
    f = lambda a, b: (-(a - b).square() / (2 * 0.2**2)).exp()  # noqa: E731
    for _ in range(p):
        f = grad(f, 0)
    for _ in range(q):
        f = grad(f, 1)
    torch.testing.assert_close(fixed_point._kernel(x[None], y[None], 0.2, p, q)[0, 0], f(x, y))


def test_weights_integrate_twice() -> None:
    """Of g'' = 2 the curve that vanishes at both ends is t^2 - t."""
    t = torch.linspace(0, 1, 33).double()
    twice = fixed_point._weights(20, t, 0) @ torch.full((20,), 2.0).double()
    torch.testing.assert_close(twice, t.square() - t, rtol=0, atol=1e-5)
    once = fixed_point._weights(20, t, 1) @ torch.full((20,), 2.0).double()
    torch.testing.assert_close(once, 2 * t - 1, rtol=0, atol=1e-4)


@pytest.mark.parametrize("k", [1, 3])
def test_flat_space_needs_no_iteration(k: int) -> None:
    start, end = pairs(2, -1, 1, k)
    found = fixed_point.solve(EuclideanSpace(), start, end)
    assert found.converged.all() and (found.iterations == 0).all()
    torch.testing.assert_close(found.points, segment(start, end, 64))


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_nothing(factor: float) -> None:
    f, (start, end) = decoder(gain=1.0).double(), pairs(3, -1, 1)
    for iterations in (1, 20):
        plain, scaled = (
            fixed_point.solve(LatentSpace(g), start, end, max_iterations=iterations)
            for g in (f, lambda z: factor * f(z))
        )
        torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-8)
        assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_scaling_the_chart_changes_nothing() -> None:
    start, end = pairs(3, 0.7, 1.7)
    plain = fixed_point.solve(HyperbolicHalfPlane(), start, end)
    scaled = fixed_point.solve(HyperbolicHalfPlane(), 1024 * start, 1024 * end)
    torch.testing.assert_close(scaled.points, 1024 * plain.points, rtol=1e-9, atol=0)
    assert scaled.iterations.equal(plain.iterations)


def test_a_map_that_does_not_contract_is_flagged() -> None:
    """From near the equator's arc of 1.3 pi, beyond its conjugate point."""
    start, end = torch.tensor([[0.05, 0.0]]).double(), torch.tensor([[0.05, 1.3 * math.pi]]).double()
    found = fixed_point.solve(Sphere(), start, end, max_iterations=200)
    assert not found.converged.any() and (found.criterion > 1e-3).all()


def test_a_pair_that_breaks_down_fails_alone() -> None:
    """The line passes y < 0, where the half-plane ends."""
    start, end = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).double(), torch.tensor([[1.0, -1.0], [1.0, 1.0]]).double()
    found = fixed_point.solve(HyperbolicHalfPlane(), start, end)
    assert found.converged.tolist() == [False, True] and found.criterion[0] == math.inf
    assert found.points.isfinite().all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)


def test_batch_equals_one_by_one_and_arguments_stay() -> None:
    start, end = pairs(4, -0.8, 0.8)
    kept = start.clone(), end.clone()
    whole = fixed_point.solve(Sphere(), start, end)
    assert start.equal(kept[0]) and end.equal(kept[1])
    for i in range(4):
        one = fixed_point.solve(Sphere(), start[i : i + 1], end[i : i + 1])
        torch.testing.assert_close(one.points[0], whole.points[i], rtol=0, atol=1e-12)
        assert one.iterations[0] == whole.iterations[i]


@pytest.mark.parametrize("setting", [{"segments": 0}, {"tol": 0.0}, {"nodes": 1}, {"max_iterations": 0}])
def test_settings_are_validated(setting: dict[str, float]) -> None:
    start, end = pairs(1, -1, 1)
    with pytest.raises(ValueError, match=f"{next(iter(setting))}={next(iter(setting.values()))}"):
        fixed_point.solve(EuclideanSpace(), start, end, **setting)
