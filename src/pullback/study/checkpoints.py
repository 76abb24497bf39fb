"""Trained models on disk: the cost of a training is paid once.

A checkpoint's key is a hash of what decides its weights: the version of the training recipe (`training.RECIPE`), the
specification, the settings, and the data. Values that equal their defaults do not enter the key, so that a new setting
leaves it as it was. One file holds the weights (safetensors), the loss history, the provenance, all that the key is
made of, the key, and a digest of these. A file appears whole or not at all, and is refused under another name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from . import training
from .errors import CheckpointError
from .models.spec import ModelSpec
from .paths import build_root
from .training import Trained, TrainingSettings


def key(spec: ModelSpec, settings: TrainingSettings, data_hash: str) -> str:
    """Sixteen hexadecimal digits of what decides the weights; see the module's docstring."""
    decisive = {"recipe": training.RECIPE, "spec": changed(spec), "settings": changed(settings), "data": data_hash}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def changed(chosen: ModelSpec | TrainingSettings) -> dict[str, Any]:
    """The fields that have no default, or another value than it."""
    values = {field.name: getattr(chosen, field.name) for field in fields(chosen) if field.default is MISSING
              or getattr(chosen, field.name) != field.default}
    numbers = ("r1", "learning_rate", "noise_level", "weight")
    return {name: float(value) if name in numbers else value for name, value in values.items()}


def plain(chosen: ModelSpec | TrainingSettings) -> dict[str, Any]:
    """Its fields in the types that JSON has."""
    return json.loads(json.dumps(asdict(chosen)))


def filled(chosen: ModelSpec | TrainingSettings, stored: dict[str, Any]) -> dict[str, Any]:
    """The fields that a file stored, and the default of each field that is newer than the file."""
    defaults = {field.name: field.default for field in fields(chosen) if field.default is not MISSING}
    return {**json.loads(json.dumps(defaults)), **stored}


def path_of(spec: ModelSpec, settings: TrainingSettings, data_hash: str) -> Path:
    """Where the checkpoint of this model lies, or would."""
    return build_root() / "checkpoints" / f"{spec.name}-{key(spec, settings, data_hash)}.safetensors"


