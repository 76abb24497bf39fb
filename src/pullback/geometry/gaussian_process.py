"""The expected metric of a Gaussian-process decoder, from its data and hyperparameters.

Each of N pixels is a Gaussian process with zero prior mean and the kernel k(z, c) = s^2 exp(-|z - c|^2 / 2 l^2), seen
at codes Z (m, k) with noise of variance e. With K = k(Z, Z) + e I and G (k, m) the derivatives of k(z, Z) in z, the
Jacobian at z is normal, and its expected square is (Tosi et al. 2014, eq. 17)

    E[J^T J] = J_m^T J_m + N (s^2 / l^2 I - G K^-1 G^T),    J_m^T = G K^-1 X,

for images X (m, N). Far from the codes G is 0 and the metric a plateau, N s^2 / l^2 I: long there, but flat. So a
shortest path avoids it only where the way through the data is shorter still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .elements import Gaussians
from .inputs import as_points, as_tensor
from .manifolds import Manifold

NOISE = 1e-10  # least noise relative to s^2 that leaves the metric its digits


class GaussianProcessMetric(Manifold):
    """The latent space of a Gaussian-process decoder with its expected metric (see the module).

    codes (m, k) and images (m, ...), from which the prior's mean has been taken; `lengthscale` l in latent units, one
    number or one a dimension (k,); `variance` s^2 and `noise` e in squared pixel units. Lengths are in pixel units.
    Memory is m^2, whatever N. ValueError for hyperparameters that are not positive, for shapes that do not match, and
    where the kernel matrix is singular to rounding: noise below 1e-10 of the variance among codes that repeat.
    """

    def __init__(
        self,
        codes: Any,
        images: Any,
        lengthscale: Any,
        variance: float,
        noise: float,
        box: Sequence[Sequence[float]] | None = None,
    ) -> None:
        Z, X = as_points(codes, "codes"), as_points(images, "images")
        scale = as_tensor(lengthscale, "lengthscale")
        if Z.ndim != 2 or X.ndim < 2 or len(X) != len(Z) or not len(Z) or scale.shape not in ((), (Z.shape[1],)):
            raise ValueError(
                f"codes must be (m, k), images (m, ...) and lengthscale a number or (k,); got {tuple(Z.shape)}, "
                f"{tuple(X.shape)} and {tuple(scale.shape)}"
            )
        good = bool((scale > 0).all() & scale.isfinite().all())
        if not (good and 0 < variance < torch.inf and 0 <= noise < torch.inf):
            raise ValueError(
                f"lengthscale and variance must be positive, noise at least 0, all finite; got {scale.tolist()}, "
                f"{variance} and {noise}"
            )
        X = X.flatten(1)
        self.box, self.variance, self.device = box, variance, Z.device
        self.scale, self.pixels = scale.expand(Z.shape[1]), X.shape[1]
        self.kernel = Gaussians(Z, self.scale, math.log(variance))
        self.codes = self.kernel.centres
        apart = torch.cdist(self.codes, self.codes, compute_mode="donot_use_mm_for_euclid_dist")
        K = variance * torch.exp(-0.5 * apart.square())
        K.diagonal().add_(noise)
        L, failed = torch.linalg.cholesky_ex(K)
        if failed or bool(L.diagonal().square().min() < NOISE * variance):
            raise ValueError(
                f"the kernel matrix of {len(Z)} codes is singular to rounding with noise {noise:.3g}: raise the noise "
                f"to {1e-6 * variance:.3g} or more, or remove codes that are nearly equal"
            )
        white = torch.linalg.solve_triangular(L, X, upper=False)
        middle = white @ white.T - self.pixels * torch.eye(len(Z), dtype=Z.dtype, device=Z.device)
        half = torch.linalg.solve_triangular(L.T, middle, upper=True)
        self.weight = torch.linalg.solve_triangular(L.T, half.T, upper=True)  # K^-1 X X^T K^-1 - N K^-1

    def check(self, z: Tensor, lengths: bool = True) -> None:
        if z.shape[1] != self.codes.shape[1]:
            raise ValueError(f"the codes are of dimension {self.codes.shape[1]}, the points of dimension {z.shape[1]}")

    def together(self, z: Tensor) -> int:
        return max(1, 2**20 // (len(self.codes) * z.shape[-1]))

    def metric(self, z: Tensor) -> Tensor:
        z = self.kernel.placed(z)
        G = (self.kernel(z)[..., None] * (self.codes - z[:, None])).mT / self.scale[:, None]
        plateau = torch.diag(self.pixels * self.variance / self.scale**2)
        return plateau + (G @ self.weight) @ G.mT

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        z, v = self.kernel.placed(z), v / self.scale
        slope = self.kernel(z) * (v @ self.codes.T - (v * z).sum(1, keepdim=True))
        return self.pixels * self.variance * v.square().sum(1) + ((slope @ self.weight) * slope).sum(1)
