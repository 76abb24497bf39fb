"""Seals: hashes that a run leaves in what it writes, so that a later change of a number or a picture is noticed.

They guard against drift and slips of the hand, not against somebody who recomputes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEAL = "sha256"  # the key of a sidecar under which its own seal stands


def seal(content: Any) -> str:
    """sha256 of what JSON can hold, whatever the order of its keys; a mapping's own SEAL does not enter."""
    if isinstance(content, Mapping):
        content = {key: value for key, value in content.items() if key != SEAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_seal(path: Path) -> str:
    """sha256 of the bytes of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
