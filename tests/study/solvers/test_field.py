"""The benchmark file keeps what was thinned, as long as it is of the same pairs, bounds and weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pullback import benchmark
from pullback.geodesics import shortest_path
from pullback.study.solvers import field
from pullback.study.solvers.runs import Compared
from pullback.study.solvers.scores import Bounds


def test_curves_are_thinned_once_for_the_same_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = nn.Module()
    model.generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 20)).eval()
    trained = SimpleNamespace(model=model)
    start, end = torch.tensor([[-0.5, 0.2], [0.1, 0.4]]).double(), torch.tensor([[0.6, -0.3], [0.3, -0.6]]).double()
    optimum = shortest_path(model.generator, start, end, box=((-1, 1), (-1, 1)), grid=32, segments=32, effort=0)
    compared = Compared(start, end, optimum, 0.0, {})
    known = Bounds(optimum.length.numpy(), 0.995 * optimum.length.numpy())
    first = field._pairs(trained, compared, known)  # type: ignore[arg-type]
    calls: list[int] = []
    thinned = benchmark.thinned
    monkeypatch.setattr(benchmark, "thinned", lambda f, points: calls.append(1) or thinned(f, points))
    assert field._pairs(trained, compared, known, first) is first and not calls  # type: ignore[arg-type]
    lower = Bounds(known.upper, 0.99 * known.lower)
    assert field._pairs(trained, compared, lower, first).lower.tolist() == lower.lower.tolist()  # type: ignore[arg-type]
    with torch.no_grad():
        model.generator[0].weight += 1
    field._pairs(trained, compared, known, first)  # type: ignore[arg-type]
    assert len(calls) == 4  # two pairs, for new bounds and for new weights
