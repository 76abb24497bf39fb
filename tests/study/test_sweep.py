"""The sweep: same work and same results wherever it is done, done once, and refused where it would not be the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pullback.study import sweep
from pullback.study.errors import SweepError
from pullback.study.models.catalogue import STUDY
from pullback.study.paths import PROJECT
from pullback.study.profiles import PROFILES, Profile, get_profile
from pullback.study.records import reading
from pullback.study.records.items import SIZED, Item

TINY = replace(get_profile("smoke"), epochs=20, grid=8, points=3, gan_samples=20)
SMALL = [Item(name, seed, images) for name in SIZED for seed, images in ((0, 250), (1, 250), (0, 500))]


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.delenv("PULLBACK_JOBS", raising=False)
    return tmp_path / "build"


def numbers(profile: Profile, item: Item) -> dict:
    return json.loads(sweep.record_path(profile, item).read_text())["numbers"]


def weights(profile: Profile, item: Item) -> dict[str, torch.Tensor]:
    return load_file(sweep.checkpoint_path(profile, item))


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


# ------------------------------------------------------------------------------------------------ on a cluster


def test_a_dead_scheduler_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SweepError, match=f"no Dask scheduler answers at '{address}'.*dask scheduler"):
        sweep.run(TINY, SMALL[:1], scheduler=address)
    monkeypatch.setenv("SCHEDULER", address)
    assert sweep.main(["--profile", "smoke"]) == 1
    assert address in capsys.readouterr().err


@pytest.mark.parametrize("address", ["nonsense", "tcp://127.0.0.1", "tcp://127.0.0.1:port", "http://[::1"])
def test_a_malformed_address_is_named(address: str) -> None:
    with pytest.raises(SweepError, match=re.escape(repr(address))):
        sweep.run(TINY, SMALL[:1], scheduler=address)


def test_what_is_no_scheduler_is_named_and_nothing_is_left_running() -> None:
    def answer(server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # until the server is closed
            while True:
                connection, _ = server.accept()
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SweepError, match=f"no Dask scheduler answers at '{address}'"):
            sweep.run(TINY, SMALL[:1], scheduler=address)
        server.shutdown(socket.SHUT_RDWR)
    assert not any(thread.name == "IO loop" for thread in threading.enumerate())


def test_other_versions_are_refused_with_the_differences() -> None:
    here = sweep.fingerprint()
    sweep.check(here, dict(here), "a worker")
    with pytest.raises(SweepError, match=r"the worker w has torch 1\.0, not .*numpy None, not .*requirements\.lock"):
        sweep.check(here, {k: "1.0" if k == "torch" else v for k, v in here.items() if k != "numpy"}, "the worker w")


class Cluster:
    """A real scheduler and real workers, as processes on the loopback address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.workers, self._all = folder, {}, []
        file = folder / "scheduler.json"
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text().endswith("}")):
            assert self._all[0].poll() is None, "the scheduler did not start"
            time.sleep(0.1)
        self.address = json.loads(file.read_text())["address"]

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen:
        ours = {"PYTHONPATH": str(PROJECT / "src"), "PULLBACK_BUILD": str(self.folder / "no")}
        command = [sys.executable, "-m", f"distributed.cli.{kind}", *arguments, "--no-dashboard"]
        silent = subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=self.folder, env=os.environ | ours, stdout=silent, stderr=silent)
        self._all.append(process)
        return process

    def worker(self, name: str, threads: int = 1) -> None:
        self.workers[name] = self._start(
            "dask_worker", self.address, "--name", name, "--nthreads", str(threads), "--no-nanny",
            "--local-directory", str(self.folder),
        )  # fmt: skip

    def stop(self) -> None:
        for process in self._all:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


def test_a_killed_worker_costs_time_and_nothing_else(
    cluster: Cluster, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    killed: list[str] = []

    def watch(line: str) -> None:
        lines.append(line)
        told = re.search(r"epoch .* on (\w+)$", line)
        if told and not killed:  # that worker has a fifth of its first item done
            killed.extend((told[1], line.split()[0]))
            os.kill(cluster.workers[told[1]].pid, signal.SIGKILL)

    for name in ("first", "second"):
        cluster.worker(name)
    sweep.run(TINY, SMALL, scheduler=cluster.address, progress=watch)
    assert cluster.workers[killed[0]].wait() == -signal.SIGKILL
    survivor = next(name for name in cluster.workers if name != killed[0])
    assert any(line.startswith(killed[1]) and line.endswith(f"on {survivor}") for line in lines), "not done again"
    assert not (cluster.folder / "no").exists()  # workers write nothing
    remote = {item: (numbers(TINY, item), weights(TINY, item)) for item in SMALL}

    monkeypatch.setenv("PULLBACK_BUILD", str(build.with_name("local")))
    sweep.run(TINY, SMALL, progress=lambda line: None)
    for item, (found, tensors) in remote.items():
        assert found == numbers(TINY, item)
        local = weights(TINY, item)
        assert tensors.keys() == local.keys() and all(torch.equal(tensors[name], local[name]) for name in local)


def test_workers_of_many_threads_and_other_versions_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker("wide", threads=2)
    with pytest.raises(SweepError, match="has 2 threads.*--nthreads 1"):
        sweep.run(TINY, SMALL[:1], scheduler=cluster.address, progress=lambda line: None)
    monkeypatch.setattr(sweep, "fingerprint", lambda: {"python": "2.7"})
    with pytest.raises(SweepError, match=r"has python 3\.\S+, not 2\.7"):
        sweep.run(TINY, SMALL[:1], scheduler=cluster.address, progress=lambda line: None)
