"""Descent for a batch of small problems that have nothing to do with each other: what `spline` and `network` share.

Equation. A curve with free parameters x (d,) is its straight line and a deviation that vanishes at the ends,

    g(t) = start + t (end - start) + |end - start| h(t; x),        h(0; x) = h(1; x) = 0,

and what is minimised, F(x), is its discrete energy n sum_i c_i, or its length sum_i sqrt(c_i), with c_i the squared
chords between the knots g(i/n), divided by that of the straight line. An optional penalty is added, the mean over the
knots of |A|_F, A^T A = M (of a latent space the root of the sum of the Jacobian's squared singular values), also
divided by the straight line's. So neither the scale of the metric nor that of the latent space is left in F, nor in
anything below.

Method. L-BFGS (Liu and Nocedal, 1989; Nocedal and Wright, 2006, algorithms 7.4 and 7.5): directions from the last
MEMORY steps and the changes of the gradient along them, and backtracking until Armijo's condition holds, each curve
with a step of its own. Steps along which the gradient shows no positive curvature are not remembered. Curves that are
done leave the batch.

F sees a curve at its knots only. Knots that leap to points with similar images, such as another copy of the sphere in
its chart, lower F although the curve between them is long. So a step that moves a knot by more than FAR |end - start|
is refused if it raises, beyond GAP, the ratio between the curve's extent with twice the segments and F's own.

Criterion. The quasi-Newton decrement g^T H g / (2F), with H the inverse Hessian that L-BFGS has gathered: the share
of F that its quadratic model has left to remove. It is infinite where the ratio above exceeds GAP at the end: the
segments do not resolve the curve, whatever the decrement says.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import POINTS, Solution, segment
from .line_search import backtrack, sufficient

MEMORY = 10
CURVED = 1e-10  # least cosine between a step and the change of gradient along it
FIRST = 0.5  # step along the first gradient: right for E in coordinates orthonormal in H^1, where its Hessian is 2

FAR = 0.1  # displacement of a knot, relative to |end - start|, from which a step is looked at more closely
GAP = 1.3  # extent with twice the segments over the extent, above which a curve counts as not resolved

Values = Callable[[Tensor], Tensor]
Function = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Sound = Callable[[Tensor, Tensor, Tensor], Tensor]


def descend(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    deviation: Values,
    x: Tensor,
    *,
    objective: str,
    segments: int,
    steps: int,
    tol: float,
    penalty: float = 0.0,
) -> Solution:
    """Curves from start (B, k) to end (B, k), all from the parameters x (d,), with `deviation` from (b, d) to the
    values of h at t = i/segments, (b, segments + 1, k). ValueError for settings that make no sense."""
    if objective not in ("energy", "length"):
        raise ValueError(f"objective must be energy or length; got {objective!r}")
    if segments < 2 or steps < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, steps at least 1, tol positive; got segments={segments}, steps={steps}, "
            f"tol={tol}"
        )
    terms = [(1.0, lambda points: _extent(manifold, points, objective))]
    if penalty:
        terms.append((penalty, lambda points: _stretch(manifold, points)))
    together = max(1, 4 * POINTS // segments)
    parts = [
        _descend(manifold, objective, terms, segment(a, b, segments), deviation, x.expand(len(a), -1), steps, tol)
        for a, b in zip(start.split(together), end.split(together), strict=True)
    ]
    points, criterion, iterations = (torch.cat(column) for column in zip(*parts, strict=True))
    return Solution(points, criterion, criterion <= tol, iterations)


def _extent(manifold: Manifold, points: Tensor, objective: str) -> Tensor:
    """Discrete energy or length (B,) of the curves with knots points (B, n + 1, k)."""
    chords = manifold.chords(points)
    if objective == "energy":
        return (points.shape[1] - 1) * chords.sum(1)
    return chords.clamp_min(torch.finfo(chords.dtype).tiny).sqrt().sum(1)  # the root has no derivative at 0


def _stretch(manifold: Manifold, points: Tensor) -> Tensor:
    """Mean Frobenius norm (B,) of the metric's root over the knots points (B, n + 1, k)."""
    squared = manifold.metric(points.flatten(0, 1)).diagonal(dim1=-2, dim2=-1).sum(-1)
    return squared.clamp_min(torch.finfo(squared.dtype).tiny).sqrt().unflatten(0, points.shape[:2]).mean(1)


def _gap(manifold: Manifold, points: Tensor, objective: str) -> Tensor:
    """The extent (B,) with the segments' middles as further knots, over that without."""
    if not len(points):
        return points.new_zeros(0)
    middles = (points[:, 1:] + points[:, :-1]) / 2
    finer = torch.cat((torch.stack((points[:, :-1], middles), 2).flatten(1, 2), points[:, -1:]), 1)
    with torch.no_grad():
        return _extent(manifold, finer, objective) / _extent(manifold, points, objective)


