"""Latent maps: orientation, bounded chunks and what bad input gets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from pullback.geometry import HyperbolicHalfPlane, LatentSpace, jacobian, latent_map, log_cond, log_det, singular_values

BOX = ((-1.0, 2.0), (0.5, 3.0))


def stretched(z: torch.Tensor) -> torch.Tensor:
    """J = diag(e^x, e^(3 y)): log_det = 2 x + 6 y, log_cond = |x - 3 y|."""
    return torch.stack([z[:, 0].exp(), (3 * z[:, 1]).exp() / 3], dim=-1)


def test_rows_are_y_columns_are_x_and_edges_are_grid_points():
    result = latent_map(stretched, BOX, (4, 7))
    x, y = np.linspace(-1, 2, 4), np.linspace(0.5, 3, 7)
    np.testing.assert_allclose(result.x, x, rtol=1e-15)
    np.testing.assert_allclose(result.y, y, rtol=1e-15)
    np.testing.assert_allclose(result.log_det, 2 * x[None, :] + 6 * y[:, None], atol=1e-12)
    np.testing.assert_allclose(result.log_cond, abs(x[None, :] - 3 * y[:, None]), atol=1e-12)
    assert result.box == BOX


@pytest.mark.parametrize("chunk", [1, 7, 35, 1000])
def test_the_chunk_does_not_change_the_map(chunk):
    torch.manual_seed(0)
    f = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 30), nn.Sigmoid()).eval()
    result = latent_map(f, BOX, (5, 7), chunk=chunk)
    y, x = torch.meshgrid(torch.from_numpy(result.y), torch.from_numpy(result.x), indexing="ij")
    s = singular_values(jacobian(f, torch.stack([x, y], dim=-1)))
    np.testing.assert_allclose(result.log_det, log_det(s), rtol=1e-12)
    np.testing.assert_allclose(result.log_cond, log_cond(s), rtol=1e-12)


def test_rank_deficient_points_are_infinite_and_only_they():
    result = latent_map(lambda z: torch.stack([z[:, 0], z[:, 0] * z[:, 1]], dim=-1), ((0, 1), (1, 2)), 3)
    assert np.array_equal(np.isinf(result.log_det), np.broadcast_to(result.x == 0, (3, 3)))
    assert (result.log_det[:, 0] == -np.inf).all() and (result.log_cond[:, 0] == np.inf).all()
    assert result.log_det.dtype == result.log_cond.dtype == np.float64


@pytest.mark.parametrize(
    "box",
    [
        ((0, 0), (0, 1)),
        ((0, 1), (1, 0)),
        ((0, math.nan), (0, 1)),
        ((0, math.inf), (0, 1)),
        (0, 1),
        ((0, 1, 2), (0, 1, 2)),
        ((0, 1), (0, 1), (0, 1)),
        ((0, 1), (0,)),
        (),
        None,
    ],
)
def test_a_bad_box_is_refused_with_the_shape_wanted_and_got(box):
    with pytest.raises(ValueError, match=r"shape \(2, 2\), finite.*got"):
        latent_map(stretched, box, 5)


@pytest.mark.parametrize("grid", [0, 1, -3, 2.5, math.nan, True, (5,), (5, 5, 5), (5, 1), (5, 2.0), "45", None])
def test_a_bad_grid_is_refused(grid):
    with pytest.raises(ValueError, match="grid must be one integer or two"):
        latent_map(stretched, BOX, grid)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, "many", True])
def test_a_bad_chunk_is_refused(chunk):
    with pytest.raises(ValueError, match=f"chunk must be an integer, at least 1, or None; got {chunk!r}"):
        latent_map(stretched, BOX, 5, chunk=chunk)


def test_a_generator_that_fails_somewhere_names_the_latent_point():
    with pytest.raises(ValueError, match=r"not finite at the latent point \[-1.0, 0.5\]"):
        latent_map(torch.sqrt, BOX, 3)


def test_a_manifold_with_a_metric_only_has_maps():
    """The half-plane, M = I / y^2: log_det = -4 log y, log_cond = 0."""
    found = latent_map(HyperbolicHalfPlane(), BOX, (4, 5))
    np.testing.assert_allclose(found.log_det, np.broadcast_to(-4 * np.log(found.y)[:, None], (5, 4)), atol=1e-12)
    np.testing.assert_allclose(found.log_cond, 0, atol=1e-12)
    with pytest.raises(ValueError, match="the metric is not finite at the latent point"):
        latent_map(HyperbolicHalfPlane(), ((-1, 1), (-1, 1)), 3)


def test_a_latent_space_has_the_map_of_its_generator():
    np.testing.assert_array_equal(
        latent_map(LatentSpace(stretched), BOX, 4).log_det, latent_map(stretched, BOX, 4).log_det
    )


def test_memory_is_bounded_whatever_the_size_of_an_image():
    asked = []

    def large(z):
        asked.append(len(z))
        return z.repeat(1, 5000)

    latent_map(large, BOX, 30)
    assert sum(asked) >= 2 * 900 and max(asked) <= 32  # of 900 points; the check of the generator asks for 28
