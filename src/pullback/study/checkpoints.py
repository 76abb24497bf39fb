"""Trained models on disk: the cost of a training is paid once.

A checkpoint's key is the hash of all that decides its weights: model specification, training settings, data, and the
source of the modules that build and train models (comments and docstrings excepted). One file holds the weights
(safetensors), a digest of them, the loss history and the provenance. Files appear whole or not at all.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from . import data, models, training
from .errors import CheckpointError
from .models.spec import ModelSpec
from .parameters import choose_device
from .paths import build_root, write_atomically
from .training import Trained, TrainingSettings, train
from .workers import job_count, say, side_by_side


@cache
def source_hash() -> str:
    """Hash of the code, docstrings aside, that decides the weights: training.py and models/ but its list of names."""
    decisive = {*Path(models.__file__).parent.glob("*.py"), Path(training.__file__)}
    return code_hash(decisive - {Path(models.__file__), Path(models.catalogue.__file__)})


def code_hash(paths: Iterable[Path]) -> str:
    """Hash of the code of some modules, comments and docstrings aside."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def key(spec: ModelSpec, settings: TrainingSettings, data_hash: str) -> str:
    """Sixteen hexadecimal digits that change whenever the weights might."""
    decisive = {"spec": asdict(spec), "settings": asdict(settings), "data": data_hash, "source": source_hash()}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def path_of(spec: ModelSpec, settings: TrainingSettings, data_hash: str) -> Path:
    return build_root() / "checkpoints" / f"{spec.name}-{key(spec, settings, data_hash)}.safetensors"


def digest(weights: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> str:
    """SHA-256 of named tensors, and of the metadata that stand beside them."""
    found = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(weights):
        found.update(name.encode() + weights[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def encode(trained: Trained, provenance: dict[str, object]) -> bytes:
    """The content of a checkpoint: a trained model with its history, its digest and any further provenance."""
    weights = {name: value.contiguous() for name, value in trained.model.state_dict().items()}
    metadata = {
        "spec": json.dumps(asdict(trained.spec)),
        "history": json.dumps(trained.history),
        "provenance": json.dumps(provenance),
    }
    return save(weights, metadata | {"digest": digest(weights, metadata)})


def read(path: Path, spec: ModelSpec) -> Trained:
    """Load the model at `path`, in eval mode. Raises CheckpointError if it is truncated, altered or another model's."""
    remedy = f"Delete it and run again: {spec.name} will be trained anew."
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {remedy}") from error
    if metadata.pop("digest", None) != digest(weights, metadata):
        raise CheckpointError(f"{path} is corrupt: its content does not match its digest. {remedy}")
    if metadata["spec"] != json.dumps(asdict(spec)):
        raise CheckpointError(f"{path} holds {metadata['spec']}, not {spec.name}. {remedy}")
    model = spec.build()
    model.load_state_dict(weights)
    return Trained(spec, model.eval(), json.loads(metadata["history"]))


def _train_and_write(spec: ModelSpec, settings: TrainingSettings, sample: bool, device: str) -> None:
    images, labels = data.load("train", sample=sample)
    started = time.perf_counter()
    trained = train(spec, settings, images, labels, device=device,
                    progress=lambda epoch: epoch.milestone and say(f"{spec.name:<26} {epoch}"))
    provenance = {
        "settings": asdict(settings),
        "data": data.data_hash(sample),
        "source": source_hash(),
        "device": str(choose_device(device)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_atomically(path_of(spec, settings, data.data_hash(sample)), encode(trained, provenance))


def train_or_load(
    specs: Iterable[ModelSpec],
    settings: TrainingSettings,
    *,
    sample: bool,
    device: str = "auto",
    progress: Callable[[str], None] = print,
) -> dict[str, Trained]:
    """The models of `specs` by name, trained on MNIST (`sample`: on the committed part of it) where no checkpoint is.

    Missing models are trained side by side, one process and one thread each, as many at a time as there are
    processors (PULLBACK_JOBS overrides; one on a GPU): on a CPU that is faster than one model on all threads,
    and the weights do not depend on how many run. Each is saved when it is finished, so an interrupted call
    continues there. A script that calls this needs the usual `if __name__ == "__main__":` guard.

    Raises DivergenceError or DataError as the training does, and CheckpointError for a file that cannot be trusted.
    """
    paths = {spec: path_of(spec, settings, data.data_hash(sample)) for spec in specs}
    missing = [spec for spec, path in paths.items() if not path.exists()]
    for spec, path in paths.items():
        if spec not in missing:
            progress(f"{spec.name:<26} loaded from {path.name}; training skipped")
    if missing:
        jobs = job_count(1 if choose_device(device).type == "cuda" else None)
        _train_side_by_side(missing, settings, sample, device, min(jobs, len(missing)), progress)
    return {spec.name: read(path, spec) for spec, path in paths.items()}


def _train_side_by_side(
    specs: list[ModelSpec],
    settings: TrainingSettings,
    sample: bool,
    device: str,
    jobs: int,
    progress: Callable[[str], None],
) -> None:
    what = f"training one of {', '.join(spec.name for spec in specs)}"
    side_by_side(_train_and_write, [(spec, settings, sample, device) for spec in specs], jobs, what, progress)