def digest(weights: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> str:
    """SHA-256 of named tensors, and of the metadata that stand beside them."""
    found = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(weights):
        found.update(name.encode() + weights[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def encode(
    trained: Trained, settings: TrainingSettings, data_hash: str, provenance: Mapping[str, object]
) -> bytes:
    """The content of a checkpoint: a trained model, its history, what decided it, and any further provenance."""
    weights = {name: value.contiguous() for name, value in trained.model.state_dict().items()}
    metadata = {
        "recipe": str(training.RECIPE),
        "spec": json.dumps(asdict(trained.spec)),
        "settings": json.dumps(asdict(settings)),
        "data": data_hash,
        "key": key(trained.spec, settings, data_hash),
        "history": json.dumps(trained.history),
        "provenance": json.dumps(provenance),
    }
    return save(weights, metadata | {"digest": digest(weights, metadata)})


def read(spec: ModelSpec, settings: TrainingSettings, data_hash: str) -> Trained:
    """The model from its checkpoint, in eval mode.

    Raises CheckpointError, saying what to do, for a file that is missing, cannot be read, is not whole, or holds
    another model.
    """
    path = path_of(spec, settings, data_hash)
    return decode(read_bytes(path, remedy_for(spec)), spec, settings, data_hash, str(path))


def read_bytes(path: Path, remedy: str) -> bytes:
    """The bytes of a file. Raises CheckpointError, ending in `remedy`, if it is no file or cannot be read."""
    try:
        if path.exists() and not path.is_file():  # to open a pipe would wait for ever
            raise OSError("it is not a file")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}). {remedy}") from error


def decode(
    content: bytes, spec: ModelSpec, settings: TrainingSettings, data_hash: str, where: str, remedy: str = ""
) -> Trained:
    """The model that `encode` made into `content`, in eval mode; `where` names the content in errors.

    Raises CheckpointError, saying what to do (`remedy`; by default, to train again), if the content is not whole or is
    not of this specification, these settings and data, and today's recipe.
    """
    remedy = remedy or remedy_for(spec)
    weights, metadata = parts(content, where, remedy)
    wanted = {"recipe": str(training.RECIPE), "data": data_hash, **plain(spec), **plain(settings)}
    try:
        found = {
            "recipe": metadata["recipe"],
            "data": metadata["data"],
            **filled(spec, json.loads(metadata["spec"])),
            **filled(settings, json.loads(metadata["settings"])),
        }
        own, history = metadata["key"], json.loads(metadata["history"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{where} lacks a field or has a malformed one ({error!r}). {remedy}") from error
    if other := [f"{name} {found.get(name)!r}, not {wanted.get(name)!r}"
                 for name in {**wanted, **found} if found.get(name) != wanted.get(name)]:
        raise CheckpointError(f"{where} is the checkpoint of another training: {'; '.join(other)}. {remedy}")
    if own != key(spec, settings, data_hash):
        raise CheckpointError(f"{where} holds the key {own}, not {key(spec, settings, data_hash)}. {remedy}")
    return rebuild(spec, settings, weights, history, where, remedy)


def parts(content: bytes, where: str, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights and metadata of a checkpoint of any format. Raises CheckpointError, ending in `remedy`, if the content is
    not whole."""
    try:
        weights = load(content)
        metadata = header(content)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{where} is truncated or not a checkpoint ({error}). {remedy}") from error
    if metadata.pop("digest", None) != digest(weights, metadata):
        raise CheckpointError(f"{where} is corrupt: its content does not match its digest. {remedy}")
    return weights, metadata


def header(content: bytes) -> dict[str, str]:
    """The metadata at the start of a safetensors file. Raises ValueError if there are none."""
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size]).get("__metadata__")
    if not isinstance(metadata, dict):
        raise ValueError("no metadata")
    return metadata


def rebuild(
    spec: ModelSpec, settings: TrainingSettings, weights: Mapping[str, Tensor], history: Any, where: str, remedy: str
) -> Trained:
    """The model with these weights, in eval mode. Raises CheckpointError, ending in `remedy`, for weights that are
    not finite, missing or of another shape or type, and for a history that is not of this training."""
    with torch.random.fork_rng(devices=[]):
        model = spec.build()
    expected = {name: (tuple(value.shape), value.dtype) for name, value in model.state_dict().items()}
    given = {name: (tuple(value.shape), value.dtype) for name, value in weights.items()}
    if wrong := sorted(name for name in expected | given if expected.get(name) != given.get(name)):
        name = wrong[0]
        raise CheckpointError(
            f"{where} does not fit a {spec.name}: {name} is {_described(given.get(name))} and should be "
            f"{_described(expected.get(name))} (one of {len(wrong)} that differ). {remedy}"
        )
    if broken := [name for name, value in weights.items() if not torch.isfinite(value).all()]:
        raise CheckpointError(f"{where} holds numbers that are not finite in {', '.join(broken)}. {remedy}")
    losses = model.phases().keys()
    if not isinstance(history, dict) or history.keys() != losses or not all(
        isinstance(values, list) and len(values) == settings.epochs
        and all(isinstance(value, float) and math.isfinite(value) for value in values)
        for values in history.values()
    ):
        raise CheckpointError(f"{where} has no history of {settings.epochs} epochs of {', '.join(losses)}. {remedy}")
    model.load_state_dict(dict(weights))
    return Trained(spec, model.eval(), history)


def _described(tensor: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return "missing" if tensor is None else f"{str(tensor[1]).removeprefix('torch.')} {tensor[0]}"


def remedy_for(spec: ModelSpec) -> str:
    return f"Delete it and run again: {spec.name} will be trained anew."
