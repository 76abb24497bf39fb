"""Checkpoints of the first format are carried over, bit by bit, or named with what to do; nothing is trained again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from pullback.study import checkpoints, data, former, trained_models, training
from pullback.study.errors import CheckpointError
from pullback.study.models import ModelSpec
from pullback.study.trained_models import available, train_or_load
from pullback.study.training import TrainingSettings

# A VAE of this specification, of one epoch on the sample, written by the last code of the first format.
OLD = Path(__file__).with_name("former") / "vae-8-4-tanh-4fccd0f57b39b3d2.safetensors"
VAE, SETTINGS, DATA = ModelSpec("vae", (8, 4), "tanh"), TrainingSettings(epochs=1), data.data_hash(True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of checkpoints, with the old file in it."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setattr(trained_models, "_train_side_by_side", lambda *arguments: pytest.fail("trained"))
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(OLD, tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def rewrite(
    old: Path, change: Callable[[dict[str, torch.Tensor], dict], object] = lambda weights, provenance: None
) -> Path:
    """An old file like `old` with other content, under the name that this content had in the first format."""
    weights, metadata = checkpoints.parts(OLD.read_bytes(), "", "")
    provenance = json.loads(metadata["provenance"])
    change(weights, provenance)
    metadata["provenance"] = json.dumps(provenance)
    decided = {name: provenance[name] for name in ("settings", "data", "source")}
    decided = {"spec": json.loads(metadata["spec"]), **decided, "data": provenance["data"].partition(",")[0]}
    key = hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:16]
    path = old.with_name(f"{VAE.name}-{key}.safetensors")
    path.write_bytes(save(weights, metadata | {"digest": checkpoints.digest(weights, metadata)}))
    return path


def test_an_old_file_is_carried_over_bit_by_bit_with_its_origin(folder: Path) -> None:
    lines: list[str] = []
    loaded = train_or_load([VAE], SETTINGS, sample=True, device="cpu", progress=lines.append)[VAE.name]
    old, metadata = checkpoints.parts(OLD.read_bytes(), "", "")
    assert all(torch.equal(value, old[name]) for name, value in loaded.model.state_dict().items())
    assert loaded.history == json.loads(metadata["history"])
    new = checkpoints.path_of(VAE, SETTINGS, DATA)
    assert {path.name for path in folder.iterdir()} == {OLD.name, new.name}
    assert (folder / OLD.name).read_bytes() == OLD.read_bytes()
    before, after = json.loads(metadata["provenance"]), json.loads(checkpoints.header(new.read_bytes())["provenance"])
    assert after.pop("origin") == {"key": OLD.stem.rpartition("-")[2], "source": before["source"]}
    assert after == {name: before[name] for name in ("device", "threads", "torch", "seconds")}
    assert lines[0].split() == [VAE.name, "carried", "over", "from", OLD.name, "to", new.name]
    lines.clear()
    train_or_load([VAE], SETTINGS, sample=True, device="cpu", progress=lines.append)
    assert lines == ["1 of 1 models loaded; training skipped"]


@pytest.mark.parametrize("source", former.SOURCES)
def test_the_same_source_under_another_python_is_the_same_recipe(folder: Path, source: str) -> None:
    (folder / OLD.name).unlink()
    rewrite(folder / OLD.name, lambda weights, provenance: provenance.update(source=source))
    assert available(VAE, SETTINGS, DATA)


def test_the_sweeps_names_of_training_sets_are_understood(folder: Path) -> None:
    """It wrote the number of images beside the hash; the key had that number only for a part of the images."""
    (folder / OLD.name).unlink()
    rewrite(folder / OLD.name, lambda weights, provenance: provenance.update(data=f"{DATA}, 2000 images"))
    assert available(VAE, SETTINGS, DATA) and not available(VAE, SETTINGS, f"{DATA}-250")
    assert former._data(f"{DATA}, 250 images") == f"{DATA}-250"
    assert former._data(f"{data.data_hash(False)}, 60000 images") == data.data_hash(False)


@pytest.mark.parametrize(
    ("spec", "settings", "data_hash"),
    [
        (VAE, replace(SETTINGS, seed=1), DATA),
        (VAE, replace(SETTINGS, epochs=2), DATA),
        (VAE, replace(SETTINGS, learning_rate=0.02), DATA),
        (VAE, SETTINGS, data.data_hash(False)),
        (VAE, SETTINGS, f"{DATA}-250"),
        (replace(VAE, activation="sigmoid"), SETTINGS, DATA),
        (replace(VAE, latent_dim=3), SETTINGS, DATA),
    ],
)
def test_the_file_of_another_training_is_left_alone(
    folder: Path, spec: ModelSpec, settings: TrainingSettings, data_hash: str
) -> None:
    assert not available(spec, settings, data_hash, progress=lambda line: pytest.fail(line))
    assert [path.name for path in folder.iterdir()] == [OLD.name]


def test_a_file_of_other_code_is_named_with_what_to_do(folder: Path) -> None:
    (folder / OLD.name).unlink()
    path = rewrite(folder / OLD.name, lambda weights, provenance: provenance.update(source="0" * 64))
    lines: list[str] = []
    assert not available(VAE, SETTINGS, DATA, lines.append)
    (line,) = lines
    for part in (path.name, "was made by other training code", "vae-8-4-tanh is trained anew", "Delete it if"):
        assert part in line
    assert path.exists()


def test_a_file_under_another_name_is_named_with_what_to_do(folder: Path) -> None:
    (folder / OLD.name).rename(folder / f"{VAE.name}-{'0' * 16}.safetensors")
    lines: list[str] = []
    assert not available(VAE, SETTINGS, DATA, lines.append)
    assert f"{VAE.name}-{'0' * 16}.safetensors is not the file of its name" in lines[0]


@pytest.mark.parametrize("fault", ["header", "weights", "empty", "folder"])
def test_a_damaged_file_is_refused_with_what_to_do(folder: Path, fault: str) -> None:
    path = folder / OLD.name
    content = bytearray(path.read_bytes())
    if fault == "weights":
        content[-10] ^= 1
        path.write_bytes(content)
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content[: {"header": 100, "empty": 0}[fault]])
    with pytest.raises(CheckpointError, match=r"(?s)Delete it and run again.*an undamaged copy") as error:
        available(VAE, SETTINGS, DATA)
    assert str(path) in str(error.value)
    assert [found.name for found in folder.iterdir()] == [OLD.name]


def test_weights_that_are_not_finite_are_not_carried_over(folder: Path) -> None:
    (folder / OLD.name).unlink()
    rewrite(folder / OLD.name, lambda weights, provenance: weights["generator.0.weight"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match="not finite"):
        available(VAE, SETTINGS, DATA)
    assert len(list(folder.iterdir())) == 1


def test_a_later_recipe_does_not_take_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "RECIPE", 2)
    assert not available(VAE, SETTINGS, DATA)


def test_training_today_gives_the_weights_of_the_first_format(folder: Path) -> None:
    """The recipe's numerics are what they were. Processors differ in the last bits, whence the tolerance. A bias before
    batch norm has no gradient but rounding, of which Adam makes steps of full size: it and the mean that batch norm
    keeps of it are anything."""
    old, _ = checkpoints.parts(OLD.read_bytes(), "", "")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    today = training.train(VAE, SETTINGS, *data.load("train", sample=True), device="cpu").model.state_dict()
    torch.set_num_threads(threads)
    means = {name for name in today if name.endswith("running_mean")}
    norms = [name.split(".") for name in means]
    free = means | {f"{part}.{int(at) - 1}.bias" for part, at, _ in norms}
    assert len(free) == 2 * len(means) < len(today)
    for name in today.keys() - free:
        torch.testing.assert_close(today[name], old[name], rtol=1e-4, atol=1e-6)
