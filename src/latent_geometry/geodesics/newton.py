"""Newton's method on the discrete energy: the default solver.

Equation. A curve z_0, ..., z_n with fixed ends has the discrete energy (Shao, Kumar and Fletcher, 2018)

    E(z) = n sum_i |f(z_{i+1}) - f(z_i)|^2  ->  int <g', M g'> dt   as n grows, with an error of order n^-2.

With d_i = 2 f(z_i) - f(z_{i-1}) - f(z_{i+1}) and J_i the Jacobian of f at z_i,

    gradient_i = 2n J_i^T d_i
    Hessian_{i,i} = 2n (2 J_i^T J_i + d_i . D^2 f(z_i)),    Hessian_{i,i+1} = -2n J_i^T J_{i+1},

block tridiagonal with k x k blocks. The term in D^2 f, which Gauss-Newton drops, is as large as the Hessian's
smoothest modes wherever the surface is curved. Without an embedding, |f(z_{i+1}) - f(z_i)|^2 is replaced by the
squared length of the step under M at its middle, whose second derivatives take the place of D^2 f.

Method. Newton's step by block odd-even reduction (Heller, 1976), with the largest of five shares of the second
derivatives that leaves the Hessian positive definite (all of it is Newton, none Gauss-Newton), and backtracking until
Armijo's condition holds (Nocedal and Wright, 2006, chapters 3 and 10). E sees the curve at its knots only, and knots
that jump between distant points of similar images lower it; so a step must not raise the energy that has the
segments' middles as further knots, unless it stays within 10 % of E. From the straight line on a coarse curve; a
curve whose energy changes by more than 4 % when the segments are halved goes on with twice as many. A generator that
is a module is evaluated in float32 until the last level is nearly solved, and then in float64. All curves advance at
once; those that are done leave the batch.

Criterion. The Newton decrement g^T H^-1 g / (2E), the share of the energy that the quadratic model has left to
remove, in float64. It is infinite where the full H is not positive definite, so a saddle is never called a geodesic,
and where `segments` are too few by the rule above. Multiplying f by a constant changes neither, nor any iterate.

Cost. An iteration takes as long as about six evaluations of f over the curve (k = 2), and O(n k^3) to solve.

Fails. Where `segments` are too few for the surface. It finds a local minimum near the straight line, which need not
be the shortest path. Where f is not twice differentiable (ReLU) it is Gauss-Newton. Where M is singular, RIDGE keeps
the Gauss-Newton step finite, and the curve is one of many.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import hessian, vmap

from ..geometry.manifolds import Embedded, Manifold
from .result import Solution, interpolate, segment

COARSEST = 16  # segments at the first level; 8 take as many iterations, and more curves to other minima
INEXACT = 0.1
SINGLE_TOL = 1e-6
COARSE_TOL = 1e-3  # in float32 and on coarse curves; one or two steps in float64 do the rest
RESOLVED = 0.015  # largest change of the energy by halving the segments; see the module
SHARES = (0.75, 0.5, 0.25, 0.0)  # of the second derivatives, where all of them are too much
CLIP = True
RIDGE = 1e-10  # relative to the mean diagonal: keeps Gauss-Newton definite where J is rank deficient
ARMIJO = 1e-4
ROUNDING = 4  # units in the last place of the energy that a step may raise it by
HALVINGS = 6
JUMP = 1.1  # energy with middles over energy, above which a step may not raise the former
POINTS = 128  # evaluated at a time: with their tangents they fit the cache
CURVES = 256  # solved together: bounds the memory


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 512,
    tol: float = 1e-4,
    max_iterations: int = 100,
) -> Solution:
    """At most `segments`, a power of two times 16 or less, and at most `max_iterations` a curve over all levels; the
    result has as many as its finest curve took. `tol` bounds the criterion; the length of a converged curve is then
    within about tol / 2 of that of the discrete optimum."""
    _check(tol, max_iterations, segments)
    parts = [
        _coarse_to_fine(manifold, segment(a, b, min(COARSEST, segments)), segments, tol, max_iterations)
        for a, b in zip(start.split(CURVES), end.split(CURVES), strict=True)
    ]
    finest = max(part.points.shape[1] for part in parts)
    points = torch.cat([_resampled(part.points, finest - 1) for part in parts])
    criterion, converged, iterations = (torch.cat(column) for column in list(zip(*parts, strict=True))[1:])
    return Solution(points, criterion, converged, iterations)


def refine(manifold: Manifold, points: Tensor, *, tol: float = 1e-4, max_iterations: int = 100) -> Solution:
    """The curves with knots points (B, n + 1, k) polished at their own number of segments, in float64."""
    _check(tol, max_iterations, points.shape[1] - 1)
    parts = []
    for part in points.to(torch.float64).split(CURVES):
        part, iterations = part.clone(), torch.zeros(len(part), dtype=torch.int64, device=part.device)
        criterion = _minimise(manifold, part, iterations, tol, max_iterations)[0]
        parts.append(Solution(part, criterion, criterion <= tol, iterations))
    return Solution(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _check(tol: float, max_iterations: int, segments: int) -> None:
    if segments < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, max_iterations at least 1, tol positive; got segments={segments}, "
            f"max_iterations={max_iterations}, tol={tol}"
        )


def _coarse_to_fine(manifold: Manifold, points: Tensor, segments: int, tol: float, max_iterations: int) -> Solution:
    """The solution from the first curves, points (B, n + 1, k); see the module."""
    single, B = manifold.single(), len(points)
    iterations = torch.zeros(B, dtype=torch.int64, device=points.device)
    criterion = torch.full((B,), torch.inf, dtype=torch.float64, device=points.device)
    done: list[tuple[Tensor, Tensor]] = []
    index = torch.arange(B, device=points.device)
    while len(index):
        n = points.shape[1] - 1
        last = 2 * n > segments
        count = iterations[index]
        found, gap = _minimise(single, points, count, max(tol, SINGLE_TOL), max_iterations, not last)
        ready = ((found <= COARSE_TOL) & (gap <= RESOLVED)) | last
        again = ready & (found > tol)
        if again.any():
            z, spent = points[again], count[again]
            found[again], gap[again] = _minimise(manifold, z, spent, tol, max_iterations)
            points[again], count[again] = z, spent
        iterations[index] = count
        criterion[index[ready]] = torch.where(gap <= RESOLVED, found, torch.inf)[ready]
        done.append((index[ready], points[ready]))
        points, index = points[~ready], index[~ready]
        if len(index):
            points = _resampled(points, 2 * n)
    finest = done[-1][1].shape[1] - 1
    whole = points.new_empty(B, finest + 1, points.shape[2])
    for where, z in done:
        whole[where] = _resampled(z, finest)
    return Solution(whole, criterion, criterion <= tol, iterations)


def _resampled(points: Tensor, segments: int) -> Tensor:
    """The same curves with knots points (B, n + 1, k) at `segments`, a multiple of n, with the same ends."""
    if points.shape[1] == segments + 1:
        return points
    finer = interpolate(points, torch.linspace(0, 1, segments + 1, dtype=torch.float64))
    finer[:, :: segments // (points.shape[1] - 1)] = points
    return finer


def _minimise(
    manifold: Manifold, points: Tensor, iterations: Tensor, tol: float, max_iterations: int, unresolved_may_stop=False
) -> tuple[Tensor, Tensor]:
    """Lower the energy of points (B, n + 1, k) in place, counting iterations (B,) in place; the criterion (B,), and
    the relative change of the energy (B,) when the segments are halved.

    A curve leaves when its criterion holds (after the step that this pays for), when its iterations are spent,
    or when no step along its direction lowers the energy.
    """
    images, energy, refined = _evaluate(manifold, points)
    criterion = torch.full_like(energy, torch.inf)
    active = (iterations < max_iterations).nonzero().flatten()
    while len(active):
        z, x = points[active], images[active]
        step, decrement, full, usable = _direction(*_derivatives(manifold, z, x))
        criterion[active] = torch.where(full, decrement / (2 * energy[active]), torch.inf)
        z, x, e, fine, moved = _backtrack(manifold, z, x, energy[active], refined[active], step, decrement, usable)
        points[active], images[active], energy[active], refined[active] = z, x, e, fine
        iterations[active] += 1
        goal = torch.clamp(INEXACT * (fine / e - 1 - RESOLVED), min=tol) if unresolved_may_stop else tol
        active = active[moved & (criterion[active] > goal) & (iterations[active] < max_iterations)]
    return criterion, refined / energy - 1


def _direction(
    gradient: Tensor, diagonal: Tensor, more_diagonal: Tensor, coupling: Tensor, more_coupling: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A step downhill (B, m, k) and its decrement (B,) from what `_derivatives` returns; whether (B,) it is that of
    the full Hessian; whether (B,) there is one at all."""
    eye = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    mean = diagonal.diagonal(dim1=-2, dim2=-1).mean((1, 2))
    ridged = diagonal + RIDGE * mean[:, None, None, None] * eye
    step, decrement, full = _newton(gradient, ridged + more_diagonal, coupling + more_coupling)
    usable = full.clone()
    weak = (~usable).nonzero().flatten()
    if len(weak):
        values, vectors = torch.linalg.eigh(more_diagonal[weak])
        up = torch.zeros_like(more_diagonal)
        up[weak] = (vectors * values.clamp(min=0)[..., None, :]) @ vectors.mT
    for share in SHARES:
        weak = (~usable).nonzero().flatten()
        if len(weak):
            if CLIP:
                more = up[weak] + share * (more_diagonal[weak] - up[weak])
            else:
                more = share * more_diagonal[weak]
            blocks = ridged[weak] + more, coupling[weak] + share * more_coupling[weak]
            step[weak], decrement[weak], usable[weak] = _newton(gradient[weak], *blocks)
    return step, decrement, full, usable


