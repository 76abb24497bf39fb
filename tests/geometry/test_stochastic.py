"""The expected metric against samples, closed forms and its limits; radial bells."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from metrics import agrees, bells, codes, deviation, net
from pullback import ExpectedMetric, LatentSpace, geodesic, latent_map, rbf_centres, rbf_deviation, shortest_path
from pullback.geometry.derivatives import Derivatives

Z = torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_it_is_the_mean_over_drawn_decoders_and_no_other_reading_of_sigma_is() -> None:
    """E[J^T J] of f = mu + sigma e, e drawn once for a decoder. A variance or a precision in sigma's place is off."""
    mean, sigma = net(0), deviation()
    e = torch.randn(4000, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    Jm, Js = Derivatives(mean).jacobian(Z), Derivatives(sigma).jacobian(Z)
    J = Jm + e[:, None, :, None] * Js
    y, h = sigma(Z), 1e-6  # the samples' Jacobian is that of the samples
    moved = mean(Z + h * torch.tensor([1.0, 0])) + e[0] * sigma(Z + h * torch.tensor([1.0, 0])) - mean(Z) - e[0] * y
    torch.testing.assert_close(moved / h, J[0, :, :, 0], rtol=1e-4, atol=1e-4)
    samples = J.mT @ J
    assert agrees(samples, ExpectedMetric(mean, sigma).metric(Z))
    for wrong in (lambda z: sigma(z) ** 2, lambda z: sigma(z) ** -2.0):
        assert not agrees(samples, ExpectedMetric(mean, wrong).metric(Z))


def test_linear_mean_and_deviation_give_a_constant_metric() -> None:
    A, B = torch.randn(2, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    space = ExpectedMetric(lambda z: z @ A, lambda z: 9 + z @ B)
    M = A @ A.T + B @ B.T
    torch.testing.assert_close(space.metric(Z), M.expand(4, 2, 2))
    step = Z[2:] - Z[:2]
    length = geodesic(space, Z[:2], Z[2:]).length  # the root of a sum of squares, not the sum of two roots
    torch.testing.assert_close(length, (step @ M * step).sum(1).sqrt())
    two_roots = (step @ A).norm(dim=1) + (step @ B).norm(dim=1)
    assert (length < two_roots - 1e-3).all()


def test_one_bell_in_closed_form() -> None:
    """r = W exp(-a |z|^2) + zeta, sigma = r^-1/2: J_sigma = a W exp(-a |z|^2) r^-3/2 z^T."""
    a, W, zeta = 0.7, torch.tensor([[3.0], [5.0]], dtype=torch.float64), 0.2
    sigma = rbf_deviation([[0.0, 0.0]], [a], W, zeta)
    bell = W.T * torch.exp(-a * Z.square().sum(1, keepdim=True))
    r = bell + zeta
    torch.testing.assert_close(sigma(Z), r**-0.5)
    J = (a * bell * r**-1.5)[..., None] * Z[:, None]
    torch.testing.assert_close(Derivatives(sigma).jacobian(Z), J)
    constant = ExpectedMetric(lambda z: 0 * z + 1, sigma)
    torch.testing.assert_close(constant.metric(Z), J.mT @ J)


def test_the_bells_are_a_moat_and_not_a_plateau() -> None:
    """sigma rises from the data to zeta^-1/2. Its share of the metric is large about the data and gone far away."""
    zeta, direction = 0.01, torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    sigma = rbf_deviation([[0.0, 0.0]], [2.0], [[4.0]], zeta)
    far = torch.linspace(0, 6, 61, dtype=torch.float64)[:, None] * direction
    speed = LatentSpace(sigma).speed_squared(far, direction.expand(61, 2)).sqrt()
    at = int(speed.argmax())
    assert 5 < at < 30 and speed[at] > 4 and speed[0] < 1e-12 and speed[-1] < 1e-12
    assert sigma(far[-1:]).item() == pytest.approx(zeta**-0.5)
    # The way across the moat is bounded: sigma climbs from (W + zeta)^-1/2 to zeta^-1/2 and no higher.
    assert (speed[1:] + speed[:-1]).sum().item() * 0.05 == pytest.approx(zeta**-0.5 - 4.01**-0.5, rel=1e-2)
    M = ExpectedMetric(net(0), rbf_deviation([[0.0, 0.0]], [2.0], 4 * torch.ones(20, 1), zeta)).metric(far[-1:])
    torch.testing.assert_close(M, LatentSpace(net(0)).metric(far[-1:]))


def test_zeta_decides_whether_the_shortest_path_leaves_the_data() -> None:
    """Codes on half a circle, a flat mean. With a low wall the shortest path cuts across; with a high one it stays."""
    t = torch.linspace(0, math.pi, 24, dtype=torch.float64)
    ring = torch.stack((t.cos(), t.sin()), 1)
    W, rates = torch.full((1, 24), 25.0, dtype=torch.float64), torch.full((24,), 60.0, dtype=torch.float64)
    furthest = []
    for zeta in (10.0, 1e-3):
        sigma = rbf_deviation(ring, rates, W, zeta)
        space = ExpectedMetric(lambda z: z, lambda z, sigma=sigma: sigma(z).expand(-1, 2))
        settings = {"grid": 64, "reach": 4, "segments": 64, "effort": 0}
        found = shortest_path(space, ring[[2]], ring[[21]], [(-1.5, 1.5), (-1, 1.5)], **settings)
        assert found.converged.all()
        furthest.append((found.points[0].norm(dim=1) - 1).abs().max().item())
    assert furthest[0] > 0.5 > 0.2 > furthest[1]


def test_neither_the_order_nor_the_unit_of_the_codes_matters() -> None:
    z = codes()
    c, r = rbf_centres(z, 6)
    shuffled = rbf_centres(z[torch.randperm(40, generator=torch.Generator().manual_seed(1))], 6)
    torch.testing.assert_close(shuffled, (c, r))
    scaled = rbf_centres(8 * z, 6)  # a power of two: the same rounding
    torch.testing.assert_close(scaled, (8 * c, r / 64))
    W = torch.rand(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    small, large = (ExpectedMetric(lambda a, u=u: net(0)(a / u), rbf_deviation(*f, W, 0.1))
                    for u, f in ((1, (c, r)), (8, scaled)))
    torch.testing.assert_close(large.metric(8 * Z), small.metric(Z) / 64)


def test_centres_are_those_of_separate_clusters() -> None:
    random = torch.Generator().manual_seed(2)
    middles = torch.tensor([[0.0, 0], [10, 0], [0, 10]], dtype=torch.float64)
    z = (middles[:, None] + 0.1 * torch.randn(3, 50, 2, dtype=torch.float64, generator=random)).flatten(0, 1)
    c, r = rbf_centres(z, 3, scale=1.5)
    assert torch.cdist(middles, c).amin(1).max() < 0.1
    for centre, rate in zip(c, r, strict=True):
        own = (z - centre).norm(dim=1)
        assert rate.item() == pytest.approx(0.5 / (1.5 * own[own < 2].mean().item()) ** 2)


def test_a_cluster_of_one_code_takes_the_others_spread() -> None:
    z = torch.cat((torch.randn(30, 2, dtype=torch.float64), torch.tensor([[50.0, 50.0]])))
    c, r = rbf_centres(z, 2)
    assert r.isfinite().all() and r[0] == r[1] and torch.cdist(z[-1:], c).min() == 0


@pytest.mark.parametrize(
    ("mean", "sigma", "fault"),
    [
        (net(0), deviation(pixels=19), r"one shape.*\(20,\).*\(19,\).*Expand"),
        (net(0), lambda z: z.new_ones(len(z), 1), "one shape"),
        (net(0), lambda z: 0 * net(1)(z), "must be positive.*bound it"),
        (net(0), lambda z: net(1)(z).log(), "must be positive.*not its logarithm"),
    ],
)
def test_deviations_that_are_none_are_refused(mean, sigma, fault: str) -> None:
    space = ExpectedMetric(mean, sigma)
    with pytest.raises(ValueError, match=fault):
        geodesic(space, Z[:1], Z[1:2])
    with pytest.raises(ValueError, match=fault):
        latent_map(space, ((-1, 1), (-1, 1)), 4)


def test_bells_and_centres_that_are_none_are_refused() -> None:
    good = ([[0.0, 0.0]], [1.0], [[1.0]], 1.0)
    for place, bad, fault in (
        (3, 0.0, "zeta must be positive.*infinite"),
        (2, [[-1.0]], "at least 0"),
        (2, [[1.0, 2.0]], "must be"),
        (1, [0.0], "positive"),
        (0, [0.0, 0.0], "centres must be"),
    ):
        with pytest.raises(ValueError, match=fault):
            rbf_deviation(*(bad if i == place else a for i, a in enumerate(good)))
    with pytest.raises(ValueError, match="more different points than centres.*Ask for fewer"):
        rbf_centres(codes(count=5), 6)
    with pytest.raises(ValueError, match="3 of them different"):
        rbf_centres(codes(count=3).repeat(9, 1), 6)


def test_the_modules_given_stay_what_they_are() -> None:
    mean, sigma = net(0).float(), bells()
    before = [a.clone() for a in mean.parameters()]
    ExpectedMetric(mean, sigma).metric(Z)
    assert all(a.equal(b) and b.dtype is torch.float32 for a, b in zip(before, mean.parameters(), strict=True))
    assert isinstance(sigma, nn.Sequential)
