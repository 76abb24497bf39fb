"""Newton's method on the discrete energy: the default solver.

Equation. A curve z_0, ..., z_n with fixed ends has the discrete energy (Shao, Kumar and Fletcher, 2018)

    E(z) = n sum_i |f(z_{i+1}) - f(z_i)|^2  ->  int <g', M g'> dt   as n grows, with an error of order n^-2.

With d_i = 2 f(z_i) - f(z_{i-1}) - f(z_{i+1}) and J_i the Jacobian of f at z_i,

    gradient_i = 2n J_i^T d_i
    Hessian_{i,i} = 2n (2 J_i^T J_i + d_i . D^2 f(z_i)),    Hessian_{i,i+1} = -2n J_i^T J_{i+1},

block tridiagonal with k x k blocks. The term in D^2 f, which Gauss-Newton drops, is as large as the Hessian's
smoothest modes wherever the surface is curved. Without an embedding, |f(z_{i+1}) - f(z_i)|^2 is replaced by the
squared length of the step under M at its middle, whose second derivatives take the place of D^2 f.

Method. Newton's step by banded Cholesky factorisation, with the largest of five shares of the second derivatives
that leaves the Hessian positive definite (all of it is Newton, none Gauss-Newton), and backtracking until
Armijo's condition holds (Nocedal and Wright, 2006, chapters 3 and 10). E sees the curve at its knots only, and knots
that jump between distant points of similar images lower it; so a step must not raise the energy that has the
segments' middles as further knots, unless it stays within 15 % of E.

A curve starts as the straight line with few segments. If halving the segments would change its energy by more than
RESOLVED, or if it cannot be improved, it goes on with twice as many. Where the layers of f allow it, a curve is first
drafted under every fifth pixel, which is nearly the same geometry at a third of the cost. From there it is solved under
all pixels: in float32 until its criterion is at most NEAR, then in float64. All curves advance at once, and a curve
that is done leaves the batch.

Criterion. The Newton decrement g^T H^-1 g / (2E), the share of the energy that the quadratic model has left to
remove, where a last step is taken. It is infinite where the full H is not positive definite, so a saddle is never
called a geodesic, and where `segments` are too few for RESOLVED. Multiplying f by a constant changes neither the
criterion nor any iterate.

Cost. An iteration takes as long as about six evaluations of f over the curve (k = 2), and O(n k^3) to solve.

Fails. Where `segments` are too few for the surface. It finds a local minimum near its first curve, which need not be
the shortest path. Where f is not twice differentiable (ReLU) the method is Gauss-Newton's. Where M is singular, RIDGE
keeps the Gauss-Newton step finite, and the curve is one of many.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dpbsv
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import Solution, interpolate, segment
from .line_search import backtrack, sufficient

COARSEST = 16  # segments at the first level; 8 take as many iterations, and more curves to other minima
RESOLVED = 0.02  # largest relative change of the energy by halving the segments; see docs/decisions.md
INEXACT = 0.3  # an unresolved curve is solved to this part of its energy's error
COARSE_TOL = 1e-3  # from which a resolved draft is handed on
NEAR = 1e-2  # from which a curve in float32 is handed on to float64
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the second derivatives: 1 is Newton, 0 Gauss-Newton
RIDGE = 1e-10  # relative to the mean diagonal: keeps Gauss-Newton definite where J is rank deficient
ROUNDING = 4  # units in the last place of the energy that a step may raise it by
TRIALS, TOGETHER = 7, 3  # parts of a step that are tried, 1 to 1/64; and how many at once after the first
JUMP = 1.15  # energy with middles over energy, above which a step may not raise the former
CURVES = 256  # solved together: bounds the memory


@torch.no_grad()
def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    first: Tensor | None = None,
    segments: int = 512,
    tol: float = 1e-3,
    max_iterations: int = 200,
) -> Solution:
    """From the curves with knots `first` (B, n + 1, k), or else from the straight lines.

    A curve has at most `segments`, a power of two times 16 or less, and takes at most `max_iterations` over all levels.
    The result has as many segments as its finest curve took. `tol` bounds the criterion. The length of a converged
    curve is then within about tol / 2 of the discrete optimum's.
    """
    _check(tol, max_iterations, segments)
    coarsest = min(COARSEST, segments)
    if first is None:
        first = segment(start, end, coarsest)
    elif first.shape[1] != coarsest + 1:
        first = interpolate(first, torch.linspace(0, 1, coarsest + 1, dtype=torch.float64))
        first[:, 0], first[:, -1] = start, end
    parts = [_coarse_to_fine(manifold, part, segments, tol, max_iterations) for part in first.split(CURVES)]
    return Solution(*(torch.cat(column) for column in zip(*_alike(parts), strict=True)))


@torch.no_grad()
def refine(manifold: Manifold, points: Tensor, *, tol: float = 1e-4, max_iterations: int = 100) -> Solution:
    """The curves with knots points (B, n + 1, k) polished at their own number of segments, in float64."""
    _check(tol, max_iterations, points.shape[1] - 1)
    parts = []
    for part in points.to(torch.float64).split(CURVES):
        part, iterations = part.clone(), torch.zeros(len(part), dtype=torch.int64, device=part.device)
        criterion = _minimise(manifold, part, iterations, tol, max_iterations)[0]
        parts.append(Solution(part, criterion, criterion <= tol, iterations))
    return Solution(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _alike(parts: list[Solution]) -> list[Solution]:
    """The same curves, all with as many knots as the finest."""
    segments = max(part.points.shape[1] for part in parts) - 1
    return [part._replace(points=_resampled(part.points, segments)) for part in parts]


def _check(tol: float, max_iterations: int, segments: int) -> None:
    if segments < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, max_iterations at least 1, tol positive; got segments={segments}, "
            f"max_iterations={max_iterations}, tol={tol}"
        )


def _coarse_to_fine(manifold: Manifold, points: Tensor, segments: int, tol: float, max_iterations: int) -> Solution:
    """The solution from the first curves, points (B, n + 1, k); see the module."""
    B = len(points)
    iterations = torch.zeros(B, dtype=torch.int64, device=points.device)
    criterion = torch.full((B,), torch.inf, dtype=torch.float64, device=points.device)
    single, sketch = manifold.single(), manifold.sketch()
    drafted = torch.full((B,), sketch is manifold, device=points.device)
    done: list[tuple[Tensor, Tensor]] = []
    index = torch.arange(B, device=points.device)
    while len(index):
        last = 2 * (points.shape[1] - 1) > segments
        draft = (~drafted[index]).nonzero().flatten()
        if len(draft):
            z, spent = points[draft], iterations[index[draft]]
            found, gap = _minimise(sketch, z, spent, COARSE_TOL, max_iterations, not last)
            points[draft], iterations[index[draft]] = z, spent
            drafted[index[draft]] = ((found <= COARSE_TOL) & (gap <= RESOLVED)) | last
        whole = drafted[index].nonzero().flatten()
        ready = torch.zeros_like(index, dtype=torch.bool)
        if len(whole):
            z, spent = points[whole], iterations[index[whole]]
            found, gap = _minimise(single, z, spent, NEAR, max_iterations, not last)
            near = (found <= NEAR) & (gap <= RESOLVED)
            for watched, rows in ((False, near), (True, ~near & last)):
                if rows.any():
                    y, more = z[rows], spent[rows]
                    found[rows], energy_gap = _minimise(manifold, y, more, tol, max_iterations, watched=watched)
                    z[rows], spent[rows] = y, more
                    gap[rows] = energy_gap if watched else gap[rows]
            points[whole], iterations[index[whole]] = z, spent
            criterion[index[whole]] = torch.where(gap <= RESOLVED, found, torch.inf)
            ready[whole] = near & (found <= tol) | last
        done.append((index[ready], points[ready]))
        points, index = points[~ready], index[~ready]
        if len(index):
            points = _resampled(points, 2 * (points.shape[1] - 1))
    finest = max(z.shape[1] for _, z in done) - 1
    curves = points.new_empty(B, finest + 1, points.shape[2])
    for where, z in done:
        curves[where] = _resampled(z, finest)
    return Solution(curves, criterion, criterion <= tol, iterations)


def _resampled(points: Tensor, segments: int) -> Tensor:
    """The same curves with knots points (B, n + 1, k) at `segments`, a multiple of n, with the same ends."""
    if points.shape[1] == segments + 1:
        return points
    finer = interpolate(points, torch.linspace(0, 1, segments + 1, dtype=torch.float64))
    finer[:, :: segments // (points.shape[1] - 1)] = points
    return finer


def _minimise(
    manifold: Manifold,
    points: Tensor,
    iterations: Tensor,
    tol: float,
    max_iterations: int,
    inexact: bool = False,
    watched: bool = True,
) -> tuple[Tensor, Tensor]:
    """Lower the energy of points (B, n + 1, k) in place, counting iterations (B,) in place; the criterion (B,), and
    the relative change of the energy (B,) when the segments are halved.

    A curve leaves when its criterion holds (after the step that this pays for), when its iterations are spent, or when
    no step along its direction is acceptable; with `inexact`, also when it is unresolved and its criterion is below
    the energy's own error. Curves that are not `watched` are so near their optimum that no knot can jump: they are
    spared the refined energies, and the change is 0.
    """
    z = points.clone()
    x, energy, refined = _energies(manifold, z, watched)
    criterion, gap = torch.full_like(energy, torch.inf), refined / energy - 1
    index = torch.arange(len(points), device=points.device)
    stay = iterations < max_iterations
    while True:
        points[index], gap[index] = z, refined / energy - 1
        if not stay.all():
            index, z, x, energy, refined = (column[stay] for column in (index, z, x, energy, refined))
        if not len(index):
            return criterion, gap
        step, decrement, full = _direction(*manifold.energy_derivatives(z, x))
        criterion[index] = torch.where(full, decrement / (2 * energy), torch.inf)
        z, x, energy, refined, moved = _backtrack(manifold, z, x, energy, refined, step, decrement, watched)
        iterations[index] += 1
        goal = torch.full_like(energy, tol)
        if inexact:
            goal = goal.maximum(INEXACT * (refined / energy - 1 - RESOLVED))
        stay = moved & (criterion[index] > goal) & (iterations[index] < max_iterations)


def _energies(manifold: Manifold, z: Tensor, watched: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The manifold's `energies` of curves z (B, n + 1, k). If not `watched`, the refined ones copy the others."""
    if watched:
        return manifold.energies(z)
    shared, energy = manifold.energy(z)
    return shared, energy, energy.clone()


