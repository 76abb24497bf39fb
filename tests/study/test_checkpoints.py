"""A checkpoint is whole or refused, its key changes with all that decides it, and a training is paid for once."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from pullback.study import checkpoints, data, training
from pullback.study.checkpoints import encode, key, path_of, read, train_or_load
from pullback.study.errors import CheckpointError, DivergenceError
from pullback.study.models import ModelSpec
from pullback.study.training import Trained, TrainingSettings

VAE, GAN = ModelSpec("vae", (8, 4), "tanh"), ModelSpec("gan", (8, 4), "tanh")
DIVERGING = ModelSpec("gan", (8, 4), "tanh", r1=1e39)  # its penalty overflows at the first step
SETTINGS = TrainingSettings(epochs=1)


def bits(trained: Trained) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint of a VAE with random weights."""
    path = tmp_path / "vae.safetensors"
    path.write_bytes(encode(Trained(VAE, VAE.build().eval(), {"loss": [2.5, 1 / 3]}), {"seconds": 0.1}))
    return path


def test_a_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    trained = Trained(GAN, GAN.build().eval(), {"discriminator": [0.1, 1 / 3], "generator": [1e-17, 2.0]})
    (tmp_path / "gan").write_bytes(encode(trained, {}))
    back = read(tmp_path / "gan", GAN)
    assert bits(back) == bits(trained)
    assert (back.spec, back.history) == (GAN, trained.history)
    assert not any(module.training for module in back.model.modules())


def test_the_key_changes_with_all_that_decides_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key(VAE, SETTINGS, "data")]
    for field, value in {"hidden": (8, 5), "activation": "sigmoid", "latent_dim": 3, "family": "dae"}.items():
        keys.append(key(replace(VAE, **{field: value}), SETTINGS, "data"))
    keys.append(key(replace(GAN, r1=1.0), SETTINGS, "data"))
    keys.append(key(replace(GAN, discriminator_batch_norm=False), SETTINGS, "data"))
    others = {"epochs": 2, "batch_size": 10, "learning_rate": 0.1, "betas": (0.9, 0.99), "seed": 1}
    assert others.keys() == asdict(SETTINGS).keys()
    keys += [key(VAE, replace(SETTINGS, **{field: value}), "data") for field, value in others.items()]
    keys.append(key(VAE, SETTINGS, "other data"))
    assert keys[0] == key(ModelSpec("vae", (8, 4), "tanh"), TrainingSettings(epochs=1), "data")
    monkeypatch.setattr(checkpoints, "source_hash", lambda: "other code")
    keys.append(key(VAE, SETTINGS, "data"))
    assert len(set(keys)) == len(keys)


def test_the_source_hash_changes_with_code_but_not_with_comments_or_docstrings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path(training.__file__).read_text()
    copy = tmp_path / "training.py"
    monkeypatch.setattr(training, "__file__", str(copy))

    def hashed(old: str, new: str) -> str:
        assert old in original
        copy.write_text(original.replace(old, new))
        return checkpoints.source_hash.__wrapped__()

    same = hashed("\n", "\n")
    assert hashed('"""The one training loop of the study."""', '"""Another docstring."""\n# and a comment') == same
    assert hashed("    The data stay in the device's memory", "    Words") == same
    assert hashed("loss.backward", "(0.5 * loss).backward") != same


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_named_and_refused(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="Delete it and run again: vae-8-4-tanh will be trained anew") as error:
        read(file, VAE)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("place", [0.3, 0.6, 1])
def test_a_flipped_bit_in_the_weights_is_found(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[header + int(place * (len(content) - header - 1))] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="its content does not match its digest") as error:
        read(file, VAE)
    assert str(file) in str(error.value)


def test_an_altered_history_is_found(file: Path) -> None:
    content = file.read_bytes()
    place = content.index(b"history") + 40
    digit = next(i for i in range(place, len(content)) if chr(content[i]).isdigit())
    file.write_bytes(content[:digit] + (b"1" if content[digit : digit + 1] != b"1" else b"2") + content[digit + 1 :])
    with pytest.raises(CheckpointError, match="its content does not match its digest"):
        read(file, VAE)


def test_another_models_file_is_refused(file: Path) -> None:
    with pytest.raises(CheckpointError, match="vae.safetensors holds .*, not gan-8-4-tanh"):
        read(file, GAN)


class Build(NamedTuple):
    """A build folder after a run of a VAE, a GAN and a model that diverges, one at a time."""

    root: Path
    error: Exception
    progress: list[str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    with pytest.MonkeyPatch.context() as environment:
        root, progress = tmp_path_factory.mktemp("build"), []
        environment.setenv("PULLBACK_BUILD", str(root))
        environment.setenv("PULLBACK_JOBS", "1")
        with pytest.raises(DivergenceError) as failure:
            train_or_load((VAE, GAN, DIVERGING), SETTINGS, sample=True, device="cpu", progress=progress.append)
        yield Build(root, failure.value, progress)


def test_a_workers_error_reaches_the_caller(build: Build) -> None:
    assert str(build.error).startswith(f"{DIVERGING.name}: the discriminator loss is inf at epoch 1, step 1.")
    for worker in multiprocessing.active_children():
        worker.join(10)
    assert not multiprocessing.active_children()


def test_what_was_finished_before_a_failure_is_kept_and_nothing_else(build: Build) -> None:
    paths = {path_of(spec, SETTINGS, data.data_hash(True)).name for spec in (VAE, GAN)}
    assert {path.name for path in build.root.rglob("*") if path.is_file()} == paths
    assert [line.split()[0] for line in build.progress] == [VAE.name, GAN.name]


def test_what_is_there_is_not_trained_again(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(build.root))
    monkeypatch.setattr(checkpoints, "_train_side_by_side", lambda *arguments: pytest.fail("trained again"))
    lines: list[str] = []
    loaded = train_or_load((GAN, VAE), SETTINGS, sample=True, device="cpu", progress=lines.append)
    assert list(loaded) == [GAN.name, VAE.name]
    assert len(lines) == 2 and all("training skipped" in line for line in lines)
    for spec in (VAE, GAN):
        path = path_of(spec, SETTINGS, data.data_hash(True))
        assert bits(loaded[spec.name]) == bits(read(path, spec))
        with checkpoints.safe_open(path, framework="pt") as opened:
            provenance = json.loads(opened.metadata()["provenance"])
        assert provenance["data"] == data.data_hash(True) and provenance["settings"]["epochs"] == 1


def test_a_corrupt_checkpoint_is_not_replaced_in_silence(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(build.root, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    path = path_of(VAE, SETTINGS, data.data_hash(True))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=path.name):
        train_or_load([VAE], SETTINGS, sample=True, device="cpu", progress=print)
    assert path.stat().st_size == 1000


def test_the_weights_do_not_depend_on_where_or_beside_what_a_model_is_trained(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(build.root))
    alone = train_or_load((VAE, GAN), SETTINGS, sample=True, device="cpu", progress=str)
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setenv("PULLBACK_JOBS", "2")
    together = train_or_load((GAN, VAE), SETTINGS, sample=True, device="cpu", progress=str)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker has
    here = training.train(VAE, SETTINGS, *data.load("train", sample=True), device="cpu", progress=str)
    torch.set_num_threads(threads)
    assert all(bits(together[spec.name]) == bits(alone[spec.name]) for spec in (VAE, GAN))
    assert bits(here) == bits(alone[VAE.name])
