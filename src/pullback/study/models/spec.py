"""One type that names, builds and, through its fields, hashes every model."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from .. import parameters
from .classifier import Classifier
from .dae import DAE
from .gan import GAN
from .mlp import ACTIVATIONS
from .vae import VAE

FAMILIES = {"vae": VAE, "dae": DAE, "gan": GAN, "classifier": Classifier}
LARGEST = 100_000  # width of a layer, and latent dimension


@dataclass(frozen=True)
class ModelSpec:
    """What a model is, before any weight exists.

    family: vae, dae, gan, or the classifier that judges GAN samples.
    hidden: widths of the two hidden layers, outermost first; the generator mirrors them.
    activation: tanh or sigmoid (a GAN's discriminator has LeakyReLU whatever this says).
    discriminator_batch_norm, r1: GAN only. As printed in the report: True and 0. Healthy: False and the weight
        of the R1 gradient penalty (Mescheder, Geiger & Nowozin 2018, eq. 9).
    """

    family: str
    hidden: tuple[int, int]
    activation: str
    latent_dim: int = 2
    discriminator_batch_norm: bool = True
    r1: float = 0.0

    def __post_init__(self) -> None:
        for field, valid in (("family", FAMILIES), ("activation", ACTIVATIONS)):
            parameters.one_of(field, getattr(self, field), valid)
        if not isinstance(self.hidden, tuple) or len(self.hidden) != 2:
            raise ValueError(f"hidden must be a pair of widths, as in (128, 32), got {self.hidden!r}")
        for width in self.hidden:
            parameters.whole("each width of hidden", width, 1, LARGEST)
        parameters.whole("latent_dim", self.latent_dim, 1, LARGEST)
        if not isinstance(self.discriminator_batch_norm, bool):
            raise ValueError(f"discriminator_batch_norm must be True or False, got {self.discriminator_batch_norm!r}")
        parameters.real("r1", self.r1, 0, sys.float_info.max)
        if self.family != "gan" and (self.r1 or not self.discriminator_batch_norm):
            raise ValueError(f"discriminator_batch_norm and r1 are a GAN's settings; this is a {self.family}")

    @property
    def name(self) -> str:
        """For instance vae-128-32-tanh, or gan-128-32-tanh-nobn-r1 for the healthy GAN."""
        parts = [self.family, *map(str, self.hidden), self.activation]
        if self.latent_dim != 2:
            parts.append(f"k{self.latent_dim}")
        if not self.discriminator_batch_norm:
            parts.append("nobn")
        if self.r1:
            parts.append("r1" if self.r1 == 1 else f"r1x{self.r1:g}")
        return "-".join(parts)

    def build(self) -> VAE | DAE | GAN | Classifier:
        """A fresh model, its weights drawn from torch's global random state."""
        if self.family == "gan":
            return GAN(
                self.hidden,
                ACTIVATIONS[self.activation],
                self.latent_dim,
                discriminator_batch_norm=self.discriminator_batch_norm,
                r1=self.r1,
            )
        return FAMILIES[self.family](self.hidden, ACTIVATIONS[self.activation], self.latent_dim)
