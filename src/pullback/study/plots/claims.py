"""Claims, their parts and their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import CLASSES, PAGE, SMALL

# Black, purple and grey, which no family has.
VERDICTS = {"supported": ("0.1", "o"), "contradicted": (CLASSES[4], "X"), "undecided": (CLASSES[7], "D")}
WAITS = ("0.75", "o")
WIDEST = 62  # letters of a statement in one line
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
            colour, shape = VERDICTS.get(p["verdict"], WAITS)
            size = 34 if p is r["parts"][0] else 12
            ax.scatter(decisiveness(p), row, s=size, color=[colour], marker=shape, lw=0, zorder=3)
        verdict = r["reason"] if "seeds" in r["reason"] else r["verdict"]
        ax.text(1.01, row, verdict, transform=ax.get_yaxis_transform(), va="center", fontsize=SMALL)
    ax.axvspan(-1, 1, color="0.92", zorder=0)
    ax.axvline(0, color="black", lw=0.6)
    ax.set_xscale("symlog", linthresh=1, linscale=0.7)
    ax.set_xticks([-100, -10, -1, 0, 1, 10, 100], ["-100", "-10", "-1", "0", "1", "10", "100"], fontsize=SMALL)
    ax.set(xlim=(-2 * FURTHEST, 2 * FURTHEST), ylim=(len(results) - 0.5, -0.5))
    told = [f"{fill(r['statement'].rstrip('.'), WIDEST)}  {r['id']}" for r in results]
    ax.set_yticks(range(len(results)), told, fontsize=SMALL, linespacing=0.9)
    ax.set_xlabel("from the threshold, in half-widths\nof the 95 % interval", fontsize=7)
    ax.grid(axis="y", color="0.9", lw=0.5)
    for name, (colour, shape) in (VERDICTS | {"waits for a measurement": WAITS}).items():
        ax.scatter([], [], s=20, color=[colour], marker=shape, lw=0, label=name)
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)


def claim_parts(results: Sequence[dict[str, Any]]) -> Figure:
    """For each claim one panel a quantity of its parts, labelled with it, all panels of a quantity on one scale.

    One row a part: a dot a seed and the interval of their mean, in the colour of the part's verdict. A part is
    supported where the whole interval lies on the shaded side of its row. Raises ValueError for a part without a
    quantity.
    """
    panels = [(r, quantity, list(parts)) for r in results
              for quantity, parts in groupby(sorted(r["parts"], key=_first_of(r["parts"])), key=itemgetter("quantity"))]
    if nameless := [r["id"] for r, quantity, _ in panels if not quantity]:
        raise ValueError(f"parts of {', '.join(nameless)} have no quantity: name it in claims/catalogue.py")
    heights = [len(parts) for *_, parts in panels]
    fig, axes = plt.subplots(len(panels), 1, figsize=(PAGE, 0.16 * sum(heights) + 0.62 * len(panels)),
                             height_ratios=heights, squeeze=False)
    ends = {quantity: _ends([p for _, q, parts in panels for p in parts if q == quantity]) for _, quantity, _ in panels}
    titled: set[str] = set()
    for ax, (r, quantity, parts) in zip(axes.flat, panels, strict=True):
        _rows(ax, parts, *ends[quantity])
        ax.set_xlabel(quantity, fontsize=7)
        if r["id"] not in titled:
            ax.set_title(f"{r['id']}: {r['statement'].rstrip('.')}", fontsize=7)
        titled.add(r["id"])
    return fig


def _first_of(parts: Sequence[dict[str, Any]]) -> Callable[[dict[str, Any]], int]:
    """A key that sorts parts by quantity, in the order in which quantities first occur."""
    order = list(dict.fromkeys(p["quantity"] for p in parts))
    return lambda p: order.index(p["quantity"])


def _ends(parts: Sequence[dict[str, Any]]) -> tuple[float, float]:
    numbers = [v for p in parts for v in (*p["values"].values(), p["threshold"], *(p["interval"] or ()))]
    margin = 0.05 * (max(numbers) - min(numbers) or 1)
    return min(numbers) - margin, max(numbers) + margin


def _rows(ax: Axes, parts: Sequence[dict[str, Any]], low: float, high: float) -> None:
    for row, p in enumerate(parts):
        colour, values, bound = VERDICTS.get(p["verdict"], ("0.5", ""))[0], p["values"].values(), p["threshold"]
        shaded = {"above": (bound, high), "below": (low, bound), "within": (-bound, bound)}[p["side"]]
        ax.fill_betweenx([row - 0.45, row + 0.45], *shaded, color="0.92", lw=0)
        ax.plot(values, row + np.linspace(-0.25, 0.25, len(values)), "o", ms=2.5, color=colour, alpha=0.7)
        if p["interval"]:
            ax.hlines(row, *p["interval"], color=colour, lw=2)
    ax.set(xlim=(low, high), ylim=(len(parts) - 0.5, -0.5))
    ax.set_yticks(range(len(parts)), [p["label"] for p in parts], fontsize=SMALL)
