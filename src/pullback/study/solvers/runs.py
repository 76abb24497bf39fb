"""Solvers run on the same pairs of points of the same manifolds, their results kept on disk.

Every result is a file under the build folder. Its key is made of all that decides it: the version of this recipe, the
manifold, the end points, the solver and its settings. A file holds its key and is refused under another name. An
interrupted comparison continues, and a second one loads. Results on published models are published too, by their keys.
"""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ...geodesics import Curves, Geodesics, ShortestPaths, geodesic, measure, shortest_path
from ...geodesics.certificate import lower_bound
from ...geodesics.newton import refine
from ...geometry import Box, Generator, Manifold, as_manifold
from .. import published
from ..checkpoints import changed, digest
from ..errors import CheckpointError
from ..knots import rounded
from ..notebook import Pairs, Study
from ..paths import build_root, write_atomically
from ..records.quantities import widened
from ..training import Trained
from ..workers import job_count, say, side_by_side

RECIPE = 2  # of solving and measuring a curve: raised when kept results no longer are what the code would give
BOUNDING = 3  # of lower bounds: see `recipe_of`
MARGIN = 1.5  # sides of the box in which the shortest path is sought, over sides of the box of data and end points
REMEDY = "Delete it and run again"
SHORTEST, LOWER, POLISHED = "shortest path", "lower bound", "polished"  # what is run beside the contestants


