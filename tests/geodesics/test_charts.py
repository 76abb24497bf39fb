"""The box that chords leave: it holds every curve that is short enough."""

from __future__ import annotations

import numpy as np
import torch

from pullback.geodesics.charts import Box, within_chords
from pullback.geodesics.subsolutions import hold
from pullback.geometry import HyperbolicHalfPlane, Sphere

FIRST = Box(np.array([-1.4, -2.0]), np.array([1.4, 2.0]), (32, 32))


def test_curves_no_longer_than_the_bound_stay_in_the_cells_that_chords_leave() -> None:
    ends = torch.tensor([[-0.2, -0.3], [0.3, 0.4]], dtype=torch.float64)
    t = torch.linspace(0, 1, 65, dtype=torch.float64)
    curve = Sphere().curve(ends[:1], ends[1:], t)[0].numpy()
    upper = float(Sphere().distance(ends[:1], ends[1:]))
    box, cells, closed = within_chords(Sphere(), ends.numpy(), 1.001 * upper, FIRST)
    assert np.prod(box.high - box.low) < np.prod(FIRST.high - FIRST.low) / 4 and closed
    assert hold(cells, box.places(curve)).all() and not cells.all()


def test_the_smaller_box_has_as_many_cells_and_they_keep_their_shape() -> None:
    ends = np.array([[-0.05, -0.9], [0.05, 0.9]])
    upper = float(Sphere().distance(*torch.from_numpy(ends)[:, None]))
    box, _, _ = within_chords(Sphere(), ends, 1.001 * upper, FIRST)
    cell, first = ((b.high - b.low) / b.shape for b in (box, FIRST))
    assert box.shape[1] > 1.5 * box.shape[0] and 0.9 * 32**2 < np.prod(box.shape) <= 32**2
    assert abs(cell[0] / cell[1] / (first[0] / first[1]) - 1) < 0.1


def test_where_nothing_is_embedded_the_box_stays() -> None:
    box, cells, closed = within_chords(HyperbolicHalfPlane(), np.array([[0.0, 1.0], [1.0, 1.0]]), 1.0, FIRST)
    assert box is FIRST and cells.all() and not closed
