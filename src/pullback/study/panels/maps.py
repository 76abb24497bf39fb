"""What the models that fit the figures best show: results/panels/maps.npz, drawn beside the published panels.

Both quantities for each figure, (45, 45), of seed 0, mapped as for the score, and images of the GAN. `python -m
pullback.study.panels --stage 2` writes the file when it has all records.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...geometry import Box, LatentMap
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
SAMPLES, SIDE = 1000, 15  # of a GAN: images drawn, and decoded on a grid of SIDE x SIDE
NAME = "maps.npz"
REMEDY = "`python -m pullback.study.panels --stage 2` writes it"


class BestFit(NamedTuple):
    """What fits a figure best: in words what it has instead of the base settings, and its map. Of a GAN also images
    (n, 784) in [0, 1], to eight bits: samples, and those decoded on a grid over the box, row by row from the lowest
    z_2."""

    takes: str
    map: LatentMap
    samples: Tensor | None = None
    decoded: Tensor | None = None


def write(folder: Path = FOLDER, progress: Callable[[str], object] = print) -> None:
    """Write the maps of the best fits. What the file has of them is kept. Other models are loaded, or trained where no
    checkpoint is."""
    images = data.load("train")[0]
    arrays: dict[str, Any] = {}
    for figure, best in best_fits(folder).items():
        if own := _there(folder / NAME, figure, best):
            arrays |= own
            continue
        settings = replace(best.variant.settings(SEED), epochs=best.epochs)
        (trained,) = train_or_load([best.variant.spec], settings, sample=False, progress=progress).values()
        model, family, shown = trained.model, best.variant.spec.family, scaled(images, settings.pixels)
        if best.statistics == "renewed":
            model = renewed(model, family, shown, torch.Generator().manual_seed(SEED))
        m = mapped(model, PANELS[figure].box, own_box(model, family, shown))
        arrays |= {f"{figure}/of": np.array(_identity(best)), f"{figure}/box": np.array(m.box)}
        arrays |= {f"{figure}/{quantity}": getattr(m, quantity).astype(np.float32) for quantity in published.QUANTITIES}
        if family == "gan":
            arrays |= {f"{figure}/{name}": _bytes(shown) for name, shown in _images(model, m.box).items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(folder / NAME, buffer.getvalue())


def _there(path: Path, figure: str, best: Measured) -> dict[str, Any]:
    """What a file has of a figure's best fit; nothing if it cannot be read or has another one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            own = {name: file[name] for name in file if name.startswith(f"{figure}/")}
    except (OSError, ValueError, EOFError, BadZipFile):
        return {}
    return own if str(own.get(f"{figure}/of")) == _identity(best) else {}


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
                images = [torch.from_numpy(file[f"{figure}/{name}"]).float() / 255 for name in ("samples", "decoded")
                          if f"{figure}/{name}" in file]  # fmt: skip
                found[figure] = BestFit(best.told, LatentMap(((x0, x1), (y0, y1)), x, y, det, cond), *images)
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{path} cannot be read ({error}); {REMEDY}") from error
    return found


@torch.no_grad()
def _images(gan: Any, box: Box) -> dict[str, Tensor]:
    x, y = (torch.linspace(*side, SIDE) for side in box)
    grid = torch.cartesian_prod(y, x).flip(1)
    return {"samples": gan.sample(SAMPLES, torch.Generator().manual_seed(SEED)), "decoded": gan.generator(grid)}


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    return (255 * images).round().byte().numpy()


def _identity(best: Measured) -> str:
    return f"{key(best.variant, SEED)}, {best.epochs} epochs, {best.statistics}"
