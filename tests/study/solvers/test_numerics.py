"""The four arithmetics give one metric, as nearly as each can; costs are what is planted."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from pullback.geometry import LatentSpace
from pullback.study.solvers.interventions import Valley
from pullback.study.solvers.numerics import ARITHMETICS, MetricOf, costs

TOLERANCE = {
    "exact, float64": 1e-12, "exact, float32": 1e-5, "quotients, float64": 1e-8, "quotients, float32": 1e-3,
}  # fmt: skip


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 5)).eval()


@pytest.mark.parametrize("f", [Valley(2.0), network()], ids=["valley", "network"])
@pytest.mark.parametrize("name", ARITHMETICS)
def test_an_arithmetic_is_as_exact_as_it_can_be_and_no_more(f: nn.Module, name: str) -> None:
    z = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact, manifold = LatentSpace(f), MetricOf(f, *ARITHMETICS[name])
    found, truth = manifold.metric(z), exact.metric(z)
    error = (found - truth).abs().max() / truth.abs().max()
    assert found.dtype == torch.float64 and error < TOLERANCE[name]
    assert error > 1e-9 or "float32" not in name
    slope, truth = (torch.func.jacrev(lambda w, m=m: m.metric(w[None]).sum())(z[0]) for m in (manifold, exact))
    assert torch.allclose(slope, truth, rtol=0.05, atol=0.05 * truth.abs().max().item())


def test_the_metric_of_a_stretched_chart_drowns_in_float32_where_the_module_says() -> None:
    """Its smaller eigenvalue is 1 / c^2 of the larger one, and float32 has 24 bits."""
    def smaller(c: float, name: str) -> float:
        f = nn.Linear(2, 2, bias=False).double()
        turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
        f.weight.data.copy_(turn @ torch.diag(torch.tensor([c, 1.0], dtype=torch.float64)) @ turn.T)
        M = MetricOf(f, *ARITHMETICS[name]).metric(torch.zeros(1, 2, dtype=torch.float64))
        return float(torch.linalg.eigvalsh(M)[0, 0])

    assert smaller(100.0, "exact, float32") == pytest.approx(1, rel=0.1)
    assert not 0.5 < smaller(1e5, "exact, float32") < 2
    assert smaller(1e5, "exact, float64") == pytest.approx(1, rel=0.01)


def test_costs_are_what_was_planted() -> None:
    frames = [
        pd.DataFrame({
            "subject": "s", "method": "m", "arithmetic": name, "c": c, "pair": range(10),
            "verdict": ["not solved" if name == "exact, float32" and c > 5 else "solved"] * 10,
        })
        for name in ARITHMETICS
        for c in (1.0, 10.0, 100.0)
    ]  # fmt: skip
    found = costs(pd.concat(frames)).loc["s", "m"]
    assert found.loc["exact, float32", "costs"] == 10
    assert found["costs"].isna().sum() == 3
