"""What version 2 measures beside the rest, against clouds, generators and curves whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import fake_records as fake
from fake_records import planted
from pullback.geodesics import geodesic, shortest_path
from pullback.geometry import LatentSpace
from pullback.study import data
from pullback.study.models import HEALTHY_GANS, get_spec
from pullback.study.models.catalogue import CLASSIFIER
from pullback.study.profiles import get_profile
from pullback.study.records import consistency, interpolation, measurement, quantities, tables
from pullback.study.records.interpolation import Sparsity, features, nearest_image, quality
from pullback.study.records.measurement import measure_model
from pullback.study.records.schema import Shares, encode
from pullback.study.solvers import scores
from pullback.study.training import TrainingSettings, train

BOX = ((-1.0, 1.0), (-1.0, 1.0))


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(condition: float) -> nn.Module:
    """A linear generator of 784 pixels whose Jacobian has the singular values `condition` and 1, turned by 30
    degrees."""
    layer = nn.Linear(2, 784)
    basis = torch.linalg.qr(torch.randn(784, 2, generator=random(1)))[0]
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    with torch.no_grad():
        layer.weight.copy_(basis @ torch.diag(torch.tensor([condition, 1.0])) @ torch.tensor([[c, s], [-s, c]]))
        layer.bias.zero_()
    return layer.eval()


@pytest.fixture(scope="module")
def judge():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CLASSIFIER.build().eval()


# ------------------------------------------------------------------------------------------------ codes


@pytest.mark.parametrize("condition, shares", [(3, (0, 0, 0, 0)), (15, (1, 1, 0, 0)), (49, (1, 1, 1, 0)),
                                               (70, (1, 1, 1, 1))])  # fmt: skip
def test_the_shares_of_a_linear_generator_are_none_or_all(condition: float, shares: tuple) -> None:
    codes = torch.randn(3_000, 2, generator=random())
    assert quantities.shares_at_codes(LatentSpace(linear(condition)), codes) == Shares(*shares)


def test_shares_count_what_is_above_and_what_is_rank_deficient() -> None:
    found = quantities.shares_above(np.log([4.9, 5.1, 19.9, 20.1, np.inf]))
    assert found == Shares(0.8, 0.6, 0.4, 0.2)


def test_midpoints_are_between_two_different_codes() -> None:
    """Of two codes there is one midpoint; of three equally likely ones there are three, no code among them."""
    two = torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    assert (quantities.midpoints(two, random()) == torch.tensor([1.0, 2.0])).all()
    three = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    found, count = quantities.midpoints(three, random()).unique(dim=0, return_counts=True)
    assert found.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert count.double() / count.sum() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_gaps_between_codes_are_found_and_corners_are_not_looked_at() -> None:
    """Between two far clusters half of the midpoints are in the gap. A disc has none, and its box has corners."""
    radius, angle = torch.rand(20_000, generator=random()).sqrt(), 2 * math.pi * torch.rand(20_000, generator=random(1))
    disc = torch.stack((radius * angle.cos(), radius * angle.sin()), 1)
    clusters = disc / 10 + torch.tensor([1.0, 0.0]) * (torch.arange(20_000) % 2 * 2 - 1)[:, None]

    def share(codes: torch.Tensor) -> float:
        sparsity = Sparsity(codes, quantities.percentile_box(codes))
        return float((sparsity(quantities.midpoints(codes, random(2))) > sparsity.limit).mean())

    assert share(clusters) == pytest.approx(0.5, abs=0.02)
    assert share(disc) < 0.01  # which it is of the codes
    corners = Sparsity(disc, BOX)
    grid = torch.cartesian_prod(*2 * [torch.linspace(-1, 1, 60)])
    assert (corners(grid) > corners.limit).mean() > 0.1


def test_the_area_of_codes_is_that_of_their_spread_however_they_are_turned() -> None:
    codes = torch.randn(20_000, 2, generator=random()) * torch.tensor([3.0, 0.2]) + 7
    own = quantities.log_area(codes)
    assert own == pytest.approx(math.log(0.6), abs=0.02)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert quantities.log_area(codes @ turn) == pytest.approx(own, abs=1e-5)
    assert quantities.log_area(5 * codes) == pytest.approx(own + 2 * math.log(5), abs=1e-5)  # an area: twice a length


def test_the_prior_s_box_is_the_range_of_its_draws() -> None:
    assert quantities.PRIOR_BOX[0] == pytest.approx((-2.3263, 2.3263), abs=1e-4)
    draws = quantities.percentile_box(torch.randn(400_000, 2, generator=random()))
    assert np.array(draws) == pytest.approx(np.array(quantities.PRIOR_BOX), abs=0.03)


# ------------------------------------------------------------------------------------------------ curves


def test_distances_between_features_are_those_of_brute_force(judge) -> None:
    images = torch.rand(50, 784, generator=random())
    space, sparsity = LatentSpace(linear(2.0)), Sparsity(torch.rand(5_000, 2, generator=random()) * 2 - 1, BOX)
    t = interpolation.times(interpolation.CHAIN)
    line = torch.stack((t, -t), 1)[None]
    known = features(judge, images)
    assert known.shape == (50, 64)
    found = quality(space, line, judge, sparsity, images, known)
    frames = space.images(interpolation.equal_steps(space, line, interpolation.FRAMES)[0, 1:-1]).float()
    wanted = torch.cdist(features(judge, frames), known).min(1).values.mean().item()
    assert found.features == pytest.approx([wanted], rel=1e-4)
    assert quality(space, line, judge, sparsity, images).features is None
    seen = quality(space, line, judge, sparsity, images, features(judge, frames)).features
    assert seen[0] < 0.01 * found.features[0]  # training images that are the frames themselves are at no distance
    assert nearest_image(features(judge, images[:3]), known).max() < 0.01


class Hill(nn.Module):
    """A graph over the plane with a hill on the straight line from (-1, 0) to (1, 0)."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.cat((z, 3 * torch.exp(-4 * (z[:, :1] ** 2 + (z[:, 1:] - 0.2) ** 2))), 1)


