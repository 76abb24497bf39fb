"""Geodesics against surfaces whose answer is known, and against the invariances of the problem."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent_geometry.geodesics import Geodesics, energy, geodesic, measure, straight_line

TIGHT = 1e-13


def sphere(z: Tensor) -> Tensor:
    """Latitude and longitude to the unit sphere."""
    lat, lon = z[:, 0], z[:, 1]
    return torch.stack((lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()), 1)


def cone(z: Tensor) -> Tensor:
    """Polar coordinates (r, angle) to the cone of half-angle 30 degrees, isometric to a sector: angle / 2."""
    return torch.stack((z[:, 0] * z[:, 1].cos() / 2, z[:, 0] * z[:, 1].sin() / 2, z[:, 0] * math.sqrt(3) / 2), 1)


def cylinder(z: Tensor) -> Tensor:
    return torch.stack((z[:, 0].cos(), z[:, 0].sin(), z[:, 1]), 1)


def decoder() -> nn.Sequential:
    torch.manual_seed(0)
    f = nn.Sequential(
        nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 50), nn.Sigmoid()
    )
    for layer in (f[0], f[3], f[5]):
        nn.init.normal_(layer.weight, std=1.5 / math.sqrt(layer.in_features))
    f(torch.randn(500, 2))
    return f.eval()


def pairs(count: int, low: float, high: float, k: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, count, k, dtype=torch.float64, generator=generator) * (high - low) + low
    return points[0], points[1]


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_linear_generator_has_straight_geodesics(k: int) -> None:
    matrix = torch.randn(k, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    start, end = pairs(5, -1, 1, k)
    found = geodesic(lambda z: z @ matrix + 3, start, end)
    distance = ((end - start) @ matrix).norm(dim=1)
    assert found.converged.all()
    torch.testing.assert_close(found.length, distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.energy, distance.square(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.points, straight_line(lambda z: z @ matrix, start, end).points)


def test_sphere_gives_great_circles() -> None:
    start, end = pairs(20, -1.1, 1.1)
    distance = (sphere(start) * sphere(end)).sum(1).acos()
    found = geodesic(sphere, start, end, segments=64, tol=TIGHT)
    assert found.converged.all()
    torch.testing.assert_close(found.length, distance, rtol=1e-6, atol=0)
    normal = torch.linalg.cross(sphere(start), sphere(end))
    on_curve = sphere(found.curve(torch.linspace(0, 1, 200)).flatten(0, 1)).unflatten(0, (20, 200))
    assert (on_curve @ (normal / normal.norm(dim=1, keepdim=True))[..., None]).abs().max() < 1e-4
    assert (found.length <= straight_line(sphere, start, end).length * (1 + 1e-12)).all()


def test_cone_gives_the_chord_of_the_unrolled_sector() -> None:
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 2.5]])
    found = geodesic(cone, start, end, segments=64, tol=TIGHT)
    expected = math.sqrt(1 + 4 - 4 * math.cos(1.25))
    assert found.length.item() == pytest.approx(expected, rel=1e-7)


def test_cylinder_gives_helices() -> None:
    start, end = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.5, 1.0]])
    found = geodesic(cylinder, start, end)
    assert found.length.item() == pytest.approx(math.hypot(2.5, 1.0), rel=1e-12)


def test_length_converges_with_the_fourth_power_of_the_segments() -> None:
    start, end = torch.tensor([[-0.4, -1.0]]), torch.tensor([[0.9, 1.2]])
    distance = (sphere(start.double()) * sphere(end.double())).sum().acos().item()
    segments = [16, 32, 64, 128]
    errors = [geodesic(sphere, start, end, segments=n, tol=TIGHT).length.item() - distance for n in segments]
    slope = np.polyfit(np.log(segments), np.log(errors), 1)[0]
    assert min(errors) > 0
    assert slope < -3.7


def test_curves_have_constant_speed_and_minimal_energy() -> None:
    f, (start, end) = decoder(), pairs(10, -2, 2)
    found = geodesic(f, start, end, segments=64, tol=1e-10)
    assert found.converged.all()
    assert (found.energy >= found.length.square() * (1 - 1e-12)).all()
    torch.testing.assert_close(found.energy, found.length.square(), rtol=1e-4, atol=0)
    assert (found.length <= straight_line(f, start, end).length).all()
    generator = torch.Generator().manual_seed(3)
    for size in (1e-3, 1e-2):
        for _ in range(5):
            bump = torch.randn(found.points.shape, dtype=torch.float64, generator=generator) * size
            bump[:, [0, -1]] = 0
            assert (measure(f, found.points + bump)[1] > found.energy).all()


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_scaling_the_generator_changes_no_iterate(factor: float) -> None:
    f, (start, end) = decoder().double(), pairs(6, -2, 2)
    plain, scaled = geodesic(f, start, end), geodesic(lambda z: factor * f(z), start, end)
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-9)
    torch.testing.assert_close(scaled.length, factor * plain.length, rtol=1e-9, atol=0)
    assert scaled.iterations.equal(plain.iterations)
    assert scaled.converged.equal(plain.converged)


def test_length_does_not_depend_on_the_latent_coordinates() -> None:
    f, (start, end) = decoder().double(), pairs(6, -2, 2)
    turn = torch.tensor([[1.0, 3.0], [-0.5, 0.2]], dtype=torch.float64)
    inverse = torch.linalg.inv(turn)
    plain = geodesic(f, start, end, tol=1e-10)
    turned = geodesic(lambda z: f(z @ turn), start @ inverse, end @ inverse, tol=1e-10)
    torch.testing.assert_close(turned.length, plain.length, rtol=1e-9, atol=0)


def test_the_reverse_curve_is_the_same_curve() -> None:
    f, (start, end) = decoder(), pairs(6, -2, 2)
    there, back = geodesic(f, start, end, tol=1e-10), geodesic(f, end, start, tol=1e-10)
    torch.testing.assert_close(back.points.flip(1), there.points, rtol=0, atol=1e-5)


def test_a_batch_is_its_pairs_one_by_one() -> None:
    f, (start, end) = decoder(), pairs(5, -2, 2)
    together = geodesic(f, start, end)
    for i in range(5):
        alone = geodesic(f, start[i : i + 1], end[i : i + 1])
        torch.testing.assert_close(alone.points[0], together.points[i], rtol=0, atol=1e-9)
        assert alone.iterations[0] == together.iterations[i]


def test_equal_end_points() -> None:
    point = torch.tensor([[0.3, -1.7], [0.1, 0.2]])
    for found in (geodesic(decoder(), point, point), geodesic(sphere, point, point)):
        assert found.converged.all()
        assert (found.length == 0).all() and (found.energy == 0).all()
        assert (found.points == point[:, None]).all()


def test_a_solver_that_stops_early_says_so() -> None:
    f, (start, end) = decoder(), pairs(6, -2, 2)
    found = geodesic(f, start, end, max_iterations=1)
    assert not found.converged.any()
    assert (found.iterations == 1).all()
    assert not straight_line(f, start, end).converged.any()


def test_a_saddle_is_not_called_a_geodesic() -> None:
    """Along the equator the straight line is stationary, but beyond the antipode it no longer minimises."""
    start, end = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    found = geodesic(sphere, start, end)
    assert not found.converged.any()
    assert found.criterion.isinf().all()


def test_knots_do_not_jump_where_the_surface_almost_closes() -> None:
    """An arc of 1.9 pi has ends 0.31 apart. Inner knots moved to the nearer end lower E, by leaving the arc out."""

    def arc(z: Tensor) -> Tensor:
        return torch.stack(((1.9 * math.pi * z[:, 0]).cos(), (1.9 * math.pi * z[:, 0]).sin()), 1)

    z = torch.linspace(0, 1, 17, dtype=torch.float64)[None, :, None]
    x, refined = energy._decode(arc, z)
    step = (z.round() - z)[:, 1:-1]
    jumped, _ = energy._decode(arc, z.round())
    assert energy._energy(jumped) < energy._energy(x)
    one = torch.ones(1, dtype=torch.float64)
    after, _, fine, moved = energy._backtrack(arc, z, x, refined, step, 1e-6 * one, one.bool())
    assert fine <= refined.maximum(energy.JUMP * energy._energy(arc(after[0])[None]))
    assert not moved or after.diff(dim=1).max() < 0.5


def test_a_generator_that_is_not_finite_never_converges() -> None:
    found = geodesic(lambda z: (z - 1).sqrt(), torch.tensor([[0.0, 2.0]]), torch.tensor([[2.0, 3.0]]))
    assert not found.converged.any()


def test_rank_deficient_generator() -> None:
    """f sees one of two dimensions: every curve over the same interval is shortest, and none is an isolated minimum."""
    found = geodesic(lambda z: torch.stack((z[:, 0], z[:, 0].square()), 1), torch.zeros(1, 2), torch.ones(1, 2))
    assert found.points.isfinite().all()
    assert found.length.item() == pytest.approx((2 * math.sqrt(5) + math.asinh(2)) / 4, rel=1e-3)


def test_images_of_any_shape() -> None:
    f, (start, end) = decoder(), pairs(3, -2, 2)
    shaped = geodesic(nn.Sequential(f, nn.Unflatten(1, (2, 5, 5))), start, end)
    torch.testing.assert_close(shaped.length, geodesic(f, start, end).length)


def test_nothing_given_is_modified() -> None:
    f, (start, end) = decoder(), pairs(3, -2, 2)
    state = {name: value.clone() for name, value in f.state_dict().items()}
    copies = start.clone(), end.clone()
    geodesic(f, start, end)
    assert start.equal(copies[0]) and end.equal(copies[1])
    assert all(value.equal(state[name]) and value.dtype == state[name].dtype for name, value in f.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in f.parameters())


def test_measure_is_independent_of_the_segments() -> None:
    """A straight latent segment on the sphere at latitude 1: an arc of length |longitude| cos(1)."""
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 3.0]])
    for segments in (1, 2, 7, 100):
        line = straight_line(sphere, start, end, segments=segments)
        assert line.length.item() == pytest.approx(3 * math.cos(1), rel=1e-12)
        assert line.energy.item() == pytest.approx(9 * math.cos(1) ** 2, rel=1e-12)


def test_curve_passes_through_its_points() -> None:
    found = geodesic(decoder(), *pairs(3, -2, 2))
    t = torch.linspace(0, 1, found.points.shape[1], dtype=torch.float64)
    torch.testing.assert_close(found.curve(t), found.points)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        found.curve(torch.tensor([0.5, 1.5]))


def test_result_is_frozen() -> None:
    found = straight_line(sphere, *pairs(1, -1, 1))
    assert isinstance(found, Geodesics)
    with pytest.raises(AttributeError):
        found.length = found.energy  # type: ignore[misc]


@pytest.mark.parametrize("solve", [geodesic, straight_line])
@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (torch.zeros(2), torch.zeros(2), r"start \(2,\) and end \(2,\)"),
        (torch.zeros(3, 2), torch.zeros(2, 2), r"start \(3, 2\) and end \(2, 2\)"),
        (torch.zeros(0, 2), torch.zeros(0, 2), r"start \(0, 2\) and end \(0, 2\)"),
        (torch.zeros(1, 2), torch.tensor([[0.0, float("nan")]]), r"rows \[0\]: start .* end .*nan"),
        (torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2), "torch.int64 .* torch.float32"),
    ],
)
def test_bad_end_points(solve, start: Tensor, end: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(sphere, start, end)


@pytest.mark.parametrize("setting", [{"segments": 1}, {"tol": 0.0}, {"tol": math.nan}, {"max_iterations": 0}])
def test_bad_settings(setting: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        geodesic(sphere, *pairs(1, -1, 1), **setting)


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        geodesic(decoder().train(), *pairs(1, -1, 1))
