"""The premise as an experiment: conditioning is changed, and nothing else.

Three interventions, each with a level c from 1 (nothing is changed) to 10,000, on surfaces and on trained decoders:

- A linear chart. The latent space is parametrised anew, z = A w, by a linear map A of condition number c. The surface,
  its distances and its geodesics stay the same; the Jacobian's condition number in w is up to c times that in z.
- A wavy chart. z = (w_1, w_2 + (s / b) sin(b w_1)), a shear whose steepness s cos(b w_1) changes along the way: its
  condition number is 1 where the cosine is 0, and c where it is 1. The surface stays the same again.
- A weak direction. The surface itself is changed: what varies along one curved family of lines is divided by c. For
  the paraboloid (x, y, r^2 / 2) these are circles: (x / c, y / c, r^2 / 2), a paraboloid c^2 times as curved, with
  distances in closed form. For a decoder f they are waves: f(p) + (f(z) - f(p)) / c, with p(z) the point of the first
  axis on the same wave as z.

The first two are bad coordinates of a good geometry, the third is a bad geometry. A solver's curve is measured in the
coordinates that it was found in; the truth is that of the surface.

Criteria, fixed before the experiment was run:

- A pair is not solved if its curve is more than SOLVED (1 %) longer than the shortest curve known.
- A solver suffers at c if the share of pairs not solved exceeds its share at c = 1 by more than FALLEN.
- A solver is invariant if at every c each pair's length is within SAME of its length at c = 1, in either direction.
- An arithmetic (see `numerics`) costs a solver something at c if the share not solved exceeds by more than FALLEN that
  of the same solver at the same c with exact derivatives in float64.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ...geodesics import Geodesics
from ...geometry import Paraboloid
from .runs import CONTESTANTS, Contestant, Job, Problem, contest, read, run
from .scores import Bounds, bounds, verdicts

FALLEN = 0.15  # share of the pairs
SAME = 1e-3  # relative difference of two lengths of one pair
KINDS = ("linear chart", "wavy chart", "weak direction")
ANGLE = math.pi / 6  # between the stretched direction of the linear chart and the first axis
WAVES = 1.5  # of the wavy chart and of the weak direction, in the box
WEAKEST = 100.0  # highest level of a decoder's weak direction: beyond, curves take minutes
SIDE, CODES = 3.0, 1_000  # of the paraboloid: the box's side, and the points that the graph is given


class Wavy(nn.Module):
    """The shear w -> (w_1, w_2 + (s / b) sin(b w_1)), in float64 or float32 as w is."""

    shear: Tensor

    def __init__(self, steepness: float, frequency: float) -> None:
        super().__init__()
        self.register_buffer("shear", torch.tensor([steepness / frequency, frequency], dtype=torch.float64))

    def forward(self, w: Tensor) -> Tensor:
        return self._moved(w, 1)

    def inverse(self, z: Tensor) -> Tensor:
        return self._moved(z, -1)

    def _moved(self, w: Tensor, sign: int) -> Tensor:
        amplitude, frequency = self.shear.to(w.dtype)
        first, second = w.unbind(1)
        return torch.stack((first, second + sign * amplitude * (frequency * first).sin()), 1)


class WeakDirection(nn.Module):
    """f(p) + (f(z) - f(p)) / c, where p(z) = (z_1 - sin(b z_2) / b, 0)."""

    weak: Tensor

    def __init__(self, generator: nn.Module, c: float, frequency: float) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("weak", torch.tensor([c, frequency], dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        c, frequency = self.weak.to(z.dtype)
        first, second = z.unbind(1)
        on_axis = torch.stack((first - (frequency * second).sin() / frequency, torch.zeros_like(second)), 1)
        f, g = self.generator(z), self.generator(on_axis)
        return g + (f - g) / c


class Valley(nn.Module):
    """The paraboloid (x / c, y / c, r^2 / 2)."""

    scale: Tensor

    def __init__(self, c: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(1 / c, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return torch.cat((self.scale.to(z.dtype) * z, z.square().sum(1, keepdim=True) / 2), 1)

    def distance(self, start: Tensor, end: Tensor) -> Tensor:
        """In closed form (B,), for points (B, 2) in float64: x / c on the paraboloid of curvature c^2."""
        return Paraboloid(float(self.scale) ** -2).distance(start * self.scale, end * self.scale)


@dataclass(frozen=True)
class Subject:
    """A surface that is intervened on: its name, and what is known of it at c = 1.

    problem: with a module as generator. bounds: of the distances of its pairs. weakened: the generator with a weak
    direction, for a level c. distance: in closed form, of a weakened generator, start and end, if there is one.
    """

    name: str
    problem: Problem
    bounds: Bounds
    weakened: Callable[[float], nn.Module]
    distance: Callable[[Any, Tensor, Tensor], Tensor] | None = None


def paraboloid(pairs: int, seed: int) -> Subject:
    """The paraboloid of curvature 1, with random pairs in a box about its vertex."""
    draw = torch.Generator().manual_seed(seed)
    start, end, codes = (
        SIDE * (torch.rand(n, 2, dtype=torch.float64, generator=draw) - 0.5) for n in (pairs, pairs, CODES)
    )
    box = ((-SIDE / 2, SIDE / 2),) * 2
    truth = Valley().distance(start, end).numpy()
    problem = Problem(Valley(), start, end, box, codes, "paraboloid")
    return Subject("paraboloid", problem, Bounds(truth, truth), Valley, Valley.distance)


def decoder(name: str, problem: Problem, known: Bounds, pairs: int) -> Subject:
    """A trained decoder, with the first `pairs` of a problem of the study, whose distances are known."""
    first = replace(problem, start=problem.start[:pairs].double(), end=problem.end[:pairs].double())
    (low, high), _ = problem.box
    frequency = 2 * math.pi * WAVES / (high - low)

    def weakened(c: float) -> nn.Module:
        return WeakDirection(module(problem), c, frequency)

    return Subject(name, first, Bounds(known.upper[:pairs], known.lower[:pairs]), weakened)


def module(problem: Problem) -> nn.Module:
    """The problem's generator, which is a module: all that is intervened on is."""
    assert isinstance(problem.manifold, nn.Module)
    return problem.manifold


