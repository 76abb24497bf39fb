"""Whole records of small models; and maps of a manifold that has nothing but a metric, in numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from pullback.geometry import HyperbolicHalfPlane, latent_map
from pullback.study import data
from pullback.study.models import HEALTHY_GANS, get_spec
from pullback.study.models.catalogue import CLASSIFIER
from pullback.study.profiles import get_profile
from pullback.study.records import quantities
from pullback.study.records.measurement import EDGES, RECORDED, measure_model
from pullback.study.records.schema import encode
from pullback.study.training import TrainingSettings, train


@pytest.fixture(scope="module")
def judge():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CLASSIFIER.build().eval()


@pytest.mark.parametrize("name", ["vae-128-32-tanh", HEALTHY_GANS[0].name])
def test_a_record_is_whole_and_a_gan_s_is_reproducible(name, judge):
    profile = replace(get_profile("smoke"), points=3, grid=12, gan_samples=50)
    images, labels = data.load("train", sample=True)
    trained = train(get_spec(name), TrainingSettings(epochs=2, batch_size=250), images, labels)
    gan = name.startswith("gan")
    first = measure_model(trained, judge, profile, images, seed=3, everything=True)
    if gan:  # whose numbers take most draws
        assert encode(first) == encode(measure_model(trained, judge, profile, images, seed=3, everything=True))
    assert list(first.pairs.methods) == list(RECORDED)
    assert len(first.pairs.geodesic.nearest) == len(first.pairs.methods["newton"].length) == 3
    assert sum(first.away.count) == profile.grid**2 and len(first.away.count) == len(EDGES) - 1
    assert (first.coverage is not None) == gan and (first.held_out is None) == gan
    if not gan:
        small = measure_model(trained, judge, profile, images[:250], seed=3, everything=False)
        assert small.pairs is None and small.neighbours is None and small.held_out.reconstruction > 0


def test_a_map_of_a_metric_without_an_embedding_is_described_as_any_other():
    """On the hyperbolic half-plane M = I / y^2: log_det = -4 log y, whose slope is 4 / y, and log_cond = 0."""
    box = ((-1.0, 1.0), (1.0, 2.0))
    m = quantities.describe(latent_map(HyperbolicHalfPlane(), box, 101))
    assert m.log_det.q0 == pytest.approx(-4 * math.log(2))
    assert m.log_cond.q100 == pytest.approx(0, abs=1e-12) and m.badly_conditioned == m.rank_deficient == 0
    assert m.roughness == pytest.approx(4 * math.log(2), rel=0.01)  # the mean of 4 / y over the box, whose side is 1
    beyond = quantities.beyond(latent_map(HyperbolicHalfPlane(), quantities.widened(box, 1.5), 60), box)
    assert beyond.lowest_outside == pytest.approx(-4 * math.log(2.25)) and beyond.rank_deficient_outside == 0
