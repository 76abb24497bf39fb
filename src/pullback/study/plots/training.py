"""How training went, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes


def loss_curves(ax: Axes, histories: dict[str, Sequence[float]], ylabel: str) -> None:
    """One line a model: loss against epoch, named by its key."""
    for (name, losses), style in zip(histories.items(), ("-", "--", "-.", ":") * 4, strict=False):
        ax.plot(range(1, len(losses) + 1), losses, style, label=name, lw=1)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.legend()


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
