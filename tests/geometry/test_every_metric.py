"""What each metric that knows where the data are must satisfy, as any manifold must."""

from __future__ import annotations

import pytest
import torch

from metrics import NAMES, metrics
from pullback import latent_map
from pullback.geometry import Embedded, Manifold
from pullback.geometry.derivatives import Derivatives

EVERY = pytest.mark.parametrize("name", NAMES)
ANY = pytest.mark.parametrize("k", [1, 2, 3])


def draw(k: int, n: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    return (torch.randn(2, n, k, dtype=torch.float64, generator=random)).unbind(0)


@EVERY
@ANY
def test_metric_is_definite_and_the_square_of_its_root_and_gives_the_speed(name: str, k: int) -> None:
    manifold, (z, v) = metrics(k)[name], draw(k)
    manifold.check(z)
    M, A = manifold.metric(z), manifold.root(z)
    assert M.shape == (8, k, k) and (torch.linalg.eigvalsh(M) > 0).all()
    torch.testing.assert_close(A.mT @ A, M, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(manifold.speed_squared(z, v), torch.einsum("ni,nij,nj->n", v, M, v))
    torch.testing.assert_close(manifold.track(z, v)[1].square(), manifold.speed_squared(z, v))


@EVERY
@ANY
def test_acceleration_is_that_of_differences_of_the_metric(name: str, k: int) -> None:
    manifold, (z, v), h = metrics(k)[name], draw(k), 1e-5
    d = torch.stack(
        [(manifold.metric(z + h * e) - manifold.metric(z - h * e)) / (2 * h) for e in torch.eye(k).double()], 1
    )
    first_kind = (d + d.transpose(1, 2) - d.movedim(1, 3)) / 2
    expected = -torch.linalg.solve(manifold.metric(z), torch.einsum("nabc,na,nb->nc", first_kind, v, v))
    torch.testing.assert_close(manifold.acceleration(z, v), expected, rtol=1e-5, atol=1e-6)


@EVERY
@ANY
def test_derivatives_of_the_energy_are_those_of_automatic_differentiation(name: str, k: int) -> None:
    manifold, n = metrics(k)[name], 5
    z = 0.7 * torch.randn(2, n + 1, k, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def energy(points: torch.Tensor) -> torch.Tensor:
        return n * manifold.chords(points).sum(1)

    shared, found = manifold.energy(z)
    torch.testing.assert_close(found, energy(z))
    halved = torch.cat([torch.stack((z[:, :-1], (z[:, 1:] + z[:, :-1]) / 2), 2).flatten(1, 2), z[:, -1:]], 1)
    again, coarse, refined = manifold.energies(z)
    torch.testing.assert_close((again, coarse, refined), (shared, found, 2 * energy(halved)))
    gradient, kept, rest, above, rest_above = manifold.energy_derivatives(z, shared)
    assert (torch.linalg.eigvalsh(kept) > 0).all()

    def slope(points: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(lambda a: energy(a).sum())(points)

    torch.testing.assert_close(gradient, slope(z)[:, 1:-1], rtol=1e-8, atol=1e-8)
    h, i, e = 1e-5, 2, torch.eye(k).double()
    for a in range(k):
        step = torch.zeros_like(z)
        step[:, i] = h * e[a]
        column = (slope(z + step) - slope(z - step)) / (2 * h)
        torch.testing.assert_close((kept + rest)[:, i - 1, :, a], column[:, i], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close((above + rest_above)[:, i - 2, :, a], column[:, i - 1], rtol=1e-5, atol=1e-5)


@EVERY
def test_maps_are_those_of_single_points_whatever_the_parts(name: str) -> None:
    manifold = metrics()[name]
    whole, parts = (latent_map(manifold, ((-4, 4), (-3, 3)), (7, 5), chunk=chunk) for chunk in (None, 4))
    torch.testing.assert_close(torch.from_numpy(whole.log_det), torch.from_numpy(parts.log_det), rtol=1e-9, atol=1e-9)
    z = torch.tensor([[whole.x[3], whole.y[1]]])
    assert torch.linalg.slogdet(manifold.metric(z))[1].item() == pytest.approx(whole.log_det[1, 3], abs=1e-7)


@pytest.mark.parametrize("name", ["expected", "radial", "ensemble", "bernoulli"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_fast_path_is_that_of_automatic_differentiation(name: str, k: int) -> None:
    """Radial bells, joined networks and angles go through layers by hand, and through torch where they are hidden."""
    manifold, (z, v) = metrics(k)[name], draw(k)
    assert isinstance(manifold, Embedded)
    fast = manifold.derivatives
    assert fast.network is not None
    slow = Derivatives(lambda a: fast.f(a))
    assert slow.network is None
    y = slow.value(z)
    w = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(fast.value(z), y, rtol=1e-12, atol=1e-12)
    for method, arguments in (("contract", (z, y, w)), ("second", (z, v)), ("motion", (z, v))):
        for a, b in zip(getattr(fast, method)(*arguments), getattr(slow, method)(*arguments), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    thin = fast.thinned(3)
    assert thin.network is not None and thin.value(z).shape[1] < y.shape[1]


@pytest.mark.parametrize("name", ["expected", "radial", "ensemble", "bernoulli", "gaussian"])
def test_single_precision_is_the_same_geometry(name: str) -> None:
    manifold, (z, _) = metrics()[name], draw(2)
    single = manifold.single()
    assert isinstance(single, Manifold) and single.dtype is torch.float32
    torch.testing.assert_close(single.metric(z.float()).double(), manifold.metric(z), rtol=1e-4, atol=1e-4)
