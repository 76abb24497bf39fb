"""Knots are kept to a ten-millionth of their curve, and then to the last bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from pullback.study.knots import BITS, packed, rounded, unpacked


def curves(scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Six smooth curves (6, 129, 2)."""
    random = torch.Generator().manual_seed(0)
    t = torch.linspace(0, 1, 129, dtype=torch.float64)[None, :, None]
    ends, bumps = torch.randn(2, 6, 1, 2, dtype=torch.float64, generator=random)
    return scale * (ends + bumps * torch.sin(3 * t) + t**2) + shift


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e6, 0.0), (1e-6, 0.0), (1.0, 100.0), (0.0, 1.0)])
def test_rounding_moves_a_knot_by_at_most_a_half_of_2_to_the_minus_21_of_the_curves_extent(
    scale: float, shift: float
) -> None:
    knots = curves(scale, shift)
    extent = (knots - knots[:, :1]).abs().amax((1, 2), keepdim=True)
    kept = rounded(knots)
    assert bool(((kept - knots).abs() <= extent * 2.0 ** -BITS + 1e-15 * knots.abs()).all())
    assert torch.equal(kept[:, 0], knots[:, 0])


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e6, -3.0), (1e-6, 0.5), (0.0, 1.0)])
def test_what_is_kept_comes_back_to_the_last_bit_and_is_small(scale: float, shift: float) -> None:
    result = {"points": rounded(curves(scale, shift)), "length": torch.rand(6, dtype=torch.float64)}
    again = unpacked(packed(result))
    assert again.keys() == result.keys()
    assert all(torch.equal(again[name], result[name]) for name in result)
    file = io.BytesIO()
    np.savez_compressed(file, **packed(result))
    assert len(file.getvalue()) < result["points"].nbytes / 2


def test_knots_that_are_not_rounded_or_not_finite_are_packed_as_they_are() -> None:
    exact, broken = curves(), curves()
    broken[1, 2, 0] = torch.nan
    assert torch.equal(unpacked(packed({"points": exact}))["points"], exact)
    assert torch.equal(rounded(broken).isnan(), broken.isnan())
    assert torch.equal(unpacked(packed({"points": broken}))["points"].nan_to_num(), broken.nan_to_num())


def test_no_curves_are_no_trouble() -> None:
    assert rounded(torch.zeros(0, 5, 2, dtype=torch.float64)).shape == (0, 5, 2)
