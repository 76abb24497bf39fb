"""What every manifold must satisfy, by two routes that share no formula wherever there are two."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pullback.geometry import (
    Embedded,
    EuclideanSpace,
    FlatCylinder,
    HyperbolicHalfPlane,
    LatentSpace,
    Manifold,
    Paraboloid,
    Sphere,
    as_manifold,
    jacobian,
    pullback_metric,
    singular_values,
)
from shared import decoder


def quadratic(z: Tensor) -> Tensor:
    return torch.cat((z, (z[:, :, None] * z[:, None]).flatten(1)), 1)


CASES = {  # a manifold, its dimension, and a cube inside its chart
    "line": (EuclideanSpace(), 1, -2, 2),
    "space": (EuclideanSpace(), 3, -2, 2),
    "sphere": (Sphere(), 2, -1.3, 1.3),
    "half-plane": (HyperbolicHalfPlane(), 2, 0.2, 3),
    "half-space": (HyperbolicHalfPlane(), 3, 0.2, 3),
    "cylinder": (FlatCylinder(1.7), 2, -4, 4),
    "paraboloid": (Paraboloid(1.5), 2, -2, 2),
    "decoder": (LatentSpace(decoder()), 2, -2, 2),
    "quadratic in R^4": (LatentSpace(quadratic), 4, -1, 1),
}
EVERY = pytest.mark.parametrize(("manifold", "k", "low", "high"), CASES.values(), ids=CASES)


def draw(k: int, low: float, high: float, n: int = 30) -> tuple[Tensor, Tensor]:
    """n points of the cube and as many velocities."""
    random = torch.Generator().manual_seed(3)
    z = torch.rand(n, k, dtype=torch.float64, generator=random) * (high - low) + low
    return z, torch.randn(n, k, dtype=torch.float64, generator=random)


@EVERY
def test_metric_is_symmetric_positive_definite_and_the_square_of_its_root(
    manifold: Manifold, k: int, low: float, high: float
) -> None:
    z, v = draw(k, low, high)
    M, A = manifold.metric(z), manifold.root(z)
    assert M.shape == (30, k, k) and A.shape[::2] == (30, k)
    torch.testing.assert_close(M, M.mT, rtol=1e-14, atol=1e-14)
    assert (torch.linalg.eigvalsh(M) > 0).all()
    torch.testing.assert_close(A.mT @ A, M, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(manifold.speed_squared(z, v), (v * (M @ v[..., None]).squeeze(-1)).sum(1))


@EVERY
def test_default_root_is_the_cholesky_factor(manifold: Manifold, k: int, low: float, high: float) -> None:
    z, _ = draw(k, low, high)
    A = Manifold.root(manifold, z)
    torch.testing.assert_close(A, A.triu())
    torch.testing.assert_close(A.mT @ A, manifold.metric(z), rtol=1e-12, atol=1e-12)


@EVERY
def test_acceleration_is_that_of_the_christoffel_symbols(manifold: Manifold, k: int, low: float, high: float) -> None:
    """g''_c = -Gamma^c_ab v_a v_b, Gamma = M^-1 [ab, c] with derivatives of M by central differences."""
    z, v = draw(k, low, high)
    h = 1e-5
    d = torch.stack(
        [(manifold.metric(z + h * e) - manifold.metric(z - h * e)) / (2 * h) for e in torch.eye(k).double()], 1
    )  # d[:, c, a, b] = d_c M_ab
    first_kind = (d + d.transpose(1, 2) - d.movedim(1, 3)) / 2
    expected = -torch.linalg.solve(manifold.metric(z), torch.einsum("nabc,na,nb->nc", first_kind, v, v))
    torch.testing.assert_close(manifold.acceleration(z, v), expected, rtol=1e-6, atol=1e-7)


@EVERY
def test_intrinsic_and_extrinsic_acceleration_agree(manifold: Manifold, k: int, low: float, high: float) -> None:
    z, v = draw(k, low, high)
    torch.testing.assert_close(manifold.acceleration(z, v), Manifold.acceleration(manifold, z, v), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(manifold.acceleration(z, -3 * v), 9 * manifold.acceleration(z, v))


@EVERY
def test_chords_are_segment_lengths_to_second_order(manifold: Manifold, k: int, low: float, high: float) -> None:
    """The sum of chords along a smooth curve converges to its length as n^-2."""
    a, b = draw(k, low, high, 60)[0].unflatten(0, (2, 30))

    def length(n: int) -> Tensor:
        t = torch.linspace(0, 1, n + 1, dtype=torch.float64)[None, :, None]
        bend = t + 0.05 * (t * math.pi).sin() * torch.arange(1, k + 1)
        return manifold.chords(torch.lerp(a[:, None], b[:, None], bend)).sqrt().sum(1)

    coarse, middle, fine = length(64), length(128), length(256)
    torch.testing.assert_close(coarse - middle, 4 * (middle - fine), rtol=0.05, atol=1e-7)
    assert (manifold.chords(a[:, None].repeat(1, 3, 1)) < 1e-30).all()


@EVERY
def test_arguments_are_not_modified(manifold: Manifold, k: int, low: float, high: float) -> None:
    z, v = draw(k, low, high)
    copies = z.clone(), v.clone()
    manifold.metric(z), manifold.root(z), manifold.acceleration(z, v), manifold.chords(z[None])
    if isinstance(manifold, Embedded):
        manifold.embed(z).add_(1)
    assert z.equal(copies[0]) and v.equal(copies[1])


@pytest.mark.parametrize("scale", [100.0, 0.01])
def test_scale_of_the_generator_cancels_in_the_acceleration(scale: float) -> None:
    f, (z, v) = decoder().double(), draw(2, -2, 2)
    scaled = LatentSpace(lambda a: scale * f(a)).acceleration(z, v)
    torch.testing.assert_close(scaled, LatentSpace(f).acceleration(z, v), rtol=1e-9, atol=1e-9)


def test_latent_space_has_the_pullback_metric() -> None:
    f, (z, _) = decoder(), draw(2, -2, 2)
    space = LatentSpace(f)
    torch.testing.assert_close(space.metric(z), pullback_metric(f, z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(space.root(z), jacobian(f, z))
    torch.testing.assert_close(space.root(z), Embedded.root(space, z))
    assert next(f.parameters()).dtype == torch.float32


def test_images_of_any_shape_are_flattened() -> None:
    f, (z, v) = decoder(), draw(2, -2, 2)
    flat, shaped = LatentSpace(f), LatentSpace(nn.Sequential(f, nn.Unflatten(1, (2, 5, 5))))
    assert shaped.embed(z).shape == (30, 50)
    torch.testing.assert_close(shaped.acceleration(z, v), flat.acceleration(z, v))
    torch.testing.assert_close(shaped.metric(z), flat.metric(z))


def test_singular_metric_has_finite_acceleration() -> None:
    """The second coordinate is not seen; along the first, f(z) = (z, z^2 / 2) bends: z'' = -z z'^2 / (1 + z^2)."""
    blind = LatentSpace(lambda z: torch.stack((z[:, 0], z[:, 0].square() / 2), 1))
    z, v = draw(2, -2, 2)
    expected = torch.stack((-z[:, 0] * v[:, 0].square() / (1 + z[:, 0].square()), torch.zeros(30)), 1)
    torch.testing.assert_close(blind.acceleration(z, v), expected.double(), rtol=1e-9, atol=1e-9)
    assert Manifold.acceleration(blind, z, v).isfinite().all()


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.ReLU])
def test_the_fast_acceleration_is_that_of_nested_differentiation(activation: type[nn.Module], k: int) -> None:
    fast, (z, v) = LatentSpace(decoder(k, activation=activation)), draw(k, -2, 2)
    slow = LatentSpace(lambda a: fast.f(a))
    copies = z.clone(), v.clone()
    for found, expected in zip(fast.bend(z, v), slow.bend(z, v), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast.acceleration(z, v), slow.acceleration(z, v), rtol=1e-7, atol=1e-9)
    assert z.equal(copies[0]) and v.equal(copies[1])


