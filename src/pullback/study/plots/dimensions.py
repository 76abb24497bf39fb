"""How measures change with the number of latent dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from ..claims.statistics import interval
from .style import FAMILY_COLOURS

DATA_STYLES = {"MNIST": ("o", "-"), "Fashion-MNIST": ("s", "--")}  # marker and line
APART = 0.025  # of neighbouring marks, as a factor of the dimension


def against_dimension(
    axes: Sequence[Axes], table: pd.DataFrame, columns: Sequence[str], log: Sequence[str] = ()
) -> None:
    """One panel a column against the latent dimension, of a table with columns data, latent_dim, family and seed: means
    with Student's 95 % intervals over seeds, one colour a family, filled and solid for MNIST, hollow and dashed for
    Fashion-MNIST. Columns in `log` have a logarithmic scale. The legend stands above all panels."""
    dimensions = sorted(table["latent_dim"].unique())
    groups = list(table.groupby(["family", "data"], sort=False))
    for ax, column in zip(axes, columns, strict=True):
        for place, ((name, data), own) in enumerate(groups):
            marker, line = DATA_STYLES[str(data)]
            by_dimension = own.dropna(subset=[column]).groupby("latent_dim")[column]
            means = by_dimension.mean()
            if means.empty:
                continue
            ends = [interval(values.tolist()) or (mean, mean)
                    for (_, values), mean in zip(by_dimension, means, strict=True)]  # fmt: skip
            colour, x = FAMILY_COLOURS[str(name)], means.index * (1 + APART * (2 * place - len(groups) + 1))
            ax.vlines(x, *zip(*ends, strict=True), color=colour, lw=1)
            ax.plot(x, means, marker=marker, ls=line, lw=1, ms=4, color=colour, label=f"{name}, {data}",
                    mfc=colour if line == "-" else "white")  # fmt: skip
        ax.set(xscale="log", xlabel="latent dimensions", title=column)
        ax.xaxis.set_major_locator(FixedLocator(dimensions))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
        if column in log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
            ax.yaxis.set_minor_formatter(NullFormatter())
    if groups:
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
