"""Many models, several seeds: the work behind the claims, on this machine or on a cluster.

An item is a model, a seed and a number of training images. It is trained, which leaves a checkpoint, and measured,
which leaves a record; both are kept under keys of all that decides them, so that an interrupted sweep continues and a
second one has nothing to do. Locally every processor works on one item, on one thread. With SCHEDULER=tcp://host:port
the same items go to a Dask scheduler: whatever a worker needs but MNIST travels to it by value, and so do its results,
so no disk is shared. The work of a worker that is lost is done again by another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from . import checkpoints, cluster, data, recipes
from .claims import verdicts
from .errors import RecordError, SweepError, status
from .models.catalogue import CLASSIFIER
from .notebook import CLASSIFIER_EPOCHS
from .paths import make_folder, write_atomically
from .profiles import PROFILES, Profile, get_profile
from .provenance import versions
from .records import reading
from .records.items import Item, items, whole
from .records.measurement import measure_model
from .records.schema import SCHEMA, Provenance, Record
from .trained_models import available, train_or_load
from .training import Epoch, TrainingSettings, train
from .workers import job_count, say, side_by_side


@dataclass(frozen=True)
class Work:
    """An item with all that a worker needs: the judge's checkpoint, the item's own if there is one, and the versions
    and sources that the worker must have."""

    item: Item
    profile: Profile
    judge: bytes
    checkpoint: bytes | None
    fingerprint: dict[str, str]


def settings(profile: Profile, item: Item) -> TrainingSettings:
    """The profile's settings, with as many epochs as make the same number of optimisation steps as on all images."""
    steps = profile.epochs * (whole(profile) // profile.batch_size)
    batch = min(profile.batch_size, item.images)
    return TrainingSettings(epochs=round(steps / (item.images // batch)), batch_size=batch, seed=item.seed)


def training_set(profile: Profile, item: Item) -> tuple[Tensor, Tensor]:
    """Images (n, 784) and labels (n,) of an item: all, or some that its seed draws."""
    images, labels = data.load("train", sample=profile.sample)
    if item.whole(profile):
        return images, labels
    drawn = torch.randperm(len(images), generator=torch.Generator().manual_seed(item.seed))[: item.images]
    return images[drawn], labels[drawn]


def checkpoint_path(profile: Profile, item: Item) -> Path:
    return checkpoints.path_of(item.spec, settings(profile, item), data_of(profile, item))


def data_of(profile: Profile, item: Item) -> str:
    """The name of an item's training set in the key of its checkpoint."""
    return data.data_hash(profile.sample) + ("" if item.whole(profile) else f"-{item.images}")


def record_path(profile: Profile, item: Item) -> Path:
    return profile.results / "records" / f"{item.name(profile)}.json"


def judge_settings(profile: Profile) -> TrainingSettings:
    """One classifier, of seed 0, judges all."""
    return TrainingSettings(epochs=min(CLASSIFIER_EPOCHS, profile.epochs), batch_size=profile.batch_size)


def record_key(profile: Profile, item: Item) -> str:
    """Sixteen hexadecimal digits that change whenever the numbers of a record might."""
    judge = checkpoints.key(CLASSIFIER, judge_settings(profile), data.data_hash(profile.sample))
    sizes = [profile.grid, profile.gan_samples, profile.points]
    decisive = [checkpoint_path(profile, item).stem, judge, sizes, reading.recipes()]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def state(profile: Profile, item: Item) -> str:
    """Of an item's record: "done", "missing", or why it does not count."""
    try:
        record = reading.read(record_path(profile, item))
    except FileNotFoundError:
        return "missing"
    except RecordError as error:
        return str(error)
    return "done" if record.key == record_key(profile, item) else "made with other settings"


# ------------------------------------------------------------------------------------------------ the work


def fingerprint() -> dict[str, str]:
    """What must be the same wherever an item is worked on: versions, and the code that trains and measures."""
    return versions() | {f"{name} code": recipes.digest(recipe) for name, recipe in recipes.RECIPES.items()}


def check(expected: dict[str, str], found: dict[str, str], where: str) -> None:
    """Raise SweepError with the differences, if there are any."""
    different = [f"{name} {found.get(name)}, not {wanted}" for name, wanted in expected.items()
                 if found.get(name) != wanted]
    if different:
        raise SweepError(
            f"{where} has {'; '.join(different)}. Install the same requirements.lock and the same checkout there: "
            "results of different versions are not mixed"
        )


def train_item(task: Work, progress: Callable[[str], None]) -> bytes:
    """The item's checkpoint: that which came with it, or a new one."""
    if task.checkpoint is not None:
        return task.checkpoint
    item, chosen = task.item, settings(task.profile, task.item)
    name = item.name(task.profile)
    started = time.perf_counter()
    images, labels = training_set(task.profile, item)

    def tell(epoch: Epoch) -> None:
        if epoch.milestone:
            progress(f"{name:<34} {epoch}")

    trained = train(item.spec, chosen, images, labels, device="cpu", progress=tell)
    return checkpoints.encode(trained, chosen, data_of(task.profile, item), {
        "device": "cpu",
        "threads": 1,
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started, 1),
    })


def measure_item(task: Work, checkpoint: bytes) -> bytes:
    """The record of an item with this checkpoint."""
    profile, item, started = task.profile, task.item, time.perf_counter()
    decided = (item.spec, settings(profile, item), data_of(profile, item))
    trained = checkpoints.decode(checkpoint, *decided, item.name(profile))
    decided = (CLASSIFIER, judge_settings(profile), data.data_hash(profile.sample))
    judge = checkpoints.decode(task.judge, *decided, CLASSIFIER.name)
    images, _ = training_set(profile, item)
    numbers = measure_model(trained, judge.model, profile, images, seed=item.seed, everything=item.whole(profile))
    provenance = Provenance(
        profile=profile.name,
        weights=checkpoints.digest(trained.model.state_dict())[:16],
        seconds=round(time.perf_counter() - started, 1),
        versions=versions(),
        origin=None,
    )
    return reading.to_json(Record(SCHEMA, item, record_key(profile, item), reading.recipes(), provenance, numbers))


def _work_and_write(task: Work) -> None:
    """Local: each result is kept as soon as it is there."""
    path = checkpoint_path(task.profile, task.item)
    if not available(task.item.spec, settings(task.profile, task.item), data_of(task.profile, task.item), say):
        write_atomically(path, train_item(task, say))
    checkpoint = path.read_bytes()
    write_atomically(record_path(task.profile, task.item), measure_item(task, checkpoint))
    say(f"done: {task.item.name(task.profile)}")


def work(task: Work) -> tuple[bytes, bytes]:
    """On a Dask worker: checkpoint and record of an item. Nothing is written there. Raises SweepError if the worker's
    versions or code are others, or if it has more than one thread."""
    worker = cluster.this_worker()
    check(task.fingerprint, fingerprint(), f"the worker {worker.address}")
    torch.set_num_threads(1)
    checkpoint = train_item(task, lambda line: cluster.tell(worker, line))
    return checkpoint, measure_item(task, checkpoint)


# ------------------------------------------------------------------------------------------------ the sweep


def run(
    profile: Profile,
    wanted: Sequence[Item],
    *,
    scheduler: str | None = None,
    progress: Callable[[str], None] = print,
) -> None:
    """See to it that every item has its record: on this machine, or on the workers of the scheduler at `scheduler`.

    Raises SweepError for a scheduler that does not answer, a worker that does not fit, or work that keeps killing its
    workers; DataError and DivergenceError as the training does; OSError for folders that cannot be written. What was
    finished is kept.
    """
    states = {item: state(profile, item) for item in wanted}
    for item, found in states.items():
        if found not in ("done", "missing"):
            progress(f"{item.name(profile)} is made again: {found}")
    missing = [item for item, found in states.items() if found != "done"]
    progress(f"{len(wanted) - len(missing)} of {len(wanted)} records are there")
    if not missing:
        return
    for path in (record_path(profile, missing[0]), checkpoint_path(profile, missing[0])):  # before anything is trained
        make_folder(path.parent)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    client = cluster.connect(scheduler) if scheduler else None
    data_hash = data.data_hash(profile.sample)
    train_or_load([CLASSIFIER], judge_settings(profile), sample=profile.sample, progress=progress)
    judge = checkpoints.path_of(CLASSIFIER, judge_settings(profile), data_hash).read_bytes()
    left, started = len(missing), time.perf_counter()

    def tell(line: str) -> None:
        nonlocal left
        if line.startswith("done: "):
            left -= 1
            minutes = (time.perf_counter() - started) / 60
            line = f"{line.removeprefix('done: '):<34} {len(wanted) - left} of {len(wanted)} done ({minutes:.1f} min)"
        progress(line)

    def task(item: Item) -> Work:
        path = checkpoint_path(profile, item)
        known = client and available(item.spec, settings(profile, item), data_of(profile, item), progress)
        own = path.read_bytes() if known else None  # a local worker reads the file itself
        return Work(item, profile, judge, own, fingerprint())

    if client is None:
        what = "working on a model of the sweep"
        side_by_side(_work_and_write, [(task(i),) for i in missing], min(job_count(), len(missing)), what, tell)
    else:
        tasks = {item.name(profile): task(item) for item in missing}
        with client:
            for done, (checkpoint, record) in cluster.on_workers(client, str(scheduler), work, tasks, tell):
                write_atomically(checkpoint_path(profile, done.item), checkpoint)
                write_atomically(record_path(profile, done.item), record)
                tell(f"done: {done.item.name(profile)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.sweep", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--profile", choices=PROFILES, default="paper")
    chosen, scheduler = parser.parse_args(arguments), os.environ.get("SCHEDULER") or None
    profile = get_profile(chosen.profile)

    def work() -> None:
        run(profile, items(profile), scheduler=scheduler, progress=lambda line: print(line, flush=True))
        results = verdicts.evaluate(reading.load(profile.results / "records"))
        verdicts.write(results, profile.results / "claims.json")
        print(f"the verdicts are in {profile.results / 'claims.json'}; notebook 08 shows them")

    return status(work)


if __name__ == "__main__":
    from pullback.study.sweep import main as _main  # by its name, so that its classes unpickle elsewhere

    sys.exit(_main())
