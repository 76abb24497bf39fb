"""The one training loop of the study."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import parameters
from .errors import DivergenceError
from .models.spec import ModelSpec
from .parameters import choose_device

RECIPE = 1  # the version of what turns a specification, settings and data into weights: see recipes.py
SCALES = {"unit": (0.0, 1.0), "standardised": (0.1307, 0.3081)}  # what is subtracted from pixels, and divides them


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained. Learning rate and betas are the report's; it prints no other setting (docs/choices.md).

    The report prints "betas of 0,99 and 0,5". Read as Adam's (beta1, beta2) they diverge: with a second-moment
    memory of two steps a weight whose gradient pauses is divided by almost nothing. The order meant is this one.
    """

    epochs: int = 100
    batch_size: int = 1000
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.5, 0.99)
    seed: int = 0
    pixels: str = "unit"  # or standardised: what the model is shown in place of pixels in [0, 1], see SCALES

    def __post_init__(self) -> None:
        parameters.whole("epochs", self.epochs, 1, 1_000_000)
        parameters.whole("batch_size", self.batch_size, 2, 1_000_000)
        parameters.real("learning_rate", self.learning_rate, 1e-12, 1e6)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise ValueError(f"betas must be a pair of numbers, as in (0.5, 0.99), got {self.betas!r}")
        for beta in self.betas:
            parameters.real("each of betas", beta, 0, 1 - 1e-12)
        parameters.seed(self.seed)
        parameters.one_of("pixels", self.pixels, SCALES)


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, with the mean of each of its losses over each epoch, in order."""

    spec: ModelSpec
    model: Any  # of the spec's family
    history: dict[str, list[float]]


class Epoch(NamedTuple):
    """What one epoch of a training brought: its number, of how many, and the mean of each loss over its steps."""

    number: int
    of: int
    losses: dict[str, float]

    @property
    def milestone(self) -> bool:
        """True of about five epochs of a training: enough to tell of one whose losses are all that is shown."""
        return self.number % max(1, self.of // 5) == 0

    def __str__(self) -> str:
        losses = ", ".join(f"{name} {loss:.3f}" for name, loss in self.losses.items())
        return f"epoch {self.number} of {self.of}, {losses}"


def train(
    spec: ModelSpec,
    settings: TrainingSettings,
    images: Tensor,
    labels: Tensor,
    *,
    device: str = "auto",
    progress: Callable[[Epoch], object] | None = None,
    watch: Callable[[Epoch, Any], object] | None = None,
) -> Trained:
    """Train the model that `spec` describes on images (n, 784) in [0, 1] and labels (n,).

    The data stay in the device's memory and a batch is one indexing operation. On a CPU, and with one thread, the
    same seed gives the same bits. `progress` is called after every epoch, and `watch` with the model as it then is, in
    training mode, of which it may take a copy. Raises ValueError for fewer than two images
    or an unknown device, and DivergenceError, at the step where it happens, if a loss is not finite; the images then
    are what they were and nothing has been written.
    """
    if len(images) < 2:
        raise ValueError(f"training needs at least 2 images, got {tuple(images.shape)}")
    place = choose_device(device)
    images = scaled(images, settings.pixels)
    images, labels = images.to(place), labels.to(place)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = spec.build().to(place)
    noise = torch.Generator(place).manual_seed(settings.seed)
    phases = model.phases()
    weights = {name: list(phase.module.parameters()) for name, phase in phases.items()}
    optimizers = {
        name: torch.optim.Adam(tensors, lr=settings.learning_rate, betas=settings.betas, fused=True)
        for name, tensors in weights.items()
    }
    history: dict[str, list[float]] = {name: [] for name in phases}
    size = min(settings.batch_size, len(images))
    steps = len(images) // size  # the last, smaller batch is left out: batch norm would weigh its few images more
    for epoch in range(1, settings.epochs + 1):
        order = torch.randperm(len(images), generator=noise, device=place)
        totals = dict.fromkeys(phases, 0.0)
        for step, batch in enumerate(order[: steps * size].split(size), start=1):
            x, y = images[batch], labels[batch]
            for name, phase in phases.items():
                loss = phase.loss(x, y, noise)
                value = loss.item()
                if not math.isfinite(value):
                    raise DivergenceError(
                        f"{spec.name}: the {name} loss is {value} at epoch {epoch}, step {step}. "
                        f"The likely cause: {_likely_cause(settings, images)}."
                    )
                optimizers[name].zero_grad()
                loss.backward(inputs=weights[name])
                optimizers[name].step()
                totals[name] += value / steps
        for name, total in totals.items():
            history[name].append(total)
        if progress:
            progress(Epoch(epoch, settings.epochs, totals))
        if watch:
            watch(Epoch(epoch, settings.epochs, totals), model)
    return Trained(spec, model.cpu().eval(), history)


def scaled(images: Tensor, pixels: str) -> Tensor:
    """Images of pixels in [0, 1] on one of SCALES."""
    shift, unit = SCALES[pixels]
    return images if (shift, unit) == (0, 1) else (images - shift) / unit


def _likely_cause(settings: TrainingSettings, images: Tensor) -> str:
    if not torch.isfinite(images).all():
        return "images that are not finite"
    if settings.betas[1] < settings.betas[0]:
        return f"Adam with betas={settings.betas} forgets squared gradients at once; try (0.5, 0.99)"
    return f"too large a step; try a learning_rate below {settings.learning_rate}"
