"""`make verify` accepts the committed results, and notices whatever is changed, missing, swapped or too much."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import fake_records as fake
from pullback.study.claims import reference, verdicts, verify
from pullback.study.claims.catalogue import CLAIMS
from pullback.study.claims.criteria import VAES
from pullback.study.claims.statistics import band
from pullback.study.claims.verdicts import evaluate
from pullback.study.paths import RESULTS
from pullback.study.provenance import SEAL, seal
from pullback.study.records import consistency, reading
from pullback.study.records.items import FRESH
from pullback.study.records.schema import Beyond


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the committed results."""
    shutil.copytree(RESULTS, tmp_path / "results")
    return tmp_path / "results"


def verified(results: Path) -> int:
    return verify.main(["--results", str(results), "--reference", str(results / "reference.json")])


def test_the_committed_claims_are_those_of_the_committed_records() -> None:
    records = reading.load_all(RESULTS)
    assert verify.disagreements(verdicts.read(RESULTS / "claims.json"), evaluate(records)) == []
    assert verify.disagreements(reference.read(RESULTS / "reference.json"), reference.reference(records)) == []
    assert consistency.faults(records) == []


def test_the_committed_results_are_verified(results: Path, capsys: pytest.CaptureFixture) -> None:
    assert verified(results) == 0
    out = capsys.readouterr().out
    there = len(list((RESULTS / "fresh").glob("*.json")))
    assert f"{120 + there} records are whole and agree among themselves" in out
    assert f"note: {there} of 280 records of fresh seeds are there" in out
    assert "were not compared with them" in out  # a run always lies within its own bands
    told = [line for line in out.splitlines() if line.startswith("note, a run within the bands")]
    assert len(told) == len(hidden_by_hand(results)) > 0


def hidden_by_hand(results: Path) -> list[str]:
    """The parts with a verdict whose band, made from their values, holds their threshold."""
    parts = [p for c in verdicts.read(results / "claims.json") for p in c["parts"]]
    bands = [(p, band(list(p["values"].values()))) for p in parts if p["verdict"] in ("supported", "contradicted")]
    return [p["label"] for p, (low, high) in bands
            if any(bound is not None and low <= bound <= high for bound in (p["threshold"], p["opposite"]))
            or p["side"] == "within" and low <= -p["threshold"] <= high]  # fmt: skip


def swap(first: Path, second: Path) -> None:
    content = first.read_bytes(), second.read_bytes()
    first.write_bytes(content[1])
    second.write_bytes(content[0])


