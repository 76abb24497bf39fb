"""The Gaussian VAE, the ensemble and the flat VAE against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal
from torch.nn import functional as F

from pullback.geometry.elements import LEAST_VARIANCE, Deviation
from pullback.geometry.metric import pullback_metric
from pullback.study import checkpoints
from pullback.study.models import AWAY, EnsembleVAE, FlatVAE, GaussianVAE, ModelSpec, get_spec
from pullback.study.models.flat import flatness, isometry, metric, mixed_up
from pullback.study.models.gaussian import log_normal
from pullback.study.training import TrainingSettings, train

NEW = [
    ModelSpec("gaussian", (8, 4), "tanh"),
    ModelSpec("ensemble", (8, 4), "tanh", members=3),
    ModelSpec("flat", (8, 4), "sigmoid", weight=0.01),
    ModelSpec("flat", (8, 4), "tanh", penalty="isometric", weight=10.0),
]
EMPTY = torch.empty(0)


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 50) -> Tensor:
    return torch.rand(count, 784, generator=noise(1))


# ------------------------------------------------------------------------------------------------ all of them


def test_names_and_settings() -> None:
    assert all(get_spec(name) == spec and spec.name == name for name, spec in AWAY.items())
    assert [spec.name for spec in NEW] == [
        "gaussian-8-4-tanh", "ensemble-8-4-tanh-of3", "flat-8-4-sigmoid-flat0.01", "flat-8-4-tanh-isometric10",
    ]  # fmt: skip
    for fields, message in (
        ({"members": 3}, "an ensemble's setting; this is a vae"),
        ({"family": "ensemble", "members": 1}, "for one decoder take a vae.*from 2"),
        ({"weight": 1.0}, "a flat VAE's settings; this is a vae"),
        ({"family": "flat", "weight": -1.0}, "weight must be a number from 0"),
        ({"family": "flat", "penalty": "round"}, "unknown penalty 'round'; valid: flat, isometric"),
        ({"family": "gaussian", "loss": "squared error"}, "loss of a gaussian"),
    ):
        with pytest.raises(ValueError, match=message):
            ModelSpec(**({"family": "vae", "hidden": (8, 4), "activation": "tanh"} | fields))


@pytest.mark.parametrize("spec", NEW, ids=lambda spec: spec.name)
def test_a_checkpoint_holds_what_was_trained(spec: ModelSpec) -> None:
    settings = TrainingSettings(epochs=2, batch_size=25)
    trained = train(spec, settings, images(), torch.zeros(50), device="cpu")
    read = checkpoints.decode(checkpoints.encode(trained, settings, "x", {}), spec, settings, "x", "here")
    assert read.history == trained.history
    assert all(a.equal(b) for a, b in zip(read.model.state_dict().values(), trained.model.state_dict().values(),
                                          strict=True))  # fmt: skip


# ------------------------------------------------------------------------------------------------ Gaussian


class Constant(nn.Module):
    """The same deviation of every pixel everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, z: Tensor) -> Tensor:
        return z.new_full((len(z), 6), self.value)


def linear(sigma: float = 0.3) -> tuple[GaussianVAE, MultivariateNormal]:
    """x = A z + b + sigma e with six pixels, an encoder that is the exact posterior, and the density of x.

    With S = (I + A^T A / sigma^2)^-1 diagonal, the posterior of z is N(S A^T (x - b) / sigma^2, S).
    """
    model = GaussianVAE((8, 4), nn.Tanh, 2).double()
    A = torch.linalg.qr(torch.randn(6, 2, dtype=torch.float64, generator=noise()))[0] * torch.tensor([0.5, 2.0])
    b = torch.randn(6, dtype=torch.float64, generator=noise(1))
    model.generator, model.encoder = nn.Linear(2, 6).double(), nn.Linear(6, 4).double()
    model.deviation = Constant(sigma)
    S = 1 / (1 + A.square().sum(0) / sigma**2)
    with torch.no_grad():
        model.generator.weight.copy_(A), model.generator.bias.copy_(b)
        to_mean = S[:, None] * A.T / sigma**2
        model.encoder.weight.copy_(torch.cat((to_mean, torch.zeros(2, 6))))
        model.encoder.bias.copy_(torch.cat((-to_mean @ b, S.log())))
    return model, MultivariateNormal(b, A @ A.T + sigma**2 * torch.eye(6, dtype=torch.float64))


