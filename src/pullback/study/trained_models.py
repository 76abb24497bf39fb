"""The study's models: loaded where a checkpoint is, trained side by side where there is none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

import torch

from . import data
from .checkpoints import encode, path_of, read
from .former import carry_over
from .models.spec import ModelSpec
from .parameters import choose_device
from .paths import build_root, remove_abandoned, write_atomically
from .progress import Progress
from .training import Trained, TrainingSettings, train
from .workers import job_count, say, side_by_side


def available(
    spec: ModelSpec, settings: TrainingSettings, data_hash: str, progress: Callable[[str], object] = print
) -> bool:
    """Whether the model's checkpoint is there; one of the first format, if there is one, is first carried over.

    Raises CheckpointError as `carry_over` does.
    """
    path = path_of(spec, settings, data_hash)
    if os.path.lexists(path):  # a broken link too: whatever is in the way is not replaced
        return True
    content = carry_over(spec, settings, data_hash, progress)
    if content is not None:
        write_atomically(path, content)
    return content is not None


def train_or_load(
    specs: Iterable[ModelSpec],
    settings: TrainingSettings,
    *,
    sample: bool,
    device: str = "auto",
    progress: Callable[[str], object] = print,
    name: str = "mnist",
) -> dict[str, Trained]:
    """The models of `specs` by name, trained on the data set `name` (`sample`: on the committed part of MNIST) where no
    checkpoint is.

    Missing models are trained side by side, one process and one thread each, as many at a time as there are
    processors (PULLBACK_JOBS overrides; one on a GPU): on a CPU that is faster than one model on all threads,
    and the weights do not depend on how many run. Each is saved when it is finished, so an interrupted call
    continues there. `progress` takes lines: what is missing, how far the trainings are, and after an interrupt or an
    error what was kept. A script that calls this needs the usual `if __name__ == "__main__":` guard.

    Raises DivergenceError or DataError as the training does, and CheckpointError for a file that cannot be trusted.
    """
    specs, data_hash = tuple(specs), data.data_hash(sample, name)
    remove_abandoned(build_root() / "checkpoints")
    missing = [spec for spec in specs if not available(spec, settings, data_hash, progress)]
    if loaded := len(specs) - len(missing):
        progress(f"{loaded} of {len(specs)} models loaded; training skipped")
    if missing:
        _train_side_by_side(missing, settings, sample, device, progress, name)
    return {spec.name: read(spec, settings, data_hash) for spec in specs}


def _train_side_by_side(
    specs: list[ModelSpec],
    settings: TrainingSettings,
    sample: bool,
    device: str,
    progress: Callable[[str], object],
    name: str,
) -> None:
    jobs = min(job_count(1 if choose_device(device).type == "cuda" else None), len(specs))
    progress(
        f"{len(specs)} models have no checkpoint: each is trained for {settings.epochs} epochs, {jobs} at a time, and "
        "kept when it is finished"
    )
    if not sample:
        progress('for a first look, the profile "smoke" trains small versions in minutes: profile = "smoke" in a '
                 "notebook, PROFILE=smoke with make")
        data.ensure(name=name)  # once, before every process would
    what = f"training one of {', '.join(spec.name for spec in specs)}"
    told = Progress(specs, settings.epochs, progress)
    try:
        side_by_side(_train_and_write, [(spec, settings, sample, device, name) for spec in specs], jobs, what, told)
    except BaseException:
        kept = f", {', '.join(told.finished)} kept" if told.finished else ""
        progress(f"stopped: {len(told.finished)} of {len(specs)} models trained{kept}; run it again to go on")
        raise


def _train_and_write(spec: ModelSpec, settings: TrainingSettings, sample: bool, device: str, name: str) -> None:
    images, labels = data.load("train", sample=sample, name=name)
    started = time.perf_counter()
    trained = train(spec, settings, images, labels, device=device, progress=lambda epoch: say((spec.name, epoch)))
    content = encode(trained, settings, data.data_hash(sample, name), {
        "device": str(choose_device(device)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started, 1),
    })
    write_atomically(path_of(spec, settings, data.data_hash(sample, name)), content)
    say((spec.name, None))
