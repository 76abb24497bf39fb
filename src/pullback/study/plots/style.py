"""One look for all figures: sizes, colours and labels."""

from __future__ import annotations

import seaborn as sns

from ... import show

COLUMN, PAGE = 3.4, 7.0  # inches: the widths of a column and of a page of text
LABELS, MAPS, RANK_DEFICIENT = show.LABELS, show.MAPS, show.RANK_DEFICIENT
CLASSES = sns.color_palette("colorblind", 10)
FAMILY_COLOURS = dict(zip(("VAE", "DAE", "healthy GAN", "GAN as printed"), CLASSES, strict=False))


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
