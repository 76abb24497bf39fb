"""The sweep: same work and same results wherever it is done, done once, and refused where it would not be the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pullback.study import sweep
from pullback.study.errors import SweepError
from pullback.study.models.catalogue import STUDY
from pullback.study.profiles import PROFILES, Profile
from pullback.study.records import reading
from pullback.study.records.items import SIZED, Item
from tiny_sweep import SMALL, TINY, numbers


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("PULLBACK_JOBS", "1")
    return tmp_path / "build"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_sweep_is_five_seeds_of_all_models_and_of_all_sizes(profile: Profile) -> None:
    found = sweep.items(profile)
    assert len(set(found)) == len(found) == 5 * (16 + 2 * len(profile.sizes))
    ordinary = [item for item in found if item.images == sweep.whole(profile)]
    assert {item.model for item in ordinary} == STUDY.keys() - {"classifier-256-64-tanh"}
    assert {item.seed for item in found} == set(range(5))
    assert len({sweep.record_path(profile, item) for item in found}) == len(found)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_size_is_trained_for_as_many_steps(profile: Profile) -> None:
    def steps(item: Item) -> int:
        chosen = sweep.settings(profile, item)
        return chosen.epochs * (item.images // min(chosen.batch_size, item.images))

    assert len({steps(item) for item in sweep.items(profile)}) == 1


def test_a_training_set_is_its_seed_s() -> None:
    name = SIZED[0]
    first, again, other = (sweep.training_set(TINY, Item(name, seed, 250))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len(sweep.training_set(TINY, Item(name, 0, 2000))[0]) == 2000


def test_keys_tell_apart_what_differs() -> None:
    name = SIZED[0]
    item = Item(name, 0, 250)
    keys = {sweep.record_key(TINY, i) for i in (item, replace(item, seed=1), replace(item, images=500))}
    others = {sweep.record_key(replace(TINY, grid=9), item), sweep.record_key(replace(TINY, epochs=3), item)}
    assert len(keys | others) == 5 and sweep.record_key(TINY, item) in keys


def test_what_is_there_is_not_made_again_and_what_is_broken_is(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = SMALL[:2]
    lines: list[str] = []
    sweep.run(TINY, [first, second], progress=lines.append)
    assert lines[-1].split()[1:5] == ["2", "of", "2", "done"]
    before = sweep.record_path(TINY, first).read_bytes()
    sweep.record_path(TINY, second).write_text('{"item": ')
    lines.clear()
    sweep.run(TINY, [first, second], progress=lines.append)
    assert any("is made again: " in line and "cannot be read" in line for line in lines)
    assert "1 of 2 records are there" in lines
    assert not any("epoch" in line for line in lines)  # the checkpoint is there: measured again, not trained
    assert sweep.record_path(TINY, first).read_bytes() == before and numbers(TINY, second)["maps"]
    assert sweep.state(replace(TINY, gan_samples=21), first) == "made with other settings"
    monkeypatch.setattr(reading, "recipes", lambda: {"training": 1, "measuring": 99})
    assert "was made by the recipes" in sweep.state(TINY, first)


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_trained(
    build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    build.mkdir()
    (build / "checkpoints").write_text("a file in its place")
    monkeypatch.setattr(sweep, "items", lambda profile: SMALL)
    assert sweep.main(["--profile", "smoke"]) == 1
    found = capsys.readouterr()
    assert str(build / "checkpoints") in found.err and "epoch" not in found.out


def test_other_versions_are_refused_with_the_differences() -> None:
    here = sweep.fingerprint()
    sweep.check(here, dict(here), "a worker")
    with pytest.raises(SweepError, match=r"the worker w has torch 1\.0, not .*numpy None, not .*requirements\.lock"):
        sweep.check(here, {k: "1.0" if k == "torch" else v for k, v in here.items() if k != "numpy"}, "the worker w")
