"""What every method of `geodesic` must do with good and with bad input."""

from __future__ import annotations

import math
import re
import resource
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pullback.geodesics import METHODS, Geodesics, geodesic, measure, problem
from pullback.geodesics.curves import Solution, segment
from pullback.geometry import LatentSpace, Manifold, Sphere
from shared import decoder, pairs, scaling

CODES = torch.cartesian_prod(*[torch.linspace(-3.5, 3.5, 31, dtype=torch.float64)] * 2)
SETTINGS: dict[str, dict[str, Any]] = {  # of methods that need some, or would take long
    "graph": {"codes": CODES, "neighbours": 12},
    "network": {"steps": 20},
    "georce": {"segments": 16, "max_iterations": 50},
    "fixed_point": {"max_iterations": 20},
    "bvp": {"nodes": 5, "max_nodes": 50, "tol": 1e-2},
}
EVERY = pytest.mark.parametrize("method", METHODS)


def solve(f: Manifold | Callable[[Tensor], Tensor], start: Tensor, end: Tensor, method: str, **more: Any) -> Geodesics:
    return geodesic(f, start, end, method=method, **SETTINGS.get(method, {}), **more)


def rows(*values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@EVERY
def test_result_is_of_the_stated_shapes_and_frozen(method: str) -> None:
    start, end = pairs(3, -1, 1)
    found = solve(decoder(), start, end, method)
    n = found.points.shape[1] - 1
    assert isinstance(found, Geodesics) and found.points.shape == (3, n + 1, 2)
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)
    columns = found.length, found.energy, found.criterion, found.log_cond
    assert all(column.shape == (3,) and column.dtype == torch.float64 for column in columns)
    assert found.worst.shape == (3, 2) and found.log_cond.isfinite().all()
    assert found.converged.dtype == torch.bool and found.iterations.dtype == torch.int64
    assert (found.energy >= found.length.square() * (1 - 1e-12)).all() and found.seconds > 0
    with pytest.raises(AttributeError):
        found.length = found.energy  # type: ignore[misc]


@EVERY
def test_the_curve_passes_through_its_points(method: str) -> None:
    found = solve(decoder(), *pairs(2, -1, 1), method)
    t = torch.linspace(0, 1, found.points.shape[1], dtype=torch.float64)
    torch.testing.assert_close(found.curve(t), found.points)
    assert found.curve(torch.tensor([0.25, 0.3, 0.9])).shape == (2, 3, 2)
    for bad in (torch.tensor([0.5, 1.5]), torch.tensor(0.5), torch.tensor([torch.nan])):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            found.curve(bad)


@EVERY
def test_nothing_given_is_modified(method: str) -> None:
    f, (start, end), settings = decoder(), pairs(2, -1, 1), SETTINGS.get(method, {})
    state = {name: value.clone() for name, value in f.state_dict().items()}
    tensors = [start.requires_grad_(), end, CODES]
    copies, random = [a.clone() for a in tensors], torch.get_rng_state()
    names = set(settings)
    found = solve(f, start, end, method)
    assert not any(getattr(found, name).requires_grad for name in ("points", "length", "energy", "criterion"))
    found.points.zero_()
    assert all(a.equal(b) for a, b in zip(tensors, copies, strict=True)) and set(settings) == names
    assert torch.get_rng_state().equal(random)
    assert all(value.equal(state[name]) and value.dtype == state[name].dtype for name, value in f.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in f.parameters())


@EVERY
def test_a_callable_whose_weights_require_gradients_is_solved_as_the_module_is(method: str) -> None:
    f, (start, end) = decoder(gain=1.0).double(), pairs(2, -1, 1)
    module, plain = solve(f, start, end, method), solve(f.__call__, start, end, method)
    assert not plain.points.requires_grad
    torch.testing.assert_close(plain.length, module.length, rtol=1e-4, atol=0)
    assert all(parameter.grad is None for parameter in f.parameters())


@EVERY
def test_a_batch_is_its_pairs_one_by_one(method: str) -> None:
    f, (start, end) = decoder(), pairs(3, -1, 1)
    together = solve(f, start, end, method)
    for i in range(3):
        alone = solve(f, start[i : i + 1], end[i : i + 1], method)
        t = torch.linspace(0, 1, 17, dtype=torch.float64)
        torch.testing.assert_close(alone.curve(t)[0], together.curve(t)[i], rtol=0, atol=1e-6)
        assert alone.iterations[0] == together.iterations[i] and alone.converged[0] == together.converged[i]
        torch.testing.assert_close(alone.length[0], together.length[i], rtol=1e-6, atol=0)


