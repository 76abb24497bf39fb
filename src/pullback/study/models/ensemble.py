"""Variational autoencoder with one encoder and several decoders (Syrota et al. 2024).

p(x|z) is the mean of the decoders' likelihoods, and each image is given to one of them, drawn anew in each step. So a
training costs what a VAE's does, and where there are no data nothing makes the decoders agree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .losses import bernoulli_loss
from .mlp import PIXELS, mlp
from .phases import Phase


class EnsembleVAE(nn.Module):
    """Encoder as the VAE's; `members` are its decoders, from latents (n, k) to pixels (n, 784) in (0, 1)."""

    def __init__(
        self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int, *, members: int
    ) -> None:
        super().__init__()
        self.encoder = mlp((PIXELS, *hidden, 2 * latent_dim), activation)
        sizes = (latent_dim, *reversed(hidden), PIXELS)
        self.members = nn.ModuleList(mlp(sizes, activation).append(nn.Sigmoid()) for _ in range(members))

    @property
    def generator(self) -> nn.Module:
        """The first decoder, which stands for all where one is asked for."""
        return self.members[0]

    def encode(self, images: Tensor) -> Tensor:
        """Posterior means (n, k) of images (n, 784)."""
        return self.encoder(images).chunk(2, dim=1)[0]

    def phases(self) -> dict[str, Phase]:
        return {"negative ELBO": Phase(self, self.negative_elbo)}

    def negative_elbo(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """As the VAE's, in nats an image. The batch, which the training loop has shuffled, is dealt out in even parts.

        Raises ValueError for fewer than two images a decoder, of which batch norm makes nothing.
        """
        if len(images) < 2 * len(self.members):
            raise ValueError(
                f"a batch of {len(images)} images leaves some of {len(self.members)} decoders fewer than two: give a "
                f"batch_size of {2 * len(self.members)} or more, and as many images"
            )
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        epsilon = torch.randn(mean.shape, generator=noise, device=mean.device)
        z = mean + (0.5 * log_variance).exp() * epsilon
        parts = (a.tensor_split(len(self.members)) for a in (z, images))
        losses = [
            len(x) * bernoulli_loss(f[:-1](own), x)  # type: ignore[index]
            for f, own, x in zip(self.members, *parts, strict=True)
        ]
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return torch.stack(losses).sum() / len(images) + divergence
