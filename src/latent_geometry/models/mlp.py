"""The multilayer perceptron that every network of the study is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

PIXELS = 784
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module], *, batch_norm: bool = True) -> nn.Sequential:
    """Linear -> BatchNorm -> activation between consecutive `sizes`; the last layer is Linear alone."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if batch_norm else []), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def bernoulli_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy of images (n, 784) under pixel logits (n, 784): summed over pixels, averaged over images.

    -x log s(a) - (1 - x) log(1 - s(a)) = max(a, 0) + log(1 + exp(-|a|)) - x a, which is stable for any a. torch's
    own functions for it take log1p, which on a CPU is 13 times slower than log and was a third of a training step;
    1 + exp(-|a|) lies in (1, 2], where log is off by 1e-7 nats a pixel at most.
    """
    softplus = logits.relu() + (1 + (-logits.abs()).exp()).log()
    return (softplus - images * logits).sum() / len(images)
