"""The training loop: determinism, what it leaves alone, what it refuses."""

from __future__ import annotations

import re

import pytest
import torch

from pullback.study.errors import DivergenceError
from pullback.study.models import HEALTHY_GANS, ModelSpec
from pullback.study.training import Epoch, Trained, TrainingSettings, choose_device, train

TINY = {
    "vae": ModelSpec("vae", (8, 4), "tanh"),
    "dae": ModelSpec("dae", (8, 4), "sigmoid"),
    "gan": ModelSpec("gan", (8, 4), "tanh"),
    "healthy": ModelSpec("gan", (8, 4), "tanh", discriminator_batch_norm=False, r1=1.0),
    "classifier": ModelSpec("classifier", (8, 4), "tanh"),
    "gaussian": ModelSpec("gaussian", (8, 4), "tanh"),
    "ensemble": ModelSpec("ensemble", (8, 4), "tanh", members=3),
    "flat": ModelSpec("flat", (8, 4), "tanh", weight=0.01),
}
SHORT = TrainingSettings(epochs=2, batch_size=20)


def data(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of ten templates, told apart by their first ten pixels, and their labels."""
    labels = torch.arange(count) % 10
    images = torch.rand(10, 784, generator=torch.Generator().manual_seed(0)).round()[labels]
    return images, labels


def run(spec: ModelSpec, settings: TrainingSettings = SHORT, count: int = 60, **options) -> Trained:
    return train(spec, settings, *data(count), **({"device": "cpu"} | options))


def bits(trained: Trained) -> bytes:
    return b"".join(value.numpy().tobytes() for value in trained.model.state_dict().values())


@pytest.mark.parametrize("spec", TINY.values(), ids=TINY)
def test_a_seed_decides_every_bit(spec: ModelSpec) -> None:
    torch.manual_seed(1)
    first = run(spec)
    torch.manual_seed(2)
    assert bits(run(spec)) == bits(first)
    assert run(spec).history == first.history
    assert bits(run(spec, TrainingSettings(epochs=2, batch_size=20, seed=1))) != bits(first)


@pytest.mark.parametrize("spec", TINY.values(), ids=TINY)
def test_nothing_else_is_touched(spec: ModelSpec) -> None:
    images, labels = data()
    copies, state = (images.clone(), labels.clone()), torch.get_rng_state()
    train(spec, SHORT, images, labels, device="cpu")
    assert torch.equal(images, copies[0]) and torch.equal(labels, copies[1])
    assert not images.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("family", ["vae", "dae", "classifier"])
def test_the_loss_falls(family: str) -> None:
    (history,) = run(TINY[family], TrainingSettings(epochs=30, batch_size=20)).history.values()
    assert history[-1] < 0.8 * history[0]


def test_the_model_comes_back_in_eval_mode_with_a_history_of_every_loss() -> None:
    trained = run(TINY["gan"], TrainingSettings(epochs=3, batch_size=20))
    assert not any(module.training for module in trained.model.modules())
    assert {name: len(losses) for name, losses in trained.history.items()} == {"discriminator": 3, "generator": 3}


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    assert bits(run(TINY["vae"], TrainingSettings(2, 1000))) == bits(run(TINY["vae"], TrainingSettings(2, 60)))


def test_the_incomplete_last_batch_is_left_out() -> None:
    """60 images in batches of 40 make one step; a second one, of 20, would count in batch norm's own counter."""
    trained = run(TINY["dae"], TrainingSettings(epochs=3, batch_size=40))
    assert trained.model.encoder[1].num_batches_tracked == 3


@pytest.mark.parametrize("trains", ["discriminator", "generator"])
@pytest.mark.parametrize("spec", [TINY["gan"], TINY["healthy"]], ids=["printed", "healthy"])
def test_each_gan_loss_trains_its_own_network(spec: ModelSpec, trains: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the other phase taken out of the loop, the other network's weights stay as they were built."""
    build, built = ModelSpec.build, []

    def one_phase(self):
        model = build(self)
        built.append({name: value.clone() for name, value in model.named_parameters()})
        phase = model.phases()[trains]
        model.phases = lambda: {trains: phase}
        return model

    monkeypatch.setattr(ModelSpec, "build", one_phase)
    after = dict(run(spec).model.named_parameters())
    changed = {name for name, value in after.items() if not torch.equal(value, built[0][name])}
    assert changed and all(name.startswith(trains) for name in changed)


def test_a_loss_that_is_not_finite_stops_at_once() -> None:
    images, labels = data()
    images[17, 3] = float("nan")
    with pytest.raises(DivergenceError) as error:
        train(TINY["vae"], SHORT, images, labels, device="cpu")
    message = str(error.value)
    assert re.search(r"vae-8-4-tanh: the negative ELBO loss is nan at epoch 1, step [123]\.", message)
    assert "images that are not finite" in message


def test_a_penalty_that_overflows_is_named_by_its_loss_epoch_and_step() -> None:
    spec = ModelSpec("gan", (8, 4), "tanh", r1=1e39)
    with pytest.raises(DivergenceError, match="r1x1e.39: the discriminator loss is inf at epoch 1, step 1"):
        run(spec)


def test_progress_is_told_after_every_epoch() -> None:
    told: list[Epoch] = []
    trained = run(TINY["gan"], TrainingSettings(epochs=10, batch_size=20), progress=told.append)
    assert [(epoch.number, epoch.of) for epoch in told] == [(n, 10) for n in range(1, 11)]
    assert {name: [epoch.losses[name] for epoch in told] for name in trained.history} == trained.history
    assert [epoch.number for epoch in told if epoch.milestone] == [2, 4, 6, 8, 10]
    assert str(told[1]).startswith(f"epoch 2 of 10, discriminator {trained.history['discriminator'][1]:.3f}, generator")


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="unknown device 'abacus'; valid: auto, cpu"):
        run(TINY["vae"], device="abacus")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("epochs", "100"), ("epochs", 10**9),
        ("batch_size", 1), ("batch_size", None), ("batch_size", 1e3),
        ("learning_rate", 0), ("learning_rate", -0.1), ("learning_rate", 1e400), ("learning_rate", float("nan")),
        ("learning_rate", "0.01"), ("learning_rate", True),
        ("betas", 0.5), ("betas", (0.5,)), ("betas", (0.5, 1.0)), ("betas", (-0.1, 0.9)), ("betas", (0.5, "0.99")),
        ("seed", -1), ("seed", "../../x"), ("seed", 1.0), ("seed", False), ("seed", 2**32),
    ],
)
def test_settings_are_checked_by_type_and_range(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field} must be|each of {field} must be"):
        TrainingSettings(**{field: value})


def test_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 2 images, got \(1, 784\)"):
        run(TINY["vae"], count=1)


def test_the_healthy_gan_trains_without_batch_norm_in_its_discriminator() -> None:
    assert all(spec.r1 == 1 and not spec.discriminator_batch_norm for spec in HEALTHY_GANS)
    assert all(torch.isfinite(value).all() for value in run(TINY["healthy"]).model.state_dict().values())
