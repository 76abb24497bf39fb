"""Maps of the pullback metric over a box of a two-dimensional latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .jacobian import Generator, in_dtype, jacobian
from .metric import log_cond, log_det, singular_values


@dataclass(frozen=True)
class LatentMap:
    """log_det and log_cond (natural logarithms) on a grid: row i is y[i], column j is x[j]; plot with origin="lower".

    box is ((x_min, x_max), (y_min, y_max)), in latent units; its edges are grid points. Where J is rank deficient,
    log_det is -inf and log_cond is +inf.
    """

    box: tuple[tuple[float, float], tuple[float, float]]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    log_det: NDArray[np.float64]
    log_cond: NDArray[np.float64]


def latent_map(
    f: Generator,
    box: Sequence[Sequence[float]],
    grid: int | tuple[int, int],
    chunk: int = 128,
    dtype: torch.dtype = torch.float64,
) -> LatentMap:
    """log_det and log_cond of f over box = ((x_min, x_max), (y_min, y_max)).

    grid is the number of points along x and y, or one number for both, at least 2. Points are evaluated `chunk` at a
    time: the memory needed beyond the map itself is that of one chunk, and a chunk whose Jacobians (chunk, N, 2) fit
    into the processor's cache is fastest. f and dtype as in `jacobian`, f with k = 2. Raises ValueError for a box or
    grid of the wrong shape, empty or not finite, and as `jacobian` does.
    """
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (2, 2) or not np.isfinite(edges).all() or not (edges[:, 0] < edges[:, 1]).all():
        raise ValueError(f"box must be finite ((x_min, x_max), (y_min, y_max)), min < max, shape (2, 2); got {box!r}")
    counts = (grid, grid) if np.ndim(grid) == 0 else tuple(grid)
    if len(counts) != 2 or not all(isinstance(n, int | np.integer) and n >= 2 for n in counts):
        raise ValueError(f"grid must be one integer or two (along x, along y), each at least 2; got {grid!r}")
    f = in_dtype(f, dtype)
    device = next(f.parameters()).device if isinstance(f, nn.Module) else None
    x, y = (torch.linspace(*edge, n, dtype=dtype, device=device) for edge, n in zip(edges.tolist(), counts))
    values = torch.empty(2, len(y) * len(x), dtype=torch.float64)
    with torch.no_grad():
        for index in torch.arange(values.shape[1], device=device).split(chunk):
            s = singular_values(jacobian(f, torch.stack([x[index % len(x)], y[index // len(x)]], dim=-1), dtype))
            values[0, index], values[1, index] = log_det(s).to(values), log_cond(s).to(values)
    maps = values.reshape(2, len(y), len(x)).numpy()
    (x_min, x_max), (y_min, y_max) = edges.tolist()
    return LatentMap(((x_min, x_max), (y_min, y_max)), x.double().cpu().numpy(), y.double().cpu().numpy(), *maps)
