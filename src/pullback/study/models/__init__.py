"""The models of the study: one family a file, and a specification that names and builds any of them.

spec.py        ModelSpec: a model's family, widths and activation; it names the model and builds it
catalogue.py   the sixteen models of the study and the classifier, by name; and those whose metrics know their data
vae.py         the variational autoencoder
dae.py         the denoising autoencoder
gaussian.py    a VAE with a mean and a standard deviation of each pixel
ensemble.py    a VAE with one encoder and several decoders
flat.py        a VAE with a penalty that makes its metric flat, or isometric but for one scale
gan.py         the generative adversarial network, with or without batch norm in D, with or without R1 penalty
classifier.py  the judge of the digits that a GAN's samples cover
mlp.py         the multilayer perceptron that all of these are made of
losses.py      the loss that VAE and DAE share
phases.py      what the training loop asks of a model
"""

from .catalogue import AWAY, CLASSIFIER, HEALTHY_GANS, REPORT, STUDY, get_spec
from .classifier import Classifier
from .dae import DAE
from .ensemble import EnsembleVAE
from .flat import FlatVAE
from .gan import GAN
from .gaussian import GaussianVAE
from .spec import ModelSpec
from .vae import VAE

__all__ = [
    "AWAY",
    "CLASSIFIER",
    "DAE",
    "GAN",
    "HEALTHY_GANS",
    "REPORT",
    "STUDY",
    "VAE",
    "Classifier",
    "EnsembleVAE",
    "FlatVAE",
    "GaussianVAE",
    "ModelSpec",
    "get_spec",
]
