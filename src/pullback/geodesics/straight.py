"""The straight line in latent space: the baseline of every comparison (Verma et al., 2019, interpolate so).

Nothing is solved: `converged` is False and the criterion NaN, unless the end points are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import Solution, segment


def solve(manifold: Manifold, start: Tensor, end: Tensor, *, segments: int = 64) -> Solution:
    """The knots of the lines; `segments` only sets the quadrature by which they are measured."""
    if segments < 1:
        raise ValueError(f"segments must be at least 1; got {segments}")
    none = torch.zeros(len(start), dtype=torch.int64, device=start.device)
    return Solution(segment(start, end, segments), torch.full_like(start[:, 0], torch.nan), none.bool(), none)
