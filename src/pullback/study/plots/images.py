"""Images on their own: grids of digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from ...show import cells
from .style import SMALL


def tiled(images: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Images (n, 784), row by row from the top left, as one array (28 rows, 28 columns)."""
    images = np.asarray(images, dtype=float)
    if images.ndim != 2 or images.shape[1] != 784 or len(images) % columns:
        raise ValueError(f"images must have shape (rows * {columns}, 784), got {images.shape}")
    return images.reshape(-1, columns, 28, 28).swapaxes(1, 2).reshape(-1, columns * 28)


def image_grid(ax: Axes, images: ArrayLike, columns: int, rows: Sequence[str] = ()) -> AxesImage:
    """Images (n, 784) as a grid, ink dark on white; without axes, `rows` written to the left of its rows."""
    ax.set_axis_off()
    for row, text in enumerate(rows):
        ax.text(-6, 28 * row + 14, text, ha="right", va="center", fontsize=SMALL)
    return ax.imshow(tiled(images, columns), cmap="gray_r", vmin=0, vmax=1)


def decoded_grid(ax: Axes, images: ArrayLike, box: Sequence[Sequence[float]]) -> AxesImage:
    """Images (n * n, 784) decoded on a grid over a latent box, first row at the bottom, on the box's axes."""
    side = round(len(np.asarray(images)) ** 0.5)
    rows = np.asarray(images).reshape(side, side, -1)[::-1].reshape(side * side, -1)
    picture = ax.imshow(tiled(rows, side), cmap="gray_r", vmin=0, vmax=1, extent=cells(box, side, side), aspect="equal")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return picture
