"""Singular values and what follows from them, against prescribed spectra and exact invariances."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.geometry import log_cond, log_det, singular_values


def matrices(n: int, N: int, s: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """n matrices (N, k) with the singular values s (k,) and random singular vectors."""
    random = torch.Generator().manual_seed(seed)
    U = torch.linalg.qr(torch.randn(n, N, len(s), generator=random, dtype=torch.float64)).Q
    V = torch.linalg.qr(torch.randn(n, len(s), len(s), generator=random, dtype=torch.float64)).Q
    return U * s @ V.mT


@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("exponent", range(9))
def test_log_cond_is_right_to_1e_6_for_condition_numbers_up_to_1e8(k, exponent):
    s = torch.logspace(2, 2 - exponent, k, dtype=torch.float64)
    found = singular_values(matrices(20, 784, s))
    torch.testing.assert_close(found, s.expand(20, k), rtol=1e-6, atol=0)
    expected = torch.full((20,), exponent * math.log(10), dtype=torch.float64)
    torch.testing.assert_close(log_cond(found), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det(found), 2 * s.log().sum().expand(20), rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(k=st.integers(1, 4), N=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_any_shape_agrees_with_lapack_and_has_the_rank_it_can_have(k, N, seed):
    J = torch.randn(2, 3, N, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    s = singular_values(J)
    rank = min(N, k)
    assert s.shape == (2, 3, k)
    assert (s[..., rank:] == 0).all() and (s[..., :-1] >= s[..., 1:]).all()
    expected = torch.linalg.svdvals(J)
    assert ((s[..., :rank] - expected).abs() <= 1e-13 * expected[..., :1]).all()


def deficient() -> dict[str, tuple[torch.Tensor, int]]:
    """Matrices of 30 rows by name, each with its rank."""
    random = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 30, generator=random, dtype=torch.float64)
    zero = torch.zeros_like(a)
    named = {
        "zero column first": ([zero, a], 1),
        "zero column last": ([a, zero], 1),
        "collinear": ([a, -3 * a], 1),
        "collinear in three": ([a, b, 0.1 * a + 0.7 * b], 2),
        "equal and tiny in three": ([a, a, 1e-9 * b], 2),
        "all zero": ([zero, zero], 0),
        "zero, one dimension": ([zero], 0),
    }
    return {name: (torch.stack(columns, dim=-1), rank) for name, (columns, rank) in named.items()}


@pytest.mark.parametrize("name", deficient())
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_a_rank_deficient_jacobian_is_exactly_so_at_every_scale(name, scale):
    J, rank = deficient()[name]
    s = singular_values(scale * J)
    assert (s > 0).sum() == rank
    assert log_det(s) == -math.inf and log_cond(s) == math.inf


def test_deficient_neighbours_do_not_change_a_jacobian():
    J = matrices(4, 30, torch.tensor([1.0, 1e-6], dtype=torch.float64))
    mixed = torch.cat([J, torch.zeros_like(J), 1e-200 * J])
    torch.testing.assert_close(singular_values(mixed)[:4], singular_values(J), rtol=1e-9, atol=0)


@settings(max_examples=40, deadline=None)
@given(exponent=st.integers(-290, 290), k=st.integers(1, 3))
def test_scaling_the_generator_shifts_log_det_and_leaves_log_cond(exponent, k):
    J = matrices(3, 50, torch.logspace(0, -6, k, dtype=torch.float64), seed=k)
    s, scaled = singular_values(J), singular_values(J * 10.0**exponent)
    torch.testing.assert_close(log_cond(scaled), log_cond(s), rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det(scaled), log_det(s) + 2 * k * exponent * math.log(10), rtol=1e-12, atol=1e-8)


def test_entries_of_very_different_size_keep_their_rank():
    J = torch.zeros(5, 2, dtype=torch.float64)
    J[0, 0], J[1, 1] = 1e-200, 3e-200
    torch.testing.assert_close(log_cond(singular_values(J)).item(), math.log(3))
    J[1, 1] = 1.0
    assert log_cond(singular_values(J)) == math.inf


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_an_isometry_of_data_space_changes_nothing(k):
    J = matrices(5, 60, torch.logspace(1, -3, k, dtype=torch.float64))
    Q = torch.linalg.qr(torch.randn(60, 60, dtype=torch.float64)).Q
    torch.testing.assert_close(singular_values(Q @ J), singular_values(J), rtol=1e-10, atol=0)


def test_orthogonal_columns_of_equal_length_are_perfectly_conditioned():
    s = singular_values(3 * torch.eye(7, 2, dtype=torch.float64))
    assert log_cond(s) == 0
    torch.testing.assert_close(log_det(s).item(), 4 * math.log(3))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_jacobian_that_is_not_finite_is_refused(bad, k):
    J = torch.ones(2, 5, k)
    J[1, 2, 0] = bad
    with pytest.raises(ValueError, match=rf"\(2, 5, {k}\) must be finite"):
        singular_values(J)


def test_a_jacobian_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(\.\.\., N, k\) with N, k >= 1, got \(3,\)"):
        singular_values(torch.ones(3))
