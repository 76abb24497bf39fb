"""Small modules that the metrics' maps are made of; plain networks (see `layers`) may hold them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Angle(nn.Module):
    """2 arcsin sqrt(p) of p = sigmoid(a), from the logit a: pi/2 + 2 arctan tanh(a/4), exact for any a."""

    def forward(self, a: Tensor) -> Tensor:
        return math.pi / 2 + 2 * (a / 4).tanh().atan()


LEAST_VARIANCE = 1e-3  # of a pixel in [0, 1] about its mean: a deviation of 8 grey levels of 255


class Deviation(nn.Module):
    """sqrt(LEAST_VARIANCE + sigmoid(a) / 4): from any a the standard deviation of a pixel in [0, 1], whose variance is
    1/4 at most."""

    def forward(self, a: Tensor) -> Tensor:
        return (LEAST_VARIANCE + a.sigmoid() / 4).sqrt()


class Exponential(nn.Module):
    """exp(a)."""

    def forward(self, a: Tensor) -> Tensor:
        return a.exp()


class InverseRoot(nn.Module):
    """a^(-1/2), for a > 0."""

    def forward(self, a: Tensor) -> Tensor:
        return a.rsqrt()


class Radial(nn.Module):
    """-rate_c |z - c|^2 (n, K) of points z (n, k), for K centres c (K, k) and rates (K,)."""

    centres: Tensor
    rates: Tensor

    def __init__(self, centres: Tensor, rates: Tensor) -> None:
        super().__init__()
        self.register_buffer("centres", centres)
        self.register_buffer("rates", rates)

    def forward(self, z: Tensor) -> Tensor:
        return -self.rates * (z[:, None] - self.centres).square().sum(-1)


class Gaussians:
    """exp(log_scale - |z - c|^2 / 2) of points z (n, k) and centres c (m, k) that `scale` (k,) has divided, (n, m).

    By one product of matrices, about the centres' mean: the squares lose |z|^2 units in their last place, no more.
    """

    def __init__(self, centres: Tensor, scale: Tensor, log_scale: float) -> None:
        self.scale, self.origin = scale, centres.mean(0)
        self.centres = (centres - self.origin) / scale
        self._constant = log_scale - self.centres.square().sum(1) / 2

    def placed(self, z: Tensor) -> Tensor:
        """z as the centres are: about their mean, in units of `scale`."""
        return (z - self.origin) / self.scale

    def __call__(self, placed: Tensor) -> Tensor:
        own = placed.square().sum(1, keepdim=True) / 2
        return (torch.addmm(self._constant, placed, self.centres.T) - own).exp()


class Joined(nn.Module):
    """The outputs of several modules side by side, flattened, times `factor`: (n, N_1 + N_2 + ...)."""

    def __init__(self, parts: list[nn.Module], factor: float = 1.0) -> None:
        super().__init__()
        self.parts, self.factor = nn.ModuleList(parts), factor

    def forward(self, z: Tensor) -> Tensor:
        y = torch.cat([part(z).flatten(1) for part in self.parts], 1)
        return y if self.factor == 1 else self.factor * y
