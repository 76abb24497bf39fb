"""Geodesics as a boundary-value problem, after Arvanitidis, Hansen and Hauberg (2018).

Equation. g'' = acceleration(g, g'), g(0) = start, g(1) = end, as a system of first order in (w, w') with
w = (g - start) / |end - start|, so that its unit is the pair's own.

Method. scipy's solve_bvp: collocation by cubic splines of class C1 that meet the equation at the mesh's nodes and
middles (Lobatto IIIA), of order 4, Newton's iteration from the straight line, and nodes added where the residual is
large (Kierzenka and Shampine, 2001). The Jacobian is by finite differences: exact, it takes third derivatives of f.

Criterion. The largest root-mean-square residual of an interval, relative to 1 + |acceleration|: `converged` where all
are within `tol`. Multiplying f by a constant changes no acceleration, hence nothing.

Cost. One pair at a time; an iteration takes 2k + 1 accelerations (second derivatives of f) at all nodes and middles,
and a sparse factorisation. `max_nodes` bounds what a hopeless pair can cost: about in proportion to it.

Fails. Where Newton's iteration from the straight line does: on long paths and where the metric changes fast, above all
beyond a conjugate point. Then the curve that it held last is returned, not converged. Where there is none, or the
metric on it is not finite, the straight line is returned, not converged either, with a warning that says why. What it
finds is a geodesic, which need not be a minimum.

References. G. Arvanitidis, L. K. Hansen and S. Hauberg (2018), Latent space oddity: on the curvature of deep
generative models, ICLR; J. Kierzenka and L. F. Shampine (2001), A BVP solver based on residual control and the MATLAB
PSE, ACM Transactions on Mathematical Software 27.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_bvp
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import POINTS, Solution, segment

BC_TOL = 1e-9  # of the end points, in units of |end - start|; they are linear, so that any full Newton step meets them


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    segments: int = 64,
    tol: float = 1e-3,
    nodes: int = 32,
    max_nodes: int = 500,
) -> Solution:
    """`nodes` are in the first mesh, at most `max_nodes` in the last; `segments` only sets the knots returned. The
    iterations are those of the mesh."""
    if segments < 1 or not tol > 0 or not 3 <= nodes <= max_nodes:
        raise ValueError(
            f"segments must be at least 1, tol positive, nodes at least 3 and at most max_nodes; got "
            f"segments={segments}, tol={tol}, nodes={nodes}, max_nodes={max_nodes}"
        )
    points = segment(start, end, segments)
    criterion = torch.full_like(points[:, 0, 0], torch.inf)
    iterations = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    solved = torch.zeros_like(iterations, dtype=torch.bool)
    for i, (a, b) in enumerate(zip(start, end, strict=True)):
        held, why = _collocate(manifold, a, b, tol, nodes, max_nodes)
        if held is None:
            warnings.warn(
                f"bvp: pair {i} of those that move broke down: {why}; its straight line is kept", stacklevel=3
            )
        else:
            inner = held.sol(np.linspace(0, 1, segments + 1)[1:-1])[: len(a)].T
            points[i, 1:-1] = a + (b - a).norm() * torch.from_numpy(inner).to(a)
            criterion[i], iterations[i] = held.rms_residuals.max(), held.niter
            solved[i] = held.status == 0
    return Solution(points, criterion, solved & (criterion <= tol), iterations)


def _collocate(
    manifold: Manifold, start: Tensor, end: Tensor, tol: float, nodes: int, max_nodes: int
) -> tuple[Any, str]:
    """What solve_bvp returns for one pair; None, and why, if it broke down or what it holds is not finite.

    NotImplementedError where a layer of f has no second derivative."""
    k, size = len(start), (end - start).norm()
    goal = ((end - start) / size).cpu().numpy()

    def system(_: np.ndarray, y: np.ndarray) -> np.ndarray:
        w, v = (torch.from_numpy(half.T).to(start) for half in (y[:k], y[k:]))
        parts = zip((start + size * w).split(POINTS), (size * v).split(POINTS), strict=True)
        second = torch.cat([manifold.acceleration(*part) for part in parts]).detach() / size
        return np.concatenate((y[k:], second.T.cpu().numpy()))

    def ends(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return np.concatenate((first[:k], last[:k] - goal))

    t = np.linspace(0, 1, nodes)
    line = np.concatenate((np.outer(goal, t), np.repeat(goal[:, None], nodes, 1)))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = solve_bvp(system, ends, t, line, tol=tol, bc_tol=BC_TOL, max_nodes=max_nodes)
    except NotImplementedError:  # a RuntimeError too, but the generator's fault and not the pair's
        raise
    except (RuntimeError, ValueError) as error:
        return None, str(error)
    if not np.isfinite(held.y).all():
        return None, "the metric is not finite on the way"
    return held, held.message
