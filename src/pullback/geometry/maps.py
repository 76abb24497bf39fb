"""Maps of the pullback metric over a box of a two-dimensional latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .derivatives import Derivatives, Generator, check_finite
from .metric import log_cond, log_det, singular_values

Box = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class LatentMap:
    """log_det and log_cond (natural logarithms) on a grid: row i is y[i], column j is x[j], origin="lower".

    box is ((x_min, x_max), (y_min, y_max)), in latent units; its edges are grid points. Where J is rank
    deficient, log_det is -inf and log_cond is +inf.
    """

    box: Box
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    log_det: NDArray[np.float64]
    log_cond: NDArray[np.float64]


def latent_map(
    f: Generator,
    box: Sequence[Sequence[float]],
    grid: int | Sequence[int],
    chunk: int = 512,
    dtype: torch.dtype = torch.float64,
) -> LatentMap:
    """log_det and log_cond of f over box = ((x_min, x_max), (y_min, y_max)).

    grid is the number of points along x and y, or one number for both, at least 2. Points are evaluated `chunk`
    at a time, so beyond the map itself memory is needed for one chunk only; 128 to 1,024 points are equally fast
    for N = 784. f and dtype as in `jacobian`, f with k = 2. Raises ValueError for a box or grid of the wrong
    shape, empty or not finite, and as `jacobian` does.
    """
    edges = _edges(box)
    n_x, n_y = _counts(grid)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    derivatives = Derivatives(f, dtype)
    device = next((p.device for p in f.parameters()), None) if isinstance(f, nn.Module) else None
    x = torch.linspace(*edges[0], n_x, dtype=dtype, device=device)
    y = torch.linspace(*edges[1], n_y, dtype=dtype, device=device)
    values = torch.empty(2, n_y * n_x, dtype=torch.float64, device=device)
    with torch.no_grad():
        for index in torch.arange(n_y * n_x, device=device).split(chunk):
            z = torch.stack([x[index % n_x], y[index // n_x]], dim=-1)
            J = derivatives.jacobian(z)
            check_finite(J, z)
            s = singular_values(J)
            values[:, index] = torch.stack([log_det(s), log_cond(s)]).double()
    determinants, conditions = values.reshape(2, n_y, n_x).cpu().numpy()
    return LatentMap(edges, x.double().cpu().numpy(), y.double().cpu().numpy(), determinants, conditions)


def _edges(box: Sequence[Sequence[float]]) -> Box:
    """box as floats; ValueError unless it is a finite, non-empty rectangle."""
    wanted = "box must be ((x_min, x_max), (y_min, y_max)), shape (2, 2), finite, min < max"
    try:
        edges = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}; got {box!r}") from None
    if edges.shape != (2, 2) or not np.isfinite(edges).all() or not (edges[:, 0] < edges[:, 1]).all():
        raise ValueError(f"{wanted}; got shape {edges.shape}: {box!r}")
    (x_min, x_max), (y_min, y_max) = edges.tolist()
    return (x_min, x_max), (y_min, y_max)


def _counts(grid: int | Sequence[int]) -> tuple[int, int]:
    """The number of grid points along x and y."""
    counts = tuple(grid) if isinstance(grid, Sequence) and not isinstance(grid, str) else (grid, grid)
    if len(counts) != 2 or not all(isinstance(n, int | np.integer) and n >= 2 for n in counts):
        raise ValueError(f"grid must be one integer or two (along x, along y), each at least 2; got {grid!r}")
    return int(counts[0]), int(counts[1])
