"""The graph method against shortest paths that are known, and against its own statement of success."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pullback.geodesics import measure
from pullback.geodesics.graph import solve
from pullback.geometry.latent import LatentSpace
from pullback.geometry.surfaces import EuclideanSpace, HyperbolicHalfPlane, Sphere


def uniform(count: int, low: float, high: float, k: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, k, dtype=torch.float64, generator=generator) * (high - low) + low


def ends(count: int, low: float, high: float, k: int = 2) -> tuple[Tensor, Tensor]:
    return uniform(count, low, high, k, seed=1), uniform(count, low, high, k, seed=2)


def test_nodes_on_the_geodesic_give_the_geodesic() -> None:
    start, end = torch.tensor([[0.3, 0.1]]).double(), torch.tensor([[0.8, 1.9]]).double()
    codes = Sphere().curve(start, end, torch.linspace(0, 1, 102, dtype=torch.float64)[1:-1])[0]
    found = solve(Sphere(), start, end, codes=codes, neighbours=2)
    assert found.converged.all() and (found.criterion == 0).all()
    torch.testing.assert_close(measure(Sphere(), found.points).length, Sphere().distance(start, end), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("manifold", "low", "high"), [(Sphere(), -1.2, 1.2), (HyperbolicHalfPlane(), 0.3, 2.0)])
def test_more_codes_and_neighbours_come_nearer_to_the_distance(manifold, low: float, high: float) -> None:
    start, end = ends(12, low, high)
    distance, excess = manifold.distance(start, end), []
    for count, neighbours in ((100, 8), (500, 20), (4000, 60)):
        found = solve(manifold, start, end, codes=uniform(count, low, high), neighbours=neighbours)
        assert found.criterion.isfinite().all()
        excess.append(float((measure(manifold, found.points).length / distance - 1).mean()))
    assert excess[0] > excess[1] > excess[2] > -1e-6
    assert excess[2] < 0.01 and found.converged.all()


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_any_latent_dimension(k: int) -> None:
    start, end = ends(4, -1, 1, k)
    found = solve(EuclideanSpace(), start, end, codes=uniform(2000, -1, 1, k))
    length = measure(EuclideanSpace(), found.points).length
    chain = found.points.diff(dim=1).norm(dim=2).sum(1) / (end - start).norm(dim=1)
    torch.testing.assert_close(found.criterion, chain - 1)  # the straight line is the shortest smoothing
    assert found.converged.equal(chain - 1 <= 0.1)
    assert (length >= (end - start).norm(dim=1) * (1 - 1e-12)).all()
    assert (length <= (end - start).norm(dim=1) * (1 + 0.1 * k)).all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)


def test_the_path_is_global() -> None:
    """A ridge across the straight line: the way around it, which no descent from the line would find at once."""

    def ridge(z: Tensor) -> Tensor:
        height = 5 * torch.exp(-20 * z[:, 0].square() - 8 * z[:, 1].square())
        return torch.cat((z, height[:, None]), 1)

    start, end = torch.tensor([[-1.0, 0.0]]).double(), torch.tensor([[1.0, 0.0]]).double()
    found = solve(LatentSpace(ridge), start, end, codes=uniform(1000, -1.5, 1.5), neighbours=20)
    assert measure(ridge, found.points).length.item() < 3.2
    assert found.points[0, :, 1].abs().max() > 0.5


def test_ends_that_the_graph_does_not_join() -> None:
    """Two clusters: a pair within one has a path, one across has none, and says so."""
    codes = torch.cat((uniform(50, 0, 1), uniform(50, 10, 11)))
    start = torch.tensor([[0.1, 0.1], [0.1, 0.1]]).double()
    end = torch.tensor([[0.9, 0.9], [10.5, 10.5]]).double()
    found = solve(EuclideanSpace(), start, end, codes=codes, neighbours=15)
    assert found.converged.tolist() == [True, False]
    assert found.criterion[1] == math.inf and found.iterations[1] == 0


def test_edges_where_the_metric_is_not_finite_are_not_used() -> None:
    def broken(z: Tensor) -> Tensor:
        return torch.where((z[:, :1].abs() < 0.2) & (z[:, 1:].abs() < 0.5), torch.nan, z)

    start, end = torch.tensor([[-1.0, 0.0]]).double(), torch.tensor([[1.0, 0.0]]).double()
    found = solve(LatentSpace(broken), start, end, codes=uniform(2000, -1.2, 1.2), neighbours=20, chords=8)
    assert found.converged.all()
    assert found.points[0, :, 1].abs().max() > 0.45


def test_a_near_pair_goes_straight() -> None:
    start = torch.tensor([[0.5, 0.5]]).double()
    end = start + 1e-3
    found = solve(EuclideanSpace(), start, end, codes=uniform(100, 0, 1))
    assert found.iterations.item() == 1
    torch.testing.assert_close(measure(EuclideanSpace(), found.points).length, (end - start).norm(dim=1))


def test_a_batch_is_its_pairs_one_by_one() -> None:
    codes, (start, end) = uniform(30, -1, 1), ends(8, -1, 1)
    together = solve(Sphere(), start, end, codes=codes, neighbours=4)
    for i in range(8):
        alone = solve(Sphere(), start[i : i + 1], end[i : i + 1], codes=codes, neighbours=4)
        torch.testing.assert_close(alone.points[0], together.points[i])
        assert alone.iterations[0] == together.iterations[i]


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_nothing(factor: float) -> None:
    codes, (start, end) = uniform(500, -1, 1), ends(6, -1, 1)
    plain = solve(Sphere(), start, end, codes=codes)
    scaled = solve(LatentSpace(lambda z: factor * Sphere().embed(z)), start, end, codes=codes)
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-9)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


def test_nothing_given_is_modified_and_repeated_codes_do_no_harm() -> None:
    codes, (start, end) = uniform(200, -1, 1).float(), ends(3, -1, 1)
    copies = [a.clone() for a in (codes, start, end)]
    once = solve(Sphere(), start, end, codes=codes)
    twice = solve(Sphere(), start, end, codes=torch.cat((codes, codes)))
    torch.testing.assert_close(once.points, twice.points)
    assert all(a.equal(b) for a, b in zip((codes, start, end), copies, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "codes must be given"),
        ({"codes": torch.zeros(5, 3)}, r"\(m, 2\).*\(5, 3\)"),
        ({"codes": torch.zeros(0, 2)}, r"\(0, 2\)"),
        ({"codes": torch.full((5, 2), torch.nan)}, "finite"),
        ({"codes": torch.rand(5, 2), "neighbours": 0}, "neighbours=0"),
        ({"codes": torch.rand(5, 2), "chords": 0}, "chords=0"),
        ({"codes": torch.rand(5, 2), "segments": 0}, "segments=0"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(Sphere(), *ends(2, -1, 1), **settings)
