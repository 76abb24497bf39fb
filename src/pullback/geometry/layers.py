"""The fast path: plain networks, whose values and derivatives are carried through their layers by hand.

A plain network is an `nn.Sequential` of Linear, BatchNorm1d after a Linear, and the activations of `ACTIVATIONS`. Its
first layer may be a Radial.
Batch norm in eval mode is an affine map of each feature and is merged into the Linear before it. So the network is a
list of affine maps and activations. Its k tangents travel with one evaluation, which is as exact as automatic
differentiation and faster.

Source: forward accumulation, Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .elements import LEAST_VARIANCE, Angle, Deviation, Exponential, InverseRoot, Joined, Radial


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


class Bells(NamedTuple):
    """The map z -> -rate_c |z - c|^2, a first step only (see `Radial`)."""

    centres: Tensor
    rates: Tensor

    def value(self, z: Tensor) -> Tensor:
        return -self.rates * (z[:, None] - self.centres).square().sum(-1)

    def along(self, z: Tensor, v: Tensor) -> Tensor:
        """The derivatives (d, n, K) along v (d, n, k) at z (n, k)."""
        return -2 * self.rates * ((v * z).sum(-1, keepdim=True) - v @ self.centres.T)

    def bend(self, v: Tensor) -> Tensor:
        """The second derivative (n, K) along v (n, k), the same at all points."""
        return -2 * self.rates * v.square().sum(-1, keepdim=True)


Step = Affine | Activation | Bells


def _share(y: Tensor) -> Tensor:
    """sigmoid(a) of a deviation y (see `Deviation`)."""
    return 4 * (y * y - LEAST_VARIANCE)


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
    Angle: Activation(
        "angle",
        lambda a: a.mul_(0.5).sigmoid_().mul_(2).sub_(1).atan_().mul_(2).add_(math.pi / 2),
        lambda y: y.sin().div_(2),
        lambda y: y.cos().div_(2),
    ),
    Deviation: Activation(
        "deviation",
        lambda a: a.sigmoid_().div_(4).add_(LEAST_VARIANCE).sqrt_(),
        lambda y: _share(y) * (1 - _share(y)) / (8 * y),
        lambda y: 1 - 2 * _share(y) - _share(y) * (1 - _share(y)) / (8 * y * y),
    ),
    Exponential: Activation("exponential", torch.exp_, lambda y: y.clone(), torch.ones_like),
    InverseRoot: Activation("inverse root", torch.rsqrt_, lambda y: y**3 / -2, lambda y: y * y * -1.5),
}


class PlainNetwork:
    """A plain network (see the module) at latent points z (n, k), with N outputs. Nothing is differentiable.

    `steps` are its affine maps and activations, in order of evaluation; they share the weights of the layers.
    """

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        last = next(step for step in reversed(steps) if isinstance(step, Affine))
        self.device, self.outputs = last.weight.device, len(last.weight)

    @classmethod
    def of(cls, f: object) -> PlainNetwork | None:
        """f as a plain network, or None if it is anything more, such as a module with hooks."""
        steps: list[Step] = []
        for layer in _flat(f):
            if not isinstance(layer, nn.Module) or not _bare(layer):
                return None
            if type(layer) is nn.Linear:
                bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
                steps.append(Affine(layer.weight.detach(), bias.detach()))
            elif type(layer) is nn.BatchNorm1d and steps and isinstance(steps[-1], Affine):
                steps.append(_merged(steps.pop(), layer))  # type: ignore[arg-type]
            elif type(layer) is Radial and not steps:
                steps.append(Bells(layer.centres, layer.rates))
            elif type(layer) in ACTIVATIONS:
                steps.append(ACTIVATIONS[type(layer)])
            else:
                return None
        return cls(steps) if any(isinstance(step, Affine) for step in steps) else None

    def layer_list(self) -> list[dict]:
        """The network as plain lists of numbers, for a reader without torch, such as a browser: a dictionary a step,
        {"weight": rows, "bias": numbers}, {"activation": name} or {"centres": rows, "rates": numbers}."""
        return [
            {"activation": step.name}
            if isinstance(step, Activation)
            else {name: values.tolist() for name, values in step._asdict().items()}
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
        return nn.Sequential(*map(_layer, self.steps)).eval()

    @torch.no_grad()
    def value(self, z: Tensor) -> Tensor:
        """f(z) (n, N)."""
        z = z.clone()  # a first activation works in place
        for step in self.steps:
            z = _applied(step, z)
        return z

    def tangents(self, z: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) (n, N) and the derivatives (d, n, N) of f along directions (d, n, k)."""
        rows = torch.cat((z[None], directions))
        for step in self.steps:
            if isinstance(step, Affine):
                rows = F.linear(rows, step.weight)
                rows[0] += step.bias
            elif isinstance(step, Bells):
                rows = torch.cat((step.value(rows[0])[None], step.along(rows[0], rows[1:])))
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
            elif isinstance(step, Bells):
                rows = torch.cat((step.value(rows[0])[None], step.bend(v)[None], step.along(rows[0], rows[2:])))
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
                    value = _applied(step, value)
            elif isinstance(step, Bells):
                value, tangents = step.value(value), step.along(value, tangents)
            else:
                value = y if i == last else step.value_(value)
                slope = step.slope(value)
                passed.append((slope, step.ratio(value), tangents))
                tangents = tangents * slope
        second = torch.zeros(n, k, k, dtype=z.dtype, device=z.device)
        for step in reversed(self.steps):
            if isinstance(step, Affine):
                w = w @ step.weight
            elif isinstance(step, Bells):
                second.diagonal(dim1=1, dim2=2).sub_(2 * (w @ step.rates)[:, None])
            else:
                slope, ratio, before = passed.pop()
                w = slope.mul_(w)
                second += (before * ratio.mul_(w)).movedim(0, 1) @ before.permute(1, 2, 0)
        return tangents.movedim(0, 1), second


