"""The fast path: plain networks, whose values and derivatives are carried through their layers by hand.

A plain network is an `nn.Sequential` of Linear, BatchNorm1d after a Linear, and the activations of `ACTIVATIONS`.
Batch norm in eval mode is an affine map of each feature and is merged into the Linear before it. So the network is a
list of affine maps and activations. Its k tangents travel with one evaluation, which is as exact as automatic
differentiation and faster.

Source: forward accumulation, Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Activation(NamedTuple):
    """An activation phi, elementwise: `value_` computes y = phi(a) in place, `slope` is phi'(a) and `ratio` is
    phi''(a) / phi'(a), both as functions of y."""

    name: str
    value_: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    ratio: Callable[[Tensor], Tensor]


class Affine(NamedTuple):
    """The map x -> weight x + bias."""

    weight: Tensor
    bias: Tensor


# tanh a = 2 sigmoid(2 a) - 1, because torch's sigmoid is several times faster than its tanh in float64.
ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Tanh: Activation(
        "tanh",
        lambda a: a.mul_(2).sigmoid_().mul_(2).sub_(1),
        lambda y: (y * y).neg_().add_(1),
        lambda y: y * -2,
    ),
    nn.Sigmoid: Activation(
        "sigmoid",
        torch.sigmoid_,
        lambda y: torch.addcmul(y, y, y, value=-1),
        lambda y: torch.rsub(y, 1, alpha=2),
    ),
    nn.ReLU: Activation("relu", torch.relu_, lambda y: (y > 0).to(y), torch.zeros_like),
}