def test_a_curve_that_is_no_geodesic_is_told_from_one_that_is_not_the_shortest() -> None:
    """The straight line over the hill is no geodesic, whatever its flag says; a geodesic that is twice as long as the
    shortest path, by planted lengths of that, is another minimum."""
    space = LatentSpace(Hill())
    ends = torch.tensor([[-1.0, 0.0]] * 3, dtype=torch.float64), torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    optimum = shortest_path(space, *ends, ((-2.0, 2.0), (-2.0, 2.0)), grid=48, segments=64, effort=0)
    newton, straight = geodesic(space, *ends), geodesic(space, *ends, method="straight")
    assert newton.converged.all() and np.isnan(measurement._polished(space, newton, optimum)).all()  # they solve
    claims = replace(straight, converged=torch.tensor([True, False, True]))
    longer = replace(optimum, length=optimum.length / 2)
    flags = claims.converged.tolist()
    wanted = {"wrong flag": (claims, optimum, flags), "no convergence": (claims, optimum, [not f for f in flags]),
              "another minimum": (newton, longer, [True] * 3)}  # fmt: skip
    for why, (found, known, rows) in wanted.items():
        polished = measurement._polished(space, found, known)
        assert np.isnan(polished).tolist() == (~found.converged).tolist()  # what claims nothing is not polished
        assert [x for x in polished if not math.isnan(x)] == pytest.approx(
            [optimum.length[0].item()] * int(found.converged.sum()), rel=1e-3
        )
        told = scores.reasons(np.array([True] * 3), found.converged, found.length, polished)
        assert told[why].tolist() == rows and sum(own.sum() for own in told.values()) == 3


def test_why_a_pair_is_not_solved_is_told_of_fresh_records_only() -> None:
    record = fake.record("vae-128-32-tanh", 5)
    pairs = record.numbers.pairs
    told = pairs.told_apart("newton")
    missed = ~pairs.solved("newton")
    assert missed.any() and np.array_equal(np.sum(list(told.values()), axis=0), missed.astype(int))
    assert np.array_equal(told["another minimum"], missed)  # planted: polished to within half a percent
    silent = planted(record, "numbers.pairs.methods.newton.converged", [False] * fake.PAIRS)
    assert np.array_equal(silent.numbers.pairs.told_apart("newton")["no convergence"], missed)
    shares = tables.unsolved([silent, fake.record("vae-128-32-tanh", 0)])
    scored = missed[silent.numbers.pairs.scored].mean()
    assert shares.loc[("VAE", "newton")].tolist() == pytest.approx([scored, 0, 0])
    with pytest.raises(ValueError, match="version 1"):
        fake.record("vae-128-32-tanh", 0).numbers.pairs.told_apart("newton")
    assert len(tables.unsolved([])) == 0


