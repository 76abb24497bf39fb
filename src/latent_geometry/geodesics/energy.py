"""Geodesics by Newton's method on the discrete energy: the study's default solver.

Equation. A curve z_0, ..., z_n with fixed ends has the discrete energy (Shao, Kumar and Fletcher, 2018)

    E(z) = n sum_i |f(z_{i+1}) - f(z_i)|^2  ->  int <g', M g'> dt   as n grows, with an error of order n^-2.

With d_i = 2 f(z_i) - f(z_{i-1}) - f(z_{i+1}) and J_i the Jacobian of f at z_i,

    gradient_i = 2n J_i^T d_i
    Hessian_{i,i} = 2n (2 J_i^T J_i + d_i . D^2 f(z_i)),    Hessian_{i,i+1} = -2n J_i^T J_{i+1},

block tridiagonal with k x k blocks. The term in D^2 f, which Gauss-Newton drops, is as large as the Hessian's
smoothest modes wherever the surface is curved; it costs k tangents through one reverse pass.

Method. Newton's step by block Cholesky where the Hessian is positive definite, Gauss-Newton's elsewhere, each
with backtracking until Armijo's condition holds (Nocedal and Wright, 2006, chapters 3 and 10). From the straight
line on a coarse curve to `segments`, each level started from the one before it. All curves advance at once; those
that are done leave the batch.

Criterion. The Newton decrement g^T H^-1 g / (2E), the share of the energy that the quadratic model has left to
remove. It is infinite where H is not positive definite, so a saddle is never called a geodesic. Multiplying f by
a constant changes neither it nor any iterate.

Cost. An iteration takes as long as about eight passes of f over the curve (k = 2), and O(n k^3) to solve. Rygaard
and Hauberg (2025) give another second-order method, which needs the metric's derivative in place of f.

Fails. It finds the local minimum below the straight line, which need not be the shortest path; and f must be twice
differentiable for its convergence to be quadratic (with ReLU, D^2 f vanishes and it becomes Gauss-Newton).
"""

from __future__ import annotations

import time

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from latent_geometry.geodesics.result import POINTS, Geodesics, end_points, flat, interpolate, measure
from latent_geometry.geometry.jacobian import Generator

COARSEST = 8  # segments at the first level
COARSE_TOL = 1e-3  # below a coarse curve's own discretisation error, nothing is gained
ARMIJO = 1e-4
HALVINGS = 30
RIDGE = 1e-10  # relative to the mean diagonal: keeps Gauss-Newton definite where J is rank deficient


