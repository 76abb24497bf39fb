"""What a model is: its name, its layers, and its losses against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from pullback.study.models import CLASSIFIER, DAE, GAN, HEALTHY_GANS, REPORT, STUDY, VAE, ModelSpec, get_spec
from pullback.study.models.dae import corrupt
from pullback.study.models.losses import bernoulli_loss, clamped_bernoulli_loss, squared_error


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 50) -> torch.Tensor:
    return torch.rand(count, 784, generator=noise(1))


def test_the_study_has_sixteen_models_and_a_classifier() -> None:
    assert (len(REPORT), len(HEALTHY_GANS), len(STUDY)) == (12, 4, 17)
    assert all(get_spec(name) == spec and spec.name == name for name, spec in STUDY.items())
    assert {(s.hidden, s.activation) for s in REPORT} == {
        (h, a) for h in ((128, 32), (256, 64)) for a in ("tanh", "sigmoid")
    }
    assert get_spec("gan-128-32-tanh-nobn-r1") == ModelSpec(
        "gan", (128, 32), "tanh", discriminator_batch_norm=False, r1=1.0
    )
    assert CLASSIFIER.name in STUDY


def test_specs_that_differ_have_different_names() -> None:
    vae, gan = ("vae", (128, 32), "tanh"), ("gan", (128, 32), "tanh")
    specs = [*STUDY.values(), ModelSpec(*vae, latent_dim=3), ModelSpec(*gan, r1=1.0), ModelSpec(*gan, r1=10.0)]
    specs.append(ModelSpec(*gan, discriminator_batch_norm=False))
    assert len({spec.name for spec in specs}) == len(specs)


def test_an_unknown_name_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="unknown model 'vae-9'") as refusal:
        get_spec("vae-9")
    assert all(name in str(refusal.value) for name in STUDY)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "flow"}, "unknown family 'flow'.*vae, dae, gan"),
        ({"activation": "relu"}, "unknown activation 'relu'.*tanh, sigmoid"),
        ({"latent_dim": 0}, "latent_dim must be a whole number from 1"),
        ({"latent_dim": 2.0}, "latent_dim must be a whole number from 1"),
        ({"hidden": (8, 0)}, "each width of hidden must be a whole number from 1"),
        ({"hidden": (8, True)}, "each width of hidden"),
        ({"hidden": (8, 4, 2)}, "hidden must be a pair"),
        ({"hidden": [8, 4]}, "hidden must be a pair"),
        ({"family": ["vae"]}, "unknown family"),
        ({"family": "gan", "r1": float("nan")}, "r1 must be a number"),
        ({"family": "gan", "r1": -1.0}, "r1 must be a number"),
        ({"family": "gan", "discriminator_batch_norm": 1}, "discriminator_batch_norm must be True or False"),
        ({"r1": 1.0}, "a GAN's settings; this is a vae"),
        ({"discriminator_batch_norm": False}, "a GAN's settings; this is a vae"),
    ],
)
def test_invalid_specs_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelSpec(**({"family": "vae", "hidden": (8, 4), "activation": "tanh"} | fields))


@pytest.mark.parametrize("spec", [*REPORT, *HEALTHY_GANS], ids=lambda spec: spec.name)
def test_layers(spec: ModelSpec) -> None:
    """Linear -> BatchNorm -> activation, twice; the generator mirrors the hidden widths and ends in a sigmoid."""
    activation = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[spec.activation]
    model = spec.build()
    outer, inner = spec.hidden

    def check(layers: nn.Sequential, sizes: list[int], kinds: list[type]) -> None:
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        assert [linear[0].in_features, *(layer.out_features for layer in linear)] == sizes
        assert [type(layer) for layer in layers] == kinds

    block = [nn.Linear, nn.BatchNorm1d, activation]
    check(model.generator, [2, inner, outer, 784], [*block, *block, nn.Linear, nn.Sigmoid])
    if spec.family == "gan":
        block = [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU] if not spec.r1 else [nn.Linear, nn.LeakyReLU]
        check(model.discriminator, [784, outer, inner, 1], [*block, *block, nn.Linear])
        assert all(layer.negative_slope == 0.2 for layer in model.discriminator if isinstance(layer, nn.LeakyReLU))
    else:
        codes = 4 if spec.family == "vae" else 2  # a VAE's encoder gives mean and log-variance
        check(model.encoder, [784, outer, inner, codes], [*block, *block, nn.Linear])
        assert model.eval().encode(images(3)).shape == (3, 2)


def test_the_bernoulli_loss_is_the_binary_cross_entropy() -> None:
    logits, x = 4 * torch.randn(50, 784, generator=noise()), images()
    expected = F.binary_cross_entropy_with_logits(logits.double(), x.double(), reduction="sum") / 50
    assert bernoulli_loss(logits, x).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_bernoulli_loss_of_extreme_logits_is_finite_with_the_right_gradient() -> None:
    values = torch.tensor([-1e4, -200.0, -90.0, -20.0, -1e-3, 1e-3, 20.0, 90.0, 200.0, 1e4])
    for target in (0.0, 0.3, 1.0):
        x = torch.full((1, len(values)), target)
        logits = values.clone()[None].requires_grad_()
        loss = bernoulli_loss(logits, x)
        loss.backward()
        expected = F.binary_cross_entropy_with_logits(values[None].double(), x.double(), reduction="sum")
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-6)
        torch.testing.assert_close(logits.grad, values.sigmoid()[None] - x, atol=1e-6, rtol=1e-5)


def test_the_elbo_is_the_reconstruction_plus_the_divergence_from_the_prior() -> None:
    model, x = VAE((8, 4), nn.Tanh, 3).eval(), images()
    with torch.no_grad():
        mean, log_variance = model.encoder(x).chunk(2, 1)
        posterior = Normal(mean, (log_variance / 2).exp())
        epsilon = torch.randn(mean.shape, generator=noise(5))
        pixels = model.generator(posterior.mean + posterior.stddev * epsilon)
        divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean()
        expected = F.binary_cross_entropy(pixels, x, reduction="sum") / len(x) + divergence
        loss = model.negative_elbo(x, torch.empty(0), noise(5))
    assert divergence > 1e-3
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_corruption_is_a_coin_between_two_unbiased_noises_of_standard_deviation_a_tenth() -> None:
    """Additive noise touches every pixel; speckle leaves zeros as they are and is as strong where a pixel is 1."""
    images = torch.tensor([0.0, 1.0]).repeat(1000, 392)
    kinds = []
    for seed in range(40):
        on_zeros, on_ones = (corrupt(images, noise(seed)) - images).reshape(-1, 2).T
        kinds.append("speckle" if (on_zeros == 0).all() else "additive")
        for error in (on_ones,) if kinds[-1] == "speckle" else (on_zeros, on_ones):
            assert error.mean().item() == pytest.approx(0, abs=1e-3)  # 6 standard errors
            assert error.std().item() == pytest.approx(0.1, abs=1e-3)
    assert min(kinds.count("speckle"), kinds.count("additive")) >= 10


def test_a_dae_is_asked_for_the_clean_images() -> None:
    model, x = DAE((8, 4), nn.Tanh, 2).eval(), images()
    with torch.no_grad():
        pixels = model.generator(model.encoder(corrupt(x, noise(3))))
        expected = F.binary_cross_entropy(pixels, x, reduction="sum") / len(x)
        assert model.reconstruction(x, torch.empty(0), noise(3)).item() == pytest.approx(expected.item(), rel=1e-6)


def linear_gan(r1: float) -> GAN:
    """A GAN whose discriminator is w . x, with |w|^2 = 784 / 4."""
    gan = GAN((8, 4), nn.Tanh, 2, discriminator_batch_norm=False, r1=r1).eval()
    gan.discriminator = nn.Linear(784, 1, bias=False)
    nn.init.constant_(gan.discriminator.weight, 0.5)
    return gan


def test_the_r1_penalty_is_half_the_weight_times_the_squared_slope() -> None:
    plain, penalised = linear_gan(0.0), linear_gan(0.02)
    penalised.generator.load_state_dict(plain.generator.state_dict())
    x = images() * 0.01
    losses = [gan.discriminator_loss(x, torch.empty(0), noise()) for gan in (plain, penalised)]
    assert (losses[1] - losses[0]).item() == pytest.approx(0.5 * 0.02 * 784 / 4, rel=1e-4)
    weights = [gan.discriminator.weight for gan in (plain, penalised)]
    gradients = [torch.autograd.grad(loss, weight)[0] for loss, weight in zip(losses, weights, strict=True)]
    torch.testing.assert_close(gradients[1] - gradients[0], torch.full((1, 784), 0.02 * 0.5), atol=1e-5, rtol=1e-3)
    assert not x.requires_grad


def test_the_gan_losses_are_the_non_saturating_ones() -> None:
    gan, x = GAN((8, 4), nn.Tanh, 2, discriminator_batch_norm=True, r1=0.0).eval(), images()
    with torch.no_grad():
        real, fake = gan.discriminator(x).sigmoid(), gan.discriminator(gan.sample(50, noise(2))).sigmoid()
        tell, fool = -(real.log().mean() + (1 - fake).log().mean()), -fake.log().mean()
        assert gan.discriminator_loss(x, torch.empty(0), noise(2)).item() == pytest.approx(tell.item(), rel=1e-5)
        assert gan.generator_loss(x, torch.empty(0), noise(2)).item() == pytest.approx(fool.item(), rel=1e-5)


def test_a_clamped_cross_entropy_is_the_plain_one_where_no_pixel_is_sure_and_bounded_elsewhere() -> None:
    logits, x = 5 * torch.randn(7, 784, generator=noise()), images(7)
    assert torch.allclose(clamped_bernoulli_loss(logits, x), bernoulli_loss(logits, x), rtol=1e-5)
    outside, sure = torch.full((1, 784), 2.0), torch.full((1, 784), 1e4)
    assert bernoulli_loss(sure, outside) == pytest.approx(-784e4)  # no lower bound
    assert clamped_bernoulli_loss(sure, outside) == pytest.approx(-784 * 100)  # torch.nn.BCELoss cuts off at -100
    assert squared_error(torch.zeros(2, 784), torch.ones(2, 784)) == pytest.approx(784 / 4)


def test_each_kind_of_noise_has_its_level_and_leaves_the_mean() -> None:
    x = images(500)
    for kind, expected in (("additive", 0.3), ("speckle", 0.3 * x.square().mean().sqrt().item())):
        difference = corrupt(x, noise(), kind, 0.3) - x
        assert difference.std().item() == pytest.approx(expected, rel=0.02)
        assert abs(difference.mean().item()) < 5 * expected / x.numel() ** 0.5
    assert corrupt(x, noise(), "none", 0.3) is x


def test_the_minimax_loss_is_the_other_form_and_order_is_what_was_asked() -> None:
    shape = ("gan", (8, 4), "tanh")
    torch.manual_seed(0)
    minimax = ModelSpec(*shape, loss="minimax", generator_first=True).build().eval()
    loss = minimax.generator_loss(images(), torch.zeros(50), noise())
    score = torch.sigmoid(minimax.discriminator(minimax.sample(50, noise())))
    assert loss.item() == pytest.approx((1 - score).log().mean().item(), rel=1e-5)
    assert list(minimax.phases()) == ["generator", "discriminator"]
    assert list(ModelSpec(*shape).build().phases()) == ["discriminator", "generator"]
