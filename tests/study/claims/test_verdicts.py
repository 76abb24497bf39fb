"""Verdicts follow from the spread over seeds, and are withheld below five."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import fake_records as records
from pullback.study.claims import tables, verdicts
from pullback.study.claims.catalogue import CLAIMS, Claim, Part
from pullback.study.claims.verdicts import band, evaluate, interval, judge
from pullback.study.errors import RecordError
from pullback.study.paths import FIGURES
from pullback.study.records import reading
from pullback.study.records.schema import Record


def claim(*parts: Part) -> Claim:
    return Claim("X-1", "Section 9", "A statement.", "a measure", "figure_1", parts)


def planted(values: list[float], label: str = "part", threshold: float = 0.0, side: str = "above") -> Part:
    """A part whose effect is values[seed]."""
    return Part(label, lambda s: values[int(s("vae-128-32-tanh", "packing.gaps"))], side, threshold)


def seeds(count: int) -> list[Record]:
    return [
        records.planted(records.record("vae-128-32-tanh", i), "numbers.packing.gaps", float(i)) for i in range(count)
    ]


def test_the_interval_covers_what_it_says_and_the_bootstrap_does_not() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2_000, 5))
    found = np.array([interval(row.tolist()) for row in draws])
    assert np.mean((found[:, 0] < 0) & (found[:, 1] > 0)) == pytest.approx(0.95, abs=0.015)
    resampled = draws[:, rng.integers(5, size=(400, 5))].mean(2)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=1)
    assert np.mean((low < 0) & (high > 0)) < 0.87


def test_the_interval_is_student_s() -> None:
    low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.7764451 * math.sqrt(2.5 / 5)  # t at 0.975 with four degrees of freedom
    assert (low, high) == pytest.approx((3 - half, 3 + half))
    assert interval([1.0]) is None and interval([]) is None and band([1.0]) is None


def test_the_band_holds_the_mean_of_another_run() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(10, 1, size=(2, 2_000, 5))
    bands = np.array([band(row.tolist()) for row in first])
    inside = (bands[:, 0] <= second.mean(1)) & (second.mean(1) <= bands[:, 1])
    assert np.mean(inside) == pytest.approx(0.99, abs=0.01)
    assert band([0.0] * 5) == (-verdicts.FLOOR, verdicts.FLOOR)


@pytest.mark.parametrize("side, values, verdict", [
    ("above", [1, 2, 3, 2, 1], "supported"),
    ("above", [-1, -2, -3, -2, -1], "contradicted"),
    ("above", [-1, 2, -3, 2, 1], "undecided"),
    ("below", [1, 2, 3, 2, 1], "contradicted"),
    ("below", [-1, -2, -3, -2, -1], "supported"),
    ("within", [0.1, -0.1, 0.2, 0.0, 0.1], "supported"),
    ("within", [5, 6, 5, 6, 5], "contradicted"),
    ("within", [-5, -6, -5, -6, -5], "contradicted"),
    ("within", [1, 0, 1, 0, 1], "undecided"),
    ("above", [1, 1, 1, 1], "4 of 5 seeds"),
    ("above", [], "0 of 5 seeds"),
])  # fmt: skip
def test_a_part_is_judged_by_where_its_interval_lies(side: str, values: list[float], verdict: str) -> None:
    threshold = 0.6 if side == "within" else 0.0
    assert judge(planted(values, side=side, threshold=threshold), [float(v) for v in values]) == verdict


UP, DOWN, BOTH = [1.0, 1.2, 0.9, 1.1, 1.0], [-1.0, -1.2, -0.9, -1.1, -1.0], [-1.0, 1.0, -1.0, 1.0, 0.0]


@pytest.mark.parametrize("parts, verdict", [
    ([UP, UP], "supported"), ([DOWN, DOWN], "contradicted"), ([UP, DOWN], "depends"), ([UP, BOTH], "undecided"),
    ([UP, DOWN, BOTH], "depends"), ([BOTH], "undecided"), ([DOWN, BOTH], "undecided"),
])  # fmt: skip
def test_a_claim_is_judged_by_its_parts(parts: list[list[float]], verdict: str) -> None:
    (result,) = evaluate(seeds(5), [claim(*(planted(v, f"part {i}") for i, v in enumerate(parts)))])
    assert result["verdict"] == verdict
    assert result["effect"] == pytest.approx(np.mean(parts[0])) and result["seeds"] == [0, 1, 2, 3, 4]
    if verdict == "depends":
        assert result["reason"].startswith("supported: part 0; contradicted: part 1")


def test_four_seeds_give_no_verdict_however_clear() -> None:
    (result,) = evaluate(seeds(4), [claim(planted([9.0] * 4))])
    assert (result["verdict"], result["reason"]) == ("undecided", "4 of 5 seeds")
    assert "undecided: 4 of 5 seeds" in tables.table([result]).loc["X-1", "verdict"]


def test_a_seed_without_the_number_does_not_count() -> None:
    (result,) = evaluate(seeds(5), [claim(planted([1.0, 1.0, math.nan, 1.0, 1.0]))])
    assert (result["reason"], result["seeds"]) == ("4 of 5 seeds", [0, 1, 3, 4])


def test_a_missing_model_takes_its_seed_away() -> None:
    whole = records.sweep()
    partial = [r for r in whole if not (r.item.seed == 2 and r.item.model == "gan-128-32-tanh")]
    before, after = ({r["id"]: r for r in evaluate(found)} for found in (whole, partial))
    assert before["4.2-7"]["verdict"] == "supported" and after["4.2-7"]["reason"] == "4 of 5 seeds"
    assert after["4.1-1"] == before["4.1-1"]  # needs no GAN


def test_no_records_no_verdict(tmp_path: Path) -> None:
    assert reading.load(tmp_path / "nowhere") == []
    assert {(r["verdict"], r["reason"]) for r in evaluate([])} == {("undecided", "0 of 5 seeds")}


def test_the_table_links_every_verdict_to_a_figure_that_is_there() -> None:
    lines = tables.markdown(evaluate([])).splitlines()
    assert len(lines) == len(CLAIMS) + 2
    for c in CLAIMS:
        assert (FIGURES / f"{c.figure}.png").is_file(), c.figure


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"claims": []}', '{"claims": 3, "sha256": ""}'])
def test_a_broken_list_of_claims_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "claims.json"
    with pytest.raises(RecordError, match=r"there is no .*claims\.json: `make seeds`"):
        verdicts.read(path)
    path.write_text(text)
    with pytest.raises(RecordError, match=r"claims\.json is not a list of claims: delete it and run `make seeds`"):
        verdicts.read(path)


def test_an_edited_list_of_claims_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    results = evaluate(records.sweep())
    verdicts.write(results, path)
    assert verdicts.read(path) == json.loads(json.dumps(results))
    path.write_text(path.read_text().replace('"verdict": "supported"', '"verdict": "contradicted"', 1))
    with pytest.raises(RecordError, match=r"claims\.json was edited"):
        verdicts.read(path)
