"""What the training loop needs of a model: an ordered set of losses, each with the module that it trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Phase(NamedTuple):
    """One optimisation step of a batch: `loss(images, labels, noise)` is minimised over the parameters of `module`."""

    module: nn.Module
    loss: Callable[[Tensor, Tensor, torch.Generator], Tensor]