def _direction(
    gradient: Tensor, diagonal: Tensor, more_diagonal: Tensor, coupling: Tensor, more_coupling: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A step downhill (B, m, k) and its decrement (B,), 0 where there is none, from what the manifold's
    `energy_derivatives` returns; whether (B,) the step is that of the full Hessian."""
    eye = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    mean = diagonal.diagonal(dim1=-2, dim2=-1).mean((1, 2))
    kept = _banded(diagonal + RIDGE * mean[:, None, None, None] * eye, coupling)
    more = _banded(more_diagonal, more_coupling)
    right = gradient.flatten(1).cpu().numpy()
    step, decrement, full = np.zeros_like(right), np.zeros(len(right)), np.zeros(len(right), dtype=bool)
    for i, g in enumerate(right):
        for share in SHARES:
            _, x, info = dpbsv(kept[i] + share * more[i], g, lower=1)
            if info == 0 and g @ x >= 0:  # not so if anything is not finite
                step[i], decrement[i], full[i] = -x, g @ x, share == 1
                break
    steps, decrements, newton = (torch.from_numpy(a).to(gradient.device) for a in (step, decrement, full))
    return steps.reshape(gradient.shape), decrements, newton


def _banded(diagonal: Tensor, above: Tensor) -> NDArray[np.float64]:
    """Symmetric matrices with diagonal blocks (B, m, k, k) and blocks `above` them (B, m - 1, k, k), in LAPACK's lower
    banded storage (B, 2k, mk)."""
    B, m, k, _ = diagonal.shape
    bands = np.zeros((B, 2 * k, m * k))
    D, U = diagonal.cpu().numpy(), above.cpu().numpy()
    for column in range(k):
        for row in range(k):
            if row >= column:
                bands[:, row - column, column::k] = D[:, :, row, column]
            bands[:, k + row - column, column : (m - 1) * k : k] = U[:, :, column, row]
    return bands


def _backtrack(
    manifold: Manifold,
    z: Tensor,
    x: Tensor,
    energy: Tensor,
    refined: Tensor,
    step: Tensor,
    decrement: Tensor,
    watched: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Curves z (B, n + 1, k), their images, energy and refined energy after steps, halved until they are acceptable
    (see the module); and whether (B,) there was such a step."""
    bound = energy * (1 + ROUNDING * torch.finfo(manifold.dtype).eps)

    def attempt(rows: Tensor, scale: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        trial = z[rows]
        trial[:, 1:-1] += scale[:, None, None] * step[rows]
        images, lower, fine = _energies(manifold, trial, watched)
        good = (decrement[rows] > 0) & sufficient(lower, bound[rows], decrement[rows], scale)
        if watched:
            good &= fine <= torch.maximum(JUMP * lower, refined[rows])
        return (trial, images.clone() if images is trial else images, lower, fine), good

    (z, x, energy, refined), moved = backtrack((z, x, energy, refined), attempt, TRIALS, TOGETHER)
    return z, x, energy, refined, moved
