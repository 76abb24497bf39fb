"""What the records of several seeds say, a dot a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..labels import COLLAPSED_GAN, architecture, family, label
from ..records.quantities import BADLY_CONDITIONED
from .style import FAMILY_COLOURS, LABELS, SMALL


def condition_ranges(ax: Axes, table: pd.DataFrame) -> None:
    """One bar a model from the 5 to the 95 % quantile of log_cond, its median as a dot; dashed: the threshold."""
    rows = np.arange(len(table))
    families = table.index.map(family)
    for name in families.unique():
        own, colour = families == name, FAMILY_COLOURS[name]
        ax.hlines(rows[own], table["log_cond 5 %"][own], table["log_cond 95 %"][own], color=colour, lw=4, alpha=0.6)
        ax.plot(table["log_cond median"][own], rows[own], "o", ms=4, color=colour, mec="black", mew=0.5)
    ax.axvline(np.log(BADLY_CONDITIONED), color="black", lw=0.8, ls="--")
    ax.set_yticks(rows, [label(name) for name in table.index])
    ax.invert_yaxis()
    ax.set_xlabel(LABELS["log_cond"])


def seed_dots(axes: Sequence[Axes], table: pd.DataFrame, columns: Sequence[str], log: Sequence[str] = ()) -> None:
    """One panel a column of the table, in it one column a model, coloured by family: a dot a seed and a bar at their
    mean. Columns in `log` have a logarithmic scale. The families' legend stands above all panels.

    A linear scale is that of the models that work; a triangle at its edge is a seed of a collapsed GAN beyond it.
    """
    groups = list(table.groupby("model", sort=False))
    shown: dict[str, Line2D] = {}
    for ax, column in zip(axes, columns, strict=True):
        low, high = (-np.inf, np.inf) if column in log else _limits(table, column)
        for x, (_, own) in enumerate(groups):
            values, places = own[column].dropna().to_numpy(), x + np.linspace(-0.2, 0.2, own[column].count())
            colour, inside = FAMILY_COLOURS[own["family"].iloc[0]], (values >= low) & (values <= high)
            (dots,) = ax.plot(places[inside], values[inside], "o", ms=2, color=colour, alpha=0.8)
            for beyond, edge, mark in ((values < low, low, "v"), (values > high, high, "^")):
                ax.plot(places[beyond], np.full(beyond.sum(), edge), mark, ms=3, mfc="none", mec=colour, mew=0.6)
            shown.setdefault(own["family"].iloc[0], dots)
            if len(values) and low <= values.mean() <= high:
                ax.hlines(values.mean(), x - 0.35, x + 0.35, color="black", lw=1)
        if column in log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(column)
        ax.set_xticks(range(len(groups)), [architecture(str(name)) for name, _ in groups], rotation=90, fontsize=SMALL)
    if shown:
        axes[0].figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=2, markerscale=2)


def _limits(table: pd.DataFrame, column: str) -> tuple[float, float]:
    """The range of a column over the models that have not collapsed, a little wider."""
    values = table[column][table["family"] != COLLAPSED_GAN].dropna()
    if values.empty:
        return -np.inf, np.inf
    margin = 0.1 * (values.max() - values.min() or 1)
    return float(values.min() - margin), float(values.max() + margin)


def against_size(axes: Sequence[Axes], table: pd.DataFrame, columns: Sequence[str]) -> None:
    """One panel a column against the number of training images: a dot a seed, a line through the means, one colour a
    family."""
    for ax, column in zip(axes, columns, strict=True):
        for name, own in table.groupby("family", sort=False):
            means = own.groupby("images")[column].mean()
            ax.plot(means.index, means, "-", color=FAMILY_COLOURS[str(name)], lw=1.2, label=name)
            ax.plot(own["images"], own[column], "o", ms=2.5, color=FAMILY_COLOURS[str(name)], alpha=0.6)
        ax.set(xscale="log", xlabel="training images", ylabel=column)
    if len(table):
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def against_sparsity(axes: Sequence[Axes], table: pd.DataFrame, columns: dict[str, str]) -> None:
    """One panel a column, labelled by its value, against sparsity: the median over models and seeds, a band from the
    5 to the 95 % quantile, one colour a family; dotted where a point is as sparse as the data."""
    for ax, (column, told) in zip(axes, columns.items(), strict=True):
        for name, own in table.groupby("family", sort=False):
            groups = own.dropna().groupby("sparsity")[column]
            middle, low, high = (groups.quantile(q) for q in (0.5, 0.05, 0.95))
            colour = FAMILY_COLOURS[str(name)]
            ax.fill_between(middle.index, low, high, color=colour, alpha=0.2, lw=0)
            ax.plot(middle.index, middle, color=colour, lw=1.3, label=name)
        ax.axvline(1, color="black", lw=0.8, ls=":")
        ax.set(xscale="log", xlabel="sparsity", ylabel=told)
    if len(table):
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def curve_quality(axes: Sequence[Axes], table: pd.DataFrame, columns: dict[str, str]) -> None:
    """One panel a column, labelled by its value: for each family the straight line (hollow) and the geodesic (filled),
    one pair of dots, joined, a seed."""
    families = list(table["family"].unique())
    for ax, (column, told) in zip(axes, columns.items(), strict=True):
        for x, name in enumerate(families):
            own = table[table["family"] == name].pivot(index="seed", columns="curve", values=column)
            colour = FAMILY_COLOURS[name]
            for i, (straight, geodesic) in enumerate(zip(own["straight"], own["geodesic"], strict=True)):
                shift = 0.05 * (i - (len(own) - 1) / 2)
                ax.plot([x - 0.2 + shift, x + 0.2 + shift], [straight, geodesic], "-", color=colour, lw=0.7)
                ax.plot(x - 0.2 + shift, straight, "o", ms=3.5, mfc="white", mec=colour)
                ax.plot(x + 0.2 + shift, geodesic, "o", ms=3.5, color=colour)
        ax.set_xticks(range(len(families)), [name.replace(", ", "\n") for name in families], fontsize=SMALL)
        ax.set_title(told)


def solved_dots(ax: Axes, table: pd.DataFrame) -> None:
    """Share of pairs solved, one column a method and in it one a family: a dot a model and seed, a bar at the mean."""
    methods, families = list(table["method"].unique()), list(table["family"].unique())
    for i, name in enumerate(families):
        for x, method in enumerate(methods):
            own = table[(table["family"] == name) & (table["method"] == method)]["solved"].dropna()
            place = x + 0.8 * ((i + 0.5) / len(families) - 0.5)
            jitter = np.linspace(-0.06, 0.06, len(own))
            ax.plot(place + jitter, own, "o", ms=2, color=FAMILY_COLOURS[name], alpha=0.6,
                    label=name if x == 0 else None)
            if len(own):
                ax.hlines(own.mean(), place - 0.09, place + 0.09, color="black", lw=1)
    ax.set_xticks(range(len(methods)), methods)
    ax.set(ylabel="share of pairs solved", ylim=(-0.03, 1.03))
    if families:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=2)
