"""Drawing only: arrays and an axes in, artists out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from ..geometry import LatentMap
from .records.quantities import BADLY_CONDITIONED

COLUMN, PAGE = 3.4, 7.0  # inches: the widths of a column and of a page of text
LABELS = {"log_det": r"$\log\,\det J^\top J$", "log_cond": r"$\log\,(s_{\max}/s_{\min})$"}
MAPS = {"log_det": "viridis", "log_cond": "cividis"}
RANK_DEFICIENT = "#d81b60"  # in neither colour map
CLASSES = sns.color_palette("colorblind", 10)


def use_style() -> None:
    """One look for all figures: small sans-serif text that is readable at column width."""
    sns.set_theme(
        context="paper",
        style="ticks",
        palette="colorblind",
        rc={
            "font.size": 8,
            "axes.labelsize": 8,
            "axes.titlesize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "legend.fontsize": 7,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "image.interpolation": "nearest",
            "pdf.fonttype": 42,
            "mathtext.fontset": "stixsans",
        },
    )


def loss_curves(ax: Axes, histories: dict[str, Sequence[float]], ylabel: str) -> None:
    """One line a model: loss against epoch, named by its key."""
    for (name, losses), style in zip(histories.items(), ("-", "--", "-.", ":") * 4, strict=False):
        ax.plot(range(1, len(losses) + 1), losses, style, label=name, lw=1)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.legend()


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


def tiled(images: ArrayLike, columns: int) -> NDArray[np.float64]:
    """Images (n, 784), row by row from the top left, as one array (28 rows, 28 columns)."""
    images = np.asarray(images, dtype=float)
    if images.ndim != 2 or images.shape[1] != 784 or len(images) % columns:
        raise ValueError(f"images must have shape (rows * {columns}, 784), got {images.shape}")
    return images.reshape(-1, columns, 28, 28).swapaxes(1, 2).reshape(-1, columns * 28)


def image_grid(ax: Axes, images: ArrayLike, columns: int) -> AxesImage:
    """Images (n, 784) as a grid, ink dark on white; without axes."""
    ax.set_axis_off()
    return ax.imshow(tiled(images, columns), cmap="gray_r", vmin=0, vmax=1)


def _cells(box: Sequence[Sequence[float]], columns: int, rows: int) -> tuple[float, float, float, float]:
    """The extent of an image whose outermost pixels have their centres on the edges of a box."""
    (x_min, x_max), (y_min, y_max) = box
    x, y = (x_max - x_min) / (2 * (columns - 1)), (y_max - y_min) / (2 * (rows - 1))
    return x_min - x, x_max + x, y_min - y, y_max + y


def decoded_grid(ax: Axes, images: ArrayLike, box: Sequence[Sequence[float]]) -> AxesImage:
    """Images (n * n, 784) decoded on a grid over a latent box, first row at the bottom, on the box's axes."""
    side = round(len(np.asarray(images)) ** 0.5)
    rows = np.asarray(images).reshape(side, side, -1)[::-1].reshape(side * side, -1)
    picture = ax.imshow(tiled(rows, side), cmap="gray_r", vmin=0, vmax=1, extent=_cells(box, side, side), aspect="auto")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return picture


def latent_heatmap(ax: Axes, m: LatentMap, quantity: str, limits: tuple[float, float] | None = None) -> AxesImage:
    """log_det or log_cond over the map's box; rank-deficient points in a colour of their own."""
    values = getattr(m, quantity)
    cmap = plt.get_cmap(MAPS[quantity]).with_extremes(bad=RANK_DEFICIENT)
    low, high = limits or (None, None)
    finite = np.ma.masked_invalid(values)
    picture = ax.imshow(
        finite, origin="lower", extent=_cells(m.box, len(m.x), len(m.y)), aspect="auto", cmap=cmap, vmin=low, vmax=high
    )
    ax.set(xlabel="$z_1$", ylabel="$z_2$", xlim=m.box[0], ylim=m.box[1])
    return picture


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


