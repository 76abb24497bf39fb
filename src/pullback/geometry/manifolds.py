"""Riemannian manifolds in one chart: what every solver of `geodesics` works on.

A manifold is a metric tensor M(z), symmetric and positive (semi)definite, on a part of R^k; an embedded one has it
from an embedding f, M = J^T J with J the Jacobian of f. Everything else follows from these two: the speed of a curve,
and the acceleration that keeps it a geodesic,

    g'' = -M^-1 ((d_{g'} M) g' - grad <g', M g'> / 2)        (do Carmo, 1992, chapter 3, in matrix form)
        = -(J^T J)^-1 J^T D^2 f(g', g')                       for an embedded manifold.

Points are rows: z (n, k), velocities v (n, k), float64. All methods but `root`, `images` and `contract` are
differentiable in their arguments and may be used under torch.func's transforms. Where the metric is not finite, what
they return is not, for those points alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.func import grad, jvp

from .derivatives import Derivatives

RIDGE = 1e-12  # added to M, relative to its mean diagonal, before it is inverted


class Manifold(ABC):
    """A metric tensor on R^k, or on the part of it where the metric is finite; `dtype` is that of its points."""

    dtype = torch.float64
    box: Sequence[Sequence[float]] | None = None

    def single(self) -> Manifold:
        """The manifold in float32, if it can be had so: for the work that needs no more."""
        return self

    def sketch(self) -> Manifold:
        """A cheaper manifold of nearly the same shape, if there is one: to find a first curve."""
        return self

    @abstractmethod
    def metric(self, z: Tensor) -> Tensor:
        """M (n, k, k) at the points z (n, k)."""

    def root(self, z: Tensor) -> Tensor:
        """Any A (n, N, k) with A^T A = M: of an embedded manifold the Jacobian; here the transposed Cholesky factor, or
        where M is singular a root by its eigenvalues. NaN where M is not finite or not semidefinite."""
        M = self.metric(z)
        L, info = torch.linalg.cholesky_ex(M)
        if (info != 0).any():
            L[info != 0] = _semidefinite_root(M[info != 0])
        return L.mT

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        """<v, M v> (n,)."""
        return torch.einsum("ni,nij,nj->n", v, self.metric(z), v)

    def acceleration(self, z: Tensor, v: Tensor) -> Tensor:
        """The second derivative (n, k) of the geodesics through z (n, k) with velocities v (n, k).

        Where M is singular it is regularised: RIDGE times its mean diagonal is added.
        """
        M, change = jvp(self.metric, (z,), (v,))  # type: ignore[misc]
        pull = grad(lambda a: self.speed_squared(a, v).sum())(z)
        return _solve(M, pull / 2 - (change @ v[..., None]).squeeze(-1))

    def chords(self, z: Tensor) -> Tensor:
        """Squared lengths (B, n), to second order, of the segments of the chains of points z (B, n + 1, k)."""
        middle, step = (z[:, 1:] + z[:, :-1]) / 2, z.diff(dim=1)
        return self.speed_squared(middle.flatten(0, 1), step.flatten(0, 1)).unflatten(0, step.shape[:2])


class Embedded(Manifold):
    """A manifold with the metric of R^N, pulled back by an embedding, whose derivatives `derivatives` holds."""

    @cached_property
    def derivatives(self) -> Derivatives:
        return Derivatives(self.embed)

    @abstractmethod
    def embed(self, z: Tensor) -> Tensor:
        """The images f(z) (n, N) of the points z (n, k)."""

    def images(self, z: Tensor) -> Tensor:
        """f(z) (n, N), not differentiable."""
        return self.derivatives.value(z)

    def contract(self, z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """J^T (n, k, N) and sum_a w_a D^2 f_a (n, k, k) at the points z (n, k), where y = f(z), for w (n, N)."""
        return self.derivatives.contract(z, y, w)

    def bend(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """J (n, N, k) and D^2 f(v, v) (n, N) at the points z (n, k) for velocities v (n, k)."""
        return self.derivatives.second(z, v)

    def push(self, z: Tensor, v: Tensor) -> Tensor:
        """J v (n, N), the velocities of the images of points z (n, k) that move with velocities v (n, k)."""
        return self.derivatives.push(z, v)

    def root(self, z: Tensor) -> Tensor:
        return self.derivatives.jacobian(z)

    def metric(self, z: Tensor) -> Tensor:
        J = self.root(z)
        return J.mT @ J

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        return self.push(z, v).square().sum(-1)

    def acceleration(self, z: Tensor, v: Tensor) -> Tensor:
        J, second = self.bend(z, v)
        return _solve(J.mT @ J, -(J.mT @ second[..., None]).squeeze(-1))

    def chords(self, z: Tensor) -> Tensor:
        """Squared Euclidean lengths (B, n) of the chords between the images of z (B, n + 1, k)."""
        return self.embed(z.flatten(0, 1)).unflatten(0, z.shape[:2]).diff(dim=1).square().sum(-1)


def _semidefinite_root(M: Tensor) -> Tensor:
    """R (n, k, k) with R R^T = M; NaN where M (n, k, k) is not finite or has a negative eigenvalue. Eigenvalues that
    are zero up to rounding are zero."""
    R = torch.full_like(M, torch.nan)
    finite = M.flatten(1).isfinite().all(1)
    values, vectors = torch.linalg.eigh(M[finite])
    rounding = M.shape[-1] * torch.finfo(M.dtype).eps * values[:, -1:]
    values = values.where(values.abs() > rounding, 0.0)
    R[finite] = vectors * values.sqrt()[:, None]  # of a negative eigenvalue NaN
    return R


def _solve(M: Tensor, right: Tensor) -> Tensor:
    """M^-1 right (n, k), with M (n, k, k) regularised; not finite where M is zero."""
    size = M.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    eye = torch.eye(M.shape[-1], dtype=M.dtype, device=M.device)
    return torch.linalg.solve_ex(M + RIDGE * size * eye, right[..., None])[0].squeeze(-1)