def _backtrack(
    manifold: Manifold,
    z: Tensor,
    x: Tensor,
    energy: Tensor,
    refined: Tensor,
    step: Tensor,
    decrement: Tensor,
    usable: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """z (B, n + 1, k), its images, energy and refined energy after a step that is halved until it is acceptable (see
    the module), and which curves moved (B,)."""
    first = energy + ROUNDING * torch.finfo(manifold.dtype).eps * energy
    z, x, energy, refined, moved = z.clone(), x.clone(), energy.clone(), refined.clone(), torch.zeros_like(usable)
    scale, left = 1.0, (usable & (decrement > 0)).nonzero().flatten()
    for _ in range(HALVINGS):
        if not len(left):
            break
        trial = z[left]
        trial[:, 1:-1] += scale * step[left]
        images, lower, fine = _evaluate(manifold, trial)
        good = lower <= first[left] - ARMIJO * scale * decrement[left]
        good &= fine <= torch.maximum(JUMP * lower, refined[left])
        done = left[good]
        z[done], x[done], energy[done] = trial[good], images[good], lower[good]
        refined[done], moved[done] = fine[good], True
        scale, left = scale / 2, left[~good]
    return z, x, energy, refined, moved


def _evaluate(manifold: Manifold, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of curves z (B, n + 1, k): the images (B, n + 1, N) of the knots (the knots, if there is no embedding), the
    energy (B,), and the energy with the segments' middles as further knots (B,)."""
    halved = z.repeat_interleave(2, 1)[:, :-1]
    halved[:, 1::2] = (z[:, 1:] + z[:, :-1]) / 2
    n = z.shape[1] - 1
    with torch.no_grad():
        if not isinstance(manifold, Embedded):
            return z, n * manifold.chords(z).sum(1), 2 * n * manifold.chords(halved).sum(1)
        points = halved.to(manifold.dtype).flatten(0, 1)
        x = torch.cat([manifold.embed(part) for part in points.split(POINTS)]).unflatten(0, halved.shape[:2])
    coarse = x[:, ::2]
    energies = (m * y.diff(dim=1).square().sum((1, 2)).double() for m, y in ((n, coarse), (2 * n, x)))
    return coarse, *energies


def _derivatives(manifold: Manifold, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Derivatives of the energy at the m = n - 1 inner points of curves z (B, n + 1, k), float64: gradient (B, m, k);
    the two terms, of which Gauss-Newton drops the second, of the Hessian's diagonal blocks (B, m, k, k), and of the
    blocks above them (B, m - 1, k, k)."""
    if not isinstance(manifold, Embedded):
        return _intrinsic_derivatives(manifold, z)
    n, inner = z.shape[1] - 1, z[:, 1:-1].to(manifold.dtype)
    residual = -2 * n * x.diff(n=2, dim=1)
    parts = zip(inner.flatten(0, 1).split(POINTS), residual.flatten(0, 1).split(POINTS), strict=True)
    columns = zip(*(manifold.contract(*part) for part in parts), strict=True)
    transposed, curvature = (torch.cat(column).unflatten(0, inner.shape[:2]) for column in columns)
    gradient = (transposed @ residual[..., None]).squeeze(-1)
    diagonal = 4 * n * transposed @ transposed.mT
    coupling = -2 * n * transposed[:, :-1] @ transposed[:, 1:].mT
    found = gradient, diagonal, curvature, coupling, torch.zeros_like(coupling)
    return tuple(tensor.double() for tensor in found)  # type: ignore[return-value]


def _intrinsic_derivatives(manifold: Manifold, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """As `_derivatives`, from the first and second derivatives of each segment's squared length in its two ends."""
    n, k = z.shape[1] - 1, z.shape[2]
    ends = torch.stack((z[:, :-1], z[:, 1:]), 2).flatten(0, 1)

    def chord(pair: Tensor) -> Tensor:
        return n * manifold.chords(pair[None])[0, 0]

    first: Callable[[Tensor], Tensor] = vmap(torch.func.grad(chord))
    slope = first(ends).unflatten(0, (-1, n))
    H = vmap(hessian(chord))(ends).unflatten(0, (-1, n))
    M = 2 * n * manifold.metric((z[:, 1:] + z[:, :-1]).flatten(0, 1) / 2).unflatten(0, (-1, n))
    gradient = slope[:, :-1, 1] + slope[:, 1:, 0]
    diagonal, coupling = M[:, :-1] + M[:, 1:], -M[:, 1:-1]
    full = H[:, :-1, 1, :, 1] + H[:, 1:, 0, :, 0]
    above = H[:, 1:-1, 0, :, 1]
    assert gradient.shape[-1] == k
    return gradient, diagonal, full - diagonal, coupling, above - coupling


def _newton(gradient: Tensor, diagonal: Tensor, coupling: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step -H^-1 g (B, m, k), the decrement g^T H^-1 g (B,), and whether H is positive definite (B,)."""
    x, definite = _reduce(diagonal, coupling, gradient[..., None])
    decrement = (x.squeeze(-1) * gradient).sum((1, 2))
    return -x.squeeze(-1), decrement, definite & decrement.isfinite()


def _reduce(D: Tensor, U: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """x (B, m, k, 1) with H x = g, and whether (B,) H is positive definite, for H with the diagonal blocks D
    (B, m, k, k) and U (B, m - 1, k, k) above them: Cholesky factorisation of every other block, then of what their
    elimination leaves of the others, which is of the same form."""
    L, info = torch.linalg.cholesky_ex(D[:, ::2])
    definite = (info == 0).all(1)
    m, odd = D.shape[1], D.shape[1] // 2
    if m == 1:
        return torch.cholesky_solve(g, L), definite
    # Block 2j + 1 has the neighbours 2j, by U_2j, and (but perhaps the last) 2j + 2, by U_{2j+1}.
    inner = (m - 1) // 2
    left = torch.cholesky_solve(torch.cat((U[:, ::2], g[:, ::2][:, :odd]), -1), L[:, :odd])
    right = torch.cholesky_solve(torch.cat((U[:, 1::2].mT, g[:, 2::2]), -1), L[:, 1:])
    k = D.shape[-1]
    blocks, rest = D[:, 1::2] - U[:, ::2].mT @ left[..., :k], g[:, 1::2] - U[:, ::2].mT @ left[..., k:]
    blocks[:, :inner] -= U[:, 1::2] @ right[..., :k]
    rest[:, :inner] -= U[:, 1::2] @ right[..., k:]
    x_odd, others = _reduce(blocks, -U[:, 1::2][:, : odd - 1] @ left[:, 1:, :, :k], rest)
    x = torch.empty_like(g)
    x[:, 1::2] = x_odd
    pulled = g[:, ::2].clone()
    pulled[:, :odd] -= U[:, ::2] @ x_odd
    pulled[:, 1:] -= U[:, 1::2].mT @ x_odd[:, :inner]
    x[:, ::2] = torch.cholesky_solve(pulled, L)
    return x, definite & others
