"""Records become tables, with the right number of rows, in the study's order, and none where there is none."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import fake_records as records
from fake_records import planted
from pullback.study.records import tables
from pullback.study.records.items import SIZED
from pullback.study.records.measurement import RECORDED


def test_models_have_a_row_a_seed_in_the_study_s_order() -> None:
    table = tables.models(records.sweep(2)[::-1])
    assert list(table["model"].unique()) == records.NAMES and len(table) == 2 * 16
    assert table[table["family"] == "VAE"]["held-out"].notna().all()
    assert table[table["family"] == "GAN, no batch norm in D, R1 penalty"]["held-out"].isna().all()
    first = table.iloc[0]
    assert first["log_det, range"] == pytest.approx(12) and first["log_det, 5 to 95 %"] == pytest.approx(8)  # planted
    assert first["renewed less trained"] == 0 and first["fall beyond the box"] == pytest.approx(8, abs=0.5)
    assert (table[list(tables.RATIOS)] > 0).all(axis=None)


def test_sizes_are_of_the_models_whose_training_set_varied() -> None:
    table = tables.sizes(records.sweep(3))
    assert set(table["model"]) == set(SIZED) and len(table) == 3 * 2 * 4
    assert sorted(table["images"].unique()) == [250, 1_000, 5_000, 60_000]
    worse = table.groupby("images")["log_cond, 95 %"].mean()
    assert worse[250] - worse[60_000] == pytest.approx(2, abs=0.1)  # as planted


def test_away_is_relative_to_the_densest_bin_that_has_points() -> None:
    table = tables.away([records.record("vae-128-32-tanh", 0)])
    assert np.isnan(table["log_det"][0]) and list(table["log_det"][1:4]) == [0, 1, 2]
    assert (table["sparsity"].diff()[1:] > 0).all()


def test_quality_has_both_curves_and_the_shares_all_methods() -> None:
    quality = tables.quality(records.sweep(2))
    assert len(quality) == 4 * 2 * 2
    means = quality.groupby("curve")["evenness"].mean()
    assert means["straight"] - means["geodesic"] == pytest.approx(0.4, abs=0.02)
    text = tables.median_quality(records.sweep(2)).loc[("VAE", "geodesic"), "evenness"]
    assert text.startswith("0.15 (0.1")
    shares = tables.shares_solved(records.sweep(2))
    assert len(shares) == 16 * 2 * len(RECORDED) and shares["solved"].between(0, 1).all()


def test_the_share_certified_is_counted_by_condition_number() -> None:
    found = records.record("vae-128-32-tanh", 0)
    found = planted(found, "numbers.pairs.optimum.log_cond_highest", [0.0] * 11 + [np.log(30)] * 10)
    table = tables.certified_shares([found])
    assert table.loc[("VAE", "up to 5"), "pairs"] == 11 and table.loc[("VAE", "above 20"), "certified"] == 1
    assert table.loc[("VAE", "up to 5"), "certified"] == pytest.approx(10 / 11, abs=0.01)  # one is not certified


def test_what_distance_explains_is_taken_out() -> None:
    found = []
    chance = np.random.default_rng(0)
    for seed in range(5):
        distance, *noise = chance.normal(size=(3, records.PAIRS))
        r = planted(records.record("vae-128-32-tanh", seed), "numbers.pairs.latent_distance", distance.tolist())
        r = planted(r, "numbers.pairs.optimum.log_cond_highest", (distance + 0.3 * noise[0]).tolist())
        found.append(planted(r, "numbers.pairs.methods.newton.iterations", (distance + 0.3 * noise[1]).tolist()))
    row = tables.correlations(found).loc["iterations of newton"]
    plain, *_ = (float(x) for x in re.findall(r"-?\d+\.\d+", row["any pairs"]))
    assert plain > 0.7
    for column in ("at equal distance", "at equal distance and length"):
        mean, low, high = (float(x) for x in re.findall(r"-?\d+\.\d+", row[column]))
        assert low < 0 < high and abs(mean) < 0.4
    same = [
        planted(r, "numbers.pairs.methods.newton.iterations", r.numbers.pairs.optimum.log_cond_highest) for r in found
    ]
    assert tables.correlations(same).loc["iterations of newton", "at equal distance"].startswith("1.00")


@pytest.mark.parametrize("table", [
    tables.models, tables.sizes, tables.away, tables.quality, tables.median_quality, tables.shares_solved,
    tables.certified_shares, tables.correlations,
])  # fmt: skip
def test_no_records_no_rows(table) -> None:
    assert len(table([])) == 0


def test_means_are_over_a_model_s_seeds() -> None:
    table = pd.DataFrame({"model": ["b", "a", "b"], "x": [1.0, 5.0, 3.0], "y": [np.nan] * 3})
    assert tables.by_model(table, ("x", "y")) == {"x": {"b": 2.0, "a": 5.0}, "y": {"b": None, "a": None}}