def intervened(subject: Subject, kind: str, c: float) -> Problem:
    """The subject's problem under an intervention of level c."""
    p, f = subject.problem, module(subject.problem)
    chart: nn.Module
    identity = json.dumps([p.identity, kind, c])
    if kind == "weak direction":
        return replace(p, manifold=subject.weakened(c).eval(), identity=identity)
    if kind == "linear chart":
        cos, sin = math.cos(ANGLE), math.sin(ANGLE)
        turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        A = turn @ torch.diag(torch.tensor([c**0.5, c**-0.5], dtype=torch.float64)) @ turn.T
        chart = linear = nn.Linear(2, 2, bias=False).double()
        linear.weight.data.copy_(A)
        inverse: Callable[[Tensor], Tensor] = lambda z: z.double() @ torch.linalg.inv(A).T  # noqa: E731
    else:
        (low, high), _ = p.box
        chart = wavy = Wavy(c**0.5 - c**-0.5, 2 * math.pi * WAVES / (high - low))
        inverse = wavy.inverse
    layers = [chart, *f] if isinstance(f, nn.Sequential) else [chart, f]
    with torch.no_grad():
        start, end, codes = (inverse(z.double()) for z in (p.start, p.end, p.codes))
    corners = torch.cat((start, end, codes)).aminmax(dim=0)
    (x0, y0), (x1, y1) = corners.min.tolist(), corners.max.tolist()
    box = (x0, x1), (y0, y1)
    return Problem(nn.Sequential(*layers).eval(), start, end, box, codes, identity)


