"""Where results come from: versions of packages; and seals, hashes that a run leaves in what it writes, so that a later
change of a number or a picture is noticed.

Seals guard against drift and slips of the hand, not against somebody who recomputes them.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .paths import write_atomically

SEAL = "sha256"  # the key of a sidecar under which its own seal stands
PACKAGES = ("torch", "numpy", "scipy", "pandas", "safetensors")  # that decide a result


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide a result."""
    return {"python": platform.python_version(), **{name: version(name).split("+")[0] for name in PACKAGES}}


def seal(content: Any) -> str:
    """sha256 of what JSON can hold, whatever the order of its keys; a mapping's own SEAL does not enter."""
    if isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if key != SEAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_seal(path: Path) -> str:
    """sha256 of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_sealed(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record as one JSON object with its seal. ValueError for a number that JSON has not."""
    write_atomically(path, f"{json.dumps({**record, SEAL: seal(record)}, allow_nan=False)}\n".encode())


def read_sealed(path: Path, key: str) -> dict[str, Any] | None:
    """The record in a file, without its seal; None if there is none, or it was edited or has another key."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(record, dict) and record.pop(SEAL, None) == seal(record)
    return record if whole and record.get("key") == key else None


def output_seals(notebook: Mapping[str, Any]) -> dict[str, str]:
    """The seal of the outputs of each code cell, pictures included, by the cell's id; cells without source are left
    out. How a format breaks a text into lines does not enter."""
    return {
        cell["id"]: seal(_joined(cell.get("outputs", [])))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    }


def _joined(value: Any) -> Any:
    """Outputs with each list of lines as one text."""
    if isinstance(value, Mapping):
        return {key: _joined(item) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "".join(value)
    return [_joined(item) for item in value] if isinstance(value, list) else value
