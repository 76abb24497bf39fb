"""Metrics that are to know where their data are: wide maps, paths about a ring, and what turns a knob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from ...geometry import Box, LatentMap
from .maps import latent_heatmap, paths
from .style import CLASSES, SMALL

RELATIVE = r"$\log\,\det M$, less its median at the codes"


def wide_maps(
    axes: Sequence[Axes], maps: Mapping[str, LatentMap], sparsity: NDArray[np.float64], box: Box
) -> tuple[float, float]:
    """One panel a metric, all on one colour scale, which is returned: from the lowest 2 % to the highest 98 % quantile
    of any of them. In white the line about the codes beyond which data are sparse (`sparsity` 1, on the maps' points),
    and dashed the box in which paths are sought."""
    ends = np.array([np.quantile(m.log_det[np.isfinite(m.log_det)], (0.02, 0.98)) for m in maps.values()])
    limits = float(ends[:, 0].min()), float(ends[:, 1].max())
    for ax, (name, m) in zip(axes, maps.items(), strict=True):
        picture = latent_heatmap(ax, m, "log_det", limits)
        ax.contour(m.x, m.y, sparsity, levels=[1.0], colors="white", linewidths=0.8)
        outline(ax, box)
        ax.set(xlabel="", ylabel="")
        ax.set_title(name, fontsize=SMALL + 0.5)
        ax.tick_params(labelsize=SMALL)
    bar = axes[0].figure.colorbar(picture, ax=list(axes), label=RELATIVE, extend="both", pad=0.01, shrink=0.8)
    bar.ax.tick_params(labelsize=SMALL)
    return limits


def outline(ax: Axes, box: Box) -> None:
    """A box, dashed."""
    (x0, x1), (y0, y1) = box
    ax.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], "--", color="white", lw=0.7)


def profiles(ax: Axes, found: Mapping[str, tuple[NDArray[np.float64], ...]], circle: float) -> None:
    """Heights against distances from the middle, a line a metric; dotted, the distance at which the codes are."""
    for i, (name, (distance, height)) in enumerate(found.items()):
        ax.plot(distance, height, color=CLASSES[i], ls=("-", "--")[i % 2], lw=2.6 - 0.3 * i, label=name)
    ax.axvline(circle, color="black", lw=0.8, ls=":")
    ax.set(xlabel="distance from the middle", ylabel=RELATIVE)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2)  # type: ignore[union-attr]


def codes_with_images(ax: Axes, codes: ArrayLike, places: ArrayLike, images: ArrayLike, box: Box) -> None:
    """Codes (n, 2) in grey, and images (m, 784) at places (m, 2) in latent space."""
    z, middles, pictures = np.asarray(codes), np.asarray(places), np.asarray(images)
    ax.scatter(z[:, 0], z[:, 1], s=0.4, c="0.6", lw=0, rasterized=True)
    half = (box[0][1] - box[0][0]) / 14
    for (x, y), picture in zip(middles, pictures, strict=True):
        extent = (x - half, x + half, y - half, y + half)
        ax.imshow(picture.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1, extent=extent, zorder=2)
    ax.set(xlim=box[0], ylim=box[1], aspect="equal", xlabel="$z_1$", ylabel="$z_2$")


def metric_paths(
    axes: Sequence[Axes], codes: ArrayLike, found: Mapping[str, ArrayLike], box: Box
) -> None:
    """One panel a metric: its paths (B, T, 2), one colour a pair, over the codes (n, 2) in grey; discs are ends."""
    z = np.asarray(codes)
    for ax, (name, curves) in zip(axes, found.items(), strict=True):
        curves = np.asarray(curves)
        colours = [CLASSES[i % len(CLASSES)] for i in range(len(curves))]
        ax.scatter(z[:, 0], z[:, 1], s=0.4, c="0.75", lw=0, rasterized=True)
        paths(ax, curves, colors=colours, lw=1.2)
        for end in (curves[:, 0], curves[:, -1]):
            ax.scatter(end[:, 0], end[:, 1], s=6, c=colours, lw=0, zorder=3)
        ax.set(xlim=box[0], ylim=box[1], aspect="equal")
        ax.set_title(name, fontsize=SMALL + 0.5, pad=2)
        ax.tick_params(labelsize=SMALL)


def seeds_by_path(
    axes: Sequence[Axes],
    table: pd.DataFrame,
    names: Sequence[str],
    columns: Mapping[str, str],
    limits: Mapping[str, float],
) -> None:
    """Of `by_seed` of the rings or of MNIST, one panel a column, labelled by its value, and in it one row a path: a dot
    a seed, one colour for what it is judged on, and a bar at their mean. Where the table has the straight lines of the
    same latent space, a ring stands at their mean. Dotted, a column's limit. Rows without a record say so."""
    groups = list(dict.fromkeys(table["on"]))
    for ax, (column, told) in zip(axes, columns.items(), strict=True):
        for row, path in enumerate(names):
            if not (table["path"] == path).any():
                ax.text(0.5, row, "not measured", ha="center", va="center", fontsize=SMALL, color="0.4",
                        transform=ax.get_yaxis_transform())  # fmt: skip
            for i, on in enumerate(groups):
                rows = table[(table["path"] == path) & (table["on"] == on)]
                own, line = rows[column].dropna(), rows.get(f"{column}, straight line", pd.Series(dtype=float)).mean()
                place = row + 0.8 * ((i + 0.5) / len(groups) - 0.5)
                label = on if row == 0 else None
                ax.plot(own, np.full(len(own), place), "o", ms=2.5, color=CLASSES[i], alpha=0.7, label=label)
                if len(own):
                    ax.vlines(own.mean(), place - 0.2, place + 0.2, color="black", lw=1)
                if np.isfinite(line):
                    ax.plot(line, place, "o", ms=4, mfc="none", mec="black", mew=0.7)
        if column in limits:
            ax.axvline(limits[column], color="black", lw=0.8, ls=":")
        ax.set_yticks(range(len(names)), names)
        ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=told)
        if not (table[column] < 0).any():
            ax.set_xlim(left=0)
    if len(groups) > 1:
        axes[0].plot([], [], "o", ms=4, mfc="none", mec="black", mew=0.7, label="its straight lines, mean")
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def knob_dots(axes: Sequence[Axes], table: pd.DataFrame, knobs: Sequence[str], columns: Mapping[str, str]) -> None:
    """Of `knobs` of the rings or of MNIST, one row of panels a knob and in it one a column, labelled by its value: a
    dot a seed against the knob, a line through the means; dashed, the straight line between the same points. A panel
    without a record says so."""
    wanted = [(knob, *column) for knob in knobs for column in columns.items()]
    for ax, (knob, column, told) in zip(axes, wanted, strict=True):
        own = table[table["knob"] == knob]
        ax.set(xlabel=knob, ylabel=told)
        if own.empty:
            ax.set(xticks=[], yticks=[])
            ax.text(0.5, 0.5, "not measured", ha="center", va="center", transform=ax.transAxes)
            continue
        line = f"{column}, straight line"
        means = own.groupby("value")[[column, line]].mean()
        ax.plot(own["value"], own[column], "o", ms=3, color=CLASSES[0], alpha=0.7)
        ax.plot(means.index, means[column], "-", color=CLASSES[0], lw=1.2, label="shortest path")
        ax.plot(means.index, means[line], "--", color="black", lw=1, label="straight line")
        ax.set(xscale="log", ylim=(0, 1.1 * table[[column, line]].max().max()))
        ax.set_xticks(list(means.index), [f"{value:g}" for value in means.index])
        ax.minorticks_off()
    if len(table):
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
