"""The density metric: a latent space that is short where codes are dense, and knows nothing of images.

    M = (alpha p(z) + beta)^(-2/k) I,

with p a density of the codes in k dimensions (Arvanitidis, Hauberg and Schoelkopf 2021, section 4.2). Far from the
codes p is 0 and the metric a plateau, beta^(-2/k) I: beta alone says how much longer a step is there. Where the latent
unit is changed by a factor c, the same paths are the shortest with c^k alpha, or c^-k beta.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .derivatives import Derivatives, Generator
from .elements import Gaussians
from .inputs import as_points
from .manifolds import Manifold


class KernelDensity:
    """p(z), the mean of normal densities of standard deviation `bandwidth` about codes (m, k); from (n, k) to (n,).

    ValueError for a bandwidth that is not positive or codes of another shape.
    """

    def __init__(self, codes: Any, bandwidth: float) -> None:
        z = as_points(codes, "codes")
        if z.ndim != 2 or not len(z) or not 0 < bandwidth < math.inf:
            raise ValueError(f"codes must be (m, k) and bandwidth positive; got {tuple(z.shape)} and {bandwidth}")
        log_scale = -math.log(len(z)) - z.shape[1] * math.log(bandwidth * math.sqrt(2 * math.pi))
        self.bells = Gaussians(z, z.new_full((z.shape[1],), bandwidth), log_scale)

    def __call__(self, z: Tensor) -> Tensor:
        return self.bells(self.bells.placed(z)).sum(1)


class DensityMetric(Manifold):
    """R^k with the density metric (see the module).

    `density` maps points (n, k) to p (n,), in any unit, and is differentiable, such as a `KernelDensity`. alpha > 0;
    beta >= 0 in units of alpha p. ValueError for other settings, for a density of another shape, and where alpha p +
    beta is not positive and finite at an end point or on a map.
    """

    def __init__(
        self, density: Generator, alpha: float = 1.0, beta: float = 0.0, box: Sequence[Sequence[float]] | None = None
    ) -> None:
        if not (0 < alpha < math.inf and 0 <= beta < math.inf):
            raise ValueError(f"alpha must be positive and beta at least 0, both finite; got {alpha} and {beta}")
        self.density, self.alpha, self.beta, self.box = density, alpha, beta, box
        self.derivatives = Derivatives(density)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        with torch.no_grad():
            p = self.density(z[:1])
            if not isinstance(p, Tensor) or p.shape != (1,):
                got = tuple(p.shape) if isinstance(p, Tensor) else type(p).__name__
                raise ValueError(f"the density must map points (n, k) to (n,); got {got} for n = 1")
            self.derivatives.check(z, lengths=False)
            bad = self.in_parts(lambda a: ~self._factor(a).isfinite(), z)
        if bad.any():
            raise ValueError(
                f"the density vanishes, or is negative or not finite, at the latent point {z[bad][0].tolist()}, where "
                f"alpha p + beta must be positive: give a larger beta than {self.beta:g}"
            )

    def together(self, z: Tensor) -> int:
        size = len(self.density.bells.centres) if isinstance(self.density, KernelDensity) else 256
        return max(1, 2**18 // (z.shape[-1] * size))

    def _factor(self, z: Tensor) -> Tensor:
        """(alpha p + beta)^(-2/k) (n,), NaN where that has no positive base."""
        base = self.alpha * self.density(z) + self.beta
        return torch.where(base > 0, base, torch.nan) ** (-2 / z.shape[1])

    def metric(self, z: Tensor) -> Tensor:
        return self._factor(z)[:, None, None] * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        return self._factor(z) * v.square().sum(-1)