class Contestant(NamedTuple):
    """A solver with the settings that it has on every model.

    slow: 0, it is given all pairs; 1, the profile's first `slow_pairs`; 2, half as many as 1. data: it is also given
    codes of the model's training images.
    """

    name: str
    solver: str
    settings: Mapping[str, Any] = {}
    slow: int = 0
    data: bool = False

    def pairs(self, pairs: int, slow_pairs: int) -> int:
        """How many pairs it is given."""
        return (pairs, slow_pairs, slow_pairs // 2)[self.slow]


CONTESTANTS = (
    Contestant("straight", "straight"),
    Contestant("newton", "newton", {"first": "straight"}),
    Contestant("newton, global", "newton", {"first": "auto"}),
    Contestant("georce", "georce", slow=1),
    Contestant("cubic spline", "spline", {"degree": 3}),
    Contestant("quadratic spline", "spline", {"degree": 2}),
    Contestant("cubic spline, length", "spline", {"degree": 3, "objective": "length"}),
    Contestant("network", "network", slow=1),
    Contestant("graph", "graph", data=True),
    Contestant("fixed point", "fixed_point", slow=1),
    Contestant("bvp", "bvp", slow=2),
)


@dataclass(frozen=True)
class Problem:
    """What all solvers are given on one model.

    manifold: a manifold, or a generator, whose latent space it then is. start, end: pairs of points (B, k). box: of the
    data. codes: (n, k), of training images, or draws from a GAN's prior. identity: names the manifold in the keys of
    kept results, and must differ between manifolds; a module is known by its weights as well, and named by its layers
    if no identity is given. Raises ValueError for anything else without an identity.
    """

    manifold: Manifold | Generator
    start: Tensor
    end: Tensor
    box: Box
    codes: Tensor
    identity: str = ""

    def __post_init__(self) -> None:
        if not self.identity:
            if not isinstance(self.manifold, nn.Module):
                raise ValueError(
                    f"{self.manifold!r} has no weights by which its results could be told from another manifold's: "
                    "give an identity, a text that no other manifold has"
                )
            object.__setattr__(self, "identity", str(self.manifold))


@dataclass(frozen=True)
class Compared:
    """One model's pairs (B, k), their shortest paths with the seconds they took, and each solver's curves by its name;
    a slow solver has curves for the first pairs only."""

    start: Tensor
    end: Tensor
    optimum: ShortestPaths
    seconds: float
    found: dict[str, Geodesics]


class Job(NamedTuple):
    """One solver on one model: all that decides its result, and the model's name."""

    model: str
    problem: Problem
    pairs: tuple[Tensor, Tensor]
    solver: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that change whenever the result might."""
        f, (start, end) = self.problem.manifold, self.pairs
        tensors = {name: value for name, value in self.settings.items() if isinstance(value, Tensor)}
        plain = {name: value for name, value in self.settings.items() if name not in tensors}
        weights = {f"weights.{n}": w for n, w in f.state_dict().items()} if isinstance(f, nn.Module) else {}
        decisive = {"recipe": recipe_of(self.solver), "manifold": self.problem.identity, "solver": self.solver,
                    "settings": json.dumps(plain, sort_keys=True)}  # fmt: skip
        return digest(weights | tensors | {"start": start, "end": end}, decisive)[:16]

    @property
    def path(self) -> Path:
        return build_root() / "comparisons" / f"{self.model}-{in_names(self.solver)}-{self.key}.safetensors"


def recipe_of(solver: str) -> str:
    """The version of the recipe behind a job's result. That of lower bounds is one of its own since version 3; up to
    version 2 the recipe of solving was theirs too."""
    return str(BOUNDING if solver == LOWER else RECIPE)


def in_names(solver: str) -> str:
    """A solver's name, as the names of kept results have it."""
    return solver.replace(" ", "-")


def problem(study: Study, trained: Trained, pairs: Pairs) -> Problem:
    """What the solvers are given on a model of the study."""
    if trained.spec.family == "gan":
        codes = torch.randn(study.profile.codes, pairs.start.shape[1], generator=study.random())
    else:
        codes = study.codes(trained, first=study.profile.codes)[0]
    identity = json.dumps(changed(trained.spec), sort_keys=True)  # a new field of specifications leaves it as it was
    return Problem(trained.model.generator, pairs.start, pairs.end, study.box(trained), codes, identity)


def search_box(problem: Problem) -> Box:
    """Where the shortest path is sought: the box that holds the data's box and all end points, widened by MARGIN."""
    corners = torch.tensor(problem.box, dtype=torch.float64).T
    points = torch.cat((corners, problem.start.double(), problem.end.double()))
    (x0, y0), (x1, y1) = points.amin(0).tolist(), points.amax(0).tolist()
    return widened(((x0, x1), (y0, y1)), MARGIN)


def compare(
    problems: Mapping[str, Problem],
    *,
    slow_pairs: int,
    grid: int,
    contestants: Sequence[Contestant] = CONTESTANTS,
    progress: Callable[[str], None] = print,
) -> dict[str, Compared]:
    """All `contestants` on every model, and the shortest paths on a grid of `grid` steps a side, in `grid` segments.

    Each solver gets a model's pairs as one batch, on one thread. As many run side by side as there are processors
    (PULLBACK_JOBS overrides), so times are those of a machine at work.
    """
    jobs = jobs_of(problems, slow_pairs, grid, contestants)
    run(jobs.values(), progress)
    done = {}
    for model, p in problems.items():
        optimum, seconds = read(jobs[model, SHORTEST], ShortestPaths)
        found = {c.name: read(jobs[model, c.name], Geodesics)[0] for c in contestants}
        done[model] = Compared(p.start.double(), p.end.double(), optimum, seconds, found)
    return done


def jobs_of(
    problems: Mapping[str, Problem], slow_pairs: int, grid: int, contestants: Sequence[Contestant] = CONTESTANTS
) -> dict[tuple[str, str], Job]:
    """What `compare` runs, by model and contestant."""
    jobs = {}
    for model, p in problems.items():
        jobs[model, SHORTEST] = shortest(model, p, grid)
        jobs |= {(model, c.name): contest(model, p, c, c.pairs(len(p.start), slow_pairs)) for c in contestants}
    return jobs


def shortest(model: str, problem: Problem, grid: int) -> Job:
    """The shortest paths of a problem, on a grid of `grid` steps a side and in `grid` segments."""
    settings = {"box": search_box(problem), "grid": grid, "segments": grid}
    return Job(model, problem, (problem.start, problem.end), SHORTEST, settings)


def contest(model: str, problem: Problem, contestant: Contestant, pairs: int) -> Job:
    """One contestant on the first `pairs` of a problem."""
    settings = {**contestant.settings, "codes": problem.codes} if contestant.data else {**contestant.settings}
    return Job(model, problem, (problem.start[:pairs], problem.end[:pairs]), contestant.solver, settings)


def between_all(
    problems: Mapping[str, Problem], count: int, progress: Callable[[str], None] = print
) -> dict[str, tuple[Tensor, Geodesics]]:
    """The default solver between all pairs of the first `count` end points of each model.

    By model: the points (count, k), and the curves in the order of `torch.combinations`.
    """
    points, jobs = _points_between(problems, count), jobs_between(problems, count)
    run(jobs.values(), progress)
    return {name: (points[name].double(), read(job, Geodesics)[0]) for name, job in jobs.items()}


def jobs_between(problems: Mapping[str, Problem], count: int) -> dict[str, Job]:
    """What `between_all` runs, by model."""
    jobs = {}
    for name, z in _points_between(problems, count).items():
        first, second = torch.combinations(torch.arange(len(z))).T
        jobs[name] = Job(name, problems[name], (z[first], z[second]), "newton", {})
    return jobs


def _points_between(problems: Mapping[str, Problem], count: int) -> dict[str, Tensor]:
    return {name: torch.stack((p.start, p.end), 1).flatten(0, 1)[:count] for name, p in problems.items()}


def run(jobs: Iterable[Job], progress: Callable[[str], None] = print) -> None:
    """Solve what has not been solved, side by side, in the order of `jobs`; a line a model."""
    jobs = list(jobs)
    missing = [job for job in jobs if not (job.path.exists() or published.result(job.model, job.key))]
    left, spent = Counter(job.model for job in missing), dict.fromkeys((job.model for job in missing), 0.0)
    for model, count in Counter(job.model for job in jobs).items():
        if not left[model]:
            progress(f"{model:<26} {count} results loaded")

    def tell(line: str) -> None:
        model, seconds = line.rsplit(maxsplit=1)
        left[model] -= 1
        spent[model] += float(seconds)
        if not left[model]:
            progress(f"{model:<26} solved in {spent[model]:.0f} s")

    if missing:
        side_by_side(_solve_and_write, [(job,) for job in missing], min(job_count(), len(missing)), "solving", tell)


def _solve_and_write(job: Job) -> None:
    f, (start, end) = job.problem.manifold, job.pairs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of end points outside the data, and of singular metrics: both are recorded
        # What torch loads at first use is not the solver's time.
        geodesic(f, start[:1], end[:1], first="straight", max_iterations=1)
        began = time.perf_counter()
        found: Any = _solved(job)
    seconds = time.perf_counter() - began
    names = [field.name for field in fields(found) if field.name != "manifold"]
    tensors = {name: torch.as_tensor(getattr(found, name)).contiguous() for name in names}
    if "points" in tensors:
        tensors["points"] = rounded(tensors["points"])
    tensors["wall"] = torch.tensor(seconds, dtype=torch.float64)
    about = {"recipe": recipe_of(job.solver), "model": job.model, "key": job.key}
    about |= {"digest": digest(tensors, {"key": job.key})}
    write_atomically(job.path, save(tensors, about))
    say(f"{job.model} {seconds}")


def _solved(job: Job) -> Any:
    """What the job's solver returns, a dataclass of tensors."""
    f, (start, end) = job.problem.manifold, job.pairs
    if job.solver == SHORTEST:
        return shortest_path(f, start, end, effort=0, **job.settings)
    if job.solver == LOWER:
        return lower_bound(f, **job.settings)
    if job.solver == POLISHED:
        points = refine(as_manifold(f), job.settings["curves"]).points
        measured = measure(f, points)
        return Curves(points=points, length=measured.length, energy=measured.energy)
    return geodesic(f, start, end, method=job.solver, **job.settings)


def read(job: Job, kind: type) -> tuple[Any, float]:
    """The result of a job, of the dataclass `kind`, and the seconds that it took, measurement of the curves included.

    Raises CheckpointError, naming the file, for one that is truncated, altered or another job's.
    """
    tensors = None if job.path.exists() else published.result(job.model, job.key)
    if tensors is None:
        tensors, metadata = load(job.path)
        if metadata["key"] != job.key:
            raise CheckpointError(f"{job.path} holds the result of another job, {metadata['key']}. {REMEDY}")
    seconds = tensors.pop("wall").item()
    return kind(**{name: value.item() if name == "seconds" else value for name, value in tensors.items()}), seconds


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a kept result, and what it says of itself: recipe, model, key. Raises CheckpointError, naming the
    file, for one that is truncated or altered."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). {REMEDY}") from error
    if metadata.get("digest") != digest(tensors, {"key": metadata.get("key", "")}):
        raise CheckpointError(f"{path} is corrupt: its content does not match its digest. {REMEDY}")
    return tensors, metadata
