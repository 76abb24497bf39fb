"""All solvers on the same pairs of the same models, against the certified optimum: the runs, and what they say.

Every result is kept under the build folder, under a key of all that decides it: weights, end points, method, settings
and the code of geometry/ and geodesics/. An interrupted comparison continues, and a second one loads.

Solved means a length at most 1 % above the reference's. A failure is any other curve, whatever its solver says. Only
pairs whose reference is certified are scored.
"""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from scipy.stats import rankdata
from torch import Tensor, nn

from ... import geodesics, geometry
from ...geodesics import Geodesics, ShortestPaths, geodesic, shortest_path
from ...geodesics.curves import interpolate
from ...geometry import Box, jacobian, log_cond, log_det, singular_values
from ..checkpoints import code_hash, digest
from ..errors import CheckpointError
from ..notebook import Pairs, Study
from ..paths import build_root, write_atomically
from ..records.quantities import widened
from ..report import Answer
from ..training import Trained
from ..workers import job_count, say, side_by_side

SOLVED = 0.01  # relative excess over the reference's length up to which a pair counts as solved
BEATEN = 1e-3  # relative; an optimum that a solver undercuts by more is none
RESOLVED = 1e-4  # excesses below this are not told apart: the reference's own error is of that size
MARGIN = 1.5  # sides of the box in which the optimum is sought, over those of the box that holds data and end points
FEW = 10  # failures, or successes, below which nothing is said of what predicts them
FAMILIES = ("VAE", "DAE", "healthy GAN", "GAN as printed")