@EVERY
def test_scaling_the_generator_changes_no_iterate(method: str) -> None:
    factor, f, (start, end) = 0.01, decoder(gain=1.0).double(), pairs(2, -1, 1)
    plain, scaled = solve(f.__call__, start, end, method), solve(lambda z: factor * f(z), start, end, method)
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=1e-6)
    torch.testing.assert_close(scaled.length, factor * plain.length, rtol=1e-6, atol=0)
    torch.testing.assert_close(scaled.energy, factor**2 * plain.energy, rtol=1e-6, atol=0)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


@EVERY
@pytest.mark.parametrize(("factor", "atol"), [(128.0, 1e-9), (0.01, 1e-4)])
def test_scaling_a_module_in_single_precision_changes_no_iterate(method: str, factor: float, atol: float) -> None:
    """But by the rounding of float32, in which a method may work at first; a power of two does not round."""
    f, (start, end) = decoder(gain=1.0), pairs(2, -1, 1)
    plain, scaled = (solve(nn.Sequential(f, scaling(50, a)), start, end, method) for a in (1.0, factor))
    torch.testing.assert_close(scaled.points, plain.points, rtol=0, atol=atol)
    assert scaled.iterations.equal(plain.iterations) and scaled.converged.equal(plain.converged)


@EVERY
def test_end_points_in_single_precision(method: str) -> None:
    start, end = (a.float() for a in pairs(2, -1, 1))
    found, expected = solve(decoder(), start, end, method), solve(decoder(), start.double(), end.double(), method)
    assert found.points.equal(expected.points) and found.points.dtype == torch.float64


@EVERY
def test_end_points_outside_the_box_are_solved_with_a_warning_that_says_how_far(method: str) -> None:
    space = LatentSpace(decoder(), box=((-1, 1), (-2, 2)))
    start, end = rows((0, 0), (0.5, -1)), rows((2, 1), (-1, 3))
    with pytest.warns(UserWarning, match=r"2 of 4 end points lie outside the box .* \[2.0, 1.0\] farthest, by 0.5 of"):
        found = solve(space, start, end, method)
    expected = solve(decoder(), start, end, method)
    torch.testing.assert_close(found.length, expected.length)
    assert found.converged.equal(expected.converged)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(space, start, end.clamp(-1, 1), method)


@EVERY
def test_equal_end_points(method: str) -> None:
    point = rows((0.3, -1.7), (0.1, 0.2))
    found = solve(decoder(), point, point, method)
    assert found.converged.all() and (found.criterion == 0).all() and (found.iterations == 0).all()
    assert (found.length == 0).all() and (found.energy == 0).all()
    assert (found.points == point[:, None]).all()


@EVERY
def test_equal_end_points_among_others(method: str) -> None:
    start, end = pairs(3, -1, 1)
    end[1] = start[1]
    found = solve(decoder(), start, end, method)
    assert found.converged[1] and found.length[1] == 0 and (found.points[1] == start[1]).all()
    others = solve(decoder(), start[[0, 2]], end[[0, 2]], method)
    torch.testing.assert_close(found.points[[0, 2]], others.points)
    assert found.converged[[0, 2]].equal(others.converged) and found.iterations[[0, 2]].equal(others.iterations)


