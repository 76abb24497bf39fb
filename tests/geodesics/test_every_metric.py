"""The solvers on the metrics that know where the data are, by the shortest path that two grids agree on.

The fast solvers meet every metric. The others meet one that is embedded and two that are not.
"""

from __future__ import annotations

import pytest
import torch

from metrics import NAMES, codes, metrics
from pullback import geodesic, shortest_path
from pullback.geodesics import METHODS
from shared import pairs

SETTINGS = {"graph": {"codes": codes(2, 400)}, "bvp": {"nodes": 8}, "georce": {"segments": 16}}
BEST: dict[str, torch.Tensor] = {}
FAST, FEW = ("straight", "newton", "spline", "fixed_point"), ("radial", "gaussian", "process")
CASES = [
    (method, name)
    for method in METHODS
    for name in NAMES
    if name != "bare callables" and (method in FAST or name in FEW)
]


def shortest(name: str) -> torch.Tensor:
    if name not in BEST:
        start, end = pairs(1, -1, 1)
        found = shortest_path(metrics()[name], start, end, [(-2, 2), (-2, 2)], grid=32, reach=4, segments=32, effort=0)
        assert found.agreed.all()
        BEST[name] = found.length
    return BEST[name]


@pytest.mark.parametrize(("method", "name"), CASES)
def test_a_solver_runs_on_a_metric(method: str, name: str) -> None:
    start, end = pairs(1, -1, 1)
    found = geodesic(metrics()[name], start, end, method=method, **SETTINGS.get(method, {}))
    assert found.length.isfinite().all()
    assert (found.length >= (1 - 1e-3) * shortest(name)).all()
    if method == "newton":
        assert found.converged.all()
        torch.testing.assert_close(found.length, shortest(name), rtol=2e-3, atol=0)
    assert (found.length[found.converged] <= 1.1 * shortest(name)[found.converged]).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 3])
def test_newton_in_other_dimensions(name: str, k: int) -> None:
    start, end = pairs(2, -0.7, 0.7, k)
    found = geodesic(metrics(k)[name], start, end)
    straight = geodesic(metrics(k)[name], start, end, method="straight")
    assert found.converged.all() and (found.length <= straight.length * (1 + 1e-4)).all()
