"""How training went, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from ..labels import label


def loss_curves(ax: Axes, histories: dict[str, Sequence[float]], ylabel: str, legend: bool = True) -> None:
    """One line a model: loss against epoch. The legend, if there is one, stands under the axes."""
    for (name, losses), style in zip(histories.items(), ("-", "--", "-.", ":") * 4, strict=False):
        ax.plot(range(1, len(losses) + 1), losses, style, label=label(name), lw=1)
    ax.set(xlabel="epoch", ylabel=ylabel)
    if legend:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)


def share_table(ax: Axes, shares: pd.DataFrame) -> None:
    """Shares in [0, 1], one row a model and one column a digit, as shaded cells with their percentages."""
    sns.heatmap(
        shares.rename(index=label),
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
