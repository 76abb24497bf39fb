"""GEORCE against closed forms, and the invariances of its iterates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pullback.geodesics import georce, newton
from pullback.geodesics.curves import Solution, measure, segment
from pullback.geometry.latent import LatentSpace
from pullback.geometry.manifolds import Manifold
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere
from shared import decoder, pairs

TIGHT = 1e-15


def length(manifold: Manifold, solution: Solution) -> Tensor:
    return measure(manifold, solution.points).length


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_flat_space_needs_no_iteration(k: int) -> None:
    start, end = torch.zeros(3, k).double(), torch.randn(3, k, generator=torch.Generator().manual_seed(1)).double()
    found = georce.solve(EuclideanSpace(), start, end)
    assert found.converged.all() and (found.iterations == 0).all()
    torch.testing.assert_close(found.points, segment(start, end, 64))


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -1.1, 1.1), (HyperbolicHalfPlane(), 0.5, 2.0)])
def test_distances_are_those_of_the_closed_form(
    manifold: Sphere | HyperbolicHalfPlane, low: float, high: float
) -> None:
    start, end = pairs(10, low, high)
    found = georce.solve(manifold, start, end, tol=TIGHT)
    assert found.converged.all()
    torch.testing.assert_close(length(manifold, found), manifold.distance(start, end), rtol=1e-6, atol=0)
    exact = manifold.curve(start, end, torch.linspace(0, 1, 65).double())
    torch.testing.assert_close(found.points, exact, rtol=0, atol=1e-3)


def test_curves_converge_with_the_second_power_of_the_segments() -> None:
    manifold = HyperbolicHalfPlane()
    start, end = torch.tensor([[-0.4, 0.4]]).double(), torch.tensor([[0.9, 1.5]]).double()
    segments = [8, 16, 32, 64]
    errors = []
    for n in segments:
        exact = manifold.curve(start, end, torch.linspace(0, 1, n + 1).double())
        errors.append((georce.solve(manifold, start, end, segments=n, tol=TIGHT).points - exact).abs().max().item())
    assert np.polyfit(np.log(segments), np.log(errors), 1)[0] == pytest.approx(-2, abs=0.1)


def test_convergence_is_linear_at_a_rate_that_the_segments_do_not_change() -> None:
    """Newton's would square the criterion at each iteration."""
    manifold, (start, end) = HyperbolicHalfPlane(), pairs(1, 0.5, 2.0)
    rates = []
    for n in (16, 64):
        criteria = [
            georce.solve(manifold, start, end, segments=n, tol=TIGHT, max_iterations=i).criterion for i in (6, 10)
        ]
        rates.append((criteria[1] / criteria[0]).item() ** 0.25)
    assert 0.01 < rates[0] < 0.9
    assert rates[1] == pytest.approx(rates[0], rel=0.1)


def test_energy_falls_with_every_iteration() -> None:
    manifold, (start, end) = LatentSpace(decoder(gain=1.2)), pairs(4, -2, 2)
    energies = [
        georce._energy(manifold, georce.solve(manifold, start, end, segments=16, max_iterations=i).points)
        for i in range(1, 6)
    ]
    for before, after in zip(energies, energies[1:], strict=False):
        assert (after <= before).all()


def test_agrees_with_newton() -> None:
    manifold, (start, end) = LatentSpace(decoder(gain=1.2)), pairs(4, -1.2, 1.2)
    found, truth = georce.solve(manifold, start, end), newton.solve(manifold, start, end)
    assert found.converged.all() and truth.converged.all()
    torch.testing.assert_close(length(manifold, found), length(manifold, truth), rtol=1e-3, atol=0)


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_no_iterate(factor: float) -> None:
    f, (start, end) = decoder(gain=1.2).double(), pairs(4, -2, 2)
    for iterations in (1, 40):
        plain = georce.solve(LatentSpace(f), start, end, segments=16, max_iterations=iterations)
        scaled = georce.solve(LatentSpace(lambda z: factor * f(z)), start, end, segments=16, max_iterations=iterations)
        torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-8)
        assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_batch_equals_one_by_one_and_arguments_stay() -> None:
    manifold, (start, end) = LatentSpace(decoder(gain=1.2)), pairs(3, -1.5, 1.5)
    kept = start.clone(), end.clone()
    whole = georce.solve(manifold, start, end, segments=16)
    assert start.equal(kept[0]) and end.equal(kept[1])
    for i in range(3):
        one = georce.solve(manifold, start[i : i + 1], end[i : i + 1], segments=16)
        torch.testing.assert_close(one.points[0], whole.points[i], rtol=0, atol=1e-8)
        assert one.iterations[0] == whole.iterations[i] and one.converged[0] == whole.converged[i]


def test_reversing_the_ends_reverses_the_curve() -> None:
    manifold, (start, end) = Sphere(), pairs(4, -1.1, 1.1)
    there, back = (georce.solve(manifold, a, b, tol=TIGHT).points for a, b in ((start, end), (end, start)))
    torch.testing.assert_close(back.flip(1), there, rtol=0, atol=1e-6)


def test_beyond_the_conjugate_point_a_shorter_curve_is_sought_and_none_claimed() -> None:
    """Near the equator's arc of 1.3 pi, the way over a pole is shorter; this chart's metric is singular there."""
    start, end = torch.tensor([[0.05, 0.0]]).double(), torch.tensor([[0.05, 1.3 * math.pi]]).double()
    found = georce.solve(Sphere(), start, end, segments=16, max_iterations=60)
    line = measure(Sphere(), segment(start, end, 16)).length
    assert length(Sphere(), found) < line - 0.1 and not found.converged.any()


def test_stopped_early_is_not_converged() -> None:
    start, end = pairs(3, -1.1, 1.1)
    found = georce.solve(Sphere(), start, end, max_iterations=1, tol=1e-12)
    assert not found.converged.any() and (found.criterion > 1e-12).all() and (found.iterations == 1).all()


def test_a_pair_across_a_singularity_fails_alone() -> None:
    """The straight line passes y < 0, where the half-plane ends."""
    start, end = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).double(), torch.tensor([[2.0, -1.0], [2.0, 1.0]]).double()
    found = georce.solve(HyperbolicHalfPlane(), start, end)
    assert found.converged.tolist() == [False, True] and found.criterion[0] == math.inf
    assert found.points.isfinite().all()


@pytest.mark.parametrize("setting", [{"segments": 1}, {"tol": 0.0}, {"max_iterations": 0}])
def test_settings_are_validated(setting: dict[str, float]) -> None:
    start, end = pairs(1, -1, 1)
    with pytest.raises(ValueError, match=f"{next(iter(setting))}={next(iter(setting.values()))}"):
        georce.solve(Sphere(), start, end, **setting)
