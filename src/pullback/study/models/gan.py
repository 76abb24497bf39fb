"""Generative adversarial network (Goodfellow et al. 2014)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .mlp import PIXELS, mlp
from .phases import Phase

GAN_LOSSES = ("non-saturating", "minimax")


class GAN(nn.Module):
    """`generator` maps latents (n, k), drawn from N(0, I), to pixels (n, 784) in (0, 1); there is no encoder.

    `r1` is the weight of the R1 penalty (Mescheder, Geiger & Nowozin 2018, eq. 9), `loss` the generator's, one of
    GAN_LOSSES; the discriminator takes its step before the generator unless `generator_first`.
    """

    def __init__(
        self,
        hidden: tuple[int, int],
        activation: Callable[[], nn.Module],
        latent_dim: int,
        *,
        discriminator_batch_norm: bool,
        r1: float,
        loss: str = "non-saturating",
        generator_first: bool = False,
    ) -> None:
        super().__init__()
        self.loss, self.generator_first = loss, generator_first
        self.latent_dim, self.r1 = latent_dim, r1
        self.generator = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(nn.Sigmoid())
        self.discriminator = mlp((PIXELS, *hidden, 1), partial(nn.LeakyReLU, 0.2), batch_norm=discriminator_batch_norm)

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """`count` generated images (count, 784)."""
        device = next(self.parameters()).device
        return self.generator(torch.randn(count, self.latent_dim, generator=noise, device=device))

    def phases(self) -> dict[str, Phase]:
        found = {
            "discriminator": Phase(self.discriminator, self.discriminator_loss),
            "generator": Phase(self.generator, self.generator_loss),
        }
        return dict(reversed(found.items())) if self.generator_first else found

    def discriminator_loss(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """Binary cross-entropy of telling real from generated images, plus the penalty if there is one."""
        with torch.no_grad():
            generated = self.sample(len(images), noise)
        images = images.detach().requires_grad_(self.r1 > 0)
        real, fake = self.discriminator(images), self.discriminator(generated)
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        if self.r1:
            (slope,) = torch.autograd.grad(real.sum(), images, create_graph=True)
            loss = loss + 0.5 * self.r1 * slope.square().sum(1).mean()
        return loss

    def generator_loss(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """-E log d(f(z)), the non-saturating loss of Section 3 of Goodfellow et al. (2014), or E log(1 - d(f(z))), the
        minimax loss of their eq. 1."""
        verdict = self.discriminator(self.sample(len(images), noise))
        return (-F.softplus(verdict) if self.loss == "minimax" else F.softplus(-verdict)).mean()
