"""One type that names, builds and, through its fields, hashes every model."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from .. import parameters
from .classifier import Classifier
from .dae import DAE, KINDS, NOISE
from .ensemble import EnsembleVAE
from .flat import PENALTIES, FlatVAE
from .gan import GAN, GAN_LOSSES
from .gaussian import GaussianVAE
from .losses import LOSSES
from .mlp import ACTIVATIONS
from .vae import VAE

FAMILIES = {"vae": VAE, "dae": DAE, "gan": GAN, "classifier": Classifier, "gaussian": GaussianVAE,
            "ensemble": EnsembleVAE, "flat": FlatVAE}  # fmt: skip
LARGEST = 100_000  # width of a layer, and latent dimension
MEMBERS = 10  # of an ensemble, as Syrota et al. (2024) have


@dataclass(frozen=True)
class ModelSpec:
    """What a model is, before any weight exists.

    family: vae, dae, gan, or the classifier that judges GAN samples; and three VAEs whose metrics know where the data
        are: gaussian, ensemble, flat.
    hidden: widths of the two hidden layers, outermost first; the generator mirrors them.
    activation: tanh or sigmoid (a GAN's discriminator has LeakyReLU whatever this says).
    discriminator_batch_norm, r1: GAN only; r1 is the weight of the R1 gradient penalty (Mescheder, Geiger & Nowozin
        2018, eq. 9).
    loss: of VAE and DAE one of LOSSES, of a GAN one of GAN_LOSSES; "usual" is the first of them.
    generator_first: GAN only: which of the two takes its step first.
    noise, noise_level: DAE only: one of KINDS, and the standard deviation in pixel units.
    The report prints none of the last six (docs/choices.md).
    members: ensemble only: the number of its decoders.
    penalty, weight: flat only: one of PENALTIES, and its weight in the loss.
    """

    family: str
    hidden: tuple[int, int]
    activation: str
    latent_dim: int = 2
    discriminator_batch_norm: bool = True
    r1: float = 0.0
    loss: str = "usual"
    generator_first: bool = False
    noise: str = "either"
    noise_level: float = NOISE
    members: int = MEMBERS
    penalty: str = "flat"
    weight: float = 0.0

    def __post_init__(self) -> None:
        for field, valid in (("family", FAMILIES), ("activation", ACTIVATIONS)):
            parameters.one_of(field, getattr(self, field), valid)
        if not isinstance(self.hidden, tuple) or len(self.hidden) != 2:
            raise ValueError(f"hidden must be a pair of widths, as in (128, 32), got {self.hidden!r}")
        for width in self.hidden:
            parameters.whole("each width of hidden", width, 1, LARGEST)
        parameters.whole("latent_dim", self.latent_dim, 1, LARGEST)
        for field in ("discriminator_batch_norm", "generator_first"):
            if not isinstance(getattr(self, field), bool):
                raise ValueError(f"{field} must be True or False, got {getattr(self, field)!r}")
        parameters.real("r1", self.r1, 0, sys.float_info.max)
        if self.family != "gan" and (self.r1 or not self.discriminator_batch_norm or self.generator_first):
            raise ValueError(
                f"discriminator_batch_norm, r1 and generator_first are a GAN's settings; this is a {self.family}"
            )
        parameters.one_of(f"loss of a {self.family}", self.loss, ("usual", *_losses(self.family)))
        parameters.one_of("noise", self.noise, KINDS)
        parameters.real("noise_level", self.noise_level, 0, sys.float_info.max)
        if self.family != "dae" and (self.noise != "either" or self.noise_level != NOISE):
            raise ValueError(f"noise and noise_level are a DAE's settings; this is a {self.family}")
        parameters.whole("members (for one decoder take a vae)", self.members, 2, 1000)
        if self.family != "ensemble" and self.members != MEMBERS:
            raise ValueError(f"members is an ensemble's setting; this is a {self.family}")
        parameters.one_of("penalty", self.penalty, PENALTIES)
        parameters.real("weight", self.weight, 0, sys.float_info.max)
        if self.family != "flat" and (self.penalty, self.weight) != ("flat", 0):
            raise ValueError(f"penalty and weight are a flat VAE's settings; this is a {self.family}")

    @property
    def name(self) -> str:
        """For instance vae-128-32-tanh, gan-128-32-tanh-nobn-r1 without batch norm in D and with R1 penalty, or
        flat-128-32-tanh-isometric10 with ten times that penalty."""
        parts = [self.family, *map(str, self.hidden), self.activation]
        if self.latent_dim != 2:
            parts.append(f"k{self.latent_dim}")
        if not self.discriminator_batch_norm:
            parts.append("nobn")
        if self.r1:
            parts.append("r1" if self.r1 == 1 else f"r1x{self.r1:g}")
        if self.loss != "usual":
            parts.append(self.loss.replace(" ", "-"))
        if self.generator_first:
            parts.append("generator-first")
        if (self.noise, self.noise_level) != ("either", NOISE):
            parts.append(self.noise if self.noise == "none" else f"{self.noise}{self.noise_level:g}")
        if self.members != MEMBERS:
            parts.append(f"of{self.members}")
        if self.family == "flat":
            parts.append(f"{self.penalty}{self.weight:g}")
        return "-".join(parts)

    def build(self) -> VAE | DAE | GAN | Classifier | GaussianVAE | EnsembleVAE:
        """A fresh model, its weights drawn from torch's global random state."""
        shape = self.hidden, ACTIVATIONS[self.activation], self.latent_dim
        if self.family == "classifier":
            return Classifier(*shape)
        if self.family == "gaussian":
            return GaussianVAE(*shape)
        if self.family == "ensemble":
            return EnsembleVAE(*shape, members=self.members)
        if self.family == "flat":
            return FlatVAE(*shape, penalty=self.penalty, weight=self.weight)
        loss = _losses(self.family)[0] if self.loss == "usual" else self.loss
        if self.family == "gan":
            return GAN(*shape, discriminator_batch_norm=self.discriminator_batch_norm, r1=self.r1, loss=loss,
                       generator_first=self.generator_first)  # fmt: skip
        if self.family == "dae":
            return DAE(*shape, loss=loss, noise=self.noise, noise_level=self.noise_level)
        return VAE(*shape, loss=loss)


def _losses(family: str) -> tuple[str, ...]:
    """The losses that a family can have, the usual one first."""
    return {"vae": tuple(LOSSES), "dae": tuple(LOSSES), "gan": GAN_LOSSES}.get(family, ())
