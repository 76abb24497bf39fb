"""Checkpoints of the first format, whose key was made of source text: recognised, verified, and carried over.

Such a file is SPEC-KEY.safetensors too, and its provenance holds settings, data and a hash of the training's source.
The first format's code is recipe 1 of today, so nothing is trained again. The old file stays where it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from . import data, training
from .checkpoints import encode, filled, header, parts, path_of, plain, read_bytes, rebuild, remedy_for
from .errors import CheckpointError
from .models.spec import ModelSpec
from .training import TrainingSettings

# Hashes of the one source that is recipe 1. They are of its syntax tree, which Python 3.11, 3.12 and 3.13 print
# differently.
SOURCES = (
    "957afa70697adcce57918e3c24433ce04cba088c29020b5391e7c0add670f85f",
    "5c282178affd61488d9b095fca5bb7a0fbee6510f5a332372249c3b97e4664cd",
    "0f7af3ba1f853a575640bcc063d377bb6b47bb1d9e3d3bd787ca0e44ccd5378a",
)
RECIPE = 1  # which they are
# The fields that a specification and the settings had then.
SPEC = ("family", "hidden", "activation", "latent_dim", "discriminator_batch_norm", "r1")
SETTINGS = ("epochs", "batch_size", "learning_rate", "betas", "seed")


class _Decided(NamedTuple):
    """What decided the weights of a file of the first format."""

    spec: dict[str, Any]
    settings: dict[str, Any]
    data: str
    source: str

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self._asdict(), sort_keys=True).encode()).hexdigest()[:16]


def carry_over(
    spec: ModelSpec, settings: TrainingSettings, data_hash: str, progress: Callable[[str], object] = print
) -> bytes | None:
    """The content of the model's checkpoint, from a file of the first format; None if no file will do.

    The old key and source stay in its provenance, as `origin`. A file of this training that was made by other code is
    named in a line of progress, with what to do. Raises CheckpointError for a file of this training that is not whole.
    """
    if training.RECIPE != RECIPE:
        return None
    wanted = _Decided(plain(spec), plain(settings), data_hash, "")
    then = wanted._replace(
        spec={field: wanted.spec[field] for field in SPEC},
        settings={field: wanted.settings[field] for field in SETTINGS},
    )
    names = {_name(spec, then._replace(source=source)) for source in SOURCES}
    for path in _files(spec):
        remedy = f"{remedy_for(spec)} Or put an undamaged copy of the file in its place."
        try:
            content = read_bytes(path, remedy)
            found = _decided(header(content))
        except (KeyError, ValueError, TypeError, CheckpointError) as error:
            if path.name in names:
                raise CheckpointError(f"{path} is truncated or not a checkpoint ({error}). {remedy}") from error
            continue  # the file of another training, or of today's format
        if (filled(spec, found.spec), filled(settings, found.settings), found.data) != wanted[:3]:
            continue
        named = path.name == _name(spec, found)
        if not named or found.source not in SOURCES:
            why = "was made by other training code" if named else "is not the file of its name"
            progress(f"{path.name} {why} and is not carried over: {spec.name} is trained anew, and the file stays. "
                     "Delete it if you do not need it")
            continue
        weights, metadata = parts(content, str(path), remedy)
        trained = rebuild(spec, settings, weights, json.loads(metadata["history"]), str(path), remedy)
        provenance = json.loads(metadata["provenance"])
        rest = {name: value for name, value in provenance.items() if name not in ("settings", "data", "source")}
        origin = {"key": found.key, "source": found.source}
        progress(f"{spec.name:<26} carried over from {path.name} to {path_of(spec, settings, data_hash).name}")
        return encode(trained, settings, data_hash, rest | {"origin": origin})
    return None


def _files(spec: ModelSpec) -> list[Path]:
    folder = path_of(spec, TrainingSettings(), "").parent
    pattern = re.compile(re.escape(spec.name) + r"-[0-9a-f]{16}\.safetensors")
    return sorted(path for path in folder.glob("*.safetensors") if pattern.fullmatch(path.name))


def _name(spec: ModelSpec, decided: _Decided) -> str:
    return f"{spec.name}-{decided.key}.safetensors"


def _decided(metadata: dict[str, str]) -> _Decided:
    """From a file's metadata. Raises KeyError or ValueError if they are not of the first format."""
    provenance = json.loads(metadata["provenance"])
    spec, settings, source = json.loads(metadata["spec"]), provenance["settings"], provenance["source"]
    return _Decided(spec, settings, _data(provenance["data"]), source)


def _data(stored: str) -> str:
    """What the key said of the data: HASH where the file says HASH or, of all images, HASH, N images; else HASH-N."""
    whole = {data.data_hash(False): 60_000, data.data_hash(True): 10 * data.SAMPLE_PER_CLASS["train"]}
    name, _, count = stored.removesuffix(" images").partition(", ")
    return name if not count or int(count) == whole.get(name) else f"{name}-{count}"
