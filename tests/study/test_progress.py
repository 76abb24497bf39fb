"""Progress has totals, and a time left that comes true."""

from __future__ import annotations

import re

import pytest

from pullback.study.models import HEALTHY_GANS, REPORT, ModelSpec
from pullback.study.progress import INTERVAL, Progress, cost
from pullback.study.training import Epoch

SPECS = (*REPORT, *HEALTHY_GANS)


def simulated(specs: tuple[ModelSpec, ...], epochs: int, seconds: float) -> list[tuple[float, str]]:
    """Time and line of what is told when models are trained one after the other, at `seconds` a unit of cost."""
    now, lines = 0.0, []
    told = Progress(specs, epochs, lambda line: lines.append((now, line)), lambda: now)
    for spec in specs:
        for number in range(1, epochs + 1):
            now += seconds * cost(spec)
            told((spec.name, Epoch(number, epochs, {"loss": 1.25})))
        told((spec.name, None))
    return [*lines, (now, "end")]


def test_a_line_tells_model_epoch_loss_and_time() -> None:
    *lines, (end, _) = simulated(SPECS, 100, 0.01)
    assert any(re.fullmatch(r"vae-256-64-tanh +model 3 of 16, epoch \d+ of 100, loss 1.250; about \d+ min left", line)
               for _, line in lines)
    for now, line in lines:
        if match := re.search("about ([0-9]+) min left", line):
            assert int(match[1]) == pytest.approx((end - now) / 60, abs=0.51)
        elif "less than a minute" in line:
            assert end - now < 60
    assert lines[-1][1].split() == [SPECS[-1].name, *"trained and kept: 16 of 16 models".split()]


def test_lines_come_at_intervals_and_whenever_a_model_is_finished() -> None:
    lines = simulated(SPECS, 100, 0.01)
    finished = [line for _, line in lines if "trained and kept" in line]
    assert len(finished) == 16
    times = [now for now, _ in lines]
    longest = INTERVAL + 0.01 * max(map(cost, SPECS))
    assert all(later - earlier <= longest for earlier, later in zip(times, times[1:], strict=False))
    assert len(lines) - 16 <= times[-1] / INTERVAL + 1


def test_a_quick_run_tells_of_finished_models_only() -> None:
    assert len(simulated(SPECS, 12, 1e-4)) == 17


def test_the_time_before_the_first_epoch_does_not_count() -> None:
    now, lines = 0.0, []
    told = Progress(SPECS[:1], 100, lines.append, lambda: now)
    now = 1000.0  # what importing torch took
    told((SPECS[0].name, Epoch(1, 100, {})))
    now = 1060.0
    told((SPECS[0].name, Epoch(21, 100, {})))
    assert lines[0].endswith("epoch 1 of 100, ") and lines[1].endswith("; about 4 min left")  # 79 epochs at 3 s


def test_costs_rank_as_measured() -> None:
    """Process time of an epoch relative to vae-128-32-tanh: 1.7 for vae-256-64, 3.5 for the healthy gan-256-64."""
    by_name = {spec.name: cost(spec) / cost(REPORT[0]) for spec in SPECS}
    measured = {"vae-256-64-tanh": 1.7, "dae-128-32-tanh": 1.26, "dae-256-64-tanh": 1.84, "gan-128-32-tanh": 1.55,
                "gan-256-64-tanh": 2.95, "gan-128-32-tanh-nobn-r1": 1.95, "gan-256-64-tanh-nobn-r1": 3.52}
    for name, ratio in measured.items():
        assert by_name[name] == pytest.approx(ratio, rel=0.33)
