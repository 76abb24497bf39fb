"""Gaussian variational autoencoder: a network for the mean of each pixel and one for its standard deviation.

The likelihood is N(mu(z), sigma(z)^2) (Kingma & Welling 2013, appendix C.2). Trained as one, the two networks drive
each other off: a pixel that is always the same pulls its sigma to 0, and errors weigh 1 / sigma^2. So the mean never
sees sigma. Encoder and mean are trained under one variance that all pixels share, at its maximum likelihood in each
batch (Rybkin, Daniilidis & Levine 2021), sigma on the errors that the mean leaves (mean and variance apart: Skafte,
Jorgensen & Hauberg 2019). sigma is bounded (see `Deviation`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...geometry.elements import LEAST_VARIANCE, Deviation
from .mlp import PIXELS, mlp
from .phases import Phase


class GaussianVAE(nn.Module):
    """Encoder as the VAE's; `generator` and `deviation` map latents (n, k) to mu and sigma (n, 784) of the pixels."""

    def __init__(self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int) -> None:
        super().__init__()
        self.encoder = mlp((PIXELS, *hidden, 2 * latent_dim), activation)
        self.generator = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(nn.Sigmoid())
        self.deviation = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(Deviation())

    def encode(self, images: Tensor) -> Tensor:
        """Posterior means (n, k) of images (n, 784)."""
        return self.encoder(images).chunk(2, dim=1)[0]

    def phases(self) -> dict[str, Phase]:
        return {"negative ELBO": Phase(self, self.negative_elbo)}

    def negative_elbo(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """Upper bound of -log p(x) in nats an image, p a density; its gradient is that of the two trainings (see the
        module)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        z = _drawn(mean, log_variance, noise)
        mu, sigma = self.generator(z), self.deviation(z.detach())
        shared = PIXELS / 2 * ((images - mu).square().mean() + LEAST_VARIANCE).log()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        reconstruction = -log_normal(images, mu.detach(), sigma).mean()
        return reconstruction + divergence + shared - shared.detach()

    @torch.no_grad()
    def log_likelihood(self, images: Tensor, noise: torch.Generator, samples: int = 1) -> Tensor:
        """Lower bounds (n,) of log p(x) in nats, from `samples` draws of each code: the ELBO for one, closer for more
        (Burda, Grosse & Salakhutdinov 2016)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        weights = []
        for _ in range(samples):
            z = _drawn(mean, log_variance, noise)
            prior, posterior = log_normal(z, 0 * z, 0 * z + 1), log_normal(z, mean, (0.5 * log_variance).exp())
            weights.append(log_normal(images, self.generator(z), self.deviation(z)) + prior - posterior)
        return torch.stack(weights).logsumexp(0) - math.log(samples)


def log_normal(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Log-densities (n,) of rows x (n, N) under independent normal distributions."""
    return -(((x - mean) / deviation).square() / 2 + deviation.log() + math.log(2 * math.pi) / 2).sum(1)


def _drawn(mean: Tensor, log_variance: Tensor, noise: torch.Generator) -> Tensor:
    epsilon = torch.randn(mean.shape, generator=noise, device=mean.device)
    return mean + (0.5 * log_variance).exp() * epsilon
