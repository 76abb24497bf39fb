"""Maps of the pullback metric over a box of a two-dimensional latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .derivatives import Generator, check_finite
from .inputs import as_box
from .latent import as_manifold
from .manifolds import Embedded, Manifold
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


@torch.no_grad()
def latent_map(
    f: Manifold | Generator,
    box: Any,
    grid: int | Sequence[int],
    chunk: int | None = None,
    dtype: torch.dtype = torch.float64,
) -> LatentMap:
    """log_det and log_cond of a manifold or a generator f, k = 2, over box = ((x_min, x_max), (y_min, y_max)).

    grid is the number of points along x and y, or one number for both, at least 2. Memory is bounded whatever N;
    `chunk` bounds the number of points evaluated at a time further. A generator is evaluated in `dtype`, as by
    `jacobian`; a manifold has its own. Raises ValueError or TypeError for a box or grid of the wrong shape, empty or
    not finite, and as `jacobian` does.
    """
    edges, (n_x, n_y) = _edges(box), _counts(grid)
    if chunk is not None and (not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 1):
        raise ValueError(f"chunk must be an integer, at least 1, or None; got {chunk!r}")
    manifold = as_manifold(f, dtype)
    x, y = (
        torch.linspace(*ends, n, dtype=manifold.dtype, device=manifold.device)
        for ends, n in zip(edges, (n_x, n_y), strict=True)
    )
    z = torch.stack((x.repeat(n_y), y.repeat_interleave(n_x)), -1)
    manifold.check(z, lengths=False)

    def conditioning(part: Tensor) -> Tensor:
        J = manifold.root(part)
        check_finite(J, part, "f or its Jacobian" if isinstance(manifold, Embedded) else "the metric")
        s = singular_values(J)
        return torch.stack((log_det(s), log_cond(s)), 1).double()

    parts = [manifold.in_parts(conditioning, part) for part in z.split(chunk or len(z))]
    determinants, conditions = torch.cat(parts).mT.reshape(2, n_y, n_x).cpu().numpy()
    return LatentMap(edges, x.double().cpu().numpy(), y.double().cpu().numpy(), determinants, conditions)


def _edges(box: Any) -> Box:
    """box as floats; ValueError unless it is a finite, non-empty rectangle."""
    wanted = "box must be ((x_min, x_max), (y_min, y_max)), shape (2, 2), finite, min < max"
    try:
        limits = as_box(box)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}; got {box!r}") from None
    if len(limits) != 2:
        raise ValueError(f"{wanted}; got shape {tuple(limits.shape)}: {box!r}")
    (x_min, x_max), (y_min, y_max) = limits.tolist()
    return (x_min, x_max), (y_min, y_max)


def _counts(grid: int | Sequence[int]) -> tuple[int, int]:
    """The number of grid points along x and y."""
    counts = tuple(grid) if isinstance(grid, Sequence) and not isinstance(grid, str) else (grid, grid)
    if len(counts) != 2 or not all(isinstance(n, int | np.integer) and n >= 2 for n in counts):
        raise ValueError(f"grid must be one integer or two (along x, along y), each at least 2; got {grid!r}")
    return int(counts[0]), int(counts[1])
