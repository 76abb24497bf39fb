"""Fisher-Rao metrics against closed forms, and against the Kullback-Leibler divergences that define them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from metrics import deviation, net
from pullback import BernoulliFisherRao, GaussianFisherRao, geodesic, latent_map
from pullback.geodesics import measure
from pullback.geodesics.curves import segment
from pullback.geometry import jacobian

Z = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1)


def gaussian_kl(p: Tensor, q: Tensor) -> Tensor:
    (m, s), (a, b) = p.chunk(2, -1), q.chunk(2, -1)
    return ((b / s).log() + (s**2 + (m - a) ** 2) / (2 * b**2) - 0.5).sum(-1)


def test_the_bernoulli_metric_is_the_sum_over_pixels() -> None:
    f = net(0)
    p, J = f(Z), jacobian(f, Z)
    expected = torch.einsum("ni,nia,nib->nab", 1 / (p * (1 - p)), J, J)
    for generator in (f, f.__call__, nn.Sequential(f, nn.Identity())):  # from logits, and from probabilities
        torch.testing.assert_close(BernoulliFisherRao(generator).metric(Z), expected)


def test_the_gaussian_metric_is_the_sum_over_pixels() -> None:
    mean, sigma = net(0), deviation()
    s, Jm, Js = sigma(Z), jacobian(mean, Z), jacobian(sigma, Z)
    expected = torch.einsum("ni,nia,nib->nab", s**-2, Jm, Jm) + 2 * torch.einsum("ni,nia,nib->nab", s**-2, Js, Js)
    for pair in ((mean, sigma), (mean.__call__, sigma.__call__)):
        torch.testing.assert_close(GaussianFisherRao(*pair).metric(Z), expected)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_the_sum_of_roots_of_divergences_tends_to_the_length(kind: str) -> None:
    """sum sqrt(2 KL), with an error of first order in the steps; sqrt(2 sum KL) tends to 0."""
    f, sigma = net(0), deviation()
    manifold = BernoulliFisherRao(f) if kind == "bernoulli" else GaussianFisherRao(f, sigma)
    length, errors, other = measure(manifold, segment(Z[:3], Z[3:], 64), 1e-8).length, [], []
    for n in (64, 128, 256):
        z = segment(Z[:3], Z[3:], n)
        y = f(z) if kind == "bernoulli" else torch.cat((f(z), sigma(z)), -1)
        kl = (bernoulli_kl if kind == "bernoulli" else gaussian_kl)(y[:, :-1], y[:, 1:])
        errors.append(((2 * kl).sqrt().sum(1) / length - 1).abs().max().item())
        other.append((2 * kl.sum(1)).sqrt())
    assert errors[-1] < 5e-3 and errors[0] > 1.8 * errors[1] > 3.2 * errors[2]
    torch.testing.assert_close(other[0] / other[1], torch.full((3,), 2**0.5).double(), rtol=1e-2, atol=0)


def test_one_bernoulli_pixel_is_an_arc() -> None:
    """From p to q the distance is 2 |arcsin sqrt(q) - arcsin sqrt(p)|; from 0 to 1, pi."""
    pixel = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid()).double()
    with torch.no_grad():
        pixel[0].weight.fill_(1), pixel[0].bias.fill_(0)
    for a, b in ((-1.0, 2.0), (-40.0, 40.0)):
        p, q = (1 / (1 + math.exp(-x)) for x in (a, b))
        found = geodesic(BernoulliFisherRao(pixel), [[a]], [[b]])
        assert found.length.item() == pytest.approx(2 * (math.asin(q**0.5) - math.asin(p**0.5)), rel=1e-3)


def test_one_gaussian_pixel_is_a_hyperbolic_half_plane() -> None:
    """With z = (mu, sigma) the distance is sqrt 2 arcosh(1 + ((mu - mu')^2 / 2 + (sigma - sigma')^2) / 2 sigma
    sigma')."""
    plane = GaussianFisherRao(lambda z: z[:, :1], lambda z: z[:, 1:])
    start, end = torch.tensor([[0.0, 0.5], [-1, 1]]).double(), torch.tensor([[1.0, 0.7], [1, 3]]).double()
    d = end - start
    cosh = 1 + (d[:, 0] ** 2 / 2 + d[:, 1] ** 2) / (2 * start[:, 1] * end[:, 1])
    found = geodesic(plane, start, end)
    assert found.converged.all()
    torch.testing.assert_close(found.length, 2**0.5 * torch.arccosh(cosh), rtol=1e-3, atol=0)


def test_the_unit_of_the_pixels_does_not_matter_to_gaussians() -> None:
    mean, sigma = net(0), deviation()
    scaled = GaussianFisherRao(lambda z: 100 * mean(z) + 7, lambda z: 100 * sigma(z))
    torch.testing.assert_close(scaled.metric(Z), GaussianFisherRao(mean, sigma).metric(Z))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    shuffled = GaussianFisherRao(lambda z: mean(z)[:, order], lambda z: sigma(z)[:, order])
    torch.testing.assert_close(shuffled.metric(Z), GaussianFisherRao(mean, sigma).metric(Z))


def test_saturated_pixels_leave_the_metric_finite() -> None:
    """Far out every logit is large. From logits the metric falls to 0 and is finite; so it is from probabilities."""
    f = nn.Sequential(nn.Linear(2, 20), nn.Sigmoid()).double()
    far = 1e4 * torch.nn.functional.normalize(Z, dim=1)
    for generator in (f, f.__call__):
        M = BernoulliFisherRao(generator).metric(torch.cat((far, 30 * Z)))
        assert M.isfinite().all()
    with pytest.warns(UserWarning, match="singular"):
        found = geodesic(BernoulliFisherRao(f), far[:1], far[1:2])
    assert found.length.isfinite().all()


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\].*Sigmoid"):
        geodesic(BernoulliFisherRao(net(0)[:-1]), Z[:1], Z[1:2])
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\]"):
        latent_map(BernoulliFisherRao(lambda z: 2 * net(0)(z)), ((-1, 1), (-1, 1)), 4)
    with pytest.raises(ValueError, match="must be positive"):
        geodesic(GaussianFisherRao(net(0), lambda z: net(1)(z) - 1), Z[:1], Z[1:2])
    with pytest.raises(ValueError, match="one shape"):
        geodesic(GaussianFisherRao(net(0), deviation(pixels=3)), Z[:1], Z[1:2])
