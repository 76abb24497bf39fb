"""What the sweep trains and measures: an item is a model, a seed and a number of training images.

Seeds 0 to 4 were looked at while the criteria were made: they are explored. The fresh ones decide (docs/criteria.md).
The seed of an item says by which version of the measuring recipe it is measured: explored ones by 1, fresh ones by 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import data
from ..models import HEALTHY_GANS, REPORT, ModelSpec, get_spec
from ..models.catalogue import ARCHITECTURES
from ..profiles import Profile

SEEDS = 5  # explored ones: 0 to 4
FRESH = range(5, 15)
FRESH_COLLAPSED = FRESH[:5]  # of the GANs with batch norm in their discriminator
SIZED = ("vae-128-32-tanh", "dae-128-32-tanh")  # whose training set is varied
SIZED_BATCH = 250  # images a batch, at every size, of fresh seeds
NOISELESS = {spec.name: spec for spec in (ModelSpec("dae", *a, noise="none") for a in ARCHITECTURES)}
COLLAPSED = [spec for spec in REPORT if spec.family == "gan"]
ENCODERS = [spec for spec in REPORT if spec.family != "gan"]


@dataclass(frozen=True)
class Item:
    """A model by its name, the seed of its weights and draws, the number of its training images, and that of the images
    of a batch where it is not the profile's."""

    model: str
    seed: int
    images: int
    batch: int | None = None

    @property
    def spec(self) -> ModelSpec:
        """Raises ValueError, listing the valid names, for a model that the study does not have."""
        return NOISELESS[self.model] if self.model in NOISELESS else get_spec(self.model)

    @property
    def fresh(self) -> bool:
        return self.seed >= SEEDS

    def whole(self, profile: Profile) -> bool:
        """Whether its model is trained on all images of the profile, in its batches; only then are geodesics
        measured."""
        return self.images == whole(profile) and self.batch is None

    def name(self, profile: Profile) -> str:
        """What its record is called, without `.json`."""
        return f"{self.model}-seed{self.seed}" + ("" if self.whole(profile) else f"-n{self.images}")


def whole(profile: Profile) -> int:
    """Number of images in the profile's training set."""
    return 10 * data.SAMPLE_PER_CLASS["train"] if profile.sample else 60_000


def items(profile: Profile, seeds: int = SEEDS) -> list[Item]:
    """The explored seeds: all models with every seed, then VAE and DAE on smaller training sets; collapsed GANs
    last."""
    every = range(seeds)
    sized = [Item(name, seed, size) for seed in every for size in profile.sizes for name in SIZED]
    return [*_ordinary(ENCODERS, every, profile), *_ordinary(HEALTHY_GANS, every, profile), *sized,
            *_ordinary(COLLAPSED, every, profile)]  # fmt: skip


def fresh_items(profile: Profile) -> list[Item]:
    """The fresh seeds, one after the other, so that a sweep that is interrupted leaves whole ones: the models of
    `items` and DAEs without noise, and VAE and DAE on smaller training sets and on all, in batches of one size."""
    found = []
    for seed in FRESH:
        found += _ordinary([*ENCODERS, *NOISELESS.values(), *HEALTHY_GANS], [seed], profile)
        found += [Item(name, seed, size, SIZED_BATCH) for size in (*profile.sizes, whole(profile)) for name in SIZED]
        found += _ordinary(COLLAPSED if seed in FRESH_COLLAPSED else (), [seed], profile)
    return found


def _ordinary(specs: Iterable[ModelSpec], seeds: Iterable[int], profile: Profile) -> list[Item]:
    names = [spec.name for spec in specs]
    return [Item(name, seed, whole(profile)) for seed in seeds for name in names]
