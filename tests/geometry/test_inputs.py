"""What callers give: array-likes become tensors, and the rest is refused with what was got and what is wanted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pullback.geometry import (
    HyperbolicHalfPlane,
    Sphere,
    jacobian,
    latent_map,
    log_cond,
    log_det,
    pullback_metric,
    singular_values,
)
from pullback.geometry.inputs import as_tensor
from pullback.geometry.inversion import invert

BOX = ((-1, 1), (-1, 1))


def f(z: torch.Tensor) -> torch.Tensor:
    return torch.stack((z[:, 0], z[:, 1], z[:, 0] * z[:, 1]), 1)


@pytest.mark.parametrize(
    "z",
    [
        [[0.1, 0.2], [1, 2]],
        ((0.1, 0.2), (1, 2)),
        np.array([[0.1, 0.2], [1, 2]]),
        [np.array([0.1, 0.2]), np.array([1.0, 2.0])],
        [torch.tensor([0.1, 0.2], dtype=torch.float64), torch.tensor([1.0, 2.0], dtype=torch.float64)],
        torch.tensor([[0.1, 0.2], [1, 2]], dtype=torch.float64).to_sparse(),
    ],
)
def test_array_likes_are_points_in_full_precision(z) -> None:
    expected = torch.tensor([[[1, 0], [0, 1], [0.2, 0.1]], [[1, 0], [0, 1], [2, 1]]], dtype=torch.float64)
    assert jacobian(f, z).equal(expected)
    torch.testing.assert_close(pullback_metric(f, z), expected.mT @ expected)


def test_numbers_keep_float32_only_if_asked() -> None:
    assert as_tensor(np.float32([1]), "x", None).dtype == torch.float32
    for other in (torch.ones(2, dtype=torch.float16), [1, 2], np.arange(3)):
        assert as_tensor(other, "x", None).dtype == torch.float64
    assert singular_values(torch.eye(3, 2).half().to_sparse()).tolist() == [1, 1]
    assert log_det([2.0, 1.0]) == 2 * np.log(2.0) and log_cond([[2.0, 1.0]]) == np.log(2.0)


@pytest.mark.parametrize(
    ("z", "error", "message"),
    [
        (None, TypeError, "z must be a tensor.*got NoneType"),
        ("12", TypeError, "z must be a tensor.*got str '12'"),
        ({"a": 1}, TypeError, "z must be a tensor.*got dict"),
        ([[1.0, 2.0], [3.0]], ValueError, "z must be.*one length"),
        ([[1.0, None]], TypeError, "z must be"),
        ([[1 + 2j, 1.0]], ValueError, "z must be.*complex"),
        (torch.ones(2, 2, dtype=torch.complex64), ValueError, "z must be.*complex"),
        (torch.ones(2, 2) > 0, TypeError, "z must be.*boolean"),
        ([[1.0, float("nan")]], ValueError, "z of shape .* must be finite"),
    ],
)
def test_anything_else_is_refused_by_name(z, error: type[Exception], message: str) -> None:
    for ask in (jacobian, pullback_metric):
        with pytest.raises(error, match=message):
            ask(f, z)


@pytest.mark.parametrize("bad", [None, "ab", 3.0, torch.ones(3), -torch.ones(2, 2)])
def test_measures_name_their_argument(bad) -> None:
    for ask, name in ((log_det, "s"), (log_cond, "s"), (singular_values, "J")):
        if isinstance(bad, torch.Tensor) and (name == "J") == (bad.ndim == 2):
            continue
        with pytest.raises((TypeError, ValueError), match=f"^{name} must"):
            ask(bad)


@pytest.mark.parametrize("box", [None, (0, 1), ((0, 1),), ((1, 0), (0, 1)), ((0, float("inf")),) * 2, "box"])
def test_a_bad_box_is_refused_by_invert(box) -> None:
    with pytest.raises((TypeError, ValueError), match="box|latent points"):
        invert(f, torch.zeros(1, 3), box, grid=3)


@pytest.mark.parametrize("grid", [1, 2.5, None, True])
def test_a_bad_grid_is_refused_by_invert(grid) -> None:
    with pytest.raises(ValueError, match="grid must be an integer"):
        invert(f, torch.zeros(1, 3), BOX, grid=grid)


@pytest.mark.parametrize("g", [None, 3.0, "f", torch.ones(2)])
def test_what_is_no_generator_is_refused(g) -> None:
    for ask in (lambda: jacobian(g, [[0, 0]]), lambda: latent_map(g, BOX, 3), lambda: invert(g, [[0, 0]], BOX)):
        with pytest.raises(TypeError, match="f must map"):
            ask()


def test_dtypes_without_singular_values_are_refused() -> None:
    for dtype in (torch.float16, torch.int64, None, "float64"):
        with pytest.raises(ValueError, match="dtype must be torch.float64 or torch.float32"):
            jacobian(f, [[0, 0]], dtype)


def test_what_needs_images_says_so() -> None:
    with pytest.raises(TypeError, match="HyperbolicHalfPlane has a metric only"):
        jacobian(HyperbolicHalfPlane(), [[0, 1]])
    with pytest.raises(TypeError, match="embedded manifold; got HyperbolicHalfPlane"):
        invert(HyperbolicHalfPlane(), [[0, 1]], BOX)


def test_manifolds_are_taken_wherever_generators_are() -> None:
    z = torch.tensor([[0.3, 0.4], [1.0, -2.0]], dtype=torch.float64)
    torch.testing.assert_close(jacobian(Sphere(), z), jacobian(Sphere().embed, z))
    torch.testing.assert_close(pullback_metric(Sphere(), z), pullback_metric(Sphere().embed, z))
    torch.testing.assert_close(pullback_metric(HyperbolicHalfPlane(), z[:1]), torch.eye(2).double()[None] / 0.16)
    found, residual = invert(Sphere(), Sphere().embed(z[:1]), BOX, grid=8)
    torch.testing.assert_close(found, z[:1])
