"""Generators that lie are refused by the name of their fault; honest ones pass, kinks and float32 included."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pullback.geometry import (
    Derivatives,
    LatentSpace,
    as_manifold,
    checks,
    jacobian,
    latent_map,
    log_cond,
    log_det,
    pullback_metric,
    singular_values,
)
from pullback.geometry.inversion import invert
from shared import decoder

torch.manual_seed(0)
A, B = nn.Linear(2, 16).double(), nn.Linear(16, 20).double()
NET = decoder()
DOUBLE = decoder().double().requires_grad_(False)
BOX = ((-1, 1), (-1, 1))


def hidden_part(z: Tensor) -> Tensor:
    h = torch.tanh(A(z))
    return B(h.detach()) + 0.1 * B(h)


class Through(nn.Module):
    """Numbers that go through numpy and back."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.from_numpy(np.sin(z.detach().numpy().copy()))


LIARS = {
    "integers": (lambda z: (10 * z).round().long(), TypeError, "real numbers.*int64"),
    "booleans": (lambda z: z > 0, TypeError, "real numbers.*bool"),
    "complex": (lambda z: torch.complex(z, z), TypeError, "real numbers.*complex"),
    "half precision": (lambda z: z.half(), TypeError, "float32 or float64.*float16"),
    "a tuple": (lambda z: (z, z), TypeError, "must return a tensor.*tuple"),
    "None": (lambda z: None, TypeError, "must return a tensor.*NoneType"),
    "a float": (lambda z: 1.0, TypeError, "must return a tensor.*float"),
    "the wrong number of rows": (lambda z: z[:1].repeat(len(z) + 1, 1), ValueError, "f must map"),
    "dropout": (lambda z: F.dropout(z, 0.5, True), ValueError, "two calls of f .*random"),
    "a sampled variance": (lambda z: z + 0.1 * torch.randn_like(z), ValueError, "two calls of f .*random"),
    "statistics of the batch": (lambda z: z - z.mean(0), ValueError, "rows depend on each other"),
    "one norm for all": (lambda z: z / z.norm(), ValueError, "rows depend on each other"),
    "a hidden part": (hidden_part, ValueError, "hidden from torch"),
    "hidden whole": (lambda z: DOUBLE(z.detach()), ValueError, "hidden from torch"),
    "numpy": (Through(), ValueError, "hidden from torch|cannot be evaluated or differentiated"),
    "straight through": (lambda z: z + (z.round() - z).detach(), ValueError, "hidden from torch"),
    "in place": (lambda z: z.mul_(2), ValueError, "in place"),
}


@pytest.mark.parametrize("name", LIARS)
def test_every_fault_is_named_by_every_function(name: str) -> None:
    f, error, message = LIARS[name]
    z = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    for ask in (
        lambda: jacobian(f, z),
        lambda: pullback_metric(f, z),
        lambda: latent_map(f, BOX, 3),
        lambda: invert(f, torch.zeros(1, 2), BOX, grid=3),
    ):
        with pytest.raises(error, match=message):
            ask()


def float32_inside(z: Tensor) -> Tensor:
    return NET(z.float())


HONEST = {
    "ReLU": decoder(activation=nn.ReLU),
    "ReLU, a callable": decoder(activation=nn.ReLU).double().requires_grad_(False).__call__,
    "Hardtanh": decoder(activation=nn.Hardtanh),
    "LeakyReLU": decoder(activation=nn.LeakyReLU),
    "GELU": decoder(activation=nn.GELU),
    "float32 only": float32_inside,
    "float32 inside": lambda z: NET(z.float()).double(),
    "float32, saturated": lambda z: NET(20 * z.float()).double(),
    "constant": lambda z: 0 * z + 1,
    "a part that is rounded away": lambda z: DOUBLE(z) + 0 * (1e6 * z).round().sum(1, keepdim=True),
    "sharp": lambda z: torch.sin(300 * z),
    "identity": lambda z: z,
    "large offset": lambda z: DOUBLE(z) + 1000,
    "one pixel, no dimension": lambda z: z.square().sum(1),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_honest_generators_pass(name: str, scale: float) -> None:
    for seed in range(5):
        z = scale * torch.randn(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        Derivatives(HONEST[name]).check(z)
        checks.check_generator(Derivatives(HONEST[name]), z[:1])


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Hardtanh, nn.LeakyReLU])
def test_a_start_on_all_kinks_at_once_is_no_fault(activation: type[nn.Module]) -> None:
    f = nn.Sequential(nn.Linear(2, 30, bias=False), activation(), nn.Linear(30, 9, bias=False)).double()
    checks.check_generator(Derivatives(lambda z: f(z)), torch.zeros(3, 2, dtype=torch.float64))


