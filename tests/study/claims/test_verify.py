"""`make verify` accepts the committed results, and notices whatever is changed, missing, swapped or too much."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import fake_records as fake
from pullback.study.claims import verdicts, verify
from pullback.study.claims.verdicts import evaluate
from pullback.study.paths import RESULTS
from pullback.study.provenance import SEAL, seal
from pullback.study.records import reading


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A copy of the committed results."""
    shutil.copytree(RESULTS, tmp_path / "results")
    return tmp_path / "results"


def verified(results: Path) -> int:
    return verify.main(["--results", str(results), "--reference", str(results / "reference.json")])


def test_the_committed_claims_are_those_of_the_committed_records() -> None:
    found = evaluate(reading.load(RESULTS / "records"))
    assert verify.disagreements(verdicts.read(RESULTS / "claims.json"), found) == []
    assert verify.outside_bands(found, verdicts.read(RESULTS / "reference.json")) == []


def test_the_committed_results_are_verified(results: Path, capsys: pytest.CaptureFixture) -> None:
    assert verified(results) == 0
    assert "120 records are whole" in capsys.readouterr().out


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
    (lambda r: (r / "reference.json").write_text("{}"), "reference.json is not a list of claims"),
    (lambda r: replaced(r / "reference.json", '"side": "above"', '"side": "below"'), "reference.json was edited"),
])  # fmt: skip
def test_every_mutation_is_noticed(
    results: Path, capsys: pytest.CaptureFixture, mutate: Callable[[Path], object], told: str
) -> None:
    mutate(results)
    assert verified(results) == 2
    assert told in capsys.readouterr().err


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


def test_a_record_that_is_edited_and_sealed_again_no_longer_gives_the_claims(
    results: Path, capsys: pytest.CaptureFixture
) -> None:
    path = one(results)
    document = json.loads(path.read_text())
    document["numbers"]["maps"]["roughness"] *= 1.001
    document[SEAL] = seal(document)
    path.write_text(json.dumps(document))
    assert verified(results) == 1
    assert "claims, 4.1-5" in capsys.readouterr().out


def test_a_run_lies_within_its_own_bands_and_a_shifted_one_does_not() -> None:
    found = evaluate(fake.sweep())
    assert verify.outside_bands(found, found) == []
    shifted = copy.deepcopy(found)
    shifted[3]["parts"][0]["effect"] += 1e3
    shifted[5]["verdict"] = "depends"
    del shifted[7]
    lines = verify.outside_bands(shifted, found)
    assert len(lines) == 2
    assert lines[0].startswith(f"{found[3]['id']}, {found[3]['parts'][0]['label']}: 1") and "band" in lines[0]
    assert lines[1] == f"{found[7]['id']}: missing"
    (changed,) = verify.changed_verdicts(shifted, found)
    assert changed.startswith(f"{found[5]['id']}: depends")
    few = verify.changed_verdicts(evaluate(fake.sweep(2)), found)
    assert any("undecided: 2 of 5 seeds" in line for line in few)


def test_a_run_outside_the_bands_fails_and_another_verdict_is_a_note(
    results: Path, capsys: pytest.CaptureFixture
) -> None:
    path = results / "reference.json"
    claims = json.loads(path.read_text())["claims"]
    claims[0]["parts"][0]["band"], claims[1]["verdict"] = [5.0, 6.0], "depends"
    path.write_text(json.dumps({SEAL: seal(claims), "claims": claims}))
    assert verified(results) == 1
    out = capsys.readouterr().out
    assert "A-1, newton, over all pairs: 0.2283, band 5 to 6" in out and "note, another verdict: A-2" in out
