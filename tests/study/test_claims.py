"""Every claim can be computed, and turns round when the families that it compares are exchanged."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import fake_records as records
from pullback.study.claims.catalogue import (
    CLAIMS,
    Seed,
    certified,
    correlation,
    gain,
    iterations,
    share_solved,
    unsolved,
)
from pullback.study.claims.verdicts import by_seed


@pytest.fixture(scope="module")
def seed() -> Seed:
    return by_seed(records.sweep(1))[0]


def exchanged(first: str, second: str) -> Seed:
    """The records of one seed with two families' numbers exchanged."""
    found = records.sweep(1)
    for r in found:
        name = r["item"]["model"]
        for a, b in ((first, second), (second, first)):
            if name.startswith(a):
                r["item"]["model"] = name.replace(a, b, 1)
                break
    return by_seed(found)[0]


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
        assert np.isfinite(part.effect(seed)), part.label


@pytest.mark.parametrize("number", ["3.1-1", "3.1-2", "3.1-3"])
def test_exchanging_vaes_and_daes_turns_their_differences_round(seed: Seed, number: str) -> None:
    (claim,) = (c for c in CLAIMS if c.id == number)
    for part in claim.parts:
        assert part.effect(exchanged("vae", "dae")) == pytest.approx(-part.effect(seed))


def test_what_is_not_certified_or_undercut_is_not_scored(seed: Seed) -> None:
    name = "vae-128-32-tanh"
    assert list(certified(seed, name)) == [i for i in range(records.PAIRS) if i != 3]
    other = Seed(copy.deepcopy(seed.numbers))
    optimum = other(name, "pairs.optimum.length")
    other(name, "pairs.methods.newton.length")[0] = 0.99 * optimum[0]
    assert 0 not in certified(other, name)


def test_the_share_solved_is_that_of_the_certified_pairs(seed: Seed) -> None:
    missed = {i for i in range(records.PAIRS) if (i + 1) % 5 == 0 and i != 3}
    assert share_solved(["vae-128-32-tanh"])(seed) == pytest.approx(1 - len(missed) / (records.PAIRS - 1))


def test_a_correlation_is_found_where_it_is_planted(seed: Seed) -> None:
    name = "dae-128-32-tanh"
    other = Seed(copy.deepcopy(seed.numbers))
    optimum = other(name, "pairs.optimum")
    optimum["log_cond_highest"] = [float(i) for i in range(records.PAIRS)]
    other(name, "pairs.methods.newton")["length"] = [x * (1 + 0.1 * (i > 9)) for i, x in enumerate(optimum["length"])]
    assert correlation(iterations, [name], True)(other) == pytest.approx(1)
    assert correlation(unsolved("newton"), [name], False)(other) > 0.8
    optimum["log_cond_highest"] = [1.0] * records.PAIRS
    assert np.isnan(correlation(unsolved("newton"), [name], False)(other))


def test_a_gain_is_geodesic_less_straight_over_the_pairs_that_have_both(seed: Seed) -> None:
    name = "vae-256-64-tanh"
    other = Seed(copy.deepcopy(seed.numbers))
    other(name, "pairs.straight")["nearest"] = [1.0, 2.0, None]
    other(name, "pairs.geodesic")["nearest"] = [3.0, None, 5.0]
    assert gain("nearest", [name])(other) == 2