def test_where_f_is_not_finite_neither_is_its_jacobian() -> None:
    def masked(z: Tensor) -> Tensor:
        return torch.where(z[:, :1] > 0.5, math.nan, z.square())

    z = torch.tensor([[0.0, 1.0], [0.7, 1.0], [0.2, 0.3]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"not finite at the latent point \[0.7, 1.0\]"):
        jacobian(masked, z)
    space = LatentSpace(masked)
    v = torch.ones_like(z)
    for values in (space.root(z), space.push(z, v), space.metric(z), space.acceleration(z, v), space.bend(z, v)[1]):
        assert values.flatten(1).isnan().any(1).tolist() == [False, True, False]


def test_an_honest_generator_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def f(z: Tensor) -> Tensor:
        return z.sin()

    z = torch.ones(3, 2)
    monkeypatch.setattr(
        "pullback.geometry.derivatives.check_generator", lambda d, z: calls.append(d) or checks.Extent(1, 1)
    )
    for _ in range(3):
        jacobian(f, z)
    assert len(calls) == 1
    net = decoder(activation=nn.GELU)
    for _ in range(2):
        jacobian(net, z)
    assert len(calls) == 2
    with torch.no_grad():
        net[0].weight.mul_(2)
    jacobian(net, z)
    assert len(calls) == 3


@pytest.mark.parametrize("make", [lambda s: lambda z: s * DOUBLE(z), lambda s: _ended(s)], ids=["callable", "plain"])
@pytest.mark.parametrize("power", [15, -15, 200, -200])
def test_scale_moves_log_det_by_2_k_log_scale_or_is_refused(make, power: int) -> None:
    z = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scale = 10.0**power
    s, one = (singular_values(jacobian(make(c), z)) for c in (scale, 1.0))
    torch.testing.assert_close(log_det(s), log_det(one) + 4 * math.log(scale), rtol=1e-12, atol=0)
    torch.testing.assert_close(log_cond(s), log_cond(one), rtol=1e-9, atol=1e-9)
    found = latent_map(make(scale), BOX, 3)
    np.testing.assert_allclose(found.log_det, latent_map(make(1.0), BOX, 3).log_det + 4 * math.log(scale), rtol=1e-12)
    f, images = make(scale), make(scale)(z)
    if abs(power) > 100:
        for ask in (lambda: pullback_metric(f, z), lambda: invert(f, images, BOX), lambda: as_manifold(f).check(z)):
            with pytest.raises(ValueError, match="multiply f by a constant|Multiply f by a constant"):
                ask()
    else:
        torch.testing.assert_close(pullback_metric(f, z) / scale**2, pullback_metric(make(1.0), z), rtol=1e-9, atol=0)
        inside = z.clamp(-1, 1)
        again = invert(f, make(scale)(inside).detach(), BOX, grid=16)[0]
        torch.testing.assert_close(
            again, invert(make(1.0), make(1.0)(inside).detach(), BOX, grid=16)[0], rtol=0, atol=1e-6
        )


def _ended(scale: float) -> nn.Sequential:
    """A plain network whose images are scaled."""
    layer = nn.Linear(50, 50, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(scale * torch.eye(50, dtype=torch.float64))
    return nn.Sequential(DOUBLE, layer).requires_grad_(False)


def test_a_scale_that_float32_cannot_hold_is_not_sent_there() -> None:
    z = torch.randn(6, 2, dtype=torch.float64)
    for scale, narrows in ((1.0, True), (1e-30, False), (1e30, False)):
        space = LatentSpace(_ended(scale))
        space.check(z)
        assert (space.single() is not space) == (space.sketch() is not space) == narrows
