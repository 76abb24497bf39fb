"""A sweep of six small items, and what it leaves, for the tests of the sweep and of the cluster."""

from __future__ import annotations

import json
from dataclasses import replace

import torch
from safetensors.torch import load_file

from pullback.study import sweep
from pullback.study.profiles import Profile, get_profile
from pullback.study.records.items import SIZED, Item

TINY = replace(get_profile("smoke"), epochs=20, grid=8, points=3, gan_samples=20)
SMALL = [Item(name, seed, images) for name in SIZED for seed, images in ((0, 250), (1, 250), (0, 500))]


def numbers(profile: Profile, item: Item) -> dict:
    return json.loads(sweep.record_path(profile, item).read_text())["numbers"]


def weights(profile: Profile, item: Item) -> dict[str, torch.Tensor]:
    return load_file(sweep.checkpoint_path(profile, item))