def one(results: Path, name: str = "vae-128-32-tanh-seed0") -> Path:
    return results / "records" / f"{name}.json"


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def sealed_anew(path: Path, place: tuple[str, ...], value: object) -> None:
    """Edit a record as somebody would who also makes its seal again."""
    document = json.loads(path.read_text())
    del document[SEAL]
    *outer, last = place
    inside = document
    for key in outer:
        inside = inside[key]
    assert last in inside
    inside[last] = value
    document[SEAL] = seal(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("mutate, told", [
    (lambda r: replaced(one(r), '"roughness": 22.6', '"roughness": 21.6'), "seed0.json was changed after"),
    (lambda r: replaced(one(r), '"seed": 0', '"seed": 1'), "seed0.json was changed after"),
    (lambda r: one(r).write_bytes(one(r).read_bytes()[:3_000]), "seed0.json cannot be read"),
    (lambda r: one(r).write_bytes(b""), "seed0.json cannot be read"),
    (lambda r: one(r).unlink(), "seed0.json is missing"),
    (lambda r: [path.unlink() for path in (r / "records").glob("*-seed4*")], "seed4.json is missing"),
    (lambda r: shutil.rmtree(r / "records"), "seed0.json is missing"),
    (lambda r: swap(one(r), one(r, "vae-128-32-tanh-seed1")), "seed0.json holds the record vae-128-32-tanh-seed1"),
    (lambda r: shutil.copy(one(r), one(r, "vae-128-32-tanh-seed1")), "seed1.json holds the record vae-128-32-tanh-s"),
    (lambda r: shutil.copy(one(r), one(r, "zz")), "zz.json is no record of the sweep"),
    (lambda r: one(r, "zz").mkdir(), "zz.json is no record of the sweep"),
    (lambda r: replaced(r / "claims.json", '"verdict": "supported"', '"verdict": "depends"'), "claims.json was edited"),
    (lambda r: (r / "claims.json").unlink(), "there is no "),
    (lambda r: (r / "claims.json").write_text(""), "claims.json is not a list of claims"),
    (lambda r: sealed_anew(one(r), ("recipes", "measuring"), 0), "seed0.json was made by the recipes"),
    (lambda r: sealed_anew(one(r), ("recipes", "training"), 9), "seed0.json was made by the recipes"),
    (lambda r: sealed_anew(one(r), ("schema",), 1), "seed0.json is not a record of schema"),
    (lambda r: (r / "reference.json").unlink(), "reference.json is no reference"),
    (lambda r: (r / "reference.json").write_text("{}"), "reference.json is no reference"),
    (lambda r: (r / "reference.json").write_text("[]"), "reference.json is no reference"),
    (lambda r: replaced(r / "reference.json", '"side": "above"', '"side": "below"'), "reference.json was edited"),
])  # fmt: skip
def test_every_mutation_is_noticed(
    results: Path, capsys: pytest.CaptureFixture, mutate: Callable[[Path], object], told: str
) -> None:
    mutate(results)
    assert verified(results) == 2
    assert told in capsys.readouterr().err


def fresh(results: Path, model: str = "vae-256-64-tanh", seed: int = 9) -> Path:
    """A fresh seed's record put among the results, and the claims made anew."""
    record = fake.record(model, seed)
    maps = replace(record.numbers.maps, rank_deficient=1)  # made-up shares and quantiles then need not agree
    maps = replace(maps, log_det=replace(maps.log_det, q50=8.0))
    record = replace(record, numbers=replace(record.numbers, maps=maps, beyond=Beyond(8.0, 0.0, -9.0, 0.0)))
    path = reading.folder(results, record.item) / f"{record.name}.json"
    reading.write(path, record)
    verdicts.write(evaluate(reading.load_all(results)), results / "claims.json")
    return path


def test_fresh_seeds_may_be_there_in_part_and_are_counted(results: Path, capsys: pytest.CaptureFixture) -> None:
    before = len(reading.load_all(results))
    fresh(results)
    assert verified(results) == 0
    out = capsys.readouterr().out
    assert f"{before + 1} records are whole" in out and f"note: {before - 119} of 280 records of fresh seeds" in out


@pytest.mark.parametrize("mutate, told", [
    (lambda r: replaced(fresh(r), '"roughness"', '"rough"'), "seed9.json is not a whole record"),
    (lambda r: replaced(fresh(r), '"seconds": 20.0', '"seconds": 21.0'), "seed9.json was changed after"),
    (lambda r: sealed_anew(fresh(r), ("recipes", "measuring"), 1), "seed9.json is not a whole record: numbers."),
    (lambda r: shutil.move(fresh(r), r / "records"), "seed9.json is no record of the sweep"),
    (lambda r: shutil.copy(one(r), fresh(r)), "seed9.json holds the record vae-128-32-tanh-seed0"),
    (lambda r: shutil.copy(one(r), fresh(r).parent), "seed0.json is no record of the sweep"),
    (lambda r: shutil.copy(one(r), fresh(r).with_name("zz.json")), "zz.json is no record of the sweep"),
    (lambda r: fresh(r, "gan-128-32-tanh", 12), "seed12.json is no record of the sweep"),  # which has five seeds
])  # fmt: skip
def test_records_of_two_recipes_are_not_mixed(
    results: Path, capsys: pytest.CaptureFixture, mutate: Callable[[Path], object], told: str
) -> None:
    mutate(results)
    assert verified(results) == 2
    assert told in capsys.readouterr().err


def test_a_fresh_record_that_is_taken_away_no_longer_gives_the_claims(
    results: Path, capsys: pytest.CaptureFixture
) -> None:
    """With all that 4.1-9 needs, it rests on them; without one of these, on the explored seeds."""
    for model in VAES:
        for seed in FRESH:
            path = fresh_only(results, model, seed)
    verdicts.write(found := evaluate(reading.load_all(results)), results / "claims.json")
    assert {c["id"] for c in found if c["rests_on"] == "fresh"} >= {"4.1-9", "A-2"}
    reference.write(reference.reference(reading.load_all(results)), results / "reference.json")
    assert reference.read(results / "reference.json")["fresh"]["claims"].keys() >= {"4.1-9", "A-2"}
    assert verify.disagreements(verdicts.read(results / "claims.json"), evaluate(reading.load_all(results))) == []
    path.unlink()
    assert verified(results) == 1
    assert "claims, 4.1-9, rests_on: 'fresh', but the records give 'explored'" in capsys.readouterr().out


def fresh_only(results: Path, model: str, seed: int) -> Path:
    record = fake.record(model, seed)
    path = reading.folder(results, record.item) / f"{record.name}.json"
    reading.write(path, record)
    return path


@pytest.mark.parametrize("field, value", [("effect", 0.5), ("verdict", "depends"), ("statement", "Another."),
                                          ("interval", [0.0, 1.0]), ("seeds", [0, 1])])  # fmt: skip
def test_claims_that_do_not_follow_from_the_records_are_noticed_though_sealed(
    results: Path, capsys: pytest.CaptureFixture, field: str, value: object
) -> None:
    path = results / "claims.json"
    claims = json.loads(path.read_text())["claims"]
    claims[2][field] = value
    path.write_text(json.dumps({SEAL: seal(claims), "claims": claims}))
    assert verified(results) == 1
    assert f"claims, {claims[2]['id']}, {field}" in capsys.readouterr().out


def numbers(path: Path) -> dict:
    return json.loads(path.read_text())["numbers"]


def test_a_record_that_is_edited_and_sealed_again_no_longer_gives_the_claims(
    results: Path, capsys: pytest.CaptureFixture
) -> None:
    path = one(results)
    sealed_anew(path, ("numbers", "maps", "roughness"), 1.001 * numbers(path)["maps"]["roughness"])
    assert verified(results) == 1
    assert "claims, 4.1-5" in capsys.readouterr().out


GAN, OTHER = "gan-128-32-tanh-nobn-r1-seed2", "dae-128-32-tanh-seed0"


@pytest.mark.parametrize("mutate, told", [
    (lambda r: swap_boxes(one(r), one(r, OTHER)), "the median of log_det is"),
    (lambda r: swap_boxes(one(r, GAN), one(r, "gan-128-32-sigmoid-nobn-r1-seed2")), "the median of log_det is"),
    (lambda r: sealed_anew(one(r, GAN), ("numbers", "packing", "gaps"), 0.05), "over the same box and draws"),
    (lambda r: sealed_anew(one(r), ("provenance", "weights"), json.loads(one(r, OTHER).read_text())["provenance"]
                           ["weights"]), "all have the weights"),
    (lambda r: sealed_anew(one(r), ("numbers", "maps", "badly_conditioned"), 0.06), "the share above a condition"),
    (lambda r: sealed_anew(one(r), ("numbers", "maps", "log_cond", "q95"), 9.0), "the quantiles of log_cond fall"),
])  # fmt: skip
def test_a_swapped_box_is_noticed_though_seals_and_claims_are_made_anew(
    results: Path, capsys: pytest.CaptureFixture, mutate: Callable[[Path], object], told: str
) -> None:
    mutate(results)
    records = reading.load_all(results)
    verdicts.write(evaluate(records), results / "claims.json")
    reference.write(reference.reference(records), results / "reference.json")
    assert verified(results) == 1
    assert told in capsys.readouterr().out


def swap_boxes(first: Path, second: Path) -> None:
    """The maps of two records' boxes, exchanged and sealed anew."""
    maps = numbers(first)["maps"], numbers(second)["maps"]
    sealed_anew(first, ("numbers", "maps"), maps[1])
    sealed_anew(second, ("numbers", "maps"), maps[0])


def test_a_run_lies_within_its_own_bands_and_a_shifted_one_does_not() -> None:
    records = fake.sweep()
    found, wanted = evaluate(records), reference.reference(records)
    assert verify.outside_bands(found, wanted["claims"]) == []
    shifted = copy.deepcopy(found)
    shifted[3]["parts"][0]["effect"] += 1e3
    shifted[6]["verdict"] = "depends"
    assert found[6]["verdict"] != "depends"
    del shifted[7]
    lines = verify.outside_bands(shifted, wanted["claims"])
    first = f"{found[3]['id']}, {found[3]['parts'][0]['label']}: 1"
    assert lines[0].startswith(first) and "band" in lines[0]
    missing = [p["label"] for p in found[7]["parts"] if p["values"]]
    assert [line.split(": missing")[0] for line in lines[1:]] == [f"{found[7]['id']}, {label}" for label in missing]
    (changed,) = verify.changed_verdicts(shifted, wanted)
    assert changed.startswith(f"{found[6]['id']}: depends")
    few = verify.changed_verdicts(evaluate(fake.sweep(2)), wanted)
    assert any("undecided: 2 of 5 seeds" in line for line in few)


def test_a_band_that_holds_a_threshold_is_not_silent() -> None:
    wanted = reference.reference(fake.sweep())
    part = {"seeds": 5, "mean": 1.0, "spread": 0.5, "side": "above", "threshold": 0.4, "opposite": None,
            "verdict": "supported"}  # fmt: skip
    wanted["claims"] = {"X-1": {"verdict": "supported", "parts": {
        "near": part, "far": {**part, "threshold": -9.0}, "open": {**part, "verdict": "undecided"},
        "bound": {**part, "threshold": -9.0, "opposite": 1.0},
        "two-sided": {**part, "mean": 0.0, "side": "within", "threshold": 0.4},
    }}}  # fmt: skip
    lines = reference.hidden(wanted["claims"])
    assert [line.split(",")[1].strip() for line in lines] == ["near", "bound", "two-sided"]
    low, high = (float(x) for x in lines[0].split("band ")[1].split(" holds")[0].split(" to "))
    assert (low, high) == pytest.approx(reference.band(part, 5), rel=1e-3)


def test_another_run_is_compared_with_the_bands(results: Path, capsys: pytest.CaptureFixture) -> None:
    """Other weights make it another run; an effect outside fails, and another verdict is a note."""
    found = reference.read(results / "reference.json")
    found["records"]["vae-128-32-tanh-seed0"] = "0" * 16
    reference.write(found, results / "reference.json")
    assert verified(results) == 0
    assert "compared with the bands" in capsys.readouterr().out
    found["claims"]["A-1"]["parts"]["newton"]["mean"] = 5.0
    found["claims"]["A-2"]["verdict"] = "depends"
    reference.write(found, results / "reference.json")
    assert verified(results) == 1
    out = capsys.readouterr().out
    assert "A-1, newton: 0.1157, band 4." in out and "note, another verdict: A-2" in out


def test_every_claim_is_in_the_reference() -> None:
    wanted = reference.read(RESULTS / "reference.json")["claims"]
    assert {c.id: {p.label for p in c.parts} for c in CLAIMS} == {key: set(c["parts"]) for key, c in wanted.items()}
