"""The boundary-value problem against closed forms, and what is said when it fails."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pullback.geodesics import bvp
from pullback.geodesics.curves import measure
from pullback.geometry.latent import LatentSpace
from pullback.geometry.manifolds import Manifold
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere
from shared import decoder, pairs


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -1.0, 1.0), (HyperbolicHalfPlane(), 0.5, 2.0)])
def test_curves_are_those_of_the_closed_form(manifold: Sphere | HyperbolicHalfPlane, low: float, high: float) -> None:
    start, end = pairs(4, low, high)
    found = bvp.solve(manifold, start, end, tol=1e-6, nodes=8)
    assert found.converged.all() and (found.criterion <= 1e-6).all()
    torch.testing.assert_close(measure(manifold, found.points).length, manifold.distance(start, end), rtol=1e-6, atol=0)
    exact = manifold.curve(start, end, torch.linspace(0, 1, 65).double())
    torch.testing.assert_close(found.points, exact, rtol=0, atol=1e-6)


def test_the_error_follows_the_tolerance() -> None:
    manifold, (start, end) = HyperbolicHalfPlane(), pairs(2, 0.3, 3.0)
    exact = manifold.curve(start, end, torch.linspace(0, 1, 65).double())
    errors = [
        (bvp.solve(manifold, start, end, tol=tol, nodes=5).points - exact).abs().max().item() for tol in (1e-2, 1e-8)
    ]
    assert errors[1] < 1e-4 * errors[0] and errors[1] < 1e-8


@pytest.mark.parametrize("k", [1, 3])
def test_any_dimension(k: int) -> None:
    start, end = pairs(2, -1, 1, k)
    found = bvp.solve(EuclideanSpace(), start, end, segments=4)
    assert found.converged.all()
    torch.testing.assert_close(found.points[:, 2], (start + end) / 2)


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_nothing(factor: float) -> None:
    f, (start, end) = decoder(gain=1.0).double(), pairs(2, -1, 1)
    plain, scaled = (bvp.solve(LatentSpace(g), start, end, nodes=8) for g in (f, lambda z: factor * f(z)))
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-6)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_scaling_the_chart_changes_nothing() -> None:
    start, end = pairs(2, 0.5, 2.0)
    plain = bvp.solve(HyperbolicHalfPlane(), start, end)
    scaled = bvp.solve(HyperbolicHalfPlane(), 1000 * start, 1000 * end)
    torch.testing.assert_close(scaled.points, 1000 * plain.points, rtol=1e-6, atol=0)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_a_geodesic_beyond_the_conjugate_point_is_still_one() -> None:
    """The equator's arc of 1.3 pi solves the equation, though a shorter path exists."""
    start, end = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[0.0, 1.3 * math.pi]]).double()
    found = bvp.solve(Sphere(), start, end)
    assert found.converged.all()
    assert measure(Sphere(), found.points).length.item() == pytest.approx(1.3 * math.pi, rel=1e-6)


def test_a_mesh_that_is_full_is_flagged_and_its_curve_kept() -> None:
    manifold, (start, end) = HyperbolicHalfPlane(), pairs(2, 0.3, 3.0)
    found = bvp.solve(manifold, start, end, tol=1e-9, nodes=8, max_nodes=8)
    assert not found.converged.any() and (found.criterion > 1e-9).all() and found.criterion.isfinite().all()
    line = torch.lerp(start, end, torch.tensor(0.5).double())
    exact = manifold.curve(start, end, torch.tensor([0.5]).double())[:, 0]
    assert ((found.points[:, 32] - exact).norm(dim=1) < 0.01 * (line - exact).norm(dim=1)).all()


class Broken(Manifold):
    """Flat, but for a strip in which nothing is known."""

    def metric(self, z: Tensor) -> Tensor:
        known = torch.where((z[:, 0] - 0.5).abs() < 0.2, torch.nan, 1.0)
        return known[:, None, None] * torch.eye(2, dtype=z.dtype)


def test_a_pair_that_breaks_down_fails_alone() -> None:
    start = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]).double()
    end = torch.tensor([[1.0, 0.0], [-2.0, 1.0], [1.0, 2.0]]).double()
    found = bvp.solve(Broken(), start, end, segments=8)
    assert found.converged.tolist() == [False, True, False]
    assert found.points.isfinite().all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)


def test_batch_equals_one_by_one_and_arguments_stay() -> None:
    start, end = pairs(3, 0.5, 2.0)
    kept = start.clone(), end.clone()
    whole = bvp.solve(HyperbolicHalfPlane(), start, end)
    assert start.equal(kept[0]) and end.equal(kept[1])
    for i in range(3):
        one = bvp.solve(HyperbolicHalfPlane(), start[i : i + 1], end[i : i + 1])
        torch.testing.assert_close(one.points[0], whole.points[i])


@pytest.mark.parametrize("setting", [{"segments": 0}, {"tol": 0.0}, {"nodes": 2}, {"max_nodes": 7}])
def test_settings_are_validated(setting: dict[str, float]) -> None:
    start, end = pairs(1, -1, 1)
    with pytest.raises(ValueError, match=f"{next(iter(setting))}={next(iter(setting.values()))}"):
        bvp.solve(EuclideanSpace(), start, end, **setting)
