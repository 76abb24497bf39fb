"""The Jacobian of a generator, at many latent points at once, by forward-mode differentiation.

A generator f maps latent points (n, k) to data (n, N). With k small, k directional derivatives of the whole
batch give J at every point: k calls of `torch.func.jvp` for any differentiable f. An `nn.Sequential` of Linear,
BatchNorm1d and the activations named in `_ACTIVATIONS` carries its k tangents along with one evaluation
instead, which is as exact and faster.

Source: forward accumulation, Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), section 3.1.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import jvp, vjp, vmap
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

with warnings.catch_warnings():  # torch's own first use of forward mode warns of torch's own torch.jit.script
    warnings.simplefilter("ignore", FutureWarning)
    import torch._decomp.decompositions_for_jvp  # noqa: F401

Generator = Callable[[Tensor], Tensor]

# Each activation, in place; its derivative, and the ratio of its second derivative to it, as functions of its output.
# tanh a = 2 sigmoid(2 a) - 1, because torch's sigmoid is several times faster than its tanh in float64.
_ACTIVATIONS: dict[type[nn.Module], tuple[Generator, Generator, Generator]] = {
    nn.Tanh: (
        lambda a: a.mul_(2).sigmoid_().mul_(2).sub_(1),
        lambda y: (y * y).neg_().add_(1),
        lambda y: y * -2,
    ),
    nn.Sigmoid: (torch.sigmoid_, lambda y: torch.addcmul(y, y, y, value=-1), lambda y: torch.rsub(y, 1, alpha=2)),
    nn.ReLU: (torch.relu_, lambda y: (y > 0).to(y), torch.zeros_like),
}


def in_dtype(f: Generator, dtype: torch.dtype = torch.float64) -> Generator:
    """f ready for geometry: a module as a frozen copy in `dtype`, any other callable as it is.

    The module itself is never modified. One that is frozen (no parameter requires a gradient) and in `dtype`
    already is returned as it is, so a caller who evaluates often converts once. Raises ValueError for a module
    whose rows depend on each other or on chance: batch norm without running statistics, batch norm or dropout in
    training mode.
    """
    if not isinstance(f, nn.Module):
        return f
    for name, layer in f.named_modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise ValueError(
                f"layer {name!r} ({layer}) has no running statistics, so every output depends on the whole batch "
                "and has no Jacobian of its own: build it with track_running_stats=True"
            )
        if layer.training and isinstance(layer, _BatchNorm | _DropoutNd):
            raise ValueError(f"layer {name!r} ({layer}) is in training mode: call generator.eval() first")
    state = [t for t in (*f.parameters(), *f.buffers()) if t.is_floating_point()]
    if all(t.dtype == dtype and not t.requires_grad for t in state):
        return f
    return copy.deepcopy(f).to(dtype).requires_grad_(False)


def jacobian(f: Generator, z: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Jacobians of f at the latent points z (..., k): a tensor (..., N, k), in `dtype`.

    f maps (n, k) to (n, ...), each row for itself; its trailing dimensions are flattened into N. A module is
    evaluated as by `in_dtype`; any other callable receives z in `dtype`. Differentiable in z. Raises ValueError
    if z has no latent dimension or is not finite, if f does not return one row per point, or if J is not finite,
    naming the first such point.
    """
    return differential(f, dtype)(z)


def differential(f: Generator, dtype: torch.dtype = torch.float64, *, check: bool = True) -> Generator:
    """The map z -> jacobian(f, z, dtype), with f, which must not change, prepared once for many calls; without `check`
    points and Jacobians that are not finite are not refused."""
    f = in_dtype(f, dtype)
    steps = _steps(f)

    def J(z: Tensor) -> Tensor:
        z = torch.as_tensor(z).to(dtype)
        if z.ndim == 0 or z.shape[-1] == 0:
            raise ValueError(f"z must have shape (..., k) with k >= 1, got {tuple(z.shape)}")
        points = z.reshape(-1, z.shape[-1])
        finite = torch.isfinite(points)
        if check and not finite.all():
            bad = points[~finite.all(-1)][0]
            raise ValueError(f"z of shape {tuple(z.shape)} must be finite, got the latent point {bad.tolist()}")
        try:
            general = steps is None or (points.requires_grad and torch.is_grad_enabled())
            tangents = _forward_mode(f, points) if steps is None or general else _propagate(steps, points)
        except RuntimeError as error:
            got = f"{tuple(points.shape)}, {points.dtype}, on {points.device}"
            raise ValueError(f"f cannot be evaluated at latent points of shape {got}: {error}") from error
        if check and not torch.isfinite(tangents.detach().sum()):  # cheap; the sum of finite entries may overflow
            wrong = ~torch.isfinite(tangents).all(-1).all(0)
            if wrong.any():
                raise ValueError(f"the Jacobian is not finite at the latent point {points[wrong][0].tolist()}")
        return tangents.movedim(0, -1).reshape(*z.shape[:-1], tangents.shape[-1], z.shape[-1])

    return J


