"""Maps of the metric, and points and curves on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from ... import show
from ...geometry import Box, LatentMap
from ..labels import COLLAPSED_GAN, family, label
from .style import CLASSES, LABELS, PAGE, SMALL

latent_heatmap, ends = show.heatmap, show.ends


def latent_scatter(ax: Axes, codes: ArrayLike, labels: ArrayLike) -> None:
    """Codes (n, 2) coloured by digit; each digit's name stands at the median of its codes."""
    codes, labels = np.asarray(codes), np.asarray(labels)
    colours = np.array(CLASSES)[labels]
    ax.scatter(codes[:, 0], codes[:, 1], s=1.5, c=colours, lw=0, rasterized=True)
    for digit in np.unique(labels):
        x, y = np.median(codes[labels == digit], axis=0)
        text = ax.text(x, y, str(digit), ha="center", va="center", weight="bold", fontsize=9)
        text.set_path_effects([patheffects.withStroke(linewidth=2.5, foreground="white")])
    ax.set(xlabel="$z_1$", ylabel="$z_2$")


def digit_markers(ax: Axes, codes: ArrayLike, labels: ArrayLike, size: float = 16) -> list[PathCollection]:
    """Codes (n, 2) as small white digits, each the class of its image, to be read over a map."""
    codes, labels = np.asarray(codes), np.asarray(labels)
    edge = [patheffects.withStroke(linewidth=0.5, foreground="black")]
    return [
        ax.scatter(x, y, s=size, c="white", marker=f"${digit}$", lw=0, path_effects=edge)
        for digit in np.unique(labels)
        for x, y in [codes[labels == digit].T]
    ]


def colour_bar(ax: Axes | Sequence[Axes], picture: AxesImage, quantity: str) -> None:
    """A colour bar for a map, labelled with its quantity."""
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    axes[0].figure.colorbar(picture, ax=list(axes), label=LABELS[quantity], pad=0.02)


def report_panels(m: LatentMap) -> tuple[plt.Figure, NDArray[np.object_]]:
    """A figure as the report has it: the log-determinant on the left, the log-condition number on the right."""
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 2.9))
    for ax, quantity in zip(axes, LABELS, strict=True):
        colour_bar(ax, latent_heatmap(ax, m, quantity), quantity)
    return fig, axes


def beside(maps: dict[str, LatentMap], limits: dict[str, tuple[float, float]]) -> plt.Figure:
    """Maps by name side by side: the log-determinants above, the log-condition numbers below, each row on the colour
    limits of its quantity. What is NaN is grey."""
    fig, axes = plt.subplots(len(LABELS), len(maps), figsize=(PAGE, 2.2 * len(LABELS)), squeeze=False)
    for row, quantity in zip(axes, LABELS, strict=True):
        for ax, m in zip(row, maps.values(), strict=True):
            picture = latent_heatmap(ax, m, quantity, limits[quantity])
            hidden = np.where(np.isnan(getattr(m, quantity)), 1.0, np.nan)
            ax.imshow(hidden, origin="lower", extent=picture.get_extent(), cmap="Greys", vmin=0, vmax=4)
            ax.set(xlabel="", ylabel="", xlim=m.box[0], ylim=m.box[1])
            ax.tick_params(labelsize=SMALL)
        fig.colorbar(picture, ax=list(row), extend="both", pad=0.01, label=LABELS[quantity])
    for ax, name in zip(axes[0], maps, strict=True):
        ax.set_title(name, fontsize=SMALL, pad=3)
    return fig


def _shared_limits(maps: dict[str, LatentMap], quantity: str) -> tuple[float, float]:
    """One scale for several models: from the lowest 1 % to the highest 99 % quantile of those that have not collapsed.
    Collapsed ones clip, and do not flatten the others."""
    values = [getattr(m, quantity) for name, m in maps.items() if family(name) != COLLAPSED_GAN]
    low, high = np.array([np.quantile(v[np.isfinite(v)], [0.01, 0.99]) for v in values]).T
    return float(low.min()), float(high.max())


def atlas(maps: dict[str, LatentMap], quantity: str) -> plt.Figure:
    """One panel a model, four in a row, all on one colour scale (`_shared_limits`)."""
    limits = _shared_limits(maps, quantity)
    rows = len(maps) // 4
    fig, axes = plt.subplots(rows, 4, figsize=(PAGE, 1.75 * rows))
    for ax, (name, m) in zip(axes.flat, maps.items(), strict=True):
        picture = latent_heatmap(ax, m, quantity, limits)
        ax.set(xlabel="", ylabel="")
        ax.set_title(label(name).replace(", ", "\n"), fontsize=SMALL)
        ax.tick_params(labelsize=SMALL)
    fig.colorbar(picture, ax=axes, label=LABELS[quantity], extend="both", shrink=0.6, pad=0.01)
    return fig


def beyond(maps: dict[str, LatentMap], boxes: dict[str, Sequence[Sequence[float]]]) -> plt.Figure:
    """Both quantities of a few models, one row a quantity on one scale, with each model's box framed in white."""
    fig, axes = plt.subplots(2, len(maps), figsize=(PAGE, 4.4))
    for row, quantity in zip(axes, LABELS, strict=True):
        limits = _shared_limits(maps, quantity)
        for ax, (name, m) in zip(row, maps.items(), strict=True):
            picture = latent_heatmap(ax, m, quantity, limits)
            (x0, x1), (y0, y1) = boxes[name]
            ax.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec="white", lw=1.2))
            ax.set_title(label(name).replace(", ", "\n"), fontsize=SMALL)
        fig.colorbar(picture, ax=row, label=LABELS[quantity], extend="both", pad=0.01)
    return fig


def paths(ax: Axes, curves: ArrayLike, **style: Any) -> LineCollection:
    """Latent curves (B, T, 2) as lines."""
    lines = LineCollection(list(np.asarray(curves)), **{"lw": 1, **style})
    ax.add_collection(lines)
    return lines


def about(box: Box, curves: ArrayLike) -> Box:
    """The least box that holds a box and curves (B, T, 2), two per cent wider."""
    both = np.concatenate((np.array(box).T, np.asarray(curves).reshape(-1, 2)))
    low, high = both.min(0), both.max(0)
    margin = 0.01 * (high - low)
    (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
    return (x0, x1), (y0, y1)
