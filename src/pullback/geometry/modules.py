"""Modules made ready for geometry: frozen copies in one precision, and the layers that cannot have a Jacobian."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from .inputs import check_dtype

Generator = Callable[[Tensor], Tensor]

UNSUPPORTED: dict[type[nn.Module], str] = {
    nn.CrossMapLRN2d: "has no second derivatives in torch: use nn.LocalResponseNorm",
    nn.Embedding: "takes integers, and latent points are real",
    nn.EmbeddingBag: "takes integers, and latent points are real",
    nn.FractionalMaxPool2d: "draws its regions at random",
    nn.FractionalMaxPool3d: "draws its regions at random",
}


class HardSigmoid(nn.Module):
    """nn.Hardsigmoid in operations that torch can differentiate twice."""

    def forward(self, a: Tensor) -> Tensor:
        return nn.functional.relu6(a + 3) / 6


def in_dtype(f: Generator, dtype: torch.dtype = torch.float64) -> Generator:
    """f ready for geometry: a module as a frozen copy in `dtype`, any other callable as it is.

    The module itself is never modified. One that is frozen (no parameter requires a gradient) and in `dtype`
    already is returned as it is, so a caller who evaluates often converts once. In the copy, layers that torch cannot
    differentiate twice are replaced by equal ones. Raises TypeError if f is not callable, and ValueError for a dtype
    other than float32 and float64 and for a module with a layer that has no Jacobian, by the layer's name: batch norm
    without running statistics, batch norm or dropout in training mode, and the layers of `UNSUPPORTED`.
    """
    check_dtype(dtype)
    if not callable(f):
        raise TypeError(f"f must map a tensor (n, k) to a tensor (n, ...), a module or a function; got {f!r}")
    if not isinstance(f, nn.Module):
        return f
    replaced = False
    for name, layer in f.named_modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise ValueError(
                f"layer {name!r} ({layer}) has no running statistics, so every output depends on the whole batch "
                "and has no Jacobian of its own: build it with track_running_stats=True"
            )
        if layer.training and (isinstance(layer, _BatchNorm | _DropoutNd | nn.RReLU) or _drops(layer)):
            raise ValueError(f"layer {name!r} ({layer}) is in training mode: call generator.eval() first")
        for kind, reason in UNSUPPORTED.items():
            if isinstance(layer, kind):
                raise ValueError(f"layer {name!r} ({layer}) {reason}")
        replaced |= isinstance(layer, nn.Hardsigmoid | nn.RReLU)
    if all(t.dtype == dtype and not t.requires_grad for t in weights(f)) and not replaced:
        return f
    return _twice_differentiable(copy.deepcopy(f)).to(dtype).requires_grad_(False)


def weights(f: nn.Module) -> list[Tensor]:
    """The floating point parameters and buffers of f."""
    return [t for t in (*f.parameters(), *f.buffers()) if t.is_floating_point()]


def _drops(layer: nn.Module) -> bool:
    """Whether a recurrent or attention layer has a dropout of its own."""
    return isinstance(layer, nn.RNNBase | nn.MultiheadAttention) and layer.dropout > 0


def _twice_differentiable(f: nn.Module) -> nn.Module:
    """f, with layers replaced in place by equal ones that torch can differentiate twice, and under vmap."""
    for name, layer in f.named_children():
        setattr(f, name, _twice_differentiable(layer))
    if type(f) is nn.Hardsigmoid:
        return HardSigmoid()
    if type(f) is nn.RReLU:
        return nn.LeakyReLU((f.lower + f.upper) / 2)
    return f
