"""Pictures of a latent space: a map of its metric, curves on the map, and the film that a curve decodes to.

`figure` makes the whole picture in one call. `heatmap`, `curves`, `ends`, `ellipses` and `film` draw its parts into
axes of your own: arrays in, artists out. All work for any generator and any manifold with a two-dimensional latent
space; a manifold without an embedding has no film. The colours can be told apart with any colour vision, and in grey.

Needs matplotlib: `pip install "pullback[plot]"`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .geodesics import Curves, geodesic
from .geometry import Embedded, Generator, LatentMap, Manifold, as_manifold, latent_map
from .images import square_shape

try:
    from matplotlib import patheffects
    from matplotlib import pyplot as plt
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PatchCollection, PathCollection
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.patches import Ellipse
except ImportError as error:
    raise ImportError('pullback.show draws with matplotlib: pip install "pullback[plot]"') from error

LABELS = {"log_det": r"$\log\,\det J^\top J$", "log_cond": r"$\log\,(s_{\max}/s_{\min})$"}
MAPS = {"log_det": "viridis", "log_cond": "cividis"}
RANK_DEFICIENT = "#d81b60"  # in neither colour map
WIDTH = 3.4  # inches: a column of text
MARGIN = 0.15  # of the curves' extent, about them, where no box says what to map


def figure(
    f: Manifold | Generator,
    found: Curves,
    *,
    box: Sequence[Sequence[float]] | None = None,
    quantity: str = "log_det",
    grid: int = 96,
    pair: int = 0,
    frames: int = 9,
    shape: Sequence[int] | None = None,
) -> Figure:
    """A map of f with curves on it, and under it what one pair's straight line and curve decode to.

    found : what `geodesic` or `shortest_path` returned for f. Curves are solid, straight lines between the same points
        dashed; a disc marks where a curve starts, a square where it ends.
    box : ((x_min, x_max), (y_min, y_max)) to map, in latent units; by default the manifold's own box, or else one
        about the curves. `grid` is the number of points of the map along each side.
    quantity : "log_det" or "log_cond", as in `LatentMap`.
    pair : which of the curves is decoded, at `frames` equal steps of its time, and `shape` of its images, as in `film`.

    Returns a figure as wide as a column of text. Raises ValueError for an unknown quantity or pair, and for a latent
    space that is not two-dimensional.
    """
    points = np.asarray(found.points)
    if points.shape[-1] != 2:
        raise ValueError(f"a map needs a two-dimensional latent space; these curves have {points.shape[-1]} dimensions")
    if quantity not in LABELS:
        raise ValueError(f"quantity must be one of {', '.join(LABELS)}; got {quantity!r}")
    if not -len(points) <= pair < len(points):
        raise ValueError(f"there is no pair {pair} among {len(points)} curves")
    manifold = as_manifold(f)
    box = box or manifold.box or _about(points)
    embedded = manifold if isinstance(manifold, Embedded) else None  # a metric alone has no images to show
    (x0, x1), (y0, y1) = box
    height = 0.68 * WIDTH * min(max((y1 - y0) / (x1 - x0), 0.3), 3)
    with plt.rc_context({"font.size": 8, "axes.titlesize": 7, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        fig = plt.figure(figsize=(WIDTH, height + (0.5 if embedded is None else 1.7)), layout="compressed")
        rows = fig.add_gridspec(3, 1, height_ratios=(height + 0.4, 0.5, 0.5)) if embedded else fig.add_gridspec(1, 1)
        ax = fig.add_subplot(rows[0])
        fig.colorbar(heatmap(ax, latent_map(f, box, grid), quantity), ax=ax, label=LABELS[quantity], pad=0.02)
        curves(ax, points[:, [0, -1]], linestyle="--", linewidth=0.9)
        curves(ax, found.curve(torch.linspace(0, 1, 201, dtype=torch.float64)))
        ends(ax, points[:, 0], points[:, -1])
        if embedded is not None:
            for row, (name, images) in enumerate(_films(embedded, found, pair, frames).items(), 1):
                strip = fig.add_subplot(rows[row])
                film(strip, images, shape)
                strip.set_title(name, pad=2)
    return fig


def heatmap(
    ax: Axes, m: LatentMap, quantity: str = "log_det", limits: tuple[float, float] | None = None
) -> AxesImage:
    """A map over its box, one latent unit as long along both axes; points where the Jacobian is rank deficient have a
    colour of their own, RANK_DEFICIENT. `limits` are those of the colours, by default the least and largest value."""
    colours = plt.get_cmap(MAPS[quantity]).with_extremes(bad=RANK_DEFICIENT)
    low, high = limits or (None, None)
    picture = ax.imshow(
        np.ma.masked_invalid(getattr(m, quantity)), origin="lower", extent=cells(m.box, len(m.x), len(m.y)),
        aspect="equal", cmap=colours, vmin=low, vmax=high,
    )  # fmt: skip
    ax.set(xlabel="$z_1$", ylabel="$z_2$", xlim=m.box[0], ylim=m.box[1])
    return picture


def curves(ax: Axes, points: ArrayLike, **style: Any) -> LineCollection:
    """Latent curves (B, T, 2) as white lines with a dark edge, which can be seen on every colour; `style` is passed to
    matplotlib's LineCollection."""
    style = {"color": "white", "linewidth": 1.4, "capstyle": "round", **style}
    edge = patheffects.withStroke(linewidth=style["linewidth"] + 1, foreground="black")
    lines = LineCollection(list(np.asarray(points)), path_effects=[edge], **style)
    ax.add_collection(lines)
    return lines


