"""The models of the study, by name."""

from __future__ import annotations

from itertools import product

from .. import parameters
from .spec import ModelSpec

ARCHITECTURES = tuple(product(((128, 32), (256, 64)), ("tanh", "sigmoid")))
REPORT = tuple(ModelSpec(family, *a) for family in ("vae", "dae", "gan") for a in ARCHITECTURES)
HEALTHY_GANS = tuple(ModelSpec("gan", *a, discriminator_batch_norm=False, r1=1.0) for a in ARCHITECTURES)
CLASSIFIER = ModelSpec("classifier", (256, 64), "tanh")
GAUSSIAN = ModelSpec("gaussian", (128, 32), "tanh")
ENSEMBLE = ModelSpec("ensemble", (128, 32), "tanh")
FLAT = ModelSpec("flat", (128, 32), "tanh", weight=0.01)
ISOMETRIC = ModelSpec("flat", (128, 32), "tanh", penalty="isometric", weight=100.0)
FLAT_WEIGHTS = (0.001, 0.01, 0.1, 1.0)  # swept
AWAY = {spec.name: spec for spec in (GAUSSIAN, ENSEMBLE, FLAT, ISOMETRIC)}  # that are to know where their data are
STUDY = {spec.name: spec for spec in (*REPORT, *HEALTHY_GANS, CLASSIFIER)}


def get_spec(name: str) -> ModelSpec:
    """The study's model called `name`. Raises ValueError, listing the valid names, if there is none."""
    return (STUDY | AWAY)[parameters.one_of("model", name, STUDY | AWAY)]
