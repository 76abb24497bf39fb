"""What the records of several seeds say, a dot a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..records.quantities import BADLY_CONDITIONED
from .style import CLASSES, FAMILY_COLOURS, LABELS


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
