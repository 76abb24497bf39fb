"""Records as the sweep writes them, with numbers made up so that families and seeds differ in known ways."""

from __future__ import annotations

import random
from typing import Any

from pullback.study.models import HEALTHY_GANS, REPORT
from pullback.study.records.measurement import EDGES

NAMES = [spec.name for spec in (*REPORT, *HEALTHY_GANS)]
SIZED = ("vae-128-32-tanh", "dae-128-32-tanh")
METHODS = ("straight", "newton", "cubic spline", "fixed point")
PAIRS = 21


def record(model: str, seed: int, images: int = 60_000, shift: float = 0.0) -> dict[str, Any]:
    """One record; `shift` is added to every log_cond."""
    chance = random.Random(f"{model} {seed} {images}")
    family = 2.0 if model.startswith("gan") else 1.0

    def some(low: float, high: float) -> list[float]:
        return [chance.uniform(low, high) for _ in range(PAIRS)]

    def quantiles(low: float, step: float) -> dict[str, float]:
        noise = chance.gauss(0, 0.01)
        return {f"q{q}": low + step * i + noise for i, q in enumerate((0, 5, 25, 50, 75, 95, 100))}

    maps = {
        "log_det": quantiles(2 * family, 2.0),
        "log_cond": quantiles(0.1 * family + shift, 0.2 * family),
        "rank_deficient": 0, "badly_conditioned": 0.05 * (family - 1), "roughness": 20 * family + chance.gauss(0, 1),
        "centre_excess": 1.0 + chance.gauss(0, 0.1),
    }  # fmt: skip
    length, gan = some(5, 20), model.startswith("gan")
    bins = len(EDGES) - 1
    pairs = {
        "latent_distance": some(0.5, 3), "sensitivity": some(0.01, 0.03),
        "optimum": {
            "length": length, "certified": [i != 3 for i in range(PAIRS)], "log_cond_highest": some(0.5, 2),
            "log_cond_variation": some(1, 4), "log_det_variation": some(1, 9),
        },
        "methods": {
            method: {
                "length": [x * (1 if (i + j) % 5 else 1.05) for i, x in enumerate(length)],
                "converged": [True] * PAIRS, "iterations": [10 + i for i in range(PAIRS)],
            }
            for j, method in enumerate(METHODS)
        },
        **{
            curve: {q: some(even, even + 0.1) for q in ("evenness", "nearest", "confidence", "lowest_confidence",
                                                        "changes", "sparse", "log_det")}
            for curve, even in (("straight", 0.5), ("geodesic", 0.1))
        },
    }  # fmt: skip
    whole = images == 60_000
    return {
        "item": {"model": model, "seed": seed, "images": images},
        "key": "0" * 16,
        "provenance": {},
        "numbers": {
            "maps": maps, "renewed": None if gan else maps,
            "beyond": {"median_inside": 8.0, "median_outside": chance.gauss(0, 0.1), "lowest_outside": -9.0},
            "held_out": None if gan else {"reconstruction": 140.0 + chance.gauss(0, 1), "renewed": 139.0},
            "coverage": {"classes": 10, "confidence": 0.9} if gan else None,
            "packing": {"gaps": chance.uniform(0.04, 0.06), "median_norm": chance.uniform(1.1, 1.2)},
            "away": {"edges": EDGES.tolist(), "count": [9] * bins, "log_det": [None, *range(bins - 1)],
                     "log_cond": [1.0] * bins, "image_distance": [4.0] * bins},
            "pairs": pairs if whole else None,
            "neighbours": {"changed": chance.uniform(0.1, 0.3), "further": 1.2} if whole else None,
        },
    }  # fmt: skip


def sweep(seeds: int = 5) -> list[dict[str, Any]]:
    """All models with that many seeds, and the smaller training sets."""
    ordinary = [record(name, seed) for seed in range(seeds) for name in NAMES]
    sized = [record(n, s, size, 2.0) for s in range(seeds) for n in SIZED for size in (250, 1_000, 5_000)]
    return ordinary + sized
