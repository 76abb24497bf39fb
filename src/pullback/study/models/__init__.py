"""The models of the study, one file a family; `ModelSpec` names, builds and hashes them."""

from .catalogue import CLASSIFIER, HEALTHY_GANS, REPORT, STUDY, get_spec
from .classifier import Classifier
from .dae import DAE
from .gan import GAN
from .spec import ModelSpec
from .vae import VAE

__all__ = [
    "CLASSIFIER",
    "DAE",
    "GAN",
    "HEALTHY_GANS",
    "REPORT",
    "STUDY",
    "VAE",
    "Classifier",
    "ModelSpec",
    "get_spec",
]
