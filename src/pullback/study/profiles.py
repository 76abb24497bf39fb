"""A profile is data: everything that separates a quick run of the study from the run behind its figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import data, parameters
from .paths import FIGURES, RESULTS, build_root

SHOWN = ("mnist", 8)  # data set and latent dimensions of the committed figures of a notebook that has them
MOST_DIMENSIONS = 64  # of a latent space: half the units of the layers beside it


@dataclass(frozen=True)
class Profile:
    """Sizes of one run of the study. `sample` takes the 2,500 committed images in place of the whole of MNIST."""

    name: str
    sample: bool
    epochs: int  # of the study's models; the report's 100 in `paper`
    short_epochs: int  # of the asides of notebook 01, which need no converged model
    batch_size: int
    grid: int  # points a side of the report's maps
    fine_grid: int  # points a side of the one fine map
    gan_samples: int  # images drawn to judge a GAN's class coverage
    pairs: int  # geodesics a model
    slow_pairs: int  # of them, those that the slow solvers are given
    codes: int  # of training images, for the solver that needs data
    reference_grid: int  # steps a side of the grid on which shortest paths and their lower bounds are sought
    gan_pairs: int  # geodesics a GAN whose lower bounds are sought: a pair takes some minutes
    intervened: int  # geodesics under each intervention on conditioning
    levels: tuple[float, ...]  # of the interventions
    neighbours: int  # points a model whose nearest neighbours are compared
    points: int  # test digits a model between which the sweep seeks geodesics, all pairs
    disjoint_pairs: int  # of test digits, in their place on fresh seeds: 50 of the 100 encoded ones
    sizes: tuple[int, ...]  # training sets of the sweep, besides the whole one
    resamples: int  # of a bootstrap
    seed: int = 0  # of trainings and draws
    data: str = SHOWN[0]  # the data set, of a notebook that chooses it; elsewhere MNIST
    latent_dim: int = SHOWN[1]  # and latent dimensions likewise; elsewhere two

    def __post_init__(self) -> None:
        parameters.seed(self.seed)
        parameters.whole("latent_dim", self.latent_dim, 2, MOST_DIMENSIONS)
        parameters.one_of("data", self.data, data.DATA_SETS)
        data.data_hash(self.sample, self.data)

    @property
    def figures(self) -> Path:
        """Where figures go: only `paper`, with the seed, data set and latent dimensions of the committed figures,
        writes into the committed folder."""
        seed = f"seed-{self.seed}" if self.seed else ""
        models = f"{self.data}-k{self.latent_dim}" if (self.data, self.latent_dim) != SHOWN else ""
        if self.name == "paper" and not seed and not models:
            return FIGURES
        return build_root() / self.name / seed / models / "figures"

    @property
    def results(self) -> Path:
        """Where the sweep over seeds leaves its records: of `paper`, in the committed folder."""
        return RESULTS if self.name == "paper" else build_root() / self.name / "results"


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "paper", sample=False, epochs=100, short_epochs=10, batch_size=1000, grid=45, fine_grid=512,
            gan_samples=10_000, pairs=100, slow_pairs=10, codes=5_000, reference_grid=256,
            gan_pairs=5, intervened=12, levels=(1.0, 10.0, 100.0, 1_000.0, 10_000.0),
            neighbours=12, resamples=300, points=7, disjoint_pairs=50, sizes=(250, 1_000, 5_000, 20_000),
        ),
        Profile(
            "smoke", sample=True, epochs=12, short_epochs=4, batch_size=250, grid=45, fine_grid=48,
            gan_samples=1_000, pairs=6, slow_pairs=2, codes=200, reference_grid=32,
            gan_pairs=1, intervened=2, levels=(1.0, 10.0),
            neighbours=4, resamples=20, points=4, disjoint_pairs=6, sizes=(250, 1_000),
        ),
    )
}


def get_profile(name: str, seed: int = 0) -> Profile:
    """The profile called `name`, with another seed if one is given.

    Raises ValueError, saying what is valid, for an unknown name or a seed that is no whole number from 0 to 2^32 - 1.
    """
    return replace(PROFILES[parameters.one_of("profile", name, PROFILES)], seed=seed)


def check_parameters(
    profile: str = "paper", seed: int = 0, device: str = "auto", data: str | None = None, latent_dim: int | None = None
) -> Profile:
    """The profile that the parameters of a notebook choose. Every notebook has the first three. One can have the
    data set and the latent dimensions of its models too. Nothing is made or read.

    Raises ValueError, saying what is valid, for an unknown profile, a seed that is no whole number from 0 to 2^32 - 1,
    a device that this machine does not have, an unknown data set or one without a sample where the profile takes
    samples, or latent dimensions that are no whole number from 2 to MOST_DIMENSIONS.
    """
    models: dict[str, Any] = {"data": data, "latent_dim": latent_dim}
    chosen = replace(get_profile(profile, seed), **{name: value for name, value in models.items() if value is not None})
    parameters.choose_device(device)
    return chosen
