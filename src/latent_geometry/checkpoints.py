"""Trained models on disk: the cost of a training is paid once.

A checkpoint's key is the hash of all that decides its weights: model specification, training settings, data, and the
source of the modules that build and train models (comments and docstrings excepted). One file holds the weights
(safetensors), a digest of them, the loss history and the provenance. Files appear whole or not at all.
"""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from . import data, models, training
from .errors import CheckpointError
from .models.spec import ModelSpec
from .paths import build_root, write_atomically
from .training import Trained, TrainingSettings, choose_device, train


@cache
def source_hash() -> str:
    """Hash of the code, docstrings aside, that decides the weights: training.py and models/ but its list of names."""
    digest = hashlib.sha256()
    decisive = {*Path(models.__file__).parent.glob("*.py"), Path(training.__file__)}
    for path in sorted(decisive - {Path(models.__file__), Path(models.study.__file__)}):
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


def write(path: Path, trained: Trained, provenance: dict[str, object]) -> None:
    """Save a trained model with its history, its digest and any further provenance."""
    weights = {name: value.contiguous() for name, value in trained.model.state_dict().items()}
    metadata = {
        "spec": json.dumps(asdict(trained.spec)),
        "history": json.dumps(trained.history),
        "provenance": json.dumps(provenance),
    }
    write_atomically(path, save(weights, metadata | {"digest": digest(weights, metadata)}))


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


_messages: multiprocessing.Queue | None = None  # in a worker: where its progress goes


def _start_worker(messages: multiprocessing.Queue) -> None:
    global _messages
    _messages = messages
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise train on, unseen."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train_and_write(spec: ModelSpec, settings: TrainingSettings, sample: bool, device: str) -> None:
    assert _messages is not None
    images, labels = data.load("train", sample=sample)
    started = time.perf_counter()
    trained = train(spec, settings, images, labels, device=device, progress=_messages.put)
    provenance = {
        "settings": asdict(settings),
        "data": data.data_hash(sample),
        "source": source_hash(),
        "device": str(choose_device(device)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write(path_of(spec, settings, data.data_hash(sample)), trained, provenance)


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
    processors (LATENT_GEOMETRY_JOBS overrides; one on a GPU): on a CPU that is faster than one model on all threads,
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
        on_gpu = choose_device(device).type == "cuda"
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        jobs = _positive("LATENT_GEOMETRY_JOBS") or (1 if on_gpu else processors)
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
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, context, _start_worker, (messages,))
    try:
        running = {executor.submit(_train_and_write, spec, settings, sample, device) for spec in specs}
        while running:
            done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            _relay(messages, progress)
            for future in done:
                future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a training process was killed while training one of {', '.join(spec.name for spec in specs)}, most often "
            "for want of memory. Set LATENT_GEOMETRY_JOBS=1 and run again: what was finished is kept"
        ) from error
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
            worker.join()
        _relay(messages, progress)
        raise
    executor.shutdown()
    _relay(messages, progress)


def _relay(messages: multiprocessing.Queue, progress: Callable[[str], None]) -> None:
    while True:
        try:
            progress(messages.get(timeout=0.05))
        except queue.Empty:
            return


def _positive(variable: str) -> int | None:
    """The environment variable as a positive integer, None if it is not set."""
    text = os.environ.get(variable)
    if text and not (text.isdecimal() and int(text) > 0):
        raise ValueError(f"{variable} must be a positive integer, got {text!r}")
    return int(text) if text else None
