"""The published models: what travels with a clone in weights/, so that a notebook opens in seconds and without MNIST.

    MODEL-KEY.safetensors           a checkpoint, byte for byte as its training left it
    points/MODEL-KEY.safetensors    its box, pairs and first codes: see latent_points.py
    comparisons/MODEL.npz.xz        what the solvers found on it, by the keys of solvers/runs.py; see knots.py
    mnist/t10k-*.gz                 MNIST's test images and their labels
    manifest.json                   the SHA-256 of every file, recipes, settings, data, versions, licence

A key is made of all that decides a result, the recipe's version too. What has become stale has another key and is not
found. What is found is verified before it is used. PULLBACK_WEIGHTS=train leaves all of it aside. That is what
`make figures` does, unless WEIGHTS=published is given. `publish.py` writes the folder.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import platform
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor

from . import data, parameters, training
from .checkpoints import decode, path_of, read_bytes
from .errors import CheckpointError
from .knots import unpacked
from .latent_points import Pairs, Points, key
from .models.spec import ModelSpec
from .paths import PROJECT
from .training import Trained, TrainingSettings

FOLDER = PROJECT / "weights"
SWITCH = "PULLBACK_WEIGHTS"
MODES = ("published", "train")
REMEDY = f"Restore it with `git checkout -- weights`, or set {SWITCH}=train to do without what is published."


def mode() -> str:
    """"published", the default: published models are used where they fit; or "train". Raises ValueError for another
    value of SWITCH."""
    return parameters.one_of(SWITCH, os.environ.get(SWITCH) or MODES[0], MODES)


def wanted() -> bool:
    """Whether published models are used where they fit."""
    return mode() == MODES[0]


def machine() -> dict[str, str]:
    """What decides how a sum is rounded: trainings on the same kind of machine give the same bits."""
    version = torch.__version__.split("+")[0]
    return {"processor": platform.machine(), "vendor": _vendor(), "kernels": torch.backends.cpu.get_cpu_capability(),
            "torch": version}  # fmt: skip


def _vendor() -> str:
    """Of the processor: with the same vector instructions, torch's libraries sum otherwise on another vendor's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(("vendor_id", "CPU implementer"))]
    return named[0] if named else platform.processor()


def manifest() -> dict[str, Any]:
    """What is published, {} if there is no folder. Raises CheckpointError for a folder without a whole manifest."""
    if not FOLDER.is_dir():
        return {}
    path = FOLDER / "manifest.json"
    try:
        found = json.loads(read_bytes(path, REMEDY))
        if not all(isinstance(found[part], dict) for part in ("files", "models", "recipes", "machine")):
            raise TypeError("a part is no table")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not the manifest of published models ({error!r}). {REMEDY}") from error
    return found


def read(name: str) -> bytes | None:
    """The content of a file of FOLDER; None if it is not published, or not wanted.

    Raises CheckpointError, naming the file, for one that is missing, cannot be read, or is not what was published.
    """
    entry = manifest().get("files", {}).get(name) if wanted() else None
    if entry is None:
        return None
    path = FOLDER / name
    content = read_bytes(path, REMEDY)
    if (found := hashlib.sha256(content).hexdigest()) != entry["sha256"]:
        raise CheckpointError(
            f"{path} is not the file that was published ({len(content)} bytes): SHA-256 {found}, and "
            f"manifest.json says {entry['sha256']}. {REMEDY}"
        )
    return content


def models(
    specs: Iterable[ModelSpec],
    settings: TrainingSettings,
    data_hash: str,
    progress: Callable[[str], object] = print,
) -> dict[str, Trained]:
    """Those of the models that are published with these settings, these data and today's recipe, by name.

    One line of progress says that they were taken, or that the recipe has changed. Raises CheckpointError as `read`
    does, and for a file that holds another model than its name says.
    """
    specs, found = tuple(specs), {}
    for spec in specs:
        name = path_of(spec, settings, data_hash).name
        content = read(name)
        if content is not None:
            found[spec.name] = decode(content, spec, settings, data_hash, str(FOLDER / name), REMEDY)
    if found:
        progress(f"{len(found)} of {len(specs)} models are the published ones, of weights/; {SWITCH}=train trains them")
    elif wanted() and (held := manifest()) and (version := held["recipes"].get("training")) != training.RECIPE:
        progress(f"the models in weights/ are of training recipe {version}, not {training.RECIPE}, and are not used")
    return found


def points(trained: Trained, data_hash: str, pairs: int, seed: int) -> Points | None:
    """The latent points of a published model, None if they are not published. Raises CheckpointError as `read` does."""
    content = read(points_name(trained, data_hash, pairs, seed))
    if content is None:
        return None
    found = load(content)
    (x0, x1), (y0, y1) = found["box"].tolist()
    own = Pairs(found["images"], found["start"], found["end"], found.get("residual"))
    labels = found["labels"].long() if "labels" in found else None
    return Points(((x0, x1), (y0, y1)), own, found.get("codes"), labels)


def points_name(trained: Trained, data_hash: str, pairs: int, seed: int) -> str:
    return f"points/{trained.spec.name}-{key(trained, data_hash, pairs, seed)}.safetensors"


def test_images() -> tuple[Tensor, Tensor] | None:
    """MNIST's test images, float32 (10000, 784) in [0, 1], and labels, int64 (10000,); None if they are not published.

    Raises CheckpointError as `read` does, and for files that are not MNIST's own.
    """
    parts = []
    for name, head in (("t10k-images-idx3-ubyte", 16), ("t10k-labels-idx1-ubyte", 8)):
        content = read(f"mnist/{name}.gz")
        if content is None:
            return None
        content = gzip.decompress(content)
        if hashlib.sha256(content).hexdigest() != data.SHA256[name]:
            raise CheckpointError(f"{FOLDER / 'mnist' / name}.gz does not hold MNIST's {name}. {REMEDY}")
        parts.append(torch.from_numpy(np.frombuffer(content, np.uint8, offset=head).copy()))
    return parts[0].reshape(-1, 784).float().div_(255), parts[1].long()


def result(model: str, key: str) -> dict[str, Tensor] | None:
    """A published result of a solver on a model, by the key of its job: tensors by name; None if there is none."""
    name = results_name(model)
    entry = manifest().get("files", {}).get(name) if wanted() else None
    if entry is None:
        return None
    arrays, prefix = _arrays(FOLDER, name, entry["sha256"]), f"{key}/"
    own = {field.removeprefix(prefix): value for field, value in arrays.items() if field.startswith(prefix)}
    return unpacked(own) if own else None


@lru_cache(maxsize=32)
def _arrays(folder: Path, name: str, sha256: str) -> dict[str, NDArray[Any]]:
    """The arrays of a published file, read once."""
    content = read(name)
    assert content is not None
    with np.load(io.BytesIO(lzma.decompress(content)), allow_pickle=False) as file:
        return {field: file[field] for field in file.files}


def results_name(model: str) -> str:
    return f"comparisons/{model.replace(', ', '-').replace(' ', '-')}.npz.xz"