def _shared_limits(maps: dict[str, LatentMap], quantity: str) -> tuple[float, float]:
    """One scale for several models on which collapsed ones clip and do not flatten the others: from the median over
    the models of their 1 % quantiles to the upper quartile of their 99 % quantiles."""
    values = [getattr(m, quantity) for m in maps.values()]
    ends = np.array([np.quantile(v[np.isfinite(v)], [0.01, 0.99]) for v in values])
    return float(np.quantile(ends[:, 0], 0.5)), float(np.quantile(ends[:, 1], 0.75))


def atlas(maps: dict[str, LatentMap], quantity: str) -> plt.Figure:
    """One panel a model, four in a row, all on one colour scale (`_shared_limits`)."""
    limits = _shared_limits(maps, quantity)
    rows = len(maps) // 4
    fig, axes = plt.subplots(rows, 4, figsize=(PAGE, 1.75 * rows))
    for ax, (name, m) in zip(axes.flat, maps.items(), strict=True):
        picture = latent_heatmap(ax, m, quantity, limits)
        ax.set(xlabel="", ylabel="")
        ax.set_title(name, fontsize=6.5)
        ax.tick_params(labelsize=5.5)
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
            ax.set_title(name, fontsize=7)
        fig.colorbar(picture, ax=row, label=LABELS[quantity], extend="both", pad=0.01)
    return fig


def paths(ax: Axes, curves: ArrayLike, **style: Any) -> LineCollection:
    """Latent curves (B, T, 2) as lines."""
    lines = LineCollection(list(np.asarray(curves)), **{"lw": 1, **style})
    ax.add_collection(lines)
    return lines


def share_table(ax: Axes, shares: pd.DataFrame) -> None:
    """Shares in [0, 1], one row a model and one column a digit, as shaded cells with their percentages."""
    sns.heatmap(
        shares,
        ax=ax,
        cmap="cividis",
        vmin=0,
        vmax=0.3,
        annot=True,
        fmt=".0%",
        annot_kws={"size": 7},
        cbar_kws={"label": "share of samples", "extend": "max"},
    )
    ax.set(xlabel="digit", ylabel="")


def ratio_boxes(ax: Axes, ratios: dict[str, NDArray[np.float64]]) -> None:
    """Straight over geodesic length, one box a model: quartiles, and whiskers from the 5 to the 95 % quantile."""
    ax.boxplot(
        list(ratios.values()),
        orientation="horizontal",
        whis=(5, 95),
        tick_labels=list(ratios),
        flierprops={"marker": ".", "ms": 2},
        medianprops={"color": CLASSES[3]},
    )
    ax.axvline(1, color="black", lw=0.8, ls=":")
    ax.invert_yaxis()
    ax.set_xlabel("length of the straight line over that of the geodesic")


def condition_ranges(ax: Axes, table: pd.DataFrame) -> None:
    """One bar a model from the 5 to the 95 % quantile of log_cond, its median as a dot; dashed: the threshold."""
    rows = np.arange(len(table))
    families = table.index.str.split("-").str[0] + np.where(table.index.str.endswith("-r1"), " healthy", "")
    for colour, family in zip(CLASSES, families.unique(), strict=False):
        own = families == family
        ax.hlines(rows[own], table["log_cond 5 %"][own], table["log_cond 95 %"][own], color=colour, lw=4, alpha=0.6)
        ax.plot(table["log_cond median"][own], rows[own], "o", ms=4, color=colour, mec="black", mew=0.5)
    ax.axvline(np.log(BADLY_CONDITIONED), color="black", lw=0.8, ls="--")
    ax.set_yticks(rows, table.index)
    ax.invert_yaxis()
    ax.set_xlabel(LABELS["log_cond"])