def evaluation(f: Generator, dtype: torch.dtype = torch.float64) -> Generator:
    """The map of z (n, k) to f(z) (n, N), with f, which must not change, prepared once: nothing differentiable."""
    f = in_dtype(f, dtype)
    steps = _steps(f)
    evaluate = (lambda z: f(z).flatten(1)) if steps is None else (lambda z: _evaluate(steps, z))
    return torch.no_grad()(evaluate)


def contraction(f: Generator, dtype: torch.dtype = torch.float64) -> Callable[..., tuple[Tensor, Tensor]]:
    """The map of z (n, k), f(z) (n, N) and w (n, N) to J^T (n, k, N) and sum_a w_a D^2 f_a (n, k, k), with f, which
    must not change, prepared once: forward over reverse. Nothing is checked, and nothing differentiable."""
    f = in_dtype(f, dtype)
    steps = _steps(f)
    if steps is not None:
        return torch.no_grad()(lambda z, y, w: _propagate_twice(steps, z, y, w))

    def contract(z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        def value_and_pull(a: Tensor) -> tuple[Tensor, Tensor]:
            value, pull = vjp(lambda b: f(b).flatten(1), a)  # type: ignore[misc]
            return value, pull(w)[0]

        basis = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, *z.shape)
        columns, rows = vmap(lambda e: jvp(value_and_pull, (z,), (e,))[1])(basis)
        return columns.movedim(0, 1), rows.movedim(0, 1)

    return torch.no_grad()(contract)