def test_with_the_exact_posterior_the_bound_of_a_linear_decoder_is_its_likelihood() -> None:
    """Whatever is drawn: p(x, z) / q(z|x) is p(x) for every z."""
    model, truth = linear()
    x = truth.sample((20,))
    for samples in (1, 3):
        torch.testing.assert_close(model.log_likelihood(x, noise(4), samples), truth.log_prob(x))


def test_another_posterior_has_a_lower_bound_that_more_draws_raise() -> None:
    model, truth = linear()
    with torch.no_grad():
        model.encoder.bias += torch.tensor([0.3, -0.1, 0.5, 0.5])
    x = truth.sample((400,))
    one, many = (model.log_likelihood(x, noise(4), samples).mean() for samples in (1, 100))
    assert one < many - 0.05 and one < truth.log_prob(x).mean() - 0.1
    assert many.item() == pytest.approx(truth.log_prob(x).mean().item(), abs=0.05)


def test_the_loss_is_the_negative_elbo_and_each_network_learns_from_its_own_part() -> None:
    model, x = GaussianVAE((8, 4), nn.Tanh, 2).double().eval(), images().double()
    loss = model.negative_elbo(x, EMPTY, noise(3))
    loss.backward()
    mean, log_variance = model.encoder(x).chunk(2, 1)
    z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=noise(3)).double()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    mu, sigma = model.generator(z), model.deviation(z.detach())
    likelihood = log_normal(x, mu.detach(), sigma).mean()
    assert loss.item() == pytest.approx((divergence - likelihood).item(), rel=1e-4)
    shared = divergence + 392 * ((x - mu).square().mean() + LEAST_VARIANCE).log()
    for module, part in ((model.generator, shared), (model.encoder, shared), (model.deviation, -likelihood)):
        weights = list(module.parameters())
        for weight, expected in zip(weights, torch.autograd.grad(part, weights, retain_graph=True), strict=True):
            torch.testing.assert_close(weight.grad, expected, rtol=1e-3, atol=1e-5)


def test_the_log_density_is_that_of_torch() -> None:
    x, mean, sigma = images(5), images(5).flip(0), 0.1 + images(5).flip(1)
    expected = torch.distributions.Normal(mean, sigma).log_prob(x).sum(1)
    torch.testing.assert_close(log_normal(x, mean, sigma), expected)


def test_a_deviation_is_bounded_and_pixels_that_never_change_do_not_drive_it_off() -> None:
    a = torch.tensor([-1e4, 0.0, 1e4])
    torch.testing.assert_close(Deviation()(a).square(), LEAST_VARIANCE + torch.tensor([0.0, 0.125, 0.25]))
    x = images(40)
    x[:, 100:] = 0.0
    trained = train(NEW[0], TrainingSettings(epochs=40, batch_size=20), x, torch.zeros(40), device="cpu")
    (history,) = trained.history.values()
    assert history[-1] < history[0] and all(map(math.isfinite, history))
    with torch.no_grad():
        sigma = trained.model.deviation(trained.model.encode(x))
    assert sigma[:, 100:].mean() < 0.6 * sigma[:, :100].mean()
    assert sigma.min() >= LEAST_VARIANCE**0.5


# ------------------------------------------------------------------------------------------------ ensemble


def test_each_part_of_a_batch_goes_to_one_decoder() -> None:
    model, x = EnsembleVAE((8, 4), nn.Tanh, 2, members=3).eval(), images(10)
    with torch.no_grad():
        mean, log_variance = model.encoder(x).chunk(2, 1)
        z = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=noise(3))
        parts = zip(model.members, z.split([4, 3, 3]), x.split([4, 3, 3]), strict=True)
        reconstruction = sum(F.binary_cross_entropy(f(a), b, reduction="sum") for f, a, b in parts) / 10
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = model.negative_elbo(x, EMPTY, noise(3))
    assert loss.item() == pytest.approx((reconstruction + divergence).item(), rel=1e-6)
    assert not torch.equal(model.members[0](z), model.members[1](z))


def test_a_batch_too_small_for_the_decoders_is_refused_with_the_size_it_needs() -> None:
    with pytest.raises(ValueError, match="a batch of 5 images.*batch_size of 6 or more"):
        EnsembleVAE((8, 4), nn.Tanh, 2, members=3).negative_elbo(images(5), EMPTY, noise())


# ------------------------------------------------------------------------------------------------ flat


