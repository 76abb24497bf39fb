"""The sweep's trainings side by side against one alone: per-core throughput, and two workers against one.

The same four short trainings on all of MNIST (two VAEs, two healthy GANs), by one worker and by as many as there are
processors, through the sweep's own process pool. Per-core throughput is the seconds of a training that has the
machine to itself over those of the same training beside others; the speed-up is of the whole, processes' start
included. Repeats are interleaved; the ratio is the median over repeats of each repeat's own.
"""

from __future__ import annotations

import time
from statistics import fmean, median

from pullback.study import data
from pullback.study.models import ModelSpec, get_spec
from pullback.study.training import TrainingSettings, train
from pullback.study.workers import job_count, say, side_by_side

REPEATS, EPOCHS = 3, 10
SPECS = [get_spec(name) for name in ("gan-128-32-tanh-nobn-r1", "vae-128-32-tanh")]
TRAININGS = [(spec, seed) for spec in SPECS for seed in range(2)]  # two of a length together, so that none waits


def timed(spec: ModelSpec, seed: int) -> None:
    """One training; says its name and seconds."""
    images, labels = data.load("train")
    settings = TrainingSettings(epochs=1, seed=seed)
    train(spec, settings, images[:5000], labels[:5000], device="cpu", progress=lambda line: None)  # what loads lazily
    started = time.perf_counter()
    train(spec, TrainingSettings(epochs=EPOCHS, seed=seed), images, labels, device="cpu", progress=lambda line: None)
    say(f"{spec.name} {time.perf_counter() - started}")


def run(jobs: int) -> tuple[float, dict[str, float]]:
    """Wall-clock seconds of all trainings, and mean seconds of a training by model."""
    lines: list[str] = []
    started = time.perf_counter()
    side_by_side(timed, TRAININGS, jobs, "a benchmark", lines.append)
    wall = time.perf_counter() - started
    pairs = [line.split() for line in lines]
    return wall, {spec.name: fmean(float(s) for name, s in pairs if name == spec.name) for spec in SPECS}


def main() -> None:
    data.ensure()
    jobs = job_count()
    found = [(run(1), run(jobs)) for _ in range(REPEATS)]
    print(f"{len(TRAININGS)} trainings of {EPOCHS} epochs, one worker against {jobs}; medians of {REPEATS} repeats")
    for spec in SPECS:
        ratio = median(alone[spec.name] / beside[spec.name] for (_, alone), (_, beside) in found)
        print(f"per-core throughput, {spec.name:<26}{ratio:>6.2f}")
    print(f"{jobs} workers against one, whole{'':<20}{median(one / many for (one, _), (many, _) in found):>6.2f}")


if __name__ == "__main__":
    main()
