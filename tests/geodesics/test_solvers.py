"""Geodesics against surfaces whose answer is known: `newton` in depth, and every method once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from pullback.geodesics import METHODS, geodesic, measure, newton
from pullback.geodesics.curves import segment
from pullback.geometry import (
    EuclideanSpace,
    FlatCylinder,
    HyperbolicHalfPlane,
    LatentSpace,
    Manifold,
    Paraboloid,
    Sphere,
)
from shared import decoder, pairs

SURFACES = {  # with the dimension, and a cube inside the chart
    "line": (EuclideanSpace(), 1, -1.0, 1.0),
    "plane": (EuclideanSpace(), 2, -1.0, 1.0),
    "space": (EuclideanSpace(), 3, -1.0, 1.0),
    "eight dimensions": (EuclideanSpace(), 8, -1.0, 1.0),
    "sphere": (Sphere(), 2, -1.0, 1.0),
    "half-plane": (HyperbolicHalfPlane(), 2, 0.5, 2.0),
    "half-space": (HyperbolicHalfPlane(), 3, 0.5, 2.0),
    "cylinder": (FlatCylinder(0.7), 2, -1.5, 1.5),
    "paraboloid": (Paraboloid(), 2, -1.0, 1.0),
}
EVERY = pytest.mark.parametrize("surface", SURFACES)
CURVED = pytest.mark.parametrize("surface", ["sphere", "half-plane", "half-space", "paraboloid"])

SETTINGS: dict[str, dict[str, Any]] = {"graph": {"neighbours": 40}, "bvp": {"nodes": 8}, "georce": {"segments": 32}}
TOLERANCES = {  # largest excess of a length over the distance, relative to it
    "newton": 1e-3,  # by its rule of when a curve is resolved
    "spline": 1e-4,  # cubic, with 8 pieces
    "network": 5e-4,  # 32 chords, and weights that stop short of their optimum
    "graph": 0.03,  # the corners of a path through 1000 points in two dimensions
    "georce": 1e-4,  # 32 segments, errors of order 4
    "bvp": 1e-4,  # a residual of 1e-3, whose square the length sees
    "fixed_point": 1e-3,  # 10 nodes
}


def solve_surface(surface: str, method: str, count: int = 3, **settings: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Relative excess over the distance, the flags, and the straight line's excess."""
    manifold, k, low, high = SURFACES[surface]
    start, end = pairs(count, low, high, k)
    if method == "graph":
        settings["codes"] = pairs(1000, low, high, k, seed=1)[0]
    found = geodesic(manifold, start, end, method=method, **settings)
    distance = manifold.distance(start, end)
    line = measure(manifold, segment(start, end, 64)).length
    return found.length / distance - 1, found.converged, line / distance - 1


def straight_then_refined(manifold: Manifold, start: Tensor, end: Tensor, n: int, tol: float = 1e-13) -> Tensor:
    found = newton.refine(manifold, segment(start, end, n), tol=tol)
    assert found.converged.all()
    return found.points


@EVERY
@pytest.mark.parametrize("method", TOLERANCES)
def test_every_method_on_every_surface(method: str, surface: str) -> None:
    k = SURFACES[surface][1]
    excess, converged, line = solve_surface(surface, method, **SETTINGS.get(method, {}))
    if method == "graph":  # no path through points is called converged that is longer than the straight line
        assert not (converged & (excess > line + 1e-4)).any()
    else:
        assert converged.all()
    assert excess.min() > -1e-6
    tolerance = 0.1 * k if method == "graph" and k > 2 else TOLERANCES[method]  # as many points are sparser there
    assert excess.max() < tolerance
    if line.min() > 2 * tolerance:
        assert (excess < line).all()


@EVERY
def test_the_straight_line_is_measured_as_it_is(surface: str) -> None:
    excess, converged, line = solve_surface(surface, "straight")
    torch.testing.assert_close(excess, line, rtol=0, atol=1e-9)
    assert not converged.any()


@EVERY
def test_newton_is_exact_to_a_millionth_on_fine_curves(surface: str) -> None:
    manifold, k, low, high = SURFACES[surface]
    start, end = pairs(6, low, high, k)
    points = straight_then_refined(manifold, start, end, 128)
    length = measure(manifold, points, 1e-8).length
    torch.testing.assert_close(length, manifold.distance(start, end), rtol=1e-6, atol=0)


