"""Geodesics between 20 random pairs of test digits on the 128-32 tanh VAE: every solver, side by side in one process.

Run `python benchmarks/geodesics.py`. The decoder is the study's, or, where that has not been trained, one trained for
12 epochs on the committed sample. One thread, float64. The time of a call is what a user waits for: the checks, the
solver, and the measurement of the curves. Beside it stands the time of the solver alone. Times are CPU seconds of this
one thread, the smallest of three repeats for solvers that take less than a second a pair. All pairs are one batch. The
settings are those of notebook 05. Lengths are compared with the shortest curve that any of the solvers, or
`shortest_path`, found; solved is a length within 1 % of it.

Plain: what one would write, and the best-known package does by default: a cubic spline whose energy on a fixed grid is
lowered by Adam, all pairs at once. If that package (stochman) can be imported, its own default is timed in turn with
ours: in float32, which is its default, and in float64. Only the ratios in one run mean anything.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from pullback.geodesics import METHODS as SOLVERS
from pullback.geodesics import geodesic, measure
from pullback.geodesics.shortest import shortest_path
from pullback.geometry import LatentSpace
from pullback.study import data
from pullback.study.checkpoints import path_of, read
from pullback.study.models import get_spec
from pullback.study.records.quantities import percentile_box
from pullback.study.solvers.runs import CONTESTANTS, Problem, search_box
from pullback.study.solvers.scores import SOLVED
from pullback.study.training import Trained, TrainingSettings, train

PAIRS, BATCH = 20, 100
NODES, GRID, STEPS, RATE = 8, 32, 200, 0.03  # of the plain alternative
SPEC = get_spec("vae-128-32-tanh")


def decoder() -> tuple[Trained, bool]:
    """The model, and whether it is of the committed sample only."""
    path = path_of(SPEC, settings := TrainingSettings(), data.data_hash(False))
    if path.exists():
        return read(SPEC, settings, data.data_hash(False)), False
    settings = TrainingSettings(epochs=12, batch_size=250)
    return train(SPEC, settings, *data.load("train", sample=True), device="cpu", progress=lambda line: None), True


def plain(f: nn.Module, start: Tensor, end: Tensor) -> Tensor:
    """Knots (B, GRID + 1, k) of cubic splines by Adam on the discrete energy."""
    line = start[:, None] + torch.linspace(0, 1, GRID + 1, dtype=start.dtype)[:, None] * (end - start)[:, None]
    spline = CubicSpline(np.linspace(0, 1, NODES + 2), np.eye(NODES + 2)[:, 1:-1])
    basis = torch.from_numpy(spline(np.linspace(0, 1, GRID + 1)))
    nodes = torch.zeros(len(start), NODES, start.shape[1], dtype=start.dtype, requires_grad=True)
    adam = torch.optim.Adam([nodes], lr=RATE)
    for _ in range(STEPS):
        adam.zero_grad()
        energy = GRID * f((line + basis @ nodes).flatten(0, 1)).unflatten(0, line.shape[:2]).diff(dim=1).square().sum()
        energy.backward()
        adam.step()
    return (line + basis @ nodes).detach()


def stochman(generator: nn.Module, dtype: torch.dtype) -> Callable[[Tensor, Tensor], object] | None:
    """stochman's default solver on a generator, None where the package is not installed."""
    try:
        from stochman.manifold import EmbeddedManifold  # type: ignore[import-not-found]
    except ImportError:
        return None
    f = copy.deepcopy(generator).to(dtype).requires_grad_(False)

    class Images(EmbeddedManifold):  # type: ignore[misc]
        def embed(self, points: Tensor, jacobian: bool = False) -> Tensor:
            return f(points.flatten(0, -2)).unflatten(0, points.shape[:-1])

    return lambda a, b: Images().connecting_geodesic(a.to(dtype), b.to(dtype))


def against_stochman(f: nn.Module, start: Tensor, end: Tensor) -> None:
    """Print how many times longer stochman's default takes than our calls, all taken in turn."""
    ways: dict[str, Callable[[Tensor, Tensor], object]] = {}
    for dtype in (torch.float32, torch.float64):
        if (theirs := stochman(f, dtype)) is None:
            print("\nstochman is not installed: not compared")
            return
        ways[f"stochman, {dtype}"] = theirs
    for first in ("straight", "auto"):  # on a generator not seen before, so that tables count
        ways[first] = lambda a, b, first=first: geodesic(copy.deepcopy(f), a, b, first=first)  # type: ignore[misc]
    for pairs in (PAIRS, BATCH):
        seconds = {name: float("inf") for name in ways}
        for _ in range(3):
            for name, way in ways.items():
                took = timed(partial(way, start[:pairs], end[:pairs]))[1]
                seconds[name] = min(seconds[name], took)
        print(f"\n{pairs} pairs, ms a pair: " + ", ".join(f"{n} {1e3 * s / pairs:.1f}" for n, s in seconds.items()))
        for first in ("straight", "auto"):
            ratios = (f"{seconds[name] / seconds[first]:.2f} ({name})" for name in ways if name.startswith("stochman"))
            print(f"  theirs over ours, first={first!r}: {', '.join(ratios)}")


