"""The records of the variants, and how near each comes to its figure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import checkpoints, data
from ..paths import RESULTS
from ..provenance import read_sealed
from ..report import PANELS
from . import published
from .grid import SEEDS, STATISTICS, VARIANTS, Variant
from .measuring import OWN_BOX
from .score import NEAREST, Score, score

RECIPES = {"vae": 2, "dae": 1, "gan": 1}  # by family, the version of what turns a model into the numbers of a record
FOLDER = RESULTS / "panels"
ALL_SEEDS = range(max(SEEDS.values()))
OWN = {"gan": ("discriminator_batch_norm", "r1", "loss", "generator_first"), "dae": ("noise", "noise_level")}
COMPARED = {"figure_1": ("figure_2", "figure_3"), "figure_2": ("figure_1",), "figure_3": ("figure_1", "figure_4"),
            "figure_4": ("figure_3",), "figure_5": ("figure_1", "figure_4")}  # in a statement, see statements.py


def path_of(variant: Variant, seed: int, folder: Path = FOLDER) -> Path:
    return folder / f"{variant.name}-seed{seed}.json"


def key(variant: Variant, seed: int) -> str:
    """Sixteen hexadecimal digits that change whenever the numbers of a record might."""
    own = checkpoints.key(variant.spec, variant.settings(seed), data.data_hash(False))
    decisive = [own, variant.figure, list(variant.epochs), RECIPES[variant.spec.family]]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def read(variant: Variant, seed: int, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The record of a variant and seed, up to all of its epochs; None if there is none, or it was edited or made with
    other settings."""
    for n in reversed(variant.epochs):
        if record := read_sealed(path_of(variant, seed, folder), key(variant.until(n), seed)):
            return record
    return None


def is_there(variant: Variant, seed: int, folder: Path = FOLDER) -> bool:
    """Whether there is a record of all epochs of a variant, or of more, or of a training that diverged before."""
    (whole,) = (v for v in VARIANTS if (v.figure, v.choices) == (variant.figure, variant.choices))
    record = read(whole, seed, folder)
    return record is not None and (record["outcome"] != "trained" or str(variant.epochs[-1]) in record["epochs"])


class Measured(NamedTuple):
    """A variant at one number of epochs, mapped with one choice of batch norm statistics: by seed, the numbers of both
    panels as `measuring.measure` records them."""

    variant: Variant
    epochs: int
    statistics: str
    seeds: dict[int, dict[str, Any]]

    @property
    def panels(self) -> dict[str, Score]:
        """The score of each of its two panels, by the row of the scorecard."""
        return {
            row: score(figure, quantity, [numbers[quantity]["quantiles"] for numbers in self.seeds.values()])
            for row, (figure, quantity) in published.ROWS.items() if figure == self.variant.figure
        }  # fmt: skip

    @property
    def distance(self) -> float:
        """Mean over both panels of the distance to the published one."""
        return float(np.mean([s.distance for s in self.panels.values()]))

    @property
    def look(self) -> float:
        """How unlike the published maps look: mean over both of the logarithm of the ratio of roughness, either way;
        infinite for a map without roughness, of a model that has collapsed."""
        ratios = [self.roughness(quantity) / published.roughness(published.panel(self.variant.figure, quantity))
                  for quantity in published.QUANTITIES]  # fmt: skip
        unlike = float(np.mean([abs(math.log(ratio)) for ratio in ratios]))
        return math.inf if math.isnan(unlike) else unlike

    def of_seed(self, seed: int) -> Measured:
        """The same with one seed alone."""
        return self._replace(seeds={seed: self.seeds[seed]})

    def roughness(self, quantity: str) -> float:
        """Mean over seeds."""
        return float(np.mean([numbers[quantity]["roughness"] or math.nan for numbers in self.seeds.values()]))

    @property
    def told(self) -> str:
        """Its choices in words, those that differ from the base settings first."""
        words = [*map(_in_words, self.variant.choices), f"{self.epochs} epochs"]
        return ", ".join([*words, "renewed statistics"] if self.statistics == "renewed" else words)


