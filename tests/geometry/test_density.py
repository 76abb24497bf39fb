"""The density metric against closed forms, its wall and plateau, and densities that vanish."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from metrics import codes
from pullback import DensityMetric, KernelDensity, geodesic, latent_map, shortest_path

Z = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_kernel_density_is_the_mean_of_normal_densities(k: int) -> None:
    c, z = codes(k), Z[:, :k]
    each = MultivariateNormal(c, 0.49 * torch.eye(k).double()).log_prob(z[:, None]).exp()
    torch.testing.assert_close(KernelDensity(c, 0.7)(z), each.mean(1))
    torch.testing.assert_close(KernelDensity(c + 1e4, 0.7)(z + 1e4), each.mean(1), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_metric_is_the_formula_and_a_plateau_far_away(k: int) -> None:
    p, z = KernelDensity(codes(k), 0.7), Z[:, :k]
    M = DensityMetric(p, 2.0, 0.1).metric(z)
    torch.testing.assert_close(M, (2 * p(z) + 0.1)[:, None, None] ** (-2 / k) * torch.eye(k))
    far = DensityMetric(p, 2.0, 0.1).metric(z + 1e3)
    torch.testing.assert_close(far, (0.1 ** (-2 / k) * torch.eye(k)).double().expand(5, k, k))


def test_a_constant_density_is_flat_and_a_line_is_a_quadrature() -> None:
    flat = DensityMetric(lambda z: z.new_full((len(z),), 3.0) + 0 * z[:, 0])
    found = geodesic(flat, Z[:2], Z[2:4])
    torch.testing.assert_close(found.length, (Z[2:4] - Z[:2]).norm(dim=1) * 3 ** (-1 / 3))
    line = DensityMetric(lambda z: z[:, 0].exp())  # k = 1: the length is that of exp(-z)
    assert geodesic(line, [[0.0]], [[2.0]]).length.item() == pytest.approx(1 - math.exp(-2), rel=1e-4)


def test_beta_decides_whether_the_shortest_path_stays_on_a_ring() -> None:
    t = torch.linspace(0, 2 * math.pi, 100, dtype=torch.float64)
    ring = torch.stack((t.cos(), t.sin()), 1)
    furthest = []
    for beta in (1.0, 1e-3):
        space = DensityMetric(KernelDensity(ring, 0.1), beta=beta)
        found = shortest_path(space, ring[[0]], ring[[40]], [(-1.5, 1.5)] * 2, grid=64, reach=4, segments=64, effort=0)
        assert found.converged.all()
        furthest.append((found.points[0].norm(dim=1) - 1).abs().max().item())
    assert furthest[0] > 0.3 > 0.1 > furthest[1]


def test_units_and_order_of_the_codes() -> None:
    c, z = codes(), Z[:, :2]
    M = DensityMetric(KernelDensity(c, 0.7), 1.0, 0.1).metric(z)
    order = torch.randperm(len(c), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(DensityMetric(KernelDensity(c[order], 0.7), 1.0, 0.1).metric(z), M)
    scaled = DensityMetric(KernelDensity(5 * c, 3.5), 25.0, 0.1)  # alpha grows as the unit's square, k = 2
    torch.testing.assert_close(scaled.metric(5 * z), M)


def test_a_density_that_vanishes_is_refused() -> None:
    thin, far = DensityMetric(KernelDensity(codes(), 0.05)), [[50.0, 50.0]]
    with pytest.raises(ValueError, match="density vanishes.*larger beta"):
        geodesic(thin, [[0.0, 0.0]], far)
    with pytest.raises(ValueError, match="density vanishes"):
        latent_map(thin, ((-50, 50), (-50, 50)), 5)
    negative = DensityMetric(lambda z: z[:, 0])
    with pytest.raises(ValueError, match="is negative"):
        geodesic(negative, [[-1.0, 0.0]], [[1.0, 0.0]])
    hole = DensityMetric(lambda z: z[:, 0].square() - 0.01)  # on the way, where no check has looked
    with pytest.warns(UserWarning, match="not finite"):
        found = geodesic(hole, [[-1.0, 0.0]], [[1.0, 0.0]])
    assert not found.converged.any()
    for settings in ((0.0, 1.0), (1.0, -1.0), (math.inf, 0.0)):
        with pytest.raises(ValueError, match="alpha must be positive"):
            DensityMetric(KernelDensity(codes(), 1.0), *settings)
    with pytest.raises(ValueError, match=r"to \(n,\); got \(1, 1\)"):
        geodesic(DensityMetric(lambda z: z[:, :1]), [[1.0, 0.0]], [[2.0, 0.0]])
    for bad in ((codes(), 0.0), (codes()[0], 1.0)):
        with pytest.raises(ValueError, match="bandwidth positive"):
            KernelDensity(*bad)
