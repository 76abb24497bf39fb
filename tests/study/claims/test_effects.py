"""Every part of every claim can be computed, and effects are what was planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fake_records as fake
from fake_records import PAIRS, planted
from pullback.study.claims.catalogue import CLAIMS, DENSE
from pullback.study.claims.criteria import unmeasured
from pullback.study.claims.effects import (
    Seed,
    contrast,
    correlation,
    excess,
    gain,
    geodesic_mean,
    highest_on_path,
    in_units_of,
    in_units_of_codes,
    iterations,
    share_solved,
    trained_on,
    unsolved,
    where_dense,
)
from pullback.study.claims.fresh import on_fresh
from pullback.study.claims.verdicts import by_seed


@pytest.fixture(scope="module")
def seed() -> Seed:
    return by_seed(fake.sweep(1))[0]


@pytest.fixture(scope="module")
def fresh() -> Seed:
    return by_seed(fake.fresh_sweep([5]))[5]


def exchanged(first: str, second: str) -> Seed:
    """The records of one seed with two families' numbers exchanged."""
    found = []
    for r in fake.sweep(1):
        for a, b in ((first, second), (second, first)):
            if r.item.model.startswith(a):
                r = replace(r, item=replace(r.item, model=r.item.model.replace(a, b, 1)))
                break
        found.append(r)
    return by_seed(found)[0]


def changed(seed: Seed, model: str, path: str, value: Any) -> Seed:
    return Seed({**seed.whole, model: planted(seed.whole[model], path, value)}, seed.parts, seed.alike)


def test_ids_are_unique_and_sections_are_covered() -> None:
    assert len({c.id for c in CLAIMS}) == len(CLAIMS)
    told = " ".join(c.where for c in CLAIMS)
    assert all(section in told for section in ("Abstract", "3.1", "3.3", "4.1", "4.2", "5"))
    for c in CLAIMS:
        assert len({p.label for p in c.parts}) == len(c.parts) > 0
        assert all(p.side in ("above", "below", "within") for p in c.parts)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_every_part_is_a_number(seed: Seed, claim) -> None:
    for part in claim.parts:
        assert part.effect is unmeasured or np.isfinite(part.effect(seed)), part.label
        assert part.effect is not unmeasured or part.waits


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_every_part_is_a_number_on_a_fresh_seed(fresh: Seed, claim) -> None:
    for part in on_fresh(claim).parts:
        assert np.isfinite(part.effect(fresh)), part.label


@pytest.mark.parametrize("number", ["3.1-2"])
def test_exchanging_vaes_and_daes_turns_their_differences_round(seed: Seed, number: str) -> None:
    (claim,) = (c for c in CLAIMS if c.id == number)
    for part in claim.parts:
        assert part.effect(exchanged("vae", "dae")) == pytest.approx(-part.effect(seed))


def test_what_is_not_certified_or_undercut_is_not_scored(seed: Seed) -> None:
    pairs = seed.pairs("vae-128-32-tanh")
    assert np.flatnonzero(pairs.scored).tolist() == [i for i in range(PAIRS) if i != 3]
    lengths = [0.99 * pairs.optimum.length[0], *pairs.methods["newton"].length[1:]]
    assert not planted(pairs, "methods.newton.length", lengths).scored[0]


def test_the_share_solved_is_that_of_the_scored_pairs(seed: Seed) -> None:
    missed = {i for i in range(PAIRS) if (i + 1) % 5 == 0 and i != 3}
    assert share_solved(["vae-128-32-tanh"])(seed) == pytest.approx(1 - len(missed) / (PAIRS - 1))


def test_a_correlation_is_found_where_it_is_planted(seed: Seed) -> None:
    name = "dae-128-32-tanh"
    length = seed.pairs(name).optimum.length
    found = changed(seed, name, "pairs.optimum.log_cond_highest", [float(i) for i in range(PAIRS)])
    found = changed(found, name, "pairs.methods.newton.length", [x * (1 + 0.1 * (i > 9)) for i, x in enumerate(length)])
    assert correlation(iterations, [name], False)(found) == pytest.approx(1)
    assert correlation(unsolved("newton"), [name], False)(found) > 0.8
    constant = changed(found, name, "pairs.optimum.log_cond_highest", [1.0] * PAIRS)
    assert np.isnan(correlation(unsolved("newton"), [name], False)(constant))
    gaps = changed(found, name, "pairs.optimum.log_cond_highest", [*range(PAIRS - 1), fake.NAN])
    assert correlation(iterations, [name], False)(gaps) == pytest.approx(1)  # of the pairs that have both numbers


def test_what_comes_from_length_alone_is_gone_at_equal_length(seed: Seed) -> None:
    name = "dae-128-32-tanh"
    rng = np.random.default_rng(0)
    length = np.arange(1.0, PAIRS + 1)
    for path, value in (("optimum.length", length), ("latent_distance", rng.permutation(length)),
                        *((f"methods.{m}.length", length) for m in ("newton", "straight", "cubic spline",
                                                                    "fixed point"))):  # fmt: skip
        seed = changed(seed, name, f"pairs.{path}", value.tolist())
    seed = changed(seed, name, "pairs.optimum.certified", [True] * PAIRS)
    seed = changed(seed, name, "pairs.methods.newton.iterations", (length + rng.integers(0, 6, PAIRS)).tolist())
    seed = changed(seed, name, "pairs.optimum.log_cond_highest", (length + rng.uniform(0, 5, PAIRS)).tolist())
    assert correlation(iterations, [name], False)(seed) > 0.8
    assert abs(correlation(iterations, [name], True)(seed)) < 0.5
    own = rng.uniform(0, 9, PAIRS)  # something of their own in both is found again
    seed = changed(seed, name, "pairs.methods.newton.iterations", (100 * (length + own)).astype(int).tolist())
    seed = changed(seed, name, "pairs.optimum.log_cond_highest", (length + own).tolist())
    assert correlation(iterations, [name], True)(seed) > 0.95
    few = changed(seed, name, "pairs.optimum.certified", [i < 5 for i in range(PAIRS)])
    assert np.isnan(correlation(iterations, [name], True)(few))


