"""Every metric that is compared on the rings, by name, and the images that it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...geometry import (
    BernoulliFisherRao,
    DensityMetric,
    EnsembleMetric,
    ExpectedMetric,
    GaussianFisherRao,
    KernelDensity,
    LatentSpace,
    Manifold,
    rbf_centres,
    rbf_deviation,
)
from ...geometry.elements import LEAST_VARIANCE
from ..away.processes import fit_process
from .decoders import Decoders
from .digits import Rings

CENTRES, BANDWIDTH = 80, 0.15  # a digit, in latent units
ZETAS, FLOORS = (100.0, 1.0, 0.01, 0.0001), (0.3, 0.1, 0.01)
PLAIN = "plain"  # the decoder of all metrics that have no other


class Compared(NamedTuple):
    """A metric, the decoder (n, 2) -> (n, 784) that shows its paths, and that decoder's name."""

    space: Manifold
    decode: Callable[[Tensor], Tensor]
    decoder: str = PLAIN


def metrics(data: Rings, decoders: Decoders) -> dict[str, Compared]:
    plain, box = decoders.plain, data.box
    spaces: dict[str, Manifold] = {
        "deterministic": LatentSpace(plain, box),
        "Fisher-Rao": BernoulliFisherRao(plain, box),
        "ensemble": EnsembleMetric(decoders.members, box),
        "Gaussian, expected": ExpectedMetric(plain, decoders.deviation, box),
        "Gaussian, Fisher-Rao": GaussianFisherRao(plain, decoders.deviation, box),
        **{f"RBF, zeta {zeta:g}": ExpectedMetric(plain, bells(data, plain, zeta), box) for zeta in ZETAS},
        **densities(data),
    }
    shown = single(plain)
    found = {name: Compared(space, shown) for name, space in spaces.items()}
    for name, f in decoders.penalised.items():
        found[name] = Compared(LatentSpace(f, box), single(f), name)
    return found | {"process": process(data)}


def bells(data: Rings, decoder: nn.Sequential, zeta: float) -> nn.Sequential:
    """A deviation that at the data is the decoder's own error, at least LEAST_VARIANCE, and elsewhere zeta^(-1/2)."""
    codes, count = data.codes.double(), CENTRES * len(data.centres)
    centres, _ = rbf_centres(codes, min(count, len(codes) // 4))
    rates = torch.full((len(centres),), 0.5 / BANDWIDTH**2, dtype=torch.float64)
    height = torch.exp(-rates * torch.cdist(codes, centres).square()).sum(1).mean()
    with torch.no_grad():
        variance = (decoder(data.codes) - data.images).double().square().mean(0).clamp(min=LEAST_VARIANCE)
    weights = (1 / (variance * height))[:, None].expand(-1, len(centres))
    return rbf_deviation(centres, rates, weights, zeta)


def densities(data: Rings) -> dict[str, Manifold]:
    density = KernelDensity(data.codes.double(), BANDWIDTH)
    level = float(density(data.at(data.angles.double(), data.digit)).mean())
    return {f"density, floor {floor:g}": DensityMetric(density, 1 / level, floor, data.box) for floor in FLOORS}


def process(data: Rings) -> Compared:
    """A Gaussian process from codes to images, which shows its own mean."""
    count = min(CENTRES * len(data.centres), len(data.codes) // 4)
    fitted = fit_process(data.codes, data.images, count)
    return Compared(fitted.metric(data.box), fitted.decoder(), "process")


def single(f: nn.Sequential) -> Callable[[Tensor], Tensor]:
    """f at points of any precision."""
    return lambda z: f(z.float())