def second_derivative(
    f: Generator, dtype: torch.dtype = torch.float64
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The map of z and v (n, k) to the Jacobian (n, N, k) and D^2 f(v, v) (n, N) at z, with f, which must not change,
    prepared once for many calls. Nothing is checked; differentiable in z and v."""
    f = in_dtype(f, dtype)
    steps = _steps(f)

    def second(z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if steps is None or (torch.is_grad_enabled() and (z.requires_grad or v.requires_grad)):
            along = jvp(lambda a: jvp(lambda b: f(b).flatten(1), (a,), (v,))[1], (z,), (v,))[1]
            return _forward_mode(f, z).movedim(0, -1), along
        tangents, along = _propagate_along(steps, z, v)
        return tangents.movedim(0, -1), along

    return second


def _forward_mode(f: Generator, z: Tensor) -> Tensor:
    """Tangents (k, n, N) of any differentiable f at z (n, k)."""
    tangents = []
    for direction in torch.eye(z.shape[1], dtype=z.dtype, device=z.device):
        value, tangent = jvp(f, (z,), (direction.expand_as(z).contiguous(),))[:2]
        if value.shape[:1] != z.shape[:1]:
            raise ValueError(f"f must map {tuple(z.shape)} to ({len(z)}, ...), got {tuple(value.shape)}")
        tangents.append(tangent.reshape(len(z), math.prod(tangent.shape[1:])))
    return torch.stack(tangents)


def _steps(f: object) -> list[tuple] | None:
    """f as affine maps (weight, bias) and activations (function, derivative), or None if it is anything more.

    Batch norm in eval mode is an affine map of each feature and is merged into the Linear before it.
    """
    steps: list[tuple] = []
    for layer in _flat(f):
        if not isinstance(layer, nn.Module) or layer._forward_hooks or layer._forward_pre_hooks:
            return None
        if type(layer) is nn.Linear:
            steps.append((layer.weight, 0 if layer.bias is None else layer.bias))
        elif type(layer) is nn.BatchNorm1d and steps and isinstance(steps[-1][0], Tensor):
            assert layer.running_mean is not None and layer.running_var is not None  # refused by in_dtype
            weight, bias = steps.pop()
            slope = torch.rsqrt(layer.running_var + layer.eps) * (1 if layer.weight is None else layer.weight)
            shift = 0 if layer.bias is None else layer.bias
            steps.append((slope[:, None] * weight, slope * (bias - layer.running_mean) + shift))
        elif type(layer) in _ACTIVATIONS:
            steps.append(_ACTIVATIONS[type(layer)])
        else:
            return None
    return steps


def thinned(f: Generator, stride: int) -> Generator:
    """Every stride-th output of f, without computing the others; f itself where its layers do not allow that.

    They do if f is nn.Sequential and ends in a Linear layer and activations that act on each output for itself.
    """
    layers = list(_flat(f))
    linear = max((i for i, layer in enumerate(layers) if type(layer) is nn.Linear), default=-1)
    if linear < 0 or _steps(f) is None or any(type(layer) not in _ACTIVATIONS for layer in layers[linear + 1 :]):
        return f
    wide = layers[linear]
    assert isinstance(wide, nn.Linear)
    weight = wide.weight.detach()[::stride]
    narrow = nn.utils.skip_init(nn.Linear, wide.in_features, len(weight), wide.bias is not None)
    narrow.weight = nn.Parameter(weight, requires_grad=False)
    if wide.bias is not None:
        narrow.bias = nn.Parameter(wide.bias.detach()[::stride], requires_grad=False)
    kept = [layer for layer in (*layers[:linear], narrow, *layers[linear + 1 :]) if isinstance(layer, nn.Module)]
    return nn.Sequential(*kept).eval()


def _flat(f: object) -> Iterator[object]:
    """The layers of f in order of evaluation, nested nn.Sequential opened; any other f is its own only layer."""
    if type(f) is nn.Sequential and not f._forward_hooks and not f._forward_pre_hooks:
        for layer in f:
            yield from _flat(layer)
    else:
        yield f


def _propagate(steps: list[tuple], z: Tensor) -> Tensor:
    """Tangents (k, n, N) at z (n, k) of the composition of `steps`, carried along with one evaluation."""
    n, k = z.shape
    rows = torch.cat([z[None], torch.eye(k, dtype=z.dtype, device=z.device)[:, None].expand(k, n, k)])
    for step in steps:
        if isinstance(step[0], Tensor):
            weight, bias = step
            rows = F.linear(rows, weight)
            rows[0] += bias
        else:
            activation_, derivative, _ = step
            rows[1:] *= derivative(activation_(rows[0]))
    return rows[1:]


def _evaluate(steps: list[tuple], z: Tensor) -> Tensor:
    """The composition of `steps` at z (n, k)."""
    z = z.clone()  # a first activation works in place
    for step in steps:
        z = F.linear(z, step[0]).add_(step[1]) if isinstance(step[0], Tensor) else step[0](z)
    return z


def _propagate_twice(steps: list[tuple], z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """J^T (n, k, N) and sum_a w_a D^2 f_a (n, k, k) at z (n, k) for w (n, N), of the composition f of `steps`, with
    y = f(z).

    With b = phi(a) an activation's output, a_e the tangents of its input, and w what multiplies b, the second
    derivative gains sum w phi''(a) a_e a_e', and a is multiplied by w phi'(a).
    """
    n, k = z.shape
    value, tangents = z.clone(), torch.eye(k, dtype=z.dtype, device=z.device)[:, None].expand(k, n, k)
    passed = []
    last = len(steps) - 1
    for i, step in enumerate(steps):
        if isinstance(step[0], Tensor):
            weight, bias = step
            tangents = F.linear(tangents, weight)
            if i < last - 1:  # what follows is known to be y
                value = F.linear(value, weight).add_(bias)
        else:
            activation_, derivative, ratio = step
            value = y if i == last else activation_(value)
            slope = derivative(value)
            passed.append((slope, ratio(value), tangents))
            tangents = tangents * slope
    second = torch.zeros(n, k, k, dtype=z.dtype, device=z.device)
    for step in reversed(steps):
        if isinstance(step[0], Tensor):
            w = w @ step[0]
        else:
            slope, ratio, before = passed.pop()
            w = w * slope
            second += (before * (w * ratio)).movedim(0, 1) @ before.permute(1, 2, 0)
    return tangents.movedim(0, 1), second


def _propagate_along(steps: list[tuple], z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Tangents (k, n, N) and D^2 f(v, v) (n, N) at z (n, k) for v (n, k), of the composition f of `steps`.

    With y = phi(a) an activation's output, a_v its input's derivative along v and a_vv the second, y has phi'(a) a_v
    and phi'(a) a_vv + phi''(a) a_v^2.
    """
    n, k = z.shape
    basis = torch.eye(k, dtype=z.dtype, device=z.device)[:, None].expand(k, n, k)
    rows = torch.cat([z[None], torch.zeros_like(z)[None], basis])
    for step in steps:
        if isinstance(step[0], Tensor):
            weight, bias = step
            rows = F.linear(rows, weight)
            rows[0] += bias
        else:
            activation_, derivative, ratio = step
            y, along = activation_(rows[0]), (rows[2:] * v.mT[..., None]).sum(0)
            slope = derivative(y)
            rows[1] += ratio(y) * along * along
            rows[1:] *= slope
    return rows[2:], rows[1]
