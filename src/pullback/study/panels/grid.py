"""The unprinted choices, as data: which variants are trained, in the order in which they tell most.

A variant changes some choices of the study's base settings for the model of one figure. One training serves several
numbers of epochs, because with the same seed a longer training begins as the shorter one does. Batch norm's statistics
(as trained, renewed) are a choice of the measurement, so every training is measured with both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from ..models import ModelSpec, get_spec
from ..report import PANELS
from ..training import TrainingSettings

STATISTICS = ("trained", "renewed")  # of batch norm, when a model is mapped
SEEDS = {1: 1, 2: 5}  # seeds of a stage
OF_2021 = {"learning_rate": 1e-3, "betas": (0.9, 0.999)}  # of the author's code of 2021
_SETTINGS = tuple(field.name for field in fields(TrainingSettings) if field.name not in ("epochs", "seed"))


@dataclass(frozen=True)
class Variant:
    """A figure of the report, the epochs at which its model is measured, and the choices that differ from the base.

    Raises ValueError, naming the valid ones, for a figure or a choice that there is not.
    """

    figure: str
    epochs: tuple[int, ...]
    choices: tuple[tuple[str, object], ...] = ()

    def __post_init__(self) -> None:
        if self.figure not in PANELS:
            raise ValueError(f"unknown figure {self.figure!r}; valid: {', '.join(PANELS)}")
        valid = {*_SETTINGS, "discriminator_batch_norm", "r1", "loss", "generator_first", "noise", "noise_level"}
        if unknown := dict(self.choices).keys() - valid:
            raise ValueError(f"unknown choice {', '.join(sorted(unknown))}; valid: {', '.join(sorted(valid))}")
        if not self.epochs or list(self.epochs) != sorted(set(self.epochs)):
            raise ValueError(f"epochs must be increasing numbers, got {self.epochs}")
        self.settings(0)
        assert self.spec

    @property
    def spec(self) -> ModelSpec:
        chosen = {name: value for name, value in self.choices if name not in _SETTINGS}
        return replace(get_spec(PANELS[self.figure].model), **chosen)  # type: ignore[arg-type]

    def settings(self, seed: int) -> TrainingSettings:
        """Of its longest training."""
        chosen = {name: value for name, value in self.choices if name in _SETTINGS}
        return TrainingSettings(epochs=self.epochs[-1], seed=seed, **chosen)  # type: ignore[arg-type]

    def until(self, epochs: int) -> Variant:
        """The same, measured up to a number of epochs."""
        return replace(self, epochs=tuple(n for n in self.epochs if n <= epochs))

    @property
    def name(self) -> str:
        """What its records are called, with "-seedN.json" after it."""
        told = [_told(name, value) for name, value in self.choices]
        return "-".join([self.figure.replace("_", ""), *(told or ["base"])])


def _told(name: str, value: object) -> str:
    if name == "discriminator_batch_norm":
        return "nobn"
    if name == "generator_first":
        return "generator-first"
    if isinstance(value, tuple):
        value = "-".join(f"{v:g}" for v in value)
    short = {"batch_size": "batch", "learning_rate": "lr", "noise_level": "level", "betas": "betas"}.get(name, name)
    return f"{short}{value}".replace(" ", "-")


def of(figure: str, epochs: Iterable[int], **choices: object) -> Variant:
    return Variant(figure, tuple(epochs), tuple(choices.items()))


def _variants() -> Iterable[Variant]:
    no_bn = {"discriminator_batch_norm": False}
    # Figures 5 and 4 first: the only ones that no setting of the study's own comes near.
    yield of("figure_5", (10, 30, 100), **no_bn)
    yield of("figure_5", (10, 30), batch_size=100, **no_bn)
    yield of("figure_4", (10, 30), batch_size=64)
    yield of("figure_5", (10, 40), batch_size=64, **no_bn)
    yield of("figure_1", (10, 30, 100, 200))
    yield of("figure_3", (10, 30, 100, 200))
    yield of("figure_2", (10, 30, 100, 200))
    yield of("figure_4", (10, 30, 100))
    yield of("figure_5", (10, 30), batch_size=250, **no_bn)
    yield of("figure_4", (10, 30), batch_size=100)
    yield of("figure_4", (10, 30), batch_size=250)
    # What batch norm in the discriminator and the penalty do.
    yield of("figure_5", (10, 30, 100))
    yield of("figure_5", (10,), batch_size=64)
    yield of("figure_5", (10, 30, 100), r1=1.0, **no_bn)
    yield of("figure_5", (10,), batch_size=64, r1=1.0, **no_bn)
    # Form and order of the GAN's losses, and the optimiser of 2021.
    yield of("figure_5", (10, 30), loss="minimax", **no_bn)
    yield of("figure_5", (10, 30), generator_first=True, **no_bn)
    yield of("figure_5", (10, 30, 100), **OF_2021, **no_bn)
    yield of("figure_5", (10, 30), batch_size=64, **OF_2021, **no_bn)
    # A DAE's noise, loss and pixels.
    for batch in (64, 1000):
        size = {} if batch == 1000 else {"batch_size": batch}
        yield of("figure_4", (10, 30), **size, noise="none")
        yield of("figure_4", (10, 30), **size, noise="additive", noise_level=0.5)
        yield of("figure_4", (10, 30), **size, loss="squared error")
        yield of("figure_4", (10, 30), **size, **OF_2021)
    yield of("figure_4", (10, 30), batch_size=64, noise="additive")
    yield of("figure_4", (10, 30), batch_size=64, noise="speckle")
    yield of("figure_4", (10, 30), pixels="standardised", loss="clamped cross-entropy")
    yield of("figure_4", (10, 30), pixels="standardised", loss="squared error")
    # The VAEs' batch sizes, optimiser, loss and pixels.
    for figure in ("figure_1", "figure_2", "figure_3"):
        yield of(figure, (10, 30, 100), batch_size=250)
        yield of(figure, (10, 30), batch_size=64)
        yield of(figure, (10, 30, 100), **OF_2021)
    yield of("figure_1", (10, 30), batch_size=100)
    yield of("figure_1", (10, 30), loss="squared error")
    yield of("figure_1", (10,), betas=(0.99, 0.5))
    yield of("figure_1", (10,), pixels="standardised")
    yield of("figure_1", (10,), pixels="standardised", loss="clamped cross-entropy")
    yield of("figure_1", (10,), loss="clamped cross-entropy")


VARIANTS = tuple(_variants())
