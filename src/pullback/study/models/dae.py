"""Denoising autoencoder (Vincent et al. 2008): reconstruct an image from a corrupted copy of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .losses import bernoulli_loss
from .mlp import PIXELS, mlp
from .phases import Phase

NOISE = 0.1  # standard deviation of both corruptions, in pixel units


class DAE(nn.Module):
    """`encode` maps pixels (n, 784) to latents (n, k); `generator` maps them back, into (0, 1)."""

    def __init__(self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int) -> None:
        super().__init__()
        self.encoder = mlp((PIXELS, *hidden, latent_dim), activation)
        self.generator = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(nn.Sigmoid())

    def encode(self, images: Tensor) -> Tensor:
        """Latents (n, k) of images (n, 784), uncorrupted."""
        return self.encoder(images)

    def phases(self) -> dict[str, Phase]:
        return {"reconstruction": Phase(self, self.reconstruction)}

    def reconstruction(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """Binary cross-entropy, in nats an image, of the clean images given corrupted ones."""
        logits = self.generator[:-1](self.encoder(corrupt(images, noise)))
        return bernoulli_loss(logits, images)


def corrupt(images: Tensor, noise: torch.Generator) -> Tensor:
    """Images plus Gaussian noise, or times one plus Gaussian noise (speckle): a fair coin decides for the batch.

    Neither is clipped to [0, 1], so that the corruption is unbiased, as Section 3.1.1 of the report asks.
    """
    speckle = torch.rand((), generator=noise, device=images.device) < 0.5
    epsilon = NOISE * torch.randn(images.shape, generator=noise, device=images.device)
    return images + (images * epsilon if speckle else epsilon)
