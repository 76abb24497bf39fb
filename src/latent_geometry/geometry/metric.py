"""The metric that a generator pulls back to its latent space, and the singular values of its Jacobian.

Lengths and volumes of the latent space seen in data space come from M = J^T J: sqrt(det M) = prod s_i is the volume
magnification, s_max / s_min the anisotropy, s the singular values of J. They are computed from J, never from M, whose
condition number is the square of J's: in float64, log_cond is right to 1e-6 up to condition numbers of 1e8 and more.

Sources: Bjorck & Paige, SIAM J. Matrix Anal. Appl. 13 (1992) 176 (the R factor of modified Gram-Schmidt is backward
stable); Golub & Van Loan, Matrix Computations, 4th ed. (2013), section 5.4.1 (numerical rank).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .jacobian import Generator, jacobian


def pullback_metric(f: Generator, z: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """M = J^T J, (..., k, k), of f at the latent points z (..., k); f, z and errors as in `jacobian`."""
    J = jacobian(f, z, dtype)
    return J.mT @ J


def singular_values(J: Tensor) -> Tensor:
    """The k singular values (..., k) of J (..., N, k), descending.

    Those not above max(N, k) eps s_max are rounding and returned as exact zeros. Columns are scaled by their largest
    entry first, so no J, however small or large, under- or overflows. Raises ValueError for J not finite.
    """
    if J.ndim < 2 or 0 in J.shape[-2:]:
        raise ValueError(f"J must have shape (..., N, k) with N, k >= 1, got {tuple(J.shape)}")
    N, k = J.shape[-2:]
    columns = J.reshape(-1, N, k).movedim(-1, 0)
    size = torch.maximum(columns.amax(-1), -columns.amin(-1))
    if not torch.isfinite(size).all():
        raise ValueError(f"J of shape {tuple(J.shape)} must be finite")
    limits = torch.finfo(J.dtype)
    columns = columns * (1 / size.clamp(min=limits.tiny))[..., None]
    largest = size.amax(0).clamp(min=limits.tiny)
    R = _triangular_factor_(columns) * (size / largest).mT[:, None, :]
    s = _singular_values_2x2(R) if k == 2 else torch.linalg.svdvals(R)
    s = torch.where(s > max(N, k) * limits.eps * s[:, :1], s, 0)
    return (s * largest[:, None]).reshape(*J.shape[:-2], k)


def log_det(s: Tensor) -> Tensor:
    """log det(J^T J) = 2 sum log s, (...), from singular values s (..., k); -inf when J is rank deficient."""
    return 2 * s.log().sum(-1)


def log_cond(s: Tensor) -> Tensor:
    """log(s_max / s_min), (...), from singular values s (..., k); +inf when J is rank deficient, J = 0 included."""
    largest, smallest = s[..., 0], s[..., -1]
    return torch.where(smallest > 0, largest.log() - smallest.log(), torch.inf)


def _triangular_factor_(columns: Tensor) -> Tensor:
    """R (n, k, k) of n matrices given by columns (k, n, N), by modified Gram-Schmidt; overwrites them with Q's."""
    k, n, _ = columns.shape
    R = columns.new_zeros(n, k, k)
    for j, q in enumerate(columns):
        norm = torch.linalg.vector_norm(q, dim=-1)
        R[:, j, j] = norm
        q *= torch.where(norm > 0, 1 / norm, 0)[:, None]
        for i in range(j + 1, k):
            overlap = torch.linalg.vecdot(columns[i], q)
            R[:, j, i] = overlap
            columns[i].addcmul_(overlap[:, None], q, value=-1)
    return R


def _singular_values_2x2(R: Tensor) -> Tensor:
    """Singular values (n, 2) of R = [[a, b], [0, d]] (n, 2, 2), a, d >= 0, each to a few units in the last place.

    (s_max +- s_min)^2 = (a +- d)^2 + b^2, and s_max s_min = a d; only s_max is a sum, and of positive terms.
    """
    a, b, d = R[:, 0, 0], R[:, 0, 1], R[:, 1, 1]
    largest = (torch.hypot(a + d, b) + torch.hypot(a - d, b)) / 2
    return torch.stack([largest, torch.where(largest > 0, a * d / largest, 0)], dim=-1)
