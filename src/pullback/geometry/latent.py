"""The latent space of a generator as a manifold: the deterministic pullback of its pixels' Euclidean metric."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .derivatives import Generator, contraction, differential, evaluation, in_dtype, second_derivative, thinned
from .manifolds import Embedded, Manifold

SKETCH = 5  # a sketch keeps every SKETCH-th pixel; these are well scattered if 5 does not divide the image's width


class LatentSpace(Embedded):
    """The latent space of a generator, with the pullback metric (Tosi et al., 2014; Arvanitidis et al., 2017).

    f maps (n, k) to (n, ...), each row for itself; a module must be in eval mode and is evaluated as a frozen copy in
    float64 (see `in_dtype`). `box`, one (low, high) a latent dimension, is where f was trained, if that is known:
    solvers warn of end points outside. Lengths are in pixel units, the Euclidean norm of the flattened images.
    """

    def __init__(
        self, f: Generator, box: Sequence[Sequence[float]] | None = None, dtype: torch.dtype = torch.float64
    ) -> None:
        self.f, self.box = in_dtype(f, dtype), box
        self.dtype = dtype if isinstance(f, nn.Module) else torch.float64
        self._images, self._contract = evaluation(self.f, self.dtype), contraction(self.f, self.dtype)
        self._jacobian = differential(self.f, self.dtype, check=False)
        self._bend = second_derivative(self.f, self.dtype)

    def single(self) -> LatentSpace:
        """The same space in float32; itself, if f is not a module and so cannot be converted."""
        return LatentSpace(self.f, self.box, torch.float32) if isinstance(self.f, nn.Module) else self

    def sketch(self) -> LatentSpace:
        """The space in float32 under every SKETCH-th pixel: nearly the same geometry, at a fraction of the cost.
        Itself, if f's layers do not allow that."""
        thin = thinned(self.f, SKETCH)
        return self if thin is self.f else LatentSpace(thin, self.box, torch.float32)

    def embed(self, z: Tensor) -> Tensor:
        return self.f(z).flatten(1)

    def images(self, z: Tensor) -> Tensor:
        return self._images(z)

    def contract(self, z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        return self._contract(z, y, w)

    def bend(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return self._bend(z, v)

    def root(self, z: Tensor) -> Tensor:
        """The Jacobian (n, N, k), by the fast path of `jacobian`."""
        return self._jacobian(z)


def as_manifold(f: Manifold | Generator) -> Manifold:
    """A manifold as it is, and a generator as its latent space."""
    return f if isinstance(f, Manifold) else LatentSpace(f)