def decoder(activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    return FlatVAE((8, 4), activation, 2, penalty="flat", weight=1.0).generator


def test_the_metric_by_hand_is_that_of_automatic_differentiation() -> None:
    """Under the batch's statistics, which batch norm of momentum 1 keeps, but for a factor n / (n - 1) of variances."""
    z, batch = torch.randn(5, 2, generator=noise()), torch.randn(5000, 2, generator=noise(1))
    for f in (decoder(nn.Tanh), decoder(nn.Sigmoid)):
        state = {name: value.clone() for name, value in f.named_buffers()}
        found = metric(f, z, batch)
        assert all(value.equal(state[name]) for name, value in f.named_buffers())
        for layer in f:
            if isinstance(layer, nn.BatchNorm1d):
                layer.momentum = 1.0
        f(batch)
        expected = pullback_metric(f.eval(), z.double())
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3 * float(expected.abs().max()))


def test_weights_that_batch_norm_undoes_do_not_change_the_metric() -> None:
    """Else the penalty could be had for nothing, by a scale that reconstruction does not feel."""
    f, z = decoder(), torch.randn(40, 2, generator=noise())
    before = metric(f, z, z)
    with torch.no_grad():
        f[3].weight *= 0.5
    torch.testing.assert_close(metric(f, z, z), before, rtol=0, atol=1e-2 * before.abs().max().item())


def test_an_isometry_is_not_penalised_and_stretching_one_direction_is() -> None:
    rotation = torch.linalg.qr(torch.randn(7, 2, generator=noise()))[0]

    def penalties(stretch: Tensor) -> tuple[Tensor, Tensor]:
        J = rotation * torch.stack((stretch, 3 + 0 * stretch))
        M = (J.T @ J).expand(4, -1, -1)
        return flatness(M), isometry(M)

    for value, sign in ((3.0, 0), (4.0, 1), (2.0, -1)):
        stretch = torch.tensor(value, requires_grad=True)
        for penalty in penalties(stretch):
            (slope,) = torch.autograd.grad(penalty, stretch, retain_graph=True)
            assert (penalty > 1e-4) == (sign != 0)
            assert (slope.abs() < 1e-3) if sign == 0 else (slope.sign() == sign)


def test_the_penalties_are_the_published_formulas() -> None:
    """|M - c^2 I|^2 written out; and the mean over directions v of N(0, I), drawn, of v^T M^2 v / (v^T M v)^2."""
    J = torch.randn(6, 9, 2, dtype=torch.float64, generator=noise())
    M = J.mT @ J
    c2 = (M[:, 0, 0] + M[:, 1, 1]).mean() / 2
    expected = sum(((m - c2 * torch.eye(2)) ** 2).sum() for m in M) / 6
    assert flatness(M).item() == pytest.approx(expected.item())
    v = torch.randn(200_000, 1, 2, dtype=torch.float64, generator=noise(1))
    pushed = v @ M[torch.arange(200_000) % 6]
    ratio = pushed.square().sum(2).mean() / (pushed * v).sum(2).mean() ** 2
    assert isometry(M).item() + 0.5 == pytest.approx(ratio.item(), rel=0.02)
    assert isometry(7 * M).item() == pytest.approx(isometry(M).item())
    assert flatness(7 * M).item() == pytest.approx(49 * flatness(M).item())


def test_mixed_up_codes_lie_on_lines_through_two_codes_and_a_little_beyond() -> None:
    z = mixed_up(torch.tensor([[0.0, 0.0], [1.0, 2.0]]).repeat(500, 1), noise())
    torch.testing.assert_close(z[:, 1], 2 * z[:, 0])
    assert -0.2 <= z[:, 0].min() < -0.1
    assert 1.1 < z[:, 0].max() <= 1.2


def test_without_weight_it_is_the_vae_and_with_weight_its_metric_is_flatter() -> None:
    settings = TrainingSettings(epochs=100, batch_size=25)
    specs = (ModelSpec("vae", (8, 4), "tanh"), ModelSpec("flat", (8, 4), "tanh"),
             ModelSpec("flat", (8, 4), "tanh", penalty="isometric", weight=1000.0))  # fmt: skip
    plain, unweighted, penalised = (train(s, settings, images(), torch.zeros(50), device="cpu").model for s in specs)
    assert all(a.equal(b) for a, b in zip(plain.parameters(), unweighted.parameters(), strict=True))
    flat, curved = (isometry(metric(m.generator, z, z)) for m in (penalised, plain) for z in [m.encode(images())])
    assert flat < 0.5 * curved


def test_a_layer_whose_metric_is_not_written_out_is_named() -> None:
    with pytest.raises(TypeError, match="ReLU"):
        metric(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2), torch.zeros(1, 2))
