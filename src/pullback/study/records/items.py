"""What the sweep trains and measures: an item is a model, a seed and a number of training images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import data
from ..models import HEALTHY_GANS, REPORT, ModelSpec, get_spec
from ..profiles import Profile

SEEDS = 5
SIZED = ("vae-128-32-tanh", "dae-128-32-tanh")  # whose training set is varied


@dataclass(frozen=True)
class Item:
    """A model by its name, the seed of its weights and draws, and the number of its training images."""

    model: str
    seed: int
    images: int

    @property
    def spec(self) -> ModelSpec:
        """Raises ValueError, listing the valid names, for a model that the study does not have."""
        return get_spec(self.model)

    def whole(self, profile: Profile) -> bool:
        """Whether its model is trained on all images of the profile; only then are geodesics measured."""
        return self.images == whole(profile)

    def name(self, profile: Profile) -> str:
        """What its record is called, without `.json`."""
        return f"{self.model}-seed{self.seed}" + ("" if self.whole(profile) else f"-n{self.images}")


def whole(profile: Profile) -> int:
    """Number of images in the profile's training set."""
    return 10 * data.SAMPLE_PER_CLASS["train"] if profile.sample else 60_000


def items(profile: Profile, seeds: int = SEEDS) -> list[Item]:
    """All models with every seed, then VAE and DAE on smaller training sets; collapsed GANs last."""
    collapsed = [spec for spec in REPORT if spec.family == "gan"]
    encoders = [spec for spec in REPORT if spec.family != "gan"]

    def ordinary(specs: Iterable[ModelSpec]) -> list[Item]:
        names = [spec.name for spec in specs]
        return [Item(name, seed, whole(profile)) for seed in range(seeds) for name in names]

    sized = [Item(name, seed, size) for seed in range(seeds) for size in profile.sizes for name in SIZED]
    return [*ordinary(encoders), *ordinary(HEALTHY_GANS), *sized, *ordinary(collapsed)]
