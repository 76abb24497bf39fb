"""Geodesics as small neural networks, one for each pair of points, trained together.

Equation. g(t) = straight line + |end - start| t (1 - t) N(t; x), with N a network with one input, two hidden layers
of `hidden` tanh units, and k outputs.

Method. L-BFGS on the energy or length of the curve's `segments` chords, relative to the straight line's (see
`descent`); all networks start from the same random features and an output layer of zeros, so that a curve starts as
the straight line and does not depend on its batch. `penalty` adds a term that keeps curves out of where the Jacobian
is large, relative to its mean on the straight line (see `descent`). It stands for the term with which Chen et al.
smooth the metric by its singular values; the scale-free form is ours. The curve is then no geodesic. Adam in place of
L-BFGS, 300 steps, reaches much the same lengths in about the same time, but has no criterion by which to stop.

Criterion. `descent`'s quasi-Newton decrement, of the penalised objective if there is a penalty. The weights are badly
conditioned coordinates, of whose Hessian L-BFGS sees little, so that it says less than for `spline`: of ten curves on
a VAE, all called converged, the worst was 0.1 % longer than after up to 3000 steps; on a rough GAN, 2 %.

Cost. An iteration is one pass of f, forward and backward, over `segments` points, as for `spline`, but ten times as
many are needed: some 200 on smooth decoders, 500 and more on rough ones.

Fails. As `spline` does, and by running out of steps.

Reference. Chen, Klushyn, Kurle, Jiang, Bayer and van der Smagt (2018), Metrics for deep generative models.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import Solution
from .descent import descend


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    hidden: int = 16,
    penalty: float = 0.0,
    objective: str = "energy",
    segments: int = 32,
    steps: int = 1000,
    tol: float = 1e-6,
    seed: int = 0,
) -> Solution:
    """`steps` bounds a curve's iterations, `tol` the decrement relative to the objective, "energy" or "length", with
    the penalty; `seed` draws the networks' first weights."""
    if hidden < 1 or not penalty >= 0:
        raise ValueError(f"hidden must be at least 1, penalty not negative; got hidden={hidden}, penalty={penalty}")
    k = start.shape[1]
    t = torch.linspace(-1, 1, segments + 1, dtype=start.dtype, device=start.device)[:, None]
    weights = _initial(hidden, k, seed).to(start)
    sizes = [hidden, hidden, hidden * hidden, hidden, hidden * k, k]

    def deviation(x: Tensor) -> Tensor:
        a, b, A, c, out, d = x.split(sizes, 1)
        first = torch.tanh(t * a[:, None] + b[:, None])
        second = torch.tanh(first @ A.unflatten(1, (hidden, hidden)) + c[:, None])
        return (1 - t.square()) / 4 * (second @ out.unflatten(1, (hidden, k)) + d[:, None])

    return descend(
        manifold, start, end, deviation, weights,
        objective=objective, segments=segments, steps=steps, tol=tol, penalty=penalty,
    )  # fmt: skip


def _initial(hidden: int, k: int, seed: int) -> Tensor:
    """Weights (d,) with random features, and an output layer of zeros: the curve starts as the straight line."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.cat(
        (torch.full((hidden,), 2.0), torch.ones(hidden), torch.full((hidden * hidden,), 1 / math.sqrt(hidden)))
    )
    drawn = torch.randn(len(spread), generator=generator, dtype=torch.float64) * spread
    return torch.cat((drawn, torch.zeros(hidden + hidden * k + k)))
