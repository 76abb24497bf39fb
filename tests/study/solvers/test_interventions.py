"""The interventions change what they say, by as much as they say, and nothing else; reactions are what is planted."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pullback.geodesics import measure
from pullback.geodesics.curves import interpolate
from pullback.geometry import LatentSpace, log_cond, singular_values
from pullback.study.solvers.interventions import (
    KINDS,
    Subject,
    Valley,
    Wavy,
    decoder,
    intervened,
    paraboloid,
    reactions,
    shares,
)
from pullback.study.solvers.runs import Problem
from pullback.study.solvers.scores import Bounds

C = 50.0


def network() -> Subject:
    torch.manual_seed(0)
    f = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 20)).eval()
    start, end = torch.rand(2, 4, 2, generator=torch.Generator().manual_seed(1))
    p = Problem(f, start, end, ((-1.0, 2.0), (-1.0, 2.0)), start, "network")
    return decoder("network", p, Bounds(np.ones(4), np.ones(4)), 3)


def conditions(f: nn.Module, z: torch.Tensor) -> torch.Tensor:
    return log_cond(singular_values(LatentSpace(f).root(z)))


@pytest.mark.parametrize("subject", [paraboloid(3, 0), network()], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_chart_leaves_the_surface_where_it_is(subject: Subject, kind: str) -> None:
    """The images of the end points stay, and a curve in the chart is as long as its image in z."""
    p, q = subject.problem, intervened(subject, kind, C)
    f, g = (LatentSpace(a.manifold) for a in (p, q))
    assert q.start.shape == (3, 2)
    for before, after in ((p.start, q.start), (p.end, q.end), (p.codes, q.codes)):
        assert torch.allclose(f.images(before.double()), g.images(after), atol=1e-5)
    w = q.start[:, None] + torch.linspace(0, 1, 65, dtype=torch.float64)[:, None] * (q.end - q.start)[:, None]
    fine = interpolate(w, torch.linspace(0, 1, 513, dtype=torch.float64))
    z = q.manifold[0].double()(fine.flatten(0, 1)).unflatten(0, fine.shape[:2])
    assert torch.allclose(measure(g, w).length, measure(f, z).length, rtol=1e-3)


def test_the_charts_have_the_condition_numbers_they_say() -> None:
    """The paraboloid's own condition number at its vertex is 1, so that there the chart's alone is left."""
    vertex = torch.zeros(1, 2, dtype=torch.float64)
    linear = intervened(paraboloid(2, 0), "linear chart", C).manifold
    assert conditions(linear, vertex).item() == pytest.approx(math.log(C))
    steepness, frequency = C**0.5 - C**-0.5, 2.0
    w = torch.stack((torch.linspace(0, math.pi / 2, 9), torch.zeros(9)), 1).double()
    found = conditions(Wavy(steepness, frequency), w).exp()
    assert found[0].item() == pytest.approx(C, rel=1e-6) == found[-1].item()
    assert found[4].item() == pytest.approx(1, abs=1e-6) and found.max() <= C * (1 + 1e-9)


def test_a_weak_direction_grows_with_c_and_the_valley_s_distances_are_its_curves() -> None:
    for subject in (paraboloid(6, 0), network()):
        p = subject.problem
        same, weak = (intervened(subject, "weak direction", c).manifold for c in (1.0, C))
        z = p.end.double()
        assert torch.allclose(LatentSpace(same).images(z), LatentSpace(p.manifold).images(z), atol=1e-5)
        assert (conditions(weak, z).exp() > 5 * conditions(same, z).exp()).all()
    # On one meridian the shortest path is the meridian: the arc of a parabola of curvature c^2, scaled.
    valley, x = Valley(10.0), torch.tensor([[0.5, 0.0], [1.4, 0.0]], dtype=torch.float64)
    meridian = x[0] + torch.linspace(0, 1, 65, dtype=torch.float64)[:, None] * (x[1] - x[0])
    length = measure(LatentSpace(valley), meridian[None]).length
    assert valley.distance(x[:1], x[1:]).item() == pytest.approx(length.item(), rel=1e-6)


def test_reactions_are_what_was_planted() -> None:
    """Twenty pairs: one method never changes, one fails from c = 100 on, one fails at c = 10 only."""
    frames = []
    for method, bad in (("level", ()), ("suffers", (100.0, 1000.0)), ("once", (10.0,))):
        for c in (1.0, 10.0, 100.0, 1000.0):
            verdict = ["not solved" if c in bad and pair < 4 else "solved" for pair in range(20)]
            frames.append(pd.DataFrame({
                "subject": "s", "kind": "linear chart", "c": c, "method": method, "pair": range(20),
                "length": [1.1 if v == "not solved" else 1.0 for v in verdict], "verdict": verdict,
            }))  # fmt: skip
    table = pd.concat(frames)
    assert shares(table).loc["s", "linear chart", "suffers"].tolist() == [0, 0, 0.2, 0.2]
    found = reactions(table).loc["s", "linear chart"]
    assert found["invariant"].to_dict() == {"level": True, "suffers": False, "once": False}
    assert found.loc["suffers", "suffers from"] == 100
    assert found["suffers from"].isna().to_dict() == {"level": True, "suffers": False, "once": True}