def timed(way: Callable[[], object]) -> tuple[object, float]:
    start = time.process_time()
    found = way()
    return found, time.process_time() - start


def main() -> None:
    trained, of_sample = decoder()
    print(f"torch {torch.__version__}, one thread, float64, CPU {torch.backends.cpu.get_cpu_capability()}")
    origin = "no checkpoint: trained for 12 epochs on the sample" if of_sample else "the study's"
    print(f"{SPEC.name}, {origin}; {PAIRS} pairs\n")
    with torch.no_grad():
        codes = trained.model.encode(data.load("train", sample=True)[0])
        ends = trained.model.encode(data.load("test", sample=True)[0])
    space = LatentSpace(trained.model.generator)
    f = space.f
    order = torch.randperm(len(ends), generator=torch.Generator().manual_seed(0))[: 2 * BATCH].reshape(-1, 2)
    start, end = ends[order].double().unbind(1)
    a, b = start[:PAIRS], end[:PAIRS]
    box = search_box(Problem(f, a, b, percentile_box(codes), codes))

    ways: dict[str, Callable[[], Tensor]] = {"plain": lambda: plain(f, a, b)}
    solvers: dict[str, Callable[[], object]] = {}
    flags: dict[str, float] = {}

    def add(name: str, start: Tensor, end: Tensor, solver: str, settings: dict) -> None:
        def call() -> Tensor:
            found = geodesic(space, start, end, method=solver, **settings)
            flags[name] = found.converged.double().mean().item()
            return found.points

        ways[name] = call
        own = {key: value for key, value in settings.items() if key != "first"}
        solvers[name] = lambda: SOLVERS[solver](space, start, end, **own)

    for m in CONTESTANTS:
        add(m.name, a, b, m.solver, {**m.settings, "codes": codes} if m.data else {**m.settings})
    add("newton, 100 pairs", start, end, "newton", {"first": "straight"})
    add("newton, global, 100 pairs", start, end, "newton", {"first": "auto"})

    warnings.simplefilter("ignore")  # of end points outside the data's box
    geodesic(f, start[:2], end[:2])  # what torch loads at first use is nobody's time
    best = shortest_path(f, a, b, box).length
    seconds, lengths, alone = {}, {}, {}
    for name, solve in ways.items():
        points, seconds[name] = timed(solve)
        lengths[name] = measure(f, points[:PAIRS]).length  # type: ignore[index]
    for name, solve in solvers.items():
        alone[name] = timed(solve)[1]
    for _ in range(2):
        for name in [name for name in ways if seconds[name] < PAIRS]:
            seconds[name] = min(seconds[name], timed(ways[name])[1])
            if name in solvers:
                alone[name] = min(alone[name], timed(solvers[name])[1])
    best = torch.stack([best, *lengths.values()]).nan_to_num(nan=torch.inf).min(0).values

    columns = f"{'above best, median':>20}{'worst':>9}{'solved':>8}{'converged':>11}"
    print(f"{'':<27}{'call, ms a pair':>16}{'solver alone':>14}{'plain / call':>14}{columns}")
    pairs = {name: BATCH if name.endswith("100 pairs") else PAIRS for name in ways}
    rate = {name: 1e3 * s / pairs[name] for name, s in seconds.items()}
    for name in ways:
        excess = lengths[name] / best - 1
        flag = f"{flags[name]:.0%}" if name in flags else ""
        own = f"{1e3 * alone[name] / pairs[name]:.1f}" if name in alone else ""
        print(
            f"{name:<27}{rate[name]:>16.1f}{own:>14}{rate['plain'] / rate[name]:>14.2g}{excess.median():>20.3%}"
            f"{excess.max():>9.2%}{(excess <= SOLVED).double().mean():>8.0%}{flag:>11}"
        )
    fresh = LatentSpace(copy.deepcopy(f))
    single = {}
    for first in ("auto", "straight"):
        single[first] = timed(lambda first=first: geodesic(fresh, a[:1], b[:1], first=first))[1]  # type: ignore[misc]
    auto, straight = (1e3 * single[first] for first in ("auto", "straight"))
    print(f"\none pair of a generator not seen before: {auto:.0f} ms; then from the straight line {straight:.0f} ms")
    against_stochman(f, start, end)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