class JoinedNetworks:
    """Several plain networks side by side, their outputs times `factor` (see `Joined`): the methods of one."""

    def __init__(self, parts: list[PlainNetwork], factor: float = 1.0) -> None:
        self.parts, self.factor, self.device = parts, factor, parts[0].device

    def thinned(self, stride: int) -> JoinedNetworks:
        return JoinedNetworks([part.thinned(stride) for part in self.parts], self.factor)

    def module(self) -> Joined:
        return Joined([part.module() for part in self.parts], self.factor)

    def value(self, z: Tensor) -> Tensor:
        return self._joined([part.value(z) for part in self.parts])

    def tangents(self, z: Tensor, directions: Tensor) -> tuple[Tensor, ...]:
        return self._all([part.tangents(z, directions) for part in self.parts])

    def second(self, z: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return self._all([part.second(z, v) for part in self.parts])

    @torch.no_grad()
    def contract(self, z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        if self.factor != 1:
            y, w = y / self.factor, w * self.factor
        sizes = [part.outputs for part in self.parts]
        pieces = zip(self.parts, y.split(sizes, 1), w.split(sizes, 1), strict=True)
        J, second = zip(*(part.contract(z, *piece) for part, *piece in pieces), strict=True)
        return self._joined(list(J)), torch.stack(second).sum(0)

    def _joined(self, columns: list[Tensor]) -> Tensor:
        y = torch.cat(columns, -1)
        return y if self.factor == 1 else y.mul_(self.factor)

    def _all(self, results: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return tuple(self._joined(list(column)) for column in zip(*results, strict=True))


def plain_network(f: object) -> PlainNetwork | JoinedNetworks | None:
    """f as a plain network, or as several side by side; None if it is anything more."""
    if type(f) is not Joined or not _bare(f):
        return PlainNetwork.of(f)
    parts = [PlainNetwork.of(part) for part in f.parts]
    return JoinedNetworks(parts, f.factor) if all(parts) else None  # type: ignore[arg-type]


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


def _applied(step: Step, value: Tensor) -> Tensor:
    """The step's value; an activation works in place."""
    if isinstance(step, Affine):
        return F.linear(value, step.weight).add_(step.bias)
    return step.value(value) if isinstance(step, Bells) else step.value_(value)


def _layer(step: Step) -> nn.Module:
    """The step as a frozen layer, which shares its weights."""
    if isinstance(step, Activation):
        return next(kind for kind, activation in ACTIVATIONS.items() if activation.name == step.name)()
    if isinstance(step, Bells):
        return Radial(*step)
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
