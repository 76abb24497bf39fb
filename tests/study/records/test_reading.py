"""A record is read back as it was written, and refused, by file and field, if it is not what was measured."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import fake_records as fake
from fake_records import planted
from pullback.study.errors import RecordError
from pullback.study.paths import RESULTS
from pullback.study.profiles import get_profile
from pullback.study.provenance import SEAL, seal
from pullback.study.records import reading
from pullback.study.records.items import NOISELESS, items
from pullback.study.records.schema import Record, decode, encode
from pullback.study.sweep import state

NAME = "vae-128-32-tanh-seed3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record in a folder of its own."""
    reading.write(tmp_path / f"{NAME}.json", fake.record("vae-128-32-tanh", 3))
    return tmp_path / f"{NAME}.json"


def edited(path: Path, where: str, value: Any, sealed: bool) -> None:
    """Write another value into a record's file; sealed: as somebody who recomputes the seal."""
    document = json.loads(path.read_text())
    *parents, leaf = where.split(".")
    target = document
    for name in parents:
        target = target[name]
    if value is KeyError:
        del target[leaf]
    else:
        target[leaf] = value
    if sealed:
        document[SEAL] = seal(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("model, images", [("vae-128-32-tanh", 60_000), ("dae-128-32-tanh", 250),
                                           ("gan-256-64-tanh-nobn-r1", 60_000)])  # fmt: skip
@pytest.mark.parametrize("seed", [1, 7])
def test_a_record_is_read_back_as_it_was_written(tmp_path: Path, model: str, images: int, seed: int) -> None:
    record = fake.record(model, seed, images, batch=250 if seed == 7 and images == 250 else None)
    path = tmp_path / f"{record.name}.json"
    reading.write(path, record)
    assert encode(reading.read(path)) == encode(record) and reading.load(tmp_path)[0].item == record.item
    bins = reading.read(path).numbers.away.log_det
    assert math.isnan(bins[0]) and bins[1:] == record.numbers.away.log_det[1:]


def test_a_folder_that_is_not_there_has_no_records(tmp_path: Path) -> None:
    assert reading.load(tmp_path / "nowhere") == []


@pytest.mark.parametrize("where, value", [
    ("numbers.maps.roughness", 22.0), ("item.seed", 4), ("provenance.seconds", 1.0), ("key", "f" * 16),
    ("numbers.pairs.optimum.certified", [True] * 21),
])  # fmt: skip
def test_an_edited_value_is_refused_by_name(path: Path, where: str, value: Any) -> None:
    edited(path, where, value, sealed=False)
    with pytest.raises(RecordError, match=f"{path.name} was changed after it was measured.*make seeds"):
        reading.read(path)


@pytest.mark.parametrize("where, value, reason", [
    ("numbers.maps", None, "numbers.maps is null, not an object"),
    ("numbers.maps.roughness", None, "numbers.maps.roughness is null, not a finite number"),
    ("numbers.maps.log_det.q50", "8", "numbers.maps.log_det.q50 is 8, not a finite number"),
    ("numbers.maps.log_det.q50", KeyError, "numbers.maps.log_det.q50 is missing"),
    ("numbers.maps.rank_deficient", 0.5, "numbers.maps.rank_deficient is 0.5, not a int"),
    ("numbers.pairs", None, "numbers.pairs is null, for "),
    ("numbers.pairs.optimum", KeyError, "numbers.pairs.optimum is missing"),
    ("numbers.pairs.optimum.certified", [1] * 21, r"numbers.pairs.optimum.certified\[0\] is 1, not a bool"),
    ("numbers.pairs.methods.newton.length", [1.0], "numbers.pairs.methods.newton.length has 1 values, for 21 pairs"),
    ("numbers.away.count", [1], "numbers.away.count has 1 values, for 17 bins"),
    ("numbers.coverage", {"classes": 10, "confidence": 0.5}, "numbers.coverage is there, for "),
    ("numbers.more", 1, "numbers.more is no field of a record"),
    ("item.seed", "3", "item.seed is 3, not a int"),
    ("item.seed", True, "item.seed is True, not a int"),
    ("item.model", "vae-1-1-tanh", "unknown model 'vae-1-1-tanh'"),
    ("provenance.profile", "large", "unknown profile 'large'"),
    ("recipes", {"training": "1"}, "recipes.training is 1, not a int"),
])  # fmt: skip
def test_what_is_no_record_is_refused_by_file_and_field(path: Path, where: str, value: Any, reason: str) -> None:
    edited(path, where, value, sealed=True)
    with pytest.raises(RecordError, match=f"{path.name} is not a whole record: .*{reason}.*make seeds"):
        reading.read(path)


@pytest.mark.parametrize("content, reason", [
    (b"", "cannot be read"), (b"\xff\xfe", "cannot be read"), (b"[]", "not a record of schema 2"),
    (b"{}", "not a record of schema 2"), (b'{"item": {"model": 1}, "numbers": {}}', "not a record of schema 2"),
])  # fmt: skip
def test_what_is_not_json_or_of_an_older_schema_is_named(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordError, match=f"{path.name} .*{reason}.*`make seeds` makes it again"):
        reading.read(path)


@pytest.mark.parametrize("cut", [1, 100, 5_000])
def test_a_truncated_record_is_named(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[: -cut - 1])
    with pytest.raises(RecordError, match=f"{path.name} cannot be read"):
        reading.read(path)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nan_in_a_file_is_named(path: Path, constant: str) -> None:
    path.write_text(path.read_text().replace('"roughness": ', f'"roughness": {constant}, "was": ', 1))
    with pytest.raises(RecordError, match=f"{path.name} cannot be read .*{constant}"):
        reading.read(path)


def test_a_number_that_is_not_finite_is_not_recorded(tmp_path: Path) -> None:
    broken = planted(fake.record("vae-128-32-tanh", 3), "numbers.maps.roughness", math.inf)
    with pytest.raises(RecordError, match="vae-128-32-tanh.* cannot be recorded: numbers.maps.roughness is null"):
        reading.write(tmp_path / "a.json", broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["copy", "vae-128-32-tanh-seed4", f"{NAME}-n250", "aaa"])
def test_a_record_under_another_name_is_refused(path: Path, name: str) -> None:
    shutil.copy(path, path.with_name(f"{name}.json"))
    with pytest.raises(RecordError, match=f"{name}.json holds the record {NAME}: remove it, or give it its name back"):
        reading.load(path.parent)


def test_a_folder_among_records_is_named(path: Path) -> None:
    (path.parent / "zz.json").mkdir()
    with pytest.raises(RecordError, match="zz.json is a folder"):
        reading.load(path.parent)


def test_other_versions_are_told_and_accepted(path: Path) -> None:
    """One record made with Python 3.11.9 among others of 3.11.7 is no dead end."""
    other = planted(fake.record("vae-128-32-tanh", 4), "provenance.versions.python", "3.11.9")
    reading.write(path.with_name("vae-128-32-tanh-seed4.json"), other)
    records = reading.load(path.parent)
    assert len(records) == 2 and reading.mixed_versions(records) == {"python": ["3.11.7", "3.11.9"]}
    assert reading.mixed_versions(records[:1]) == {}


def test_records_of_another_recipe_are_refused_and_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "recipes", lambda item: {"training": 1, "measuring": 99})
    with pytest.raises(RecordError, match=f"{path.name} was made by the recipes .*measuring': 1.*99.*make seeds"):
        reading.read(path)


