"""The sweep on real Dask processes: nothing is lost with a worker, and nothing listens where it was not told to."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pullback.study import cluster, sweep
from pullback.study.errors import SweepError
from pullback.study.models.catalogue import CLASSIFIER
from pullback.study.paths import PROJECT
from pullback.study.trained_models import train_or_load
from tiny_sweep import SMALL, TINY, numbers, weights


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    for name in ("PULLBACK_JOBS", "SCHEDULER", "LISTEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "build"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder with nothing but the classifier that every record needs."""
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULLBACK_BUILD", str(folder))
        train_or_load([CLASSIFIER], sweep.judge_settings(TINY), sample=True, device="cpu", progress=lambda line: None)
    return folder


def test_a_dead_scheduler_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SweepError, match=f"no Dask scheduler answers at '{address}'.*make scheduler"):
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


def test_a_scheduler_that_stays_silent_is_named_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is accepted, and nothing ever comes: once, the client waited for ever."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2.0)
    caught: list[SweepError] = []

    def ask(address: str) -> None:
        try:
            cluster.connect(address)
        except SweepError as error:
            caught.append(error)

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        client = threading.Thread(target=ask, args=(address,), daemon=True)
        client.start()
        client.join(60)
        assert not client.is_alive(), "it still waits"
    assert "no answer within 2 s" in str(caught[0]) and address in str(caught[0])


def test_a_missing_dask_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"pip install 'pullback\[cluster\]'"):
        sweep.run(TINY, SMALL[:1], scheduler="tcp://127.0.0.1:1")


def test_a_worker_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert cluster.main(["worker"]) == 1
    assert "SCHEDULER=tcp://host:port make worker" in capsys.readouterr().err
    monkeypatch.setenv("SCHEDULER", "tcp://192.0.2.1:8786")  # an address that no machine has (RFC 5737)
    assert cluster.main(["worker"]) == 1
    assert "could not reach a worker that listens on 127.0.0.1" in capsys.readouterr().err


def test_listening_beyond_this_machine_is_said_unless_tls_guards_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(cluster.os, "execv", lambda _, command: started.append(command))
    monkeypatch.setenv("LISTEN", "192.0.2.7")
    cluster.main(["scheduler"])
    assert "whoever reaches 192.0.2.7 can run code here" in capsys.readouterr().err
    monkeypatch.setenv("SCHEDULER", "tls://192.0.2.1:8786")
    cluster.main(["worker"])
    assert capsys.readouterr().err == ""
    for command in started:
        assert command[command.index("--host") + 1] == "192.0.2.7"
        assert command[command.index("--dashboard-address") + 1] == "192.0.2.7:0"


class Cluster:
    """A real scheduler and real workers, as processes on the loopback address."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.settings, self.workers, self._all = folder, settings, {}, []
        file = folder / "scheduler.json"
        self._start("scheduler", "--port", "0", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text().endswith("}")):
            assert self._all[0].poll() is None, "the scheduler did not start"
            time.sleep(0.1)
        self.address = json.loads(file.read_text())["address"]

    def _start(self, role: str, *options: str, **variables: str) -> subprocess.Popen:
        ours = {"PYTHONPATH": str(PROJECT / "src"), "PULLBACK_BUILD": str(self.folder / "no"), "PULLBACK_JOBS": "1"}
        command = [sys.executable, "-m", "pullback.study.cluster", role, *options]
        silent, env = subprocess.DEVNULL, os.environ | ours | self.settings | variables
        process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=silent, stderr=silent)
        self._all.append(process)
        return process

    def worker(self, name: str, *options: str) -> None:
        options = ("--name", name, "--local-directory", str(self.folder), *options)
        self.workers[name] = self._start("worker", *options, SCHEDULER=self.address)

    def listening(self) -> set[str]:
        """The addresses on which the scheduler, the workers and their nannies accept connections."""
        found = set()
        for process in self._all:
            for member in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    found |= {c.laddr.ip for c in member.net_connections() if c.status == psutil.CONN_LISTEN}
        return found

    def stop_workers(self) -> None:
        self._end(self._all[1:])

    def stop(self) -> None:
        self._end(self._all)

    @staticmethod
    def _end(processes: list[subprocess.Popen]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # a worker that a test has killed
                for member in psutil.Process(process.pid).children(recursive=True):
                    member.kill()
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


def wait_for_workers(client: object, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(client.scheduler_info(-1)["workers"]) < count:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline, "no worker came"
        time.sleep(0.2)


def test_all_listen_on_the_loopback_address_only_and_workers_that_do_not_fit_are_refused(
    dask: Cluster, build: Path, judged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduler, worker and nanny listen; a worker of other versions is refused, and one of two threads."""
    shutil.copytree(judged, build)
    dask.worker("one")
    with cluster.connect(dask.address) as client:
        wait_for_workers(client, 1)
        assert dask.listening() == {"127.0.0.1"}
        assert client.submit(pow, 2, 5).result(60) == 32
    with monkeypatch.context() as patch, pytest.raises(SweepError, match=r"has python 3\.\S+, not 2\.7"):
        patch.setattr(sweep, "fingerprint", lambda: {"python": "2.7"})
        sweep.run(TINY, SMALL[:1], scheduler=dask.address, progress=lambda line: None)
    dask.stop_workers()
    dask.worker("wide", "--no-nanny", "--nthreads", "2")
    with pytest.raises(SweepError, match="has 2 threads.*--nthreads 1"):
        sweep.run(TINY, SMALL[:1], scheduler=dask.address, progress=lambda line: None)