def geodesic(
    f: Generator,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 32,
    tol: float = 1e-6,
    max_iterations: int = 100,
) -> Geodesics:
    """Energy-minimising curves on the surface f(latent space) from start (B, k) to end (B, k).

    `tol` bounds the Newton decrement relative to the energy (see the module); the length of a converged curve is
    then within about tol / 2 of that of the discrete optimum. `max_iterations` counts a curve's iterations over
    all levels. Nothing given is modified; a module must be in eval mode. ValueError for end points that are not
    finite or do not match, and for settings out of range.
    """
    if segments < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, max_iterations at least 1, tol positive; got segments={segments}, "
            f"max_iterations={max_iterations}, tol={tol}"
        )
    start, end = end_points(start, end)
    began = time.perf_counter()
    f64 = flat(f)
    together = max(1, 4 * POINTS // segments)
    ends = torch.stack((start, end), 1).split(together)
    parts = [_solve(f64, pair, segments, tol, max_iterations) for pair in ends]
    points, criterion, iterations = (torch.cat(column) for column in zip(*parts, strict=True))
    seconds = time.perf_counter() - began
    length, energy = measure(f, points)
    return Geodesics(points, length, energy, criterion <= tol, criterion, iterations, seconds)


def _solve(f: Generator, points: Tensor, segments: int, tol: float, max_iterations: int) -> tuple[Tensor, ...]:
    """Knots (B, segments + 1, k), criterion and iterations (B,), from the two ends in points (B, 2, k)."""
    levels = [segments]
    while levels[0] >= 2 * COARSEST:
        levels.insert(0, (levels[0] + 1) // 2)
    iterations = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    for n in levels:
        end = points[:, -1]
        points = interpolate(points, torch.linspace(0, 1, n + 1))
        points[:, -1] = end  # to the last bit
        criterion = _minimise(f, points, iterations, tol if n == segments else max(tol, COARSE_TOL), max_iterations)
    return points, criterion, iterations


def _minimise(f: Generator, points: Tensor, iterations: Tensor, tol: float, max_iterations: int) -> Tensor:
    """Lower the energy of points (B, n + 1, k) in place, counting iterations (B,) in place; the criterion (B,).

    A curve leaves when its criterion holds (after the step that this pays for), when its iterations are spent,
    or when no step along its direction lowers the energy. One whose end points are equal stays there.
    """
    images = _decode(f, points)
    still = (points == points[:, :1]).flatten(1).all(1)
    criterion = torch.where(still, 0.0, torch.inf).to(points.dtype)
    active = (~still & (iterations < max_iterations)).nonzero().flatten()
    while len(active):
        z, x = points[active], images[active]
        energy = _energy(x)
        gradient, gauss_newton, curvature, coupling = _derivatives(f, z, x)
        step, decrement, definite = _newton(gradient, gauss_newton + curvature, coupling)
        criterion[active] = torch.where(definite, decrement / (2 * energy), torch.inf)
        weak = ~definite
        if weak.any():
            block = _ridged(gauss_newton[weak])
            step[weak], decrement[weak], definite[weak] = _newton(gradient[weak], block, coupling[weak])
        moved = _backtrack(f, z, x, energy, step, decrement, definite & (decrement > 0))
        points[active], images[active] = z, x
        iterations[active] += 1
        active = active[moved & (criterion[active] > tol) & (iterations[active] < max_iterations)]
    return criterion


def _ridged(blocks: Tensor) -> Tensor:
    """Blocks (B, m, k, k) of a positive semidefinite matrix made definite by RIDGE of each curve's mean diagonal."""
    mean = blocks.diagonal(dim1=-2, dim2=-1).mean((1, 2))[:, None, None, None]
    return blocks + RIDGE * mean * torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)


def _backtrack(
    f: Generator, z: Tensor, x: Tensor, energy: Tensor, step: Tensor, decrement: Tensor, trying: Tensor
) -> Tensor:
    """Move z (B, n + 1, k) and its images x along step, halved until Armijo's condition holds; which moved (B,)."""
    moved = torch.zeros_like(trying)
    scale, left = 1.0, trying.nonzero().flatten()
    for _ in range(HALVINGS):
        if not len(left):
            break
        trial = z[left]
        trial[:, 1:-1] += scale * step[left]
        decoded = _decode(f, trial)
        lower = _energy(decoded) <= energy[left] - ARMIJO * scale * decrement[left]
        done = left[lower]
        z[done], x[done], moved[done] = trial[lower], decoded[lower], True
        scale, left = scale / 2, left[~lower]
    return moved


def _decode(f: Generator, z: Tensor) -> Tensor:
    """f at points (B, n + 1, k), as (B, n + 1, N)."""
    with torch.no_grad():
        return torch.cat([f(part) for part in z.flatten(0, 1).split(POINTS)]).unflatten(0, z.shape[:2])


def _energy(x: Tensor) -> Tensor:
    return (x.shape[1] - 1) * x.diff(dim=1).square().sum((1, 2))


def _derivatives(f: Generator, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives of the energy at the m = n - 1 inner points of curves z (B, n + 1, k) with images x (B, n + 1, N):
    gradient (B, m, k), the two terms of the diagonal blocks (B, m, k, k), the blocks above them (B, m - 1, k, k)."""
    n = z.shape[1] - 1
    parts = []
    curves = max(1, POINTS // n)
    for inner, images in zip(z[:, 1:-1].split(curves), x.split(curves), strict=True):
        residual = -2 * n * images.diff(n=2, dim=1)
        transposed, curvature = (
            derivative.unflatten(0, inner.shape[:2])
            for derivative in _contract(f, inner.flatten(0, 1), residual.flatten(0, 1))
        )
        gradient = (transposed @ residual[..., None]).squeeze(-1)
        gauss_newton = 4 * n * transposed @ transposed.mT
        coupling = -2 * n * transposed[:, :-1] @ transposed[:, 1:].mT
        parts.append((gradient, gauss_newton, curvature, coupling))
    gradient, gauss_newton, curvature, coupling = (torch.cat(column) for column in zip(*parts, strict=True))
    return gradient, gauss_newton, curvature, coupling


def _contract(f: Generator, z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """J^T (p, k, N) and sum_a w_a D^2 f_a (p, k, k) at points z (p, k) for w (p, N): forward over reverse."""

    def decode_and_pull(a: Tensor) -> tuple[Tensor, Tensor]:
        y, pull = vjp(f, a)  # type: ignore[misc]
        return y, pull(w)[0]

    basis = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, *z.shape)
    columns, rows = vmap(lambda e: jvp(decode_and_pull, (z,), (e,))[1])(basis)
    return columns.movedim(0, 1), rows.movedim(0, 1)


def _newton(gradient: Tensor, diagonal: Tensor, coupling: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step -H^-1 g (B, m, k), the decrement g^T H^-1 g (B,), and whether H is positive definite (B,).

    Block Cholesky: L_i L_i^T = H_ii - W_i^T W_i with W_i = L_{i-1}^-1 H_{i-1,i}.
    """
    m = gradient.shape[1]
    factors, carried, solved = [], [], []
    definite = torch.ones_like(gradient[:, 0, 0], dtype=torch.bool)
    block, right = diagonal[:, 0], gradient[:, 0, :, None]
    for i in range(m):
        factor, info = torch.linalg.cholesky_ex(block)
        definite &= info == 0
        factors.append(factor)
        solved.append(torch.linalg.solve_triangular(factor, right, upper=False))
        if i + 1 < m:
            w = torch.linalg.solve_triangular(factor, coupling[:, i], upper=False)
            carried.append(w)
            block, right = diagonal[:, i + 1] - w.mT @ w, gradient[:, i + 1, :, None] - w.mT @ solved[i]
    step = [torch.linalg.solve_triangular(factors[-1].mT, solved[-1], upper=True)]
    for i in range(m - 2, -1, -1):
        step.append(torch.linalg.solve_triangular(factors[i].mT, solved[i] - carried[i] @ step[-1], upper=True))
    decrement = torch.stack(solved).square().sum((0, 2, 3))
    return -torch.stack(step[::-1], 1).squeeze(-1), decrement, definite & decrement.isfinite()
