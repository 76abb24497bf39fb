"""A benchmark's file gives back what was put in, and scores what was planted."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from pullback import geodesic
from pullback.benchmark import THINNED, Pairs, dump, load, score, thinned
from pullback.geodesics import measure
from pullback.geometry import HyperbolicHalfPlane, Sphere


def sphere_pairs(count: int = 6) -> Pairs:
    start, end = torch.rand(2, count, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    truth = Sphere().distance(start, end)
    curves = thinned(Sphere(), Sphere().curve(start, end, torch.linspace(0, 1, 257, dtype=torch.float64)))
    return Pairs("0123456789abcdef", start, end, truth, truth * (1 - 1e-9), curves)


def test_a_file_gives_back_what_was_put_in() -> None:
    pairs = sphere_pairs()
    found = load(io.BytesIO(dump({"a": pairs, "b": replace(pairs, weights="other")})))
    assert list(found) == ["a", "b"] and found["b"].weights == "other"
    for name in ("start", "end", "upper", "lower"):
        assert torch.equal(getattr(found["a"], name), getattr(pairs, name))
    assert all(torch.equal(x, y) for x, y in zip(found["a"].curves, pairs.curves, strict=True))


def test_a_file_of_something_else_is_refused() -> None:
    content = io.BytesIO()
    np.savez(content, format=np.array(99))
    with pytest.raises(ValueError, match="no benchmark of format 1"):
        load(io.BytesIO(content.getvalue()))


def test_thinning_keeps_the_length_and_takes_more_knots_where_a_curve_bends_more() -> None:
    plane, t = HyperbolicHalfPlane(), torch.linspace(0, 1, 257, dtype=torch.float64)
    start = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    end = torch.tensor([[0.1, 1.0], [60.0, 1.0]], dtype=torch.float64)
    curves = thinned(plane, plane.curve(start, end, t))
    for curve, truth in zip(curves, plane.distance(start, end), strict=True):
        length = measure(plane, curve[None].double(), 1e-8).length
        assert length.item() == pytest.approx(truth.item(), rel=1.1 * THINNED)
    assert len(curves[0]) < len(curves[1]) < 257


def test_scores_are_what_was_planted() -> None:
    """Newton's curves are the shortest. Three of six pairs get bounds under which they are not solved, or undecided."""
    pairs = sphere_pairs()
    points = geodesic(Sphere(), pairs.start, pairs.end).points
    found = score(Sphere(), pairs, points)
    assert (found.pairs, found.solved, found.not_solved, found.undecided) == (6, 1, 0, 0)
    assert abs(found.excess) < 1e-3
    upper, lower = pairs.upper.clone(), pairs.lower.clone()
    upper[0], lower[1:3] = 0.9 * upper[0], 0.0
    lower[0] = 0.9 * lower[0]
    found = score(Sphere(), replace(pairs, upper=upper, lower=lower), points)
    assert (found.solved, found.not_solved, found.undecided) == pytest.approx((3 / 6, 1 / 6, 2 / 6))


def test_curves_that_do_not_join_their_end_points_are_refused() -> None:
    pairs = sphere_pairs()
    points = geodesic(Sphere(), pairs.start, pairs.end).points
    points[2, 0] += 0.01
    with pytest.raises(ValueError, match=r"curves \[2\] do not join"):
        score(Sphere(), pairs, points)
    with pytest.raises(ValueError, match="points must have shape"):
        score(Sphere(), pairs, points[:3])
