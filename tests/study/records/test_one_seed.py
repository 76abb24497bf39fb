"""The summary table says what the sidecars say, and refuses what is missing or made with another seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pullback.study.models import HEALTHY_GANS, REPORT, get_spec
from pullback.study.notebook import Study
from pullback.study.profiles import Profile, get_profile
from pullback.study.records import one_seed, tables
from pullback.study.training import TrainingSettings, train

NAMES = [spec.name for spec in (*REPORT, *HEALTHY_GANS)]
QUANTILES = {"q0": 0.0, "q5": 0.5, "q25": 1.0, "q50": 2.0, "q75": 3.0, "q95": 4.0, "q100": 5.0}


def sidecars() -> dict[str, dict]:
    """The numbers of each figure that the table is read from; a model's place in NAMES tells it apart."""
    place = {name: i for i, name in enumerate(NAMES)}
    numbers = {
        f"{family}_training": {
            "final_loss": {
                name: {"generator": 1.0 + i, "discriminator": -9.0} if family == "gan" else 100.0 + i
                for name, i in place.items()
                if name.startswith(family)
            }
        }
        for family in ("vae", "dae", "gan")
    }
    maps = {
        name: {
            "log_det": {q: value + i for q, value in QUANTILES.items()},
            "log_cond": {q: value / 10 + i for q, value in QUANTILES.items()},
            "badly_conditioned": i / 100,
        }
        for name, i in place.items()
    }
    beyond = {name: {"median_inside": 5.0 + i, "median_outside": 2.0} for name, i in place.items()}
    return numbers | {
        "atlas_log_det": {"models": maps},
        "beyond_data": {"models": beyond},
        "gan_coverage": {"coverage": {name: {"classes": i} for name, i in place.items() if name.startswith("gan")}},
        "geodesic_ratios": {
            "models": {
                name: {"ratio": None if name == NAMES[-1] else {"q50": 1.5 + i}, "converged": 0.75}  # None: no pair
                for name, i in place.items()
            }
        },
    }


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """The smoke profile, its figures made with seed 3."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    profile = get_profile("smoke")
    profile.figures.mkdir(parents=True)
    for name, numbers in sidecars().items():
        (profile.figures / f"{name}.json").write_text(json.dumps({"seed": 3, "numbers": numbers}))
    return profile


def test_the_table_is_what_the_sidecars_say(profile: Profile) -> None:
    table = one_seed.table(profile, seed=3)
    assert list(table.index) == NAMES
    assert set(table.dtypes) == {np.dtype(float)}
    for i, name in enumerate(NAMES):
        row = table.loc[name]
        assert row["final loss"] == (1 if name.startswith("gan") else 100) + i
        for label, q in (("lowest", "q0"), ("5 %", "q5"), ("median", "q50"), ("95 %", "q95"), ("highest", "q100")):
            assert row[f"log_det {label}"] == QUANTILES[q] + i
            assert row[f"log_cond {label}"] == QUANTILES[q] / 10 + i
        assert row["badly conditioned (%)"] == pytest.approx(i)
        assert row["log_det lost outside the box"] == 3 + i
        assert np.isnan(row["straight / geodesic"]) if name == NAMES[-1] else row["straight / geodesic"] == 1.5 + i
        assert row["converged (%)"] == 75
        assert row["classes covered"] == i if name.startswith("gan") else np.isnan(row["classes covered"])


def test_plain_has_none_where_a_column_does_not_apply(profile: Profile) -> None:
    plain = tables.plain(one_seed.table(profile, seed=3))
    json.dumps(plain, allow_nan=False)
    assert plain["vae-128-32-tanh"]["classes covered"] is None
    assert plain["gan-128-32-tanh"]["classes covered"] == NAMES.index("gan-128-32-tanh")


@pytest.mark.parametrize("name", one_seed.SOURCES)
def test_a_missing_figure_is_named(profile: Profile, name: str) -> None:
    (profile.figures / f"{name}.json").unlink()
    with pytest.raises(FileNotFoundError, match=f"figure {name} has no sidecar.*run"):
        one_seed.table(profile, seed=3)


def test_another_seed_is_refused(profile: Profile) -> None:
    with pytest.raises(ValueError, match="made with seed 3, not 0: run its notebook again"):
        one_seed.table(profile, seed=0)


def test_the_cases_are_the_extremes_of_what_the_geodesic_gains() -> None:
    study = Study("09_summary", "smoke", seed=1)
    images, labels = study.images("train")
    trained = train(
        get_spec("vae-128-32-tanh"), TrainingSettings(epochs=2, batch_size=250), images, labels, progress=lambda _: None
    )
    found = one_seed.cases(study, trained, pairs=5)
    assert found["best"].gain >= found["median"].gain >= found["worst"].gain
    for case in found.values():
        assert case.straight.shape == case.geodesic.shape == (9, 784)
        assert torch.allclose(case.straight[[0, -1]], case.geodesic[[0, -1]], atol=1e-5)
