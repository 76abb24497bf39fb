"""The numbers of a trained model that are compared with the panels of its figure."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import update_bn

from ...geometry import Box, LatentMap, latent_map
from ..records.quantities import percentile_box, recalibrated
from ..report import PANELS
from . import published
from .grid import STATISTICS, Variant

OWN_BOX = "own box"  # what a record of a VAE has besides STATISTICS: the panels on the box of its codes
DRAWS = 10_000  # samples by which a GAN's statistics are renewed


def renewed(model: Any, family: str, images: Tensor, noise: torch.Generator) -> Any:
    """A copy whose batch norm statistics are averages at the final weights: over images, or over draws of a GAN."""
    if family != "gan":
        return recalibrated(model, images)
    model = copy.deepcopy(model)
    update_bn(torch.randn(DRAWS, model.latent_dim, generator=noise).split(1000), model.generator)
    return model


def measure(variant: Variant, model: Any, images: Tensor, seed: int) -> dict[str, Any]:
    """Of a model in eval mode: for each of STATISTICS the numbers of both panels, of a VAE also on the 1 to 99 % range
    of its codes, and of a GAN how much its samples differ. `images` are as the model is shown them."""
    noise, family = torch.Generator().manual_seed(seed), variant.spec.family
    found: dict[str, Any] = {}
    for statistics in STATISTICS:
        own = model if statistics == "trained" else renewed(model, family, images, noise)
        found[statistics] = _panels(variant.figure, own, PANELS[variant.figure].box, own_box(own, family, images))
    if family == "vae":
        with torch.no_grad():
            found[OWN_BOX] = _panels(variant.figure, model, percentile_box(model.encode(images)), None)
    if family == "gan":
        with torch.no_grad():
            samples = model.sample(1000, noise)
        # root mean square distance, in pixel units, of samples from their mean: 0 for a GAN that shows one image
        found["variety"] = float((samples - samples.mean(0)).square().sum(1).mean().sqrt())
    return found


def _panels(figure: str, model: Any, box: Box, own: Box | None) -> dict[str, Any]:
    """Both panels of a figure: on a box and, for the error of reading it, on two more."""
    error = {"as read": 0.0, "grown": published.BOX_ERROR, "shrunk": -published.BOX_ERROR}
    read = {name: moved(box, by) for name, by in error.items()}
    maps = {name: mapped(model, box, own) for name, box in read.items()}
    shift = 0.0 if own is None else published.shift(own, read["as read"])
    numbers: dict[str, Any] = {"box": maps["as read"].box, "shift": shift}
    for quantity in published.QUANTITIES:
        visible = np.isfinite(published.panel(figure, quantity))
        values = {name: getattr(m, quantity) for name, m in maps.items()}
        rough = published.roughness(np.where(visible, values["as read"], np.nan))
        numbers[quantity] = {
            "quantiles": {name: _finite(published.quantiles(v, visible)) for name, v in values.items()},
            "roughness": rough if math.isfinite(rough) else None,
        }
    return numbers


@torch.no_grad()
def own_box(model: Any, family: str, images: Tensor) -> Box | None:
    """The box of a DAE's codes: its latent scale is arbitrary, so that a published box means nothing to it. None for
    the other families."""
    return percentile_box(model.encode(images)) if family == "dae" else None


def mapped(model: Any, box: Box, own: Box | None) -> LatentMap:
    """The map of a model on a published box; with a box of its own, on that, its log_det as if the two had one area."""
    if own is None:
        return latent_map(model.generator, box, published.GRID)
    m = latent_map(model.generator, own, published.GRID)
    return replace(m, log_det=m.log_det + published.shift(own, box))


def moved(box: Box, by: float) -> Box:
    """The box with every edge moved out by a latent length."""
    (x0, x1), (y0, y1) = box
    return (x0 - by, x1 + by), (y0 - by, y1 + by)


def _finite(values: Sequence[float]) -> list[float]:
    """Infinite quantiles, of maps that are rank deficient, as the largest numbers that a record is to hold."""
    return np.clip(values, -1e3, 1e3).tolist()
