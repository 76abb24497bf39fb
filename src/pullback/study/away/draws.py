"""Chains of least energy of independent draws: the distance that Syrota et al. (2024) take for an ensemble's.

It is none of a metric (see `geometry.ensemble`): it grows with the number of steps wherever the decoders disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import draws_energy
from ...geometry.derivatives import Generator
from ...geometry.modules import in_dtype

ITERATIONS = 200  # of L-BFGS, at most


def shortest_chains(members: Sequence[Generator], chains: Tensor) -> Tensor:
    """Chains (B, n + 1, k) with the same ends as the given ones, and an energy of independent draws that is no higher
    and, as far as L-BFGS (Nocedal and Wright 2006, section 7.2) gets from there, the least."""
    members = [in_dtype(f) for f in members]  # once, and not in every evaluation
    ends, first = chains[:, [0, -1]].double(), total(members, chains).detach()
    inner = chains[:, 1:-1].double().clone().requires_grad_()
    optimiser = torch.optim.LBFGS([inner], max_iter=ITERATIONS, history_size=20, line_search_fn="strong_wolfe")

    def whole() -> Tensor:
        return torch.cat((ends[:, :1], inner, ends[:, 1:]), 1)

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = (total(members, whole()) / first).sum()
        value.backward()
        return value

    optimiser.step(loss)
    found = whole().detach()
    better = (total(members, found) < first)[:, None, None]
    return torch.where(better, found, chains.double())


def total(members: Sequence[Generator], chains: Tensor) -> Tensor:
    """The energies (B,) of chains, both terms together, in squared pixel units."""
    return sum(draws_energy(members, chains))  # type: ignore[return-value]
