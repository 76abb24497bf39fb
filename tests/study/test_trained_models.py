"""A training is paid for once, and what was paid for is kept."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from pullback.study import checkpoints, data, trained_models, training
from pullback.study.checkpoints import path_of, read
from pullback.study.errors import CheckpointError, DivergenceError
from pullback.study.models import ModelSpec
from pullback.study.trained_models import train_or_load
from pullback.study.training import Trained, TrainingSettings

VAE, GAN = ModelSpec("vae", (8, 4), "tanh"), ModelSpec("gan", (8, 4), "tanh")
DIVERGING = ModelSpec("gan", (8, 4), "tanh", r1=1e39)  # its penalty overflows at the first step
SETTINGS = TrainingSettings(epochs=1)


def bits(trained: Trained) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}


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
    monkeypatch.setattr(trained_models, "_train_side_by_side", lambda *arguments: pytest.fail("trained again"))
    lines: list[str] = []
    loaded = train_or_load((GAN, VAE), SETTINGS, sample=True, device="cpu", progress=lines.append)
    assert list(loaded) == [GAN.name, VAE.name]
    assert lines == ["2 of 2 models loaded; training skipped"]
    for spec in (VAE, GAN):
        path = path_of(spec, SETTINGS, data.data_hash(True))
        assert bits(loaded[spec.name]) == bits(read(spec, SETTINGS, data.data_hash(True)))
        metadata = checkpoints.header(path.read_bytes())
        assert metadata["data"] == data.data_hash(True) and json.loads(metadata["settings"])["epochs"] == 1
        assert json.loads(metadata["provenance"]).keys() == {"device", "threads", "torch", "seconds"}


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
