"""The metric that a generator pulls back to its latent space, and the singular values of its Jacobian.

Lengths and volumes of the latent space seen in data space come from M = J^T J: with s the singular values of J,
sqrt(det M) = prod s_i is the magnification of volume and s_max / s_min the anisotropy. They are computed from J,
never from M, whose condition number is the square of J's: in float64, log_cond is right to 1e-6 up to condition
numbers of 1e8.

Sources: Bjorck & Paige, SIAM J. Matrix Anal. Appl. 13 (1992) 176 (the R factor of modified Gram-Schmidt is
backward stable); Golub & Van Loan, Matrix Computations, 4th ed. (2013), section 5.4.1 (numerical rank).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .derivatives import Generator, jacobian


def pullback_metric(f: Generator, z: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """M = J^T J, (..., k, k), of f at the latent points z (..., k); f, z and errors as in `jacobian`."""
    J = jacobian(f, z, dtype)
    return J.mT @ J


def singular_values(J: Tensor) -> Tensor:
    """The k singular values (..., k) of J (..., N, k), descending.

    Those not above max(N, k) eps s_max are rounding and returned as exact zeros. Where the square of a column's
    norm could leave the range of exponents, columns are scaled by their largest entries first, so that neither
    1e-200 J nor 1e200 J loses rank. Raises ValueError for a J of the wrong shape or not finite.
    """
    if J.ndim < 2 or 0 in J.shape[-2:]:
        raise ValueError(f"J must have shape (..., N, k) with N, k >= 1, got {tuple(J.shape)}")
    N, k = J.shape[-2:]
    limits = torch.finfo(J.dtype)
    columns, scale = J.reshape(-1, N, k).movedim(-1, 0), None
    R = _triangular_factor(columns)
    norms = torch.linalg.vector_norm(R, dim=-2)
    if not ((norms > limits.tiny**0.4) & (norms < limits.max**0.4)).all():
        size = columns.abs().amax(-1).clamp(min=limits.tiny)
        if not torch.isfinite(size).all():
            raise ValueError(f"J of shape {tuple(J.shape)} must be finite")
        scale = size.amax(0)
        R = _triangular_factor(columns * (1 / size)[..., None]) * (size / scale).mT[:, None]
    s = _singular_values_2x2(R) if k == 2 else torch.linalg.svdvals(R)
    s = torch.where(s > max(N, k) * limits.eps * s[:, :1], s, 0)
    return (s if scale is None else s * scale[:, None]).reshape(*J.shape[:-2], k)


def log_det(s: Tensor) -> Tensor:
    """log det(J^T J) = 2 sum log s, (...), from singular values s (..., k); -inf when J is rank deficient."""
    return 2 * s.log().sum(-1)


def log_cond(s: Tensor) -> Tensor:
    """log(s_max / s_min), (...), from singular values s (..., k); +inf when J is rank deficient, also for J = 0."""
    largest, smallest = s[..., 0], s[..., -1]
    return torch.where(smallest > 0, largest.log() - smallest.log(), torch.inf)


def _triangular_factor(columns: Tensor) -> Tensor:
    """R (n, k, k) of n matrices given by columns (k, n, N), by modified Gram-Schmidt.

    A column of which nothing is left but underflow contributes no direction.
    """
    remaining = list(columns)
    R = columns.new_zeros(columns.shape[1], len(columns), len(columns))
    smallest = torch.finfo(columns.dtype).tiny ** 0.5
    for j, column in enumerate(remaining):
        norm = torch.linalg.vector_norm(column, dim=-1)
        inverse = torch.where(norm > smallest, 1 / norm, 0)
        R[:, j, j] = norm
        for i in range(j + 1, len(remaining)):
            overlap = torch.linalg.vecdot(remaining[i], column) * inverse
            R[:, j, i] = overlap
            remaining[i] = torch.addcmul(remaining[i], (overlap * inverse)[:, None], column, value=-1)
    return R


def _singular_values_2x2(R: Tensor) -> Tensor:
    """Singular values (n, 2) of R = [[a, b], [0, d]] (n, 2, 2), a, d >= 0, each to a few units in the last place.

    (s_max +- s_min)^2 = (a +- d)^2 + b^2 gives s_max, a sum of positive terms; s_max s_min = a d gives s_min.
    """
    a, b, d = R[:, 0, 0], R[:, 0, 1], R[:, 1, 1]
    largest = (torch.hypot(a + d, b) + torch.hypot(a - d, b)) / 2
    return torch.stack([largest, torch.where(largest > 0, a * d / largest, 0)], dim=-1)
