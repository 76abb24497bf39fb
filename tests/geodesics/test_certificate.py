"""Lower bounds of distances, against distances that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pullback.geodesics.certificate import lower_bound
from pullback.geometry import EuclideanSpace, HyperbolicHalfPlane, LatentSpace, Manifold, Paraboloid, Sphere
from shared import pairs

T = torch.linspace(0, 1, 129, dtype=torch.float64)
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
    curves, distance = shortest(manifold, 5, low, high)
    found = lower_bound(manifold, curves, box, grid=32)
    assert (found.lower <= (1 + 1e-8) * distance).all() and (distance <= (1 + 1e-8) * found.length).all()
    assert found.gap.max() < 2e-3 and (found.samples >= 1000).all()


def test_a_finer_grid_closes_the_gap_with_the_square_of_its_step_or_faster() -> None:
    """One grid each, for a target that the first one meets."""
    plane = HyperbolicHalfPlane()
    curves, _ = shortest(plane, 4, 0.5, 2.0)
    box = SURFACES["half-plane"][1]
    gaps = [lower_bound(plane, curves, box, grid=n, target=1.0).gap.mean().item() for n in (16, 32, 64)]
    assert gaps[0] / gaps[2] > 8


def test_a_curve_that_is_too_long_keeps_its_gap() -> None:
    """The bound is the distance's, not the curve's."""
    curves, distance = shortest(Sphere(), 3, -1.0, 1.0)
    detour = curves.clone()
    detour[:, :, 0] += 0.2 * (torch.pi * T).sin()
    found = lower_bound(Sphere(), detour, SURFACES["sphere"][1], grid=32)
    assert (found.lower <= (1 + 1e-8) * distance).all()
    assert (found.gap >= found.length / distance - 1 - 1e-8).all() and found.gap.min() > 0.01


def test_the_condition_number_does_not_matter_where_the_metric_is_constant() -> None:
    """No path of a graph follows a weak direction; a linear function does."""
    strong = LatentSpace(lambda z: z * torch.tensor([1.0, 300.0], dtype=z.dtype), box=((-2.0, 2.0), (-2.0, 2.0)))
    start, end = pairs(3, -1.0, 1.0)
    curves = torch.lerp(start[:, None], end[:, None], T[:, None])
    assert lower_bound(strong, curves, ((-2.0, 2.0), (-2.0, 2.0)), grid=16).gap.max() < 1e-3


def test_a_box_that_cuts_the_way_is_said_to() -> None:
    """Two points of the sphere near a pole: outside this box, over the pole, there is a shorter way."""
    start, end = torch.tensor([[1.2, -1.5]]).double(), torch.tensor([[1.2, 1.5]]).double()
    along = torch.lerp(start[:, None], end[:, None], T[:, None])
    assert not lower_bound(Sphere(), along, ((0.8, 1.25), (-1.8, 1.8)), grid=32).everywhere.any()
    near, _ = shortest(Sphere(), 1, -0.2, 0.2)
    assert lower_bound(Sphere(), near, SURFACES["sphere"][1], grid=32).everywhere.all()


def test_equal_end_points_and_a_metric_that_is_not_finite_in_part_of_the_box() -> None:
    still = torch.full((1, 9, 2), 0.3, dtype=torch.float64)
    found = lower_bound(Sphere(), still, SURFACES["sphere"][1], grid=16)
    assert found.lower.tolist() == [0.0] and found.gap.tolist() == [0.0]
    plane = HyperbolicHalfPlane()
    curves, distance = shortest(plane, 2, 0.5, 1.5)
    found = lower_bound(plane, curves, ((-1.0, 3.0), (-0.5, 3.0)), grid=32)
    assert (found.lower <= (1 + 1e-8) * distance).all() and found.gap.max() < 0.01


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"box": ((0.0, 0.1), (0.0, 0.1))}, "end points outside the box"),
        ({"box": ((1.0, 0.0), (0.0, 1.0))}, "low < high"),
        ({"curves": torch.zeros(1, 9, 3)}, r"knots \(B, n \+ 1, 2\)"),
        ({"grid": 8}, "grid must be at least 16"),
    ],
)
def test_bad_arguments(change: dict, message: str) -> None:
    curves, _ = shortest(Sphere(), 1, -1.0, 1.0)
    given = {"curves": curves, "box": SURFACES["sphere"][1], **change}
    with pytest.raises(ValueError, match=message):
        lower_bound(Sphere(), given.pop("curves"), **given)
