"""What a notebook shows of two models of any data set and latent dimension, besides the numbers of their records."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...geodesics import geodesic
from ...geometry import LatentSpace, singular_values
from ..labels import family
from ..profiles import Profile
from .items import FAMILIES, SIZES, Item
from .pairs import DEFAULT, STRAIGHT, drawn


def items(profile: Profile) -> dict[str, Item]:
    """By the name of its family, a model of the profile's data set, latent dimensions and seed."""
    size = SIZES[profile.name]
    return {family(name): Item(profile.data, profile.latent_dim, name, profile.seed, size) for name in FAMILIES}


@torch.no_grad()
def spectrum(item: Item, model: Any) -> Tensor:
    """Singular values (n, k) of the generator's Jacobian at the codes of the item's test images, the largest first."""
    codes = model.encode(item.images("test")[0][: item.size.codes]).double()
    space = LatentSpace(model.generator)
    return space.in_parts(lambda z: singular_values(space.root(z)), codes)


def longest_detour(item: Item, model: Any, numbers: dict[str, Any], points: int = 11) -> tuple[float, Tensor, Tensor]:
    """Of the pair of the record whose straight line is the longest beside the default solver's curve: the ratio of the
    two lengths, and the images (points, 784) along the straight line and along the curve, at even latent times."""
    methods = numbers["pairs"]["methods"]
    ratio = np.divide(*(np.array(methods[name]["length"], float) for name in (STRAIGHT, DEFAULT)))
    at = int(np.nanargmax(ratio))
    with torch.no_grad():
        test, train = (model.encode(item.images(split)[0][: item.size.codes]) for split in ("test", "train"))
    start, end = drawn(test, item.size.pairs, item.seed)[at].double().unbind(0)
    curve = geodesic(LatentSpace(model.generator), start[None], end[None], codes=train[: item.size.given].double())
    times = torch.linspace(0, 1, points, dtype=torch.float64)
    line = torch.lerp(start, end, times[:, None])
    with torch.no_grad():
        straight, bent = (model.generator(z.float()) for z in (line, curve.curve(times)[0]))
    return float(ratio[at]), straight, bent
