"""The knots of curves as they are kept on disk: rounded, so that they take a fifth of the space when they travel.

A curve's knots (n + 1, k) are its first one plus whole multiples of a power of two, 2^-22 to 2^-21 of the curve's
extent. So they are right to 2.4e-7 of it, and what is computed from kept curves is the same wherever they are kept.
Packed, they are second differences of these whole numbers, byte by byte: most of those bytes are zero, and compress.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BITS = 22  # of a whole number, beside its sign


def rounded(knots: Tensor) -> Tensor:
    """Knots (B, n + 1, k), float64, as they are kept. A batch that is not all finite stays as it is."""
    return unpacked(pack(knots.numpy()))["points"] if bool(knots.isfinite().all()) and knots.numel() else knots


def packed(result: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """The tensors of a result, by name, as arrays that compress: its `points`, if they are `rounded`, are packed.
    `unpacked` gives every bit again."""
    arrays = {name: value.numpy() for name, value in result.items()}
    if "points" in result and torch.equal(rounded(result["points"]), result["points"]):
        arrays |= pack(arrays.pop("points"))
    return arrays


def pack(knots: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """First knots (B, 1, k), steps (B, 1, 1) and the bytes (4, B, n, k) of whole numbers; knots are finite."""
    first = knots[:, :1]
    _, exponent = np.frexp(np.abs(knots - first).max((1, 2), keepdims=True))
    step = np.ldexp(1.0, exponent - BITS)
    bends = np.diff(np.rint((knots - first) / step).astype("<i4"), axis=1)
    bends[:, 1:] = np.diff(bends, axis=1)
    return {"first": first, "step": step, "bends": np.moveaxis(bends[..., None].view(np.uint8), -1, 0)}


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The result that `packed` made into arrays."""
    arrays = dict(arrays)
    if "bends" in arrays:
        first, step, planes = (arrays.pop(name) for name in ("first", "step", "bends"))
        bends = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view("<i4")[..., 0]
        whole = bends.astype(np.int64).cumsum(1).cumsum(1)
        arrays["points"] = np.concatenate((first, first + step * whole), axis=1)
    return {name: torch.from_numpy(value) for name, value in arrays.items()}
