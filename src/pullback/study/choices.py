"""Every choice behind the models and the maps: what the report prints, what is the author's code of 2021, what is ours.

docs/choices.md is `page()`; `python -m pullback.study.choices` writes it, and a test compares the two.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import pandas as pd

from .paths import PROJECT, write_atomically

PATH = PROJECT / "docs" / "choices.md"
PRINTED, CODE, OURS = "printed", "the author's code of 2021", "ours"


class Choice(NamedTuple):
    """One choice of the study's base settings, where it comes from, and the reason."""

    what: str
    base: str
    source: str
    reason: str


CHOICES = (
    Choice("Data", "all of MNIST", PRINTED, 'Section 4: "the totality of the MNIST dataset".'),
    Choice("Hidden layers", "two, of 256-64 or 128-32 units", PRINTED, "Section 4."),
    Choice("Activation", "tanh or sigmoid", PRINTED, "Section 4."),
    Choice("Latent dimensions", "2", PRINTED, "Section 4."),
    Choice("Optimiser", "Adam, learning rate 0.01", PRINTED, "Section 4. The code of 2021 has 0.001."),
    Choice("Adam's betas", "(0.5, 0.99)", PRINTED, 'Section 4 prints "0,99 and 0,5"; in that order training diverges '
           "or stalls (notebook 1), so they are read in the other. The code of 2021 has the defaults (0.9, 0.999)."),
    Choice("Batch norm in encoder, decoder and generator", "after each hidden linear layer", CODE,
           "The text does not mention it."),
    Choice("Batch norm in the discriminator", "yes; and no, with an R1 penalty", CODE, "With it all our GANs collapse, "
           "and so did the code's own. The penalty, of weight 1, is ours."),
    Choice("Discriminator", "the encoder's widths, LeakyReLU(0.2)", CODE, "The text does not describe it."),
    Choice("Statistics of batch norm in maps", "running averages, as training leaves them", OURS,
           "What a saved model computes. Renewing them leaves the conditioning as it is (claim O-5)."),
    Choice("Batch size", "1,000", CODE, "The text prints none. Small batches change the DAEs' and the "
           "GANs' conditioning."),
    Choice("Epochs", "100", CODE, "The text prints none. Losses hardly fall afterwards."),
    Choice("Loss of the VAE", "binary cross-entropy and divergence, summed over pixels", CODE,
           "Section 3.1.2 describes a Gaussian likelihood with a variance network, without saying what was trained."),
    Choice("Loss of the DAE", "binary cross-entropy", CODE, "Section 3.1.1 names squared error as an example. "
           "With the VAE's loss the two families differ in nothing but what makes them a VAE and a DAE."),
    Choice("Loss of the GAN", "non-saturating, discriminator first", OURS, "The usual one (Goodfellow et al. 2014)."),
    Choice("Pixels", "in [0, 1]", OURS, "The code of 2021 standardises them. Measured in standardised pixels every "
           "log-determinant is larger by 4 log(1/0.3081) = 4.71 and exceeds the published ones; trained on them, "
           "cross-entropy has no lower bound (notebook 1)."),
    Choice("Noise of the DAE", "additive or speckle by a coin, standard deviation 0.1, not clipped", CODE,
           "The text asks only for an unbiased corruption."),
    Choice("Box of the maps", "1 to 99 % of the codes; [-3, 3] squared for a GAN", CODE,
           "The text prints none. The axes of Figures 1 to 4 show smaller boxes; the panels are compared on those."),
    Choice("Grid of the maps", "45 x 45 points", OURS, "Counted in the published pictures."),
)  # fmt: skip

HEAD = """# What is printed and what is not

The report's text prints few of the settings behind its figures. Here is every choice of the study's base settings. It
is *printed* if the report's text says it. Some come from *the author's code of 2021*, which was published after the
report and whose own models are others (512-128-32 units, standardised pixels, learning rate 0.001). The rest is *ours*.
Which of the report's statements hang on the choices that it does not print is a question of its own:
[panels](panels.md) says how it is asked, and notebook 4 what was found.

| Choice | Base settings | Source | Reason |
|---|---|---|---|
"""


def table() -> pd.DataFrame:
    """One row a choice: base settings, source and reason."""
    return pd.DataFrame([c._asdict() for c in CHOICES]).set_index("what").rename_axis(None)


def page() -> str:
    """docs/choices.md."""
    return HEAD + "".join(f"| {' | '.join(choice)} |\n" for choice in CHOICES)


if __name__ == "__main__":
    write_atomically(PATH, page().encode())
    sys.exit(0)
