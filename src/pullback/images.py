"""How a vector of values is shown as an image, where nothing says its shape."""

from __future__ import annotations

from math import isqrt


def square_shape(size: int) -> tuple[int, int, int] | None:
    """(channels, height, width) of square images of `size` values; None if they cannot be such."""
    for channels in (1, 3):
        side = isqrt(size // channels)
        if channels * side**2 == size and side > 1:
            return channels, side, side
    return None
