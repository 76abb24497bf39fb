"""The models of the study, by name."""

from __future__ import annotations

from itertools import product

from .. import parameters
from .spec import ModelSpec

ARCHITECTURES = tuple(product(((128, 32), (256, 64)), ("tanh", "sigmoid")))
REPORT = tuple(ModelSpec(family, *a) for family in ("vae", "dae", "gan") for a in ARCHITECTURES)
HEALTHY_GANS = tuple(ModelSpec("gan", *a, discriminator_batch_norm=False, r1=1.0) for a in ARCHITECTURES)
CLASSIFIER = ModelSpec("classifier", (256, 64), "tanh")
STUDY = {spec.name: spec for spec in (*REPORT, *HEALTHY_GANS, CLASSIFIER)}


def get_spec(name: str) -> ModelSpec:
    """The study's model called `name`. Raises ValueError, listing the valid names, if there is none."""
    return STUDY[parameters.one_of("model", name, STUDY)]
