"""The metric that a generator pulls back to its latent space, and the singular values of its Jacobian.

Lengths and volumes of the latent space seen in data space come from M = J^T J: with s the singular values of J,
sqrt(det M) = prod s_i is the magnification of volume and s_max / s_min the anisotropy. They are computed from J,
never from M, whose condition number is the square of J's: in float64, log_cond is right to 1e-6 up to condition
numbers of 1e8.

Sources: Bjorck & Paige, SIAM J. Matrix Anal. Appl. 13 (1992) 176 (the R factor of modified Gram-Schmidt is
backward stable); Golub & Van Loan, Matrix Computations, 4th ed. (2013), section 5.4.1 (numerical rank).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .derivatives import Generator, check_finite
from .inputs import as_points, as_tensor
from .latent import as_manifold
from .manifolds import Embedded, Manifold

LAPACK = 12  # dimensions from which its QR is faster: 2 to 3 times for 784 pixels, break-even for 20


def jacobian(f: Embedded | Generator, z: Any, dtype: torch.dtype = torch.float64) -> Tensor:
    """Jacobians of f at the latent points z (..., k): a tensor (..., N, k), in `dtype`.

    f is an embedded manifold or a generator: it maps (n, k) to (n, ...), each row for itself; its trailing dimensions
    are flattened into N. A module is evaluated as by `in_dtype`; any other callable receives z in `dtype`. z may be a
    nested list or an array. Differentiable in z.

    Raises TypeError or ValueError if z is no array of finite real numbers or has no latent dimension, if f does not
    return real numbers with one row a point, if f lies about its derivatives (see `checks`), or if f or J is not
    finite, naming the first such point.
    """
    space, z, points = _at(f, z, dtype)
    if not isinstance(space, Embedded):
        raise TypeError(f"f must be a generator or an embedded manifold; {type(space).__name__} has a metric only")
    J = space.root(points)
    check_finite(J, points)
    return J.to(dtype).reshape(*z.shape[:-1], *J.shape[1:])


def pullback_metric(f: Manifold | Generator, z: Any, dtype: torch.dtype = torch.float64) -> Tensor:
    """The metric M (..., k, k) of a manifold f at the points z (..., k), M = J^T J for a generator f.

    Arguments and errors are those of `jacobian`, but that f needs no embedding; ValueError also where the squares in M
    leave the range of numbers.
    """
    space, z, points = _at(f, z, dtype)
    if not isinstance(space, Embedded):
        M = space.metric(points)
        check_finite(M, points, "the metric")
    else:
        J = jacobian(space, points, dtype)
        M = J.mT @ J
        largest, diagonal = J.detach().abs().amax((1, 2)), M.detach().diagonal(dim1=1, dim2=2).amax(1)
        limits = torch.finfo(dtype)
        lost = ~M.isfinite().flatten(1).all(1) | ((largest > 0) & (diagonal < limits.tiny / limits.eps))
        if lost.any():
            raise ValueError(
                f"the metric leaves the range of {dtype} at the latent point {points[lost][0].tolist()}, where the "
                f"Jacobian reaches {float(largest[lost][0]):.2g}: multiply f by a constant"
            )
    return M.to(dtype).reshape(*z.shape[:-1], *M.shape[1:])


def _at(f: Manifold | Generator, z: Any, dtype: torch.dtype) -> tuple[Manifold, Tensor, Tensor]:
    """f as a manifold, checked, z (..., k) in `dtype`, and its points (n, k) as the manifold takes them."""
    space = as_manifold(f, dtype)
    z = as_points(z, "z", dtype)
    points = z.reshape(-1, z.shape[-1]).to(space.dtype)
    space.check(points, lengths=False)
    return space, z, points


def singular_values(J: Any) -> Tensor:
    """The k singular values (..., k) of J (..., N, k), descending, in float32 if J is, else in float64.

    Those not above max(N, k) eps s_max are rounding and returned as exact zeros. Where the square of a column's
    norm could leave the range of exponents, columns are scaled by their largest entries first, so that neither
    1e-200 J nor 1e200 J loses rank. Raises ValueError or TypeError for a J that is no array of real
    numbers, of the wrong shape, or not finite.
    """
    J = as_tensor(J, "J", None)
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


def log_det(s: Any) -> Tensor:
    """log det(J^T J) = 2 sum log s, (...), from singular values s (..., k); -inf when J is rank deficient.

    Raises ValueError or TypeError for an s that holds no singular values: negative, not finite, or of shape ().
    """
    return 2 * _spectrum(s).log().sum(-1)


def log_cond(s: Any) -> Tensor:
    """log(s_max / s_min), (...), from singular values s (..., k); +inf when J is rank deficient, also for J = 0.

    Raises as `log_det`.
    """
    s = _spectrum(s)
    largest, smallest = s.amax(-1), s.amin(-1)
    return torch.where(smallest > 0, largest.log() - smallest.log(), torch.inf)


def _spectrum(s: Any) -> Tensor:
    s = as_tensor(s, "s", None)
    if s.ndim == 0 or s.shape[-1] == 0 or not bool(((s >= 0) & s.isfinite()).all()):
        raise ValueError(
            f"s must hold singular values (..., k), k >= 1, finite and at least 0; got {tuple(s.shape)}: {s}"
        )
    return s


def _triangular_factor(columns: Tensor) -> Tensor:
    """R (n, k, k) of n matrices given by columns (k, n, N), by modified Gram-Schmidt or from LAPACK.

    A column of which nothing is left but underflow contributes no direction.
    """
    k, _, N = columns.shape
    if k >= LAPACK:
        R = torch.linalg.qr(columns.movedim(0, -1), mode="r").R
        return R if N >= k else torch.cat((R, R.new_zeros(len(R), k - N, k)), 1)
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
