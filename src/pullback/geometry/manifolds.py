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
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, hessian, jvp, vmap

from .derivatives import Derivatives

RIDGE = 1e-12  # added to M, relative to its mean diagonal, before it is inverted
# Points evaluated at a time where k = 1 and an image takes 1 KiB; fewer where images are larger. With more, arrays
# leave the cache, and their memory is given back and asked for anew each time, which doubles the time of `contract`.
TOGETHER = 1024


class Manifold(ABC):
    """A metric tensor on R^k, or on the part of it where the metric is finite; `dtype` is that of its points."""

    dtype = torch.float64
    device: torch.device | None = None
    box: Sequence[Sequence[float]] | None = None

    def check(self, z: Tensor, lengths: bool = True) -> None:
        """ValueError if the metric is of the wrong shape at the points z (n, k); `lengths` says whether squares of
        lengths will be needed."""
        M = self.metric(z[:1])
        if not isinstance(M, Tensor) or M.shape != (len(z[:1]), *2 * z.shape[1:]):
            got = tuple(M.shape) if isinstance(M, Tensor) else type(M).__name__
            raise ValueError(f"the metric at z (n, k) must have shape (n, k, k), k = {z.shape[1]}; got {got}")

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

    def together(self, z: Tensor) -> int:
        """How many points of dimension k, as z (..., k) has, are evaluated together: few enough for the cache."""
        return max(1, TOGETHER // z.shape[-1] ** 2)

    def in_parts(self, function: Callable[..., Any], *columns: Tensor) -> Any:
        """function(*columns), a tensor or a tuple of tensors, evaluated for some rows of the columns (n, ...) at a time
        and joined. The first column holds points (n, ..., k)."""
        rows = self.together(columns[0])
        parts = [function(*part) for part in zip(*(column.split(rows) for column in columns), strict=True)]
        if isinstance(parts[0], Tensor):
            return torch.cat(parts)
        return tuple(None if column[0] is None else torch.cat(column) for column in zip(*parts, strict=True))

    def track(self, z: Tensor, v: Tensor) -> tuple[Tensor | None, Tensor]:
        """What a curve shows at its points z (n, k), passed with velocities v (n, k): their images (n, N), None where
        there is no embedding, and the speeds |v|_M (n,). Not differentiable."""
        return None, self.speed_squared(z, v).clamp(min=0).sqrt()

    # The discrete energy E = n sum_i c_i of curves with knots z (B, n + 1, k), c_i the squared chords: what Newton's
    # method minimises. Energies and their derivatives are float64.

    def energy(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """What the energies of the curves and their derivatives share (B, n + 1, ...), here the knots themselves, and
        the energies (B,)."""
        return z, (z.shape[1] - 1) * self._chords_in_parts(z).sum(1)

    def energies(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `energy`, and the refined energies (B,), those of the curves with the segments' middles as further
        knots."""
        return *self.energy(z), self.energy(_with_middles(z))[1]

    def energy_derivatives(self, z: Tensor, shared: Tensor) -> tuple[Tensor, ...]:
        """The derivatives of the energies at the m = n - 1 inner knots: the gradient (B, m, k), and the Hessian's
        blocks, each as the sum of two terms. Gauss-Newton keeps the first term and drops the second. On the diagonal
        both are (B, m, k, k), above it (B, m - 1, k, k). Returned are gradient, first and second term on the diagonal,
        first and second term above it."""
        n = z.shape[1] - 1
        ends = torch.stack((z[:, :-1], z[:, 1:]), 2).flatten(0, 1)

        def chord(pair: Tensor) -> Tensor:
            return n * self.chords(pair[None])[0, 0]

        def at(middle: Tensor, pair: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return 2 * n * self.metric(middle), vmap(grad(chord))(pair), vmap(hessian(chord))(pair)

        found = self.in_parts(at, (z[:, 1:] + z[:, :-1]).flatten(0, 1) / 2, ends)
        M, slope, H = (column.unflatten(0, (-1, n)) for column in found)
        gradient = slope[:, :-1, 1] + slope[:, 1:, 0]
        diagonal, above = M[:, :-1] + M[:, 1:], -M[:, 1:-1]
        whole = H[:, :-1, 1, :, 1] + H[:, 1:, 0, :, 0]
        return gradient, diagonal, whole - diagonal, above, H[:, 1:-1, 0, :, 1] - above

    def _chords_in_parts(self, z: Tensor) -> Tensor:
        """`chords` of the curves z (B, n + 1, k), a bounded number of segments at a time."""
        ends = torch.stack((z[:, :-1], z[:, 1:]), 2).flatten(0, 1)
        return self.in_parts(self.chords, ends).unflatten(0, (len(z), -1)).squeeze(2)


class Embedded(Manifold):
    """A manifold with the metric of R^N, pulled back by an embedding, whose derivatives `derivatives` holds."""

    @cached_property
    def derivatives(self) -> Derivatives:
        return Derivatives(self.embed)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        """ValueError that names the fault if the embedding's derivatives cannot be trusted at the points z (n, k), or
        with `lengths` if their squares leave the range of numbers (see `Derivatives.check`)."""
        self.derivatives.check(z, lengths)

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

    @cached_property
    def _pixels(self) -> dict[int, int]:
        """N, the number of an image's coordinates, by k, as far as it is known."""
        return {}

    def together(self, z: Tensor) -> int:
        k = z.shape[-1]
        if k not in self._pixels:
            self._pixels[k] = max(1, self.images(z.reshape(-1, k)[:1].to(self.dtype)).shape[1])
        return max(1, 1024 * TOGETHER // (self._pixels[k] * self.dtype.itemsize * k))

    def track(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        images, velocity = self.derivatives.motion(z, v)
        return images, velocity.norm(dim=1)

    def energy(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The images (B, n + 1, N) of the knots, in the manifold's dtype, and the energies (B,)."""
        images, energies, n = [], [], z.shape[1] - 1
        for part in z.to(self.dtype).split(self._curves(z)):
            images.append(self._images_in_parts(part))
            energies.append(n * _squared(images[-1].diff(dim=1)))
        return torch.cat(images), torch.cat(energies).double()

    def energies(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images, energies, refined, n = [], [], [], z.shape[1] - 1
        finer = _with_middles(z)
        for part in finer.to(self.dtype).split(self._curves(finer)):
            fine = self._images_in_parts(part)
            images.append(fine[:, ::2])
            energies.append(n * _squared(images[-1].diff(dim=1)))
            refined.append(2 * n * _squared(fine.diff(dim=1)))
        return torch.cat(images), torch.cat(energies).double(), torch.cat(refined).double()

    def energy_derivatives(self, z: Tensor, shared: Tensor) -> tuple[Tensor, ...]:
        """As above. With d_i = 2 f(z_i) - f(z_{i-1}) - f(z_{i+1}) and J_i the Jacobian at z_i,

        gradient_i = 2n J_i^T d_i,    Hessian_{i,i} = 4n J_i^T J_i + 2n d_i . D^2 f(z_i),
        Hessian_{i,i+1} = -2n J_i^T J_{i+1}.
        """
        n, curves = z.shape[1] - 1, self._curves(z)
        parts = []
        for some, images in zip(z.to(self.dtype).split(curves), shared.split(curves), strict=True):
            inner, residual = some[:, 1:-1], -2 * n * images.diff(n=2, dim=1)
            rows = max(1, self.together(z) // len(some))
            pieces, before = [], None
            for points, values, forces in zip(
                inner.split(rows, 1), images[:, 1:-1].split(rows, 1), residual.split(rows, 1), strict=True
            ):
                found = self.contract(*(a.flatten(0, 1) for a in (points, values, forces)))
                J, curvature = (column.unflatten(0, points.shape[:2]) for column in found)
                chain = J if before is None else torch.cat((before, J), 1)
                before = J[:, -1:]
                pieces.append(((J * forces[:, :, None]).sum(-1), J @ J.mT, curvature, chain[:, :-1] @ chain[:, 1:].mT))
            parts.append([torch.cat(column, 1).double() for column in zip(*pieces, strict=True)])
        gradient, metric, curvature, coupling = (torch.cat(column) for column in zip(*parts, strict=True))
        return gradient, 4 * n * metric, curvature, -2 * n * coupling, torch.zeros_like(coupling)

    def _curves(self, z: Tensor) -> int:
        """How many of the curves z (B, n + 1, k) are evaluated together."""
        return max(1, self.together(z) // z.shape[1])

    def _images_in_parts(self, z: Tensor) -> Tensor:
        """The images (B, n, N) of points z (B, n, k)."""
        return self.in_parts(self.images, z.flatten(0, 1)).unflatten(0, z.shape[:2])


def _with_middles(z: Tensor) -> Tensor:
    """The curves z (B, n + 1, k) with the middles of their segments as further knots, (B, 2n + 1, k)."""
    halves = torch.stack((z[:, :-1], (z[:, 1:] + z[:, :-1]) / 2), 2).flatten(1, 2)
    return torch.cat((halves, z[:, -1:]), 1)


def _squared(steps: Tensor) -> Tensor:
    """Sums of squares (B,) of steps (B, n, N)."""
    return torch.linalg.vector_norm(steps.flatten(1), dim=1).square()


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
