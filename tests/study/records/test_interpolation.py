"""The numbers of a curve: closed forms on generators that are linear."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from pullback.geometry import LatentSpace
from pullback.study.models.catalogue import CLASSIFIER
from pullback.study.records import interpolation
from pullback.study.records.interpolation import Sparsity, nearest_image, quality, sensitivity

BOX = ((-1.0, 1.0), (-1.0, 1.0))


@pytest.fixture(scope="module")
def judge():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CLASSIFIER.build().eval()


def uniform(n: int = 40_000) -> torch.Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def plane(scale: float = 1.0) -> nn.Module:
    """The plane spanned by two orthonormal vectors of 784 pixels, `scale` times as large."""
    layer = nn.Linear(2, 784)
    basis = torch.linalg.qr(torch.randn(784, 2, generator=torch.Generator().manual_seed(1)))[0]
    with torch.no_grad():
        layer.weight.copy_(scale * basis)
        layer.bias.zero_()
    return layer.eval()


def test_sparsity_is_one_among_uniform_codes_and_the_distance_to_them_far_away():
    sparsity = Sparsity(uniform(), BOX)
    inside = sparsity(torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8)
    assert np.median(inside) == pytest.approx(1, abs=0.05)
    # Uniform codes in the unit box: a disc of radius r holds pi r^2 of them, so the usual radius is sqrt(0.001 / pi).
    far = sparsity(torch.tensor([[21.0, 0.0]]))[0]
    assert far == pytest.approx(10 / math.sqrt(interpolation.SHARE / math.pi), rel=0.05)


def test_sparsity_knows_no_latent_scale():
    codes, z = uniform(), torch.tensor([[0.3, 0.2], [1.5, -4.0]])
    stretch, shift = torch.tensor([3.0, 0.1]), torch.tensor([5.0, -7.0])
    box = tuple(tuple((torch.tensor(edge) * stretch[i] + shift[i]).tolist()) for i, edge in enumerate(BOX))
    assert Sparsity(codes * stretch + shift, box)(z * stretch + shift) == pytest.approx(
        Sparsity(codes, BOX)(z), rel=1e-3
    )


def test_one_code_in_a_hundred_is_sparse():
    sparsity = Sparsity(uniform(5_000), BOX)
    assert (sparsity(uniform(5_000)) > sparsity.limit).mean() == pytest.approx(0.01, abs=0.01)


def test_the_nearest_image_is_that_of_brute_force():
    images = torch.rand(300, 784, generator=torch.Generator().manual_seed(0))
    decoded = torch.rand(40, 784, generator=torch.Generator().manual_seed(1))
    nearest = torch.cdist(decoded, images).min(1).values
    assert torch.allclose(nearest_image(decoded, images, chunk=7), nearest, atol=1e-4)
    assert nearest_image(images[:3], images).max() < 0.01


def test_the_parameter_decides_the_evenness_and_nothing_else(judge):
    t = interpolation.times(interpolation.CHAIN)
    curves = torch.stack([torch.stack((time, 0 * time), 1) for time in (t, t**2)])
    found = quality(LatentSpace(plane()), curves, judge, Sparsity(uniform(), BOX), torch.zeros(1, 784))
    assert found.evenness[0] < 1e-4
    # The n = 32 steps of t^2 are proportional to 2 i + 1: their coefficient of variation is sqrt((n^2 - 1) / 3) / n.
    assert found.evenness[1] == pytest.approx(math.sqrt((32**2 - 1) / 3) / 32, rel=1e-3)
    assert found.nearest == pytest.approx([0.5, 0.5], rel=1e-3)  # the mean of |t| over the inner frames
    for column in ("nearest", "confidence", "changes", "sparse", "log_det"):
        assert getattr(found, column)[0] == pytest.approx(getattr(found, column)[1], abs=0.01)


def test_the_void_is_sparse_by_latent_length(judge):
    x = 6 * interpolation.times(interpolation.CHAIN)
    curve = torch.stack((x, 0 * x), 1)[None]
    found = quality(LatentSpace(plane()), curve, judge, Sparsity(uniform(), BOX), torch.zeros(1, 784))
    assert found.sparse[0] == pytest.approx(5 / 6, abs=0.02)  # the codes end at 1
    assert abs(found.log_det[0]) < 1e-5


def test_equal_steps_are_equal_in_image_space_and_stay_on_the_curve():
    t = interpolation.times(interpolation.CHAIN)
    z = interpolation.equal_steps(LatentSpace(plane(3.0)), torch.stack((t**3, 2 * t**3), 1)[None], 9)[0]
    assert torch.allclose(z[:, 0], torch.linspace(0, 1, 9, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(z[:, 1], 2 * z[:, 0])


def test_a_bump_lengthens_a_straight_line_in_a_plane_by_its_second_order_term():
    points = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]], dtype=torch.float64)
    size, chord = 0.01, math.sqrt(18)
    expected = (math.pi * size / chord) ** 2 / 4
    for scale in (1.0, 7.0):
        assert sensitivity(LatentSpace(plane(scale)), points, size).item() == pytest.approx(expected, rel=1e-2)
