"""One problem, one result: end points and a method in, curves out, all measured alike.

Which method? `newton`, the default, for nearly everything. `graph` where only data on the way count, and a global
path at low accuracy is enough. `georce` where the metric is known but not the embedding, and first derivatives of it
are all there is. `bvp` and `fixed_point` on smooth metrics, for a few pairs. `spline` and `network` for generators
that are not differentiable twice. `straight` is the baseline. In two dimensions, `shortest_path` gives the shortest
path of all, not only a geodesic near the straight line, at a hundred times the cost.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from . import bvp, fixed_point, georce, graph, network, newton, spline, straight
from .curves import Geodesics, Solution, measure

METHODS: dict[str, Callable[..., Solution]] = {
    "newton": newton.solve,
    "straight": straight.solve,
    "spline": spline.solve,
    "network": network.solve,
    "graph": graph.solve,
    "georce": georce.solve,
    "bvp": bvp.solve,
    "fixed_point": fixed_point.solve,
}
SINGULAR = 1e8  # condition number of J from which that of M = J^T J exceeds 1/eps


def geodesic(
    f: Manifold | Generator, start: Tensor, end: Tensor, *, method: str = "newton", **settings: Any
) -> Geodesics:
    """Curves from start (B, k) to end (B, k) that are as short as `method` makes them (see the module for the choice).

    f is a manifold, or any generator of images, whose latent space then is the manifold: a callable from (n, k) to
    (n, ...), a module in eval mode. `settings` are the method's own; each has defaults that are meant to do. Nothing
    given is modified.

    A pair with equal end points has length zero and is converged. Warns of end points outside the manifold's box, and
    of a metric that is singular, or nearly so, or not finite, on the way. ValueError for an unknown method or setting,
    and for end points that are not finite, do not match each other, or do not suit f.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; the methods are {', '.join(METHODS)}")
    parameters = inspect.signature(METHODS[method]).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"method {method!r} has no setting {', '.join(unknown)}; its settings are {', '.join(known)}")
    began = time.perf_counter()
    start, end = end_points(start, end)
    manifold = as_manifold(f)
    check_domain(manifold, torch.cat((start, end)))
    moving = (start != end).any(1)
    with torch.no_grad():
        solved = METHODS[method](manifold, start[moving], end[moving], **settings) if moving.any() else None
    solution = _with_still(solved, start, moving)
    measured = measure(manifold, solution.points)
    found = Geodesics(
        points=solution.points, length=measured.length, energy=measured.energy, manifold=manifold,
        converged=solution.converged & measured.length.isfinite(), criterion=solution.criterion,
        iterations=solution.iterations, tried=moving.long(), seconds=time.perf_counter() - began,
    )  # fmt: skip
    _report_singular(found)
    return found


def end_points(start: Tensor, end: Tensor, name: str = "end") -> tuple[Tensor, Tensor]:
    """Both (B, k), finite, of one dtype and device, as float64 copies; ValueError naming both otherwise, the second
    by its name."""
    if start.ndim != 2 or start.shape != end.shape or 0 in start.shape:
        raise ValueError(
            f"start and {name} must both have shape (B, k) with B, k >= 1; "
            f"got start {tuple(start.shape)} and {name} {tuple(end.shape)}"
        )
    if not start.is_floating_point() or start.dtype != end.dtype or start.device != end.device:
        raise ValueError(
            f"start and {name} must be of one floating point dtype and on one device; got start {start.dtype} on "
            f"{start.device} and {name} {end.dtype} on {end.device}"
        )
    bad = ~(start.isfinite().all(1) & end.isfinite().all(1))
    if bad.any():
        raise ValueError(
            f"start and {name} must be finite; not so in rows {bad.nonzero().flatten().tolist()}: "
            f"start {start[bad].tolist()}, {name} {end[bad].tolist()}"
        )
    return start.detach().to(torch.float64, copy=True), end.detach().to(torch.float64, copy=True)


def _with_still(solved: Solution | None, start: Tensor, moving: Tensor) -> Solution:
    """`solved`, for the pairs that move, among those that do not, whose curves stay at start (B, k)."""
    if solved is not None and bool(moving.all()):
        return solved
    knots = 2 if solved is None else solved.points.shape[1]
    none = torch.zeros(len(start), dtype=torch.int64, device=start.device)
    points = start[:, None].repeat(1, knots, 1)
    whole = Solution(points, none.to(start.dtype), torch.ones_like(moving), none)
    if solved is not None:
        for column, values in zip(whole, solved, strict=True):
            column[moving] = values
    return whole


def check_domain(manifold: Manifold, z: Tensor) -> None:
    """ValueError unless the metric is finite at the points z (n, k); a warning of those outside the manifold's box."""
    try:
        with torch.no_grad():
            manifold.check(z)
            finite = manifold.metric(z).flatten(1).isfinite().all(1)
    except (RuntimeError, IndexError, ValueError) as error:
        got = f"{tuple(z.shape)}, {z.dtype}, on {z.device}"
        raise ValueError(f"the metric cannot be evaluated at end points of shape {got}: {error}") from error
    if not finite.all():
        raise ValueError(f"the metric is not finite at the end point {z[~finite][0].tolist()}")
    if (box := getattr(manifold, "box", None)) is not None:
        limits = torch.as_tensor(box, dtype=z.dtype, device=z.device)
        if limits.shape != (z.shape[1], 2):
            raise ValueError(f"the box {box} must have one (low, high) for each dimension of the points, {z.shape[1]}")
        beyond = torch.maximum(limits[:, 0] - z, z - limits[:, 1]) / (limits[:, 1] - limits[:, 0])
        farthest, at = beyond.amax(1).max(0)
        if farthest > 0:
            warnings.warn(
                f"{int((beyond > 0).any(1).sum())} of {len(z)} end points lie outside the box {box}, {z[at].tolist()} "
                f"farthest, by {farthest:.2g} of a side: there the generator was not trained",
                stacklevel=3,
            )


def _report_singular(found: Geodesics) -> None:
    """Warnings if the metric is not finite, or the Jacobian's condition number exceeds SINGULAR, on the way."""
    if (broken := found.log_cond.isnan()).any():
        warnings.warn(
            f"the metric is not finite on {int(broken.sum())} of {len(broken)} curves, first at the latent point "
            f"{found.worst[broken][0].tolist()}: these have no length, and are not converged",
            stacklevel=3,
        )
    bad = found.log_cond > torch.tensor(SINGULAR).log()
    if bad.any():
        at = int(found.log_cond.nan_to_num(nan=-1.0).argmax())
        warnings.warn(
            f"the metric is singular, or nearly so, on {int(bad.sum())} of {len(bad)} curves: worst at the latent "
            f"point {found.worst[at].tolist()}, where the Jacobian's condition number is "
            f"{found.log_cond[at].exp():.2g}. It was regularised there (see the solver); the curve may not be unique",
            stacklevel=3,
        )
