"""The sweep: same work and same results wherever it is done, done once, and refused where it would not be the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pullback.study import checkpoints, sweep
from pullback.study.claims import verdicts
from pullback.study.errors import SweepError
from pullback.study.models.catalogue import STUDY
from pullback.study.profiles import PROFILES, Profile
from pullback.study.records import reading
from pullback.study.records.items import COLLAPSED, FRESH, NOISELESS, SIZED, Item
from pullback.study.training import train
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
def test_fresh_seeds_come_one_after_the_other_with_all_that_the_claims_need(profile: Profile) -> None:
    found, whole = sweep.fresh_items(profile), sweep.whole(profile)
    assert [item.seed for item in found] == sorted(item.seed for item in found)
    assert {item.seed for item in found} == set(FRESH) and len(set(found)) == len(found)
    assert len({sweep.record_path(profile, item) for item in [*found, *sweep.items(profile)]}) == len(found) + len(
        sweep.items(profile)
    )
    working = {name for name in STUDY if not name.startswith(("classifier", "gan")) or name.endswith("r1")}
    for seed in FRESH:
        own = [item for item in found if item.seed == seed]
        assert {item.model for item in own if item.whole(profile)} == working | NOISELESS.keys() | (
            {spec.name for spec in COLLAPSED} if seed < 10 else set()
        )
        sized = [item for item in own if not item.whole(profile)]
        assert {(item.model, item.images) for item in sized} == {(n, s) for n in SIZED for s in (*profile.sizes, whole)}
        assert {sweep.settings(profile, item).batch_size for item in sized} == {250}
    assert all(item.spec.noise == "none" for item in found if item.model in NOISELESS)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_size_is_trained_for_as_many_steps(profile: Profile) -> None:
    def steps(item: Item) -> int:
        chosen = sweep.settings(profile, item)
        return chosen.epochs * (item.images // min(chosen.batch_size, item.images))

    assert len({steps(item) for item in [*sweep.items(profile), *sweep.fresh_items(profile)]}) == 1


def test_the_last_epochs_are_as_far_apart_where_epochs_are_short() -> None:
    paper, name = PROFILES["paper"], SIZED[0]
    assert sweep.kept_epochs(paper, Item(name, 0, 60_000)) == [100]
    assert sweep.kept_epochs(paper, Item(name, 5, 60_000)) == [96, 97, 98, 99, 100]
    assert sweep.kept_epochs(paper, Item(name, 5, 60_000, 250)) == [21, 22, 23, 24, 25]
    assert sweep.kept_epochs(paper, Item(name, 5, 250, 250)) == [5760, 5820, 5880, 5940, 6000]


def test_a_model_kept_after_an_epoch_is_that_of_a_training_that_ends_there() -> None:
    item = Item(SIZED[1], 5, 500, 250)
    task = sweep.Work(item, TINY, b"", None, {})
    taken = sweep.train_item(task, lambda line: None)
    assert list(taken) == sweep.kept_epochs(TINY, item) and len(taken) == sweep.LATE
    first, last = list(taken)[0], list(taken)[-1]
    images, labels = sweep.training_set(TINY, item)
    for epoch in (first, last):
        settings = replace(sweep.settings(TINY, item), epochs=epoch)
        own = checkpoints.decode(taken[epoch], item.spec, settings, sweep.data_of(TINY, item), "one of them")
        alone = train(item.spec, settings, images, labels, device="cpu")
        assert own.history == alone.history
        states = own.model.state_dict(), alone.model.state_dict()
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        assert not own.model.training


def test_a_fresh_item_is_trained_again_only_if_one_of_its_models_is_not_there() -> None:
    item, lines = Item(SIZED[0], 6, 250, 250), []
    sweep.run(TINY, [item], progress=lines.append)
    record = reading.read(sweep.record_path(TINY, item))
    assert sweep.record_path(TINY, item).parent.name == "fresh" and record.recipes["measuring"] == 2
    assert len(record.numbers.fresh.late.roughness) == sweep.LATE and record.numbers.pairs is None
    assert len(set(record.numbers.fresh.late.roughness)) == sweep.LATE  # of models that differ
    assert record.numbers.fresh.late.roughness[-1] == record.numbers.maps.roughness
    for gone, trained in ((None, False), (sweep.kept_epochs(TINY, item)[1], True)):
        sweep.record_path(TINY, item).unlink()
        if gone:
            sweep.checkpoint_path(TINY, item, gone).unlink()
        lines.clear()
        sweep.run(TINY, [item], progress=lines.append)
        assert any("epoch" in line for line in lines) == trained
        again = reading.read(sweep.record_path(TINY, item))
        assert again.numbers == record.numbers and again.provenance.weights == record.provenance.weights


def test_a_limit_is_kept_and_the_next_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sweep, "get_profile", lambda name: TINY)
    monkeypatch.setattr(sweep, "fresh_items", lambda profile: [Item(SIZED[0], seed, 250, 250) for seed in (5, 6, 7)])
    for limit, there in ((0, 0), (1, 1), (1, 2)):
        assert sweep.main(["--profile", "smoke", "--fresh", "--limit", str(limit)]) == 0
        assert len(reading.load_all(TINY.results)) == there
        assert f"{there} of 3 done" in capsys.readouterr().out or not limit
        assert all(c["rests_on"] == "explored" for c in verdicts.read(TINY.results / "claims.json"))
    with pytest.raises(SystemExit):
        sweep.main(["--limit", "-1"])


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
    monkeypatch.setattr(reading, "recipes", lambda item: {"training": 1, "measuring": 99})
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
