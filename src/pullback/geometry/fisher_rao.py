"""Fisher-Rao metrics: distances between the distributions that a decoder outputs, not between its images.

The metric is that of the Kullback-Leibler divergence, KL(p_z, p_z+dz) = <dz, M dz> / 2 to second order, so the sum of
sqrt(2 KL) over the steps of a chain tends to the length (Arvanitidis et al. 2022).

Bernoulli pixels, with probabilities p:

    M = sum_i (grad p_i) (grad p_i)^T / (p_i (1 - p_i)) = J_h^T J_h,    h = 2 arcsin sqrt(p).

Gaussian pixels, with means mu and standard deviations sigma:

    M = sum_i ((grad mu_i) (grad mu_i)^T + 2 (grad sigma_i) (grad sigma_i)^T) / sigma_i^2.

Each Gaussian pixel is a hyperbolic half-plane (Atkinson and Mitchell 1981), which no short map flattens, so this is a
metric only. The square of its chords is taken as sum_i ((mu_i' - mu_i)^2 + 2 (sigma_i' - sigma_i)^2) / (sigma_i
sigma_i'), right to second order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .derivatives import Generator
from .elements import Angle
from .latent import LatentSpace
from .manifolds import Manifold, _with_middles
from .stochastic import check_deviation, joined


class BernoulliFisherRao(LatentSpace):
    """The latent space of a Bernoulli decoder with the Fisher-Rao metric (see the module).

    f maps (n, k) to probabilities (n, ...), such as images in [0, 1]; a module must be in eval mode. Lengths are in
    radians: sqrt(N) pi at most for one straight change of all N pixels from 0 to 1. An nn.Sequential that ends on a
    Sigmoid is taken from its logits and is exact everywhere. Elsewhere a pixel at 0 or 1, to rounding, counts as
    constant. ValueError for probabilities outside [0, 1].
    """

    def __init__(self, f: Generator, box: Sequence[Sequence[float]] | None = None) -> None:
        self.probabilities = LatentSpace(f)
        super().__init__(_angles(self.probabilities.f), box)

    def check(self, z: Tensor, lengths: bool = True) -> None:
        space = self.probabilities

        def outside(a: Tensor) -> Tensor:
            return (space.images(a) - 0.5).abs().amax(1) > 0.5

        if (wrong := space.in_parts(outside, z)).any():
            raise ValueError(
                f"f must return probabilities in [0, 1]; not so at the latent point {z[wrong][0].tolist()}. Append "
                "nn.Sigmoid() to a network of logits"
            )
        super().check(z, lengths)


def _angles(f: Generator) -> Generator:
    """2 arcsin sqrt(f): a module if f is one."""
    if type(f) is nn.Sequential and len(f) and type(f[-1]) is nn.Sigmoid:
        return nn.Sequential(*f[:-1], Angle()).eval()
    return nn.Sequential(f, _Arc()).eval() if isinstance(f, nn.Module) else lambda z: _Arc()(f(z))


class _Arc(nn.Module):
    """2 arcsin sqrt(p), constant where p is 0 or 1 to rounding."""

    def forward(self, p: Tensor) -> Tensor:
        limits = torch.finfo(p.dtype)
        return 2 * p.clamp(limits.tiny, 1 - limits.eps).sqrt().asin()


class GaussianFisherRao(Manifold):
    """The latent space of a Gaussian decoder with the Fisher-Rao metric (see the module).

    `mean` and `deviation` are as `ExpectedMetric`'s, and so are the errors. Lengths have no unit: they are counted in
    standard deviations, and grow without bound as sigma falls to 0.
    """

    def __init__(
        self, mean: Generator, deviation: Generator, box: Sequence[Sequence[float]] | None = None
    ) -> None:
        self.mean, self.deviation, self.box = LatentSpace(mean), LatentSpace(deviation), box
        self.both = LatentSpace(joined([mean, deviation]))
        self.device = self.both.device

    def check(self, z: Tensor, lengths: bool = True) -> None:
        check_deviation(self.mean, self.deviation, z)
        self.both.check(z, lengths)

    def single(self) -> Manifold:
        return self._over(self.both.single())

    def sketch(self) -> Manifold:
        return self._over(self.both.sketch())

    def _over(self, both: LatentSpace) -> Manifold:
        if both is self.both:
            return self
        other = object.__new__(GaussianFisherRao)
        other.mean, other.deviation, other.box, other.device = self.mean, self.deviation, self.box, self.device
        other.both, other.dtype = both, both.dtype
        return other

    def together(self, z: Tensor) -> int:
        return self.both.together(z)

    def root(self, z: Tensor) -> Tensor:
        """The Jacobian (n, 2N, k) of mean and deviation, in units of the deviation."""
        sigma = self.both.embed(z).chunk(2, 1)[1]
        return _scaled(self.both.root(z).movedim(-1, 0), sigma).movedim(0, -1)

    def metric(self, z: Tensor) -> Tensor:
        A = self.root(z)
        return A.mT @ A

    def speed_squared(self, z: Tensor, v: Tensor) -> Tensor:
        return _scaled(self.both.push(z, v), self.both.embed(z).chunk(2, 1)[1]).square().sum(-1)

    def chords(self, z: Tensor) -> Tensor:
        return _chords(self.both.embed(z.flatten(0, 1)).unflatten(0, z.shape[:2]))

    def track(self, z: Tensor, v: Tensor) -> tuple[None, Tensor]:
        y, velocity = self.both.derivatives.motion(z, v)
        return None, _scaled(velocity, y.chunk(2, 1)[1]).norm(dim=1)

    def energy(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The images (B, n + 1, 2N) of the knots and the energies (B,)."""
        images = self._images(z)
        return images, (z.shape[1] - 1) * _chords(images).sum(1).double()

    def energies(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n = z.shape[1] - 1
        images = self._images(_with_middles(z))
        energy, refined = (m * _chords(y).sum(1).double() for m, y in ((n, images[:, ::2]), (2 * n, images)))
        return images[:, ::2], energy, refined

    def energy_derivatives(self, z: Tensor, shared: Tensor) -> tuple[Tensor, ...]:
        """With y = (mu, sigma), c(y, y') the square of a chord, w_i = n (c_2(y_i-1, y_i) + c_1(y_i, y_i+1)), and
        numbers for derivatives of c in its arguments,

        gradient_i = J_i^T w_i,    Hessian_{i,i} = J_i^T n (c_22 + c_11) J_i + w_i . D^2 y,
        Hessian_{i,i+1} = J_i^T n c_12 J_i+1.

        Gauss-Newton keeps what is left where y_i-1, y_i and y_i+1 are equal.
        """
        n, curves = z.shape[1] - 1, max(1, self.together(z) // z.shape[1])
        groups = zip(z.to(self.dtype).split(curves), shared.split(curves), strict=True)
        parts = [self._derivatives(*group, n) for group in groups]
        return tuple(torch.cat(column).double() for column in zip(*parts, strict=True))

    def _derivatives(self, z: Tensor, y: Tensor, n: int) -> tuple[Tensor, ...]:
        first, second = _chord_gradients(y)
        w = n * (second[:, :-1] + first[:, 1:])
        flat = z[:, 1:-1].flatten(0, 1)
        J, curvature = self.both.in_parts(self.both.contract, flat, y[:, 1:-1].flatten(0, 1), w.flatten(0, 1))
        J, curvature = (a.unflatten(0, w.shape[:2]) for a in (J, curvature))  # (B, n - 1, k, 2N), (B, n - 1, k, k)
        Jm, Js = J.chunk(2, -1)
        mu, sigma = y.chunk(2, -1)
        s, d = sigma[:, 1:-1, None], mu.diff(dim=1)[:, :, None]
        before, after = sigma[:, :-2, None], sigma[:, 2:, None]
        # of one chord with ends 1 and 2: c = q / (s_1 s_2), q = d^2 + 2 (s_2 - s_1)^2
        kept = 4 * n * ((Jm / s) @ (Jm / s).mT + 2 * (Js / s) @ (Js / s).mT)
        weight = 2 * n / s * (1 / before + 1 / after)
        mixed = 2 * n / s**2 * (d[:, 1:] / after - d[:, :-1] / before)
        squares = 2 * n / s**3 * ((d[:, 1:] ** 2 + 2 * after**2) / after + (d[:, :-1] ** 2 + 2 * before**2) / before)
        cross = (Jm * mixed) @ Js.mT
        whole = (Jm * weight) @ Jm.mT + cross + cross.mT + (Js * squares) @ Js.mT + curvature
        ends, inner = s[:, :-1] * s[:, 1:], d[:, 1:-1]
        above = -2 * n * ((Jm / s)[:, :-1] @ (Jm / s)[:, 1:].mT + 2 * (Js / s)[:, :-1] @ (Js / s)[:, 1:].mT)
        corner = n * inner**2 / ends**2 - 2 * n * (1 / s[:, :-1] ** 2 + 1 / s[:, 1:] ** 2)
        coupling = (
            (Jm[:, :-1] * (-2 * n / ends)) @ Jm[:, 1:].mT
            + (Jm[:, :-1] * (2 * n * inner / (ends * s[:, 1:]))) @ Js[:, 1:].mT
            - (Js[:, :-1] * (2 * n * inner / (ends * s[:, :-1]))) @ Jm[:, 1:].mT
            + (Js[:, :-1] * corner) @ Js[:, 1:].mT
        )
        gradient = (J * w[:, :, None]).sum(-1)
        return gradient, kept, whole - kept, above, coupling - above

    def _images(self, z: Tensor) -> Tensor:
        return self.both.in_parts(self.both.images, z.to(self.dtype).flatten(0, 1)).unflatten(0, z.shape[:2])


def _scaled(velocity: Tensor, sigma: Tensor) -> Tensor:
    """Velocities (..., n, 2N) of mean and deviation in units of the deviation sigma (n, N), as the metric has them."""
    mean, deviation = velocity.chunk(2, -1)
    return torch.cat((mean / sigma, 2**0.5 * deviation / sigma), -1)


def _chords(y: Tensor) -> Tensor:
    """The squares of the chords (B, n) of chains y = (mu, sigma) (B, n + 1, 2N)."""
    mu, sigma = y.chunk(2, -1)
    return ((mu.diff(dim=1).square() + 2 * sigma.diff(dim=1).square()) / (sigma[:, 1:] * sigma[:, :-1])).sum(-1)


def _chord_gradients(y: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives (B, n, 2N) of the squares of the chords in their first and second ends."""
    mu, sigma = y.chunk(2, -1)
    s, t, d = sigma[:, :-1], sigma[:, 1:], mu.diff(dim=1)
    along, ratio = 2 * d / (s * t), d.square() / (s * t)
    first = torch.cat((-along, 2 * (1 / t - t / s.square()) - ratio / s), -1)
    return first, torch.cat((along, 2 * (1 / s - s / t.square()) - ratio / t), -1)
