"""One problem, one result: end points and a method in, curves out, all measured alike.

Which method? `newton`, the default, for nearly everything. `graph` where only data on the way count, and a global
path at low accuracy is enough. `georce` where the metric is known but not the embedding, and first derivatives of it
are all there is. `bvp` and `fixed_point` on smooth metrics, for a few pairs. `spline` and `network` for generators
that are not differentiable twice. `straight` is the baseline. In two dimensions, `shortest_path` gives the shortest
path of all, not only a geodesic near the straight line, at a hundred times the cost.
"""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.inputs import as_tensor
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from . import bvp, fixed_point, georce, graph, network, newton, spline, straight
from .curves import SETTLED, Geodesics, Measured, Solution, conditioning, interpolate, measure, segment
from .first_curves import first_curves, given_curves

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
SEEN = 17  # points of a curve at which the condition number is looked at, for the warning
HONEST = 0.1  # relative excess of the chords over the length, and of difference quotients over derivatives, that is
# believed; hidden parts of a graph give 1.5 to 10
QUOTIENTS, STEP = 257, 1e-6  # number, and relative step, of the difference quotients along a curve in doubt
SINGULAR = 1e8  # condition number of J from which that of M = J^T J exceeds 1/eps


def geodesic(
    f: Manifold | Generator,
    start: Any,
    end: Any,
    *,
    method: str = "newton",
    first: str | Tensor = "auto",
    codes: Any = None,
    **settings: Any,
) -> Geodesics:
    """Curves from start (B, k) to end (B, k) that are as short as `method` makes them (see the module for the choice).

    f is a manifold, or any generator of images, whose latent space then is the manifold: a callable from (n, k) to
    (n, ...), a module in eval mode. End points are tensors, arrays or nested lists, in latent units; if one of the two
    has a single row, all pairs share it. Nothing given is modified.

    `first` names the curves from which the method "newton" starts. With "auto" several are tried, and the shortest
    outcome is returned: in two dimensions the paths of a coarse grid, elsewhere the path through the data where `codes`
    (m, k), their latent points, are given, or else bent lines (see `first_curves`). With "straight" only the straight
    line is tried. Curves of one's own are knots (B, n + 1, k), or several curves a pair, (S, B, n + 1, k). The straight
    line is tried in any case. The other methods have first curves of their own; "graph" needs the codes. `settings` are
    the method's; each has a default that is meant to do.

    The result of a pair does not depend on which end comes first. In two dimensions without a box of the manifold's it
    can depend on the other pairs, because the coarse grid is laid about all of them. `seconds` is the time of the call.

    A pair with equal end points has length zero and is converged. A curve is not converged if it is longer than the
    straight line, or if it leaps so far that its length is known from below only. Warns of end points outside the
    manifold's box, and of a metric that is singular, or nearly so, or not finite, on the way. ValueError or TypeError
    for an unknown method or setting, for end points that are not finite, do not match each other, or do not suit f, and
    for a generator whose images move further than its derivatives say.
    """
    began = time.perf_counter()
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; the methods are {', '.join(METHODS)}")
    parameters = inspect.signature(METHODS[method]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("first", "codes")]
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"method {method!r} has no setting {', '.join(unknown)}; its settings are {', '.join(known)}")
    if isinstance(first, str) and first not in ("auto", "straight"):
        raise ValueError(f"first must be 'auto', 'straight' or a tensor of curves; got {first!r}")
    if method != "newton" and not isinstance(first, str):
        raise ValueError(f"method {method!r} takes no first curves; only 'newton' does")
    start, end = end_points(start, end)
    manifold = as_manifold(f)
    check_domain(manifold, torch.cat((start, end)))
    moving = (start != end).any(1)
    turned = _comes_later(start, end)
    a, b = (torch.where(turned[:, None], *ends)[moving] for ends in ((end, start), (start, end)))
    tried = moving.long()
    with torch.no_grad():
        if not moving.any():
            solved = None
        elif method != "newton":
            extra = {"codes": codes} if method == "graph" else {}
            solved = METHODS[method](manifold, a, b, **extra, **settings)
        else:
            if not isinstance(first, str):
                first = given_curves(first, start, end)
                first = torch.where(turned[:, None, None], first.flip(2), first)[:, moving]
            solved, tried[moving] = _shortest_outcome(manifold, a, b, first, codes, f, settings)
    solution = _with_still(solved, start, moving)
    points = torch.where(turned[:, None, None], solution.points.flip(1), solution.points)
    points[:, 0], points[:, -1] = start, end
    measured = measure(manifold, points)
    resolved = _resolved(manifold, points, measured)
    measured = measured._replace(length=torch.where(resolved, measured.length, measured.chords))
    converged = solution.converged & resolved & measured.length.isfinite()
    converged &= ~_beaten(manifold, start, end, measured.length)
    _report_singular(manifold, points, measured)
    return Geodesics(
        points=points, length=measured.length, energy=measured.energy, manifold=manifold, converged=converged,
        criterion=solution.criterion, iterations=solution.iterations, tried=tried, seconds=time.perf_counter() - began,
    )  # fmt: skip


def _comes_later(start: Tensor, end: Tensor) -> Tensor:
    """Which starts (B, k) come after their ends in the order of their coordinates: these pairs are solved from the end,
    so that the order of the ends changes nothing."""
    differs = start != end
    at = differs.long().argmax(1, keepdim=True)
    return (start.gather(1, at) > end.gather(1, at)).squeeze(1)


