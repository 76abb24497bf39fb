"""The softened metric under which distances are marched."""

from __future__ import annotations

import numpy as np

from pullback.geodesics.subsolutions import soft

NINE = [(i, j) for i in range(3) for j in range(3)]


def tables(n: int, m: int) -> np.ndarray:
    """Random metrics (2 n + 1, 2 m + 1, 3), of condition numbers up to a hundred."""
    random = np.random.default_rng(0)
    J = random.standard_normal((2 * n + 1, 2 * m + 1, 2, 2)) * random.uniform(0.1, 10, (2 * n + 1, 2 * m + 1, 1, 1))
    return packed(np.swapaxes(J, -1, -2) @ J)


def packed(M: np.ndarray) -> np.ndarray:
    return np.stack((M[..., 0, 0], M[..., 0, 1], M[..., 1, 1]), -1)


def squares(M: np.ndarray, v: np.ndarray) -> np.ndarray:
    return M[..., 0] * v[0] ** 2 + 2 * M[..., 1] * v[0] * v[1] + M[..., 2] * v[1] ** 2


def test_no_vector_is_more_than_three_times_as_long_as_at_any_place_of_its_cell() -> None:
    table = tables(6, 5)
    found = soft(table)
    assert found.shape == (6, 5, 3)
    for angle in np.linspace(0, np.pi, 50):
        v = np.array([np.cos(angle), np.sin(angle)])
        shortest = np.min([squares(table[i : i + 11 : 2, j : j + 9 : 2], v) for i, j in NINE], axis=0)
        assert (squares(found, v) <= 9 * (1 + 1e-9) * shortest).all()


def test_it_is_the_inverse_of_the_mean_of_the_inverses() -> None:
    table = tables(4, 4)
    M = table[..., [0, 1, 1, 2]].reshape(9, 9, 2, 2)
    mean = np.mean([np.linalg.inv(M[i : i + 7 : 2, j : j + 7 : 2]) for i, j in NINE], axis=0)
    np.testing.assert_allclose(soft(table), packed(np.linalg.inv(mean)), rtol=1e-9)


def test_a_constant_metric_stays_as_it_is_and_places_without_one_are_left_out() -> None:
    constant = np.broadcast_to([2.0, -0.5, 0.7], (9, 7, 3)).copy()
    np.testing.assert_allclose(soft(constant), constant[1::2, 1::2], rtol=1e-12)
    constant[0, 0], constant[3, 3], constant[6, 4] = np.nan, np.nan, 0.0  # a corner, a middle, a singular side
    found = soft(constant)
    assert np.isnan(found[1, 1]).all() and np.isnan(found).any(-1).sum() == 1
    np.testing.assert_allclose(found[np.isfinite(found).all(-1)], np.tile([2.0, -0.5, 0.7], (11, 1)), rtol=1e-12)


def test_where_the_metric_vanishes_it_is_left_as_it_is() -> None:
    assert (soft(np.zeros((5, 5, 3))) == 0).all()
