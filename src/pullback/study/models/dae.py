"""Denoising autoencoder (Vincent et al. 2008): reconstruct an image from a corrupted copy of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .losses import LOSSES
from .mlp import PIXELS, mlp
from .phases import Phase

NOISE = 0.1  # standard deviation of both corruptions, in pixel units
KINDS = ("either", "additive", "speckle", "none")


class DAE(nn.Module):
    """`encode` maps pixels (n, 784) to latents (n, k); `generator` maps them back, into (0, 1)."""

    def __init__(self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int,
                 *, loss: str = "cross-entropy", noise: str = "either",
                 noise_level: float = NOISE) -> None:  # fmt: skip
        super().__init__()
        self.loss, self.noise, self.noise_level = LOSSES[loss], noise, noise_level
        self.encoder = mlp((PIXELS, *hidden, latent_dim), activation)
        self.generator = mlp((latent_dim, *reversed(hidden), PIXELS), activation).append(nn.Sigmoid())

    def encode(self, images: Tensor) -> Tensor:
        """Latents (n, k) of images (n, 784), uncorrupted."""
        return self.encoder(images)

    def phases(self) -> dict[str, Phase]:
        return {"reconstruction": Phase(self, self.reconstruction)}

    def reconstruction(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """The loss, binary cross-entropy in nats an image unless another was asked for, of the clean images given
        corrupted ones."""
        corrupted = corrupt(images, noise, self.noise, self.noise_level)
        return self.loss(self.generator[:-1](self.encoder(corrupted)), images)


def corrupt(images: Tensor, noise: torch.Generator, kind: str = "either", level: float = NOISE) -> Tensor:
    """Images plus Gaussian noise ("additive"), or times one plus Gaussian noise ("speckle"), of standard deviation
    `level`; of "either" a fair coin decides for the batch, and "none" leaves them as they are.

    Neither is clipped to [0, 1], so that the corruption is unbiased, as Section 3.1.1 of the report asks.
    """
    if kind == "none":
        return images
    speckle = torch.rand((), generator=noise, device=images.device) < 0.5 if kind == "either" else kind == "speckle"
    epsilon = level * torch.randn(images.shape, generator=noise, device=images.device)
    return images + (images * epsilon if speckle else epsilon)
