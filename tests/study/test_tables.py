"""Records become tables, with the right number of rows, in the study's order, and none where there is none."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fake_records as records
from pullback.study.records import tables as gather


def test_models_have_a_row_a_seed_in_the_study_s_order() -> None:
    table = gather.models(records.sweep(2)[::-1])
    assert list(table["model"].unique()) == records.NAMES and len(table) == 2 * 16
    assert table[table["family"] == "VAE"]["held-out"].notna().all()
    assert table[table["family"] == "healthy GAN"]["held-out"].isna().all()
    first = table.iloc[0]
    assert first["log_det, range"] == pytest.approx(12) and first["log_det, 5 to 95 %"] == pytest.approx(8)  # planted
    assert first["renewed less trained"] == 0 and first["fall beyond the box"] == pytest.approx(8, abs=0.5)
    assert (table[list(gather.RATIOS)] > 0).all(axis=None)


def test_sizes_are_of_the_models_whose_training_set_varied() -> None:
    table = gather.sizes(records.sweep(3))
    assert set(table["model"]) == set(records.SIZED) and len(table) == 3 * 2 * 4
    assert sorted(table["images"].unique()) == [250, 1_000, 5_000, 60_000]
    worse = table.groupby("images")["log_cond, 95 %"].mean()
    assert worse[250] - worse[60_000] == pytest.approx(2, abs=0.1)  # as planted


def test_away_is_relative_to_the_densest_bin_that_has_points() -> None:
    table = gather.away([records.record("vae-128-32-tanh", 0)])
    assert np.isnan(table["log_det"][0]) and list(table["log_det"][1:4]) == [0, 1, 2]
    assert (table["sparsity"].diff()[1:] > 0).all()


def test_quality_has_both_curves_and_the_shares_all_methods() -> None:
    quality = gather.quality(records.sweep(2))
    assert len(quality) == 4 * 2 * 2
    means = quality.groupby("curve")["evenness"].mean()
    assert means["straight"] - means["geodesic"] == pytest.approx(0.4, abs=0.02)
    text = gather.median_quality(records.sweep(2)).loc[("VAE", "geodesic"), "evenness"]
    assert text.startswith("0.15 (0.1")
    shares = gather.shares_solved(records.sweep(2))
    assert len(shares) == 16 * 2 * 4 and shares["solved"].between(0, 1).all()


def test_the_share_certified_is_counted_by_condition_number() -> None:
    found = records.record("vae-128-32-tanh", 0)
    found["numbers"]["pairs"]["optimum"]["log_cond_highest"] = [0.0] * 11 + [np.log(30)] * 10
    table = gather.certified_shares([found])
    assert table.loc[("VAE", "up to 5"), "pairs"] == 11 and table.loc[("VAE", "above 20"), "certified"] == 1
    assert table.loc[("VAE", "up to 5"), "certified"] == pytest.approx(10 / 11, abs=0.01)  # one is not certified


def test_what_distance_explains_is_taken_out() -> None:
    found = [records.record("vae-128-32-tanh", seed) for seed in range(5)]
    chance = np.random.default_rng(0)
    for r in found:
        pairs = r["numbers"]["pairs"]
        distance = chance.normal(size=records.PAIRS)
        noise = chance.normal(size=(2, records.PAIRS))
        pairs["latent_distance"] = distance.tolist()
        pairs["optimum"]["log_cond_highest"] = (distance + 0.3 * noise[0]).tolist()
        pairs["methods"]["newton"]["iterations"] = (distance + 0.3 * noise[1]).tolist()
    text = gather.at_equal_distance(found)["iterations of newton"]
    mean, low, high = (float(x) for x in re.findall(r"-?\d+\.\d+", text))
    assert low < 0 < high and abs(mean) < 0.4  # of a rank correlation of 0.9
    for r in found:
        r["numbers"]["pairs"]["methods"]["newton"]["iterations"] = r["numbers"]["pairs"]["optimum"]["log_cond_highest"]
    assert gather.at_equal_distance(found)["iterations of newton"].startswith("1.00")


@pytest.mark.parametrize("table", [
    gather.models, gather.sizes, gather.away, gather.quality, gather.median_quality, gather.shares_solved,
    gather.certified_shares, gather.at_equal_distance,
])  # fmt: skip
def test_no_records_no_rows(table) -> None:
    assert len(table([])) == 0
