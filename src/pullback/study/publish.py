"""Writes weights/, what `published.py` reads, from the build folder; or compares the two.

    python -m pullback.study.publish            all of it: models, their points, what the solvers found on them
    python -m pullback.study.publish --models   models and points; results that still have their keys stay
    python -m pullback.study.publish compare    how far the checkpoints of the build folder are from the published ones

It trains and solves nothing that takes long. It refuses to start with code that is not committed or not pinned, and
with a model or a result that is missing. Files are written whole, the manifest last.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import lzma
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from . import checkpoints, data, figures, labels, published, recipes
from .errors import CheckpointError, DataError
from .knots import packed
from .latent_points import FIRST
from .models import STUDY, ModelSpec
from .notebook import Study
from .paths import PROJECT, write_atomically
from .solvers import runs, scores
from .training import Trained, TrainingSettings, train

TRIAL = ModelSpec("vae", (8, 4), "tanh")  # small enough that a test trains it again on every machine
TRIAL_SETTINGS = TrainingSettings(epochs=5, batch_size=250)
CURRENT = {"solving": runs.RECIPE, "bounding": runs.BOUNDING}  # recipes of what solvers found
LICENCE = {
    "models, points and comparisons": "MIT, as the code (LICENSE)",
    "mnist/": "CC BY-SA 3.0, as MNIST (src/pullback/study/mnist_sample/README.md)",
}


class PublishError(RuntimeError):
    """What is to be published is not complete, or not that of committed code."""


def trial() -> bytes:
    """The checkpoint of a small model, trained now, on the committed sample."""
    images, labels = data.load("train", sample=True)
    trained = train(TRIAL, TRIAL_SETTINGS, images, labels, device="cpu")
    return checkpoints.encode(trained, TRIAL_SETTINGS, data.data_hash(True), {"device": "cpu"})


def trial_name() -> str:
    return f"trial/{checkpoints.path_of(TRIAL, TRIAL_SETTINGS, data.data_hash(True)).name}"


def check_code() -> dict[str, str | bool]:
    """The commit of the code. Raises PublishError if it is not all committed, or a recipe's digest not pinned."""
    state = figures._git(PROJECT)
    if state is None or state["dirty"]:
        raise PublishError("the code is not committed: commit it, make the figures again, and publish then")
    if stale := recipes.stale():
        raise PublishError("\n".join(stale.values()))
    return state


def model_files(study: Study, specs: Iterable[ModelSpec]) -> tuple[dict[str, bytes], dict[str, Trained]]:
    """The checkpoints of `specs` from the build folder: contents by the names of their files, and the models by name.

    Raises PublishError, naming them, if some are missing, and CheckpointError for one that is not whole.
    """
    data_hash, files, models, missing = data.data_hash(study.profile.sample), {}, {}, []
    for spec in specs:
        path = checkpoints.path_of(spec, study.settings(spec), data_hash)
        if not path.exists():
            missing.append(path.name)
            continue
        models[spec.name] = checkpoints.read(spec, study.settings(spec), data_hash)
        files[path.name] = path.read_bytes()
    if missing:
        raise PublishError(f"no checkpoint {', '.join(missing)} in {path.parent}: `make figures` trains them")
    return files, models


def points_files(study: Study, models: Mapping[str, Trained]) -> dict[str, bytes]:
    """The latent points of the models that have them, by the names of their files. Raises DataError without MNIST."""
    images, labels = study.images("train")
    files = {}
    for trained in models.values():
        if trained.spec.family == "classifier":
            continue
        pairs = study.pairs(trained)
        found = {"box": torch.tensor(study.box(trained), dtype=torch.float64), **pairs._asdict()}
        if trained.spec.family != "gan":
            found |= {"codes": study.codes(trained, first=FIRST)[0], "labels": labels[:FIRST].to(torch.uint8)}
        tensors = {name: value.contiguous().clone() for name, value in found.items() if value is not None}
        name = published.points_name(trained, data.data_hash(study.profile.sample), study.profile.pairs, study.seed)
        files[name] = save(tensors)
    return files