@EVERY
@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (torch.zeros(2), torch.zeros(2), r"start \(2,\) and end \(2,\)"),
        (torch.zeros(3, 2), torch.zeros(2, 2), r"start \(3, 2\) and end \(2, 2\)"),
        (torch.zeros(3, 2), torch.zeros(3, 3), r"start \(3, 2\) and end \(3, 3\)"),
        (torch.zeros(0, 2), torch.zeros(0, 2), r"start \(0, 2\) and end \(0, 2\)"),
        (torch.zeros(1, 2), torch.tensor([[0.0, math.nan]]), r"rows \[0\]: start \[\[0.0, 0.0\]\], end \[\[0.0, nan"),
        (torch.tensor([[0.0, 0.0], [0.0, math.inf]]), torch.ones(2, 2), r"rows \[1\]: start \[\[0.0, inf\]\], end"),
        (torch.zeros(1, 2), torch.ones(1, 2, device="meta"), "start on cpu, end on meta"),
        (torch.zeros(1, 2), torch.ones(1, 2).to(torch.complex64), "end must be .* real numbers; got complex"),
    ],
)
def test_end_points_that_do_not_suit_each_other(method: str, start: Tensor, end: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(decoder(), start, end, method)


@EVERY
@pytest.mark.parametrize("f", [decoder(), Sphere(), Sphere().embed], ids=["module", "manifold", "callable"])
def test_a_latent_dimension_that_the_generator_does_not_take(method: str, f: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"end points of shape \(4, 3\), torch.float64, on cpu: .*2"):
        solve(f, *pairs(2, -1, 1, 3), method)


@EVERY
def test_a_generator_on_another_device(method: str) -> None:
    with pytest.raises(ValueError, match="(?s)on cpu: .*meta"):
        solve(decoder().to("meta"), *pairs(2, -1, 1), method)


@EVERY
def test_a_box_of_another_dimension(method: str) -> None:
    with pytest.raises(ValueError, match=re.escape("box ((-1, 1),) must have one (low, high) for each dim") + ".* 2"):
        solve(LatentSpace(decoder(), box=((-1, 1),)), *pairs(2, -1, 1), method)


@EVERY
def test_a_generator_in_training_mode(method: str) -> None:
    with pytest.raises(ValueError, match="training mode: call generator.eval()"):
        solve(decoder().train(), *pairs(2, -1, 1), method)


def test_unknown_method_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=f"unknown method 'magic'; the methods are {', '.join(METHODS)}"):
        geodesic(decoder(), *pairs(1, -1, 1), method="magic")


@EVERY
def test_unknown_settings_are_named_with_the_valid_ones(method: str) -> None:
    with pytest.raises(ValueError, match=f"'{method}' has no setting colour, flavour; its settings are .*segments"):
        solve(decoder(), *pairs(1, -1, 1), method, colour=1, flavour=2)


class Shadow(Manifold):
    """The plane seen from above: the metric has rank 1."""

    def metric(self, z: Tensor) -> Tensor:
        return torch.diag_embed(torch.stack((1 + z[:, 0].square(), 0 * z[:, 0]), 1))


SINGULAR = {
    "a dimension is ignored": lambda z: torch.stack((z[:, 0], z[:, 0].square()), 1),
    "flat within a disc": lambda z: z * (z.square().sum(1, keepdim=True) - 0.25).relu(),
    "constant": lambda z: 0 * z + 1,
    "rank 1, not embedded": Shadow(),
}


@EVERY
@pytest.mark.parametrize("f", SINGULAR.values(), ids=SINGULAR)
def test_a_singular_metric_on_the_way_is_reported_and_never_a_nan_called_converged(method: str, f) -> None:
    start, end = rows((-1, 0.1), (-1, -0.2)), rows((1, 0.1), (1, 0.1))
    with pytest.warns(UserWarning, match=r"singular, or nearly so, on [12] of 2 curves: .* \[.*\], .* number is inf"):
        found = solve(f, start, end, method)
    assert (found.log_cond == torch.inf).any() and found.worst.isfinite().all()
    assert found.points[:, 0].equal(start) and found.points[:, -1].equal(end)
    assert (found.points.flatten(1).isfinite().all(1) & found.length.isfinite()).all()
    assert not found.criterion[found.converged].isnan().any()


@EVERY
def test_a_regularised_metric_still_gives_the_shortest_curve(method: str) -> None:
    """f sees one of two dimensions: every curve without a detour is shortest, along the parabola."""
    with pytest.warns(UserWarning, match="singular"):
        found = solve(SINGULAR["a dimension is ignored"], rows((0, 0)), rows((1, 1)), method)
    assert found.length.item() == pytest.approx((2 * math.sqrt(5) + math.asinh(2)) / 4, rel=1e-3)


@EVERY
def test_a_metric_that_is_not_finite_on_the_way(method: str) -> None:
    """Nothing is known where |z_0| < 1/2; the second pair lies beyond."""

    def broken(z: Tensor) -> Tensor:
        return torch.cat(((z[:, :1].square() - 0.25).sqrt(), z), 1)

    start, end = rows((-1, 0), (1, 0)), rows((1, 0.3), (2, 1))
    with pytest.warns(UserWarning, match=r"not finite on 1 of 2 curves, first at the latent point \[-?0.*, .*\]"):
        found = solve(broken, start, end, method)
    alone = solve(broken, start[1:], end[1:], method)
    assert not found.converged[0] and found.length[0].isnan()
    assert found.converged[1] == alone.converged[0]
    t = torch.linspace(0, 1, 17, dtype=torch.float64)
    torch.testing.assert_close(found.curve(t)[1], alone.curve(t)[0], rtol=0, atol=1e-6)


