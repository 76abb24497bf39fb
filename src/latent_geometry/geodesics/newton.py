"""Geodesics by Newton's method on the discrete energy: the study's default solver.

Equation. A curve z_0, ..., z_n with fixed ends has the discrete energy (Shao, Kumar and Fletcher, 2018)

    E(z) = n sum_i |f(z_{i+1}) - f(z_i)|^2  ->  int <g', M g'> dt   as n grows, with an error of order n^-2.

With d_i = 2 f(z_i) - f(z_{i-1}) - f(z_{i+1}) and J_i the Jacobian of f at z_i,

    gradient_i = 2n J_i^T d_i
    Hessian_{i,i} = 2n (2 J_i^T J_i + d_i . D^2 f(z_i)),    Hessian_{i,i+1} = -2n J_i^T J_{i+1},

block tridiagonal with k x k blocks. The term in D^2 f, which Gauss-Newton drops, is as large as the Hessian's
smoothest modes wherever the surface is curved; it costs k tangents through one reverse pass.

Method. Newton's step by block Cholesky, with the largest of five shares of the D^2 f term that leaves the Hessian
positive definite (all of it is Newton, none Gauss-Newton), and backtracking until Armijo's condition holds (Nocedal
and Wright, 2006, chapters 3 and 10). E sees the curve at its knots only, and knots that jump between distant points
of similar images lower it; so a step must not raise the energy that has the segments' midpoints as further knots,
unless it stays within 10 % of E. From the straight line on a coarse curve to `segments`, each level started from the
one before it. All curves advance at once; those that are done leave the batch.

Criterion. The Newton decrement g^T H^-1 g / (2E), the share of the energy that the quadratic model has left to
remove. It is infinite where the full H is not positive definite, so a saddle is never called a geodesic. Moreover the
curve, as measured, must have a geodesic's constant speed, E <= 1.01 L^2, which one whose knots jumped has not.
Multiplying f by a constant changes neither, nor any iterate.

Cost. An iteration takes as long as about eight passes of f over the curve (k = 2), and O(n k^3) to solve. On the
study's 128-32 decoders a curve of 64 segments takes about 16 iterations over all levels, 25 with Gauss-Newton as the
only alternative to the full Hessian. Rygaard and Hauberg (2025) give another second-order method, which needs the
metric's derivative in place of f's.

Fails. Where `segments` are too few for the surface: more of them help. It finds a local minimum near the straight
line, which need not be the shortest path. Where f is not twice differentiable (ReLU) it is Gauss-Newton.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from ..geometry.jacobian import Generator
from ..geometry.manifolds import Manifold
from .result import POINTS, Solution, interpolate

COARSEST = 16  # segments at the first level; 8 take as many iterations, and more curves to other minima
COARSE_TOL = 1e-3  # below a coarse curve's own discretisation error, nothing is gained
SHARES = (0.75, 0.5, 0.25, 0.0)  # of the D^2 f term, where all of it is too much
RIDGE = 1e-10  # relative to the mean diagonal: keeps Gauss-Newton definite where J is rank deficient
ARMIJO = 1e-4
HALVINGS = 30
JUMP = 1.1  # energy with midpoints over energy, above which a step may not raise the former
SPEED = 1.01  # largest E / L^2 of a converged curve


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 64,
    tol: float = 1e-6,
    max_iterations: int = 100,
) -> Solution:
    """`tol` bounds the Newton decrement relative to the energy (see the module); `max_iterations` counts a curve's
    iterations over all levels. The criterion is the decrement, infinite for a curve that was stopped before its last
    level."""
    if segments < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, max_iterations at least 1, tol positive; got segments={segments}, "
            f"max_iterations={max_iterations}, tol={tol}"
        )
    f = manifold.embed
    together = max(1, 4 * POINTS // segments)
    ends = torch.stack((start, end), 1).split(together)
    parts = [_solve(f, pair, segments, tol, max_iterations) for pair in ends]
    points, criterion, iterations = (torch.cat(column) for column in zip(*parts, strict=True))
    return Solution(points, criterion, criterion <= tol, iterations)


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
    images, refined = _decode(f, points)
    still = (points == points[:, :1]).flatten(1).all(1)
    criterion = torch.where(still, 0.0, torch.inf).to(points.dtype)
    active = (~still & (iterations < max_iterations)).nonzero().flatten()
    while len(active):
        z, x = points[active], images[active]
        step, decrement, full, usable = _direction(*_derivatives(f, z, x))
        criterion[active] = torch.where(full, decrement / (2 * _energy(x)), torch.inf)
        z, x, fine, moved = _backtrack(f, z, x, refined[active], step, decrement, usable)
        points[active], images[active], refined[active] = z, x, fine
        iterations[active] += 1
        active = active[moved & (criterion[active] > tol) & (iterations[active] < max_iterations)]
    return criterion


def _direction(
    gradient: Tensor, gauss_newton: Tensor, curvature: Tensor, coupling: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A step downhill (B, m, k) and its decrement (B,) from what `_derivatives` returns; whether (B,) it is that of
    the full Hessian; whether (B,) there is one at all."""
    eye = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    mean = gauss_newton.diagonal(dim1=-2, dim2=-1).mean((1, 2))
    ridged = gauss_newton + RIDGE * mean[:, None, None, None] * eye
    step, decrement, full = _newton(gradient, ridged + curvature, coupling)
    usable = full.clone()
    for share in SHARES:
        weak = (~usable).nonzero().flatten()
        if len(weak):
            blocks = ridged[weak] + share * curvature[weak]
            step[weak], decrement[weak], usable[weak] = _newton(gradient[weak], blocks, coupling[weak])
    return step, decrement, full, usable


def _backtrack(
    f: Generator, z: Tensor, x: Tensor, refined: Tensor, step: Tensor, decrement: Tensor, usable: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z (B, n + 1, k), its images and refined energy after a step that is halved until it is acceptable (see the
    module), and which curves moved (B,)."""
    z, x, refined, moved, energy = z.clone(), x.clone(), refined.clone(), torch.zeros_like(usable), _energy(x)
    scale, left = 1.0, (usable & (decrement > 0)).nonzero().flatten()
    for _ in range(HALVINGS):
        if not len(left):
            break
        trial = z[left]
        trial[:, 1:-1] += scale * step[left]
        images, fine = _decode(f, trial)
        lower = _energy(images)
        good = lower <= energy[left] - ARMIJO * scale * decrement[left]
        good &= fine <= torch.maximum(JUMP * lower, refined[left])
        done = left[good]
        z[done], x[done], refined[done], moved[done] = trial[good], images[good], fine[good], True
        scale, left = scale / 2, left[~good]
    return z, x, refined, moved


def _decode(f: Generator, z: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, n + 1, N) of curves z (B, n + 1, k), and the energy (B,) with the midpoints as further knots."""
    halved = z.repeat_interleave(2, 1)[:, :-1]
    halved[:, 1::2] = (z[:, 1:] + z[:, :-1]) / 2
    with torch.no_grad():
        x = torch.cat([f(part) for part in halved.flatten(0, 1).split(POINTS)]).unflatten(0, halved.shape[:2])
    return x[:, ::2], _energy(x)


def _energy(x: Tensor) -> Tensor:
    """Discrete energy (B,) of curves with images x (B, n + 1, N) at their knots."""
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
