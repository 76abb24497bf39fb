"""What was fitted, on disk: tensors by name in one file, under a key of all that decides them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ..checkpoints import digest, parts, read_bytes
from ..paths import build_root, write_atomically

RECIPE = 1  # the version of what turns models and images into fitted tensors: see recipes.py
REMEDY = "Delete it and run again: it will be made anew."


def kept(name: str, decisive: Mapping[str, Any], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors that `make` returns, from their file where there is one; `decisive` is what they follow from.

    Raises CheckpointError, naming the file, for one that is not whole.
    """
    path = _path(name, decisive)
    if path.exists():
        return parts(read_bytes(path, REMEDY), str(path), REMEDY)[0]
    tensors = {key: value.contiguous() for key, value in make().items()}
    write_atomically(path, save(tensors, {"name": name, "digest": digest(tensors, {"name": name})}))
    return tensors


def _path(name: str, decisive: Mapping[str, Any]) -> Path:
    text = json.dumps([RECIPE, name, dict(decisive)], sort_keys=True)
    return build_root() / "away" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.safetensors"
