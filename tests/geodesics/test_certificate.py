"""Lower bounds of distances, against distances that are known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pullback.geodesics import marching
from pullback.geodesics.certificate import lower_bound
from pullback.geometry import (
    EuclideanSpace,
    FlatCylinder,
    HyperbolicHalfPlane,
    LatentSpace,
    Manifold,
    Paraboloid,
    Sphere,
)
from shared import pairs

T = torch.linspace(0, 1, 129, dtype=torch.float64)
ROUNDING = 1 + 1e-8  # of distances, and of the curves' measured lengths
SURFACES = {  # with the box, and a cube that holds the end points
    "plane": (EuclideanSpace(), ((-2.0, 2.0), (-2.0, 2.0)), -1.0, 1.0),
    "sphere": (Sphere(), ((-1.4, 1.4), (-2.0, 2.0)), -1.0, 1.0),
    "half-plane": (HyperbolicHalfPlane(), ((-2.0, 4.0), (0.1, 4.0)), 0.5, 2.0),
    "paraboloid": (Paraboloid(), ((-2.0, 2.0), (-2.0, 2.0)), -1.0, 1.0),
}


def shortest(manifold: Manifold, count: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Shortest curves between random points, and the distances."""
    start, end = pairs(count, low, high)
    return manifold.curve(start, end, T), manifold.distance(start, end)


@pytest.mark.parametrize("name", SURFACES)
def test_the_truth_lies_between_the_bounds_and_the_gap_is_small(name: str) -> None:
    manifold, box, low, high = SURFACES[name]
    curves, distance = shortest(manifold, 8, low, high)
    found = lower_bound(manifold, curves, box, grid=32)
    assert (found.lower <= ROUNDING * distance).all() and (distance <= ROUNDING * found.length).all()
    assert found.gap.max() < 2e-3 and ((found.samples >= 1000) | (found.grids == 0)).all()


def test_one_coarse_grid_never_gives_more_than_the_distance_of_a_curve_that_is_too_long() -> None:
    """What the slopes between samples may hide shows on coarse grids, and where a long curve leaves a wide region."""
    sphere = Sphere()
    curves, distance = shortest(sphere, 8, -1.0, 1.0)
    curves[:, :, 0] += 0.2 * (torch.pi * T).sin()
    for grid in (16, 32):
        found = lower_bound(sphere, curves, SURFACES["sphere"][1], grid=grid, cells=grid**2, grids=2)
        assert (found.lower <= distance).all() and (found.gap >= found.length / distance - 1).all()
        assert (found.lower > 0.9 * distance).all()


def test_the_gap_of_one_grid_falls_faster_than_the_grids_step() -> None:
    plane = HyperbolicHalfPlane()
    curves, _ = shortest(plane, 3, 0.5, 2.0)
    gaps = [
        lower_bound(plane, curves, SURFACES["half-plane"][1], grid=n, grids=1).gap.mean().item() for n in (24, 48, 96)
    ]
    assert gaps[0] / gaps[1] > 2 and gaps[1] / gaps[2] > 2


class Constant(Manifold):
    """A metric J^T J that is the same everywhere, without an embedding whose chords would tell the distances."""

    def __init__(self, J: Tensor) -> None:
        self.J = J

    def metric(self, z: Tensor) -> Tensor:
        return (self.J.T @ self.J).expand(len(z), 2, 2)

    def root(self, z: Tensor) -> Tensor:
        return self.J.expand(len(z), 2, 2)


@pytest.mark.parametrize("stretch", [300.0, 1e5])
def test_the_condition_number_does_not_matter_where_the_metric_is_constant(stretch: float) -> None:
    """No path of a graph follows a weak direction; a linear function does."""
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.float64)
    J = torch.tensor([1.0, stretch], dtype=torch.float64)[:, None] * turn
    box = ((-2.0, 2.0), (-2.0, 2.0))
    start, end = pairs(3, -1.0, 1.0)
    curves = torch.lerp(start[:, None], end[:, None], T[:, None])
    found = lower_bound(Constant(J), curves, box, grid=16)
    assert (found.grids > 0).all() and found.gap.max() < 1e-6
    assert (found.lower <= ROUNDING * ((end - start) @ J.T).norm(dim=1)).all()


