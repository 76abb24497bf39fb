"""Geodesics as an optimal-control problem, after GEORCE (Rygaard and Hauberg, 2025).

Equation. A curve x_0, ..., x_n with fixed ends is steered by controls u_i, x_{i+1} = x_i + u_i, at the cost

    E = n sum_i c_i,    c_i = <u_i, G_i u_i>,    G_i = M(x_i + u_i / 2),

or c_i = |f(x_{i+1}) - f(x_i)|^2 where there is an embedding, which is cheaper and of the same order. The authors take M
at x_i: then the curve's error falls as n^-1, here as n^-2, and the curve does not depend on the direction of travel.

Method. With G_i and the costs' dependence on the states held fixed, the optimality conditions (Pontryagin) are linear
in the controls. Let s_i be the sum of the gradient of E over the knots after i. The controls change by

    d_i = -G_i^-1 (s_i + mu) / 2n,    mu = -(sum_i G_i^-1)^-1 sum_i G_i^-1 s_i,

mu being the multiplier of sum_i d_i = 0: the authors' update, without a linear system larger than k. Along a d_i, E
has the slope -2 D, D = n sum_i <d_i, G_i d_i>; a is halved from 1 until Armijo's condition, E falls by at least
2 SHARE a D, holds, which no factor of the metric changes. All curves advance at once; those done leave the batch.

Criterion. D / E, the share of the energy that the quadratic model has left to remove. Multiplying f by a constant
changes neither it nor any iterate. The authors' criterion is the norm of the gradient, which has units.

Cost. An iteration takes M and one reverse pass at n points, and a pass forward for every trial step.

Fails. It is Newton's method with a Hessian that leaves out the derivatives of M, so that it converges linearly, at a
rate that depends on the curvature and the chart but not on n. Where the metric changes fast, a falls to a quarter and
less, and hundreds of iterations may not do; there D, which is for a = 1, overstates what is left, and `converged` errs
on the side of False. It finds a local minimum near the straight line. Where M is singular it is regularised: RIDGE
times its mean diagonal is added.

Reference. F. M. Rygaard and S. Hauberg (2025), GEORCE: A fast new control algorithm for computing geodesics,
arXiv:2505.05961.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry.manifolds import RIDGE, Manifold
from .curves import POINTS, Solution, segment
from .line_search import backtrack, sufficient

SHARE = 0.4  # in Armijo's condition: demands most of what the best step gives, as small values let the step zigzag


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 64,
    tol: float = 1e-6,
    max_iterations: int = 300,
) -> Solution:
    """From the straight line, until D / E <= `tol` (see the module) or `max_iterations` are spent."""
    if segments < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 2, max_iterations at least 1, tol positive; got segments={segments}, "
            f"max_iterations={max_iterations}, tol={tol}"
        )
    together = max(1, 4 * POINTS // segments)
    lines = segment(start, end, segments).split(together)
    return Solution(*map(torch.cat, zip(*(_solve(manifold, part, tol, max_iterations) for part in lines), strict=True)))


def _solve(manifold: Manifold, points: Tensor, tol: float, max_iterations: int) -> Solution:
    with torch.no_grad():
        energy = _energy(manifold, points)
    criterion = torch.full_like(energy, torch.inf)
    iterations = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    active = energy.isfinite().nonzero().flatten()
    while len(active):
        step, decrement = _step(manifold, points[active])
        criterion[active] = (decrement / energy[active]).nan_to_num(nan=torch.inf)
        unfinished = (criterion[active] > tol) & criterion[active].isfinite() & (iterations[active] < max_iterations)
        active, step, decrement = active[unfinished], step[unfinished], decrement[unfinished]
        (points[active], energy[active]), moved = _moved(manifold, points[active], energy[active], step, decrement)
        iterations[active] += 1
        active = active[moved]
    return Solution(points, criterion, criterion <= tol, iterations)


def _step(manifold: Manifold, points: Tensor) -> tuple[Tensor, Tensor]:
    """The change of the inner knots (B, n - 1, k) at a = 1, and D (B,), of the curves with knots points."""
    with torch.enable_grad():
        knots = points.detach().requires_grad_()
        gradient = torch.autograd.grad(_energy(manifold, knots).sum(), knots)[0][:, 1:-1]
    n, k = points.shape[1] - 1, points.shape[2]
    with torch.no_grad():
        middles = ((points[:, 1:] + points[:, :-1]) / 2).flatten(0, 1)
        G = torch.cat([manifold.metric(part) for part in middles.split(POINTS)]).unflatten(0, (-1, n))
    ridge = RIDGE * G.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    inverse = torch.linalg.inv_ex(G + ridge * torch.eye(k, dtype=G.dtype, device=G.device))[0]
    after = torch.nn.functional.pad(gradient.flip(1).cumsum(1).flip(1), (0, 0, 0, 1))
    pulled = (inverse @ after[..., None]).sum(1)
    mu = -torch.linalg.solve_ex(inverse.sum(1), pulled)[0].mT
    change = -(inverse @ (after + mu)[..., None]).squeeze(-1) / (2 * n)
    return change.cumsum(1)[:, :-1], n * torch.einsum("bni,bnij,bnj->b", change, G, change)


def _moved(
    manifold: Manifold, points: Tensor, energy: Tensor, step: Tensor, decrement: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Knots and energies after the longest acceptable part of `step`, and which curves found one."""

    def attempt(rows: Tensor, scale: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        trial = points[rows]
        trial[:, 1:-1] += scale[:, None, None] * step[rows]
        with torch.no_grad():
            lower = _energy(manifold, trial)
        return (trial, lower), sufficient(lower, energy[rows], 2 * decrement[rows], scale, SHARE)

    return backtrack((points, energy), attempt)


def _energy(manifold: Manifold, points: Tensor) -> Tensor:
    """E (B,) of the curves with knots points (B, n + 1, k)."""
    curves = max(1, POINTS // points.shape[1])
    return (points.shape[1] - 1) * torch.cat([manifold.chords(part).sum(1) for part in points.split(curves)])