# ------------------------------------------------------------------------------------------------ records


@pytest.mark.parametrize("name", ["vae-128-32-tanh", HEALTHY_GANS[0].name])
def test_a_record_of_a_fresh_seed_is_whole(name: str, judge) -> None:
    profile = replace(get_profile("smoke"), points=3, disjoint_pairs=4, grid=12, gan_samples=50)
    images, labels = data.load("train", sample=True)
    before: list = []
    settings = TrainingSettings(epochs=3, batch_size=250)

    def watch(epoch, model) -> None:
        with torch.random.fork_rng():
            before.append(get_spec(name).build())
        before[-1].load_state_dict(model.state_dict())

    trained = train(get_spec(name), settings, images, labels, watch=watch)
    before = [model.eval() for model in before[:-1]]
    found = measure_model(trained, judge, profile, images, seed=7, everything=True, before=before)
    explored = measure_model(trained, judge, profile, images, seed=7, everything=True)
    gan, fresh, pairs = name.startswith("gan"), found.fresh, found.pairs
    assert explored.fresh is None and explored.pairs.geodesic.features is None
    assert vars(found.neighbours) == {  # some processors round a product by where its numbers lie in memory
        name: pytest.approx(value, rel=1e-9) for name, value in vars(explored.neighbours).items()
    }
    assert found.packing.median_norm == explored.packing.median_norm
    assert (found.maps == explored.maps) != gan  # a GAN has another box
    assert len(fresh.late.roughness) == 3 and fresh.late.roughness[-1] == found.maps.roughness
    assert found.roughness == pytest.approx(np.mean(fresh.late.roughness))
    assert explored.roughness == explored.maps.roughness
    assert fresh.area.above_20 == found.maps.badly_conditioned
    assert len(pairs.latent_distance) == 4 and len(pairs.geodesic.features) == 4
    assert all(len(m.polished) == 4 for m in pairs.methods.values())
    if not gan:
        test, _ = data.load("test", sample=True)
        drawn = test[torch.randperm(len(test), generator=random(7))[:8]]
        codes = trained.model.encode(drawn).detach().double()
        assert pairs.latent_distance == pytest.approx((codes[1::2] - codes[::2]).norm(dim=1).tolist())
        assert fresh.log_area == pytest.approx(quantities.log_area(trained.model.encode(images).detach()))
    record = replace(fake.record(name, 7), numbers=found)
    assert [line for line in consistency.faults([record]) if "median of log_det" not in line] == []  # of a coarse grid
    assert encode(record)["numbers"]["fresh"]["between"] == fresh.between


@pytest.mark.parametrize("where, value, told", [
    ("late.roughness", [1.0] * 5, "roughness is"),
    ("late.log_cond_95", [1.0] * 5, "95 % quantile of log_cond is"),
    ("area", Shares(0.3, 0.2, 0.01, 0.0), "0.01, and 0.05 on the same map"),
    ("codes", Shares(0.1, 0.2, 0.0, 0.0), "shares of the codes above condition numbers rise"),
    ("between", 0.5, "the share of gaps at midpoints is 0.5"),
])  # fmt: skip
def test_numbers_of_version_2_that_do_not_agree_are_named(where: str, value: object, told: str) -> None:
    """Two GANs of a seed share draws, and gaps were planted alike."""
    names = [spec.name for spec in HEALTHY_GANS[:2]]
    records = [planted(fake.record(name, 6), "numbers.packing.gaps", 0.05) for name in names]
    for i, r in enumerate(records):
        r = planted(planted(r, "provenance.weights", str(i)), "numbers.maps.badly_conditioned", 0.05)
        records[i] = planted(planted(r, "numbers.maps.log_det.q50", 8.0), "numbers.beyond.median_inside", 8.0)
    before = set(consistency.faults(records))
    records[1] = planted(records[1], f"numbers.fresh.{where}", value)
    (line,) = set(consistency.faults(records)) - before
    assert line.startswith(names[1]) and told in line
