"""What every notebook starts from: one profile's data, settings, models, and where its figures go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython import get_ipython
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from torch import Tensor

from . import data, figures, latent_points, published
from .checkpoints import digest, key
from .latent_points import Pairs, Points
from .models import ModelSpec
from .profiles import check_parameters
from .records.quantities import Box
from .trained_models import train_or_load
from .training import Trained, TrainingSettings, train

CLASSIFIER_EPOCHS = 10


class Study:
    """One notebook's view of the study.

    notebook: its name, which the sidecar of every figure records.
    profile, seed, device: the parameters of every notebook (see `profiles.check_parameters`). The seed decides the
    trainings and every draw.
    data: the name of the data set, of a notebook that has one for a parameter.
    latent_dim: the number of latent dimensions, of a notebook that has one for a parameter.

    Figures of another seed, data set or number of dimensions than the committed ones go under the build folder, so that
    all committed figures are of one run.
    """

    def __init__(
        self,
        notebook: str,
        profile: str = "paper",
        seed: int = 0,
        device: str = "auto",
        data: str | None = None,
        latent_dim: int | None = None,
    ) -> None:
        self.profile = check_parameters(profile, seed, device, data, latent_dim)
        self.notebook, self.seed, self.device = notebook, seed, device
        own: dict[str, Any] = {"data": data, "latent_dim": latent_dim}
        self._parameters = {"profile": profile, "device": device} | {k: v for k, v in own.items() if v is not None}
        self._data: dict[str, Any] = {"sample": self.profile.sample, "name": data or "mnist"}
        self._started = time.perf_counter()

    @property
    def _data_hash(self) -> str:
        return data.data_hash(**self._data)

    def settings(self, spec: ModelSpec) -> TrainingSettings:
        """The report's settings at this profile's size; the classifier needs ten epochs at most."""
        epochs = min(CLASSIFIER_EPOCHS, self.profile.epochs) if spec.family == "classifier" else self.profile.epochs
        return TrainingSettings(epochs=epochs, batch_size=self.profile.batch_size, seed=self.seed)

    def images(self, split: str = "test") -> tuple[Tensor, Tensor]:
        """Images (n, 784) in [0, 1] and labels (n,) of this study's data; `split` is train or test.

        Where MNIST is not on this machine, the test images are the published ones.
        """
        if split == "test" and self._data == {"sample": False, "name": "mnist"} and not data.is_there():
            if held := published.test_images():
                return held
        return data.load(split, **self._data)

    def models(self, specs: Iterable[ModelSpec], progress: Callable[[str], None] = print) -> dict[str, Trained]:
        """The models of `specs`, which share their settings, by name: the published ones where they fit (`published`),
        the others loaded, or trained where no checkpoint is."""
        specs = tuple(specs)
        if len(shared := {self.settings(spec) for spec in specs}) != 1:
            raise ValueError(f"one call trains models of one setting; got {len(shared)}: ask for the classifier apart")
        (settings,) = shared
        found = published.models(specs, settings, self._data_hash, progress)
        if rest := [spec for spec in specs if spec.name not in found]:
            found |= train_or_load(rest, settings, device=self.device, progress=progress, **self._data)
        return {spec.name: found[spec.name] for spec in specs}

    def short_training(self, spec: ModelSpec, images: Tensor, labels: Tensor, **changes: Any) -> Trained:
        """`spec` trained on images (n, 784) for this profile's few epochs, silently, not saved, and on one thread,
        as all models are; `changes` are to the settings. Raises DivergenceError."""
        settings = replace(self.settings(spec), epochs=self.profile.short_epochs, **changes)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return train(spec, settings, images, labels, device=self.device)
        finally:
            torch.set_num_threads(threads)

    @torch.no_grad()
    def codes(self, trained: Trained, split: str = "train", first: int | None = None) -> tuple[Tensor, Tensor]:
        """Encoded images (n, k) of a VAE or DAE, and their labels (n,): of all images of `split`, or of the first."""
        if split == "train" and first is not None and (kept := self._published_points(trained)):
            if kept.codes is not None and kept.labels is not None and len(kept.codes) >= first:
                return kept.codes[:first], kept.labels[:first]
        images, labels = self.images(split)
        return trained.model.encode(images)[:first], labels[:first]

    def box(self, trained: Trained) -> Box:
        """Where the report maps a model: the 1 to 99 % range of its encoded training data, [-3, 3]^2 for a GAN."""
        if kept := self._published_points(trained):
            return kept.box
        return latent_points.box_of(trained, None if trained.spec.family == "gan" else self.images("train")[0])

    @torch.no_grad()
    def decoded_grid(self, trained: Trained, side: int = 15) -> tuple[Tensor, Box]:
        """Images (side^2, 784) decoded on a grid over the model's box, row by row from the lowest z_2; and the box."""
        box = self.box(trained)
        x, y = (torch.linspace(*edge, side) for edge in box)
        return trained.model.generator(torch.cartesian_prod(y, x).flip(1)), box

    @torch.no_grad()
    def reconstruct(self, trained: Trained, images: Tensor) -> Tensor:
        """Images (n, 784) decoded from their codes by a VAE or DAE."""
        return trained.model.generator(trained.model.encode(images))

    @torch.no_grad()
    def decode(self, trained: Trained, codes: Tensor) -> Tensor:
        """Images (n, 784) of latent points (n, k) of any dtype."""
        return trained.model.generator(codes.float())

    def pairs(self, trained: Trained) -> Pairs:
        """End points for geodesics: codes of random test images, the same for every model; inversions for a GAN."""
        if kept := self._published_points(trained):
            return kept.pairs
        return latent_points.pairs_of(trained, self.images("test")[0], self.profile.pairs, self.random())

    def _published_points(self, trained: Trained) -> Points | None:
        return published.points(trained, self._data_hash, self.profile.pairs, self.seed)

    def random(self) -> torch.Generator:
        """A fresh source of random numbers, the same at every call."""
        return torch.Generator().manual_seed(self.seed)

    def save(
        self,
        fig: Figure,
        name: str,
        caption: str,
        numbers: Mapping[str, Any],
        models: Iterable[Trained] = (),
    ) -> None:
        """Save a figure with its sidecar (see `figures.save`) and show it, with a text in its place and its caption.

        `models` are those that it shows, and its wall time is what passed since the figure before it.
        """
        figures.save(
            fig,
            name,
            caption=caption,
            profile=self.profile,
            notebook=self.notebook,
            numbers=numbers,
            parameters=self._parameters | {"weights": published.mode()},
            seed=self.seed,
            checkpoints={m.spec.name: self._identity(m) for m in models},
            wall_time=round(time.perf_counter() - self._started, 2),
        )
        if get_ipython():
            display(Image(figures.small_png(fig), format="png", alt=figures.alternative(fig, caption)))
            display(Markdown(f"*{caption}*"))
            plt.close(fig)
        self._started = time.perf_counter()

    def _identity(self, trained: Trained) -> dict[str, str]:
        """The key of a model's checkpoint, which is of its recipe, and the hash of the weights that came of it here."""
        recipe = key(trained.spec, self.settings(trained.spec), self._data_hash)
        return {"key": recipe, "weights": digest(trained.model.state_dict())[:16]}
