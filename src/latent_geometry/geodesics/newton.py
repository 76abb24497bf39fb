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
segments' middles as further knots, unless it stays within 15 % of E.

From the straight line on a coarse curve; one whose energy changes by more than RESOLVED when the segments are halved,
or that cannot be improved at its level, goes on with twice as many. Where the layers of f allow it, all this happens
first under every fifth pixel (a metric of nearly the same shape at a third of the cost) and then, from there, under
all of them, in float32 as long as that can reach `tol`, else in float64. All curves advance at once, and those that are
done leave the batch.

Criterion. The Newton decrement g^T H^-1 g / (2E), the share of the energy that the quadratic model has left to
remove, where a last step is taken. It is infinite where the full H is not positive definite, so a saddle is never
called a geodesic, and where `segments` are too few for RESOLVED. Multiplying f by a constant changes neither, nor any
iterate.

Cost. An iteration takes as long as about six evaluations of f over the curve (k = 2), and O(n k^3) to solve.

Fails. Where `segments` are too few for the surface. It finds a local minimum near the straight line, which need not
be the shortest path. Where f is not twice differentiable (ReLU) it is Gauss-Newton. Where M is singular, RIDGE keeps
the Gauss-Newton step finite, and the curve is one of many.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad, hessian, vmap

from ..geometry.manifolds import Embedded, Manifold
from .result import Solution, interpolate, segment

COARSEST = 16  # segments at the first level; 8 take as many iterations, and more curves to other minima
RESOLVED = 0.02  # largest relative change of the energy by halving the segments: lengths are then right to 1e-3
INEXACT = 0.3  # an unresolved curve is solved to this part of its energy's error
COARSE_TOL = 1e-3  # from which a resolved draft is handed on
SINGLE_TOL = 1e-6  # what float32 can be trusted with
SHARES = (0.75, 0.5, 0.25, 0.0)  # of the second derivatives, where all of them are too much
RIDGE = 1e-10  # relative to the mean diagonal: keeps Gauss-Newton definite where J is rank deficient
ARMIJO = 1e-4
ROUNDING = 4  # units in the last place of the energy that a step may raise it by
SMALLEST = 1 / 64  # part of a step that is tried
JUMP = 1.15  # energy with middles over energy, above which a step may not raise the former
POINTS = 128  # evaluated at a time: with their tangents they fit the cache
CURVES = 256  # solved together: bounds the memory


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 512,
    tol: float = 1e-4,
    max_iterations: int = 200,
) -> Solution:
    """At most `segments`, a power of two times 16 or less, and at most `max_iterations` a curve over all levels; the
    result has as many as its finest curve took. `tol` bounds the criterion; the length of a converged curve is then
    within about tol / 2 of that of the discrete optimum."""
    _check(tol, max_iterations, segments)
    first = segment(start, end, min(COARSEST, segments))
    parts = [_coarse_to_fine(manifold, part, segments, tol, max_iterations) for part in first.split(CURVES)]
    return Solution(*(torch.cat(column) for column in zip(*_alike(parts), strict=True)))


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
            found, gap = _minimise(single, z, spent, max(tol, SINGLE_TOL), max_iterations, not last)
            enough = ((found <= COARSE_TOL) & (gap <= RESOLVED)) | last
            again = (enough & (found > tol)).nonzero().flatten()
            if len(again):
                y, more = z[again], spent[again]
                found[again], gap[again] = _minimise(manifold, y, more, tol, max_iterations)
                z[again], spent[again] = y, more
            points[whole], iterations[index[whole]] = z, spent
            criterion[index[whole]] = torch.where(gap <= RESOLVED, found, torch.inf)
            ready[whole] = enough
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
    manifold: Manifold, points: Tensor, iterations: Tensor, tol: float, max_iterations: int, inexact: bool = False
) -> tuple[Tensor, Tensor]:
    """Lower the energy of points (B, n + 1, k) in place, counting iterations (B,) in place; the criterion (B,), and
    the relative change of the energy (B,) when the segments are halved.

    A curve leaves when its criterion holds (after the step that this pays for), when its iterations are spent, or when
    no step along its direction is acceptable; with `inexact`, also when it is unresolved and its criterion is below
    the energy's own error.
    """
    images, energy = _evaluate(manifold, points)
    refined = _refined(manifold, points, images)
    criterion = torch.full_like(energy, torch.inf)
    active = (iterations < max_iterations).nonzero().flatten()
    while len(active):
        step, decrement, full = _direction(*_derivatives(manifold, points[active], images[active]))
        criterion[active] = torch.where(full, decrement / (2 * energy[active]), torch.inf)
        moved = _backtrack(manifold, active, points, images, energy, refined, step, decrement)
        iterations[active] += 1
        goal = torch.full_like(criterion, tol)
        if inexact:
            goal = goal.maximum(INEXACT * (refined / energy - 1 - RESOLVED))
        active = active[moved & (criterion > goal)[active] & (iterations[active] < max_iterations)]
    return criterion, refined / energy - 1


