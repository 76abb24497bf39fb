"""Judge every system on MNIST: `python -m pullback.study.away [--seeds N]`.

Each seed leaves one sealed record in results/away, keyed by all that decides it. Its five models are trained side by
side. Seeds are then measured side by side, one process and one thread each; PULLBACK_JOBS says how many. Trained models
are kept in the build folder, and what is measured of an unfinished seed is kept there after every system, so that an
interrupted run continues. Then every model, and the flat VAE with each weight, leaves its record of `held_out`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...geodesics.curves import segment
from ...geometry import draws_energy
from .. import checkpoints, data, published
from ..errors import status
from ..latent_points import FIRST
from ..models import Classifier, ModelSpec
from ..models.catalogue import CLASSIFIER, ENSEMBLE
from ..notebook import Study
from ..paths import build_root
from ..profiles import PROFILES, Profile, get_profile
from ..provenance import read_sealed, versions, write_sealed
from ..records.interpolation import CHAIN, Sparsity
from ..records.quantities import percentile_box
from ..rings.judgement import even
from ..workers import job_count, say, side_by_side
from . import MNIST, held_out
from .between import sparse
from .draws import shortest_chains, total
from .judging import by_groups, clusters, enlarged, judge, mixed, paths, plain, with_images
from .knobs import turned
from .systems import PLAIN, REMEDIES, System, systems, what_is_seen

SEEDS = 5


class Size(NamedTuple):
    """How much is made of a record: pairs of test images; steps a side of the grid of the paths, and of that of the
    distances between many; images a digit whose clusters are sought; labelled images a digit, in pairs; and steps of
    the chains of independent draws."""

    pairs: int = 30
    grid: int = 96
    coarse: int = 64
    cluster: int = 20
    few: int = 6
    steps: tuple[int, ...] = (8, 16, 32)


SIZES = {"paper": Size(), "smoke": Size(pairs=3, grid=32, coarse=32, cluster=3, few=2, steps=(4, 8))}


# ------------------------------------------------------------------------------------------------ one record


def record_path(profile: Profile) -> Path:
    return profile.results / "away" / f"mnist-seed{profile.seed}.json"


def key(profile: Profile) -> str:
    """Sixteen hexadecimal digits of what decides the record of a profile's seed."""
    found = data.data_hash(profile.sample)
    models = [checkpoints.key(spec, held_out.settings(profile), found) for spec in REMEDIES]
    return hashlib.sha256(json.dumps([MNIST, models, SIZES[profile.name]]).encode()).hexdigest()[:16]


def read(profile: Profile) -> dict[str, Any] | None:
    """The record of a profile's seed; None if there is none, or it was edited or made with other settings."""
    return read_sealed(record_path(profile), key(profile))


def work(profile: Profile, progress: Callable[[str], object]) -> dict[str, Any]:
    """The record of a profile's seed, whose models are trained where no checkpoint is."""
    study, size = Study("", profile.name, profile.seed, "cpu"), SIZES[profile.name]
    path = build_root() / "away" / f"{profile.name}-{record_path(profile).name}"
    record = read_sealed(path, key(profile)) or {
        "profile": profile.name, "seed": profile.seed, "key": key(profile), "recipe": MNIST, "systems": {},
    }  # fmt: skip
    models = {name: trained.model for name, trained in study.models(REMEDIES, _silent).items()}
    (images, labels), (training, digits) = study.images("test"), study.images("train")
    judged = judge(images, labels, _classifier(profile))
    grouped, few = (alike(own, count, profile.seed) for own, count in ((labels, size.cluster), (digits, size.few)))
    found = systems(study, _silent)
    with_uses = {name for name, system in found.items() if system.encode is not None}
    found |= turned(models[PLAIN.name], models[ENSEMBLE.name], training[:FIRST], what_is_seen(study))
    for count, (name, system) in enumerate(found.items(), 1):
        if name in record["systems"]:
            continue
        began = time.perf_counter()
        told = paths(system, ends_of(system, images, size.pairs), other_codes(system, images), judged, size.grid)
        if name in with_uses:
            told["F"] = clusters(system, images[grouped], labels[grouped], size.coarse)
            told["accuracy"] = enlarged(system, training[few], digits[few], judged, size.grid)
        record["systems"][name] = plain(told)
        write_sealed(path, record)
        progress(f"seed {profile.seed}: {count} of {len(found)} systems, {name} ({time.perf_counter() - began:.0f} s)")
    without = {
        "F, pixels": by_groups(torch.cdist(images[grouped], images[grouped]), labels[grouped]),
        "accuracy, few alone": with_images(training[few], digits[few], training[few][::2, None], judged),
        "accuracy, mixed pixels": with_images(training[few], digits[few], mixed(training[few]), judged),
    }
    ensemble = found["ensemble"]
    told = {
        "seconds": {spec.name: _training_time(study, spec) for spec in REMEDIES},
        "draws": draws(models[ENSEMBLE.name].members, ensemble, images, size, record["systems"]["ensemble"]["length"]),
        "without a metric": without,
        "weights": {name: checkpoints.digest(model.state_dict())[:16] for name, model in models.items()},
    }
    return record | plain(told) | {"versions": versions() | {"gpytorch": version("gpytorch")}}