def _shortest_outcome(
    manifold: Manifold, a: Tensor, b: Tensor, first: str | Tensor, codes: Any, f: object, settings: dict[str, Any]
) -> tuple[Solution, Tensor]:
    """The shortest curve that Newton's method makes of the first curves of each pair, one that converged before one
    that did not; and how many first curves there were (B,)."""
    pair, curves, tried = first_curves(manifold, a, b, first, codes, f)
    solved = newton.solve(manifold, a[pair], b[pair], first=curves, **settings)
    if len(pair) == len(a):
        return solved, tried
    several = torch.bincount(pair)[pair] > 1
    length = torch.zeros_like(solved.criterion)
    length[several] = measure(manifold, solved.points[several]).length.nan_to_num(torch.inf)
    rank = np.lexsort((length.cpu().numpy(), ~solved.converged.cpu().numpy(), pair.cpu().numpy()))
    order = torch.from_numpy(rank).to(pair.device)
    best = order[pair[order].diff(prepend=pair[:1] * 0 - 1) != 0]
    return Solution(*(column[best] for column in solved)), tried


@torch.no_grad()
def _resolved(manifold: Manifold, points: Tensor, found: Measured) -> Tensor:
    """Which curves (B,) the quadrature has resolved, as far as their chords tell.

    Chords longer than the curve mean that knots leap too far for the quadrature, or that f's derivatives are wrong.
    Difference quotients along such curves tell which of the two. ValueError if the derivatives are wrong.
    """
    doubtful = found.chords > (1 + HONEST) * found.length
    if doubtful.any():  # so there are images: a metric alone has no chords
        z = interpolate(points[doubtful], torch.linspace(0, 1, QUOTIENTS, dtype=torch.float64))
        z, step = z[:, 1:].flatten(0, 1), z.diff(dim=1).flatten(0, 1)
        step = STEP * (1 + z.norm(dim=1, keepdim=True)) * torch.nn.functional.normalize(step, dim=1)
        ahead, behind = (manifold.in_parts(manifold.track, z + side * step, step)[0] for side in (1, -1))
        moved = (ahead - behind).norm(dim=1)
        said = 2 * manifold.in_parts(manifold.track, z, step)[1]
        moved, said = (a.nan_to_num(0).unflatten(0, (-1, QUOTIENTS - 1)).sum(1) for a in (moved, said))
        if (moved > (1 + HONEST) * said).any():
            raise ValueError(
                f"the images along a curve are {(moved / said).max().item():.3g} times as far apart as their "
                "derivatives say, and no chord is longer than its curve: f hides part of its graph (detach, no_grad, "
                "rounding, numpy inside), or jumps"
            )
    return ~doubtful


def _beaten(manifold: Manifold, start: Tensor, end: Tensor, length: Tensor) -> Tensor:
    """Which curves (B,) are longer than the straight line. The chords of the line, a lower bound, spare most lines
    their measurement."""
    doubtful = (start != end).any(1)
    for segments in (8, 64):
        line = segment(start[doubtful], end[doubtful], segments)
        with torch.no_grad():
            chords = manifold.in_parts(manifold.chords, line).clamp(min=0).sqrt().sum(1)
        doubtful[doubtful.clone()] = ~(length[doubtful] <= (1 + SETTLED) * chords)
        if not doubtful.any():
            return doubtful
    beaten = torch.zeros_like(doubtful)
    line = segment(start[doubtful], end[doubtful], 8)
    beaten[doubtful] = length[doubtful] > (1 + SETTLED) * measure(manifold, line).length
    return beaten


def end_points(start: Any, end: Any, name: str = "end") -> tuple[Tensor, Tensor]:
    """Both as float64 copies (B, k), finite and on one device; one that has a single row is repeated. TypeError or
    ValueError naming both otherwise, the second by its name."""
    start, end = as_tensor(start, "start").detach(), as_tensor(end, name).detach()
    if start.device != end.device:
        raise ValueError(f"start and {name} must be on one device; got start on {start.device}, {name} on {end.device}")
    fits = start.ndim == end.ndim == 2 and start.shape[1] == end.shape[1]
    if not fits or (len(start) != len(end) and 1 not in (len(start), len(end))) or 0 in (*start.shape, *end.shape):
        raise ValueError(
            f"start and {name} must have shape (B, k) with B, k >= 1, or one of them (1, k); "
            f"got start {tuple(start.shape)} and {name} {tuple(end.shape)}"
        )
    start, end = (z.clone() for z in torch.broadcast_tensors(start, end))
    bad = ~(start.isfinite().all(1) & end.isfinite().all(1))
    if bad.any():
        raise ValueError(
            f"start and {name} must be finite; not so in rows {bad.nonzero().flatten().tolist()}: "
            f"start {start[bad].tolist()}, {name} {end[bad].tolist()}"
        )
    return start, end


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


def _report_singular(manifold: Manifold, points: Tensor, found: Measured) -> None:
    """Warnings if the metric is not finite, or the Jacobian's condition number exceeds SINGULAR, on the way: the latter
    as far as SEEN points of each curve tell."""
    if (broken := found.length.isnan()).any():
        where = conditioning(manifold, points[broken])[1]
        warnings.warn(
            f"the metric is not finite on {int(broken.sum())} of {len(broken)} curves, first at the latent point "
            f"{where[0].tolist()}: these have no length, and are not converged",
            stacklevel=3,
        )
    log_cond, where = conditioning(manifold, points, torch.linspace(0, 1, SEEN, dtype=torch.float64))
    bad = log_cond > math.log(SINGULAR)
    if bad.any():
        at = int(log_cond.nan_to_num(nan=-1.0).argmax())
        warnings.warn(
            f"the metric is singular, or nearly so, on {int(bad.sum())} of {len(bad)} curves: worst at the latent "
            f"point {where[at].tolist()}, where the Jacobian's condition number is {log_cond[at].exp():.2g}. It was "
            f"regularised there (see the solver); the curve may not be unique",
            stacklevel=3,
        )