class Method(NamedTuple):
    """A way to solve, with the settings that it has on every model.

    slow: how far it is cut: 0, all pairs; 1, the profile's first `slow_pairs`; 2, half of those. data: it is also given
    codes of the model's training data.
    """

    name: str
    solver: str
    settings: Mapping[str, Any] = {}
    slow: int = 0
    data: bool = False

    def pairs(self, pairs: int, slow_pairs: int) -> int:
        """How many pairs it is given."""
        return (pairs, slow_pairs, slow_pairs // 2)[self.slow]


METHODS = (
    Method("straight", "straight"),
    Method("newton", "newton"),
    Method("georce", "georce", slow=1),
    Method("cubic spline", "spline", {"degree": 3}),
    Method("quadratic spline", "spline", {"degree": 2}),
    Method("cubic spline, length", "spline", {"degree": 3, "objective": "length"}),
    Method("network", "network", slow=1),
    Method("graph", "graph", data=True),
    Method("fixed point", "fixed_point", slow=1),
    Method("bvp", "bvp", slow=2),
)


@dataclass(frozen=True)
class Problem:
    """What all methods are given on one model: its generator, pairs of latent points (B, 2), the box of its data, and
    the codes (n, 2) of training images, of a GAN draws from its prior."""

    generator: nn.Module
    start: Tensor
    end: Tensor
    box: Box
    codes: Tensor


@dataclass(frozen=True)
class Compared:
    """One model's pairs (B, 2), their certified optimum and the seconds it took, and by name what each method found: a
    slow one only for the first pairs."""

    start: Tensor
    end: Tensor
    optimum: ShortestPaths
    seconds: float
    found: dict[str, Geodesics]


class Task(NamedTuple):
    """One solver on one model: everything that decides its result, and the model's name."""

    model: str
    generator: nn.Module
    start: Tensor
    end: Tensor
    solver: str
    settings: Mapping[str, Any]

    @property
    def path(self) -> Path:
        tensors = {name: value for name, value in self.settings.items() if isinstance(value, Tensor)}
        plain = {name: value for name, value in self.settings.items() if name not in tensors}
        weights = {f"weights.{name}": value for name, value in self.generator.state_dict().items()}
        decisive = {"solver": self.solver, "settings": json.dumps(plain, sort_keys=True), "source": source_hash()}
        key = digest(weights | tensors | {"start": self.start, "end": self.end}, decisive)[:16]
        return build_root() / "comparisons" / f"{self.model}-{self.solver}-{key}.safetensors"


@cache
def source_hash() -> str:
    """Hash of the code of geometry/ and geodesics/, docstrings aside."""
    return code_hash(path for package in (geometry, geodesics) for path in Path(package.__path__[0]).glob("*.py"))


def problem(study: Study, trained: Trained, pairs: Pairs) -> Problem:
    """What the methods are given on a model of the study."""
    if trained.spec.family == "gan":
        codes = torch.randn(study.profile.codes, pairs.start.shape[1], generator=study.generator())
    else:
        codes = study.codes(trained)[0][: study.profile.codes]
    return Problem(trained.model.generator, pairs.start, pairs.end, study.box(trained), codes)


def search_box(problem: Problem) -> Box:
    """Where the optimum is sought: the box that holds the data's box and all end points, widened by MARGIN."""
    corners = torch.tensor(problem.box, dtype=torch.float64).T
    points = torch.cat((corners, problem.start.double(), problem.end.double()))
    (x0, y0), (x1, y1) = points.amin(0).tolist(), points.amax(0).tolist()
    return widened(((x0, x1), (y0, y1)), MARGIN)


def compare(
    problems: Mapping[str, Problem],
    *,
    slow_pairs: int,
    grid: int,
    methods: Sequence[Method] = METHODS,
    progress: Callable[[str], None] = print,
) -> dict[str, Compared]:
    """All `methods` on every model, and the certified optimum on a grid of `grid` steps a side, in as many segments.

    Each method gets a model's pairs as one batch, on one thread; as many run side by side as there are processors
    (PULLBACK_JOBS overrides), so times are those of a machine at work.
    """
    tasks = {}
    for model, p in problems.items():
        settings: dict[str, Any] = {"box": search_box(p), "grid": grid, "segments": grid}
        tasks[model, "reference"] = Task(model, p.generator, p.start, p.end, "reference", settings)
        for m in methods:
            pairs = slice(m.pairs(len(p.start), slow_pairs))
            settings = {**m.settings, "codes": p.codes} if m.data else {**m.settings}
            tasks[model, m.name] = Task(model, p.generator, p.start[pairs], p.end[pairs], m.solver, settings)
    run(tasks.values(), progress)
    done = {}
    for model, p in problems.items():
        optimum, seconds = read(tasks[model, "reference"], ShortestPaths)
        found = {m.name: read(tasks[model, m.name], Geodesics)[0] for m in methods}
        done[model] = Compared(p.start.double(), p.end.double(), optimum, seconds, found)
    return done


def between_all(
    problems: Mapping[str, Problem], count: int, progress: Callable[[str], None] = print
) -> dict[str, tuple[Tensor, Geodesics]]:
    """The default solver between all pairs of `count` end points of each model: the points (count, 2), and the curves
    in the order of `torch.combinations`."""
    points = {name: torch.stack((p.start, p.end), 1).flatten(0, 1)[:count] for name, p in problems.items()}
    tasks = {}
    for name, z in points.items():
        first, second = torch.combinations(torch.arange(len(z))).T
        tasks[name] = Task(name, problems[name].generator, z[first], z[second], "newton", {})
    run(tasks.values(), progress)
    return {name: (points[name].double(), read(task, Geodesics)[0]) for name, task in tasks.items()}


def run(tasks: Iterable[Task], progress: Callable[[str], None] = print) -> None:
    """Solve what has not been solved, side by side, in the order of `tasks`; a line a model."""
    tasks = list(tasks)
    missing = [task for task in tasks if not task.path.exists()]
    left, spent = Counter(task.model for task in missing), dict.fromkeys((task.model for task in missing), 0.0)
    for model, count in Counter(task.model for task in tasks).items():
        if not left[model]:
            progress(f"{model:<26} {count} results loaded")

    def tell(line: str) -> None:
        model, seconds = line.split()
        left[model] -= 1
        spent[model] += float(seconds)
        if not left[model]:
            progress(f"{model:<26} solved in {spent[model]:.0f} s")

    if missing:
        side_by_side(_solve_and_write, [(t,) for t in missing], min(job_count(), len(missing)), "solving", tell)


def _solve_and_write(task: Task) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of end points outside the data, and of singular metrics: both are recorded
        geodesic(task.generator, task.start[:1], task.end[:1])  # what torch loads at first use is not the solver's time
        began = time.perf_counter()
        if task.solver == "reference":
            found: Any = shortest_path(task.generator, task.start, task.end, **task.settings)
        else:
            found = geodesic(task.generator, task.start, task.end, method=task.solver, **task.settings)
    seconds = time.perf_counter() - began
    names = [field.name for field in fields(found) if field.name != "manifold"]
    tensors = {name: torch.as_tensor(getattr(found, name)).contiguous() for name in names}
    write_atomically(task.path, save(tensors | {"wall": torch.tensor(seconds, dtype=torch.float64)}))
    say(f"{task.model} {seconds}")


def read(task: Task, kind: type) -> tuple[Any, float]:
    """The result of a task, of the dataclass `kind`, and the seconds it took, measurement of the curves included."""
    try:
        tensors = load(task.path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{task.path} cannot be read ({error}). Delete it and run again") from error
    seconds = tensors.pop("wall").item()
    return kind(**{name: value.item() if name == "seconds" else value for name, value in tensors.items()}), seconds


# ------------------------------------------------------------------------------------------------ scores


def family(model: str) -> str:
    """The family of a model, of FAMILIES."""
    if not model.startswith("gan"):
        return model.split("-")[0].upper()
    return "healthy GAN" if model.endswith("-r1") else "GAN as printed"


def certified(c: Compared) -> Tensor:
    """Which pairs (B,) are scored: those whose end points differ and whose optimum is certified, unless a solver found
    a curve shorter by more than BEATEN."""
    held = c.optimum.certified & (c.optimum.length > 0)
    for g in c.found.values():
        n = len(g.length)
        held[:n] &= ~(g.length < (1 - BEATEN) * c.optimum.length[:n])
    return held


def records(compared: Mapping[str, Compared]) -> pd.DataFrame:
    """One row a model, method and certified pair: its length, that over the reference's (inf where the metric is not
    finite on the curve), whether it is solved, longer than the straight line, and converged by the
    solver's own flag, iterations, and the batch's seconds a pair."""
    frames = []
    for model, c in compared.items():
        straight = torch.where(c.optimum.length > 0, c.found["straight"].length, torch.nan)
        for method, g in c.found.items():
            n = len(g.length)
            frame = {
                "model": model, "family": family(model), "method": method, "pair": np.arange(n),
                "length": g.length, "ratio": (g.length / c.optimum.length[:n]).nan_to_num(nan=torch.inf),
                "longer": g.length > (1 + 1e-9) * straight[:n], "converged": g.converged,
                "iterations": g.iterations, "seconds": g.seconds / n,
            }  # fmt: skip
            frames.append(pd.DataFrame(frame)[certified(c)[:n].numpy()])
    table = pd.concat(frames, ignore_index=True)
    return table.assign(solved=table["ratio"] <= 1 + SOLVED)


def scores(table: pd.DataFrame, by: Sequence[str] = ("method",)) -> pd.DataFrame:
    """What `records` say of each group: shares, and the ratio of the lengths to the optimum's."""
    groups = table.groupby(list(by), sort=False)
    return pd.DataFrame({
        "pairs": groups.size(),
        "solved": groups["solved"].mean(),
        "ratio, median": groups["ratio"].median(),
        "ratio, 95 %": groups["ratio"].quantile(0.95, interpolation="higher"),
        "ratio, worst": groups["ratio"].max(),
        "longer than straight": groups["longer"].mean(),
        "iterations": groups["iterations"].median(),
    })


def flags(table: pd.DataFrame) -> pd.DataFrame:
    """A solver's own flag against the truth: shares of the pairs, which add up to one."""
    said, true = table["converged"], table["solved"]
    cells = pd.DataFrame({
        "converged, solved": said & true,
        "converged, not solved": said & ~true,
        "not converged, solved": ~said & true,
        "not converged, not solved": ~said & ~true,
    })
    return cells.groupby(table["method"], sort=False).mean()


def milliseconds(table: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds a pair by method and family, means over the models."""
    once = table.drop_duplicates(["model", "method"])
    return 1000 * once.pivot_table("seconds", "method", "family", sort=False)


def in_common(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the pairs that all methods were given."""
    return table[table.groupby(["model", "pair"])["method"].transform("size") == table["method"].nunique()]


def performance(table: pd.DataFrame, excess: NDArray[np.float64]) -> pd.DataFrame:
    """Performance profile (Dolan and More, 2002) with the optimum in place of the best solver: by method, the share
    of pairs whose length is within 1 + excess of it; one row an excess."""
    shares = {
        str(method): (group["ratio"].to_numpy()[:, None] <= 1 + excess).mean(0)
        for method, group in table.groupby("method", sort=False)
    }
    return pd.DataFrame(shares, index=excess)


def failures(table: pd.DataFrame, count: int = 3) -> pd.DataFrame:
    """Of the `count` solvers that solve the fewest pairs, each pair whose length is the largest multiple of the
    optimum's; one row a method. The straight line, which solves nothing, and curves of infinite length are left out."""
    solvers = table[(table["method"] != "straight") & np.isfinite(table["ratio"])]
    shares = solvers.groupby("method", sort=False)["solved"].mean().sort_values(kind="stable")
    rows = [solvers[solvers["method"] == method]["ratio"].idxmax() for method in shares.index[:count]]
    columns = ["method", "model", "pair", "ratio", "converged", "iterations"]
    return solvers.loc[rows, columns].set_index("method")


# ------------------------------------------------------------------------------------------------ the premise


def along(problem: Problem, optimum: ShortestPaths, samples: int = 129) -> pd.DataFrame:
    """What a solver meets along the certified paths: one row a pair. Variation is a path's total variation, the sum of
    all rises and falls; infinite, as the extremes, where J is rank deficient."""
    z = interpolate(optimum.points, torch.linspace(0, 1, samples, dtype=torch.float64))
    s = singular_values(jacobian(problem.generator, z.flatten(0, 1))).unflatten(0, z.shape[:2])
    cond, det = log_cond(s), log_det(s)
    return pd.DataFrame({
        "log_cond, highest": cond.amax(1),
        "log_cond, mean": cond.mean(1),
        "log_cond, variation": cond.diff(dim=1).abs().sum(1).nan_to_num(nan=torch.inf),
        "log_det, mean": det.mean(1),
        "log_det, variation": det.diff(dim=1).abs().sum(1).nan_to_num(nan=torch.inf),
        "length": optimum.length,
    })


class Correlation(NamedTuple):
    """Spearman's rank correlation with a 95 % bootstrap interval; NaN where a variable is constant."""

    value: float
    low: float
    high: float


def correlate(blocks: Sequence[NDArray], resamples: int, seed: int) -> tuple[list[Correlation], list[Correlation]]:
    """Rank correlations of the last column of blocks (n_i, c + 1), one a model, with each of the others: over all rows
    together, and the mean of those within a block, over blocks where it is defined.

    Intervals are percentiles over resamples of blocks, and of the rows in each: rows of one model are not independent
    draws. A single block keeps its place.
    """
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        chosen = [blocks[i] for i in rng.integers(len(blocks), size=len(blocks))]
        draws.append(_spearman([block[rng.integers(len(block), size=len(block))] for block in chosen]))
    value, spread = _spearman(blocks), np.full((2, *np.shape(draws)[1:]), np.nan)
    defined = np.isfinite(draws).any(0)
    spread[:, defined] = np.nanpercentile(np.array(draws)[:, defined], [2.5, 97.5], axis=0)
    found = np.stack((value, *spread), -1).tolist()
    return [Correlation(*c) for c in found[0]], [Correlation(*c) for c in found[1]]


def _spearman(blocks: Sequence[NDArray]) -> NDArray[np.float64]:
    """Rank correlations (2, c) over all rows, and the means of those within blocks."""

    def one(rows: NDArray) -> NDArray[np.float64]:
        ranks = rankdata(rows, axis=0)
        ranks -= ranks.mean(0)
        size = np.sqrt((ranks**2).sum(0))
        return ranks[:, -1] @ ranks[:, :-1] / (size[-1] * size[:-1])

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean over no defined block is NaN
        return np.stack((one(np.concatenate(blocks)), np.nanmean([one(block) for block in blocks], 0)))


def premise(table: pd.DataFrame, features: Mapping[str, pd.DataFrame], resamples: int, seed: int) -> pd.DataFrame:
    """Rank correlations of every feature of the certified path (`along`, by model) with every method's outcome: that a
    pair is not solved, that the solver says not converged, and the excess of the length. One row a method, outcome and
    feature, over all pairs and within models."""
    rows = []
    for method, group in table.groupby("method", sort=False):
        outcomes = {
            "not solved": ~group["solved"],
            "not converged": ~group["converged"],
            "excess": (group["ratio"] - 1).clip(lower=RESOLVED),
        }
        for outcome, values in outcomes.items():
            blocks = [
                np.column_stack((features[str(model)].loc[own["pair"]], values[own.index].astype(float)))
                for model, own in group.groupby("model", sort=False)
            ]
            for kind, found in zip(("all", "within"), correlate(blocks, resamples, seed), strict=True):
                for feature, c in zip(next(iter(features.values())), found, strict=True):
                    rows.append({"method": method, "outcome": outcome, "over": kind, "feature": feature, **c._asdict()})
    return pd.DataFrame(rows)


def select(found: pd.DataFrame, outcome: str, over: str, feature: str) -> pd.DataFrame:
    """Of what `premise` found, the rows of one outcome and feature over "all" pairs or "within" models, by method."""
    rows = (found["outcome"] == outcome) & (found["over"] == over) & (found["feature"] == feature)
    return found[rows].set_index("method")[["value", "low", "high"]]


def answers(
    table: pd.DataFrame, found: pd.DataFrame, outcome: str = "not solved", feature: str = "log_cond, highest"
) -> dict[str, Answer]:
    """Does the condition number predict that a pair is "not solved", or "not converged"? By method: True if their rank
    correlation is above zero, by its interval, over all pairs and within models; None where there are too few pairs of
    either kind to tell."""
    told = {}
    for method, group in table.groupby("method", sort=False):
        failed = int((~group[outcome.removeprefix("not ")]).sum())
        if min(failed, len(group) - failed) < FEW:
            told[str(method)] = Answer(None, f"cannot be told: {failed} of {len(group)} pairs {outcome}")
            continue
        pooled, within = (select(found, outcome, over, feature).loc[method] for over in ("all", "within"))
        own = found[(found["method"] == method) & (found["outcome"] == outcome) & (found["over"] == "within")]
        own = own.dropna()
        holds = bool(pooled["low"] > 0 and within["low"] > 0)
        word = "yes" if holds else "between models, not within one" if pooled["low"] > 0 else "no"
        told[str(method)] = Answer(
            holds,
            f"{word}: {failed} of {len(group)} {outcome}; rank correlation with {feature} {_interval(pooled)}, within "
            f"a model {_interval(within)}; strongest within a model: {_strongest(own)}",
        )
    return told


def _strongest(found: pd.DataFrame) -> str:
    """The feature with the largest correlation of rows of `premise`, and that correlation."""
    if found.empty:
        return "none, no model has pairs of both kinds"
    best = found.loc[found["value"].abs().idxmax()]
    return f"{best['feature']} {_interval(best)}"


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def by_quantile(
    table: pd.DataFrame, features: Mapping[str, pd.DataFrame], feature: str, parts: int = 5
) -> pd.DataFrame:
    """Share of pairs not solved, by method, in `parts` equal parts of the pairs in order of a feature; the index is
    each part's median of it."""
    values = pd.concat(features, names=["model", "pair"])[feature].rename("feature")
    joined = table.join(values, on=["model", "pair"])
    part = ((joined["feature"].rank(pct=True) * parts).apply(np.ceil)).clip(1, parts)
    failed = (~joined["solved"]).groupby([part, joined["method"]], sort=False).mean().unstack()
    return failed.set_index(joined["feature"].groupby(part).median().loc[failed.index]).sort_index()


# ------------------------------------------------------------------------------------------------ latent distance


def distance_correlation(compared: Compared, resamples: int, seed: int) -> Correlation:
    """Rank correlation of the Euclidean latent distance of certified pairs with the length of the shortest path."""
    told = certified(compared)
    distance = (compared.end - compared.start).norm(dim=1)
    (found,), _ = correlate([torch.stack((distance, compared.optimum.length), 1)[told].numpy()], resamples, seed)
    return found


class Neighbours(NamedTuple):
    """Share of points whose nearest neighbour by geodesic length is another than by latent distance; and how many
    times further away, by geodesic length, the latter is than the former, on average over those points."""

    changed: float
    further: float


def neighbours(points: Tensor, length: Tensor) -> Neighbours:
    """Of points (n, k) and the lengths (n (n - 1) / 2,) between them, in the order of `torch.combinations`."""
    n = len(points)
    first, second = torch.combinations(torch.arange(n)).T
    geodesic_distance = torch.full((n, n), torch.inf, dtype=length.dtype)
    geodesic_distance[first, second] = geodesic_distance[second, first] = length.nan_to_num(nan=torch.inf)
    latent = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    near = geodesic_distance.min(1).values
    taken = geodesic_distance[torch.arange(n), latent.argmin(1)]
    changed = taken > near
    further = (taken / near)[changed].mean().item() if changed.any() else 1.0
    return Neighbours(changed.double().mean().item(), further)