def jobs_of_notebooks(study: Study, models: Mapping[str, Trained]) -> list[runs.Job]:
    """What the solvers are asked in notebooks 05 and 06."""
    profile = study.profile
    problems = {n: runs.problem(study, m, study.pairs(m)) for n, m in models.items() if m.spec.family != "classifier"}
    compared = runs.jobs_of(problems, profile.slow_pairs, profile.reference_grid)
    healthy = {name: p for name, p in problems.items() if scores.family(name) != labels.COLLAPSED_GAN}
    return [*compared.values(), *runs.jobs_between(healthy, profile.neighbours).values()]


def result_files(jobs: Iterable[runs.Job]) -> dict[str, bytes]:
    """What solvers found on models, a file each: all results of today's recipes that are in the build folder, and those
    that are published already.

    Raises PublishError if those of `jobs` are not among them, CheckpointError for one that is not whole.
    """
    jobs, arrays = list(jobs), held_results()
    held = {field.partition("/")[0] for own in arrays.values() for field in own}
    if missing := [job.path.name for job in jobs if not job.path.exists() and job.key not in held]:
        raise PublishError(
            f"{len(missing)} of {len(jobs)} results are missing, {missing[0]} first: `make figures` computes them"
        )
    names = {job.model for job in jobs}  # and not the surfaces of notebook 6, which take seconds
    for path in sorted(jobs[0].path.parent.glob("*.safetensors")):
        tensors, about = runs.load(path)
        solver = runs.LOWER if f"-{runs.in_names(runs.LOWER)}-" in path.name else ""
        if about.get("recipe") == runs.recipe_of(solver) and about["model"].split(", ")[0] in names:
            own = {f"{about['key']}/{field}": value for field, value in packed(tensors).items()}
            arrays.setdefault(published.results_name(about["model"]), {}).update(own)
    return {name: zipped(own) for name, own in arrays.items() if own}


def held_results() -> dict[str, dict[str, NDArray[Any]]]:
    """The published results of today's recipes, by the names of their files; lower bounds are those with samples."""
    recipes_then, found = published.manifest().get("recipes", {}), {}
    solving, bounding = (recipes_then.get(name) == recipe for name, recipe in CURRENT.items())
    for name, content in kept_results().items():
        with np.load(io.BytesIO(lzma.decompress(content)), allow_pickle=False) as file:
            arrays = {field: file[field] for field in file.files}
        bounds = {field.partition("/")[0] for field in arrays if field.endswith("/samples")}
        found[name] = {f: x for f, x in arrays.items() if (bounding if f.partition("/")[0] in bounds else solving)}
    return found