def _direction(
    gradient: Tensor, diagonal: Tensor, more_diagonal: Tensor, coupling: Tensor, more_coupling: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A step downhill (B, m, k) and its decrement (B,), not positive where there is none, from what `_derivatives`
    returns; whether (B,) the step is that of the full Hessian."""
    eye = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    mean = diagonal.diagonal(dim1=-2, dim2=-1).mean((1, 2))
    ridged = diagonal + RIDGE * mean[:, None, None, None] * eye
    step, decrement, full = _newton(gradient, ridged + more_diagonal, coupling + more_coupling)
    usable = full.clone()
    for share in SHARES:
        weak = (~usable).nonzero().flatten()
        if len(weak):
            blocks = ridged[weak] + share * more_diagonal[weak], coupling[weak] + share * more_coupling[weak]
            step[weak], decrement[weak], usable[weak] = _newton(gradient[weak], *blocks)
    return step, torch.where(usable, decrement, 0), full


def _backtrack(
    manifold: Manifold,
    active: Tensor,
    points: Tensor,
    images: Tensor,
    energy: Tensor,
    refined: Tensor,
    step: Tensor,
    decrement: Tensor,
) -> Tensor:
    """Move the active curves along their steps, halved until they are acceptable (see the module): points, images,
    energy and refined energy change in place. Whether (active,) there was such a step."""
    bound = energy[active] * (1 + ROUNDING * torch.finfo(manifold.dtype).eps)
    moved = torch.zeros_like(active, dtype=torch.bool)
    left, scale = (decrement > 0).nonzero().flatten(), 1.0
    while len(left) and scale >= SMALLEST:
        trial = points[active[left]]
        trial[:, 1:-1] += scale * step[left]
        x, lower = _evaluate(manifold, trial)
        good = (lower <= bound[left] - ARMIJO * scale * decrement[left]).nonzero().flatten()
        fine = _refined(manifold, trial[good], x[good])
        kept = fine <= torch.maximum(JUMP * lower[good], refined[active[left[good]]])
        good, fine = good[kept], fine[kept]
        done = active[left[good]]
        points[done], images[done], energy[done], refined[done] = trial[good], x[good], lower[good], fine
        moved[left[good]] = True
        left, scale = (~moved & (decrement > 0)).nonzero().flatten(), scale / 2
    return moved


def _evaluate(manifold: Manifold, z: Tensor) -> tuple[Tensor, Tensor]:
    """Of curves z (B, n + 1, k): the images (B, n + 1, N) of the knots (the knots themselves, if there is no
    embedding), and the energy (B,)."""
    n = z.shape[1] - 1
    if not isinstance(manifold, Embedded):
        return z, n * manifold.chords(z).sum(1)
    images, energies = [], []
    for part in z.to(manifold.dtype).split(max(1, POINTS // n)):
        x = manifold.images(part.flatten(0, 1)).unflatten(0, part.shape[:2])
        images.append(x)
        energies.append(n * x.diff(dim=1).square().sum((1, 2)))
    return torch.cat(images), torch.cat(energies).double()


def _refined(manifold: Manifold, z: Tensor, x: Tensor) -> Tensor:
    """The energy (B,) of curves z (B, n + 1, k), with images x, that have the segments' middles as further knots."""
    middle = (z[:, 1:] + z[:, :-1]) / 2
    n = middle.shape[1]
    if not isinstance(manifold, Embedded):
        three = torch.stack((z[:, :-1], middle, z[:, 1:]), 2).flatten(0, 1)
        return 2 * n * manifold.chords(three).sum(1).unflatten(0, (-1, n)).sum(1)
    curves = max(1, POINTS // n)
    energies = [torch.zeros(0, dtype=manifold.dtype, device=z.device)]
    for part, ends in zip(middle.to(manifold.dtype).split(curves), x.split(curves), strict=True):
        between = manifold.images(part.flatten(0, 1)).unflatten(0, part.shape[:2])
        halves = (between - ends[:, :-1]).square().sum((1, 2)) + (ends[:, 1:] - between).square().sum((1, 2))
        energies.append(2 * n * halves)
    return torch.cat(energies).double()


def _derivatives(manifold: Manifold, z: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    """Derivatives of the energy at the m = n - 1 inner points of curves z (B, n + 1, k), float64: gradient (B, m, k);
    the two terms, of which Gauss-Newton drops the second, of the Hessian's diagonal blocks (B, m, k, k), and of the
    blocks above them (B, m - 1, k, k)."""
    if not isinstance(manifold, Embedded):
        return _intrinsic_derivatives(manifold, z)
    n = z.shape[1] - 1
    curves = max(1, POINTS // n)
    parts = []
    for some, images in zip(z.to(manifold.dtype).split(curves), x.split(curves), strict=True):
        inner = some[:, 1:-1]
        residual = -2 * n * images.diff(n=2, dim=1)
        columns = manifold.contract(*(a.flatten(0, 1) for a in (inner, images[:, 1:-1], residual)))
        transposed, curvature = (column.unflatten(0, inner.shape[:2]) for column in columns)
        gradient = (transposed * residual[:, :, None]).sum(-1)
        metric, coupling = transposed @ transposed.mT, transposed[:, :-1] @ transposed[:, 1:].mT
        parts.append(tuple(a.double() for a in (gradient, metric, curvature, coupling)))
    gradient, metric, curvature, coupling = (torch.cat(column) for column in zip(*parts, strict=True))
    return gradient, 4 * n * metric, curvature, -2 * n * coupling, torch.zeros_like(coupling)


def _intrinsic_derivatives(manifold: Manifold, z: Tensor) -> tuple[Tensor, ...]:
    """As `_derivatives`, from the first and second derivatives of each segment's squared length in its two ends."""
    n = z.shape[1] - 1
    ends = torch.stack((z[:, :-1], z[:, 1:]), 2).flatten(0, 1)

    def chord(pair: Tensor) -> Tensor:
        return n * manifold.chords(pair[None])[0, 0]

    slope = vmap(grad(chord))(ends).unflatten(0, (-1, n))
    H = vmap(hessian(chord))(ends).unflatten(0, (-1, n))
    M = 2 * n * manifold.metric((z[:, 1:] + z[:, :-1]).flatten(0, 1) / 2).unflatten(0, (-1, n))
    gradient = slope[:, :-1, 1] + slope[:, 1:, 0]
    diagonal, coupling = M[:, :-1] + M[:, 1:], -M[:, 1:-1]
    full = H[:, :-1, 1, :, 1] + H[:, 1:, 0, :, 0]
    above = H[:, 1:-1, 0, :, 1]
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
