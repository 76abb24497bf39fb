"""The ring of one rotated digit at smoke size: the data, the measures, and every metric's way from end to end."""

from __future__ import annotations

import math

import pytest
import torch

from pullback.study import data, rings


@pytest.fixture(scope="module")
def digit() -> rings.Ring:
    images, labels = data.load("train", sample=True)
    return rings.ring(images[labels == 7][0], 200)


def test_a_quarter_turn_is_a_turn_of_the_grid_of_pixels(digit: rings.Ring) -> None:
    first, quarter, half = (digit.images[i].reshape(28, 28) for i in (0, 50, 100))
    turns = [torch.rot90(first, k) for k in (1, -1)]
    assert min(float((quarter - turned).abs().max()) for turned in turns) < 1e-4
    torch.testing.assert_close(half, torch.rot90(first, 2), rtol=0, atol=1e-4)
    assert (digit.codes - rings.on_circle(digit.angles)).norm(dim=1).mean().item() == pytest.approx(0.0627, rel=0.15)


def test_the_true_way_is_judged_true_and_a_false_one_false(digit: rings.Ring) -> None:
    """A decoder that looks its image up: on the circle nothing is off but the spacing of the angles."""

    def truth(z: torch.Tensor) -> torch.Tensor:
        turn = torch.remainder(torch.atan2(z[:, 1], z[:, 0]), 2 * math.pi)
        return digit.images[(turn / (2 * math.pi) * 200).round().long() % 200]

    found = rings.compare(digit, truth, {}, count=6)  # type: ignore[arg-type]
    circle, straight = found["circle"], found["straight line"]
    assert circle.off_largest.max() == 0 and circle.leaves.max() < 1e-12 and circle.angle.max() < 0.9 + 1e-6
    apart = (rings.pairs(6)[1] - rings.pairs(6)[0]) / 2
    torch.testing.assert_close(straight.leaves, 1 - apart.cos(), rtol=0, atol=2e-3)
    assert (straight.angle > circle.angle).all()


def test_even_points_are_evenly_spaced() -> None:
    t = torch.linspace(0, 1, 2001, dtype=torch.float64) ** 3
    points = rings.even(rings.on_circle(t)[None], 9)
    expected = rings.on_circle(torch.linspace(0, 1, 9, dtype=torch.float64))
    torch.testing.assert_close(points[0], expected, rtol=0, atol=1e-3)


def test_every_metric_is_compared(digit: rings.Ring) -> None:
    members = [rings.train_decoder(digit, seed, epochs=20, batch=100) for seed in (0, 1)]
    again = rings.train_decoder(digit, 0, epochs=20, batch=100)
    assert all(a.equal(b) for a, b in zip(members[0].parameters(), again.parameters(), strict=True))
    spaces = rings.manifolds(digit, members[0], members)
    assert len(spaces) == 3 + len(rings.ZETAS) + len(rings.FLOORS)
    names = ("deterministic", "Fisher-Rao", "ensemble", "RBF, zeta 1", "density, floor 0.1")
    some = {name: spaces[name] for name in names}
    found = rings.compare(digit, members[0], some, count=2, grid=32)
    assert list(found) == ["straight line", "circle", *some]
    for judged in found.values():
        assert all(values.shape == (2,) and values.isfinite().all() for values in judged)
