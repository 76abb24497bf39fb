"""A small digit classifier: the judge of which classes a GAN's samples cover."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .mlp import PIXELS, mlp
from .phases import Phase


class Classifier(nn.Module):
    """`logits` (n, 10) of images (n, 784)."""

    def __init__(self, hidden: tuple[int, int], activation: Callable[[], nn.Module], latent_dim: int) -> None:
        super().__init__()
        self.logits = mlp((PIXELS, *hidden, 10), activation)

    def phases(self) -> dict[str, Phase]:
        return {"cross-entropy": Phase(self, self.cross_entropy)}

    def cross_entropy(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        return F.cross_entropy(self.logits(images), labels)

    @torch.no_grad()
    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predicted class (n,) and its probability (n,)."""
        probability, label = self.logits(images).softmax(1).max(1)
        return label, probability