@CURVED
def test_length_converges_with_the_fourth_power_of_the_segments(surface: str) -> None:
    """Or faster. The knots are off by n^-2, and the length is stationary."""
    manifold, k, low, high = SURFACES[surface]
    start, end = pairs(4, low, high, k)
    segments, distance, errors = [8, 16, 32, 64], manifold.distance(start, end), []
    for n in segments:
        points = straight_then_refined(manifold, start, end, n, tol=1e-16)
        errors.append((measure(manifold, points, 1e-13).length / distance - 1).abs().sum().item())
    assert np.polyfit(np.log(segments), np.log(errors), 1)[0] < -3.8


@CURVED
def test_knots_converge_with_the_second_power_of_the_segments(surface: str) -> None:
    """On the sphere they are exact: equal chords are equal arcs."""
    manifold, k, low, high = SURFACES[surface]
    start, end = pairs(4, low, high, k)
    segments = [16, 32, 64, 128]
    errors = []
    for n in segments:
        exact = manifold.curve(start, end, torch.linspace(0, 1, n + 1, dtype=torch.float64))
        errors.append((straight_then_refined(manifold, start, end, n) - exact).abs().max().item())
    if surface == "sphere":
        assert max(errors) < 1e-6
    else:
        assert np.polyfit(np.log(segments), np.log(errors), 1)[0] == pytest.approx(-2, abs=0.2)


def energy(manifold: Manifold, points: Tensor) -> Tensor:
    """The discrete energy that `newton` states, of one curve (n + 1, k)."""
    n = len(points) - 1
    if isinstance(manifold, HyperbolicHalfPlane):
        middle = (points[1:] + points[:-1])[:, -1] / 2
        return n * (points.diff(dim=0).square().sum(1) / middle.square()).sum()
    return n * manifold.embed(points).diff(dim=0).square().sum()


@pytest.mark.parametrize(
    ("manifold", "k"),
    [
        (LatentSpace(decoder()), 2),
        (LatentSpace(decoder(3)), 3),
        (LatentSpace(decoder(1)), 1),
        (LatentSpace(decoder().double().__call__), 2),
        (Paraboloid(), 2),
        (HyperbolicHalfPlane(), 2),
        (HyperbolicHalfPlane(), 3),
    ],
)
def test_derivatives_are_those_of_automatic_differentiation(manifold: Manifold, k: int) -> None:
    random = torch.Generator().manual_seed(1)
    z = 1 + 0.5 * torch.rand(2, 7, k, dtype=torch.float64, generator=random)
    x, found, finer = manifold.energies(z)
    torch.testing.assert_close(found, torch.stack([energy(manifold, curve) for curve in z]))
    halved = torch.cat([torch.stack((z[:, :-1], (z[:, 1:] + z[:, :-1]) / 2), 2).flatten(1, 2), z[:, -1:]], 1)
    refined = torch.stack([energy(manifold, curve) for curve in halved])
    torch.testing.assert_close(finer, refined)
    gradient, diagonal, more_diagonal, coupling, more_coupling = manifold.energy_derivatives(z, x)
    for b in range(2):

        def of_inner(inner: Tensor, b: int = b) -> Tensor:
            return energy(manifold, torch.cat((z[b, :1], inner, z[b, -1:])))

        inner = z[b, 1:-1]
        torch.testing.assert_close(gradient[b], torch.func.grad(of_inner)(inner), rtol=1e-9, atol=1e-9)
        H = torch.func.hessian(of_inner)(inner).transpose(1, 2)  # (m, m, k, k)
        for i in range(5):
            torch.testing.assert_close((diagonal + more_diagonal)[b, i], H[i, i], rtol=1e-9, atol=1e-9)
            if i < 4:
                torch.testing.assert_close((coupling + more_coupling)[b, i], H[i, i + 1], rtol=1e-9, atol=1e-9)
    lowest = torch.linalg.eigvalsh(diagonal)[..., 0]
    assert (lowest > 0).all()  # what Gauss-Newton keeps


