"""Records of the systems on MNIST with numbers made up so that verdicts are known."""

from __future__ import annotations

from typing import Any

from pullback.study.away.knobs import KNOBS
from pullback.study.away.run import REMEDIES, SEEDS
from pullback.study.away.tables import SYSTEMS

Record = dict[str, Any]
NAMES = (*SYSTEMS, *(name for names in KNOBS.values() for name in names.values() if name not in SYSTEMS))
LEAVES, KEEPS = 0.2, 0.0  # shares at sparse points; of the straight line: 0.02


def way(sparse: float, nearest: float = 5.0) -> dict[str, list[float]]:
    """Of three pairs, of which the last is not agreed and would mislead."""
    told = {"sparse": sparse, "nearest": nearest, "features": 2.0, "confidence": 0.7, "lowest_confidence": 0.4,
            "sparsest": 0.9}  # fmt: skip
    return {name: [value, value, 99.0] for name, value in told.items()}


def planted(seed: int = 0, sparse: dict[str, float] | None = None) -> Record:
    """A record in which every metric leaves the data but those named, with what they are given. Seeds differ a little.
    """
    off = 1 + seed / 500
    systems = {
        name: {
            "length": [2.0 * off, 4.0, 9.0], "latent": [1.0, 2.0 * off, 3.0], "image": [1.0, 3.0, 2.0 * off],
            "agreed": [True, True, False], "border": [False] * 3, "log_cond": [0.5, 0.7, None],
            "path": way((sparse or {}).get(name, LEAVES) * off), "line": way(0.02, 7.0 * off),
            "solver": {"converged": [True] * 3, "solved": [True, True, False],
                       "seconds": 0.2 if name == "ensemble" else 0.1},
            "seconds": {"shortest": 3.0 if name == "ensemble" else 1.0},
        }
        for name in NAMES
    }  # fmt: skip
    for name in SYSTEMS[:-1]:
        systems[name] |= {"F": {"metric": 0.7 * off, "latent": 0.6, "decoded": 0.7},
                          "accuracy": {"path": 0.5 * off, "line": 0.5}}  # fmt: skip
    return {
        "seed": seed, "systems": systems, "seconds": {spec.name: 10.0 for spec in REMEDIES},
        "models": {spec.name: {"squared_error": 40.0 * off} for spec in REMEDIES},
        "draws": {n: {"length": [12.0, 14.0 * off, 19.0]} for n in ("8", "16", "32")},
        "without a metric": {"F, pixels": 0.6, "accuracy, few alone": 0.5, "accuracy, mixed pixels": 0.55},
    }  # fmt: skip


def five(sparse: dict[str, float] | None = None) -> list[Record]:
    return [planted(seed, sparse) for seed in range(SEEDS)]
