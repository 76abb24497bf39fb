"""The models that are compared, and what decides the record of each."""

from __future__ import annotations

import hashlib
import json
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from .. import checkpoints, data
from ..models import ModelSpec
from ..paths import RESULTS
from ..provenance import read_sealed
from ..solvers.runs import BOUNDING
from ..training import TrainingSettings
from . import RECIPE

FOLDER = RESULTS / "beyond"
DATA = ("mnist", "fashion")
DIMENSIONS = (2, 3, 8, 16)
FAMILIES = ("vae", "dae")
SEEDS = 5


class Size(NamedTuple):
    """How much is made of a record: epochs and batch size of the training, codes of each part of the data, of them
    those at which the roughness is taken and those that solvers get, pairs, and grids on which a lower bound is
    sought. `sample` takes the committed images."""

    epochs: int = 100
    batch_size: int = 1000
    codes: int = 10_000
    probes: int = 2_000
    given: int = 2_000
    pairs: int = 50
    effort: int = 8
    sample: bool = False


SIZES = {
    "paper": Size(),
    "smoke": Size(epochs=12, batch_size=250, codes=500, probes=50, given=60, pairs=3, effort=1, sample=True),
}


class Item(NamedTuple):
    """A model and its seed, which draws weights and pairs."""

    data: str
    latent_dim: int
    family: str
    seed: int
    size: Size = Size()

    @property
    def name(self) -> str:
        return f"{self.data}-{self.spec.name}-seed{self.seed}"

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(self.family, (128, 32), "tanh", self.latent_dim)

    @property
    def settings(self) -> TrainingSettings:
        return TrainingSettings(epochs=self.size.epochs, batch_size=self.size.batch_size, seed=self.seed)

    @property
    def data_hash(self) -> str:
        return data.data_hash(self.size.sample, self.data)

    @property
    def checkpoint(self) -> Path:
        return checkpoints.path_of(self.spec, self.settings, self.data_hash)

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that change whenever the numbers of the record might."""
        decisive = [checkpoints.key(self.spec, self.settings, self.data_hash), RECIPE, self.size]
        decisive += [BOUNDING] if self.latent_dim == 2 else []  # elsewhere no distance is bounded
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]

    def images(self, split: str) -> tuple[Tensor, Tensor]:
        """Images (n, 784) and labels (n,) of its data set."""
        return data.load(split, sample=self.size.sample, name=self.data)

    def read(self, folder: Path = FOLDER) -> dict[str, Any] | None:
        """Its record; None if there is none, or it was edited or made with other settings."""
        return read_sealed(folder / f"{self.name}.json", self.key)


# Whole seeds come first, so that an interrupted run leaves some to judge.
ITEMS = tuple(
    Item(name, k, family, seed) for seed, name, k, family in product(range(SEEDS), DATA, DIMENSIONS, FAMILIES)
)
