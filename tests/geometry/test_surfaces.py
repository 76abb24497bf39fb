"""Closed forms against each other: distances, the lengths of curves, isometries, quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import Tensor

from pullback.geodesics import measure
from pullback.geometry import EuclideanSpace, FlatCylinder, HyperbolicHalfPlane, Paraboloid, Sphere

CASES = {  # a manifold, its dimension, and a cube inside its chart
    "line": (EuclideanSpace(), 1, -2, 2),
    "space": (EuclideanSpace(), 3, -2, 2),
    "sphere": (Sphere(), 2, -1.2, 1.2),
    "half-plane": (HyperbolicHalfPlane(), 2, 0.2, 3),
    "half-space": (HyperbolicHalfPlane(), 3, 0.2, 3),
    "cylinder": (FlatCylinder(1.7), 2, -9, 9),
    "paraboloid": (Paraboloid(), 2, -1, 1),
    "deep paraboloid": (Paraboloid(4.0), 2, -2, 2),
}
EVERY = pytest.mark.parametrize(("manifold", "k", "low", "high"), CASES.values(), ids=CASES)


def draw(k: int, low: float, high: float, n: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(2, n, k, dtype=torch.float64, generator=random) * (high - low) + low).unbind(0)


def points(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@EVERY
def test_curves_have_the_length_of_the_distance_and_constant_speed(manifold, k: int, low: float, high: float) -> None:
    start, end = draw(k, low, high)
    knots = manifold.curve(start, end, torch.linspace(0, 1, 513, dtype=torch.float64))
    found, distance = measure(manifold, knots, tol=1e-12), manifold.distance(start, end)
    torch.testing.assert_close(found.length, distance, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.energy, distance.square(), rtol=1e-9, atol=0)


@EVERY
def test_curves_join_the_points_and_shortest_paths_are_shortest_in_part(manifold, k, low, high) -> None:
    start, end = draw(k, low, high)
    t = torch.tensor([0.0, 0.15, 0.7, 1.0], dtype=torch.float64)
    z, distance = manifold.curve(start, end, t), manifold.distance(start, end)
    assert z.shape == (40, 4, k)
    torch.testing.assert_close(z[:, 0], start)
    torch.testing.assert_close(manifold.distance(z[:, 3], end), torch.zeros_like(distance), rtol=0, atol=1e-12)
    for i, j in ((0, 1), (1, 2), (0, 2), (2, 3)):
        torch.testing.assert_close(manifold.distance(z[:, i], z[:, j]), (t[j] - t[i]) * distance, rtol=1e-9, atol=1e-12)


@EVERY
def test_equal_points(manifold, k: int, low: float, high: float) -> None:
    start, _ = draw(k, low, high)
    assert (manifold.distance(start, start) < 1e-14).all()
    stay = manifold.curve(start, start, torch.linspace(0, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(stay, start[:, None].expand(-1, 5, -1))


@EVERY
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_distance_is_a_metric(manifold, k: int, low: float, high: float, seed: int) -> None:
    (a, b), (c, _) = draw(k, low, high, 8, seed), draw(k, low, high, 8, seed + 1)
    ab, bc, ac = manifold.distance(a, b), manifold.distance(b, c), manifold.distance(a, c)
    torch.testing.assert_close(manifold.distance(b, a), ab, rtol=1e-13, atol=1e-13)
    assert (ab > 0).all()
    assert (ac <= ab + bc + 1e-12).all()


@EVERY
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_no_path_is_shorter(manifold, k: int, low: float, high: float, seed: int) -> None:
    start, end = draw(k, low, high, 8, seed)
    straight = torch.lerp(start[:, None], end[:, None], torch.linspace(0, 1, 65, dtype=torch.float64)[:, None])
    assert (manifold.distance(start, end) <= measure(manifold, straight).length * (1 + 1e-9)).all()


def turn(angle: float) -> Callable[[Tensor], Tensor]:
    c, s = math.cos(angle), math.sin(angle)
    return lambda z: z @ points((c, s), (-s, c))


def tilt(z: Tensor) -> Tensor:
    """The sphere turned by 0.8 about an axis through its equator."""
    x = Sphere().embed(z)
    x = torch.cat((x[:, :1], turn(0.8)(x[:, 1:])), 1)
    return torch.stack((x[:, 2].asin(), torch.atan2(x[:, 1], x[:, 0])), 1)


def moebius(z: Tensor) -> Tensor:
    w = torch.complex(z[:, 0], z[:, 1])
    w = (2 * w + 1) / (3 * w + 2)
    return torch.stack((w.real, w.imag), 1)


def inversion(z: Tensor) -> Tensor:
    return z / z.square().sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("case", "isometry"),
    [
        ("space", lambda z: z.flip(1) + 5),
        ("sphere", tilt),
        ("sphere", lambda z: z * points((-1, 1)) + points((0, 4))),
        ("half-plane", moebius),
        ("half-plane", lambda z: 7 * z + points((3, 0))),
        ("half-space", inversion),
        ("cylinder", lambda z: z * points((-1, 1)) + points((40, -2))),
        ("paraboloid", turn(2.2)),
        ("deep paraboloid", lambda z: turn(-0.7)(z).flip(1)),
    ],
)
def test_isometries_keep_distances(case: str, isometry: Callable[[Tensor], Tensor]) -> None:
    manifold, k, low, high = CASES[case]
    start, end = draw(k, low, high)
    moved = manifold.distance(isometry(start), isometry(end))
    torch.testing.assert_close(moved, manifold.distance(start, end), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("manifold", "start", "end", "expected"),
    [
        (Sphere(), (0.0, 0.0), (0.0, 2.0), 2.0),
        (Sphere(), (0.0, 0.0), (0.0, 4.0), 2 * math.pi - 4),
        (Sphere(), (1.0, 0.0), (1.0, math.pi), math.pi - 2),
        (Sphere(), (0.3, 0.2), (0.3, 0.2 + 1e-9), 1e-9 * math.cos(0.3)),
        (Sphere(), (0.5, 1.0), (-0.5, 1.0 + math.pi), math.pi),
        (HyperbolicHalfPlane(), (3.0, 1.0), (3.0, math.e), 1.0),
        (HyperbolicHalfPlane(), (-3.0, 4.0), (3.0, 4.0), 2 * math.asinh(3 / 4)),
        (FlatCylinder(2.0), (0.0, 0.0), (1.5 * math.pi, 1.0), math.hypot(math.pi, 1.0)),
        (FlatCylinder(2.0), (0.0, 0.0), (math.pi, 0.0), 2 * math.pi),
        (Paraboloid(), (0.0, 0.0), (0.6, 0.8), (math.sqrt(2) + math.asinh(1)) / 2),
        (Paraboloid(), (-0.6, -0.8), (0.6, 0.8), math.sqrt(2) + math.asinh(1)),
    ],
)
def test_known_distances(manifold, start: tuple, end: tuple, expected: float) -> None:
    assert manifold.distance(points(start), points(end)).item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("curvature", [0.3, 1.0, 3.0])
@pytest.mark.parametrize(("c", "near", "far"), [(0.5, 0.6, 1.1), (0.2, 0.3, 0.9), (0.01, 0.4, 0.7)])
@pytest.mark.parametrize("inbound", [False, True])
def test_paraboloid_by_quadrature_of_clairauts_integrals(
    curvature: float, c: float, near: float, far: float, inbound: bool
) -> None:
    """Angle and length in the radius, singular as (r - c)^-1/2 where the geodesic is nearest the vertex."""

    def integral(form: Callable[[float], float], low: float, high: float) -> float:
        smooth = lambda r: form(r) * math.sqrt((1 + (curvature * r) ** 2) / (r + c))  # noqa: E731
        if low == c:
            return quad(smooth, low, high, weight="alg", wvar=(-0.5, 0), epsabs=1e-13, epsrel=1e-13)[0]
        return quad(lambda r: smooth(r) / math.sqrt(r - c), low, high, epsabs=1e-13, epsrel=1e-13)[0]

    forms = (lambda r: c / r, lambda r: r)
    if inbound:
        angle, length = (integral(form, c, near) + integral(form, c, far) for form in forms)
    else:
        angle, length = (integral(form, near, far) for form in forms)
    start, end = points((near, 0)), points((far * math.cos(angle), far * math.sin(angle)))
    distance = Paraboloid(curvature).distance(start, end).item()
    if angle <= math.pi:
        assert distance == pytest.approx(length, rel=1e-11)
    else:  # beyond the cut locus
        assert distance < length


def test_opposite_points_of_a_deep_paraboloid_are_joined_around_the_vertex() -> None:
    start, end = points((-2, 0)), points((2, 0))
    through = 2 * Paraboloid(4.0).distance(points((0, 0)), end)
    assert Paraboloid(4.0).distance(start, end) < 0.95 * through
    torch.testing.assert_close(Paraboloid(0.4).distance(start, end), 2 * Paraboloid(0.4).distance(points((0, 0)), end))


def test_semicircles_meet_the_boundary_at_right_angles() -> None:
    z = HyperbolicHalfPlane().curve(points((0, 1)), points((2, 1)), torch.linspace(0, 1, 9, dtype=torch.float64))[0]
    torch.testing.assert_close((z - points((1, 0))).norm(dim=1), torch.full((9,), math.sqrt(2)).double())


def test_outside_the_half_plane_the_metric_is_not_a_number() -> None:
    M = HyperbolicHalfPlane().metric(points((0, 1), (0, 0), (0, -1)))
    assert M[0].isfinite().all() and M[1:].diagonal(dim1=1, dim2=2).isnan().all()


def test_cylinder_wraps_beyond_its_cut_locus() -> None:
    cylinder, start, end = FlatCylinder(), points((0.1, 0)), points((0.1 + 1.25 * math.pi, 1))
    assert cylinder.unwrapped(start, end).item() == pytest.approx(math.hypot(1.25 * math.pi, 1))
    assert cylinder.distance(start, end).item() == pytest.approx(math.hypot(0.75 * math.pi, 1))
    last = cylinder.curve(start, end, torch.ones(1, dtype=torch.float64))[:, 0]
    torch.testing.assert_close(last, points((0.1 - 0.75 * math.pi, 1)))
    torch.testing.assert_close(cylinder.embed(last), cylinder.embed(end))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_sizes_must_be_positive(value: float) -> None:
    with pytest.raises(ValueError, match=f"radius .* {value}"):
        FlatCylinder(value)
    with pytest.raises(ValueError, match=f"curvature .* {value}"):
        Paraboloid(value)