@pytest.mark.parametrize("m", [1, 2, 3, 8])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_direction_is_newtons_where_the_hessian_is_definite(m: int, k: int) -> None:
    """The second of two systems has an indefinite Hessian: its direction is downhill, but not called Newton's."""
    random = torch.Generator().manual_seed(m)
    shapes = (m, k, k), (m - 1, k, k), (m - 1, k, k), (m, k)
    D, U, more_U, g = (torch.randn(2, *shape, dtype=torch.float64, generator=random) for shape in shapes)
    D = D @ D.mT + 8 * k * torch.eye(k, dtype=torch.float64)
    more_D = torch.eye(k, dtype=torch.float64).repeat(2, m, 1, 1)
    more_D[1, m // 2] *= -200
    H = torch.zeros(2, m, k, m, k, dtype=torch.float64)
    for i in range(m):
        H[:, i, :, i] = (D + more_D)[:, i]
        if i < m - 1:
            H[:, i, :, i + 1], H[:, i + 1, :, i] = (U + more_U)[:, i], (U + more_U)[:, i].mT
    H = H.reshape(2, m * k, m * k)
    step, decrement, full = newton._direction(g, D, more_D, U, more_U)
    assert full.tolist() == (torch.linalg.eigvalsh(H)[:, 0] > 0).tolist() == [True, False]
    torch.testing.assert_close(H[0] @ step[0].flatten(), -g[0].flatten(), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(decrement, -(step * g).sum((1, 2)))
    assert (decrement > 0).all()


@pytest.mark.parametrize("k", [1, 3, 8])
def test_any_latent_dimension(k: int) -> None:
    f, (start, end) = decoder(k, gain=1.0), pairs(4, -1, 1, k)
    found = geodesic(f, start, end)
    assert found.converged.all() and found.points.shape[2] == k
    assert (found.length <= geodesic(f, start, end, method="straight").length * (1 + 1e-4)).all()
    fine = straight_then_refined(LatentSpace(f), start, end, 256)
    torch.testing.assert_close(found.length, measure(f, fine).length, rtol=1e-3, atol=0)


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_linear_generators_have_straight_geodesics(k: int) -> None:
    matrix = torch.randn(k, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    start, end = pairs(5, -1, 1, k)
    found = geodesic(lambda z: z @ matrix + 3, start, end)
    distance = ((end - start) @ matrix).norm(dim=1)
    assert found.converged.all()
    torch.testing.assert_close(found.length, distance, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.energy, distance.square(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.points, segment(start, end, found.points.shape[1] - 1))


def test_cone_gives_the_chord_of_the_unrolled_sector() -> None:
    """Polar coordinates (r, angle) to the cone of half-angle 30 degrees, isometric to a sector: angle / 2."""

    def cone(z: Tensor) -> Tensor:
        r, angle = z.unbind(1)
        return torch.stack((r * angle.cos() / 2, r * angle.sin() / 2, r * math.sqrt(3) / 2), 1)

    start, end = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[2.0, 2.5]]).double()
    expected = math.sqrt(1 + 4 - 4 * math.cos(1.25))
    points = straight_then_refined(LatentSpace(cone), start, end, 128)
    assert measure(cone, points).length.item() == pytest.approx(expected, rel=1e-7)
    assert geodesic(cone, start, end).length.item() == pytest.approx(expected, rel=1e-3)


def test_a_cylinder_is_unrolled_beyond_its_cut_locus() -> None:
    """A geodesic near the straight line, though not the shortest."""
    start, end = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[4.0, 1.0]]).double()
    found = geodesic(FlatCylinder(), start, end)
    assert found.converged.all()
    torch.testing.assert_close(found.length, FlatCylinder().unwrapped(start, end), rtol=1e-9, atol=0)
    assert (found.length > FlatCylinder().distance(start, end) + 1).all()


def corrugated(z: Tensor) -> Tensor:
    """A sheet with waves along the first dimension. It is flat."""
    return torch.cat((z, 0.2 * (20 * z[:, :1]).sin()), 1)


def test_a_curve_that_its_segments_do_not_resolve_is_not_called_converged() -> None:
    start, end = torch.tensor([[-1.0, 0.0]]).double(), torch.tensor([[1.0, 3.0]]).double()
    few = geodesic(corrugated, start, end, segments=16)
    assert not few.converged.any() and few.criterion.isinf().all() and few.points.shape[1] == 17
    many = geodesic(corrugated, start, end)
    arc = quad(lambda x: math.sqrt(1 + 16 * math.cos(20 * x) ** 2), -1, 1, limit=500)[0]
    assert many.converged.all() and many.points.shape[1] > 65
    assert many.length.item() == pytest.approx(math.hypot(arc, 3), rel=1e-3)


