"""Models with any number of latent dimensions: singular values, and how measures change with that number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

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
            _logarithmic(ax)
    if groups:
        axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)


def spectra(ax: Axes, values: Mapping[str, ArrayLike]) -> None:
    """Singular values (n, k) of a Jacobian at n points, the largest first, by family: their medians against their
    number, and bands from 5 to 95 % of the points."""
    for place, (name, own) in enumerate(values.items()):
        low, middle, high = np.quantile(np.asarray(own), (0.05, 0.5, 0.95), axis=0)
        number, colour = np.arange(1, len(middle) + 1), FAMILY_COLOURS[name]
        ax.fill_between(number, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(number, middle, "os^D"[place % 4] + "-", color=colour, lw=1, ms=4, label=name)
    ax.set(xlabel="singular value, from the largest", ylabel="pixel units per latent unit")
    _logarithmic(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()


def _logarithmic(ax: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
