"""A training is paid for once, and what was paid for is kept."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from pullback.study import checkpoints, data, trained_models, training
from pullback.study.checkpoints import path_of, read
from pullback.study.errors import CheckpointError, DataError, DivergenceError
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
    assert {path.name for path in build.root.rglob("*.safetensors")} == paths


def test_progress_says_at_once_what_is_missing_and_in_the_end_what_was_kept(build: Build) -> None:
    first, *told, last = build.progress
    assert first.startswith("3 models have no checkpoint: each is trained for 1 epochs, 1 at a time")
    assert [line.split(";")[0].split() for line in told if "kept" in line] == [
        [VAE.name, *"trained and kept: 1 of 3 models".split()], [GAN.name, *"trained and kept: 2 of 3 models".split()],
    ]
    assert last.startswith(f"stopped: 2 of 3 models trained, {VAE.name}, {GAN.name} kept; run it again")


SCRIPT = """
from pullback.study.models import ModelSpec
from pullback.study.training import TrainingSettings
from pullback.study.trained_models import train_or_load
if __name__ == "__main__":
    specs = [ModelSpec("classifier", (2, 2), "tanh"), ModelSpec("gan", (512, 512), "tanh", r1=1.0)]
    train_or_load(specs, TrainingSettings(epochs=300), sample=True, device="cpu",
                  progress=lambda line: print(line, flush=True))
"""


def test_an_interrupt_says_what_was_kept_and_no_worker_speaks(tmp_path: Path) -> None:
    """Jupyter and a terminal interrupt the whole group of processes."""
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PULLBACK_BUILD": str(tmp_path), "PULLBACK_JOBS": "1",
                                "PYTHONPATH": str(Path(training.__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while lines[-1] and "trained and kept" not in lines[-1]:
        lines.append(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)
    rest, errors = process.communicate()
    assert lines[0].startswith("2 models have no checkpoint: each is trained for 300 epochs, 1 at a time")
    assert lines[-1].split(";")[0].split() == ["classifier-2-2-tanh", *"trained and kept: 1 of 2 models".split()]
    assert rest.splitlines()[-1] == (
        "stopped: 1 of 2 models trained, classifier-2-2-tanh kept; run it again to go on"
    )
    assert errors.count("Traceback") == 1 and errors.endswith("KeyboardInterrupt\n")
    assert len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == 1


def test_the_whole_of_mnist_offers_the_smoke_profile_and_is_seen_to_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("PULLBACK_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(data.DATA_SETS, "mnist", data.DATA_SETS["mnist"]._replace(sources={}))
    lines: list[str] = []
    with pytest.raises(DataError, match="MNIST cannot be had"):
        train_or_load([VAE], SETTINGS, sample=False, device="cpu", progress=lines.append)
    assert len(lines) == 2 and 'the profile "smoke"' in lines[1]


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