def test_a_saddle_is_not_called_a_geodesic() -> None:
    """Along the equator the straight line is stationary, but beyond the antipode it no longer minimises."""
    start, end = torch.tensor([[0.0, 0.0]]).double(), torch.tensor([[0.0, 4.0]]).double()
    found = geodesic(Sphere(), start, end)
    assert not found.converged.any() and found.criterion.isinf().all()
    short = geodesic(Sphere(), start, torch.tensor([[0.0, 3.0]]).double())
    assert short.converged.all() and short.length.item() == pytest.approx(3, rel=1e-9)


def test_knots_do_not_jump_where_the_surface_almost_closes() -> None:
    """An arc of 1.9 pi has ends 0.31 apart. Inner knots moved to the nearer end lower E, by leaving the arc out."""

    def arc(z: Tensor) -> Tensor:
        angle = 1.9 * math.pi * z[:, 0] ** 3
        return torch.stack((angle.cos(), angle.sin()), 1)

    found = geodesic(arc, torch.tensor([[0.1]]), torch.tensor([[1.0]]), tol=1e-8)
    assert found.converged.all()
    assert found.length.item() == pytest.approx(1.9 * math.pi * 0.999, rel=1e-3)
    assert found.energy.item() == pytest.approx(found.length.item() ** 2, rel=1e-2)


def test_curves_have_constant_speed_and_minimal_energy() -> None:
    f, (start, end) = decoder(), pairs(10, -1.5, 1.5)
    found = geodesic(f, start, end, tol=1e-8)
    assert found.converged.all()
    torch.testing.assert_close(found.energy, found.length.square(), rtol=5e-3, atol=0)
    line = geodesic(f, start, end, method="straight")
    assert (found.length < line.length).all() and (found.energy < line.energy).all()
    points = straight_then_refined(LatentSpace(f), start, end, 256)
    energy, random = measure(f, points).energy, torch.Generator().manual_seed(3)
    for size in (1e-3, 1e-2):
        for _ in range(3):
            bump = torch.randn(points.shape, dtype=torch.float64, generator=random) * size
            bump[:, [0, -1]] = 0
            assert (measure(f, points + bump).energy > energy).all()


def test_a_converged_curve_is_within_a_thousandth_of_the_local_optimum() -> None:
    f, (start, end) = decoder(), pairs(20, -1.5, 1.5)
    found = geodesic(f, start, end)
    assert found.converged.sum() >= 19
    best = newton.refine(LatentSpace(f), found.curve(torch.linspace(0, 1, 513).double()), tol=1e-10)
    good = found.converged & best.converged
    assert good.sum() >= 19
    torch.testing.assert_close(found.length[good], measure(f, best.points).length[good], rtol=1e-3, atol=0)


def test_length_does_not_depend_on_the_latent_coordinates() -> None:
    f, (start, end) = decoder().double(), pairs(6, -1.5, 1.5)
    turn = torch.tensor([[1.0, 3.0], [-0.5, 0.2]], dtype=torch.float64)
    plain, turned = (
        measure(g, straight_then_refined(LatentSpace(g), a, b, 64)).length
        for g, a, b in (
            (f, start, end),
            (lambda z: f(z @ turn), start @ turn.inverse(), end @ turn.inverse()),
        )
    )
    torch.testing.assert_close(turned, plain, rtol=1e-9, atol=0)


def test_the_reverse_curve_is_the_same_curve() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(6, -1.5, 1.5)
    there, back = (straight_then_refined(manifold, a, b, 64) for a, b in ((start, end), (end, start)))
    torch.testing.assert_close(back.flip(1), there, rtol=0, atol=1e-6)


def test_relu_generators_get_a_shorter_curve() -> None:
    f, (start, end) = decoder(activation=nn.ReLU), pairs(10, -1.5, 1.5)
    found, line = geodesic(f, start, end), geodesic(f, start, end, method="straight")
    assert (found.length < line.length * (1 + 1e-6)).all()
    assert found.converged.sum() >= 8


def test_images_of_any_shape() -> None:
    f, (start, end) = decoder(), pairs(3, -1.5, 1.5)
    shaped = geodesic(nn.Sequential(f, nn.Unflatten(1, (2, 5, 5))), start, end)
    torch.testing.assert_close(shaped.length, geodesic(f, start, end).length, rtol=1e-4, atol=0)


def test_the_number_of_segments_is_a_power_of_two_times_sixteen_and_at_most_the_limit() -> None:
    f, (start, end) = decoder(gain=2.5), pairs(4, -2, 2)
    for limit in (16, 40, 64):
        n = geodesic(f, start, end, segments=limit).points.shape[1] - 1
        assert n in (16, 32, 64) and n <= limit


