"""Many models, several seeds: the work behind the claims, on this machine or on a cluster.

An item is a model, a seed and a number of training images. It is trained, which leaves a checkpoint, and measured,
which leaves a record; both are kept under keys of all that decides them, so that an interrupted sweep continues and a
second one has nothing to do. Of a fresh seed (--fresh) the model is kept after each of its last epochs, because two of
its numbers are means over them. Locally every processor works on one item, on one thread. With SCHEDULER=tcp://host:port
the same items go to a Dask scheduler: whatever a worker needs but MNIST travels to it by value, and so do its results,
so no disk is shared. The work of a worker that is lost is done again by another.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from .records.items import Item, fresh_items, items, whole
from .records.measurement import measure_model
from .records.schema import SCHEMA, Provenance, Record
from .trained_models import available, train_or_load
from .training import Epoch, Trained, TrainingSettings, train
from .workers import job_count, say, side_by_side

LATE = 5  # last epochs of a fresh seed's training after which its model is mapped
Checkpoints = Mapping[int, bytes]  # of a training, by the epochs after which they were taken


@dataclass(frozen=True)
class Work:
    """An item with all that a worker needs: the judge's checkpoint, the item's own if they are there, and the versions
    and sources that the worker must have."""

    item: Item
    profile: Profile
    judge: bytes
    checkpoints: Checkpoints | None
    fingerprint: dict[str, str]


def settings(profile: Profile, item: Item) -> TrainingSettings:
    """The profile's settings, with as many epochs as make the same number of optimisation steps as on all images."""
    steps = profile.epochs * (whole(profile) // profile.batch_size)
    batch = item.batch or min(profile.batch_size, item.images)
    return TrainingSettings(epochs=round(steps / (item.images // batch)), batch_size=batch, seed=item.seed)


def training_set(profile: Profile, item: Item) -> tuple[Tensor, Tensor]:
    """Images (n, 784) and labels (n,) of an item: all, or some that its seed draws."""
    images, labels = data.load("train", sample=profile.sample)
    if item.images == whole(profile):
        return images, labels
    drawn = torch.randperm(len(images), generator=torch.Generator().manual_seed(item.seed))[: item.images]
    return images[drawn], labels[drawn]


def kept_epochs(profile: Profile, item: Item) -> list[int]:
    """The epochs after which an item's model is kept: the last one, and of a fresh seed the last LATE ones.

    Where fewer images make shorter epochs, these are as many steps apart as epochs of all images are.
    """
    last = settings(profile, item).epochs
    apart = max(1, round(last / profile.epochs))
    return [epoch for i in reversed(range(LATE if item.fresh else 1)) if (epoch := last - i * apart) > 0]


def checkpoint_path(profile: Profile, item: Item, epoch: int | None = None) -> Path:
    """Of an item's model after all its epochs, or after `epoch` ones: with one seed a longer training begins as a
    shorter one does."""
    chosen = settings(profile, item)
    shorter = chosen if epoch is None else replace(chosen, epochs=epoch)
    return checkpoints.path_of(item.spec, shorter, data_of(profile, item))


def data_of(profile: Profile, item: Item) -> str:
    """The name of an item's training set in the key of its checkpoint."""
    return data.data_hash(profile.sample) + ("" if item.images == whole(profile) else f"-{item.images}")


def record_path(profile: Profile, item: Item) -> Path:
    return reading.folder(profile.results, item) / f"{item.name(profile)}.json"


def judge_settings(profile: Profile) -> TrainingSettings:
    """One classifier, of seed 0, judges all."""
    return TrainingSettings(epochs=min(CLASSIFIER_EPOCHS, profile.epochs), batch_size=profile.batch_size)


def record_key(profile: Profile, item: Item) -> str:
    """Sixteen hexadecimal digits that change whenever the numbers of a record might."""
    judge = checkpoints.key(CLASSIFIER, judge_settings(profile), data.data_hash(profile.sample))
    sizes = [profile.grid, profile.gan_samples, profile.points]
    sizes += [profile.disjoint_pairs, *kept_epochs(profile, item)] if item.fresh else []
    decisive = [checkpoint_path(profile, item).stem, judge, sizes, reading.recipes(item)]
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


def train_item(task: Work, progress: Callable[[str], None]) -> Checkpoints:
    """The item's checkpoints: those that came with it, or new ones."""
    if task.checkpoints is not None:
        return task.checkpoints
    item, chosen = task.item, settings(task.profile, task.item)
    name, kept = item.name(task.profile), kept_epochs(task.profile, item)
    started = time.perf_counter()
    images, labels = training_set(task.profile, item)
    history: dict[str, list[float]] = {}
    found: dict[int, bytes] = {}

    def tell(epoch: Epoch) -> None:
        if epoch.milestone:
            progress(f"{name:<34} {epoch}")

    def encoded(trained: Trained, epoch: int) -> bytes:
        return checkpoints.encode(trained, replace(chosen, epochs=epoch), data_of(task.profile, item), {
            "device": "cpu",
            "threads": 1,
            "torch": torch.__version__,
            "seconds": round(time.perf_counter() - started, 1),
        })

    def watch(epoch: Epoch, model: Any) -> None:
        for loss, value in epoch.losses.items():
            history.setdefault(loss, []).append(value)
        if epoch.number in kept[:-1]:
            found[epoch.number] = encoded(Trained(item.spec, copy.deepcopy(model).eval(), history), epoch.number)

    trained = train(item.spec, chosen, images, labels, device="cpu", progress=tell, watch=watch)
    return found | {chosen.epochs: encoded(trained, chosen.epochs)}


def measure_item(task: Work, taken: Checkpoints) -> bytes:
    """The record of an item with these checkpoints."""
    profile, item, started = task.profile, task.item, time.perf_counter()
    images, _ = training_set(profile, item)
    models = [
        checkpoints.decode(taken[epoch], item.spec, replace(settings(profile, item), epochs=epoch),
                           data_of(profile, item), f"{item.name(profile)} after epoch {epoch}")
        for epoch in kept_epochs(profile, item)
    ]  # fmt: skip
    decided = (CLASSIFIER, judge_settings(profile), data.data_hash(profile.sample))
    judge = checkpoints.decode(task.judge, *decided, CLASSIFIER.name)
    *before, trained = models
    numbers = measure_model(
        trained, judge.model, profile, images, seed=item.seed, everything=item.whole(profile),
        before=[m.model for m in before] if item.fresh else None,
    )  # fmt: skip
    provenance = Provenance(
        profile=profile.name,
        weights=checkpoints.digest(trained.model.state_dict())[:16],
        seconds=round(time.perf_counter() - started, 1),
        versions=versions(),
        origin=None,
    )
    return reading.to_json(Record(SCHEMA, item, record_key(profile, item), reading.recipes(item), provenance, numbers))


def known_checkpoints(profile: Profile, item: Item, progress: Callable[[str], None]) -> Checkpoints | None:
    """An item's checkpoints, if all are there."""
    if not available(item.spec, settings(profile, item), data_of(profile, item), progress):
        return None
    paths = {epoch: checkpoint_path(profile, item, epoch) for epoch in kept_epochs(profile, item)}
    return {epoch: p.read_bytes() for epoch, p in paths.items()} if all(p.exists() for p in paths.values()) else None


def _keep(profile: Profile, item: Item, taken: Checkpoints) -> None:
    for epoch, content in taken.items():
        write_atomically(checkpoint_path(profile, item, epoch), content)


def _work_and_write(task: Work) -> None:
    """Local: each result is kept as soon as it is there."""
    taken = known_checkpoints(task.profile, task.item, say)
    if taken is None:
        taken = train_item(task, say)
        _keep(task.profile, task.item, taken)
    write_atomically(record_path(task.profile, task.item), measure_item(task, taken))
    say(f"done: {task.item.name(task.profile)}")


def work(task: Work) -> tuple[Checkpoints, bytes]:
    """On a Dask worker: checkpoints and record of an item. Nothing is written there. Raises SweepError if the worker's
    versions or code are others, or if it has more than one thread."""
    worker = cluster.this_worker()
    check(task.fingerprint, fingerprint(), f"the worker {worker.address}")
    torch.set_num_threads(1)
    taken = train_item(task, lambda line: cluster.tell(worker, line))
    return taken, measure_item(task, taken)


# ------------------------------------------------------------------------------------------------ the sweep


def run(
    profile: Profile,
    wanted: Sequence[Item],
    *,
    scheduler: str | None = None,
    limit: int | None = None,
    progress: Callable[[str], None] = print,
) -> None:
    """See to it that every item has its record: on this machine, or on the workers of the scheduler at `scheduler`. At
    most `limit` records are made.

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
    after, missing = len(missing[limit:]) if limit is not None else 0, missing[:limit]
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
    left, started = len(missing) + after, time.perf_counter()

    def tell(line: str) -> None:
        nonlocal left
        if line.startswith("done: "):
            left -= 1
            minutes = (time.perf_counter() - started) / 60
            line = f"{line.removeprefix('done: '):<34} {len(wanted) - left} of {len(wanted)} done ({minutes:.1f} min)"
        progress(line)

    def task(item: Item) -> Work:
        own = known_checkpoints(profile, item, progress) if client else None  # a local worker reads the files itself
        return Work(item, profile, judge, own, fingerprint())

    if client is None:
        what = "working on a model of the sweep"
        side_by_side(_work_and_write, [(task(i),) for i in missing], min(job_count(), len(missing)), what, tell)
    else:
        tasks = {item.name(profile): task(item) for item in missing}
        with client:
            for done, (taken, record) in cluster.on_workers(client, str(scheduler), work, tasks, tell):
                _keep(profile, done.item, taken)
                write_atomically(record_path(profile, done.item), record)
                tell(f"done: {done.item.name(profile)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.sweep", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--profile", choices=PROFILES, default="paper")
    parser.add_argument("--fresh", action="store_true", help="the fresh seeds, one after the other, in place of 0 to 4")
    parser.add_argument("--limit", type=int, help="how many records are made, at most; 0 makes none and judges again")
    chosen, scheduler = parser.parse_args(arguments), os.environ.get("SCHEDULER") or None
    if chosen.limit is not None and chosen.limit < 0:
        parser.error(f"--limit must be 0 or more, got {chosen.limit}")
    profile = get_profile(chosen.profile)
    wanted = fresh_items(profile) if chosen.fresh else items(profile)

    def judge() -> None:
        verdicts.write(verdicts.evaluate(reading.load_all(profile.results)), profile.results / "claims.json")
        print(f"the verdicts are in {profile.results / 'claims.json'}; the summary's notebook shows them")

    def work() -> None:
        try:
            run(profile, wanted, scheduler=scheduler, limit=chosen.limit, progress=lambda line: print(line, flush=True))
        except KeyboardInterrupt:  # what was finished counts
            judge()
            raise
        judge()

    return status(work)


if __name__ == "__main__":
    from pullback.study.sweep import main as _main  # by its name, so that its classes unpickle elsewhere

    sys.exit(_main())
