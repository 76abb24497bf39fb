"""One of each metric that knows where the data are, over random decoders, for the tests of geometry and of solvers."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn

from pullback.geometry import (
    BernoulliFisherRao,
    DensityMetric,
    EnsembleMetric,
    ExpectedMetric,
    GaussianFisherRao,
    GaussianProcessMetric,
    KernelDensity,
    Manifold,
    rbf_centres,
    rbf_deviation,
)
from pullback.geometry.elements import Deviation, Exponential

ERRORS = 5  # standard errors that a mean of samples may be off


def agrees(samples: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether the mean of samples (S, ...) is within ERRORS standard errors of what is expected (...)."""
    error = samples.std(0) / math.sqrt(len(samples))
    return bool(((samples.mean(0) - expected).abs() <= ERRORS * error + 1e-12).all())


def net(seed: int, k: int = 2, pixels: int = 20, last: nn.Module | None = None) -> nn.Sequential:
    """A random decoder R^k -> R^pixels of one hidden layer, float64, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f = nn.Sequential(nn.Linear(k, 12), nn.Tanh(), nn.Linear(12, pixels), last or nn.Sigmoid())
    return f.double().eval()


def deviation(k: int = 2, pixels: int = 20) -> nn.Sequential:
    return net(9, k, pixels, Exponential())


def codes(k: int = 2, count: int = 40) -> Tensor:
    return torch.randn(count, k, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def bells(k: int = 2, pixels: int = 20, zeta: float = 0.5) -> nn.Sequential:
    """A deviation of radial bells about the codes."""
    centres, rates = rbf_centres(codes(k), 6, scale=2)
    W = torch.rand(pixels, len(centres), dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    return rbf_deviation(centres, rates, 5 * W, zeta)


@cache
def metrics(k: int = 2) -> dict[str, Manifold]:
    z = codes(k)
    return {
        "expected": ExpectedMetric(net(0, k), deviation(k)),
        "bounded deviation": ExpectedMetric(net(0, k), net(9, k, last=Deviation())),
        "radial": ExpectedMetric(net(0, k), bells(k)),
        "bare callables": ExpectedMetric(net(0, k).__call__, bells(k).__call__),
        "ensemble": EnsembleMetric([net(i, k) for i in range(3)]),
        "bernoulli": BernoulliFisherRao(net(0, k)),
        "gaussian": GaussianFisherRao(net(0, k), deviation(k)),
        "process": GaussianProcessMetric(z, net(0, k)(z).detach() - 0.5, 1.5, 0.1, 1e-3),
        "density": DensityMetric(KernelDensity(z, 1.0), beta=0.02),
    }


NAMES = list(metrics())
