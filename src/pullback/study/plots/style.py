"""One look for all figures: sizes, colours and labels."""

from __future__ import annotations

import pandas as pd
import seaborn as sns

from ... import show
from ..labels import FAMILY_NAMES

COLUMN, PAGE = 3.4, 7.0  # inches: the widths of a column and of a page of text
LABELS, MAPS, RANK_DEFICIENT = show.LABELS, show.MAPS, show.RANK_DEFICIENT
CLASSES = sns.color_palette("colorblind", 10)
FAMILY_COLOURS = dict(zip(FAMILY_NAMES, (*CLASSES[:4], CLASSES[5], CLASSES[9]), strict=True))
SMALL = 6.5  # points: the smallest text of a figure


def use_style() -> None:
    """One look for all figures: small sans-serif text that is readable at column width. And tables are shown whole."""
    pd.set_option("display.max_columns", None, "display.max_rows", None, "display.max_colwidth", None)
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
