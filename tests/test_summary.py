"""The summary table says what the sidecars say, and refuses what is missing or made with another seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from latent_geometry import summary
from latent_geometry.models import HEALTHY_GANS, REPORT
from latent_geometry.profiles import Profile, get_profile

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
        "geodesic_solver_ratios": {
            "families": {
                "VAE, cubic spline, length": {"solved": 0.25, "ratio, median": 1.1},
                "DAE, cubic spline, length": {"solved": 0.5, "ratio, median": 1.0},
                "VAE, newton": {"solved": 1.0, "ratio, median": 1.0},
            }
        },
        "geodesic_premise": {"answers": {"not solved": {"newton": "no: 3 of 9"}, "not converged": {"newton": "yes"}}},
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
    monkeypatch.setenv("LATENT_GEOMETRY_BUILD", str(tmp_path))
    profile = get_profile("smoke")
    profile.figures.mkdir(parents=True)
    for name, numbers in sidecars().items():
        (profile.figures / f"{name}.json").write_text(json.dumps({"seed": 3, "numbers": numbers}))
    return profile


def test_the_table_is_what_the_sidecars_say(profile: Profile) -> None:
    table = summary.table(profile, seed=3)
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
    plain = summary.plain(summary.table(profile, seed=3))
    json.dumps(plain, allow_nan=False)
    assert plain["vae-128-32-tanh"]["classes covered"] is None
    assert plain["gan-128-32-tanh"]["classes covered"] == NAMES.index("gan-128-32-tanh")


@pytest.mark.parametrize("name", summary.SOURCES)
def test_a_missing_figure_is_named(profile: Profile, name: str) -> None:
    (profile.figures / f"{name}.json").unlink()
    with pytest.raises(FileNotFoundError, match=f"figure {name} has no sidecar.*run"):
        summary.table(profile, seed=3)


def test_another_seed_is_refused(profile: Profile) -> None:
    with pytest.raises(ValueError, match="made with seed 3, not 0: run its notebook again"):
        summary.table(profile, seed=0)


def test_every_conclusion_is_answered_and_can_turn_out_either_way(profile: Profile) -> None:
    table = summary.table(profile, seed=3)
    table["badly conditioned (%)"] = 0.0
    found = dict(summary.conclusions(table))
    assert len(found) == 6
    reversed_ = table.copy()
    reversed_["badly conditioned (%)"] = 50.0
    reversed_["straight / geodesic"] = 0.9
    reversed_["log_det lost outside the box"] = -1.0
    reversed_.loc[reversed_.index.str.startswith("vae"), "log_cond median"] = 99.0
    verdicts = [
        [text.split(":")[0].split(" by")[0].split(" for")[0] for quote, text in answers.items() if "upported" in text]
        for answers in (found, dict(summary.conclusions(reversed_)))
    ]
    assert verdicts == [
        ["Supported", "Supported", "Supported", "Supported"],
        ["Supported in part", "Not supported", "Not supported", "Supported in part"],
    ]


def test_solvers_are_told_by_family_in_per_cent(profile: Profile) -> None:
    shares = summary.solvers(profile)
    assert list(shares.columns) == ["VAE", "DAE"] and list(shares.index) == ["cubic spline, length", "newton"]
    assert shares.loc["cubic spline, length"].tolist() == [25, 50]
    assert shares.loc["newton", "VAE"] == 100 and np.isnan(shares.loc["newton", "DAE"])
    assert summary.premise(profile) == {"newton": "no: 3 of 9"}