def ends_of(system: System, images: Tensor, pairs: int) -> Tensor:
    """The codes (pairs, 2, k) of pairs of test images (n, 784), the same for all systems and seeds; or, of a system
    that encodes no image, of its own."""
    if system.encode is None:
        return system.codes[: 2 * pairs].reshape(pairs, 2, -1)
    drawn = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: 2 * pairs]
    return system.encode(images[drawn]).reshape(pairs, 2, -1)


def other_codes(system: System, images: Tensor) -> Tensor:
    """The codes (m, k) of test images, among which data are dense or sparse; or, of a system that encodes no image, its
    own."""
    return system.codes if system.encode is None else system.encode(images)


def alike(labels: Tensor, count: int, seed: int) -> Tensor:
    """Indices of `count` images of each digit, drawn by the seed, digit by digit."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[labels[order] == digit][:count] for digit in range(10)])


def draws(
    members: Sequence[nn.Module], ensemble: System, images: Tensor, size: Size, lengths: Sequence[float]
) -> dict[str, Any]:
    """Of chains with so many steps, by that number: the root of the least energy of independent draws found; its part
    that is the mean's; and the share of the chain at sparse places. `line` is the same of straight lines."""
    ends, codes = ends_of(ensemble, images, size.pairs), other_codes(ensemble, images)
    sparsity = Sparsity(codes, percentile_box(codes))
    told: dict[str, Any] = {}
    for steps in size.steps:
        lines = segment(ends[:, 0], ends[:, 1], steps)
        chains = shortest_chains(members, lines)
        told[str(steps)] = {
            "length": total(members, chains).sqrt(), "mean's part": draws_energy(members, chains).kinetic.sqrt(),
            "sparse": sparse(even(chains, CHAIN), sparsity)[0], "line": total(members, lines).sqrt(),
        }  # fmt: skip
    return told


def _classifier(profile: Profile) -> Classifier:
    """One judge for all seeds."""
    return Study("", profile.name, 0, "cpu").models([CLASSIFIER], _silent)[CLASSIFIER.name].model  # type: ignore[return-value]


def _training_time(study: Study, spec: ModelSpec) -> float:
    """Seconds that the training took, on a machine at work."""
    path = checkpoints.path_of(spec, study.settings(spec), data.data_hash(study.profile.sample))
    path = path if path.exists() else published.FOLDER / path.name
    return json.loads(checkpoints.parts(path.read_bytes(), str(path), "")[1]["provenance"])["seconds"]


def _silent(line: str) -> None:
    pass


def _work_and_write(profile: Profile) -> None:
    write_sealed(record_path(profile), work(profile, say))
    say(f"seed {profile.seed}: its record is there")


# ------------------------------------------------------------------------------------------------ all of them


def run(profiles: Sequence[Profile], progress: Callable[[str], None] = print) -> None:
    """See to it that every profile's seed has its record; as many at a time as there are processors."""
    missing = [profile for profile in profiles if read(profile) is None]
    progress(f"{len(profiles) - len(missing)} of {len(profiles)} records are there")
    jobs = job_count()
    for first in range(0, len(missing), jobs):
        some = missing[first : first + jobs]
        for profile in some:
            progress(f"seed {profile.seed}: the models")
            study = Study("", profile.name, profile.seed, "cpu")
            study.models(REMEDIES, progress)
            _classifier(profile)
        side_by_side(_work_and_write, [(profile,) for profile in some], len(some), "judging metrics", progress)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.away", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--profile", choices=PROFILES, default="paper")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, from seed 0 on")
    chosen = parser.parse_args(arguments)
    profiles = [get_profile(chosen.profile, seed) for seed in range(chosen.seeds)]

    def tell(line: str) -> None:
        print(line, flush=True)

    def every() -> None:
        run(profiles, tell)
        for specs in (REMEDIES, held_out.SPECS):  # first what is trained already
            for profile in profiles:
                held_out.run(profile, specs, tell)

    return status(every)
