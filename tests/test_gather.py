"""Records become tables, with the right number of rows, in the study's order, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

import records
from latent_geometry import gather


def test_models_have_a_row_a_seed_in_the_study_s_order() -> None:
    table = gather.models(records.sweep(2)[::-1])
    assert list(table["model"].unique()) == records.NAMES and len(table) == 2 * 16
    assert table[table["family"] == "VAE"]["held-out"].notna().all()
    assert table[table["family"] == "healthy GAN"]["held-out"].isna().all()


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


@pytest.mark.parametrize("table", [
    gather.models, gather.sizes, gather.away, gather.quality, gather.median_quality, gather.shares_solved
])  # fmt: skip
def test_no_records_no_rows(table) -> None:
    assert len(table([])) == 0
