"""The one training loop of the study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .errors import DivergenceError
from .models.spec import ModelSpec


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; the defaults are the report's.

    The report prints "betas of 0,99 and 0,5". Read as Adam's (beta1, beta2) they diverge: with a second-moment
    memory of two steps a weight whose gradient pauses is divided by almost nothing. The order meant is this one.
    """

    epochs: int = 100
    batch_size: int = 1000
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.5, 0.99)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or not self.learning_rate > 0:
            raise ValueError(f"epochs >= 1, batch_size >= 2 and learning_rate > 0 are needed; got {self}")


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, with the mean of each of its losses over each epoch, in order."""

    spec: ModelSpec
    model: Any  # of the spec's family
    history: dict[str, list[float]]


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA where there is one and the CPU elsewhere; any other name is torch's own. Raises ValueError for
    CUDA where there is none."""
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: torch finds no CUDA here; use 'auto' or 'cpu'")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def train(
    spec: ModelSpec,
    settings: TrainingSettings,
    images: Tensor,
    labels: Tensor,
    *,
    device: str = "auto",
    progress: Callable[[str], None] = print,
) -> Trained:
    """Train the model that `spec` describes on images (n, 784) in [0, 1] and labels (n,).

    The data stay in the device's memory and a batch is one indexing operation. On a CPU, and with one thread, the
    same seed gives the same bits. Raises DivergenceError, at the step where it happens, if a loss is not finite;
    the images then are what they were and nothing has been written.
    """
    if len(images) < 2:
        raise ValueError(f"training needs at least 2 images, got {tuple(images.shape)}")
    place = choose_device(device)
    images, labels = images.to(place), labels.to(place)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = spec.build().to(place)
    noise = torch.Generator(place).manual_seed(settings.seed)
    phases = model.phases()
    parameters = {name: list(phase.module.parameters()) for name, phase in phases.items()}
    optimizers = {
        name: torch.optim.Adam(weights, lr=settings.learning_rate, betas=settings.betas, fused=True)
        for name, weights in parameters.items()
    }
    history: dict[str, list[float]] = {name: [] for name in phases}
    size = min(settings.batch_size, len(images))
    steps = len(images) // size  # the last, smaller batch is left out: batch norm would weigh its few images more
    started = time.perf_counter()
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
                loss.backward(inputs=parameters[name])
                optimizers[name].step()
                totals[name] += value / steps
        for name, total in totals.items():
            history[name].append(total)
        if epoch % max(1, settings.epochs // 5) == 0:
            losses = ", ".join(f"{name} {total:.3f}" for name, total in totals.items())
            elapsed = time.perf_counter() - started
            progress(f"{spec.name:<26} epoch {epoch:>3}/{settings.epochs}  {losses}  ({elapsed:.0f} s)")
    return Trained(spec, model.cpu().eval(), history)


def _likely_cause(settings: TrainingSettings, images: Tensor) -> str:
    if not torch.isfinite(images).all():
        return "images that are not finite"
    if settings.betas[1] < settings.betas[0]:
        return f"Adam with betas={settings.betas} forgets squared gradients at once; try (0.5, 0.99)"
    return f"too large a step; try a learning_rate below {settings.learning_rate}"
