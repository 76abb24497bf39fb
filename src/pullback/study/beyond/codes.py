"""What a generator's Jacobian is like at codes, in any number of latent dimensions and at any latent scale."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...geometry import LatentSpace, log_cond, log_det, singular_values
from ..figures import quantiles

CONDITIONS = (20, 10, 5)  # numbers above which the share of codes is told
ACTIVE = 0.01  # least variance of the codes along an active coordinate, relative to the largest


def scale(codes: Tensor) -> dict[str, Any]:
    """Of codes (n, k): the root mean square distance from their mean, the log-determinant of their covariance, and the
    active coordinates, those along which their variance is at least ACTIVE of the largest."""
    covariance = _covariance(codes)
    variance = covariance.diagonal()
    volume = torch.linalg.slogdet(covariance)[1].item()
    return {
        "distance": variance.sum().sqrt().item(),
        "log_det_covariance": volume if math.isfinite(volume) else None,
        "active": (variance >= ACTIVE * variance.max()).nonzero().flatten().tolist(),
    }


def conditioning(space: LatentSpace, codes: Tensor, active: list[int]) -> dict[str, Any]:
    """At codes (n, k): quantiles of log_cond and log_det, of finite values; how many codes are rank deficient; the
    shares above CONDITIONS; and the numbers of log_cond again for the active columns of the Jacobian."""

    def values(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        J = space.root(z)
        s = singular_values(J)
        return log_cond(s), log_det(s), log_cond(singular_values(J[:, :, active]))

    cond, det, own = space.in_parts(values, codes.double())
    return {**_told(cond), "log_det": quantiles(det), "active": _told(own)}


def _told(log_conds: Tensor) -> dict[str, Any]:
    above = {str(c): (log_conds > math.log(c)).double().mean().item() for c in CONDITIONS}
    return {"log_cond": quantiles(log_conds), "rank_deficient": int(log_conds.isinf().sum()), "above": above}


def roughness(space: LatentSpace, probes: Tensor, codes: Tensor) -> dict[str, Any]:
    """Mean norm of the gradient of log_det over probes (m, k), of which rank deficient ones are left out and counted.

    "distance": per root mean square distance of codes (n, k) from their mean, so that neither a motion nor the scale of
    latent space changes it. "whitened": of Sigma^(1/2) times the gradient, with the codes' covariance Sigma, so that no
    linear map of latent space does.
    """
    slope = gradient(space, probes)
    whole = slope.isfinite().all(1)
    covariance, found = _covariance(codes), slope[whole]
    whitened = ((found @ covariance) * found).sum(1).clamp(min=0).sqrt()
    return {
        "distance": (found.norm(dim=1).mean() * covariance.trace().sqrt()).item(),
        "whitened": whitened.mean().item(),
        "left_out": int((~whole).sum()),
    }


def gradient(space: LatentSpace, z: Tensor) -> Tensor:
    """The gradient (n, k) of log_det at points z (n, k); not finite where the Jacobian is rank deficient.

    With J = Q R and the rows of R^-1 Q^T as weights w_i of the coordinates of f, its component c is 2 sum_i (D^2 <w_i,
    f>)_ic: Jacobi's formula for the derivative of a determinant.
    """

    def at(part: Tensor) -> Tensor:
        Q, R = torch.linalg.qr(space.root(part))
        inverse, images = torch.linalg.solve_triangular(R, Q.mT, upper=True), space.images(part)
        rows = [space.contract(part, images, w.contiguous())[1][:, i] for i, w in enumerate(inverse.unbind(1))]
        return 2 * torch.stack(rows).sum(0)

    return space.in_parts(at, z.double())


def corrected(log_det_value: float, distance: float, k: int) -> float:
    """log_det at the latent scale where the mean variance of the codes along a coordinate is 1, given their root mean
    square `distance` from their mean: with latent points t times as far apart, log_det is smaller by 2 k log(t)."""
    return log_det_value + k * math.log(distance**2 / k)


def _covariance(codes: Tensor) -> Tensor:
    """(k, k), divided by the number of codes (n, k)."""
    away = codes.double() - codes.double().mean(0)
    return away.mT @ away / len(away)
