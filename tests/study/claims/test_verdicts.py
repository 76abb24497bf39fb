"""Verdicts follow from the spread over seeds, and are withheld below five."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import fake_records as records
from pullback.study.claims import tables, verdicts
from pullback.study.claims.catalogue import CLAIMS
from pullback.study.claims.criteria import COLLAPSED_GANS, Claim, Part, unmeasured
from pullback.study.claims.verdicts import evaluate, judge
from pullback.study.errors import RecordError
from pullback.study.paths import FIGURES, RESULTS
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
    assert before["4.2-7"]["reason"] == "" and after["4.2-7"]["reason"] == "4 of 5 seeds"
    assert after["4.1-1"]["parts"] == before["4.1-1"]["parts"]  # needs no GAN


def test_no_records_no_verdict(tmp_path: Path) -> None:
    assert reading.load(tmp_path / "nowhere") == []
    found = {(r["verdict"], r["holm"], r["reason"]) for r in evaluate([])}
    assert found == {("undecided", "undecided", "0 of 5 seeds")}


def fresh_seeds(values: list[float]) -> list[Record]:
    """One model of fresh seeds with the values as its gaps, which are the effect of `GAPS`."""
    return [records.planted(records.record("vae-128-32-tanh", 5 + i), "numbers.packing.gaps", v)
            for i, v in enumerate(values)]  # fmt: skip


GAPS = Part("gaps", lambda s: s("vae-128-32-tanh", "packing.gaps"), "above", 0.0)


def test_a_verdict_is_of_fresh_seeds_once_all_are_there_and_the_other_stands_beside_it() -> None:
    """Explored seeds have 0 to 4 of it, all fresh ones less than 0: they contradict, and are not mixed."""
    fresh = fresh_seeds([-1.0, -1.1, -0.9, -1.2, -0.8, -1.0, -1.1, -0.9, -1.2, -0.8])
    (alone,) = evaluate(seeds(5), [claim(GAPS)])
    assert (alone["verdict"], alone["rests_on"], alone["beside"]) == ("supported", "explored", "")
    for there in range(1, 10):
        (result,) = evaluate([*seeds(5), *fresh[:there]], [claim(GAPS)])
        assert {key: result[key] for key in alone if key != "beside"} == {
            key: alone[key] for key in alone if key != "beside"
        }
        assert f"{there} of the 10 fresh ones" in result["beside"] and result["beside"] in tables.told_reason(result)
    (result,) = evaluate([*seeds(5), *fresh], [claim(GAPS)])
    assert (result["verdict"], result["rests_on"]) == ("contradicted", "fresh")
    assert result["seeds"] == list(range(5, 15)) and result["beside"] == "explored seeds: supported"
    assert result["effect"] == pytest.approx(-1.0)
    assert evaluate(fresh, [claim(GAPS)])[0]["verdict"] == "contradicted"  # whatever is there of explored seeds


def test_a_fresh_seed_without_the_number_leaves_a_claim_undecided_and_is_not_replaced() -> None:
    fresh = fresh_seeds([-1.0, -1.1, -0.9, -1.2, -0.8, -1.0, -1.1, -0.9, -1.2, math.nan])
    (result,) = evaluate([*seeds(5), *fresh], [claim(GAPS)])
    assert (result["verdict"], result["rests_on"], result["reason"]) == ("undecided", "fresh", "9 of 10 seeds")


def test_collapsed_gans_have_five_fresh_seeds() -> None:
    part = Part(COLLAPSED_GANS, lambda s: s("gan-128-32-tanh", "packing.gaps"), "above", 0.0)
    fresh = [records.record("gan-128-32-tanh", seed) for seed in range(5, 10)]
    assert evaluate(fresh, [claim(part)])[0]["verdict"] == "supported"
    assert evaluate(fresh[:4], [claim(part)])[0]["rests_on"] == "explored"


def test_records_of_a_seed_s_other_version_are_not_taken() -> None:
    """A seed that was explored by version 2, or is fresh by version 1, is another measure under the same name."""
    for wrong in (replace(records.record("vae-128-32-tanh", 2), recipes={"training": 1, "measuring": 2}),
                  replace(records.record("vae-128-32-tanh", 7), recipes={"training": 1, "measuring": 1})):  # fmt: skip
        with pytest.raises(RecordError, match=rf"{wrong.name} was made by the recipes .* are not mixed"):
            evaluate([*seeds(2), wrong], [claim(GAPS)])


def test_the_committed_explored_verdicts_do_not_change_with_a_few_fresh_records() -> None:
    explored = reading.load(RESULTS / "records")
    some = [records.record("vae-128-32-tanh", 5), records.record("gan-128-32-tanh-nobn-r1", 5)]
    before, after = evaluate(explored), evaluate([*explored, *some])
    assert [{**r, "beside": ""} for r in after] == before
    assert all("of the 10 fresh ones" in r["beside"] or "of the 5 fresh ones" in r["beside"] for r in after)


NOISY = [-1.0, 0.0, 1.0, 2.0, 3.0]  # mean 1, and ten seeds of this spread would tell it from 0
NEAR = [-1.0, 1.0, -1.0, 1.0, 0.01]


def test_an_open_claim_says_why() -> None:
    (result,) = evaluate(seeds(5), [claim(planted(UP, "a"), planted(NOISY, "b"), planted(NEAR, "c"))])
    assert result["verdict"] == "undecided" and result["reason"] == ""
    assert result["why"] == "too noisy: b (13 seeds would do). at its threshold, which 30 seeds would not change: c"
    assert result["why"] in tables.markdown([result])
    waits = claim(planted(UP, "a"), planted(UP, "b")._replace(effect=unmeasured, waits="a measurement"))
    (result,) = evaluate(seeds(5), [waits])
    assert (result["verdict"], result["why"]) == ("undecided", "waiting for a measurement: b")


def test_parts_truly_differ_if_their_difference_leaves_out_zero() -> None:
    """Two parts that move together from seed to seed can differ for certain where each alone is undecided."""
    up, down = [x - 0.2 for x in NOISY], [x - 2.2 for x in NOISY]
    (result,) = evaluate(seeds(5), [claim(planted(up, "a"), planted(down, "b"))])
    assert [p["verdict"] for p in result["parts"]] == ["undecided", "undecided"]
    assert result["why"].startswith("parts that truly differ: a and b. ")
    other = planted(down, "b")._replace(quantity="another")  # numbers of two kinds are not compared
    assert "truly" not in evaluate(seeds(5), [claim(planted(up, "a"), other)])[0]["why"]
    apart = claim(planted(up, "a"), planted(down[::-1], "b"))
    assert "truly" not in evaluate(seeds(5), [apart])[0]["why"]


def test_a_bound_decides_one_side_only() -> None:
    for values, verdict in ((UP, "supported"), (DOWN, "waiting"), (BOTH, "waiting")):
        part = planted(values)._replace(waits="a measurement")
        assert judge(part, values) == verdict
    for values, verdict in ((UP, "supported"), (DOWN, "contradicted"), (BOTH, "waiting")):
        two = planted(values, threshold=0.5)._replace(opposite=-0.5, waits="a measurement")
        assert judge(two, values) == verdict
        turned = two._replace(side="below", threshold=-0.5, opposite=0.5)
        assert judge(turned, [-v for v in values]) == verdict


def test_holm_s_correction_stands_beside_the_plain_verdict() -> None:
    """Claims with p-values 0.0001, 0.02 and 0.04 or so: the smallest stays, the others times 2 do not."""
    clear, near = [10.0, 10.1, 9.9, 10.2, 9.8], [1.0, 0.2, 1.2, 0.4, 1.6]
    found = evaluate(seeds(5), [claim(planted(clear)), claim(planted(near)), claim(planted(near), planted(clear, "b"))])
    assert [r["verdict"] for r in found] == ["supported"] * 3
    assert [r["holm"] for r in found] == ["supported", "undecided", "undecided"]
    assert found[1]["p"] == found[2]["p"] == pytest.approx(stats.ttest_1samp(near, 0).pvalue)
    assert found[1]["p_holm"] == pytest.approx(2 * found[1]["p"])
    assert "| undecided | part:" in tables.markdown(found[1:2])


def test_a_claim_that_depends_needs_both_sides() -> None:
    (result,) = evaluate(seeds(5), [claim(planted(UP, "a"), planted(DOWN, "b"), planted(BOTH, "c"))])
    p = stats.ttest_1samp(UP, 0).pvalue
    assert result["p"] == pytest.approx(3 * p)


def test_the_threshold_is_swept_and_the_verdict_changes_where_the_interval_ends() -> None:
    values = [math.log(9.0) + x for x in (0.1, -0.1, 0.0, 0.05, -0.05)]
    part = planted(values, threshold=math.log(20), side="below")
    (result,) = evaluate(seeds(5), [replace(claim(part), conditions=(5.0, 9.0, 20.0))])
    low, high = (math.exp(x) for x in result["interval"])
    assert "5: contradicted, 9: undecided, 20: supported" in result["swept"]
    assert result["swept"].endswith(f"supported from {high:.1f} on, contradicted up to {low:.1f}")
    just = [part._replace(threshold=math.log(x)) for x in (1.001 * high, 0.999 * high, 1.001 * low, 0.999 * low)]
    assert [judge(p, values) for p in just] == ["supported", "undecided", "undecided", "contradicted"]


def test_the_table_links_every_verdict_to_a_figure_that_is_there() -> None:
    lines = tables.markdown(evaluate([])).splitlines()
    assert len(lines) == len(CLAIMS) + 2 + 5  # two heads, and a line between the tables
    own = lines.index("Not in the report:")
    assert all(line.startswith("| N-") for line in lines[own + 4 :]) and not any("| N-" in x for x in lines[:own])
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