def test_a_solver_that_stops_early_says_so() -> None:
    found = geodesic(decoder(), *pairs(6, -1.5, 1.5), max_iterations=1)
    assert not found.converged.any() and (found.iterations == 1).all()
    assert not (found.criterion <= 1e-4).any()


def test_refinement_lowers_the_energy_keeps_the_ends_and_modifies_nothing() -> None:
    manifold, (start, end) = LatentSpace(decoder()), pairs(6, -1.5, 1.5)
    line = segment(start, end, 32)
    copy = line.clone()
    found = newton.refine(manifold, line)
    assert line.equal(copy) and found.points.shape == line.shape
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)
    assert (measure(manifold, found.points).energy < measure(manifold, line).energy).all()
    again = newton.refine(manifold, found.points, tol=1e-3)
    assert (again.iterations == 1).all()


def test_measure_is_independent_of_the_segments() -> None:
    """A straight latent segment on the sphere at latitude 1: an arc of length |longitude| cos(1)."""
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 3.0]])
    for segments in (1, 2, 7, 100):
        line = geodesic(Sphere(), start, end, method="straight", segments=segments)
        assert line.length.item() == pytest.approx(3 * math.cos(1), rel=1e-12)
        assert line.energy.item() == pytest.approx(9 * math.cos(1) ** 2, rel=1e-12)


@pytest.mark.parametrize("setting", [{"segments": 1}, {"tol": 0.0}, {"tol": math.nan}, {"max_iterations": 0}])
def test_bad_settings(setting: dict) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        geodesic(Sphere(), *pairs(1, -1, 1), **setting)


def test_every_method_has_a_tolerance_here() -> None:
    assert set(TOLERANCES) == set(METHODS) - {"straight"}


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("segments", [1, 16, 64])
def test_the_measure_resolves_a_ridge_that_no_knot_sees(segments: int, tol: float) -> None:
    """A step of height 2 and width 0.005 adds 2 to the length of the line across it, but for rounding its corners."""

    def ridge(z: Tensor) -> Tensor:
        return torch.stack((z[:, 0], z[:, 1], ((z[:, 0] - 0.503) / 0.005).tanh()), 1)

    line = segment(torch.zeros(1, 2).double(), torch.tensor([[1.0, 0.0]]).double(), segments)
    length = quad(lambda x: math.hypot(1, (1 / math.cosh((x - 0.503) / 0.005)) ** 2 / 0.005), 0.4, 0.6, limit=500)[0]
    assert measure(ridge, line, tol).length.item() == pytest.approx(0.8 + length, rel=tol)


def test_the_measure_finds_a_ridge_between_its_nodes_by_its_chords() -> None:
    """At no node does the speed tell of the step, of height 2 and width 1e-4; the images do."""

    def step(z: Tensor) -> Tensor:
        return torch.stack((z[:, 0], ((z[:, 0] - 0.5078) / 1e-4).tanh()), 1)

    line = segment(torch.zeros(1, 1).double(), torch.ones(1, 1).double(), 16)
    nodes = torch.linspace(0, 1, 65).double()
    assert (1 / ((nodes - 0.5078) / 1e-4).cosh()).max() < 1e-20
    found = measure(step, line)
    exact = quad(lambda x: math.hypot(1, (1 / math.cosh(x / 1e-4)) ** 2 / 1e-4), -0.002, 0.002, limit=500)[0] + 0.996
    assert found.length.item() == pytest.approx(exact, rel=1e-3)
    assert found.chords.item() <= found.length.item() * (1 + 1e-4)


def test_chords_never_exceed_the_length_of_an_honest_generator() -> None:
    f, (start, end) = decoder(), pairs(20, -1.5, 1.5)
    for method in ("straight", "newton"):
        found = measure(f, geodesic(f, start, end, method=method).points)
        assert (found.chords <= found.length * (1 + 1e-6)).all() and (found.chords > 0.99 * found.length).all()


def test_a_curve_that_is_a_geodesic_already_is_called_converged() -> None:
    line = torch.linspace(0, 1, 17, dtype=torch.float64)[None, :, None].expand(1, 17, 2)
    found = newton.refine(EuclideanSpace(), line)
    assert found.converged.all() and found.criterion.item() < 1e-20
    torch.testing.assert_close(found.points, line, rtol=0, atol=1e-14)
