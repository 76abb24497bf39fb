"""Records of rotated digits with numbers made up so that verdicts are known."""

from __future__ import annotations

from typing import Any

from pullback.study.rings.decoders import WEIGHTS
from pullback.study.rings.metrics import PLAIN
from pullback.study.rings.tables import METRICS

KEEPS, LEAVES, BETWEEN = (0.1, 1.4), (0.9, 6.0), (0.2, 1.8)  # leaves, off_largest; of the straight line: 0.35, 2.1
Record = dict[str, Any]


def measures(leaves: float, off: float, agreed: bool = True) -> dict[str, Any]:
    """Of two pairs, of which the second is not agreed and would mislead."""
    return {"leaves": [leaves, 9.0], "off_largest": [off, 9.0], "off_mean": [off / 2, off / 2], "angle": [4.0, 90.0],
            "agreed": [agreed, False]}  # fmt: skip


def planted(seed: int = 0, **found: tuple[float, float]) -> Record:
    """A record whose metrics all leave the ring but those named, with what they are given; decoders are alike."""
    own = {name: name if name in (*WEIGHTS, "process") else PLAIN for name in METRICS}
    metrics = {
        name: measures(*found.get(name, LEAVES)) | {"decoder": decoder, "seconds": 2.0 if name == "process" else 1.0}
        for name, decoder in own.items()
    }
    known = {"straight line": (0.35, 2.1), "circle": (0.0, 1.0)}
    straight = {
        decoder: {name: measures(*m) | {"agreed": [True, True]} for name, m in known.items()}
        for decoder in dict.fromkeys(own.values())
    }
    return {"seed": seed, "metrics": metrics, "straight": straight}
