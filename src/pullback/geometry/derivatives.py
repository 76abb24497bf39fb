"""A generator's value, Jacobian and second derivatives, at many latent points at once.

A generator f maps latent points (n, k) to data (n, ...), each row for itself, in real floating numbers; its trailing
dimensions are flattened into N. `Derivatives` prepares it once:

- A plain network (see `layers`) carries its derivatives through its own layers.
- The Jacobian of any other f takes k directional derivatives of the whole batch by forward mode, or where torch has no
  forward mode for a layer, by reverse mode applied twice.
- Second derivatives take reverse mode, and forward mode over reverse mode. Forward over forward, and reverse over
  forward, are silently wrong in torch for LayerNorm and others (relative errors above 0.1), so neither is used.

Sources: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), sections 3.1, 3.2 and 5.1.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.func import jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from .checks import Extent, check_generator
from .layers import axes, plain_network
from .modules import Generator, in_dtype, weights

with warnings.catch_warnings():  # torch's own first use of forward mode warns of torch's own torch.jit.script
    warnings.simplefilter("ignore", FutureWarning)
    import torch._decomp.decompositions_for_jvp  # noqa: F401

# What was found when a generator was checked, and the versions of its weights then.
_CHECKED: WeakKeyDictionary[Any, tuple[Extent, tuple[int, ...]]] = WeakKeyDictionary()


class Derivatives:
    """f's value and derivatives at latent points z (n, k), prepared once; f must not change afterwards.

    A module is evaluated as by `in_dtype`; any other callable receives z as it is. z should be in `dtype`. Nothing is
    refused for its values: where f is not finite, neither are the Jacobian and what follows from it. Raises TypeError
    or ValueError if f does not return real floating numbers with one row a point, or cannot be evaluated or
    differentiated.
    """

    def __init__(self, f: Generator, dtype: torch.dtype = torch.float64) -> None:
        self.f = in_dtype(f, dtype)
        self.dtype = dtype
        self.network = plain_network(self.f)
        self.extent: Extent | None = None  # of f, once it is checked
        self._origin = f
        self._weights = tuple(t._version for t in weights(f)) if isinstance(f, nn.Module) else ()
        self._forward = True  # torch has forward mode for all of f, as far as is known
        self._functional = True  # torch.func can transform all of f, as far as is known

    def __call__(self, z: Tensor) -> Tensor:
        """f(z) (n, N), differentiable by torch."""
        y = self.f(z)
        if not isinstance(y, Tensor):
            raise TypeError(f"f must return a tensor ({len(z)}, ...) for z {tuple(z.shape)}, got {type(y).__name__}")
        if y.ndim == 0 or len(y) != len(z):
            raise ValueError(f"f must map {tuple(z.shape)} to ({len(z)}, ...), got {tuple(y.shape)}")
        if y.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"f must return real numbers in float32 or float64, got {y.dtype}")
        return y.reshape(len(z), math.prod(y.shape[1:]))

    def check(self, z: Tensor, lengths: bool = True) -> None:
        """Refuse f if it lies at or near the points z (n, k), by the name of the fault (see `checks`); with `lengths`
        also if squares of its derivatives leave the range of numbers.

        f is asked once: what was found is remembered as long as the object lives and its weights do not change.
        Raises ValueError.
        """
        if self.extent is None:
            known, weights = _CHECKED.get(self._origin, (None, ())) if _weak(self._origin) else (None, ())
            if known is None or weights != self._weights:
                try:
                    known = check_generator(self, z)
                except (ValueError, TypeError):
                    raise
                except Exception as error:  # whatever f itself raises
                    raise _failed(z, error) from error
                if known is not None and _weak(self._origin):
                    _CHECKED[self._origin] = known, self._weights
            self.extent = known
        if lengths and self.extent is not None and not self.extent.fits(self.dtype):
            raise ValueError(
                f"squares leave the range of {self.dtype}: the values of f reach {self.extent.value:.2g}, its "
                f"derivatives {self.extent.derivative:.2g}. Multiply f by a constant"
            )

    @torch.no_grad()
    def value(self, z: Tensor) -> Tensor:
        """f(z) (n, N), not differentiable."""
        try:
            return self(z) if self.network is None else self.network.value(z)
        except (RuntimeError, IndexError) as error:
            raise _failed(z, error) from error

    def jacobian(self, z: Tensor) -> Tensor:
        """J (n, N, k), differentiable in z."""
        return self._tangents(z, axes(z)).movedim(0, -1)

    def push(self, z: Tensor, v: Tensor) -> Tensor:
        """The directional derivative J v (n, N) for v (n, k), differentiable in z and v."""
        return self._tangents(z, v[None])[0]

    @torch.no_grad()
    def motion(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """f(z) and J v (n, N) for v (n, k), not differentiable."""
        if self.network is None:
            return self.value(z), self.push(z, v)
        y, tangents = self.network.tangents(z, v[None])
        return y, _poisoned(tangents[0], y)

    def contract(self, z: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """J^T (n, k, N) and sum_a w_a D^2 f_a (n, k, k) for w (n, N), given y = f(z) (n, N); not differentiable."""
        if self.network is not None:
            return self.network.contract(z, y, w)
        columns, second = self._attempt(self._contract, z, w)
        return columns.detach(), second.detach()

    def second(self, z: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """J (n, N, k) and D^2 f(v, v) (n, N) for v (n, k), differentiable in z and v."""
        if self.network is None or _recorded(z, v):
            J = self.jacobian(z)
            along = self._attempt(self._second, z, v)
            return J, along if _recorded(z, v) else along.detach()
        y, tangents, along = self.network.second(z, v)
        return _poisoned(tangents, y).movedim(0, -1), _poisoned(along, y)

    def thinned(self, stride: int) -> Derivatives:
        """The derivatives of every stride-th output, without computing the others; these themselves if f is not a
        plain network."""
        return self if self.network is None else Derivatives(self.network.thinned(stride).module(), self.dtype)

    def _tangents(self, z: Tensor, directions: Tensor) -> Tensor:
        """Derivatives (d, n, N) of f at z (n, k) along directions (d, n, k)."""
        recorded = _recorded(z, directions)
        if self.network is not None and not recorded:
            try:
                if z.device != self.network.device:
                    raise RuntimeError(f"its weights are on {self.network.device}")
                y, tangents = self.network.tangents(z, directions)
            except RuntimeError as error:
                raise _failed(z, error) from error
            return _poisoned(tangents, y)
        if self._forward and not recorded:
            try:
                with _plain_kernels():
                    pairs = [jvp(self, (z,), (v.contiguous(),))[:2] for v in directions]
                return torch.stack([_poisoned(tangent, y) for y, tangent in pairs])
            except RuntimeError:  # NotImplementedError is one: a layer without forward mode, or f fails altogether
                tangents = self._attempt(self._reverse_tangents, z, directions)
                self._forward = False
                return tangents.detach()
        if recorded:
            try:
                return torch.stack([_Push.apply(z, v, self) for v in directions])
            except RuntimeError:  # under a transform of torch.func
                return self._attempt(self._reverse_tangents, z, directions)
        return self._attempt(self._reverse_tangents, z, directions).detach()

    def _attempt(self, derive: Callable[..., Any], z: Tensor, *others: Tensor) -> Any:
        """derive(z, *others), by torch.func, or by autograd where torch.func does not know a function of f's."""
        with _plain_kernels(), torch.enable_grad():
            if self._functional:
                try:
                    return derive(z, *others)
                except RuntimeError as error:
                    failure = error
            try:
                self._functional, before = False, self._functional
                return derive(z, *others)
            except RuntimeError as error:
                self._functional = before
                raise _failed(z, failure if before else error) from error

    def _pulled(self, g: Generator, z: Tensor) -> tuple[Tensor, Generator]:
        """g(z) and the map of u to J^T u, linear and differentiable, by reverse mode."""
        if self._functional:
            y, pull = vjp(g, z)  # type: ignore[misc]
            return y, lambda u: pull(u)[0]
        a = z.view_as(z) if z.requires_grad else z.detach().requires_grad_()
        y = g(a)
        if not y.requires_grad:
            return y, lambda u: 0 * u.sum() + torch.zeros_like(a)
        return y, lambda u: torch.autograd.grad(y, a, u, create_graph=True, materialize_grads=True)[0]

    def _reverse_tangents(self, z: Tensor, directions: Tensor) -> Tensor:
        """`_tangents` by reverse mode twice: J^T u is linear in u, and its own transpose at v is J v."""
        y, pull = self._pulled(self, z)
        push = self._pulled(pull, torch.zeros_like(y))[1]
        return torch.stack([_poisoned(push(v), y) for v in directions])

    def _contract(self, z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """`contract` by forward mode over reverse mode, or by reverse mode twice where forward mode is wanting."""
        if self._forward and self._functional:

            def value_and_pull(a: Tensor) -> tuple[Tensor, Tensor]:
                y, pull = self._pulled(self, a)
                return y, pull(w)

            try:
                columns, rows = vmap(lambda e: jvp(value_and_pull, (z,), (e,))[1])(axes(z))
                return columns.movedim(0, 1), rows.movedim(0, 1)
            except RuntimeError:
                self._reverse_contract(z, w)  # raises too, if f itself is at fault
                self._forward = False
        return self._reverse_contract(z, w)

    def _reverse_contract(self, z: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        curve = self._pulled(lambda a: self._pulled(self, a)[1](w), z)[1]
        second = torch.stack([curve(e.contiguous()) for e in axes(z)], 1)
        return self._reverse_tangents(z, axes(z)).movedim(0, 1), second

    def _pulled_twice(self, z: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """D^2 <w, f> v (n, k) and J^T w (n, k)."""
        gradient, curve = self._pulled(lambda a: self._pulled(self, a)[1](w), z)
        return curve(v), gradient

    def _second(self, z: Tensor, v: Tensor) -> Tensor:
        """D^2 f(v, v), the transpose of the map of u to D^2 <u, f>(v, v): reverse mode three times."""

        def along(u: Tensor) -> Tensor:
            return self._pulled(lambda a: self._pulled(self, a)[1](u), z)[1](v)

        y = self(z)
        return _poisoned(self._pulled(along, torch.zeros_like(y))[1](v), y)


class _Push(torch.autograd.Function):
    """J v, whose own derivatives are J^T g in v and D^2 <g, f> v in z: reverse mode twice in z, which torch has right
    where it has the derivative in z of any other way to J v wrong."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, v: Tensor, derivatives: Derivatives) -> Tensor:
        ctx.derivatives = derivatives
        ctx.save_for_backward(z, v)
        return derivatives.push(z.detach(), v.detach())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        return *ctx.derivatives._attempt(ctx.derivatives._pulled_twice, *ctx.saved_tensors, g), None


def check_finite(J: Tensor, z: Tensor, name: str = "f or its Jacobian") -> None:
    """ValueError unless J (n, ...) at the points z (n, k) is finite, naming the first point that is at fault."""
    if not torch.isfinite(J.detach().sum()):  # cheap; the sum of finite entries may overflow
        wrong = ~torch.isfinite(J).flatten(1).all(1)
        if wrong.any():
            raise ValueError(f"{name} is not finite at the latent point {z[wrong][0].tolist()}")


def _weak(f: Any) -> bool:
    """Whether f can be a key of a weak dictionary."""
    try:
        return hash(ref(f)) is not None
    except TypeError:
        return False


def _recorded(*inputs: Tensor) -> bool:
    """Whether torch records what is computed from these."""
    return torch.is_grad_enabled() and any(a.requires_grad for a in inputs)


def _poisoned(derivative: Tensor, y: Tensor) -> Tensor:
    """The derivative (..., n, N) of y (n, N), NaN where y is not finite: a masked NaN leaves no trace in it."""
    try:
        if torch.isfinite(y.detach().sum()):
            return derivative
    except RuntimeError:  # under vmap no value can be asked for
        pass
    return derivative + (y - y)


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Kernels with all derivatives: no fused attention, no fast path of transformers, no oneDNN recurrent layers."""
    fast, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        with sdpa_kernel([SDPBackend.MATH]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.mkldnn.enabled = onednn


def _failed(z: Tensor, error: Exception) -> ValueError:
    got = f"{tuple(z.shape)}, {z.dtype}, on {z.device}"
    return ValueError(f"f cannot be evaluated or differentiated at latent points of shape {got}: {error}")
