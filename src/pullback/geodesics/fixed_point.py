"""Geodesics by fixed-point iteration on a Gaussian process (Arvanitidis, Hauberg, Hennig and Schober, 2019).

Equation. g'' = acceleration(g, g') at the N nodes t_j = j / (N - 1), g(0) = start, g(1) = end. The curve is the
posterior mean of a Gaussian process whose prior mean is the straight line, given its ends and second derivatives a_j
at the nodes. It is linear in these: with K the covariances of what is given,

    g(t) = line(t) + k(t)^T K^-1 (a_1, ..., a_N, 0, 0),    k(t) = cov(g(t), what is given),

the same weights for every dimension of every pair, computed once.

Kernel. Squared exponential exp(-r^2 / (2 l^2)), whose derivatives are Hermite polynomials times itself. As in the
authors' code: l^2 = half the spacing of the nodes, and noise of variance NOISE on the second derivatives (JITTER on
the ends), which keep K invertible; relative to the kernel's amplitude, which otherwise cancels.

Method. a <- a + s (acceleration(g, g') - a), from a = 0, with s halved from 1 until the sum of squared residuals falls
(the authors try three steps and take the last regardless). All pairs advance at once; those done leave the batch.

Criterion. max_j |a_j - acceleration(g, g')(t_j)| / |end - start| <= `tol`: the equation's residual, in units in which
the straight line has speed 1. Multiplying f by a constant changes no acceleration, hence nothing.

Cost. An iteration takes one acceleration (a second derivative of f) at N points for every trial step: the cheapest of
all solvers, and no gradient of an energy.

Fails. Where the map is no contraction, damped or not: on long pairs and where the metric changes fast. It then stops at
the smallest residual it finds, not converged. What it finds is a geodesic, which need not be a minimum. Between
the nodes nothing is asked of the curve: more of them help, until K's conditioning and so the noise takes over.

Reference. G. Arvanitidis, S. Hauberg, P. Hennig and M. Schober (2019), Fast and robust shortest paths on manifolds
learned from data, AISTATS.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.special import hermite_polynomial_he

from ..geometry.manifolds import Manifold
from .curves import POINTS, Solution, segment
from .line_search import backtrack

NOISE = 1e-8
JITTER = 1e-10
DAMPINGS = 10  # parts of a step that are tried: 1 to 1/512

Residual = Callable[[Tensor, Tensor], Tensor]


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 64,
    nodes: int = 10,
    tol: float = 1e-3,
    max_iterations: int = 1000,
) -> Solution:
    """`nodes` is N (see the module); `segments` only sets the knots returned."""
    if segments < 1 or nodes < 2 or max_iterations < 1 or not tol > 0:
        raise ValueError(
            f"segments must be at least 1, nodes at least 2, max_iterations at least 1, tol positive; got "
            f"segments={segments}, nodes={nodes}, max_iterations={max_iterations}, tol={tol}"
        )
    line, velocity = segment(start, end, nodes - 1), (end - start)[:, None]
    place, speed = (_weights(nodes, line.new_tensor(range(nodes)) / (nodes - 1), d) for d in (0, 1))

    def residual(a: Tensor, rows: Tensor) -> Tensor:
        z, v = line[rows] + place @ a, velocity[rows] + speed @ a
        parts = zip(z.flatten(0, 1).split(POINTS), v.flatten(0, 1).split(POINTS), strict=True)
        return torch.cat([manifold.acceleration(*part).detach() for part in parts]).view_as(a) - a

    a, active = torch.zeros_like(line), torch.arange(len(line), device=line.device)
    left_over = residual(a, active)
    iterations = torch.zeros_like(active)
    while len(active):
        open_ = (_largest(left_over[active], velocity[active]) > tol) & (iterations[active] < max_iterations)
        active = active[open_]
        (a[active], left_over[active]), moved = _moved(residual, a[active], left_over[active], active)
        iterations[active] += 1
        active = active[moved]
    points = segment(start, end, segments)
    points += _weights(nodes, torch.linspace(0, 1, segments + 1).to(line), 0) @ a
    points[:, 0], points[:, -1] = start, end
    criterion = _largest(left_over, velocity).nan_to_num(nan=torch.inf)
    return Solution(points, criterion, criterion <= tol, iterations)


def _moved(residual: Residual, a: Tensor, left_over: Tensor, active: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """Second derivatives and residuals (b, N, k) of the pairs `active` (b,) after the largest part of a step that
    lowers the residual, and which pairs (b,) found one."""

    def attempt(rows: Tensor, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        trial = a[rows] + step[:, None, None] * left_over[rows]
        found = residual(trial, active[rows])
        return (trial, found), found.square().sum((1, 2)) < left_over[rows].square().sum((1, 2))

    return backtrack((a, left_over), attempt, DAMPINGS)


def _largest(residual: Tensor, velocity: Tensor) -> Tensor:
    return residual.norm(dim=2).amax(1) / velocity.norm(dim=2).squeeze(1)


def _weights(nodes: int, t: Tensor, derivative: int) -> Tensor:
    """The matrix (T, N) from second derivatives at the nodes to the posterior mean's derivative at times t (T,), less
    that of the line."""
    at, ends = torch.linspace(0, 1, nodes).to(t), t.new_tensor([0.0, 1.0])
    scale = math.sqrt(0.5 / (nodes - 1))
    given = [(at, 2), (ends, 0)]
    K = torch.cat([torch.cat([_kernel(x, y, scale, p, q) for y, q in given], 1) for x, p in given])
    K += torch.diag(torch.cat((torch.full_like(at, NOISE), torch.full_like(ends, JITTER))))
    cross = torch.cat([_kernel(t, y, scale, derivative, q) for y, q in given], 1)
    return torch.linalg.solve(K, cross.mT).mT[:, :nodes]


def _kernel(x: Tensor, y: Tensor, scale: float, p: int, q: int) -> Tensor:
    """d^p/dx^p d^q/dy^q exp(-(x - y)^2 / (2 scale^2)), for all pairs of times x (T,) and y (U,), as (T, U)."""
    r = (x[:, None] - y) / scale
    return (-1) ** p * scale ** -(p + q) * hermite_polynomial_he(r, p + q) * (-r.square() / 2).exp()
