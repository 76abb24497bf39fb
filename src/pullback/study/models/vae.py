"""Variational autoencoder (Kingma & Welling 2013) with a Bernoulli likelihood."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .losses import LOSSES
from .mlp import PIXELS, mlp
from .phases import Phase


class VAE(nn.Module):
    """Encoder to the mean and log-variance of q(z|x); `generator` maps latents (n, k) to pixels (n, 784) in (0, 1)."""

    def __init__(self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int,
                 *, loss: str = "cross-entropy") -> None:  # fmt: skip
        super().__init__()
        self.loss = LOSSES[loss]
        self.encoder = mlp((PIXELS, *hidden, 2 * latent_dim), activation)
        self.generator = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(nn.Sigmoid())

    def encode(self, images: Tensor) -> Tensor:
        """Posterior means (n, k) of images (n, 784)."""
        return self.encoder(images).chunk(2, dim=1)[0]

    def phases(self) -> dict[str, Phase]:
        return {"negative ELBO": Phase(self, self.negative_elbo)}

    def negative_elbo(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """Upper bound of -log p(x) in nats an image: eq. 10 of Kingma & Welling (2013), one sample."""
        return self.bound(images, noise)[0]

    def bound(self, images: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """The negative ELBO, and the codes (n, k) that were drawn for it."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        epsilon = torch.randn(mean.shape, generator=noise, device=mean.device)
        z = mean + (0.5 * log_variance).exp() * epsilon
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return self.loss(self.generator[:-1](z), images) + divergence, z
