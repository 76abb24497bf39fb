"""What the models lose on images that they have not seen, and how flat they are.

The plain VAE, the Gaussian VAE, the ensemble, the isometric VAE, and the flat VAE with each weight. Each model and seed
leaves one sealed record in results/away and its checkpoint in the build folder, so that an interrupted run continues.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...geometry import jacobian, log_cond, log_det, singular_values
from .. import checkpoints, data
from ..models import ModelSpec, get_spec
from ..models.catalogue import ENSEMBLE, FLAT, FLAT_WEIGHTS, GAUSSIAN, ISOMETRIC
from ..models.flat import flatness, isometry, mixed_up
from ..profiles import Profile
from ..provenance import read_sealed, versions, write_sealed
from ..trained_models import train_or_load
from ..training import TrainingSettings
from . import HELD_OUT

DRAWS = 20  # of the Gaussian VAE's closer bound
SPECS = (get_spec("vae-128-32-tanh"), GAUSSIAN, ENSEMBLE, ISOMETRIC,
         *(replace(FLAT, weight=weight) for weight in FLAT_WEIGHTS))  # fmt: skip


@torch.no_grad()
def measure(model: Any, images: Tensor, seed: int) -> dict[str, float]:
    """Numbers of a model on test images (n, 784), means over images or points.

    negative_elbo, in nats an image: of the Gaussian VAE that of a density, of all others that of probabilities, so the
    two are not to be compared. squared_error: of the decoded mean code, in squared pixel units. At mixed-up codes, of
    the first decoder: flatness and isometry (see `models.flat`), the median condition number of J, and the standard
    deviation of log sqrt(det M).
    """
    noise = torch.Generator().manual_seed(seed)
    codes = model.encode(images)
    found = {
        "negative_elbo": float(model.negative_elbo(images, torch.empty(0), noise)),
        "squared_error": float((model.generator(codes) - images).square().sum(1).mean()),
    }
    if hasattr(model, "log_likelihood"):
        found["negative_log_likelihood"] = -float(model.log_likelihood(images, noise, DRAWS).mean())
    J = jacobian(model.generator, mixed_up(codes, noise).double())
    M, s = J.mT @ J, singular_values(J)
    return found | {
        "flatness": float(flatness(M)),
        "isometry": float(isometry(M)),
        "condition_number": float(log_cond(s).median().exp()),
        "magnification_spread": float(log_det(s).std()) / 2,
    }


def record_path(profile: Profile, spec: ModelSpec) -> Path:
    return profile.results / "away" / f"{spec.name}-seed{profile.seed}.json"


def key(profile: Profile, spec: ModelSpec) -> str:
    """Sixteen hexadecimal digits that change whenever the numbers of a record might."""
    own = checkpoints.key(spec, settings(profile), data.data_hash(profile.sample))
    return hashlib.sha256(json.dumps([own, HELD_OUT, DRAWS]).encode()).hexdigest()[:16]


def read(profile: Profile, spec: ModelSpec) -> dict[str, float] | None:
    """The numbers of a model and the profile's seed; None without a record."""
    found = read_sealed(record_path(profile, spec), key(profile, spec))
    return None if found is None else found["numbers"]


def settings(profile: Profile) -> TrainingSettings:
    return TrainingSettings(epochs=profile.epochs, batch_size=profile.batch_size, seed=profile.seed)


def run(profile: Profile, specs: Sequence[ModelSpec] = SPECS, progress: Callable[[str], None] = print) -> None:
    """See to it that each of the models has its record, with the profile's seed."""
    missing = [spec for spec in specs if read(profile, spec) is None]
    progress(f"seed {profile.seed}: {len(specs) - len(missing)} of {len(specs)} records are there")
    if not missing:
        return
    trained = train_or_load(missing, settings(profile), sample=profile.sample, device="cpu", progress=progress)
    images, _ = data.load("test", sample=profile.sample)
    for spec in missing:
        record = {"model": spec.name, "seed": profile.seed, "profile": profile.name, "key": key(profile, spec),
                  "recipe": HELD_OUT, "versions": versions(),
                  "numbers": measure(trained[spec.name].model, images, profile.seed)}  # fmt: skip
        write_sealed(record_path(profile, spec), record)