@pytest.mark.parametrize("f", [decoder(), quadratic], ids=["fast", "generic"])
def test_accelerations_are_differentiable_and_may_be_transformed(f) -> None:
    space, (z, v) = LatentSpace(f), draw(2, -1, 1, 4)
    assert torch.autograd.gradcheck(space.acceleration, (z.clone().requires_grad_(), v.clone().requires_grad_()))
    one_by_one = torch.func.vmap(lambda a, b: space.acceleration(a[None], b[None])[0])(z, v)
    torch.testing.assert_close(one_by_one, space.acceleration(z, v))
    h = 1e-5
    along = torch.func.jvp(lambda a: space.acceleration(a, v), (z,), (v,))[1]
    expected = (space.acceleration(z + h * v, v) - space.acceleration(z - h * v, v)) / (2 * h)
    torch.testing.assert_close(along, expected, rtol=1e-5, atol=1e-5)


class Diagonal(Manifold):
    """The metric diag(x, y) at (x, y): definite in the first quadrant only."""

    def metric(self, z: Tensor) -> Tensor:
        return torch.diag_embed(z)


def test_points_where_the_metric_has_no_root_spoil_no_others() -> None:
    z = torch.tensor([[4.0, 9.0], [4.0, 0.0], [0.0, 0.0], [4.0, -1.0], [math.nan, 1.0], [math.inf, 1.0], [1.0, 1.0]])
    A = Diagonal().root(z.double())
    assert A.flatten(1).isfinite().all(1).tolist() == [True, True, True, False, False, False, True]
    good = A[[0, 1, 2, 6]]
    torch.testing.assert_close(good.mT @ good, Diagonal().metric(z[[0, 1, 2, 6]].double()))
    assert singular_values(good)[:, -1].tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("f", [decoder().double().__call__, nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.sqrt])
def test_points_that_are_not_finite_spoil_no_others(f) -> None:
    space, z = LatentSpace(f), torch.tensor([[1.0, 2.0], [math.nan, 1.0], [0.5, 0.5]], dtype=torch.float64)
    v, good = torch.ones_like(z), [0, 2]
    for values, expected in (
        (space.root(z), space.root(z[good])),
        (space.acceleration(z, v), space.acceleration(z[good], v[good])),
        (space.speed_squared(z, v), space.speed_squared(z[good], v[good])),
    ):
        torch.testing.assert_close(values[good], expected)
        assert values[1].isnan().any()


def test_a_manifold_stays_what_it_is() -> None:
    sphere = Sphere()
    assert as_manifold(sphere) is sphere
    assert isinstance(as_manifold(decoder()), LatentSpace)
