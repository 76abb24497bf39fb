"""The latent space of a generator as a manifold: the deterministic pullback of its pixels' Euclidean metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

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
        self.device = next((t.device for t in self.f.parameters()), None) if isinstance(self.f, nn.Module) else None

    def single(self) -> LatentSpace:
        """The same space in float32; itself, if f is not a module and so cannot be converted, or if it is known to
        leave the range of float32."""
        return self._single if self._narrows() else self

    def sketch(self) -> LatentSpace:
        """The space in float32 under every SKETCH-th pixel: nearly the same geometry, at a fraction of the cost.
        Itself, if f's layers do not allow that."""
        return self._sketch or self if self._narrows() else self

    @cached_property
    def _single(self) -> LatentSpace:
        return LatentSpace(Derivatives(self.f, torch.float32), self.box)

    @cached_property
    def _sketch(self) -> LatentSpace | None:
        thin = self.derivatives.thinned(SKETCH)
        return None if thin is self.derivatives else LatentSpace(Derivatives(thin.f, torch.float32), self.box)

    def _narrows(self) -> bool:
        """Whether f can be had in float32, as far as is known."""
        extent = self.derivatives.extent
        return isinstance(self.f, nn.Module) and (extent is None or extent.fits(torch.float32))

    def embed(self, z: Tensor) -> Tensor:
        return self.derivatives(z)


def as_manifold(f: Manifold | Generator, dtype: torch.dtype = torch.float64) -> Manifold:
    """A manifold as it is, and a generator as its latent space, in `dtype`. TypeError for anything else."""
    return f if isinstance(f, Manifold) else LatentSpace(f, dtype=dtype)
