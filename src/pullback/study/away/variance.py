"""The variance of a decoder about its codes as radial bells, fitted (Arvanitidis, Hansen & Hauberg 2018, section 4).

The precision of pixel i is b = sum_c W_ic exp(-rate_c |z - c|^2) + zeta. Given squared errors r^2, the negative log
likelihood sum (b r^2 - log b) / 2 is convex in W >= 0. Each step

    W_ic <- W_ic * sum_z (phi_c(z) / b) / sum_z (phi_c(z) r^2),    phi_c the bell about c,

lowers it, by Jensen's inequality for the logarithm: the bound that is tight at the present W has its minimum there. So
there is neither a rate to choose nor a draw.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...geometry import rbf_centres, rbf_deviation
from ...geometry.elements import LEAST_VARIANCE

STEPS = 60
CHUNK = 2048  # codes whose precisions are held at a time


def fit_deviation(codes: Tensor, errors: Tensor, zeta: float, count: int = 64, scale: float = 1.25) -> nn.Sequential:
    """The deviation, as `rbf_deviation` has it, of pixels whose squared errors (m, N) at codes (m, k) are given.

    `count` bells, as wide as `scale` times their clusters (see `rbf_centres`). LEAST_VARIANCE is added to the errors,
    so that a pixel that is always the same has a finite precision. Raises ValueError for errors that are negative or of
    another length, and for fewer different codes than bells.
    """
    if errors.ndim != 2 or len(errors) != len(codes) or not bool((errors >= 0).all()):
        raise ValueError(
            f"errors must be squares (m, N), one row a code; got {tuple(errors.shape)} for {len(codes)} codes, the "
            f"least {float(errors.min()):.3g}. Square what is left of the images"
        )
    centres, rates = rbf_centres(codes, count, scale)
    return rbf_deviation(centres, rates, fit_weights(codes.double(), errors, centres, rates, zeta), zeta)


def fit_weights(codes: Tensor, errors: Tensor, centres: Tensor, rates: Tensor, zeta: float) -> Tensor:
    """The precisions W (N, K) of the bells (see the module)."""
    bells = torch.exp(-rates * torch.cdist(codes, centres).square()).to(errors.dtype)
    squares = errors + LEAST_VARIANCE
    seen = squares.T @ bells
    W = (1 / (squares.mean(0) * bells.sum(1).mean()))[:, None].expand(-1, len(centres))
    for _ in range(STEPS):
        wanted = sum((1 / (part @ W.T + zeta)).T @ part for part in bells.split(CHUNK))
        W = W * wanted / seen
    return W.double()
