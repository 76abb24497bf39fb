"""Where the solvers start: the default finds the shortest path, not the geodesic nearest to the straight line."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pullback.geodesics import geodesic, shortest_path
from pullback.geodesics.first_curves import distinct
from pullback.geometry import EuclideanSpace, HyperbolicHalfPlane, LatentSpace, Sphere
from shared import decoder, pairs

BOX = [(-3.0, 3.0), (-3.0, 3.0)]


def hill(z: Tensor) -> Tensor:
    """The plane, or space, with a hill in the way; a little aside, so that one way around it is shorter."""
    centre = torch.zeros_like(z[0])
    centre[1] = 0.1
    height = 3 * torch.exp(-2 * (z - centre).square().sum(1, keepdim=True))
    return torch.cat((z, height), 1)


def points(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_default_goes_around_a_hill_and_says_how_many_curves_it_tried() -> None:
    start, end = points([-2.0, 0.0]), points([2.0, 0.0])
    best = shortest_path(hill, start, end, box=BOX, grid=64, effort=0).length
    found, local = geodesic(hill, start, end), geodesic(hill, start, end, first="straight")
    assert found.converged.all() and found.tried.item() > 1 and local.tried.tolist() == [1]
    assert found.length.item() == pytest.approx(best.item(), rel=1e-3)
    assert found.length.item() <= (1 + 1e-6) * local.length.item()


def test_the_default_is_never_longer_than_the_local_solver_and_solves_what_can_be_certified() -> None:
    f, (start, end) = decoder(gain=4.0), pairs(20, -1.5, 1.5)
    found, local = geodesic(f, start, end), geodesic(f, start, end, first="straight")
    assert (found.length <= (1 + 1e-3) * local.length).all()
    best = shortest_path(f, start, end, box=BOX, grid=96, effort=0)
    held = best.agreed
    assert held.sum() >= 15
    solved = [(g.length[held] <= 1.01 * best.length[held]).double().mean() for g in (found, local)]
    assert solved[0] == 1 and solved[1] < 1


@pytest.mark.parametrize("first", ["auto", "straight"])
def test_a_pair_gives_the_same_curve_from_either_end_and_alone(first: str) -> None:
    space, (start, end) = LatentSpace(decoder(), box=BOX), pairs(12, -1.5, 1.5)
    t = torch.linspace(0, 1, 33, dtype=torch.float64)
    found = geodesic(space, start, end, first=first).curve(t)
    back = geodesic(space, end, start, first=first).curve(t)
    torch.testing.assert_close(back.flip(1), found, rtol=0, atol=1e-12)
    for i in range(12):
        alone = geodesic(space, start[i : i + 1], end[i : i + 1], first=first).curve(t)[0]
        torch.testing.assert_close(alone, found[i], rtol=0, atol=1e-6)


def test_near_a_pole_of_the_sphere() -> None:
    """From the straight line Newton's method goes astray on all of these; the truth is known."""
    start = points(*([lat, 0.0] for lat in (1.0, 1.1, 1.2, 1.3, 1.4)))
    end = start + points([0.0, 3.0])
    found = geodesic(Sphere(), start, end)
    assert found.converged.all()
    torch.testing.assert_close(found.length, Sphere().distance(start, end), rtol=2e-3, atol=0)