class Cliff(Manifold):
    """M = s(x)^2 I, where s falls from 1 to 1/300 on the way: nothing is shorter than the straight line along x."""

    def root(self, z: Tensor) -> Tensor:
        s = 0.003 + 0.997 * torch.sigmoid((0.3 - z[:, 0]) / 0.15)
        return s[:, None, None] * torch.eye(2, dtype=z.dtype)

    def metric(self, z: Tensor) -> Tensor:
        return self.root(z) @ self.root(z)


def test_a_metric_that_nearly_vanishes_somewhere_is_bounded_closely_and_more_so_on_a_finer_grid() -> None:
    """Beyond the cliff a distance hardly rises, and an error that is small before it makes a slope of a hundred."""
    start = torch.tensor([[-1.0, 0.1], [-1.0, 0.2], [-0.5, 0.0]], dtype=torch.float64)
    end = torch.tensor([[1.0, 0.1], [1.5, 0.2], [0.4, 0.0]], dtype=torch.float64)
    curves = torch.lerp(start[:, None], end[:, None], T[:, None])
    box = ((-2.0, 2.0), (-2.0, 2.0))
    coarse, fine = (lower_bound(Cliff(), curves, box, grid=n, grids=1).gap.max() for n in (48, 96))
    assert fine < 0.02 and fine < coarse / 2
    assert lower_bound(Cliff(), curves, box, grid=48).gap.max() < 3e-3


def test_beyond_the_cut_locus_the_bound_is_of_the_distance_within_the_box() -> None:
    """The chart's straight line goes the long way round the cylinder; within the chart nothing is shorter."""
    cylinder = FlatCylinder()
    start, end = torch.tensor([[-2.0, 0.0]]).double(), torch.tensor([[2.0, 0.5]]).double()
    curves = torch.lerp(start[:, None], end[:, None], T[:, None])
    found = lower_bound(cylinder, curves, ((-3.0, 3.0), (-2.0, 2.0)), grid=32)
    assert found.gap.max() < 1e-3 and found.lower.item() <= ROUNDING * cylinder.unwrapped(start, end).item()


def test_a_box_that_cuts_the_way_is_said_to() -> None:
    """Two points of the sphere near a pole: outside this box, over the pole, there is a shorter way."""
    start, end = torch.tensor([[1.2, -1.5]]).double(), torch.tensor([[1.2, 1.5]]).double()
    along = torch.lerp(start[:, None], end[:, None], T[:, None])
    assert not lower_bound(Sphere(), along, ((0.8, 1.25), (-1.8, 1.8)), grid=32, grids=2).everywhere.any()
    near, _ = shortest(Sphere(), 1, -0.2, 0.2)
    assert lower_bound(Sphere(), near, SURFACES["sphere"][1], grid=32).everywhere.all()


def test_where_curves_leave_the_box_the_bound_is_of_a_box_that_holds_them() -> None:
    """Curves of the half-plane that rise above a low box, a few per cent too long. Within this box the distance is
    longer than they are, and so would its bound be."""
    plane = HyperbolicHalfPlane()
    start, end = torch.tensor([[-1.0, 0.5], [-0.8, 0.3]]).double(), torch.tensor([[1.0, 0.5], [1.0, 0.4]]).double()
    detours = plane.curve(start, end, T) + 0.25 * (torch.pi * T).sin()[:, None] * torch.tensor([0.0, 1.0])
    found = lower_bound(plane, detours, ((-1.2, 1.2), (0.2, 0.6)), grid=32)
    distance = plane.distance(start, end)
    assert (found.length > 1.01 * distance).all() and (found.lower <= ROUNDING * distance).all()
    assert (found.lower > 0.95 * distance).all()