def test_a_latent_scale_drops_out(seed: Seed) -> None:
    """Latent points three times as far apart, a log_det that is 4 log 3 smaller: the same generator."""
    name, others = "dae-128-32-sigmoid", ["vae-128-32-tanh", "vae-256-64-tanh"]
    before = in_units_of(others, "maps.log_det.q100", [name])(seed)
    pairs = seed.pairs(name)
    scaled = changed(seed, name, "pairs.latent_distance", [3 * d for d in pairs.latent_distance])
    highest = seed(name, "maps.log_det.q100")
    scaled = changed(scaled, name, "maps.log_det.q100", highest - 4 * np.log(3))
    assert in_units_of(others, "maps.log_det.q100", [name])(scaled) == pytest.approx(before)
    assert in_units_of([name], "maps.log_det.q100", [name])(seed) == pytest.approx(highest)


def test_a_latent_scale_by_codes_drops_out(fresh: Seed) -> None:
    """Codes three times as far apart cover nine times the area, and log_det is 4 log 3 smaller."""
    name, others = "dae-128-32-sigmoid", ["vae-128-32-tanh", "vae-256-64-tanh"]
    before = in_units_of_codes(others, "maps.log_det.q100", [name])(fresh)
    scaled = changed(fresh, name, "fresh.log_area", fresh(name, "fresh.log_area") + np.log(9))
    scaled = changed(scaled, name, "maps.log_det.q100", fresh(name, "maps.log_det.q100") - 4 * np.log(3))
    assert in_units_of_codes(others, "maps.log_det.q100", [name])(scaled) == pytest.approx(before)


def test_models_on_few_images_are_compared_with_batches_of_their_size(fresh: Seed, seed: Seed) -> None:
    name, path = "vae-128-32-tanh", "maps.log_det.q50"
    alike = {name: planted(fresh.alike[name], path, 5.0)}
    effect = trained_on(250, path, name)
    assert effect(Seed(fresh.whole, fresh.parts, alike)) == pytest.approx(fresh(name, path, 250) - 5)
    assert effect(seed) == pytest.approx(seed(name, path, 250) - seed(name, path))
    with pytest.raises(KeyError):  # the model in larger batches does not stand in for it
        effect(Seed(fresh.whole, fresh.parts, {}))


def test_a_mean_over_geodesics_is_of_those_that_have_the_number(fresh: Seed) -> None:
    name = "vae-256-64-tanh"
    found = changed(fresh, name, "pairs.geodesic.features", [1.0, 3.0, fake.NAN])
    assert geodesic_mean("features", [name])(found) == 2


def test_dense_places_are_those_up_to_the_limit(seed: Seed) -> None:
    name = "vae-256-64-tanh"
    edges = seed(name, "away.edges")
    inside = [edge <= 6 for edge in edges[1:]]
    found = changed(seed, name, "away.log_cond", [2.0 if i else 50.0 for i in inside])
    assert where_dense("log_cond", [name], DENSE)(found) == 2
    values = [float(i) for i in range(len(inside))]
    counts = [0, 3, *[1] * (len(inside) - 2)]
    found = changed(changed(found, name, "away.log_cond", [fake.NAN, *values[1:]]), name, "away.count", counts)
    wanted = (3 * 1 + sum(range(2, sum(inside)))) / (3 + sum(inside) - 2)
    assert where_dense("log_cond", [name], DENSE)(found) == pytest.approx(wanted)


def test_a_contrast_of_equal_models_is_zero_on_average_and_a_highest_value_needs_its_path(seed: Seed) -> None:
    name = "vae-256-64-tanh"
    assert contrast(share_solved, [name], [name])(seed) == 0
    found = changed(seed, name, "pairs.optimum.log_cond_highest", [1.0, 2.0, fake.NAN])
    assert highest_on_path([name])(found) == 1.5


def test_a_gain_is_geodesic_less_straight_over_the_pairs_that_have_both(seed: Seed) -> None:
    name = "vae-256-64-tanh"
    found = changed(seed, name, "pairs.straight.nearest", [1.0, 2.0, fake.NAN])
    found = changed(found, name, "pairs.geodesic.nearest", [3.0, fake.NAN, 5.0])
    assert gain("nearest", [name])(found) == 2


def test_an_effect_that_no_pair_has_is_nan_and_a_missing_record_is_a_key_error(seed: Seed) -> None:
    name = "vae-256-64-tanh"
    found = changed(seed, name, "pairs.optimum.certified", [False] * PAIRS)
    assert np.isnan(excess([name])(found)) and np.isnan(share_solved([name])(found))
    with pytest.raises(KeyError):
        share_solved([name])(Seed({}, seed.parts))
    part = Seed({}, {(name, 5_000): seed.whole[name]})
    with pytest.raises(KeyError):  # a model trained on fewer images does not stand in for one trained on all
        gain("nearest", [name])(part)
