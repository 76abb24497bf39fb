"""The latent space of a generator as a manifold: the deterministic pullback of its pixels' Euclidean metric."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .derivatives import Derivatives, Generator
from .manifolds import Embedded, Manifold

SKETCH = 5  # a sketch keeps every SKETCH-th pixel; they are well scattered if 5 does not divide the image's width


class LatentSpace(Embedded):
    """The latent space of a generator, with the pullback metric (Tosi et al., 2014; Arvanitidis et al., 2017).

    f maps (n, k) to (n, ...), each row for itself; a module must be in eval mode and is evaluated as a frozen copy in
    float64 (see `in_dtype`). `box`, one (low, high) a latent dimension, is where f was trained, if that is known:
    solvers warn of end points outside. Lengths are in pixel units, the Euclidean norm of the flattened images.

    All derivatives are those of one `Derivatives` object; `f` is the generator that it evaluates.
    """

    def __init__(
        self,
        f: Generator | Derivatives,
        box: Sequence[Sequence[float]] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.derivatives = f if isinstance(f, Derivatives) else Derivatives(f, dtype)
        self.f, self.dtype, self.box = self.derivatives.f, self.derivatives.dtype, box

    def single(self) -> LatentSpace:
        """The same space in float32; itself, if f is not a module and so cannot be converted."""
        single = Derivatives(self.f, torch.float32)
        return LatentSpace(single, self.box) if single.dtype == torch.float32 else self

    def sketch(self) -> LatentSpace:
        """The space in float32 under every SKETCH-th pixel: nearly the same geometry, at a fraction of the cost.
        Itself, if f's layers do not allow that."""
        thin = self.derivatives.thinned(SKETCH)
        return self if thin is self.derivatives else LatentSpace(Derivatives(thin.f, torch.float32), self.box)

    def embed(self, z: Tensor) -> Tensor:
        return self.derivatives(z)


def as_manifold(f: Manifold | Generator) -> Manifold:
    """A manifold as it is, and a generator as its latent space."""
    return f if isinstance(f, Manifold) else LatentSpace(f)
