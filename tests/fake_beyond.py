"""Records of `pullback.study.beyond` with numbers that were made up, to judge and to draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pullback.study.beyond.items import Item
from pullback.study.provenance import write_sealed

PAIRS = 40


def numbers(item: Item) -> dict[str, Any]:
    """All claims hold, with some noise: DAEs are worse conditioned and rougher, lines are longer, nothing predicts
    failure, and geodesics leave the data and avoid large determinants."""
    random = np.random.RandomState(100 * item.seed + item.latent_dim)
    dae, k = item.family == "dae", item.latent_dim
    cond = 0.5 + 0.3 * np.log(k) + 0.8 * dae + 0.05 * random.randn()
    quantiles = {f"q{q}": float(cond + q / 100) for q in (0, 5, 25, 50, 75, 95, 100)}
    told = {"log_cond": quantiles, "rank_deficient": 0, "above": {"20": 1e-4 * random.rand(), "10": 0.01, "5": 0.2}}
    at = {**told, "log_det": {name: 4.0 * k + value for name, value in quantiles.items()}, "active": told}
    shortest = np.linspace(5, 9, PAIRS) + random.rand(PAIRS)
    missed = random.rand(3, PAIRS) < np.array([0.2, 0.0, 0.2])[:, None]
    lengths = {
        "straight": shortest * 1.08,
        **{name: shortest * (1 + 0.05 * own)
           for name, own in zip(("newton", "default", "cubic spline"), missed, strict=True)},
        "graph": shortest * 1.02,
    }  # fmt: skip
    way = {"log_cond_highest": (cond + random.rand(PAIRS)).tolist(), "log_cond": [float(cond)] * PAIRS}
    plane = {"lower": (shortest / 1.001).tolist(), "agreed": [True] * PAIRS, "everywhere": [True] * PAIRS}
    return {
        "scale": {"distance": float(k**0.5 * (3 if dae else 1)), "log_det_covariance": 0.0, "active": list(range(k))},
        "at": {"test": at, "training": at},
        "roughness": {"distance": float((2 + dae) * k**0.5 * (1 + 0.05 * random.randn())), "whitened": 1.0,
                      "left_out": 0},
        "reconstruction": 150.0 - 5 * k + 60 * (item.data == "fashion"),
        "pairs": {
            "latent_distance": random.rand(PAIRS).tolist(),
            "shortest": shortest.tolist(),
            "methods": {name: {"length": length.tolist(), "converged": [True] * PAIRS, "iterations": [9] * PAIRS}
                        for name, length in lengths.items()},
            "plane": plane if k == 2 else None,
            "ways": {
                "straight": way | {"sparse": [0.02] * PAIRS, "log_det": [9.0] * PAIRS},
                "default": way | {"sparse": [0.10] * PAIRS, "log_det": [8.0] * PAIRS},
                "shortest": way | {"sparse": [0.10] * PAIRS, "log_det": [8.0] * PAIRS},
            },
        },
    }  # fmt: skip


def write(item: Item, folder: Path, **changed: Any) -> None:
    """The record of an item, with other numbers where they are given."""
    record = {"key": item.key, "outcome": "trained", "numbers": numbers(item) | changed}
    write_sealed(folder / f"{item.name}.json", record)
