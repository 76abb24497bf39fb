"""Variational autoencoder whose latent space is made flat, or isometric but for one scale, by a penalty on its metric.

With M = J^T J of the decoder (k by k), and means E over latent points,

    flat (Chen et al. 2020):      E |M - c^2 I|^2,  c^2 = E tr(M) / k,
    isometric (Lee et al. 2022):  E tr(M^2) / (E tr M)^2 - 1 / k,

the second with its mean over directions carried out and its least value, 1 / k, taken off. The first is (E tr M)^2
times the second: it can be lowered by a smaller J, and the second cannot. Both are 0 where M = c^2 I everywhere.

The points are mixed-up codes, (1 - a) z_i + a z_j with a uniform in [-MIXED, 1 + MIXED], between the data and a little
beyond. Batch norm takes the batch's statistics there too: under running averages, which lag behind the weights, a
decoder whose weights shrink in every step looks flatter than it is. The hierarchical prior and the constrained
optimisation of Chen et al. are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .phases import Phase
from .vae import VAE

MIXED = 0.2


class FlatVAE(VAE):
    """A VAE with `weight` times the `penalty`, one of PENALTIES, in its loss; with weight 0 the VAE, to the bit."""

    def __init__(
        self,
        hidden: tuple[int, int],
        activation: Callable[[], nn.Module],
        latent_dim: int,
        *,
        penalty: str,
        weight: float,
    ) -> None:
        super().__init__(hidden, activation, latent_dim)
        self.penalty, self.weight = PENALTIES[penalty], weight

    def phases(self) -> dict[str, Phase]:
        return {"penalised negative ELBO": Phase(self, self.penalised)}

    def penalised(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """The negative ELBO in nats an image, plus the weighted penalty on the metric at as many mixed-up codes."""
        loss, z = self.bound(images, noise)
        if self.weight == 0:
            return loss
        return loss + self.weight * self.penalty(metric(self.generator, mixed_up(z, noise), z))


def mixed_up(codes: Tensor, noise: torch.Generator) -> Tensor:
    """Points (n, k) on the lines through two codes (n, k) each (see the module)."""
    other = codes[torch.randperm(len(codes), generator=noise, device=codes.device)]
    a = torch.rand(len(codes), 1, generator=noise, dtype=codes.dtype, device=codes.device)
    return torch.lerp(codes, other, (1 + 2 * MIXED) * a - MIXED)


def metric(generator: nn.Sequential, z: Tensor, batch: Tensor) -> Tensor:
    """M (n, k, k) of a decoder at z (n, k), differentiable; batch norm takes its statistics from the codes `batch` (m,
    k), and leaves the running ones as they are. Raises TypeError for layers that no model here has."""
    tangents = torch.eye(z.shape[1], dtype=z.dtype, device=z.device).expand(len(z), -1, -1)
    for layer in generator:
        if isinstance(layer, nn.Linear):
            z, batch, tangents = layer(z), layer(batch), tangents @ layer.weight.T
        elif isinstance(layer, nn.BatchNorm1d):
            variance, mean = torch.var_mean(batch, 0, correction=0)
            slope = layer.weight * (variance + layer.eps).rsqrt()
            z, batch, tangents = (z - mean) * slope + layer.bias, (batch - mean) * slope + layer.bias, tangents * slope
        elif isinstance(layer, nn.Tanh | nn.Sigmoid):
            z, batch = layer(z), layer(batch)
            slope = 1 - z * z if isinstance(layer, nn.Tanh) else z - z * z
            tangents = tangents * slope[:, None]
        else:
            raise TypeError(f"the metric of a decoder with the layer {layer} is not written out here")
    return tangents @ tangents.mT


def flatness(M: Tensor) -> Tensor:
    """E |M - c^2 I|^2 of metrics M (n, k, k), in pixel units to the fourth over latent units to the fourth."""
    k = M.shape[-1]
    scale = M.diagonal(dim1=1, dim2=2).sum(1).mean() / k
    return (M - scale * torch.eye(k, dtype=M.dtype, device=M.device)).square().sum((1, 2)).mean()


def isometry(M: Tensor) -> Tensor:
    """E tr(M^2) / (E tr M)^2 - 1 / k of metrics M (n, k, k), without unit."""
    return flatness(M) / M.diagonal(dim1=1, dim2=2).sum(1).mean().square()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {"flat": flatness, "isometric": isometry}
