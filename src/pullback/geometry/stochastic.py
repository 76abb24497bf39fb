"""The expected metric of a decoder that draws its images: mean and standard deviation, or one of radial bells.

A decoder x = mu(z) + sigma(z) * e with e standard normal in R^N has a random Jacobian, and

    E[J^T J] = J_mu^T J_mu + J_sigma^T J_sigma,

the pullback of the Euclidean metric by (mu, sigma) (Tosi et al. 2014; Arvanitidis, Hansen and Hauberg 2018, eq. 8).

A deviation of radial bells has 1 / sigma^2 = W exp(-rate_c |z - c|^2) + zeta (the same, section 4). It rises from the
data to zeta^(-1/2) and stays there. So its share of the metric is a moat about the data, beyond which only J_mu is
left: a shortest path may cross the moat once, or leave through it. zeta says how high its walls are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

from .derivatives import Generator
from .elements import Exponential, InverseRoot, Joined, Radial
from .inputs import as_points, as_tensor
from .latent import LatentSpace
from .modules import in_dtype


class ExpectedMetric(LatentSpace):
    """The latent space of a Gaussian decoder with its expected metric (see the module).

    `mean` and `deviation` are generators (n, k) -> (n, ...) of one shape: the mean and the standard deviation, neither
    a variance nor a precision, of each pixel. Modules must be in eval mode. `box` and lengths are as `LatentSpace`'s.
    Solvers and maps raise ValueError where the two shapes differ, or where a deviation is not positive.
    """

    def __init__(
        self, mean: Generator, deviation: Generator, box: Sequence[Sequence[float]] | None = None
    ) -> None:
        super().__init__(joined([mean, deviation]), box)
        self.mean, self.deviation = LatentSpace(mean), LatentSpace(deviation)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        check_deviation(self.mean, self.deviation, z)
        super().check(z, lengths)


def joined(generators: Sequence[Generator], factor: float = 1.0) -> Generator:
    """The images of several generators side by side, flattened, times `factor`: a module if all of them are."""
    ready = [in_dtype(f) for f in generators]
    if all(isinstance(f, nn.Module) for f in ready):
        return Joined(ready, factor).eval()  # type: ignore[arg-type]
    return lambda z: factor * torch.cat([f(z).flatten(1) for f in ready], 1)


@torch.no_grad()
def check_deviation(mean: LatentSpace, deviation: LatentSpace, z: Tensor) -> None:
    """ValueError if mean and deviation have images of different shapes, or if a deviation at the points z (n, k) is
    not positive."""
    shapes = [tuple(space.f(z[:1]).shape[1:]) for space in (mean, deviation)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"mean and standard deviation must have images of one shape; the mean's is {shapes[0]}, the deviation's "
            f"{shapes[1]}. Expand a deviation that pixels share"
        )
    smallest = deviation.in_parts(lambda a: deviation.images(a).amin(1), z)
    if (smallest <= 0).any():
        at = int(smallest.nan_to_num(torch.inf).argmin())
        raise ValueError(
            f"the standard deviation must be positive; at the latent point {z[at].tolist()} it is "
            f"{float(smallest[at]):.3g}. Give sigma itself, not its logarithm, and bound it from below"
        )


def rbf_deviation(centres: Any, rates: Any, weights: Any, zeta: float) -> nn.Sequential:
    """sigma(z) = (W exp(-rate_c |z - c|^2) + zeta)^(-1/2) as a module from points (n, k) to (n, N) (see the module).

    centres (K, k) and rates (K,), in latent units, are those of `rbf_centres`; weights W (N, K) >= 0 and zeta > 0 are
    precisions, in inverse squares of pixel units. ValueError for other shapes, and for weights, rates or a zeta that
    would let sigma be infinite or not a number.
    """
    c, r, W = as_points(centres, "centres"), as_tensor(rates, "rates"), as_tensor(weights, "weights")
    if c.ndim != 2 or r.shape != (len(c),) or W.ndim != 2 or W.shape[1] != len(c):
        raise ValueError(
            f"centres must be (K, k), rates (K,) and weights (N, K); got {tuple(c.shape)}, {tuple(r.shape)} and "
            f"{tuple(W.shape)}"
        )
    if not (r.isfinite().all() and (r > 0).all() and W.isfinite().all() and (W >= 0).all()):
        raise ValueError("rates must be positive, weights at least 0, both finite: take softplus or squares of weights")
    if not 0 < zeta < float("inf"):
        raise ValueError(f"zeta must be positive, or the deviation is infinite far from the data; got {zeta}")
    last = nn.utils.skip_init(nn.Linear, len(c), len(W), dtype=torch.float64)
    last.weight, last.bias = nn.Parameter(W, False), nn.Parameter(torch.full_like(W[:, 0], zeta), False)
    return nn.Sequential(Radial(c, r), Exponential(), last, InverseRoot()).eval()


def rbf_centres(codes: Any, count: int, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """k-means centres (count, k) of codes (m, k), and their rates (count,) = (scale * d_c)^-2 / 2, where d_c is the
    mean distance of a cluster's codes from its centre (Arvanitidis, Hansen and Hauberg 2018, section 4).

    A cluster without spread takes the mean d_c of the others. ValueError for fewer different codes than centres, or
    where no cluster has spread.
    """
    z = as_points(codes, "codes")
    different = len(z.unique(dim=0)) if z.ndim == 2 else 0
    if not 1 <= count < different or not scale > 0:
        raise ValueError(
            f"codes must be (m, k) with more different points than centres, and scale positive; got {tuple(z.shape)}, "
            f"{different} of them different, for {count} centres and scale={scale}. Ask for fewer centres"
        )
    order = np.lexsort(z.numpy().T)  # so that the order of the codes changes nothing
    centres, label = kmeans2(z.numpy()[order], count, minit="++", missing="warn", seed=seed)
    sizes = np.bincount(label, minlength=count)
    distance = np.linalg.norm(z.numpy()[order] - centres[label], axis=1)
    spread = np.bincount(label, distance, minlength=count) / np.maximum(sizes, 1)
    centres, spread = centres[sizes > 0], spread[sizes > 0]
    spread[spread == 0] = spread[spread > 0].mean()
    return torch.from_numpy(centres), torch.from_numpy(0.5 / (scale * spread) ** 2)
