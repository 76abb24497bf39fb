"""The losses that VAE and DAE share: images (n, 784) under pixel logits (n, 784), summed over pixels, averaged over
images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _BernoulliLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, images: Tensor) -> Tensor:
        ctx.save_for_backward(logits, images)
        softplus = logits.abs().neg_().exp_().add_(1).log_().add_(logits.relu())
        return (softplus.sum() - (images * logits).sum()) / len(images)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        logits, images = ctx.saved_tensors
        return logits.sigmoid().sub_(images).mul_(gradient / len(images)), None


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy of images (n, 784) under pixel logits (n, 784): summed over pixels, averaged over images.

    -x log s(a) - (1 - x) log(1 - s(a)) = max(a, 0) + log(1 + exp(-|a|)) - x a, with derivative s(a) - x, stable for any
    a. torch's own function takes log1p, which on a CPU is 13 times slower than log; 1 + exp(-|a|) lies in (1, 2],
    where log is off by 1e-7 nats a pixel at most. Differentiable once, in the logits.
    """
    return _BernoulliLoss.apply(logits, images)


CLAMP = -100.0  # below which torch.nn.BCELoss cuts off a logarithm


def clamped_bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy whose logarithms are cut off at -100, as torch.nn.BCELoss does.

    The same as `bernoulli_loss` where no pixel is that sure; with images outside [0, 1] it is bounded below.
    """
    yes, no = F.logsigmoid(logits).clamp(min=CLAMP), F.logsigmoid(-logits).clamp(min=CLAMP)
    return -(images * yes + (1 - images) * no).sum() / len(images)


def squared_error(logits: Tensor, images: Tensor) -> Tensor:
    """Squared distance of images and pixels, the loss that Section 3.1.1 of the report names for DAEs."""
    return (logits.sigmoid() - images).square().sum() / len(images)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": bernoulli_loss,
    "clamped cross-entropy": clamped_bernoulli_loss,
    "squared error": squared_error,
}
