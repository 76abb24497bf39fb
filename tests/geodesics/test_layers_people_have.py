"""The solvers on decoders whose layers torch differentiates twice only with care, or not at all.

All of them meet attention, group norm and a piecewise linear layer; the other layers meet the fast ones.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pullback.geodesics import METHODS, geodesic
from shared import pairs


class Attention(nn.Module):
    """Four tokens that look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.spread, self.attend = nn.Linear(2, 32), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, z: Tensor) -> Tensor:
        tokens = self.spread(z).unflatten(1, (4, 8))
        return self.attend(tokens, tokens, tokens, need_weights=False)[0].flatten(1)


LAYERS = {
    "SiLU": lambda: nn.SiLU(),
    "Mish": lambda: nn.Mish(),
    "Hardsigmoid": lambda: nn.Hardsigmoid(),
    "GroupNorm": lambda: nn.Sequential(nn.GroupNorm(4, 16), nn.Tanh()),
    "LayerNorm": lambda: nn.Sequential(nn.LayerNorm(16), nn.Tanh()),
}


FAST, WITH_ALL = ("straight", "newton", "spline", "fixed_point"), ("Hardsigmoid", "GroupNorm", "attention")


def network(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name == "attention":
            return nn.Sequential(Attention(), nn.Linear(32, 20)).eval()
        return nn.Sequential(nn.Linear(2, 16), LAYERS[name](), nn.Linear(16, 20)).eval()


@pytest.mark.parametrize("name", [*LAYERS, "attention"])
def test_solvers_run_and_no_converged_curve_is_longer_than_the_shortest_by_much(name: str) -> None:
    f, (start, end) = network(name), pairs(2, -1, 1)
    codes = pairs(300, -1.2, 1.2, seed=1)[0]
    found = {
        method: geodesic(f, start, end, method=method, **({"codes": codes} if method == "graph" else {}))
        for method in (METHODS if name in WITH_ALL else FAST)
    }
    best = found["newton"].length
    assert found["newton"].converged.all()
    for method, curves in found.items():
        assert curves.length.isfinite().all()
        if method not in ("straight", "graph"):
            assert (curves.length[curves.converged] <= 1.01 * best[curves.converged]).all(), method


def test_what_cannot_work_is_named_by_its_layer_before_anything_is_computed() -> None:
    pool = nn.FractionalMaxPool2d(2, output_size=2)
    f = nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4)), pool, nn.Flatten())
    for method in ("newton", "spline", "bvp"):
        with pytest.raises(ValueError, match="FractionalMaxPool2d.*draws its regions at random"):
            geodesic(f.eval(), *pairs(1, -1, 1), method=method)


@pytest.mark.parametrize("factor", [1e-15, 1e15])
def test_the_scale_of_the_generator_changes_no_curve(factor: float) -> None:
    f, (start, end) = network("SiLU").double(), pairs(3, -1, 1)
    plain, scaled = geodesic(f.__call__, start, end), geodesic(lambda z: factor * f(z), start, end)
    torch.testing.assert_close(scaled.length / factor, plain.length, rtol=1e-6, atol=0)
    assert scaled.converged.all() and plain.converged.all()