def _in_words(choice: tuple[str, object]) -> str:
    name, value = choice
    if isinstance(value, tuple):
        value = f"({', '.join(f'{v:g}' for v in value)})"
    return {
        "batch_size": f"batches of {value}",
        "learning_rate": f"learning rate {value}",
        "betas": f"betas {value}",
        "pixels": f"{value} pixels",
        "loss": f"{value}",
        "noise": "no noise" if value == "none" else f"{value} noise",
        "noise_level": f"of level {value}",
        "discriminator_batch_norm": "no batch norm in D",
        "r1": "R1 penalty",
        "generator_first": "generator first",
    }[name]


def measured(folder: Path = FOLDER, variants: Iterable[Variant] = VARIANTS, own_box: bool = False) -> list[Measured]:
    """All that has records: of every variant at each of its epochs, with both kinds of statistics. With `own_box`, on
    the box of a VAE's own codes, with statistics as trained; DAEs and GANs are always mapped on boxes of their own."""
    found, both = [], {statistics: statistics for statistics in STATISTICS}
    for variant in variants:
        records = {seed: record for seed in ALL_SEEDS if (record := read(variant, seed, folder))}
        for epochs in variant.epochs:
            own = {seed: r["epochs"][str(epochs)] for seed, r in records.items() if str(epochs) in r["epochs"]}
            ways = {STATISTICS[0]: OWN_BOX if variant.spec.family == "vae" else STATISTICS[0]} if own_box else both
            found += [Measured(variant, epochs, statistics, {seed: e[way] for seed, e in own.items()})
                      for statistics, way in ways.items() if own]  # fmt: skip
    return found


def second_stage(folder: Path = FOLDER) -> list[Variant]:
    """What goes on to all seeds: of each figure the NEAREST variants in quantiles and the one that is nearest in look
    as well, the base settings, and the variants of the same choices that a statement compares with them. Each is
    trained up to the epochs at which it is nearest, or is compared, the base settings to all of theirs. What tells most
    stands first."""
    first = [m.of_seed(0) for m in measured(folder) if 0 in m.seeds]
    nearest: list[list[Measured]] = []
    for figure in PANELS:
        by_variant: dict[Variant, Measured] = {}
        for m in sorted((m for m in first if m.variant.figure == figure), key=lambda m: m.distance):
            by_variant.setdefault(m.variant, m)
        nearest.append(list(by_variant.values())[:NEAREST])
    looks = {m.variant.figure: m for m in sorted(first, key=lambda m: -m.distance - m.look)}
    chosen = [(own[0].variant, own[0].epochs) for own in nearest if own]
    chosen += [(m.variant, m.epochs) for m in looks.values()]
    chosen += [(v, max(v.epochs)) for v in VARIANTS if not v.choices]
    chosen += [(own[place].variant, own[place].epochs) for place in range(1, NEAREST) for own in nearest if own[place:]]
    chosen += [(partner, epochs) for v, epochs in chosen for partner in partners(v)]
    longest: dict[Variant, int] = {}
    for v, epochs in chosen:
        longest[v] = max(longest.get(v, 0), epochs)
    return [v.until(epochs) for v, epochs in longest.items() if v.until(epochs).epochs]


def partners(variant: Variant) -> list[Variant]:
    """Of the figures that a statement compares with the variant's, the variants with the same choices, but for those
    that only its own family has."""
    return [v for v in VARIANTS if v.figure in COMPARED[variant.figure] and v.choices == shared(variant)]


def shared(variant: Variant) -> tuple[tuple[str, object], ...]:
    """The choices of a variant that models of other families have too."""
    return tuple(choice for choice in variant.choices if choice[0] not in OWN.get(variant.spec.family, ()))


def report(folder: Path = FOLDER) -> str:
    """The scores as lines of text, nearest first within a figure."""
    lines = []
    for m in sorted(measured(folder), key=lambda m: (m.variant.figure, m.distance)):
        told = f"{m.variant.figure}: {m.told:<60} distance {m.distance:.2f}"
        for row, s in m.panels.items():
            told += f"  {row} {' '.join(f'{value:.2f}' for value in s.mean)} {s.state}"
        rough = " ".join(f"{m.roughness(quantity):.0f}" for quantity in published.QUANTITIES)
        lines.append(f"{told}  roughness {rough}, {len(m.seeds)} seeds")
    return "\n".join(lines)
