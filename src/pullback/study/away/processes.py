"""Gaussian processes as decoders: one kernel that all pixels share, its hyperparameters by gpytorch.

From codes that are given, with inducing points (Titsias 2009); or with codes of their own, a Gaussian-process latent
variable model (Lawrence 2005), as Tosi et al. (2014) have it. Pixels are independent given the codes, so the log
likelihood of N of them is the sum of N with one kernel matrix.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...geometry import Box, GaussianProcessMetric, rbf_centres

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # of torch.jit, which gpytorch uses and a reader cannot change
    from gpytorch import settings
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import InducingPointKernel, RBFKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood

STEPS = 200  # of Adam, for the hyperparameters
RATE = 0.05
LEAST_NOISE = 1e-4  # squared pixel units, against a kernel matrix that is singular


class Process(NamedTuple):
    """A process from codes (m, k) to images (m, N) less their `mean` (N,), with its hyperparameters, in squared pixel
    units and latent units; `inducing` (u, k) or None."""

    codes: Tensor
    centred: Tensor
    mean: Tensor
    lengthscale: float
    variance: float
    noise: float
    inducing: Tensor | None

    def metric(self, box: Box | None = None) -> GaussianProcessMetric:
        return GaussianProcessMetric(
            self.codes, self.centred, self.lengthscale, self.variance, self.noise, box, inducing=self.inducing
        )


    def decoder(self) -> Callable[[Tensor], Tensor]:
        """The posterior's mean, from points (n, k) to images (n, N) in float32."""
        posterior = self.metric()
        return lambda z: (self.mean + posterior.images(z.double())).float()


class Kernel(nn.Module):
    """gpytorch's kernel s^2 exp(-|z - c|^2 / 2 l^2) and noise e, in float64, started at the data's own scales."""

    def __init__(self, codes: Tensor, centred: Tensor) -> None:
        super().__init__()
        self.kernel = ScaleKernel(RBFKernel()).double()
        self.likelihood = GaussianLikelihood(noise_constraint=GreaterThan(LEAST_NOISE)).double()
        spread, variance = codes.double().std(0).mean(), centred.double().square().mean()
        if not (spread > 0 and variance > 0):
            raise ValueError("a Gaussian process needs codes and images that differ: it was given equal ones")
        self.kernel.base_kernel.lengthscale = spread
        self.kernel.outputscale, self.likelihood.noise = variance, variance / 4 + 2 * LEAST_NOISE

    def negative_log_likelihood(self, codes: Tensor, centred: Tensor, inducing: Tensor | None = None) -> Tensor:
        """In nats of each number of `centred` (m, N); with inducing points its upper bound, Titsias' (2009, eq. 9)."""
        m, N = centred.shape
        noise = self.likelihood.noise
        kernel = self.kernel if inducing is None else InducingPointKernel(self.kernel, inducing, self.likelihood)
        with settings.max_cholesky_size(m):
            K = kernel(codes).evaluate_kernel()
            quadratic, log_det = K.add_diagonal(noise.expand(m)).inv_quad_logdet(centred, logdet=True)
            unseen = 0.0 if inducing is None else m * self.kernel.outputscale - K.diagonal().sum()
        return (quadratic / N + log_det + unseen / noise.squeeze() + m * math.log(2 * math.pi)) / (2 * m)

    def as_process(self, codes: Tensor, centred: Tensor, mean: Tensor, inducing: Tensor | None) -> Process:
        values = (self.kernel.base_kernel.lengthscale, self.kernel.outputscale, self.likelihood.noise)
        length, variance, noise = (float(value.detach()) for value in values)
        return Process(codes.detach(), centred, mean, length, variance, noise, inducing)


def fit_process(codes: Tensor, images: Tensor, count: int, learnt_from: int = 1000, steps: int = STEPS) -> Process:
    """The process from codes (m, k) to images (m, N) with `count` inducing points, k-means centres of the codes.

    Hyperparameters are learnt from about `learnt_from` codes, evenly many apart, and the posterior is that of all.
    Raises ValueError for fewer different codes than inducing points, and for codes or images that are all equal.
    """
    codes, X = codes.double(), images.double().flatten(1)
    mean = X.mean(0)
    inducing, _ = rbf_centres(codes, count)
    kernel = Kernel(codes, X - mean)
    z, x = (a[:: max(1, len(codes) // learnt_from)] for a in (codes, X - mean))
    _minimise(lambda: kernel.negative_log_likelihood(z, x, inducing), kernel.parameters(), steps)
    return kernel.as_process(codes, X - mean, mean, inducing)


def fit_gplvm(images: Tensor, latent_dim: int = 2, steps: int = STEPS) -> Process:
    """The latent variable model of images (m, N): codes, started at the principal components and with a standard normal
    prior, and hyperparameters, of the largest joint density. Memory is m^2.

    Raises ValueError for fewer images than dimensions, or images that are all equal.
    """
    X = images.double().flatten(1)
    if len(X) <= latent_dim:
        raise ValueError(f"a latent space of {latent_dim} dimensions needs more images than that, got {len(X)}")
    mean = X.mean(0)
    U, _, _ = torch.linalg.svd(X - mean, full_matrices=False)
    start = U[:, :latent_dim] * len(X) ** 0.5
    kernel = Kernel(start, X - mean)
    codes = start.clone().requires_grad_()

    def loss() -> Tensor:
        return kernel.negative_log_likelihood(codes, X - mean) + codes.square().sum() / (2 * X.numel())

    _minimise(loss, [*kernel.parameters(), codes], steps)
    return kernel.as_process(codes, X - mean, mean, None)


def _minimise(loss: Callable[[], Tensor], weights: Iterable[Tensor], steps: int) -> None:
    adam = torch.optim.Adam(weights, lr=RATE)
    for _ in range(steps):
        adam.zero_grad()
        loss().backward()
        adam.step()
