"""Decoders that know where their data are: fits against closed forms, and all systems in one call."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pullback import EnsembleMetric, LatentSpace, geodesic
from pullback.geometry.elements import LEAST_VARIANCE
from pullback.study.away import held_out
from pullback.study.away import systems as module
from pullback.study.away.held_out import measure
from pullback.study.away.kept import kept
from pullback.study.away.processes import Kernel, fit_gplvm, fit_process
from pullback.study.away.variance import fit_deviation, fit_weights
from pullback.study.errors import CheckpointError
from pullback.study.models import ModelSpec
from pullback.study.profiles import get_profile
from pullback.study.provenance import read_sealed
from pullback.study.training import TrainingSettings, train


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=noise(seed))


# ------------------------------------------------------------------------------------------------ variance


def test_one_wide_bell_has_the_precision_of_the_mean_error() -> None:
    """A bell that is 1 at all codes: the likelihood is that of one variance, whose best is the mean of the squares."""
    codes, errors = 1e-3 * drawn(50, 2), drawn(50, 3, seed=1).square()
    W = fit_weights(codes, errors, codes.mean(0)[None], torch.tensor([1e-3]).double(), zeta=0.2)
    torch.testing.assert_close(W[:, 0] + 0.2, 1 / (errors.mean(0) + LEAST_VARIANCE), rtol=1e-5, atol=0)


def test_bells_find_two_precisions_and_no_change_of_them_is_likelier() -> None:
    """Errors of deviation 0.1 about -3 and 0.4 about 3, in one dimension."""
    codes = torch.cat((drawn(2000, 1) / 4 - 3, drawn(2000, 1, seed=1) / 4 + 3))
    errors = (drawn(4000, 2, seed=2) * torch.where(codes < 0, 0.1, 0.4)).square()
    sigma = fit_deviation(codes, errors, zeta=1.0, count=2, scale=4.0)
    at = sigma(torch.tensor([[-3.0], [3.0], [50.0]]).double())
    expected = (torch.tensor([0.1, 0.4]).double().square() + LEAST_VARIANCE).sqrt()[:, None].expand(-1, 2)
    torch.testing.assert_close(at[:2], expected, rtol=0.05, atol=0)
    torch.testing.assert_close(at[2], torch.ones(2).double())  # far out zeta^(-1/2)

    def loss(W: Tensor) -> Tensor:
        b = torch.exp(sigma[0](codes)) @ W.T + 1.0
        return (b * (errors + LEAST_VARIANCE) - b.log()).sum()

    W = sigma[2].weight
    for i in range(4):
        for factor in (0.99, 1.01):
            other = W.clone()
            other.view(-1)[i] *= factor
            assert loss(other) > loss(W)


def test_errors_must_be_squares_and_more_than_bells() -> None:
    with pytest.raises(ValueError, match="errors must be squares"):
        fit_deviation(drawn(9, 2), -torch.ones(9, 3), 1.0, 2)
    with pytest.raises(ValueError, match="errors must be squares"):
        fit_deviation(drawn(9, 2), torch.ones(8, 3), 1.0, 2)
    with pytest.raises(ValueError, match="Ask for fewer centres"):
        fit_deviation(drawn(9, 2), torch.ones(9, 3), 1.0, 9)


# ------------------------------------------------------------------------------------------------ processes


def normal(K: Tensor, X: Tensor) -> float:
    """-log N(x | 0, K) a number, of the columns x of X (m, N)."""
    m, N = X.shape
    quadratic = (X * torch.linalg.solve(K, X)).sum()
    return float(quadratic / N + torch.logdet(K) + m * math.log(2 * math.pi)) / (2 * m)


def test_the_likelihood_is_that_of_normal_columns_and_inducing_points_bound_it() -> None:
    codes, X = drawn(12, 2), drawn(12, 5, seed=1)
    kernel = Kernel(codes, X)
    length, variance = kernel.kernel.base_kernel.lengthscale.item(), kernel.kernel.outputscale.item()
    e = kernel.likelihood.noise.item()

    def k(a: Tensor, b: Tensor) -> Tensor:
        return variance * torch.exp(-torch.cdist(a, b).square() / 2 / length**2)

    whole = normal(k(codes, codes) + e * torch.eye(12), X)
    assert kernel.negative_log_likelihood(codes, X).item() == pytest.approx(whole, rel=1e-6)
    U = codes[:4]
    Q = k(codes, U) @ torch.linalg.solve(k(U, U), k(U, codes))
    bound = normal(Q + e * torch.eye(12), X) + (12 * variance - float(Q.trace())) / e / 24
    found = kernel.negative_log_likelihood(codes, X, U).item()
    assert found == pytest.approx(bound, rel=1e-4)
    assert found > whole


def test_a_process_finds_the_function_that_it_was_shown() -> None:
    codes = drawn(80, 2)
    images = torch.stack((codes[:, 0].sin(), codes[:, 1].cos(), codes.sum(1).sin()), 1) + 1.0
    process = fit_process(codes, images, 30, steps=60)
    shown = process.mean + process.metric().images(codes)
    assert (shown - images).square().mean() < 0.05 * images.var(0).mean()
    assert process.noise < 0.1 * process.variance


def test_a_latent_variable_model_orders_a_curve() -> None:
    """Images along one curve: the codes of neighbours are nearest to each other, which is more than a linear map can
    do for a curve that folds."""
    t = torch.linspace(0, 3, 40, dtype=torch.float64)
    images = torch.stack([f(w * t) for w in (1.0, 1.7, 2.3) for f in (torch.sin, torch.cos)], 1)
    process = fit_gplvm(images, 2, steps=40)
    apart = torch.cdist(process.codes, process.codes).fill_diagonal_(math.inf)
    assert ((apart.argmin(1) - torch.arange(40)).abs() == 1).double().mean() > 0.9
    assert process.metric().metric(process.codes[:3]).isfinite().all()


def test_processes_refuse_what_they_cannot_be_fitted_to() -> None:
    with pytest.raises(ValueError, match="more images than that, got 2"):
        fit_gplvm(drawn(2, 5))
    with pytest.raises(ValueError, match="codes and images that differ"):
        fit_process(drawn(9, 2), torch.ones(9, 4), 3)
    with pytest.raises(ValueError, match="Ask for fewer centres"):
        fit_process(drawn(9, 2), drawn(9, 4), 9)


# ------------------------------------------------------------------------------------------------ held-out numbers


def test_numbers_of_a_model_on_images_that_it_reconstructs_by_an_isometry() -> None:
    """Images A z with |A z| = 2 |z|: no error, a flat metric, condition number 1."""
    A = 2 * torch.linalg.qr(drawn(784, 2))[0]

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = torch.nn.Linear(2, 784, bias=False, dtype=torch.float64)
            self.generator.weight.data = A

        def encode(self, images: Tensor) -> Tensor:
            return images @ A / 4

        def negative_elbo(self, images: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
            return images.sum()

    x = drawn(30, 2) @ A.T
    found = measure(Linear(), x, seed=0)
    assert found["negative_elbo"] == pytest.approx(float(x.sum()))
    assert found["condition_number"] == pytest.approx(1)
    for name in ("squared_error", "flatness", "isometry", "magnification_spread"):
        assert found[name] == pytest.approx(0, abs=1e-9), name


def test_a_record_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setenv("PULLBACK_JOBS", "1")
    profile, told = replace(get_profile("smoke", seed=3), epochs=1), []
    spec = ModelSpec("gaussian", (8, 4), "tanh")
    held_out.run(profile, [spec], told.append)
    held_out.run(profile, [spec], told.append)
    assert told[-1] == "seed 3: 1 of 1 records are there"
    record = read_sealed(held_out.record_path(profile, spec), held_out.key(profile, spec))
    assert record is not None and set(record["numbers"]) == {
        "negative_elbo", "squared_error", "negative_log_likelihood", "flatness", "isometry", "condition_number",
        "magnification_spread",
    }  # fmt: skip
    assert record["numbers"]["negative_log_likelihood"] < record["numbers"]["negative_elbo"] + 5


# ------------------------------------------------------------------------------------------------ systems


def test_a_fit_is_made_once_and_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    made: list[int] = []

    def make() -> dict[str, Tensor]:
        made.append(1)
        return {"a": drawn(3, 2).T}

    first = kept("thing", {"seed": 0}, make)
    assert kept("thing", {"seed": 0}, make)["a"].equal(first["a"]) and len(made) == 1
    kept("thing", {"seed": 1}, make)
    assert len(made) == 2
    path = sorted(tmp_path.rglob("*.safetensors"))[0]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="Delete it and run again"):
        for seed in (0, 1):
            kept("thing", {"seed": seed}, make)


def test_equal_members_have_the_metric_of_one() -> None:
    images = torch.rand(60, 784, generator=noise())
    model = train(ModelSpec("ensemble", (8, 4), "tanh", members=3), TrainingSettings(epochs=1), images,
                  torch.zeros(60), device="cpu").model  # fmt: skip
    for member in model.members[1:]:
        member.load_state_dict(model.members[0].state_dict())
    z = drawn(5, 2)
    one = LatentSpace(model.members[0]).metric(z)
    torch.testing.assert_close(EnsembleMetric(list(model.members)).metric(z), one)


class SmallStudy:
    """What `systems` asks of a study, with models of a few weights."""

    class profile:
        sample = True

    seed = 0

    def __init__(self) -> None:
        self.pictures = torch.rand(120, 784, generator=noise())

    def models(self, specs, progress):
        kinds = {s.name: ModelSpec(s.family, (8, 4), "tanh", penalty=s.penalty, weight=s.weight) for s in specs}
        settings = TrainingSettings(epochs=2, batch_size=60)
        return {name: train(spec, settings, self.pictures, torch.zeros(120), device="cpu")
                for name, spec in kinds.items()}  # fmt: skip

    def images(self, split: str):
        return self.pictures, torch.zeros(120)


def test_every_system_comes_from_one_call_and_has_a_geodesic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    for name, value in (("INDUCING", 8), ("GPLVM_IMAGES", 20)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "variance", partial(module.variance, bells=8))
    for fit in (fit_process, fit_gplvm):
        monkeypatch.setattr(module, fit.__name__, partial(fit, steps=5))
    study = SmallStudy()
    found = module.systems(study, lambda line: None)  # type: ignore[arg-type]
    assert list(found) == [
        "deterministic", "Fisher-Rao", "radial variance", "density", "process", "Gaussian VAE",
        "Gaussian VAE, Fisher-Rao", "ensemble", "flat", "isometric", "GP-LVM",
    ]  # fmt: skip
    for name, system in found.items():
        assert len(system.space.box) == 2 and system.codes.dtype == torch.float64, name
        assert system.decode(system.codes[:3]).shape == (3, 784), name
        if system.encode:
            torch.testing.assert_close(system.encode(study.pictures[:3]), system.codes[:3], rtol=1e-4, atol=1e-5)
        curve = geodesic(system.space, system.codes[:1], system.codes[1:2], method="straight")
        assert curve.length.isfinite().all() and curve.length > 0, name
    again = module.systems(study, lambda line: None)  # type: ignore[arg-type]
    z = found["GP-LVM"].codes[:4]
    assert again["GP-LVM"].space.metric(z).equal(found["GP-LVM"].space.metric(z))
    study.seed = 7  # of six blocks of images the second
    other = module.systems(study, lambda line: None)["GP-LVM"]  # type: ignore[arg-type]
    assert len(other.codes) == 20 and not other.codes.equal(found["GP-LVM"].codes)