def certificate(folder: Path) -> dict[str, str]:
    """A key and a certificate for 127.0.0.1 that vouches for itself, as Dask's settings."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(1))
    made = made.add_extension(address, False).add_extension(x509.BasicConstraints(True, None), True)
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    roles = ("SCHEDULER", "WORKER", "CLIENT")
    settings = {"CA_FILE": str(pem)} | {f"{role}__CERT": str(pem) for role in roles}
    settings |= {f"{role}__KEY": str(secret) for role in roles}
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in settings.items()}


def test_tls_holds_from_end_to_end_and_strangers_are_refused(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    found = Cluster(tmp_path, **tls)
    try:
        assert found.address.startswith("tls://127.0.0.1:")
        found.worker("one")
        code = (
            "from pullback.study import cluster\n"
            f"with cluster.connect({found.address!r}) as client:\n"
            "    client.wait_for_workers(1, timeout=120)\n"
            "    print(client.submit(pow, 2, 5).result(60), *client.scheduler_info(-1)['workers'])\n"
        )
        env = os.environ | tls | {"PYTHONPATH": str(PROJECT / "src")}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
        assert re.fullmatch(r"32 tls://127\.0\.0\.1:\d+\n", done.stdout), done.stderr
        assert found.listening() == {"127.0.0.1"}
        with pytest.raises(SweepError, match="needs Dask's TLS settings here"):
            cluster.connect(found.address)
        with pytest.raises(SweepError, match="no Dask scheduler answers"):
            cluster.connect(found.address.replace("tls://", "tcp://"))
    finally:
        found.stop()


def test_a_killed_worker_costs_time_and_nothing_else(
    dask: Cluster, build: Path, judged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, local = SMALL[:2], build.with_name("local")
    for folder in (build, local):
        shutil.copytree(judged, folder)
    lines: list[str] = []
    killed: list[str] = []

    def watch(line: str) -> None:
        lines.append(line)
        told = re.search(r"epoch .* on (\w+)$", line)
        if told and not killed:  # that worker has a fifth of its first item done
            killed.extend((told[1], line.split()[0]))
            os.kill(dask.workers[told[1]].pid, signal.SIGKILL)

    for name in ("first", "second"):
        dask.worker(name, "--no-nanny")
    sweep.run(TINY, items, scheduler=dask.address, progress=watch)
    assert dask.workers[killed[0]].wait() == -signal.SIGKILL
    survivor = next(name for name in dask.workers if name != killed[0])
    assert any(line.startswith(killed[1]) and line.endswith(f"on {survivor}") for line in lines), "not done again"
    assert not (dask.folder / "no").exists()  # workers write nothing
    remote = {item: (numbers(TINY, item), weights(TINY, item)) for item in items}

    monkeypatch.setenv("PULLBACK_BUILD", str(local))
    monkeypatch.setenv("PULLBACK_JOBS", "1")
    sweep.run(TINY, items, progress=lambda line: None)
    for item, (found, tensors) in remote.items():
        assert found == numbers(TINY, item)
        own = weights(TINY, item)
        assert tensors.keys() == own.keys() and all(torch.equal(tensors[name], own[name]) for name in own)