def _descend(
    manifold: Manifold,
    objective: str,
    terms: list[tuple[float, Values]],
    line: Tensor,
    deviation: Values,
    x: Tensor,
    steps: int,
    tol: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Knots, criterion and iterations of the curves whose straight lines have the knots `line` (B, n + 1, k), for F
    the weighted sum of the terms."""
    size = (line[:, -1] - line[:, 0]).norm(dim=1)[:, None, None]
    with torch.no_grad():
        wholes = [value(line) for _, value in terms]
    wholes = [whole.where(whole > 0, 1.0) for whole in wholes]

    def function(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            points = line[rows] + size[rows] * deviation(x)
            F = torch.stack([w * v(points) / whole[rows] for (w, v), whole in zip(terms, wholes, strict=True)]).sum(0)
            return F.detach(), torch.autograd.grad(F.sum(), x)[0]

    def sound(x: Tensor, before: Tensor, rows: Tensor) -> Tensor:
        with torch.no_grad():
            new, old = (line[rows] + size[rows] * deviation(a) for a in (x, before))
        far = ((new - old).norm(dim=2) > FAR * size[rows, :, 0]).any(1)
        good = ~far
        allowed = _gap(manifold, old[far], objective).clamp_min(GAP)
        good[far] = _gap(manifold, new[far], objective) <= allowed
        return good

    x, criterion, iterations = minimise(function, sound, x, steps, tol)
    with torch.no_grad():
        points = line + size * deviation(x)
    points[:, [0, -1]] = line[:, [0, -1]]  # to the last bit
    criterion = torch.where(_gap(manifold, points, objective) > GAP, torch.inf, criterion)
    return points, criterion, iterations


def minimise(function: Function, sound: Sound, x: Tensor, steps: int, tol: float) -> tuple[Tensor, Tensor, Tensor]:
    """Local minima x (B, d) near those given, criterion (B,) and iterations (B,).

    function gives the values (b,) and gradients (b, d) of problems `rows` (b,) at x (b, d). sound tells which of them
    (b,) may step to x (b, d) from where they stood (b, d), however low the value there. A problem ends when its
    criterion holds, when no step along its direction lowers the value, or after `steps` of them.
    """
    x, rows = x.clone(), torch.arange(len(x), device=x.device)
    value, gradient = function(x, rows)
    moves, changes = x.new_zeros(len(x), 0, x.shape[1]), x.new_zeros(len(x), 0, x.shape[1])
    criterion, iterations = torch.full_like(value, torch.inf), torch.zeros_like(rows)
    while len(rows):
        direction = _direction(gradient, moves, changes)
        slope = -(direction * gradient).sum(1)
        criterion[rows] = torch.where(slope > 0, slope / (2 * value), torch.where(slope == 0, 0.0, torch.inf))
        go = (criterion[rows] > tol) & criterion[rows].isfinite() & (iterations[rows] < steps)
        rows, value, gradient, direction, slope = (a[go] for a in (rows, value, gradient, direction, slope))
        moves, changes = moves[go], changes[go]
        (new_x, new_value, new_gradient), moved = _moved(
            function, sound, x[rows], rows, value, gradient, direction, slope
        )
        iterations[rows] += 1
        moves = torch.cat((moves, (new_x - x[rows])[:, None]), 1)[moved, -MEMORY:]
        changes = torch.cat((changes, (new_gradient - gradient)[:, None]), 1)[moved, -MEMORY:]
        x[rows] = new_x
        rows, value, gradient = rows[moved], new_value[moved], new_gradient[moved]
    return x, criterion, iterations


def _direction(gradient: Tensor, moves: Tensor, changes: Tensor) -> Tensor:
    """-H g (b, d), by the two loops of L-BFGS over moves and changes (b, m, d), the latest last."""
    inner = (moves * changes).sum(2)
    curved = inner > CURVED * moves.norm(dim=2) * changes.norm(dim=2)
    rho = torch.where(curved, 1 / inner, 0.0)
    scale = torch.full_like(gradient[:, 0], FIRST)
    right, weights = gradient, []
    for i in reversed(range(moves.shape[1])):
        weights.append(rho[:, i] * (moves[:, i] * right).sum(1))
        right = right - weights[-1][:, None] * changes[:, i]
    for i in range(moves.shape[1]):
        scale = torch.where(curved[:, i], inner[:, i] / changes[:, i].square().sum(1), scale)
    right = scale[:, None] * right
    for i in range(moves.shape[1]):
        weight = weights[-1 - i] - rho[:, i] * (changes[:, i] * right).sum(1)
        right = right + weight[:, None] * moves[:, i]
    return -right


def _moved(
    function: Function,
    sound: Sound,
    x: Tensor,
    rows: Tensor,
    value: Tensor,
    gradient: Tensor,
    direction: Tensor,
    slope: Tensor,
) -> tuple[tuple[Tensor, ...], Tensor]:
    """x, value and gradient after the longest acceptable part of `direction`, and which problems found one."""

    def attempt(which: Tensor, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        trial = x[which] + step[:, None] * direction[which]
        found, slopes = function(trial, rows[which])
        good = sufficient(found, value[which], slope[which], step) & slopes.isfinite().all(1)
        good[good.clone()] = sound(trial[good], x[which[good]], rows[which[good]])
        return (trial, found, slopes), good

    return backtrack((x, value, gradient), attempt)
