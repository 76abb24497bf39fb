"""Where things are. Two environment variables move them, PULLBACK_DATA and PULLBACK_BUILD;
relative ones are relative to the project."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
FIGURES = PROJECT / "figures"
RESULTS = PROJECT / "results"


def data_root() -> Path:
    """Folder of the raw MNIST files."""
    return PROJECT / (os.environ.get("PULLBACK_DATA") or "data")


def build_root() -> Path:
    """Folder of everything that can be made again: checkpoints, smoke runs, stamps."""
    return PROJECT / (os.environ.get("PULLBACK_BUILD") or "build")


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` through a temporary file in the same folder, so that readers and interrupted
    runs see the old file or the new one, never a part. Raises OSError, naming `path`, if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
