"""The numbers of a record: closed forms on generators that are linear, and whole records of small models."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pullback.study import data
from pullback.study.models import HEALTHY_GANS, get_spec
from pullback.study.models.catalogue import CLASSIFIER
from pullback.study.profiles import get_profile
from pullback.study.records import measurement as evidence
from pullback.study.records.measurement import EDGES, Sparsity, measure_model, nearest_image, quality, sensitivity
from pullback.study.training import TrainingSettings, train

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
    assert far == pytest.approx(10 / math.sqrt(evidence.SHARE / math.pi), rel=0.05)


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
    t = evidence.times(evidence.CHAIN)
    curves = torch.stack([torch.stack((time, 0 * time), 1) for time in (t, t**2)])
    found = quality(plane(), curves, judge, Sparsity(uniform(), BOX), torch.zeros(1, 784))
    assert found["evenness"][0] < 1e-4
    # The n = 32 steps of t^2 are proportional to 2 i + 1: their coefficient of variation is sqrt((n^2 - 1) / 3) / n.
    assert found["evenness"][1].item() == pytest.approx(math.sqrt((32**2 - 1) / 3) / 32, rel=1e-3)
    assert found["nearest"].tolist() == pytest.approx([0.5, 0.5], rel=1e-3)  # the mean of |t| over the inner frames
    for column in ("nearest", "confidence", "changes", "sparse", "log_det"):
        assert found[column][0].item() == pytest.approx(found[column][1].item(), abs=0.01)


def test_the_void_is_sparse_by_latent_length(judge):
    x = 6 * evidence.times(evidence.CHAIN)
    curve = torch.stack((x, 0 * x), 1)[None]
    found = quality(plane(), curve, judge, Sparsity(uniform(), BOX), torch.zeros(1, 784))
    assert found["sparse"].item() == pytest.approx(5 / 6, abs=0.02)  # the codes end at 1
    assert found["log_det"].abs().item() < 1e-5


def test_equal_steps_are_equal_in_image_space_and_stay_on_the_curve():
    t = evidence.times(evidence.CHAIN)
    z = evidence.equal_steps(plane(3.0), torch.stack((t**3, 2 * t**3), 1)[None], 9)[0]
    assert torch.allclose(z[:, 0], torch.linspace(0, 1, 9, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(z[:, 1], 2 * z[:, 0])


def test_a_bump_lengthens_a_straight_line_in_a_plane_by_its_second_order_term():
    points = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]], dtype=torch.float64)
    size, chord = 0.01, math.sqrt(18)
    expected = (math.pi * size / chord) ** 2 / 4
    for scale in (1.0, 7.0):
        assert sensitivity(plane(scale), points, size).item() == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("name", ["vae-128-32-tanh", HEALTHY_GANS[0].name])
def test_a_record_is_whole_reproducible_and_json(name, judge):
    profile = replace(get_profile("smoke"), points=3, grid=12, gan_samples=50)
    images, labels = data.load("train", sample=True)
    trained = train(get_spec(name), TrainingSettings(epochs=2, batch_size=250), images, labels, progress=lambda _: None)
    first, second = (measure_model(trained, judge, profile, images, seed=3, everything=True) for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second)
    assert len(first["pairs"]["geodesic"]["nearest"]) == len(first["pairs"]["methods"]["newton"]["length"]) == 3
    assert sum(first["away"]["count"]) == profile.grid**2 and len(first["away"]["count"]) == len(EDGES) - 1
    gan = name.startswith("gan")
    assert (first["coverage"] is not None) == gan and (first["held_out"] is None) == gan
    if not gan:
        small = measure_model(trained, judge, profile, images[:250], seed=3, everything=False)
        assert small["pairs"] is None and small["neighbours"] is None and small["held_out"]["reconstruction"] > 0
