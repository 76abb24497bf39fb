"""The shortest path of all: against closed forms, against the bias of its graph, and where two geodesics compete."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pullback.geodesics import Curves, ShortestPaths, geodesic, shortest_path
from pullback.geodesics.curves import measure
from pullback.geodesics.grid import Grid
from pullback.geodesics.newton import refine
from pullback.geometry.latent import LatentSpace, as_manifold
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere

SQUARE = ((-1.0, 1.0), (-1.0, 1.0))


def uniform(box: tuple[tuple[float, float], ...], count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    low, high = torch.tensor(box, dtype=torch.float64).T
    generator = torch.Generator().manual_seed(seed)
    start, end = low + (high - low) * torch.rand(2, count, 2, dtype=torch.float64, generator=generator)
    return start, end


def hills(z: Tensor) -> Tensor:
    """A high hill just north of the line between (-2, 0) and (2, 0), and a lower one south of it: the way round the
    north is the shortest, the line lies on the other side."""
    x, y = z.unbind(1)
    high = 2.5 * (-((x**2 + (y - 0.15) ** 2) / 0.5)).exp()
    low = 1.5 * (-((x**2 + (y + 1.1) ** 2) / 0.7)).exp()
    return torch.stack((x, y, high + low), 1)


def decoder() -> nn.Sequential:
    torch.manual_seed(0)
    f = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 50), nn.Sigmoid())
    for layer in (f[0], f[2]):
        nn.init.normal_(layer.weight, std=1.5 / math.sqrt(layer.in_features))
    return f.eval()


@pytest.mark.parametrize("reach", [1, 2, 8])
def test_graph_is_too_long_by_the_bias_of_its_directions(reach: int) -> None:
    angle = torch.linspace(0, math.pi / 4, 15, dtype=torch.float64)
    end = 0.95 * torch.stack((angle.cos(), angle.sin()), 1)
    found = shortest_path(EuclideanSpace(), -end, end, SQUARE, grid=96, reach=reach, segments=8, effort=0)
    excess = found.graph_length / found.length - 1
    bias = 1 / math.cos(math.atan(1 / reach) / 2) - 1
    assert excess.min() > -1e-12
    assert 0.7 * bias < excess.max() < 1.05 * bias  # reach 8: 0.19 %; 1: 8 %, whatever the grid
    torch.testing.assert_close(found.length, torch.full_like(angle, 1.9), rtol=1e-12, atol=0)


def test_sphere() -> None:
    sphere = Sphere()
    start, end = uniform(((-1.2, 1.2), (-1.4, 1.4)), 12)
    found = shortest_path(sphere, start, end, ((-1.5, 1.5), (-1.8, 1.8)), grid=64, segments=64)
    assert found.certified.all() and found.agreed.all() and not found.border.any()
    assert (found.lower <= sphere.distance(start, end)).all()
    torch.testing.assert_close(found.length, sphere.distance(start, end), rtol=1e-6, atol=0)
    assert found.error.max() < 1e-6
    assert (found.graph_length / found.length - 1).max() < 0.02
    assert torch.equal(found.points[:, 0], start) and torch.equal(found.points[:, -1], end)


def test_half_plane_which_has_no_embedding() -> None:
    plane = HyperbolicHalfPlane()
    start, end = uniform(((-1.0, 1.0), (0.3, 2.0)), 8)
    found = shortest_path(plane, start, end, ((-2.0, 2.0), (0.1, 3.0)), grid=64, segments=64, effort=0)
    assert found.converged.all()
    torch.testing.assert_close(found.length, plane.distance(start, end), rtol=1e-6, atol=0)
    assert found.error.max() < 1e-6


def test_distances_along_a_grid_are_those_of_the_half_plane_but_for_the_bias_of_its_directions() -> None:
    """Between all of twelve points, two of which are one and two in one cell."""
    box = ((-1.0, 1.0), (1.0, 3.0))
    points = uniform(box, 12)[0]
    points[1], points[3] = points[0], points[2] + 1e-3
    x, y = points.unbind(1)
    apart = torch.acosh(1 + (torch.cdist(points, points).square() / (2 * y * y[:, None])))
    low, high = torch.tensor(box, dtype=torch.float64).T
    found = Grid(HyperbolicHalfPlane(), low, high, 64, 8).distances(points)
    assert found.equal(found.T) and found.diagonal().equal(torch.zeros(12, dtype=torch.float64)) and found[0, 1] == 0
    torch.testing.assert_close(found, apart, rtol=3e-3, atol=1e-9)


def test_distances_across_a_gap_in_the_metric_are_infinite() -> None:
    class Cut(EuclideanSpace):
        def root(self, z: Tensor) -> Tensor:
            return torch.where((z[:, :1].abs() < 0.2)[..., None], torch.nan, torch.eye(2, dtype=z.dtype))

    low, high = torch.tensor(SQUARE, dtype=torch.float64).T
    points = torch.tensor([[-0.9, 0.0], [-0.5, 0.3], [0.9, 0.0]], dtype=torch.float64)
    found = Grid(Cut(), low, high, 32, 4).distances(points)
    assert found[0, 2] == found[1, 2] == torch.inf and found[0, 1] == pytest.approx(0.5, rel=0.02)


def test_shortest_of_two_competing_geodesics() -> None:
    start, end = torch.tensor([[-2.0, 0.0]]), torch.tensor([[2.0, 0.0]])
    found = shortest_path(hills, start, end, ((-3.0, 3.0), (-3.0, 3.0)), grid=64)
    assert found.certified.all() and found.agreed.all() and found.error.item() < 1e-6
    local = geodesic(hills, start, end, first="straight")
    assert local.converged.all() and local.length.item() > 1.01 * found.length.item()
    t = torch.linspace(0, 1, 257, dtype=torch.float64)
    ways = torch.stack([torch.stack((4 * t - 2, h * (math.pi * t).sin()), 1) for h in (-2.5, -1.5, -0.5, 0.5, 1, 2)])
    best = measure(hills, refine(as_manifold(hills), ways).points).length.min()
    assert found.length.item() == pytest.approx(best.item(), rel=1e-6)


def test_grids_do_not_agree_where_no_edge_follows_the_weak_direction_but_the_lower_bound_certifies_it() -> None:
    weak = torch.tensor([16.0, 1.0], dtype=torch.float64) / 257**0.5
    J = torch.stack((weak, 20 * torch.stack((-weak[1], weak[0]))))
    start, end = uniform(SQUARE, 8)
    start[0], end[0] = 0.03 - 1.5 * weak, 0.03 + 1.5 * weak
    found = shortest_path(lambda z: z @ J.T, start, end, ((-2.0, 2.0), (-2.0, 2.0)), grid=96, segments=32)
    torch.testing.assert_close(found.length, ((end - start) @ J.T).norm(dim=1), rtol=1e-9, atol=0)
    assert found.converged.all() and found.error.max() < 1e-9
    assert found.graph_length[0] > 1.15 * found.length[0]
    assert torch.equal(found.agreed, found.graph_length <= 1.1 * found.length) and found.agreed.any()
    assert found.gap.max() < 1e-6


def test_not_above_the_local_solver_and_the_same_both_ways() -> None:
    f = decoder()
    start, end = uniform(SQUARE, 6, seed=1)
    found, back = (
        shortest_path(f, *ends, ((-2.0, 2.0),) * 2, grid=64, effort=0) for ends in ((start, end), (end, start))
    )
    assert found.converged.all() and found.error.max() < 1e-4
    assert (found.length <= geodesic(f, start, end).length * (1 + 1e-6)).all()
    torch.testing.assert_close(found.length, back.length, rtol=1e-6, atol=0)


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_scale_of_the_generator_changes_nothing_else(scale: float) -> None:
    f = decoder().double()
    start, end = uniform(SQUARE, 3)
    one, other = (
        shortest_path(g, start, end, ((-2.0, 2.0),) * 2, grid=64, segments=64, effort=0)
        for g in (f, lambda z: scale * f(z))
    )
    torch.testing.assert_close(other.length, scale * one.length, rtol=1e-6, atol=0)
    torch.testing.assert_close(other.graph_length, scale * one.graph_length, rtol=1e-5, atol=0)
    assert torch.equal(one.converged, other.converged)


def test_path_that_meets_the_side_of_the_box_is_told() -> None:
    start, end = torch.tensor([[-2.0, 1.0], [-0.1, 0.8]]), torch.tensor([[2.0, 1.0], [0.1, 0.8]])
    box = ((-3.0, 3.0), (0.5, 1.2))
    found = shortest_path(HyperbolicHalfPlane(), start, end, box, grid=64, segments=32, effort=0)
    assert found.border.tolist() == [True, False]


def test_ends_that_are_equal_and_ends_in_one_cell() -> None:
    start = torch.tensor([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]], dtype=torch.float64)
    end = start + torch.tensor([[0.0, 0.0], [1e-4, 2e-4], [0.7, 0.3]], dtype=torch.float64)
    before = start.clone()
    found = shortest_path(Sphere(), start, end, SQUARE, grid=64, segments=64, effort=0)
    assert torch.equal(start, before)
    assert found.converged.all() and found.length[0] == 0 and found.error[0] == 0
    torch.testing.assert_close(found.length[1:], Sphere().distance(start, end)[1:], rtol=1e-6, atol=0)
    still = shortest_path(Sphere(), start[:1], end[:1], SQUARE, grid=64, segments=64)
    assert still.converged.all() and still.length.item() == 0
    assert still.certified.all() and still.gap.item() == 0


@pytest.mark.parametrize(
    ("k", "box", "settings", "match"),
    [
        (3, SQUARE, {}, "two dimensions"),
        (2, ((-1.0, 1.0),), {}, "two dimensions"),
        (2, ((1.0, -1.0), (-1.0, 1.0)), {}, "two dimensions"),
        (2, ((-0.1, 0.1), (-1.0, 1.0)), {}, "outside the box"),
        (2, SQUARE, {"grid": 66}, "grid=66"),
        (2, SQUARE, {"grid": 16}, "grid=16"),
        (2, SQUARE, {"reach": 0}, "reach=0"),
        (2, SQUARE, {"segments": 7}, "segments=7"),
        (2, SQUARE, {"effort": -1}, "effort=-1"),
        (2, SQUARE, {"cells": 100}, "cells=100"),
    ],
)
def test_bad_input_is_named(k: int, box: tuple, settings: dict[str, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        shortest_path(EuclideanSpace(), torch.full((1, k), 0.5), torch.zeros(1, k), box, **settings)


def test_the_box_is_the_manifolds_where_none_is_given() -> None:
    start, end = uniform(SQUARE, 2)
    space = LatentSpace(decoder(), box=((-2.0, 2.0), (-2.0, 2.0)))
    found = shortest_path(space, start, end, grid=32, segments=32, effort=0)
    given = shortest_path(space, start, end, space.box, grid=32, segments=32, effort=0)
    assert torch.equal(found.points, given.points)
    with pytest.raises(ValueError, match="box must be given"):
        shortest_path(decoder(), start, end)


def test_shortest_paths_and_geodesics_are_curves() -> None:
    start, end = uniform(SQUARE, 2)
    shortest = shortest_path(Sphere(), start, end, SQUARE, grid=64, segments=64, effort=0)
    found = shortest, geodesic(Sphere(), start, end)
    t = torch.linspace(0, 1, 5, dtype=torch.float64)
    for curves in found:
        assert isinstance(curves, Curves)
        torch.testing.assert_close(curves.curve(t), Sphere().curve(start, end, t), rtol=0, atol=1e-4)
        torch.testing.assert_close(curves.energy, curves.length.square(), rtol=1e-4, atol=0)
        z = curves.points.flatten(0, 1)[:, 0].abs().reshape(2, -1).amax(1)
        torch.testing.assert_close(curves.log_cond, -z.cos().log(), rtol=0, atol=1e-3)
        assert curves.worst.shape == (2, 2)


def test_the_lower_bound_can_be_skipped() -> None:
    start, end = uniform(SQUARE, 2)
    found = shortest_path(Sphere(), start, end, SQUARE, grid=64, segments=64, effort=0)
    assert not found.certified.any() and found.agreed.all() and (found.lower == 0).all()


def test_metric_that_is_not_finite_is_told() -> None:
    ends = torch.ones(2, 1, 2)
    with pytest.raises(ValueError, match="not finite"):
        shortest_path(HyperbolicHalfPlane(), ends[0], ends[1] + 0.1, ((0.0, 2.0), (-1.0, 2.0)), grid=64)


def test_a_ridge_that_only_the_finer_grid_sees_is_no_error() -> None:
    """Its paths are then longer than the bound that the coarse grid gave."""

    def wall(z: Tensor) -> Tensor:
        return torch.stack((z[:, 0], z[:, 1], 2 * ((z[:, 0] - 1 / 128) / 1e-3).tanh()), 1)

    start, end = torch.tensor([[-0.5, 0.1]]), torch.tensor([[0.5, 0.1]])
    found = shortest_path(wall, start, end, ((-1.0, 1.0), (-1.0, 1.0)), grid=64, segments=32, effort=0)
    assert found.length.isfinite().all()


def test_grids_do_not_agree_on_a_curve_much_longer_than_its_path_on_the_graph() -> None:
    one = torch.ones(3, dtype=torch.float64)
    graph_length = torch.tensor([1.05, 0.9, 1.2], dtype=torch.float64)
    found = ShortestPaths(
        points=torch.zeros(3, 9, 2), length=one, energy=one, error=0 * one, converged=one.bool(), border=~one.bool(),
        graph_length=graph_length, lower=graph_length.new_tensor([0.995, 0.98, 0.0]), everywhere=one.bool(),
    )  # fmt: skip
    assert found.agreed.tolist() == [True, False, False]
    assert found.certified.tolist() == [True, False, False] and found.gap[2] == torch.inf
