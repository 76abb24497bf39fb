"""What solvers achieve, on the pairs of one run."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..labels import label
from .style import CLASSES, FAMILY_COLOURS

GAP = 3.0


def ratio_boxes(ax: Axes, ratios: dict[str, NDArray[np.float64]]) -> None:
    """Straight over geodesic length, one box a model: quartiles, and whiskers from the 5 to the 95 % quantile."""
    ax.boxplot(
        list(ratios.values()),
        orientation="horizontal",
        whis=(5, 95),
        tick_labels=[label(name) for name in ratios],
        flierprops={"marker": ".", "ms": 2},
        medianprops={"color": CLASSES[3]},
    )
    ax.axvline(1, color="black", lw=0.8, ls=":")
    ax.invert_yaxis()
    ax.set_xlabel("length of the straight line over that of the geodesic")


def _look(i: int) -> tuple[str, str, str]:
    """Colour, dashes and mark of the i-th solver; where colours come again, dashes and mark are others."""
    again, place = divmod(i, len(CLASSES))
    return CLASSES[place], ("-", "--", ":")[again], "os^"[again]


def performance_profile(ax: Axes, shares: pd.DataFrame) -> None:
    """One step line a column: the share of pairs within 1 + excess of the optimum, against the excess (the index)."""
    for i, (method, column) in enumerate(shares.items()):
        colour, dashes, _ = _look(i)
        ax.step(shares.index, column, dashes, where="post", color=colour, lw=1.2, label=method)
    ax.set(xscale="log", xlabel="length above the optimum, relative", ylabel="share of pairs", ylim=(-0.02, 1.02))


def share_against_time(ax: Axes, shares: pd.Series, milliseconds: pd.Series) -> None:
    """One mark a method, in the colours of `performance_profile`; a square where its line is dashed."""
    for i, (method, share) in enumerate(shares.items()):
        colour, _, mark = _look(i)
        ax.plot(milliseconds[method], share, mark, ms=5, color=colour, label=method)
    ax.set(xscale="log", xlabel="milliseconds a pair", ylabel="share of pairs solved", ylim=(-0.02, 1.02))


def excess_boxes(ax: Axes, records: pd.DataFrame, least: float) -> None:
    """Length above the optimum, one row a method and in it one box a family: quartiles, whiskers from the 5 to the 95 %
    quantile. Excesses are drawn as at least `least`, the resolution, and at most 10."""
    excess = (records["ratio"] - 1).clip(least, 10)
    methods, families = records["method"].unique(), records["family"].unique()
    for i, family in enumerate(families):
        own, colour = records["family"] == family, FAMILY_COLOURS[family]
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
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def intervals(ax: Axes, groups: dict[str, pd.DataFrame]) -> None:
    """Estimates with their intervals (columns value, low, high), one line a row, one colour a group; groups share
    their rows and are drawn beside each other. A dotted line at zero."""
    rows = next(iter(groups.values())).index
    for i, (colour, (name, group)) in enumerate(zip(CLASSES, groups.items(), strict=False)):
        y = np.arange(len(rows)) + 0.7 * ((i + 0.5) / len(groups) - 0.5)
        ax.hlines(y, group["low"], group["high"], color=colour, lw=1.5)
        ax.plot(group["value"], y, "o", ms=3, color=colour, label=name)
    ax.axvline(0, color="black", lw=0.8, ls=":")
    ax.set_yticks(np.arange(len(rows)), [label(row) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("rank correlation")


def share_lines(ax: Axes, shares: pd.DataFrame) -> None:
    """One mark a row and a line between neighbours, for each column: a share against the index, in the colours and
    dashes of `performance_profile`. No line crosses a range without rows, more than GAP times the usual step."""
    steps = np.diff(shares.index)
    empty = np.flatnonzero(steps > GAP * np.median(steps)) + 1 if len(steps) > 1 else np.array([], int)
    x = np.insert(np.asarray(shares.index, float), empty, np.nan)
    for i, (method, column) in enumerate(shares.items()):
        colour, dashes, mark = _look(i)
        ax.plot(x, np.insert(column.to_numpy(float), empty, np.nan), mark + dashes, ms=2.5, lw=1, color=colour,
                label=method)
    ax.set(ylabel="share of pairs not solved", ylim=(-0.02, 1.02))


def shares_by_level(axes: NDArray[np.object_], failed: pd.DataFrame) -> None:
    """The share of pairs that are not shown to fail, one line a method, against the level of an intervention.

    axes: one row a subject, one column a kind of intervention. failed: shares, with index subject, kind and method and
    one column a level. Lines are moved a little along the axis, so that equal ones are all seen.
    """
    subjects, kinds, methods = (failed.index.unique(level) for level in ("subject", "kind", "method"))
    for row, subject in zip(axes, subjects, strict=True):
        for ax, kind in zip(row, kinds, strict=True):
            for i, method in enumerate(methods):
                colour, dashes, mark = _look(i)
                place = failed.columns.to_numpy(float) * 1.06 ** (i - len(methods) / 2)
                share = 1 - failed.loc[subject, kind, method]
                ax.plot(place, share, mark + dashes, ms=2.5, lw=1, color=colour, label=method)
            ax.set(xscale="log", ylim=(-0.04, 1.04), title=f"{label(str(subject))}: {kind}")
        row[0].set_ylabel("share of pairs not failed")
    for ax in axes[-1]:
        ax.set_xlabel("c")
