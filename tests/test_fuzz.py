"""Three thousand random inputs, seeded: each answer is right, by closed forms and numpy, or a named error.

A generator is drawn with its Jacobian in closed form: f(z) = scale (A z + B sin(C z)), with columns that may vanish or
repeat. What is asked of it is drawn, too, and in half of all cases one argument is spoilt. A spoilt call must raise
ValueError or TypeError with a message that names the argument; any other must be right.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator as Random
from torch import Tensor

from pullback import (
    exponential,
    geodesic,
    invert,
    jacobian,
    latent_map,
    log_cond,
    log_det,
    pullback_metric,
    singular_values,
)

BAD_POINTS: list[tuple[Callable[[np.ndarray], Any], str]] = [
    (lambda z: np.where(np.arange(z.size).reshape(z.shape) == 0, np.nan, z), "z of shape|finite"),
    (lambda z: np.where(np.arange(z.size).reshape(z.shape) == 0, np.inf, z), "z of shape|finite"),
    (lambda z: None, "z must"),
    (lambda z: "points", "z must"),
    (lambda z: z + 1j, "z must"),
    (lambda z: [[1.0, 2.0], [1.0]], "z must"),
    (lambda z: z[..., :0], "z must"),
    (lambda z: np.float64(1.0), "z must"),
    (lambda z: z > 0, "z must"),
    (lambda z: np.concatenate((z, z), -1), "latent points of shape"),
    (lambda z: {"z": z}, "z must"),
    (lambda z: z.astype(object), "z must"),
]
LIES: list[tuple[Callable[[Callable], Callable], str]] = [
    (lambda f: lambda z: f(z).round().long(), "f must return"),
    (lambda f: lambda z: f(z) > 0, "f must return"),
    (lambda f: lambda z: torch.complex(f(z), f(z)), "f must return"),
    (lambda f: lambda z: (f(z),), "f must return"),
    (lambda f: lambda z: None, "f must return"),
    (lambda f: lambda z: f(z).sum(), "f must map"),
    (lambda f: lambda z: torch.cat((f(z), f(z))), "f must map"),
    (lambda f: lambda z: f(z) * torch.rand(()), "two calls of f"),
    (lambda f: lambda z: f(z) + f(z).mean(0), "rows depend"),
    (lambda f: lambda z: f(z.detach()) * (1 + 0 * z.sum()), "hidden from torch"),
    (lambda f: lambda z: f(z) * float("nan"), "f or its Jacobian is not finite"),
    (lambda f: None, "f must map"),
]


class Drawn:
    """A generator R^k -> R^N with its Jacobian in closed form."""

    def __init__(self, random: Random, k: int | None = None, scales: bool = True) -> None:
        self.k = k or int(random.integers(1, 7))
        self.N, m = int(random.integers(1, 16)), int(random.integers(1, 6))
        self.scale = 10.0 ** random.choice([0, 0, 0, 3, -3, 15, -15]) if scales else 1.0
        self.A, self.B = random.normal(size=(self.N, self.k)), random.normal(size=(self.N, m))
        self.C = random.normal(size=(m, self.k))
        if self.k > 1 and random.random() < 0.1:  # one coordinate is not seen
            self.A[:, 0], self.C[:, 0] = 0, 0

    def __call__(self, z: Tensor) -> Tensor:
        A, B, C = (torch.from_numpy(part).to(z) for part in (self.A, self.B, self.C))
        return self.scale * (z @ A.T + (z @ C.T).sin() @ B.T)

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        return self.scale * (self.A + np.einsum("am,...m,mk->...ak", self.B, np.cos(z @ self.C.T), self.C))


def dressed(random: Random, z: np.ndarray) -> Any:
    """z as callers give it."""
    kind = int(random.integers(5))
    return (z, z.tolist(), torch.from_numpy(z), torch.from_numpy(z).requires_grad_(), torch.from_numpy(z).to_sparse())[
        kind
    ]


def points(random: Random, k: int) -> np.ndarray:
    return random.normal(size=[(k,), (3, k), (2, 2, k), (1, k)][int(random.integers(4))])


def refused(ask: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        ask()


def right_measures(J: Any, expected: np.ndarray, scale: float) -> None:
    """Singular values and what follows from them, by LAPACK on the unscaled matrices."""
    s = singular_values(J)
    k, N = expected.shape[-1], expected.shape[-2]
    true = np.zeros((*expected.shape[:-2], k))
    true[..., : min(N, k)] = np.linalg.svd(expected / scale, compute_uv=False)
    true[true <= max(N, k) * np.finfo(float).eps * true[..., :1]] = 0
    np.testing.assert_allclose(s.detach().numpy() / scale, true, rtol=0, atol=1e-12 * max(1.0, true.max(initial=0)))
    well = (true[..., -1] > 1e-4 * true[..., 0]) & (true[..., 0] > 0)
    flat = true[..., -1] == 0
    found, cond = log_det(s).detach().numpy(), log_cond(s).detach().numpy()
    whole = 2 * np.log(np.where(true > 0, true, 1)).sum(-1) + 2 * k * np.log(scale)
    np.testing.assert_allclose(found[well], whole[well], rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(cond[well], np.log(true[..., 0][well] / true[..., -1][well]), rtol=0, atol=1e-7)
    if N < k or flat.all():
        assert (found[flat] == -np.inf).all() and (cond[flat] == np.inf).all()


def test_jacobians_metrics_and_measures() -> None:
    random = np.random.default_rng(0)
    for _ in range(1000):
        f = Drawn(random)
        z = points(random, f.k)
        expected = f.jacobian(z)
        J = jacobian(f, dressed(random, z))
        np.testing.assert_allclose(J.detach().numpy() / f.scale, expected / f.scale, rtol=1e-10, atol=1e-10)
        right_measures(J, expected, f.scale)
        M = pullback_metric(f, dressed(random, z)).detach().numpy()
        goal = expected.swapaxes(-1, -2) @ expected
        np.testing.assert_allclose(M / f.scale**2, goal / f.scale**2, rtol=1e-9, atol=1e-9)


def test_spoilt_points_and_generators() -> None:
    random = np.random.default_rng(1)
    for _ in range(700):
        f, ask = Drawn(random), (jacobian, pullback_metric)[int(random.integers(2))]
        z = random.normal(size=(3, f.k))
        if random.random() < 0.5:
            spoil, message = BAD_POINTS[int(random.integers(len(BAD_POINTS)))]
            refused(lambda: ask(f, spoil(z)), message)  # noqa: B023
        else:
            spoil, message = LIES[int(random.integers(len(LIES)))]
            refused(lambda: ask(spoil(f), z), message)  # noqa: B023


def test_matrices_of_any_scale() -> None:
    random = np.random.default_rng(2)
    for _ in range(1200):
        N, k, scale = int(random.integers(1, 20)), int(random.integers(1, 20)), 10.0 ** random.integers(-250, 251)
        J = random.normal(size=(2, N, k))
        if random.random() < 0.1:
            J[:, :, -1] = J[:, :, 0]
        if random.random() < 0.3:
            spoilt = [J * np.nan, J * np.inf, J[0, 0], J[:, :0], None, "J", J + 1j][int(random.integers(7))]
            refused(lambda: singular_values(spoilt), "J (of shape|must)")  # noqa: B023
        else:
            right_measures(scale * J, scale * J, scale)


def test_maps_and_inversion() -> None:
    random = np.random.default_rng(3)
    boxes = [None, 3, ((0, 1),), ((1, 0), (0, 1)), ((0, np.nan), (0, 1)), "box", ((0, 1), (0,))]
    for _ in range(200):
        f = Drawn(random, 2)
        low = random.normal(size=2)
        box = np.stack((low, low + random.uniform(0.1, 3, size=2)), 1)
        spoilt = random.random() < 0.5
        if spoilt:
            bad = boxes[int(random.integers(len(boxes)))]
            refused(lambda: latent_map(f, bad, 3), "box")  # noqa: B023
            refused(lambda: latent_map(f, box, [1, 2.5, None, (3,)][int(random.integers(4))]), "grid")  # noqa: B023
            refused(lambda: latent_map(f, box, 3, chunk=0.5), "chunk")  # noqa: B023
            refused(lambda: invert(f, np.zeros((1, f.N)), bad), "box|latent points")  # noqa: B023
            refused(lambda: invert(f, np.zeros((1, f.N + 1)), box, grid=3), "images")  # noqa: B023
            refused(lambda: invert(f, None, box, grid=3), "images")  # noqa: B023
            continue
        found = latent_map(f, box, (3, 4))
        z = np.stack(np.meshgrid(found.x, found.y), -1)
        true = np.zeros((4, 3, 2))
        true[..., : min(f.N, 2)] = np.linalg.svd(f.jacobian(z) / f.scale, compute_uv=False)
        well = true[..., 1] > 1e-4 * true[..., 0]
        whole = 2 * np.log(np.where(true > 0, true, 1)).sum(-1) + 4 * np.log(f.scale)
        np.testing.assert_allclose(found.log_det[well], whole[well], atol=1e-7)
        inside = random.uniform(box[:, 0], box[:, 1], size=(2, 2))
        images = f(torch.from_numpy(inside))
        places, residual = invert(f, images.tolist(), box.tolist(), grid=24)
        np.testing.assert_allclose(residual, (f(places) - images).norm(dim=1), atol=1e-9 * f.scale)
        assert (places.numpy() >= box[:, 0]).all() and (places.numpy() <= box[:, 1]).all()
        nodes = torch.cartesian_prod(*(torch.linspace(*side, 24, dtype=torch.float64) for side in box.tolist()))
        nearest = (f(nodes)[None] - images[:, None]).norm(dim=2).min(1).values
        assert (residual <= nearest * (1 + 1e-9) + 1e-7 * images.norm(dim=1)).all()


def test_geodesics_and_exponentials_of_flat_generators() -> None:
    """Of f(z) = A z: straight lines."""
    random = np.random.default_rng(4)
    for _ in range(20):
        k = int(random.integers(1, 4))
        A = torch.from_numpy(random.normal(size=(int(random.integers(k, 8)), k)) * 10.0 ** random.integers(-3, 4))
        f = lambda z: z @ A.T  # noqa: B023, E731
        start, end = torch.from_numpy(random.normal(size=(2, 2, k)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = geodesic(f, start, end)
            torch.testing.assert_close(found.length, ((end - start) @ A.T).norm(dim=1), rtol=1e-3, atol=0)
            went = exponential(f, start, end - start, segments=2)
        torch.testing.assert_close(went.points[:, -1], end, rtol=1e-8, atol=1e-8)
        refused(lambda: geodesic(f, start, end * torch.nan), "end")  # noqa: B023
        refused(lambda: geodesic(f, start, end[:, :0]), "end")  # noqa: B023
        refused(lambda: exponential(f, start, torch.zeros(2, k + 1)), "velocity")  # noqa: B023
        spoil, message = LIES[int(random.integers(len(LIES)))]
        refused(lambda: geodesic(spoil(f), start, end), f"{message}|metric")  # noqa: B023
