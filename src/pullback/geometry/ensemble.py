"""Ensembles of decoders: the expected metric, and the energy of independent draws, which is no metric.

S decoders of one latent space have the expected metric M = (1/S) sum_s J_s^T J_s (Syrota et al. 2024), the pullback
of the Euclidean metric by (f_1, ..., f_S) / sqrt(S).

The same paper lowers another energy of a chain of points z_0, ..., z_n: in each step two members i and j are drawn
independently, one for each end. With the members' mean m and the trace V of their covariance, taken over S,

    n sum_t E |f_i(z_t+1) - f_j(z_t)|^2 = n sum_t |m(z_t+1) - m(z_t)|^2 + n sum_t (V(z_t+1) + V(z_t)).

The first term is the mean's kinetic energy and tends to an integral along the curve. The second is a potential that
keeps the curve where the members agree; it grows as 2 n^2 times the integral of V. So the energy is one of a
discretised curve: which chain is the best depends on n, and so does how much the agreement counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .derivatives import Generator
from .inputs import as_points
from .latent import LatentSpace
from .stochastic import joined


class EnsembleMetric(LatentSpace):
    """The latent space of several decoders with their expected metric (see the module).

    `members` are S >= 2 generators (n, k) -> (n, ...) with images of one shape, modules in eval mode. `box` and lengths
    are as `LatentSpace`'s, so members that agree give the length of one. ValueError for a single member, and where
    shapes differ when the metric is first used.
    """

    def __init__(self, members: Sequence[Generator], box: Sequence[Sequence[float]] | None = None) -> None:
        self.members = _several(members)
        super().__init__(joined(self.members, len(self.members) ** -0.5), box)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        _check_shapes(self.members, z[:1])
        super().check(z, lengths)


class DrawsEnergy(NamedTuple):
    """The two terms (B,) of the energy of independent draws (see the module), in squared pixel units."""

    kinetic: Tensor
    potential: Tensor


def draws_energy(members: Sequence[Generator], points: Any) -> DrawsEnergy:
    """The energy of independent draws of the chains `points` (B, n + 1, k) under S >= 2 members: its two terms, the
    second of which grows as n^2 where members disagree (see the module). Differentiable in the points."""
    members = _several(members)
    z = as_points(points, "points")
    if z.ndim != 3 or z.shape[1] < 2:
        raise ValueError(f"points must be chains (B, n + 1, k) with n >= 1; got {tuple(z.shape)}")
    rows, n = z.flatten(0, 1), z.shape[1] - 1
    _check_shapes(members, rows[:1])
    spaces = [LatentSpace(f) for f in members]
    mean = torch.stack([space.embed(rows) for space in spaces]).mean(0)
    apart = sum((space.embed(rows) - mean).square().sum(1) for space in spaces)
    V = (apart / len(spaces)).unflatten(0, z.shape[:2])  # type: ignore[union-attr]
    kinetic = mean.unflatten(0, z.shape[:2]).diff(dim=1).square().sum((1, 2))
    return DrawsEnergy(n * kinetic, n * (V[:, 1:] + V[:, :-1]).sum(1))


def _several(members: Sequence[Generator]) -> list[Generator]:
    several = list(members)
    if len(several) < 2:
        raise ValueError(
            f"an ensemble needs at least two members, got {len(several)}: for one decoder use LatentSpace(decoder)"
        )
    return several


@torch.no_grad()
def _check_shapes(members: Sequence[Generator], z: Tensor) -> None:
    shapes = {tuple(LatentSpace(f).f(z).shape[1:]) for f in members}
    if len(shapes) > 1:
        raise ValueError(f"the members of an ensemble must have images of one shape; got {sorted(shapes)}")
