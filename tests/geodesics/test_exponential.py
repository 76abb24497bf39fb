"""The exponential map against closed-form geodesics, its own laws, and its bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from pullback.geodesics import exponential, measure
from pullback.geometry import (
    EuclideanSpace,
    FlatCylinder,
    HyperbolicHalfPlane,
    LatentSpace,
    Manifold,
    Paraboloid,
    Sphere,
)
from shared import decoder, scaling

CASES = {  # a manifold, its dimension, and a cube inside its chart, whose points are within their injectivity radius
    "line": (EuclideanSpace(), 1, -2, 2),
    "space": (EuclideanSpace(), 3, -2, 2),
    "sphere": (Sphere(), 2, -0.7, 0.7),
    "half-plane": (HyperbolicHalfPlane(), 2, 0.5, 2),
    "half-space": (HyperbolicHalfPlane(), 3, 0.5, 2),
    "cylinder": (FlatCylinder(), 2, -1.5, 1.5),
    "paraboloid": (Paraboloid(), 2, -0.7, 0.7),
}
EVERY = pytest.mark.parametrize(("manifold", "k", "low", "high"), CASES.values(), ids=CASES)
F = decoder(gain=1.0)


def draw(k: int, low: float, high: float, n: int = 8) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return (torch.rand(2, n, k, dtype=torch.float64, generator=random) * (high - low) + low).unbind(0)


def initial_velocity(manifold, start: Tensor, end: Tensor) -> Tensor:
    """Of the closed-form curve, by differentiating its Chebyshev interpolant."""
    nodes = (1 + np.cos(np.pi * (np.arange(40) + 0.5) / 40)) / 2
    z = manifold.curve(start, end, torch.from_numpy(nodes))
    fit = np.polynomial.Chebyshev.fit
    columns = z.movedim(1, -1).flatten(0, 1)
    slopes = [fit(nodes, column.numpy(), 39, domain=[0, 1]).deriv()(0.0) for column in columns]
    return torch.tensor(slopes, dtype=torch.float64).reshape(start.shape)


@EVERY
def test_exponential_follows_the_closed_form(manifold, k: int, low: float, high: float) -> None:
    start, end = draw(k, low, high)
    v = initial_velocity(manifold, start, end)
    torch.testing.assert_close(manifold.speed_squared(start, v).sqrt(), manifold.distance(start, end))
    found = exponential(manifold, start, v, segments=16)
    assert found.converged.all() and (found.reached == 1).all()
    assert found.points.shape == found.velocities.shape == (8, 17, k)
    curve = manifold.curve(start, end, torch.linspace(0, 1, 17, dtype=torch.float64))
    torch.testing.assert_close(found.points, curve, rtol=0, atol=1e-8)
    torch.testing.assert_close(found.velocities[:, 0], v)


@EVERY
def test_speed_is_constant(manifold, k: int, low: float, high: float) -> None:
    start, v = draw(k, low, high)
    found = exponential(manifold, start, v, segments=128)
    speed = manifold.speed_squared(found.points.flatten(0, 1), found.velocities.flatten(0, 1)).sqrt().reshape(8, 129)
    torch.testing.assert_close(speed, speed[:, :1].expand(-1, 129), rtol=1e-8, atol=0)
    torch.testing.assert_close(measure(manifold, found.points).length, speed[:, 0], rtol=1e-6, atol=0)


@EVERY
def test_time_reversal(manifold, k: int, low: float, high: float) -> None:
    start, v = draw(k, low, high)
    there = exponential(manifold, start, v / 2, segments=4)
    back = exponential(manifold, there.points[:, -1], -there.velocities[:, -1], segments=4)
    torch.testing.assert_close(back.points.flip(1), there.points, rtol=0, atol=1e-8)


@EVERY
def test_twice_the_velocity_comes_as_far_in_half_the_time(manifold, k: int, low: float, high: float) -> None:
    start, v = draw(k, low, high)
    one, two = exponential(manifold, start, v / 2, segments=4), exponential(manifold, start, v, segments=8)
    torch.testing.assert_close(two.points[:, :5], one.points, rtol=0, atol=1e-8)
    torch.testing.assert_close(two.velocities[:, :5], 2 * one.velocities, rtol=0, atol=1e-7)


def test_errors_follow_the_tolerance() -> None:
    manifold = HyperbolicHalfPlane()
    start, end = draw(2, 0.5, 2)
    v = initial_velocity(manifold, start, end)
    errors = [(exponential(manifold, start, v, tol=tol).points[:, -1] - end).norm() for tol in (1e-4, 1e-7, 1e-10)]
    assert errors[0] < 1e-3 and errors[1] < 1e-6 and errors[2] < 1e-9
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scale_of_the_generator_changes_nothing(factor: float) -> None:
    start, v = draw(2, -0.4, 0.4)
    plain, scaled = (exponential(f, start, v, segments=4) for f in (F, nn.Sequential(F, scaling(50, factor))))
    assert plain.converged.all()
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-9)
    assert scaled.converged.equal(plain.converged)


def test_units_and_origin_of_the_latent_space_change_nothing() -> None:
    start, v = draw(2, -0.4, 0.4)
    plain = exponential(F, start, v, segments=4)
    f = nn.Sequential(scaling(2, 1 / 1024, -7 / 1024), F)
    moved = exponential(f, 1024 * start + 7, 1024 * v, segments=4)
    torch.testing.assert_close((moved.points - 7) / 1024, plain.points, rtol=0, atol=1e-10)


def test_a_batch_is_its_curves_one_by_one() -> None:
    start, v = draw(2, -0.4, 0.4, 3)
    together = exponential(F, start, v, segments=4)
    for i in range(3):
        alone = exponential(F, start[i : i + 1], v[i : i + 1], segments=4)
        torch.testing.assert_close(alone.points[0], together.points[i], rtol=0, atol=1e-8)


def test_no_velocity_no_motion() -> None:
    start = torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64)
    found = exponential(Sphere(), start, torch.zeros_like(start), segments=3)
    assert found.converged.all()
    assert found.points.equal(start[:, None].expand(-1, 4, -1)) and not found.velocities.any()


def test_leaving_the_domain_is_flagged_with_the_time_reached() -> None:
    """The bent sheet (x, y, (1 - x)^2.5) ends at x = 1. It is flat: geodesics are straight in arc length and y."""

    class Sheet(Manifold):
        def metric(self, z: Tensor) -> Tensor:
            return torch.diag_embed(torch.stack((1 + 6.25 * (1 - z[:, 0]).sqrt() ** 6, torch.ones_like(z[:, 1])), 1))

        def acceleration(self, z: Tensor, v: Tensor) -> Tensor:
            rest = (1 - z[:, 0]).sqrt() ** 2
            bend = 9.375 * rest.square() / (1 + 6.25 * rest**3) * v[:, 0].square()
            return torch.stack((bend, torch.zeros_like(bend)), 1)

    v = torch.tensor([[0.5, 0.0], [2.0, -3.0], [0.1, 0.5], [1.5, 1.0]], dtype=torch.float64)
    found = exponential(Sheet(), torch.zeros_like(v), v, segments=20)
    arc = quad(lambda x: math.sqrt(1 + 6.25 * (1 - x) ** 3), 0, 1, epsabs=1e-13)[0]
    expected = (arc / (math.sqrt(7.25) * v[:, 0])).clamp(max=1)
    assert found.converged.tolist() == (expected == 1).tolist() == [True, False, True, False]
    torch.testing.assert_close(found.reached, expected, rtol=1e-8, atol=0)
    t = torch.linspace(0, 1, 21, dtype=torch.float64)
    passed = t <= found.reached[:, None]
    assert found.points.isfinite().all(2).equal(passed)
    torch.testing.assert_close(found.points[..., 1][passed], (v[:, 1:] * t)[passed], rtol=0, atol=1e-9)


def test_a_metric_that_vanishes_stops_only_its_own_curve() -> None:
    class Flat(Manifold):
        def metric(self, z: Tensor) -> Tensor:
            return (z[:, :1, None] < 1) * torch.eye(2, dtype=z.dtype)

    start = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    found = exponential(Flat(), start, torch.tensor([[0.5, 0.0]], dtype=torch.float64).expand(3, -1), segments=2)
    assert found.converged.tolist() == [True, False, True]
    assert found.reached.tolist() == [1, 0, 1]
    torch.testing.assert_close(found.points[0, -1], torch.tensor([0.5, 0.0], dtype=torch.float64))


def test_a_curve_that_is_not_finished_says_so() -> None:
    found = exponential(F, *draw(2, -0.4, 0.4, 2), max_steps=2)
    assert not found.converged.any()
    assert ((found.reached > 0) & (found.reached < 1)).all()


def test_a_square_root_kink_stops_soon_and_says_why() -> None:
    """M = (1 + sqrt|x|) I: the acceleration is infinite at x = 0. The second curve stays away from it."""
    calls = 0

    class Kink(Manifold):
        def metric(self, z: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return (1 + z[:, :1].abs().sqrt())[..., None] * torch.eye(2, dtype=z.dtype)

    start = torch.tensor([[-0.5, 0.0], [0.5, 0.0]], dtype=torch.float64)
    found = exponential(Kink(), start, torch.tensor([[1.0, 0.3], [0.1, 0.3]], dtype=torch.float64), max_steps=200)
    assert found.converged.tolist() == [False, True]
    assert found.reason[0] and not found.reason[1]
    assert calls < 2 * 13 * 200 + 100


@pytest.mark.parametrize("max_steps", [1, 5])
def test_the_steps_are_bounded_and_the_reason_names_the_bound(max_steps: int) -> None:
    calls = 0

    class Counted(Sphere):
        def acceleration(self, z: Tensor, v: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            return super().acceleration(z, v)

    v = torch.tensor([[0.0, 40.0]], dtype=torch.float64)
    found = exponential(Counted(), torch.tensor([[0.7, 0.0]], dtype=torch.float64), v, max_steps=max_steps)
    assert f"max_steps) were spent at t = {found.reached.item():.6g}" in found.reason[0]
    assert not found.converged.any() and calls <= 1 + 15 * max_steps


def test_a_curve_does_not_depend_on_its_batch() -> None:
    """To the last bit on the sphere, whose acceleration is computed row by row; steps are a curve's own."""
    start, v = draw(2, -0.7, 0.7, 4)
    v[0] *= 5
    together = exponential(Sphere(), start, v, segments=5)
    alone = [exponential(Sphere(), start[i : i + 1], v[i : i + 1], segments=5).points for i in range(4)]
    torch.testing.assert_close(together.points, torch.cat(alone), rtol=0, atol=1e-13)