class PlainNetwork:
    """A plain network (see the module) at latent points z (n, k), with N outputs. Nothing is differentiable.

    `steps` are its affine maps and activations, in order of evaluation; they share the weights of the layers.
    """

    def __init__(self, steps: list[Affine | Activation]) -> None:
        self.steps = steps
        self.device = next(step.weight.device for step in steps if isinstance(step, Affine))

    @classmethod
    def of(cls, f: object) -> PlainNetwork | None:
        """f as a plain network, or None if it is anything more, such as a module with hooks."""
        steps: list[Affine | Activation] = []
        for layer in _flat(f):
            if not isinstance(layer, nn.Module) or not _bare(layer):
                return None
            if type(layer) is nn.Linear:
                bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
                steps.append(Affine(layer.weight.detach(), bias.detach()))
            elif type(layer) is nn.BatchNorm1d and steps and isinstance(steps[-1], Affine):
                steps.append(_merged(steps.pop(), layer))  # type: ignore[arg-type]
            elif type(layer) in ACTIVATIONS:
                steps.append(ACTIVATIONS[type(layer)])
            else:
                return None
        return cls(steps) if any(isinstance(step, Affine) for step in steps) else None

    def layer_list(self) -> list[dict]:
        """The network as plain lists of numbers, for a reader without torch, such as a browser: a dictionary a step,
        {"weight": rows, "bias": numbers} or {"activation": name}."""
        return [
            {"activation": step.name}
            if isinstance(step, Activation)
            else {"weight": step.weight.tolist(), "bias": step.bias.tolist()}
            for step in self.steps
        ]

    def thinned(self, stride: int) -> PlainNetwork:
        """The network of every stride-th output, which computes no others."""
        last = max(i for i, step in enumerate(self.steps) if isinstance(step, Affine))
        weight, bias = self.steps[last]  # type: ignore[misc]
        narrow = Affine(weight[::stride].contiguous(), bias[::stride].contiguous())
        return PlainNetwork([*self.steps[:last], narrow, *self.steps[last + 1 :]])

    def module(self) -> nn.Sequential:
        """The network as a frozen module in eval mode, which shares its weights."""
        kinds = {activation.name: kind for kind, activation in ACTIVATIONS.items()}
        return nn.Sequential(*(_linear(s) if isinstance(s, Affine) else kinds[s.name]() for s in self.steps)).eval()

    @torch.no_grad()
    def value(self, z: Tensor) -> Tensor:
        """f(z) (n, N)."""
        z = z.clone()  # a first activation works in place
        for step in self.steps:
            z = F.linear(z, step.weight).add_(step.bias) if isinstance(step, Affine) else step.value_(z)
        return z

    def tangents(self, z: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) (n, N) and the derivatives (d, n, N) of f along directions (d, n, k)."""
        rows = torch.cat((z[None], directions))
        for step in self.steps:
            if isinstance(step, Affine):
                rows = F.linear(rows, step.weight)
                rows[0] += step.bias
            else:
                rows[1:] *= step.slope(step.value_(rows[0]))
        return rows[0], rows[1:]

    def second(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """f(z) (n, N), its derivatives (k, n, N) along the axes, and D^2 f(v, v) (n, N) for v (n, k).

        With y = phi(a) an activation's output, a_v its input's derivative along v and a_vv the second, y has
        phi'(a) a_v and phi'(a) a_vv + phi''(a) a_v^2.
        """
        rows = torch.cat((z[None], torch.zeros_like(z)[None], axes(z)))
        for step in self.steps:
            if isinstance(step, Affine):
                rows = F.linear(rows, step.weight)
                rows[0] += step.bias
            else:
                y, along = step.value_(rows[0]), (rows[2:] * v.mT[..., None]).sum(0)
                slope = step.slope(y)
                rows[1] += step.ratio(y) * along * along
                rows[1:] *= slope
        return rows[0], rows[2:], rows[1]

    @torch.no_grad()
    def contract(self, z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """J^T (n, k, N) and sum_a w_a D^2 f_a (n, k, k) for w (n, N), given y = f(z) (n, N).

        With b = phi(a) an activation's output, a_e the tangents of its input, and w what multiplies b, the second
        derivative gains sum w phi''(a) a_e a_e', and a is multiplied by w phi'(a).
        """
        n, k = z.shape
        value, tangents = z.clone(), axes(z)
        passed = []
        last = len(self.steps) - 1
        for i, step in enumerate(self.steps):
            if isinstance(step, Affine):
                tangents = F.linear(tangents, step.weight)
                if i < last - 1:  # what follows is known to be y
                    value = F.linear(value, step.weight).add_(step.bias)
            else:
                value = y if i == last else step.value_(value)
                slope = step.slope(value)
                passed.append((slope, step.ratio(value), tangents))
                tangents = tangents * slope
        second = torch.zeros(n, k, k, dtype=z.dtype, device=z.device)
        for step in reversed(self.steps):
            if isinstance(step, Affine):
                w = w @ step.weight
            else:
                slope, ratio, before = passed.pop()
                w = slope.mul_(w)
                second += (before * ratio.mul_(w)).movedim(0, 1) @ before.permute(1, 2, 0)
        return tangents.movedim(0, 1), second


def axes(z: Tensor) -> Tensor:
    """The directions (k, n, k) of the k axes at each of the points z (n, k)."""
    n, k = z.shape
    return torch.eye(k, dtype=z.dtype, device=z.device)[:, None].expand(k, n, k)


def _merged(before: Affine, norm: nn.BatchNorm1d) -> Affine:
    """Batch norm in eval mode after an affine map, as one affine map."""
    assert norm.running_mean is not None and norm.running_var is not None  # refused by `in_dtype`
    slope = torch.rsqrt(norm.running_var + norm.eps) * (1 if norm.weight is None else norm.weight.detach())
    shift = 0 if norm.bias is None else norm.bias.detach()
    return Affine(slope[:, None] * before.weight, slope * (before.bias - norm.running_mean) + shift)


def _linear(step: Affine) -> nn.Linear:
    layer = nn.utils.skip_init(nn.Linear, step.weight.shape[1], step.weight.shape[0])
    layer.weight, layer.bias = (nn.Parameter(state, requires_grad=False) for state in step)
    return layer


def _flat(f: object) -> Iterator[object]:
    """The layers of f in order of evaluation, nested nn.Sequential opened; any other f is its own only layer."""
    if type(f) is nn.Sequential and _bare(f):
        for layer in f:
            yield from _flat(layer)
    else:
        yield f


def _bare(layer: nn.Module) -> bool:
    """Whether the layer computes what its type says: no hooks, no forward pass of its own."""
    return not (layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer))