def ends(ax: Axes, start: ArrayLike, end: ArrayLike) -> list[PathCollection]:
    """Where curves start (B, 2), as discs, and where they end (B, 2), as squares."""
    look: dict[str, Any] = {"s": 18, "color": "white", "edgecolor": "black", "linewidth": 0.8, "zorder": 3}
    return [ax.scatter(*np.asarray(z).T, marker=marker, **look) for z, marker in ((start, "o"), (end, "s"))]


def ellipses(ax: Axes, z: ArrayLike, metric: ArrayLike, size: float, **style: Any) -> PatchCollection:
    """About each of the points z (n, 2), the small steps that change the data by `size`, in the metric M (n, 2, 2):
    the ellipse of all v with <v, M v> = size^2. It is short where, and in the direction in which, the data change
    fast. `style` is passed to matplotlib's PatchCollection."""
    values, vectors = np.linalg.eigh(np.asarray(metric))
    widths = 2 * size / np.sqrt(values)
    angles = np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
    shapes = [Ellipse(p, *w, angle=a) for p, w, a in zip(np.asarray(z), widths, angles, strict=True)]
    found = PatchCollection(shapes, **{"facecolor": "none", "edgecolor": "black", "linewidth": 0.8, **style})
    ax.add_collection(found)
    return found


def film(
    ax: Axes, images: ArrayLike, shape: Sequence[int] | None = None, limits: tuple[float, float] | None = None
) -> AxesImage:
    """Images (T, N), or (T, ...), beside each other, without axes.

    shape : (height, width) of grey images, or (channels, height, width); without it, square images of one or three
        channels where N allows that. Other data are drawn as they are, each vector a column from the top.
    limits : the values that are black and white, by default the least and largest.
    """
    data = np.asarray(images, dtype=float)
    data = data.reshape(len(data), -1)
    low, high = limits or (data.min(), data.max())
    ax.set_axis_off()
    sizes = square_shape(data.shape[1]) if shape is None else tuple(shape)
    if sizes is None:
        return ax.imshow(data.T, cmap="gray", vmin=low, vmax=high, aspect="auto")
    if len(sizes) not in (2, 3) or np.prod(sizes) != data.shape[1] or (len(sizes) == 3 and sizes[0] not in (1, 3)):
        raise ValueError(
            f"shape must be (height, width) or (1 or 3 channels, height, width) of {data.shape[1]} values; got {shape}"
        )
    channels, height, width = (1, *sizes) if len(sizes) == 2 else sizes
    strip = data.reshape(-1, channels, height, width).transpose(2, 0, 3, 1).reshape(height, -1, channels)
    scaled = np.clip((strip - low) / (high - low or 1.0), 0, 1)
    return ax.imshow(scaled[..., 0] if channels == 1 else scaled, cmap="gray", vmin=0, vmax=1)


def cells(box: Sequence[Sequence[float]], columns: int, rows: int) -> tuple[float, float, float, float]:
    """The extent (left, right, bottom, top) of a picture whose outermost pixels have their centres on a box's edges."""
    (x_min, x_max), (y_min, y_max) = box
    x, y = (x_max - x_min) / (2 * (columns - 1)), (y_max - y_min) / (2 * (rows - 1))
    return x_min - x, x_max + x, y_min - y, y_max + y


def _films(manifold: Embedded, found: Curves, pair: int, frames: int) -> dict[str, torch.Tensor]:
    """The images (frames, N) along one pair's straight line and curve, each under its name and length."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the caller heard of end points outside the box when `found` was made
        straight = geodesic(manifold, found.points[[pair], 0], found.points[[pair], -1], method="straight")
    times = torch.linspace(0, 1, frames, dtype=torch.float64)
    return {
        f"straight line: length {straight.length[0]:.3g}": manifold.images(straight.curve(times)[0]),
        f"curve: length {found.length[pair]:.3g}": manifold.images(found.curve(times)[pair]),
    }


def _about(points: NDArray[np.float64]) -> list[tuple[float, float]]:
    """A box about curves (B, n + 1, 2), MARGIN wider, no side shorter than two thirds of the other."""
    low, high = points.min((0, 1)), points.max((0, 1))
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.maximum(half, half.max() * 2 / 3) * (1 + 2 * MARGIN)
    return [(float(m - h), float(m + h)) for m, h in zip(middle, np.where(half > 0, half, 1.0), strict=True)]
