"""Decoders of codes that are given: 2-32-128-784, tanh and batch norm, as the study's, with Adam at rate 0.01."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...geometry.elements import Deviation
from ..models.flat import PENALTIES, metric, mixed_up
from ..models.gaussian import log_normal
from ..models.losses import bernoulli_loss
from ..models.mlp import PIXELS, mlp
from .digits import Rings

WEIGHTS = {"flat": 0.01, "isometric": 100.0}  # of the penalties, as in the study's flat VAEs


class Decoders(NamedTuple):
    """What one seed trains: several plain decoders, the deviation of the first, and a decoder with each penalty."""

    members: list[nn.Sequential]
    deviation: nn.Sequential
    penalised: dict[str, nn.Sequential]

    @property
    def plain(self) -> nn.Sequential:
        return self.members[0]


def train_all(
    data: Rings, seed: int, members: int, epochs: int, batch: int = 1000, progress: Callable[[str], object] = str
) -> Decoders:
    """All decoders of a seed, in eval mode; the same seed gives the same bits."""
    count, trained = members + len(WEIGHTS) + 1, 0

    def told(f: nn.Sequential) -> nn.Sequential:
        nonlocal trained
        trained += 1
        progress(f"seed {seed}: {trained} of {count} decoders trained")
        return f

    several = [told(train_decoder(data, 1000 * seed + i, epochs, batch)) for i in range(members)]
    penalised = {name: told(train_decoder(data, 1000 * seed, epochs, batch, name)) for name in WEIGHTS}
    return Decoders(several, told(train_deviation(data, several[0], 1000 * seed, epochs, batch)), penalised)


def train_decoder(data: Rings, seed: int, epochs: int, batch: int = 1000, penalty: str | None = None) -> nn.Sequential:
    """A decoder to pixels in (0, 1), by cross-entropy, and one of PENALTIES if it is named."""
    noise = torch.Generator().manual_seed(seed)

    def loss(f: nn.Sequential, rows: Tensor) -> Tensor:
        z = data.codes[rows]
        found = bernoulli_loss(f[:-1](z), data.images[rows])
        if penalty is None:
            return found
        return found + WEIGHTS[penalty] * PENALTIES[penalty](metric(f, mixed_up(z, noise), z))

    return _trained(False, loss, len(data.codes), seed, epochs, batch)


def train_deviation(data: Rings, decoder: nn.Sequential, seed: int, epochs: int, batch: int = 1000) -> nn.Sequential:
    """The standard deviation of images about those of a trained decoder, by their likelihood."""
    with torch.no_grad():
        shown = decoder(data.codes)

    def loss(f: nn.Sequential, rows: Tensor) -> Tensor:
        return -log_normal(data.images[rows], shown[rows], f(data.codes[rows])).mean()

    return _trained(True, loss, len(data.codes), seed, epochs, batch)


def new_decoder(deviation: bool = False) -> nn.Sequential:
    """A decoder as it is before training, in eval mode, to pixels or to their deviations."""
    return mlp((2, 32, 128, PIXELS), nn.Tanh).append(Deviation() if deviation else nn.Sigmoid()).eval()


def _trained(
    deviation: bool, loss: Callable[[nn.Sequential, Tensor], Tensor], count: int, seed: int, epochs: int, batch: int
) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f = new_decoder(deviation).train()
        adam = torch.optim.Adam(f.parameters(), lr=0.01)
        for _ in range(epochs):
            for rows in torch.randperm(count).split(batch):
                adam.zero_grad()
                loss(f, rows).backward()
                adam.step()
    return f.eval().requires_grad_(False)
