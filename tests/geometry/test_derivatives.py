"""Jacobians against closed forms, finite differences and each other."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from pullback.geometry import in_dtype, jacobian, pullback_metric


def decoder(k: int = 2, activation: type[nn.Module] = nn.Tanh, seed: int = 0) -> nn.Sequential:
    """A small decoder, k -> 16 -> 24 -> 50, in eval mode, its batch norm far from the identity."""
    torch.manual_seed(seed)
    f = nn.Sequential(
        *(nn.Linear(k, 16), nn.BatchNorm1d(16), activation()),
        nn.Sequential(nn.Linear(16, 24, bias=False), nn.BatchNorm1d(24, affine=False), activation()),
        *(nn.Linear(24, 50), nn.Sigmoid()),
    )
    for layer in f.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.3, 3)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    return f.eval()


def sphere(z: torch.Tensor) -> torch.Tensor:
    theta, phi = z.unbind(-1)
    return torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], dim=-1)


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_a_linear_generator_has_its_matrix_as_jacobian_and_a_constant_metric(k):
    A = torch.randn(20, k, dtype=torch.float64)
    z = torch.randn(7, k, dtype=torch.float64)
    torch.testing.assert_close(jacobian(lambda z: z @ A.T, z), A.expand(7, 20, k), rtol=0, atol=0)
    torch.testing.assert_close(pullback_metric(lambda z: z @ A.T, z), (A.T @ A).expand(7, k, k))


def test_the_sphere_pulls_back_its_known_metric():
    z = torch.rand(50, 2, dtype=torch.float64) * torch.tensor([math.pi, 2 * math.pi])
    expected = torch.diag_embed(torch.stack([torch.ones(50, dtype=torch.float64), z[:, 0].sin() ** 2], dim=-1))
    torch.testing.assert_close(pullback_metric(sphere, z), expected)


@pytest.mark.parametrize("generator", [decoder(), sphere], ids=["sequential", "callable"])
def test_the_remainder_of_the_linearisation_and_of_central_differences_has_its_order(generator):
    f = in_dtype(generator)
    z, v = torch.randn(2, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    Jv = (jacobian(f, z) @ v[..., None])[..., 0]
    steps, two = 2.0 ** -torch.arange(6, 11), torch.full((4,), 2.0, dtype=torch.float64)
    with torch.no_grad():
        taylor = torch.stack([(f(z + h * v) - f(z) - h * Jv).norm() for h in steps])
        central = torch.stack([((f(z + h * v) - f(z - h * v)) / (2 * h) - Jv).norm() for h in steps])
    for remainder in (taylor, central):
        torch.testing.assert_close((remainder[:-1] / remainder[1:]).log2(), two, rtol=0, atol=0.1)


@pytest.mark.parametrize("k", [1, 2, 3, 8])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.ReLU])
def test_the_sequential_path_equals_forward_mode(k, activation):
    f = decoder(k, activation)
    exact = in_dtype(f)
    z = torch.randn(9, k, dtype=torch.float64)
    torch.testing.assert_close(jacobian(f, z), jacobian(lambda z: exact(z), z), rtol=1e-12, atol=1e-14)


def test_layers_that_the_sequential_path_does_not_know_go_through_forward_mode():
    f = nn.Sequential(nn.Linear(2, 8), nn.GELU(), nn.LayerNorm(8), nn.Dropout(0.5), nn.Linear(8, 5)).eval()
    exact, z = in_dtype(f), torch.randn(4, 2, dtype=torch.float64)
    expected = torch.stack([torch.autograd.functional.jacobian(exact, point) for point in z])
    torch.testing.assert_close(jacobian(f, z), expected)


def test_a_forward_hook_is_part_of_the_generator():
    f = nn.Sequential(nn.Linear(2, 3)).double()
    z, J = torch.randn(4, 2, dtype=torch.float64), jacobian(f, torch.zeros(4, 2))
    f[0].register_forward_hook(lambda module, args, output: 2 * output)
    torch.testing.assert_close(jacobian(f, z), 2 * J)


@pytest.mark.parametrize("generator", [decoder(), sphere], ids=["sequential", "callable"])
def test_a_batch_equals_a_loop_and_leading_dimensions_are_kept(generator):
    z = torch.randn(3, 4, 2, dtype=torch.float64)
    J = jacobian(generator, z)
    loop = torch.stack([torch.stack([jacobian(generator, point) for point in row]) for row in z])
    assert jacobian(generator, z[0, 0]).shape == J.shape[2:]
    assert jacobian(generator, z[:0]).shape == (0, 4, *J.shape[2:])
    torch.testing.assert_close(J, loop, rtol=1e-12, atol=1e-14)


def test_images_are_flattened_to_pixels():
    f = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.Tanh())
    z = torch.randn(5, 2)
    flat = nn.Sequential(f, nn.Flatten())
    assert jacobian(f, z).shape == (5, 24, 2)
    torch.testing.assert_close(jacobian(f, z), jacobian(flat, z))


def test_the_jacobian_is_differentiable_in_z():
    z = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: pullback_metric(decoder(), z), z)


def test_the_generator_and_z_are_left_as_they_were():
    f = decoder()
    before, z = copy.deepcopy(f.state_dict()), torch.randn(5, 2)
    points = z.clone()
    J = jacobian(f, z)
    assert J.dtype == torch.float64 and not J.requires_grad
    assert jacobian(f, z, dtype=torch.float32).dtype == torch.float32
    torch.testing.assert_close(f.state_dict(), before, rtol=0, atol=0)
    assert all(p.requires_grad and p.grad is None and p.dtype == torch.float32 for p in f.parameters())
    assert torch.equal(z, points)
    frozen = in_dtype(f)
    assert in_dtype(frozen) is frozen


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.1))])
def test_training_mode_is_refused_with_the_remedy(layer):
    with pytest.raises(ValueError, match=r"'1.*training mode: call generator.eval\(\)"):
        jacobian(nn.Sequential(nn.Linear(2, 3), layer), torch.zeros(4, 2))


def test_batch_norm_without_running_statistics_is_refused():
    f = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="track_running_stats=True"):
        jacobian(f, torch.zeros(4, 2))


def test_bad_points_and_generators_are_named():
    with pytest.raises(ValueError, match=r"\(\.\.\., k\) with k >= 1, got \(\)"):
        jacobian(sphere, torch.tensor(1.0))
    with pytest.raises(ValueError, match=r"\(\.\.\., k\) with k >= 1, got \(3, 0\)"):
        jacobian(sphere, torch.zeros(3, 0))
    with pytest.raises(ValueError, match=r"shape \(2, 2\) must be finite, got the latent point \[0.0, nan\]"):
        jacobian(sphere, torch.tensor([[1.0, 2.0], [0.0, math.nan]]))
    with pytest.raises(ValueError, match=r"f must map \(3, 2\) to \(3, \.\.\.\), got \(2,\)"):
        jacobian(lambda z: z.sum(0), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"Jacobian is not finite at the latent point \[-1.0, 4.0\]"):
        jacobian(torch.sqrt, torch.tensor([[1.0, 2.0], [-1.0, 4.0]]))


def test_a_large_finite_jacobian_is_not_taken_for_infinite():
    z = torch.ones(3, 2)
    torch.testing.assert_close(jacobian(lambda z: 1e308 * z, z), (1e308 * torch.eye(2).double()).expand(3, 2, 2))