def test_an_end_point_where_the_metric_is_not_finite() -> None:
    with pytest.raises(ValueError, match=r"not finite at the end point \[-1.0, 2.0\]"):
        geodesic(torch.sqrt, rows((1, 1), (-1, 2)), rows((2, 2), (2, 2)))


@pytest.mark.parametrize("bad", [None, "a", {}, object(), [[0.0, None]], torch.zeros(1, 2).bool()])
def test_end_points_that_are_no_arrays(bad: object) -> None:
    with pytest.raises(TypeError, match="end must be a tensor, a numpy array or a nested list of real numbers"):
        geodesic(Sphere(), [[0.0, 0.0]], bad)


def test_end_points_as_lists_arrays_integers_and_in_half_precision() -> None:
    expected = geodesic(Sphere(), torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.5]]))
    for start, end in (
        ([[0, 0]], [[1.0, 0.5]]),
        (np.zeros((1, 2), dtype=np.int32), np.array([[1.0, 0.5]])),
        (torch.zeros(1, 2, dtype=torch.int64), torch.tensor([[1.0, 0.5]], dtype=torch.float16)),
    ):
        assert geodesic(Sphere(), start, end).points.equal(expected.points)


def test_one_start_goes_to_many_ends() -> None:
    start, ends = torch.tensor([[0.1, 0.2]]).double(), pairs(3, -1, 1)[1]
    found = geodesic(Sphere(), start, ends)
    assert found.points.shape[0] == 3 and found.points[:, 0].equal(start.expand(3, 2))
    torch.testing.assert_close(found.length, Sphere().distance(start.expand(3, 2), ends), rtol=2e-3, atol=0)


def test_a_generator_that_hides_part_of_its_graph_on_the_way_is_refused_by_its_chords() -> None:
    """Near the end points all is honest, so that the check of the generator passes; a hill between them is hidden."""

    def hidden(z: Tensor) -> Tensor:
        hill = 5 * (1 - (z[:, :1] / 0.3).square()).clamp(min=0) ** 2
        return torch.cat((z, hill.detach()), 1)

    start, end = torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    with pytest.raises(ValueError, match="times as far apart as their derivatives say.* f hides part of its graph"):
        geodesic(hidden, start, end, method="straight")
    line = geodesic(lambda z: torch.cat((z, 0 * z[:, :1]), 1), start, end, method="straight")
    assert line.length.item() == pytest.approx(2)


@pytest.mark.parametrize("method", ["newton", "spline", "network", "georce", "bvp", "fixed_point"])
def test_no_curve_is_longer_than_the_straight_line_and_converged(method: str) -> None:
    """Near a pole of the sphere, where solvers go astray; and a planted solver that returns a detour."""
    start = torch.tensor([[lat, 0.0] for lat in (1.0, 1.1, 1.2, 1.3, 1.4)]).double()
    end = start + torch.tensor([0.0, 3.0]).double()
    line = geodesic(Sphere(), start, end, method="straight").length
    found = geodesic(Sphere(), start, end, method=method)
    assert not (found.converged & (found.length > (1 + 1e-4) * line)).any()


def test_a_planted_detour_is_not_called_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    def detour(manifold: Manifold, start: Tensor, end: Tensor) -> Solution:
        points = segment(start, end, 16)
        points[:, 1:-1, 0] += 1
        none = torch.zeros(len(start), dtype=torch.int64)
        return Solution(points, none.double(), ~none.bool(), none)

    monkeypatch.setitem(problem.METHODS, "georce", detour)
    assert not geodesic(Sphere(), torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]]), method="georce").converged


def test_a_metric_that_never_settles_is_measured_in_bounded_memory() -> None:
    """Rounding makes this metric rough at every scale, so that its panels are halved as often as may be."""

    class Rough(Manifold):
        def metric(self, z: Tensor) -> Tensor:
            noise = (z.sum(1) * 1e6).sin() ** 2 + 0.5
            return noise[:, None, None] * torch.eye(2, dtype=z.dtype)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    length = measure(Rough(), torch.linspace(0, 1, 257, dtype=torch.float64)[None, :, None].expand(1, 257, 2)).length
    expected = torch.linspace(0, torch.pi, 10_001, dtype=torch.float64).sin().square().add(0.5).sqrt().mean()
    assert length.item() == pytest.approx(2**0.5 * expected.item(), rel=0.01)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000  # kB; 1.1 GB for the splines alone