def test_a_tube_may_reach_to_where_the_metric_is_not_finite() -> None:
    """The semicircle's straight continuation beyond its ends meets y = 0."""
    plane = HyperbolicHalfPlane()
    start, end = torch.tensor([[-1.0, 0.3]]).double(), torch.tensor([[0.5, 0.1]]).double()
    found = lower_bound(plane, plane.curve(start, end, T), ((-1.1, 0.6), (0.05, 0.9)), grid=16, cells=4096, target=1e-6)
    assert (found.lower <= ROUNDING * plane.distance(start, end)).all() and found.gap.max() < 0.01


def test_equal_end_points_the_border_and_a_metric_that_is_not_finite_in_part_of_the_box() -> None:
    still = torch.full((1, 9, 2), 0.3, dtype=torch.float64)
    found = lower_bound(Sphere(), still, SURFACES["sphere"][1], grid=16)
    assert found.lower.tolist() == [0.0] and found.gap.tolist() == [0.0]
    plane = HyperbolicHalfPlane()
    start, end = torch.tensor([[-1.0, 1.0], [0.2, 0.5]]).double(), torch.tensor([[0.5, 1.5], [1.0, 1.0]]).double()
    distance = plane.distance(start, end)
    found = lower_bound(plane, plane.curve(start, end, T), ((-1.0, 3.0), (-0.5, 3.0)), grid=32)
    assert (found.lower <= ROUNDING * distance).all() and found.gap.max() < 0.01


def test_the_numbers_are_the_same_without_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    curves, _ = shortest(Sphere(), 1, -1.0, 1.0)
    found = lower_bound(Sphere(), curves, SURFACES["sphere"][1], grid=16, grids=1)
    if not marching.COMPILED:
        pytest.skip("numba is not installed")
    for name in ("_stencils", "_reverse", "_solve", "_cone", "_update", "_march", "_raise", "_sink"):
        monkeypatch.setattr(marching, name, getattr(marching, name).py_func)
    plain = lower_bound(Sphere(), curves, SURFACES["sphere"][1], grid=16, grids=1)
    torch.testing.assert_close(plain.lower, found.lower, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": ((0.0, 0.1), (0.0, 0.1))}, "end points outside the box"),
        ({"box": ((1.0, 0.0), (0.0, 1.0))}, "low < high"),
        ({"curves": torch.zeros(1, 9, 3)}, r"knots \(B, n \+ 1, 2\)"),
        ({"grid": 8}, "grid must be at least 16"),
        ({"cells": 100}, "its square at most cells"),
    ],
)
def test_bad_arguments(change: dict, message: str) -> None:
    curves, _ = shortest(Sphere(), 1, -1.0, 1.0)
    given = {"curves": curves, "box": SURFACES["sphere"][1], **change}
    with pytest.raises(ValueError, match=message):
        lower_bound(Sphere(), given.pop("curves"), **given)


def test_the_chord_bounds_a_surface_that_is_straight_in_space() -> None:
    """Where f winds the latent plane about one straight line of space, the chord is the distance, and is proven."""
    f = LatentSpace(lambda z: (z[:, :1] + 0.3 * z[:, 1:].sin()) * torch.tensor([[1.0, 2.0, 2.0]]).to(z))
    start, end = torch.tensor([[-1.0, -1.0]]).double(), torch.tensor([[1.0, 1.0]]).double()
    curves = torch.lerp(start[:, None], end[:, None], T[:, None])
    found = lower_bound(f, curves, ((-2.0, 2.0), (-2.0, 2.0)), grid=16)
    expected = 3 * (2 + 0.6 * math.sin(1.0))
    assert found.gap.max() < 1e-8 and found.lower.item() == pytest.approx(expected, rel=1e-12)
    assert found.everywhere.all() and found.grids.item() == 0