def test_a_piecewise_linear_decoder_is_solved_from_more_than_the_straight_line() -> None:
    """Its second derivative vanishes almost everywhere, so Newton's method stops at kinks. Splines by descent judge."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 64)]
        for layer, std in zip(layers, (1.5, 0.25, 0.25), strict=True):
            nn.init.normal_(layer.weight, std=std)
        start, end = torch.randn(2, 30, 2).double()
    f = nn.Sequential(layers[0], nn.Hardtanh(), layers[1], nn.Hardtanh(), layers[2]).eval()
    spline = geodesic(f, start, end, method="spline").length
    local, found = geodesic(f, start, end, first="straight"), geodesic(f, start, end)
    assert (local.converged & (local.length > 1.01 * spline)).any()
    assert not (found.converged & (found.length > 1.01 * spline)).any()


def test_in_three_dimensions_bent_lines_and_codes_lead_around_a_hill() -> None:
    start, end = points([-2.0, 0.1, 0.0]), points([2.0, 0.1, 0.0])  # over the top: stationary
    local = geodesic(hill, start, end, first="straight")
    bent = geodesic(hill, start, end)
    assert bent.converged.all() and bent.tried.item() == 5
    assert bent.length.item() < 0.9 * local.length.item()
    random = torch.Generator().manual_seed(0)
    codes = 6 * torch.rand(3000, 3, generator=random, dtype=torch.float64) - 3
    through = geodesic(hill, start, end, codes=codes)
    assert through.tried.item() == 2
    assert through.length.item() == pytest.approx(bent.length.item(), rel=2e-3)


def test_curves_of_ones_own() -> None:
    start, end = points([-2.0, 0.0], [-2.0, 0.1]), points([2.0, 0.0], [2.0, -0.1])
    t = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    above = start[:, None] + t * (end - start)[:, None] + points([0.0, 1.5]) * (math.pi * t).sin()
    one = geodesic(hill, start, end, first=above)
    assert one.tried.tolist() == [2, 2] and one.converged.all()
    below = above * points([1.0, -1.0])
    below[:, 0], below[:, -1] = start, end
    both = geodesic(hill, start, end, first=torch.stack((above, below)).tolist())
    assert both.tried.tolist() == [3, 3]
    assert (both.length <= (1 + 1e-6) * one.length).all()


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("best", "'auto', 'straight' or a tensor"),
        (torch.zeros(2, 5, 2), "with B = 1, k = 2"),
        (torch.zeros(1, 5, 3), "with B = 1, k = 2"),
        (torch.full((1, 5, 2), torch.nan), "first must be finite"),
        (torch.ones(1, 5, 2), "must join the end points"),
    ],
)
def test_first_curves_that_do_not_suit(first: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geodesic(EuclideanSpace(), points([0.0, 0.0]), points([1.0, 0.0]), first=first)


def test_other_methods_refuse_first_curves() -> None:
    with pytest.raises(ValueError, match="method 'spline' takes no first curves"):
        geodesic(EuclideanSpace(), points([0.0, 0.0]), points([1.0, 0.0]), method="spline", first=torch.zeros(1, 5, 2))


def test_a_metric_without_an_embedding_and_with_a_border() -> None:
    """The grid reaches below the border y = 0, where the metric is not finite: those edges are left out."""
    start, end = points([-1.0, 0.3], [0.0, 0.2]), points([1.0, 0.3], [0.1, 2.0])
    found = geodesic(HyperbolicHalfPlane(), start, end)
    assert found.converged.all() and (found.tried > 1).any()
    torch.testing.assert_close(found.length, HyperbolicHalfPlane().distance(start, end), rtol=2e-3, atol=0)


def test_a_kept_table_is_not_used_after_the_weights_have_changed() -> None:
    f, (start, end) = decoder(gain=2.5), pairs(5, -1.5, 1.5)
    geodesic(f, start, end)
    other = decoder(gain=1.0)
    f.load_state_dict(other.state_dict())
    assert geodesic(f, start, end).points.equal(geodesic(other, start, end).points)


def test_distinct_keeps_the_shortest_and_what_differs_from_them() -> None:
    length = torch.tensor([1.0, 1.00001, 1.02, 1.2, 3.0, math.nan])
    pair = torch.tensor([0, 0, 0, 0, 1, 1])
    assert distinct(length, pair, 0.05, 4) == [0, 2, 4]
    assert distinct(length, pair, 0.05, 1) == [0, 4]


def test_curves_beside_each_other_are_one_whatever_their_lengths() -> None:
    """A line, one bent by 4 % of its length, and one bent by 20 %: the second becomes what the first does."""
    t = torch.linspace(0, 1, 17, dtype=torch.float64)
    lines = torch.stack([torch.stack((t, bend * (math.pi * t).sin()), 1) for bend in (0, 0.04, 0.2)])
    length, pair = torch.tensor([1.0, 1.01, 1.02]), torch.zeros(3, dtype=torch.int64)
    assert distinct(length, pair, 0.05, 3) == [0, 1, 2]
    assert distinct(length, pair, 0.05, 3, lines) == [0, 2]
    assert distinct(length, pair, 0.05, 3, 1e6 * lines) == [0, 2]
    assert distinct(length.flip(0), pair, 0.05, 3, lines) == [2, 1]
