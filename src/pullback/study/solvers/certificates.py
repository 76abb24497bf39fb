"""Lower bounds of the distances, and failed curves polished: what makes the verdicts of `scores` certain.

Both are kept on disk as all results are (see `runs`), a few pairs a file, so that an interrupted run goes on and the
pairs of one model run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...geodesics import Curves, ShortestPaths
from ...geodesics.certificate import Certificate
from ...geodesics.charts import holding
from ...geodesics.curves import interpolate
from .runs import LOWER, POLISHED, SHORTEST, Box, Compared, Job, Problem, read, run, search_box
from .scores import COLLAPSED_GAN, Bounds, bounds, family

TOGETHER = 5  # pairs a file
FINER = 2  # steps a side of the grid on which shortest paths are sought again, over those of the first grid
TARGET = 8e-3  # of the gaps of pairs that are hard
CLEARLY = 1e-3  # relative difference by which a curve is clearly shorter than another
BINS = (0.0, 5.0, 20.0, 100.0, np.inf)  # of condition numbers


def certify(
    problems: Mapping[str, Problem],
    compared: Mapping[str, Compared],
    *,
    gan_pairs: int,
    progress: Callable[[str], None] = print,
) -> tuple[dict[str, Compared], dict[str, Bounds], dict[str, float]]:
    """The bounds of each model's distances: of all pairs, of a GAN of the first `gan_pairs`. And the seconds that a
    pair's lower bound took, by model. A lower bound holds within the box of the model's shortest paths, and where a
    known curve leaves this box and is shorter, within a box that holds the curve as well. A pair that is not certified
    is bounded once more, by itself, on the grids of a rough metric. Only the pairs of a collapsed GAN are not: the
    chord bounds nearly all of them better than any grid.

    An upper bound is the length of the shortest curve that `shortest_path` or any solver found. A GAN's metric is
    rough, so for the pairs that are bounded `shortest_path` is called once more, on a finer grid; and so it is where a
    curve leaves the box, in a wider one. What is returned first is `compared`, with the shorter curves that this finds.
    """
    best = _with_finer(problems, compared, gan_pairs, progress)
    points = {model: _shortest_known(c) for model, c in best.items()}

    def job(model: str, part: slice, hard: bool) -> Job:
        p, curves = problems[model], points[model][part]
        settings = {"curves": curves, "box": _holding(search_box(p), curves)} | settings_of(curves.shape[1] - 1, hard)
        return Job(model, p, (p.start[part], p.end[part]), LOWER, settings)

    jobs = {}
    for model in problems:
        gan, count = model.startswith("gan"), len(points[model])
        count = min(gan_pairs, count) if gan else count
        for part in (slice(first, min(first + TOGETHER, count)) for first in range(0, count, TOGETHER)):
            jobs[model, part.start] = job(model, part, gan and family(model) != COLLAPSED_GAN)
    lower, seconds = _lower(jobs, best, progress)
    found = {model: _bounds(c, lower[model]) for model, c in best.items()}
    again = {}
    for model, known in found.items():
        open_ = known.sought & ~known.certified & (family(model) != COLLAPSED_GAN)
        for pair in open_.nonzero()[0].tolist():
            before, alone = jobs[model, pair - pair % TOGETHER], job(model, slice(pair, pair + 1), hard=True)
            if any(alone.settings[name] != before.settings[name] for name in ("box", "grid")):
                again[model, pair] = alone
    finer, more = _lower(again, best, progress)
    found = {model: _bounds(c, np.fmax(lower[model], finer[model])) for model, c in best.items()}
    spent = {m: (seconds[m] + more[m]) / max(1, np.isfinite(lower[m]).sum()) for m in best}
    return best, found, spent


def _lower(
    jobs: Mapping[tuple[str, int], Job], best: Mapping[str, Compared], progress: Callable[[str], None]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """By model the lower bounds of all pairs, NaN where none is sought, and the seconds that they took all together;
    `jobs` are known by model and first pair."""
    run(jobs.values(), progress)
    lower = {model: np.full(len(c.start), np.nan) for model, c in best.items()}
    seconds = dict.fromkeys(best, 0.0)
    for (model, first), job in jobs.items():
        certificate, wall = read(job, Certificate)
        lower[model][first : first + len(certificate.lower)] = certificate.lower.numpy()
        seconds[model] += wall
    return lower, seconds


def _bounds(c: Compared, lower: NDArray[np.float64]) -> Bounds:
    return bounds(c.optimum.length.numpy(), lower, [curves.length for curves in c.found.values()])


def _shortest_known(c: Compared) -> Tensor:
    """Knots (B, segments + 1, k) of the curves beside which lower bounds are sought: of a solver, where its curve is
    CLEARLY shorter than the shortest path. The bound holds beside any curve, and is closer beside a shorter one."""
    points, length = c.optimum.points.clone(), c.optimum.length * (1 - CLEARLY)
    t = torch.linspace(0, 1, points.shape[1], dtype=torch.float64)
    for curves in c.found.values():
        rows = (curves.length < length[: len(curves.length)]).nonzero().flatten()
        points[rows], length[rows] = interpolate(curves.points[rows], t), curves.length[rows]
    return points


def _holding(box: Box, curves: Tensor) -> Box:
    """The box itself if the curves (B, n + 1, 2) stay in it, or else one that holds both."""
    x, y = holding(np.array(box), curves.double().flatten(0, 1).numpy()).tolist()
    return tuple(x), tuple(y)


def settings_of(segments: int, hard: bool) -> dict[str, float]:
    """Settings of a lower bound to a curve with so many segments. Grids are finer where curves are, so that a small
    profile does not wait for the bounds of the paper's. The pairs of a GAN that works are hard, for its metric changes
    from one step of the others' grids to the next. Where a pair is, grids are four times as fine, and the search for a
    better bound ends once it is certified."""
    grid = 2 * segments if hard else max(16, segments // 2)
    return {"grid": grid, "cells": 8 * grid**2, "target": TARGET} if hard else {"grid": grid, "cells": 2 * grid**2}


def _with_finer(
    problems: Mapping[str, Problem], compared: Mapping[str, Compared], gan_pairs: int, progress: Callable[[str], None]
) -> dict[str, Compared]:
    """The results with shorter shortest paths: of the first `gan_pairs` of each GAN from a finer grid, and then of all
    pairs whose shortest known curve leaves the box from a box that holds it."""

    def job(model: str, part: slice, box: Box) -> Job:
        p, segments = problems[model], compared[model].optimum.points.shape[1] - 1
        settings = {"box": box, "grid": FINER * segments, "segments": segments}
        return Job(model, p, (p.start[part], p.end[part]), SHORTEST, settings)

    gans = {m: job(m, slice(gan_pairs), search_box(p)) for m, p in problems.items() if m.startswith("gan")}
    best = _with_shorter(compared, {(m, 0): own for m, own in gans.items()}, progress)
    outside = {}
    for model, p in problems.items():
        box, curves = search_box(p), _shortest_known(best[model])
        for pair, curve in enumerate(curves[: gan_pairs if model in gans else None]):
            if (wider := _holding(box, curve[None])) != box:
                outside[model, pair] = job(model, slice(pair, pair + 1), wider)
    return _with_shorter(best, outside, progress)


def _with_shorter(
    compared: Mapping[str, Compared], jobs: Mapping[tuple[str, int], Job], progress: Callable[[str], None]
) -> dict[str, Compared]:
    """The results with the shorter of two shortest paths; `jobs` seek the second ones, by model and first pair."""
    run(jobs.values(), progress)
    best = dict(compared)
    for (model, first), job in jobs.items():
        found, optimum = read(job, ShortestPaths)[0], best[model].optimum
        shorter = (found.length < optimum.length[first : first + len(found.length)]).nonzero().flatten()
        columns = {f.name: getattr(optimum, f.name) for f in fields(optimum)}
        for name, column in columns.items():
            if isinstance(column, Tensor):
                columns[name] = column.index_copy(0, first + shorter, getattr(found, name)[shorter])
        best[model] = replace(best[model], optimum=ShortestPaths(**columns))
    return best


def polish(
    problems: Mapping[str, Problem],
    compared: Mapping[str, Compared],
    table: pd.DataFrame,
    progress: Callable[[str], None] = print,
) -> pd.Series:
    """Lengths after Newton's method of the curves of a table of outcomes that their solvers call converged and that do
    not solve their pairs; by model, method and pair."""
    claimed = table[table["failed"] & table["converged"]]
    jobs = {}
    for (model, method), own in claimed.groupby(["model", "method"], sort=False):
        p, rows = problems[str(model)], own["pair"].tolist()
        settings = {"curves": compared[str(model)].found[str(method)].points[rows]}
        jobs[model, method, tuple(rows)] = Job(str(model), p, (p.start[rows], p.end[rows]), POLISHED, settings)
    run(jobs.values(), progress)
    lengths = {
        (model, method, pair): length
        for (model, method, rows), job in jobs.items()
        for pair, length in zip(rows, read(job, Curves)[0].length.tolist(), strict=True)
    }
    index = pd.MultiIndex.from_tuples(lengths, names=["model", "method", "pair"])
    return pd.Series(list(lengths.values()), index, dtype=float)


def shares_certified(limits: Mapping[str, Bounds], compared: Mapping[str, Compared]) -> pd.DataFrame:
    """How well the distances are known, one row a model: the pairs, the share that two agreeing grids certified before,
    the shares whose gap is at most 1 % and 5 %, and the median and the largest gap. A pair of distance 0, as a GAN that
    has collapsed has them, counts only where there is no other."""
    rows = {}
    for model, known in limits.items():
        pairs = known.sought if known.sought.any() else ~np.isnan(known.lower)
        gap = known.gap[pairs]
        rows[model] = {
            "pairs": pairs.sum(), "two grids agree": compared[model].optimum.agreed.numpy()[pairs].mean(),
            "gap of 1 %": known.certified[pairs].mean(), "gap of 5 %": (gap <= 0.05).mean(),
            "gap, median": np.median(gap), "gap, largest": gap.max(),
        }  # fmt: skip
    return pd.DataFrame(rows).T


def certified_by_conditioning(
    limits: Mapping[str, Bounds], compared: Mapping[str, Compared], features: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """The share of pairs certified before, by two grids that agree, and now, by family and by the highest condition
    number on the path; `features` are those of `premise.along`, by model."""
    frames = []
    for model, known in limits.items():
        frame = {
            "family": family(model), "condition number": pd.cut(np.exp(features[model]["log_cond, highest"]), BINS),
            "before": compared[model].optimum.agreed, "now": known.certified,
        }  # fmt: skip
        frames.append(pd.DataFrame(frame)[known.sought])
    groups = pd.concat(frames).groupby(["family", "condition number"], sort=False, observed=True)
    return groups.agg(pairs=("now", "size"), before=("before", "mean"), now=("now", "mean")).sort_index()
