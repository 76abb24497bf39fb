"""The expected metric of a Gaussian process against samples, two points by hand, limits, and scikit-free formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from metrics import agrees, codes, net
from pullback import GaussianProcessMetric, geodesic

Z = 0.7 * torch.randn(4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
C = codes(count=15)
X = net(0)(C).detach() - 0.5
S2, SCALE, NOISE = 0.3, 0.9, 1e-2


def kernel(a: Tensor, b: Tensor) -> Tensor:
    return S2 * torch.exp(-0.5 * (a[:, None] - b).square().sum(-1) / SCALE**2)


def test_it_is_the_mean_over_functions_drawn_from_the_posterior() -> None:
    """Functions drawn at the corners of a small cross; their difference quotients are the Jacobian's."""
    h, z = 1e-3, Z[0]
    cross = torch.stack([z + sign * h * e for e in torch.eye(2).double() for sign in (1, -1)])
    K = torch.linalg.inv(kernel(C, C) + NOISE * torch.eye(15))
    mean, cov = kernel(cross, C) @ K @ X, kernel(cross, cross) - kernel(cross, C) @ K @ kernel(C, cross)
    values, vectors = torch.linalg.eigh(cov)
    root = vectors * values.clamp(min=0).sqrt()
    e = torch.randn(3000, 4, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    f = mean + root @ e
    J = torch.stack((f[:, 0] - f[:, 1], f[:, 2] - f[:, 3]), -1) / (2 * h)
    M = GaussianProcessMetric(C, X, SCALE, S2, NOISE).metric(z[None])[0]
    assert agrees(J.mT @ J, M)
    off = J.mT @ J - 20 * S2 / SCALE**2 * torch.eye(2)
    assert not agrees(off, M)


def test_it_is_the_formula_with_derivatives_by_torch() -> None:
    K = torch.linalg.inv(kernel(C, C) + NOISE * torch.eye(15))

    def each(z: Tensor) -> Tensor:
        G = torch.func.jacrev(lambda a: kernel(a[None], C)[0])(z)  # (m, k)
        second = torch.func.jacfwd(torch.func.jacrev(lambda a, b: S2 * torch.exp(-(a - b).square().sum() / 2 / SCALE**2)
                                                     ), 1)(z, z)
        J = X.T @ K @ G
        return J.T @ J + 20 * (second - G.T @ K @ G)

    expected = torch.stack([each(z) for z in Z])
    torch.testing.assert_close(GaussianProcessMetric(C, X, SCALE, S2, NOISE).metric(Z), expected)


def test_two_points_by_hand() -> None:
    """Codes at -1 and 1, one pixel of images -a and a. At 0, by symmetry, dm/dz = 2 g a / (k0 - k1 + e), and the
    variance of the slope is s^2 / l^2 - 2 g^2 / (k0 - k1 + e), g = s^2 exp(-1 / 2 l^2) / l^2."""
    a, s2, scale, e = 0.8, 0.5, 1.3, 0.01
    g, k1 = s2 * math.exp(-0.5 / scale**2) / scale**2, s2 * math.exp(-2 / scale**2)
    d = s2 - k1 + e
    expected = (2 * g * a / d) ** 2 + s2 / scale**2 - 2 * g**2 / d
    found = GaussianProcessMetric([[-1.0], [1.0]], [[-a], [a]], scale, s2, e).metric(torch.zeros(1, 1).double())
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_far_from_the_codes_it_is_a_plateau() -> None:
    scale = torch.tensor([0.5, 2.0])
    M = GaussianProcessMetric(C, X, scale, S2, NOISE).metric(torch.tensor([[100.0, -300.0]]).double())
    torch.testing.assert_close(M[0], 20 * S2 * torch.diag(scale.double() ** -2))
    space = GaussianProcessMetric(C, X, SCALE, S2, NOISE)
    start, end = torch.tensor([[20.0, 20.0]]).double(), torch.tensor([[23.0, 24.0]]).double()
    length = geodesic(space, start, end).length.item()  # straight, where nothing is known
    assert length == pytest.approx(5 * math.sqrt(20 * S2) / SCALE, rel=1e-6)


def test_neither_order_nor_units_nor_the_place_of_the_codes_matter() -> None:
    space, order = GaussianProcessMetric(C, X, SCALE, S2, NOISE), torch.randperm(15)
    shuffled = GaussianProcessMetric(C[order], X[order], SCALE, S2, NOISE)
    torch.testing.assert_close(shuffled.metric(Z), space.metric(Z), rtol=1e-9, atol=1e-9)
    scaled = GaussianProcessMetric(7 * C, 3 * X, 7 * SCALE, 9 * S2, 9 * NOISE)
    torch.testing.assert_close(scaled.metric(7 * Z), space.metric(Z) * 9 / 49, rtol=1e-9, atol=1e-9)
    moved = GaussianProcessMetric(C + 1e4, X, SCALE, S2, NOISE)
    torch.testing.assert_close(moved.metric(Z + 1e4), space.metric(Z), rtol=1e-7, atol=1e-7)


def test_the_mean_of_three_points_is_the_textbook_formula() -> None:
    z, y = torch.tensor([[0.0], [1.0], [2.5]]).double(), torch.tensor([[1.0], [-2.0], [0.5]]).double()
    K = kernel(z, z) + NOISE * torch.eye(3)
    at = torch.tensor([[0.3], [2.0], [40.0]]).double()
    found = GaussianProcessMetric(z, y, SCALE, S2, NOISE).images(at)
    torch.testing.assert_close(found, kernel(at, z) @ torch.linalg.solve(K, y))
    assert found[2].abs() < 1e-12  # far away the prior's mean


def test_inducing_points_at_all_codes_are_the_whole_process() -> None:
    whole, sparse = (GaussianProcessMetric(C, X, SCALE, S2, NOISE, inducing=U) for U in (None, C))
    torch.testing.assert_close(sparse.metric(Z), whole.metric(Z), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(sparse.images(Z), whole.images(Z), rtol=1e-4, atol=1e-4)


def test_the_sparse_metric_is_the_formula_with_derivatives_by_torch() -> None:
    U = C[:6]
    K, cross = kernel(U, U), kernel(U, C)
    S = torch.linalg.inv(K + cross @ cross.T / NOISE)

    def covariance(a: Tensor, b: Tensor) -> Tensor:
        a, b = a[None], b[None]
        return (kernel(a, b) - kernel(a, U) @ (torch.linalg.inv(K) - S) @ kernel(U, b))[0, 0]

    def each(z: Tensor) -> Tensor:
        J = torch.func.jacrev(lambda a: (kernel(a[None], U) @ S @ cross @ X / NOISE)[0])(z)
        return J.T @ J + 20 * torch.func.jacfwd(torch.func.jacrev(covariance), 1)(z, z)

    sparse = GaussianProcessMetric(C, X, SCALE, S2, NOISE, inducing=U)
    torch.testing.assert_close(sparse.metric(Z), torch.stack([each(z) for z in Z]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sparse.speed_squared(Z, Z), torch.einsum("ni,nij,nj->n", Z, sparse.metric(Z), Z))


def test_bad_data_and_a_singular_kernel_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match="singular to rounding.*raise the noise.*remove codes"):
        GaussianProcessMetric(C.repeat(2, 1), X.repeat(2, 1), SCALE, S2, 0.0)
    assert GaussianProcessMetric(C.repeat(2, 1), X.repeat(2, 1), SCALE, S2, 1e-6).metric(Z).isfinite().all()
    for bad in ((C, X[:3], SCALE, S2, NOISE), (C, X, [1.0, 2, 3], S2, NOISE), (C[0], X, SCALE, S2, NOISE)):
        with pytest.raises(ValueError, match="codes must be"):
            GaussianProcessMetric(*bad)
    for bad in ((C, X, 0.0, S2, NOISE), (C, X, SCALE, -1.0, NOISE), (C, X, SCALE, S2, -NOISE)):
        with pytest.raises(ValueError, match="must be positive"):
            GaussianProcessMetric(*bad)
    for inducing, noise in ((C[:, :1], NOISE), (C[0], NOISE), (C[:5], 0.0)):
        with pytest.raises(ValueError, match="inducing points must be"):
            GaussianProcessMetric(C, X, SCALE, S2, noise, inducing=inducing)
    with pytest.raises(ValueError, match="dimension 2"):
        geodesic(GaussianProcessMetric(C, X, SCALE, S2, NOISE), [[0.0, 0, 0]], [[1.0, 1, 1]])
