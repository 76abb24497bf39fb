"""The expected metric of a Gaussian-process decoder, from its data and hyperparameters.

Each of N pixels is a Gaussian process with zero prior mean and the kernel k(z, c) = s^2 exp(-|z - c|^2 / 2 l^2), seen
at codes Z (m, k) with noise of variance e. With K = k(Z, Z) + e I and G (k, m) the derivatives of k(z, Z) in z, the
Jacobian at z is normal, and its expected square is (Tosi et al. 2014, eq. 17)

    E[J^T J] = J_m^T J_m + N (s^2 / l^2 I - G K^-1 G^T),    J_m^T = G K^-1 X,

for images X (m, N). Far from the codes G is 0 and the metric a plateau, N s^2 / l^2 I: long there, but flat. So a
shortest path avoids it only where the way through the data is shorter still.

With inducing points U (u, k) in place of all codes, and K = k(U, U), C = k(U, Z), the posterior is that of Titsias
(2009): with S = K + C C^T / e, G now the derivatives of k(z, U), and memory u^2,

    E[J^T J] = J_m^T J_m + N (s^2 / l^2 I - G (K^-1 - S^-1) G^T),    J_m^T = G S^-1 C X / e.
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
JITTER = 1e-8  # what is added to the diagonal of the inducing points' kernel matrix, relative to s^2
CHUNK = 4096  # codes whose kernel with the inducing points is held at a time


class GaussianProcessMetric(Manifold):
    """The latent space of a Gaussian-process decoder with its expected metric (see the module).

    codes (m, k) and images (m, ...), from which the prior's mean has been taken; `lengthscale` l in latent units, one
    number or one a dimension (k,); `variance` s^2 and `noise` e in squared pixel units; `inducing` (u, k), if there are
    so many codes that m^2 numbers are too many. Lengths are in pixel units. ValueError for hyperparameters that are not
    positive, for shapes that do not match, and where the kernel matrix is singular to rounding: noise below 1e-10 of
    the variance among codes that repeat. That of inducing points is regularised, by 1e-8 of the variance.
    """

    def __init__(
        self,
        codes: Any,
        images: Any,
        lengthscale: Any,
        variance: float,
        noise: float,
        box: Sequence[Sequence[float]] | None = None,
        *,
        inducing: Any = None,
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
        U = Z if inducing is None else as_points(inducing, "inducing")
        if U.ndim != 2 or not len(U) or U.shape[1] != Z.shape[1] or (inducing is not None and noise == 0):
            raise ValueError(
                f"inducing points must be (u, {Z.shape[1]}), as the codes are, and their noise positive; got "
                f"{tuple(U.shape)} and noise {noise}"
            )
        X = X.flatten(1)
        self.box, self.variance, self.device = box, variance, Z.device
        self.scale, self.pixels = scale.expand(Z.shape[1]), X.shape[1]
        self.kernel = Gaussians(U, self.scale, math.log(variance))
        self.codes = self.kernel.centres
        apart = torch.cdist(self.codes, self.codes, compute_mode="donot_use_mm_for_euclid_dist")
        K = variance * torch.exp(-0.5 * apart.square())
        if inducing is None:
            self._condition(K, X, noise)
        else:
            self._condition_sparsely(K, self.kernel.placed(Z), X, noise)

    def _condition(self, K: Tensor, X: Tensor, noise: float) -> None:
        K.diagonal().add_(noise)
        L, failed = torch.linalg.cholesky_ex(K)
        if failed or bool(L.diagonal().square().min() < NOISE * self.variance):
            raise ValueError(
                f"the kernel matrix of {len(X)} codes is singular to rounding with noise {noise:.3g}: raise the noise "
                f"to {1e-6 * self.variance:.3g} or more, or remove codes that are nearly equal"
            )
        white = torch.linalg.solve_triangular(L, X, upper=False)
        self._weigh(L, white, torch.eye(len(X), dtype=X.dtype, device=X.device))

    def _condition_sparsely(self, K: Tensor, placed: Tensor, X: Tensor, noise: float) -> None:
        """With K = L L^T and A = L^-1 C / sqrt(e): S = L (I + A A^T) L^T, so K^-1 - S^-1 = L^-T (I - (I + A A^T)^-1)
        L^-1 and S^-1 C X / e = L^-T (I + A A^T)^-1 A X / sqrt(e)."""
        K.diagonal().add_(JITTER * self.variance)
        L = torch.linalg.cholesky(K)
        eye = torch.eye(len(K), dtype=X.dtype, device=X.device)
        inner, seen = eye.clone(), X.new_zeros(len(K), X.shape[1])
        for z, x in zip(placed.split(CHUNK), X.split(CHUNK), strict=True):
            A = torch.linalg.solve_triangular(L, self.kernel(z).T, upper=False) / noise**0.5
            inner += A @ A.T
            seen += A @ x / noise**0.5
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(inner))
        self._weigh(L, inverse @ seen, eye - inverse)

    def _weigh(self, L: Tensor, white: Tensor, known: Tensor) -> None:
        """The posterior's mean is k(z, U) L^-T white, and its variance s^2 - |L^-1 k(U, z)|^2 in the norm `known`."""
        self.mean = torch.linalg.solve_triangular(L.T, white, upper=True)
        half = torch.linalg.solve_triangular(L.T, white @ white.T - self.pixels * known, upper=True)
        self.weight = torch.linalg.solve_triangular(L.T, half.T, upper=True)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        if z.shape[1] != self.codes.shape[1]:
            raise ValueError(f"the codes are of dimension {self.codes.shape[1]}, the points of dimension {z.shape[1]}")

    def together(self, z: Tensor) -> int:
        return max(1, 2**20 // (len(self.codes) * z.shape[-1]))

    def images(self, z: Tensor) -> Tensor:
        """The posterior's mean (n, N) at points z (n, k), to which the prior's mean is yet to be added."""
        return self.kernel(self.kernel.placed(z)) @ self.mean

    def metric(self, z: Tensor) -> Tensor:
        z = self.kernel.placed(z)
        G = (self.kernel(z)[..., None] * (self.codes - z[:, None])).mT / self.scale[:, None]
        plateau = torch.diag(self.pixels * self.variance / self.scale**2)
        return plateau + (G @ self.weight) @ G.mT

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        z, v = self.kernel.placed(z), v / self.scale
        slope = self.kernel(z) * (v @ self.codes.T - (v * z).sum(1, keepdim=True))
        return self.pixels * self.variance * v.square().sum(1) + ((slope @ self.weight) * slope).sum(1)