def performance_profile(ax: Axes, shares: pd.DataFrame) -> None:
    """One step line a column: the share of pairs within 1 + excess of the optimum, against the excess (the index)."""
    for i, (method, column) in enumerate(shares.items()):
        style = ("-", "--", ":")[i // len(CLASSES)]
        ax.step(shares.index, column, style, where="post", color=CLASSES[i % len(CLASSES)], lw=1.2, label=method)
    ax.set(xscale="log", xlabel="length above the optimum, relative", ylabel="share of pairs", ylim=(-0.02, 1.02))


def share_against_time(ax: Axes, shares: pd.Series, milliseconds: pd.Series) -> None:
    """One dot a method, in the colours of `performance_profile`."""
    for i, (method, share) in enumerate(shares.items()):
        ax.plot(milliseconds[method], share, "o", ms=5, color=CLASSES[i % len(CLASSES)], label=method)
    ax.set(xscale="log", xlabel="milliseconds a pair", ylabel="share of pairs solved", ylim=(-0.02, 1.02))


def excess_boxes(ax: Axes, records: pd.DataFrame, least: float) -> None:
    """Length above the optimum, one row a method and in it one box a family: quartiles, whiskers from the 5 to the 95 %
    quantile. Excesses are drawn as at least `least`, the resolution, and at most 10."""
    excess = (records["ratio"] - 1).clip(least, 10)
    methods, families = records["method"].unique(), records["family"].unique()
    for i, (colour, family) in enumerate(zip(CLASSES, families, strict=False)):
        own = records["family"] == family
        boxes = ax.boxplot(
            [excess[own & (records["method"] == method)] for method in methods],
            positions=np.arange(len(methods)) + 0.8 * ((i + 0.5) / len(families) - 0.5),
            orientation="horizontal",
            widths=0.6 / len(families),
            whis=(5, 95),
            patch_artist=True,
            label=family,
            boxprops={"facecolor": colour, "lw": 0.5},
            medianprops={"color": "black"},
            flierprops={"marker": ".", "ms": 1.5, "mec": colour},
            manage_ticks=False,
        )
        plt.setp(boxes["whiskers"] + boxes["caps"], lw=0.6)
    ax.set(xscale="log", xlabel="length above the optimum, relative", ylim=(len(methods) - 0.5, -0.5))
    ax.set_yticks(np.arange(len(methods)), methods)
    ax.legend()


def intervals(ax: Axes, groups: dict[str, pd.DataFrame]) -> None:
    """Estimates with their intervals (columns value, low, high), one line a row, one colour a group; groups share
    their rows and are drawn beside each other. A dotted line at zero."""
    rows = next(iter(groups.values())).index
    for i, (colour, (name, group)) in enumerate(zip(CLASSES, groups.items(), strict=False)):
        y = np.arange(len(rows)) + 0.7 * ((i + 0.5) / len(groups) - 0.5)
        ax.hlines(y, group["low"], group["high"], color=colour, lw=1.5)
        ax.plot(group["value"], y, "o", ms=3, color=colour, label=name)
    ax.axvline(0, color="black", lw=0.8, ls=":")
    ax.set_yticks(np.arange(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("rank correlation")


def share_lines(ax: Axes, shares: pd.DataFrame) -> None:
    """One line a column: a share against the index, in the colours of `performance_profile`."""
    for i, (method, column) in enumerate(shares.items()):
        ax.plot(shares.index, column, "o-", ms=2.5, lw=1, color=CLASSES[i % len(CLASSES)], label=method)
    ax.set(ylabel="share of pairs not solved", ylim=(-0.02, 1.02))


FAMILY_COLOURS = dict(zip(("VAE", "DAE", "healthy GAN", "GAN as printed"), CLASSES, strict=False))
VERDICTS = {"supported": (CLASSES[2], "o"), "contradicted": (CLASSES[3], "X"), "undecided": (CLASSES[7], "D")}
FURTHEST = 100.0  # half-widths of the interval beyond which the scorecard's axis ends


def decisiveness(part: dict[str, Any]) -> float:
    """How far a part's effect lies on the supporting side of its threshold, in half-widths of its interval: beyond 1
    it is supported, below -1 contradicted. NaN without an interval, at most FURTHEST either way."""
    if part["interval"] is None:
        return np.nan
    low, high = part["interval"]
    margin = {
        "above": part["effect"] - part["threshold"],
        "below": part["threshold"] - part["effect"],
        "within": part["threshold"] - abs(part["effect"]),
    }[part["side"]]
    half = max((high - low) / 2, 1e-12)
    return float(np.clip(margin / half, -FURTHEST, FURTHEST))


def scorecard(ax: Axes, results: Sequence[dict[str, Any]]) -> None:
    """One row a claim: each of its parts at its decisiveness, in the colour and shape of the part's verdict, the
    headline larger; a claim of too few seeds is grey and says so."""
    for row, r in enumerate(results):
        for p in reversed(r["parts"]):
            colour, shape = VERDICTS.get(p["verdict"], ("0.75", "o"))
            size = 34 if p is r["parts"][0] else 12
            ax.scatter(decisiveness(p), row, s=size, color=[colour], marker=shape, lw=0, zorder=3)
        told = r["reason"] if "seeds" in r["reason"] else r["verdict"]
        ax.text(1.01, row, told, transform=ax.get_yaxis_transform(), va="center", fontsize=6)
    ax.axvspan(-1, 1, color="0.92", zorder=0)
    ax.axvline(0, color="black", lw=0.6)
    ax.set_xscale("symlog", linthresh=1, linscale=0.7)
    ax.set_xticks([-100, -10, -1, 0, 1, 10, 100], ["-100", "-10", "-1", "0", "1", "10", "100"])
    ax.set(xlim=(-2 * FURTHEST, 2 * FURTHEST), ylim=(len(results) - 0.5, -0.5))
    ax.set_yticks(range(len(results)), [f"{r['statement'].rstrip('.')}  {r['id']}" for r in results], fontsize=6)
    ax.set_xlabel("from the threshold, in half-widths\nof the 95 % interval", fontsize=7)
    ax.grid(axis="y", color="0.9", lw=0.5)
    for name, (colour, shape) in VERDICTS.items():
        ax.scatter([], [], s=20, color=[colour], marker=shape, lw=0, label=name)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def claim_parts(axes: Sequence[Axes], results: Sequence[dict[str, Any]]) -> None:
    """One panel a claim, all on one scale; in it one row a part: a dot a seed and the interval of their mean, in the
    colour of the part's verdict. A part is supported where the whole interval lies on the shaded side of its row."""
    parts = [p for r in results for p in r["parts"]]
    numbers = [v for p in parts for v in (*p["values"].values(), p["threshold"], *(p["interval"] or ()))]
    margin = 0.05 * (max(numbers) - min(numbers) or 1)
    low, high = min(numbers) - margin, max(numbers) + margin
    for ax, r in zip(axes, results, strict=True):
        for row, p in enumerate(r["parts"]):
            colour, values, bound = VERDICTS.get(p["verdict"], ("0.5", ""))[0], p["values"].values(), p["threshold"]
            shaded = {"above": (bound, high), "below": (low, bound), "within": (-bound, bound)}[p["side"]]
            ax.fill_betweenx([row - 0.45, row + 0.45], *shaded, color="0.92", lw=0)
            ax.plot(values, row + np.linspace(-0.25, 0.25, len(values)), "o", ms=2.5, color=colour, alpha=0.7)
            if p["interval"]:
                ax.hlines(row, *p["interval"], color=colour, lw=2)
        ax.set(xlim=(low, high), ylim=(len(r["parts"]) - 0.5, -0.5))
        ax.set_yticks(range(len(r["parts"])), [p["label"] for p in r["parts"]], fontsize=6)
        ax.set_title(f"{r['id']}: {r['statement'].rstrip('.')}", fontsize=7)


def seed_dots(axes: Sequence[Axes], table: pd.DataFrame, columns: Sequence[str], log: Sequence[str] = ()) -> None:
    """One panel a column of the table, in it one column a model, coloured by family: a dot a seed and a bar at their
    mean. Columns in `log` have a logarithmic scale."""
    groups = list(table.groupby("model", sort=False))
    for ax, column in zip(axes, columns, strict=True):
        for x, (_, own) in enumerate(groups):
            values = own[column].dropna().to_numpy()
            colour = FAMILY_COLOURS[own["family"].iloc[0]]
            ax.plot(x + np.linspace(-0.2, 0.2, len(values)), values, "o", ms=2, color=colour, alpha=0.8)
            if len(values):
                ax.hlines(values.mean(), x - 0.35, x + 0.35, color="black", lw=1)
        if column in log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(column)
        ax.set_xticks(range(len(groups)), [str(name) for name, _ in groups], rotation=90, fontsize=5)


def against_size(axes: Sequence[Axes], table: pd.DataFrame, columns: Sequence[str]) -> None:
    """One panel a column against the number of training images: a dot a seed, a line through the means, one colour a
    family."""
    for ax, column in zip(axes, columns, strict=True):
        for family, own in table.groupby("family", sort=False):
            means = own.groupby("images")[column].mean()
            ax.plot(means.index, means, "-", color=FAMILY_COLOURS[str(family)], lw=1.2, label=family)
            ax.plot(own["images"], own[column], "o", ms=2.5, color=FAMILY_COLOURS[str(family)], alpha=0.6)
        ax.set(xscale="log", xlabel="training images", ylabel=column)
    if len(table):
        axes[0].legend()


def against_sparsity(axes: Sequence[Axes], table: pd.DataFrame, columns: dict[str, str]) -> None:
    """One panel a column, labelled by its value, against sparsity: the median over models and seeds, a band from the
    5 to the 95 % quantile, one colour a family; dotted where a point is as sparse as the data."""
    for ax, (column, label) in zip(axes, columns.items(), strict=True):
        for family, own in table.groupby("family", sort=False):
            groups = own.dropna().groupby("sparsity")[column]
            middle, low, high = (groups.quantile(q) for q in (0.5, 0.05, 0.95))
            colour = FAMILY_COLOURS[str(family)]
            ax.fill_between(middle.index, low, high, color=colour, alpha=0.2, lw=0)
            ax.plot(middle.index, middle, color=colour, lw=1.3, label=family)
        ax.axvline(1, color="black", lw=0.8, ls=":")
        ax.set(xscale="log", xlabel="sparsity", ylabel=label)
    if len(table):
        axes[0].legend()


def curve_quality(axes: Sequence[Axes], table: pd.DataFrame, columns: dict[str, str]) -> None:
    """One panel a column, labelled by its value: for each family the straight line (hollow) and the geodesic (filled),
    one pair of dots, joined, a seed."""
    families = list(table["family"].unique())
    for ax, (column, label) in zip(axes, columns.items(), strict=True):
        for x, family in enumerate(families):
            own = table[table["family"] == family].pivot(index="seed", columns="curve", values=column)
            colour = FAMILY_COLOURS[family]
            for i, (straight, geodesic) in enumerate(zip(own["straight"], own["geodesic"], strict=True)):
                shift = 0.05 * (i - (len(own) - 1) / 2)
                ax.plot([x - 0.2 + shift, x + 0.2 + shift], [straight, geodesic], "-", color=colour, lw=0.7)
                ax.plot(x - 0.2 + shift, straight, "o", ms=3.5, mfc="white", mec=colour)
                ax.plot(x + 0.2 + shift, geodesic, "o", ms=3.5, color=colour)
        ax.set_xticks(range(len(families)), [name.replace(" ", "\n", 1) for name in families], fontsize=6)
        ax.set_title(label)


def solved_dots(ax: Axes, table: pd.DataFrame) -> None:
    """Share of pairs solved, one column a method and in it one a family: a dot a model and seed, a bar at the mean."""
    methods, families = list(table["method"].unique()), list(table["family"].unique())
    for i, family in enumerate(families):
        for x, method in enumerate(methods):
            own = table[(table["family"] == family) & (table["method"] == method)]["solved"].dropna()
            place = x + 0.8 * ((i + 0.5) / len(families) - 0.5)
            jitter = np.linspace(-0.06, 0.06, len(own))
            ax.plot(place + jitter, own, "o", ms=2, color=FAMILY_COLOURS[family], alpha=0.6,
                    label=family if x == 0 else None)
            if len(own):
                ax.hlines(own.mean(), place - 0.09, place + 0.09, color="black", lw=1)
    ax.set_xticks(range(len(methods)), methods)
    ax.set(ylabel="share of pairs solved", ylim=(-0.03, 1.03))
    if families:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
