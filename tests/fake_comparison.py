"""Comparisons whose lengths are planted, without curves."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import torch

from pullback.geodesics import Geodesics, ShortestPaths
from pullback.study.solvers.runs import Compared
from pullback.study.solvers.scores import Bounds


def curves(length: list[float], converged: list[bool], seconds: float = 1.0, iterations: int = 5) -> Geodesics:
    n, values = len(length), torch.tensor(length, dtype=torch.float64)
    return Geodesics(
        points=torch.zeros(n, 2, 2), length=values, energy=values**2, converged=torch.tensor(converged),
        criterion=values, iterations=torch.full((n,), iterations), tried=torch.ones(n, dtype=torch.int64),
        seconds=seconds,
    )  # fmt: skip


def optimum(length: list[float]) -> ShortestPaths:
    values = torch.tensor(length, dtype=torch.float64)
    given: dict[str, Any] = {
        "length": values,
        "graph_length": values,
        "points": torch.zeros(len(length), 3, 2, dtype=torch.float64),
        "converged": torch.ones(len(length), dtype=torch.bool),
    }
    names = [field.name for field in fields(ShortestPaths) if field.name != "manifold"]
    return ShortestPaths(**{name: given.get(name, 0 * values) for name in names})


def compared(found: dict[str, Geodesics], length: list[float]) -> Compared:
    z = torch.zeros(len(length), 2)
    return Compared(z, z, optimum(length), 1.0, found)


def exact(length: list[float]) -> Bounds:
    """Distances that are known exactly."""
    return Bounds(np.array(length), np.array(length))
