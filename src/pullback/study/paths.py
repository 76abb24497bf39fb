"""Where things are, and how files get there: whole or not at all.

Two environment variables move the folders, PULLBACK_DATA and PULLBACK_BUILD; relative ones are relative to the project.
What is not finished stands beside its destination as .NAME.MACHINE-PROCESS-RANDOM.tmp. A process that is killed leaves
such a file or folder behind, and whoever next writes there removes it: never that of a living process or of another
machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
FIGURES = PROJECT / "figures"
RESULTS = PROJECT / "results"
MARK = ".made-by-pullback"  # `make clean` removes a folder under the build folder only if it holds this file


def data_root() -> Path:
    """Folder of the data sets' raw files."""
    return PROJECT / (os.environ.get("PULLBACK_DATA") or "data")


def build_root() -> Path:
    """Folder of everything that can be made again: checkpoints, smoke runs, stamps."""
    return PROJECT / (os.environ.get("PULLBACK_BUILD") or "build")


def make_folder(folder: Path) -> None:
    """Make `folder` and all above it. What this makes directly under the build folder is marked as the project's own,
    so that `make clean` may remove it; a folder that was there before is not."""
    build = build_root()
    if folder.is_relative_to(build) and folder != build:
        top = build / folder.relative_to(build).parts[0]
        build.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            top.mkdir()
            (top / MARK).touch()
    folder.mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` through a temporary file in the same folder, so that readers and interrupted
    runs see the old file or the new one, never a part. Raises OSError, naming `path`, if it cannot be written."""
    try:
        make_folder(path.parent)
        remove_abandoned(path.parent)
        handle, temporary = tempfile.mkstemp(suffix=".tmp", prefix=_prefix(path.name), dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder in `parent`, for the time of a `with`, to finish files in before they are moved to `parent`. Raises
    OSError if it cannot be made."""
    remove_abandoned(parent)
    with tempfile.TemporaryDirectory(suffix=".tmp", prefix=_prefix(name), dir=parent) as folder:
        yield Path(folder)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose process, on this machine, is gone. What cannot be
    removed stays, and a folder that is missing has none."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            owner = re.fullmatch(r"\..+\.([0-9a-f]{8})-([0-9]{1,10})-[^.]+\.tmp", path.name)
            if owner is None or owner[1] != _machine() or _alive(int(owner[2])):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


def _prefix(name: str) -> str:
    return f".{name}.{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """Eight hexadecimal digits for the host and, on Linux, for the space in which its processes are numbered:
    containers may share a host's name."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _alive(process: int) -> bool:
    """Whether a process of this number runs on this machine, whoever's it is."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or no number of a process
        return True
    return True