def test_the_committed_records_are_done_and_know_their_origin() -> None:
    """They were carried over from the first schema: key and source hashes then are kept, nothing is measured again."""
    profile = get_profile("paper")
    records = {r.item: r for r in reading.load(RESULTS / "records")}
    assert records.keys() == set(items(profile))
    assert {state(profile, item) for item in records} == {"done"}
    for r in records.values():
        assert set(r.provenance.origin) == {"key", "training code", "measuring code"}
        assert r.provenance.origin["key"] != r.key


def test_a_committed_record_has_no_field_of_version_2() -> None:
    """What is written of a record of version 1 is what its file holds, to the last field."""
    path = RESULTS / "records" / f"{NAME}.json"
    document = json.loads(path.read_text())
    del document[SEAL]
    assert encode(reading.read(path)) == document and "fresh" not in document["numbers"]


FRESH_NAME = "gan-128-32-tanh-nobn-r1-seed7"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A record of version 2, where such records lie."""
    path = tmp_path / "fresh" / f"{FRESH_NAME}.json"
    reading.write(path, fake.record("gan-128-32-tanh-nobn-r1", 7))
    return path


@pytest.mark.parametrize("where, value, reason", [
    ("numbers.fresh", KeyError, "numbers.fresh is null, for "),
    ("numbers.fresh.late", KeyError, "numbers.fresh.late is missing"),
    ("numbers.fresh.late.roughness", [1.0], "has not one log_cond_95 for each roughness"),
    ("numbers.fresh.area.above_5", None, "numbers.fresh.area.above_5 is null, not a finite number"),
    ("numbers.pairs.geodesic.features", KeyError, "numbers.pairs.geodesic.features is null, for "),
    ("numbers.pairs.methods.newton.polished", KeyError, "numbers.pairs.methods.newton.polished is null, for "),
    ("numbers.pairs.methods.newton.polished", [1.0], "polished has 1 values, for 21 pairs"),
])  # fmt: skip
def test_a_record_of_version_2_is_whole_and_says_how_it_is_made_again(
    fresh: Path, where: str, value: Any, reason: str
) -> None:
    edited(fresh, where, value, sealed=True)
    with pytest.raises(RecordError, match=f"is not a whole record: .*{reason}.*make seeds FRESH=yes"):
        reading.read(fresh)


def test_a_record_of_version_1_has_nothing_of_version_2(path: Path, fresh: Path) -> None:
    edited(path, "numbers.fresh", json.loads(fresh.read_text())["numbers"]["fresh"], sealed=True)
    with pytest.raises(RecordError, match=r"numbers.fresh is there, for .*`make seeds` makes"):
        reading.read(path)


@pytest.mark.parametrize("explored", [True, False])
def test_a_seed_has_records_of_its_own_version_only(path: Path, fresh: Path, explored: bool) -> None:
    """A whole record of the other version, under the right name, is not a record of this seed."""
    chosen, seed = (path, 7) if explored else (fresh, 3)
    other = chosen.with_name(chosen.name.replace("seed3" if explored else "seed7", f"seed{seed}"))
    shutil.move(chosen, other)
    edited(other, "item.seed", seed, sealed=True)
    with pytest.raises(RecordError, match="was made by the recipes .*, which for its seed are"):
        reading.read(other)


def test_records_of_both_kinds_are_found_in_their_folders(tmp_path: Path) -> None:
    for record in (fake.record("vae-128-32-tanh", 3), fake.record(next(iter(NOISELESS)), 8)):
        reading.write(reading.folder(tmp_path, record.item) / f"{record.name}.json", record)
    assert [r.item.seed for r in reading.load_all(tmp_path)] == [3, 8]
    assert [r.item.seed for r in reading.load(tmp_path / "records")] == [3]


def test_decoding_is_the_inverse_of_encoding() -> None:
    record = fake.record("gan-128-32-tanh", 0)
    again = decode(Record, json.loads(json.dumps(encode(record))))
    assert encode(again) == encode(record)
    assert encode(replace(record, key="x"))["key"] == "x"