def zipped(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An npz file, compressed as a whole, for its arrays are small and alike; the same bytes at every call."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in sorted(arrays):
            own = io.BytesIO()
            np.lib.format.write_array(own, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: the time does not enter
            file.writestr(entry, own.getvalue())
    return lzma.compress(content.getvalue(), preset=9)


def image_files() -> dict[str, bytes]:
    """MNIST's test images and labels, as MNIST has them, compressed. Raises DataError if MNIST cannot be had."""
    data.ensure()
    raw = data.data_root() / "MNIST" / "raw"
    return {f"mnist/{name}.gz": gzip.compress((raw / name).read_bytes(), 9, mtime=0)
            for name in data.SHA256 if name.startswith("t10k")}


def kept_results() -> dict[str, bytes]:
    """The results that are published now."""
    names = [name for name in published.manifest().get("files", {}) if name.startswith("comparisons/")]
    return {name: (published.FOLDER / name).read_bytes() for name in names}


def manifest(study: Study, models: Mapping[str, Trained], files: Mapping[str, bytes], commit: object) -> dict[str, Any]:
    """What manifest.json says."""

    def about(trained: Trained) -> dict[str, Any]:
        path = checkpoints.path_of(trained.spec, study.settings(trained.spec), data.data_hash(study.profile.sample))
        return {
            "file": path.name,
            "settings": asdict(study.settings(trained.spec)),
            "weights": checkpoints.digest(trained.model.state_dict()),
            "trained": json.loads(checkpoints.header(files[path.name])["provenance"]),
        }

    return {
        "about": "The models of the committed figures and what was found on them; see src/pullback/study/published.py",
        "licence": LICENCE,
        "commit": commit,
        "machine": published.machine(),
        "recipes": {name: recipe.version for name, recipe in recipes.RECIPES.items()},
        "data": data.data_hash(study.profile.sample),
        "trial": trial_name(),
        "models": {name: about(trained) for name, trained in models.items()},
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        },
    }


def write(study: Study, specs: Iterable[ModelSpec], results: bool, commit: object) -> dict[str, bytes]:
    """Write FOLDER and return what is in it, by name. What was there and is no longer published is removed.

    Raises PublishError, CheckpointError or DataError before anything is written.
    """
    files, models = model_files(study, specs)
    files |= points_files(study, models) | image_files() | {trial_name(): trial()}
    files |= result_files(jobs_of_notebooks(study, models)) if results else kept_results()
    text = f"{json.dumps(manifest(study, models, files, commit), indent=1)}\n".encode()
    for name, content in {**files, "manifest.json": text}.items():
        write_atomically(published.FOLDER / name, content)
    wanted = {published.FOLDER / name for name in (*files, "manifest.json", "README.md")}
    for path in published.FOLDER.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()
    return files


def compare(progress: Callable[[str], object] = print) -> bool:
    """Tell, a line a model, how the checkpoints of the build folder differ from the published ones; whether those that
    this kind of machine trained are all equal, bit for bit."""
    held = published.manifest()
    same_machine, alike, found = held.get("machine") == published.machine(), True, 0
    for name, about in held.get("models", {}).items():
        path = checkpoints.path_of(STUDY[name], TrainingSettings(), "").with_name(about["file"])
        if not path.exists():
            continue
        found += 1
        own, metadata = checkpoints.parts(path.read_bytes(), str(path), checkpoints.remedy_for(STUDY[name]))
        theirs, _ = checkpoints.parts((published.FOLDER / about["file"]).read_bytes(), about["file"], published.REMEDY)
        here = same_machine and json.loads(metadata["provenance"]).get("device") == about["trained"].get("device")
        line = difference(own, theirs)
        alike &= line is None or not here
        progress(f"{name:<26} {line or 'equal, bit for bit'}")
    progress(f"{found} of {len(held.get('models', {}))} published models are in the build folder"
             + ("" if same_machine else f"; they were trained on another kind of machine, {held.get('machine')}"))
    return alike


def difference(own: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> str | None:
    """The largest difference of two models' weights, relative to the largest weight of the same tensor; None if every
    bit is the same."""
    if checkpoints.digest(own) == checkpoints.digest(theirs):
        return None
    found = {name: ((own[name] - value).abs().max() / value.abs().max()).item()
             for name, value in theirs.items() if value.is_floating_point()}
    worst = max(found, key=lambda name: found[name])
    return f"differs by up to {found[worst]:.1e} of the largest weight, in {worst}"


def main(arguments: list[str] | None = None) -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m pullback.study.publish", description=about)
    parser.add_argument("action", nargs="?", choices=("write", "compare"), default="write")
    parser.add_argument("--models", action="store_true", help="leave the solvers' results as they are published")
    options = parser.parse_args(arguments)
    try:
        if options.action == "compare":
            return 0 if compare() else 1
        os.environ[published.SWITCH] = "train"
        torch.set_num_threads(1)
        commit = check_code()["commit"]
        files = write(Study("publish", device="cpu"), STUDY.values(), not options.models, commit)
        print(f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB, in {published.FOLDER}")
    except (PublishError, CheckpointError, DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
