"""The maps of the models that fit the figures best: results/panels/maps.npz, drawn beside the published panels.

Both quantities for each figure, (45, 45), of seed 0, mapped as for the score. `python -m pullback.study.panels
--stage 2` writes the file when it has all records.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ...geometry import LatentMap
from .. import data
from ..errors import RecordError
from ..paths import write_atomically
from ..report import PANELS
from ..trained_models import train_or_load
from ..training import scaled
from . import published
from .measuring import mapped, own_box, renewed
from .reading import FOLDER, Measured, key
from .rows import best_fits

SEED = 0
NAME = "maps.npz"
REMEDY = "`python -m pullback.study.panels --stage 2` writes it"


class BestFit(NamedTuple):
    """What fits a figure best: in words what it has instead of the base settings, and its map."""

    takes: str
    map: LatentMap


def write(folder: Path = FOLDER, progress: Callable[[str], object] = print) -> None:
    """Write the maps of the best fits. Their models are loaded, or trained where no checkpoint is."""
    images, _ = data.load("train")
    arrays: dict[str, Any] = {}
    for figure, best in best_fits(folder).items():
        settings = replace(best.variant.settings(SEED), epochs=best.epochs)
        (trained,) = train_or_load([best.variant.spec], settings, sample=False, progress=progress).values()
        model, family, shown = trained.model, best.variant.spec.family, scaled(images, settings.pixels)
        if best.statistics == "renewed":
            model = renewed(model, family, shown, torch.Generator().manual_seed(SEED))
        m = mapped(model, PANELS[figure].box, own_box(model, family, shown))
        arrays |= {f"{figure}/of": np.array(_identity(best)), f"{figure}/box": np.array(m.box)}
        arrays |= {f"{figure}/{quantity}": getattr(m, quantity).astype(np.float32) for quantity in published.QUANTITIES}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(folder / NAME, buffer.getvalue())


def read(folder: Path = FOLDER) -> dict[str, BestFit]:
    """By figure, what fits it best. Raises RecordError, saying what to do, if the file is missing, cannot be read, or
    is not of the records beside it."""
    path, found = folder / NAME, {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for figure, best in best_fits(folder).items():
                if str(file[f"{figure}/of"]) != _identity(best):
                    raise RecordError(f"{path} holds another model of {figure} than fits best by the records; {REMEDY}")
                (x0, x1), (y0, y1) = file[f"{figure}/box"].tolist()
                x, y = np.linspace(x0, x1, published.GRID), np.linspace(y0, y1, published.GRID)
                det, cond = (file[f"{figure}/{quantity}"].astype(float) for quantity in published.QUANTITIES)
                found[figure] = BestFit(best.told, LatentMap(((x0, x1), (y0, y1)), x, y, det, cond))
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{path} cannot be read ({error}); {REMEDY}") from error
    return found


def _identity(best: Measured) -> str:
    return f"{key(best.variant, SEED)}, {best.epochs} epochs, {best.statistics}"
