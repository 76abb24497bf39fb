"""Network curves against closed forms, splines, and the invariances of the problem."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pullback.geodesics import measure, newton
from pullback.geodesics.network import solve
from pullback.geometry.latent import LatentSpace
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere
from shared import decoder, pairs


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -1.1, 1.1), (HyperbolicHalfPlane(), 0.3, 2.0)])
def test_surfaces_with_known_distances(manifold, low: float, high: float) -> None:
    start, end = pairs(8, low, high)
    found = solve(manifold, start, end, tol=1e-8)
    assert found.converged.all()
    excess = measure(manifold, found.points).length / manifold.distance(start, end) - 1
    assert excess.min() > -1e-6 and excess.max() < 1e-4


@pytest.mark.parametrize("k", [1, 2, 5])
def test_euclidean_space_has_straight_geodesics(k: int) -> None:
    start, end = pairs(5, -1, 1, k)
    found = solve(EuclideanSpace(), start, end)
    assert found.converged.all() and (found.iterations == 0).all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)
    torch.testing.assert_close(measure(EuclideanSpace(), found.points).length, (end - start).norm(dim=1))


@pytest.mark.parametrize("k", [2, 4])
def test_agrees_with_newton(k: int) -> None:
    manifold, (start, end) = LatentSpace(decoder(k)), pairs(6, -2, 2, k)
    found, expected = solve(manifold, start, end), newton.solve(manifold, start, end)
    both = found.converged & expected.converged
    assert found.converged.all() and both.sum() >= 6 // 2
    lengths = [measure(manifold, solution.points[both]).length for solution in (found, expected)]
    torch.testing.assert_close(lengths[0], lengths[1], rtol=3e-3, atol=0)


def test_the_penalty_keeps_curves_where_the_jacobian_is_smaller() -> None:
    """A hill of height: with a penalty the curve passes farther from its flank, and is longer."""

    def hill(z: Tensor) -> Tensor:
        return torch.cat((z, torch.exp(-2 * z.square().sum(1, keepdim=True))), 1)

    start, end = torch.tensor([[-1.0, 0.1]]).double(), torch.tensor([[1.0, 0.1]]).double()
    manifold, stretch, lengths = LatentSpace(hill), [], []
    for penalty in (0.0, 1.0):
        found = solve(manifold, start, end, penalty=penalty)
        assert found.converged.all()
        stretch.append(manifold.root(found.points[0]).norm(dim=(1, 2)).mean().item())
        lengths.append(measure(manifold, found.points).length.item())
    assert stretch[1] < stretch[0]
    assert lengths[1] > lengths[0]


@pytest.mark.parametrize("settings", [{}, {"penalty": 0.1}, {"objective": "length"}])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_no_iterate(factor: float, settings: dict) -> None:
    f, (start, end) = decoder().double(), pairs(4, -1.5, 1.5)
    plain = solve(LatentSpace(f), start, end, steps=10, **settings)
    scaled = solve(LatentSpace(lambda z: factor * f(z)), start, end, steps=10, **settings)
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-7)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_a_batch_is_its_pairs_one_by_one() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(4, -2, 2)
    together = solve(manifold, start, end, steps=10)
    for i in range(4):
        alone = solve(manifold, start[i : i + 1], end[i : i + 1], steps=10)
        torch.testing.assert_close(alone.points[0], together.points[i], rtol=0, atol=1e-7)


def test_the_seed_decides_and_the_global_state_is_untouched() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(2, -2, 2)
    state = torch.get_rng_state()
    one, again, other = (solve(manifold, start, end, steps=5, seed=seed).points for seed in (0, 0, 1))
    assert torch.get_rng_state().equal(state)
    assert one.equal(again) and not one.equal(other)


def test_a_curve_that_is_stopped_says_so() -> None:
    found = solve(LatentSpace(decoder()), *pairs(6, -2, 2), steps=1)
    assert not found.converged.any() and (found.criterion > 1e-6).all()
    assert (found.iterations == 1).all()


def test_a_pair_that_fails_spoils_no_other() -> None:
    """f is not finite below z_0 = -1: the first pair starts there."""

    def f(z: Tensor) -> Tensor:
        return torch.cat(((z[:, :1] + 1).sqrt(), z.sin()), 1)

    start = torch.tensor([[-1.5, 0.0], [0.2, 0.1]]).double()
    found = solve(LatentSpace(f), start, torch.ones_like(start))
    assert found.converged.tolist() == [False, True]
    assert found.points.isfinite().all()


@pytest.mark.parametrize(
    "setting", [{"hidden": 0}, {"penalty": -1.0}, {"penalty": math.nan}, {"segments": 1}, {"steps": 0}, {"tol": -1.0}]
)
def test_bad_settings(setting: dict) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        solve(Sphere(), *pairs(1, -1, 1), **setting)