def test_nothing_given_is_modified() -> None:
    start, v = draw(2, -1, 1, 2)
    copies = start.clone(), v.clone()
    found = exponential(LatentSpace(F), start, v, segments=2)
    found.points.zero_(), found.velocities.zero_()
    assert start.equal(copies[0]) and v.equal(copies[1])


@pytest.mark.parametrize(
    ("start", "velocity", "message"),
    [
        (torch.zeros(2), torch.zeros(2), r"start \(2,\).* velocity \(2,\)"),
        (torch.zeros(3, 2), torch.zeros(2, 2), r"start \(3, 2\).* velocity \(2, 2\)"),
        (torch.zeros(0, 2), torch.zeros(0, 2), r"start \(0, 2\).* velocity \(0, 2\)"),
        (torch.zeros(1, 2), torch.tensor([[0.0, math.nan]]), r"rows \[0\].*nan"),
        (torch.zeros(1, 2), torch.zeros(1, 2, device="meta"), "start on cpu, velocity on meta"),
    ],
)
def test_bad_arguments(start: Tensor, velocity: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exponential(Sphere(), start, velocity)


@pytest.mark.parametrize("f", [F, Sphere()])
def test_a_latent_dimension_that_the_generator_does_not_take(f) -> None:
    with pytest.raises(ValueError, match=r"shape \(8, 3\), torch.float64, on cpu: .*2"):
        exponential(f, *draw(3, -1, 1))


def test_starts_outside_the_box_are_told() -> None:
    with pytest.warns(UserWarning, match=r"1 of 2 end points lie outside the box .* \[0.5, 1.5\] farthest, by 0.25 of"):
        exponential(LatentSpace(F, ((-1, 1), (-1, 1))), torch.tensor([[0.0, 0.0], [0.5, 1.5]]), torch.ones(2, 2) / 9)


@pytest.mark.parametrize("setting", [{"segments": 0}, {"tol": 1e-15}, {"tol": math.nan}, {"max_steps": 0}])
def test_bad_settings(setting: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        exponential(Sphere(), *draw(2, -1, 1), **setting)