def intervene(
    subjects: Iterable[Subject],
    levels: Sequence[float],
    *,
    contestants: Sequence[Contestant] = CONTESTANTS,
    progress: Callable[[str], None] = print,
) -> pd.DataFrame:
    """All contestants on all subjects under all interventions; kept as `runs.compare` keeps.

    The slowest solver is given a third of the pairs, the others all.

    One row a subject, kind, level, method and pair. Columns: the curve's length and its ratio to the upper bound,
    the verdict of `scores.verdicts`, the solver's own flag, and whether the distance is certified. Of a
    decoder with a weak direction, up to WEAKEST, the upper bound is the shortest curve of any contestant.
    """
    jobs: dict[tuple[str, str, float, str], Job] = {}
    truth: dict[tuple[str, str, float], Bounds] = {}
    for subject in subjects:
        for kind in KINDS:
            for c in levels:
                if kind == "weak direction" and subject.distance is None and c > WEAKEST:
                    continue
                p = intervened(subject, kind, c)
                key, model = (subject.name, kind, c), f"{subject.name}, {kind}, {c:g}"
                for m in contestants:
                    pairs = len(p.start) if m.slow < 2 else -(-len(p.start) // 3)
                    jobs[*key, m.name] = contest(model, p, m, pairs)
                if kind != "weak direction" or c == 1:
                    truth[key] = subject.bounds
                elif subject.distance is not None:
                    exact = subject.distance(module(p), p.start, p.end).numpy()
                    truth[key] = Bounds(exact, exact)
                else:
                    truth[key] = Bounds(np.full(len(p.start), np.inf), np.zeros(len(p.start)))
    run(jobs.values(), progress)
    frames = []
    for key, known in truth.items():
        found = {m.name: read(jobs[*key, m.name], Geodesics)[0] for m in contestants}
        lengths = [curves.length.numpy() for curves in found.values()]
        limits = bounds(*known, lengths)
        for method, curves in found.items():
            n = len(curves.length)
            frames.append(pd.DataFrame({
                **dict(zip(("subject", "kind", "c"), key, strict=True)), "method": method,
                "pair": np.arange(n), "length": curves.length,
                "ratio": (curves.length / torch.from_numpy(limits.upper[:n])).nan_to_num(nan=torch.inf),
                "verdict": verdicts(curves.length, limits), "converged": curves.converged,
                "certified": limits.certified[:n],
            }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of pairs not solved: one row a subject, kind and method, one column a level."""
    failed = (table["verdict"] == "not solved").rename("failed")
    by = ["subject", "kind", "method", "c"]
    return failed.groupby([table[column] for column in by], sort=False).mean().unstack().sort_index(axis=1)


def reactions(table: pd.DataFrame) -> pd.DataFrame:
    """How each method takes each intervention, by the criteria of this module: one row a subject, kind and method.

    Columns: the share not solved at c = 1 and at the highest level; whether the method is invariant, by the largest
    relative change of a pair's length (NaN for the weak direction, which changes the lengths); and the least level from
    which it suffers there and at every level above, NaN if it does not suffer at the highest.
    """
    failed = shares(table).ffill(axis=1)  # a subject may end at a lower level than others
    suffers = failed.sub(failed.iloc[:, 0], axis=0) > FALLEN
    lasting = suffers.iloc[:, ::-1].cummin(axis=1).iloc[:, ::-1]
    lengths = table.set_index(["subject", "kind", "method", "pair", "c"])["length"].unstack().sort_index(axis=1)
    change = lengths.div(lengths.iloc[:, 0], axis=0).sub(1).abs().max(axis=1)
    largest = change.groupby(level=["subject", "kind", "method"], sort=False).max().reindex(failed.index)
    largest[failed.index.get_level_values("kind") == "weak direction"] = np.nan
    return pd.DataFrame({
        "not solved, c = 1": failed.iloc[:, 0],
        "not solved, highest c": failed.iloc[:, -1],
        "largest change": largest,
        "invariant": largest <= SAME,
        "suffers from": lasting.idxmax(axis=1).where(lasting.any(axis=1)),
    })
