"""A checkpoint is whole or refused, and its key changes with all that decides the weights."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from pullback.study import checkpoints, data, training
from pullback.study.checkpoints import encode, key, path_of, read
from pullback.study.errors import CheckpointError
from pullback.study.models import ModelSpec, get_spec
from pullback.study.trained_models import available
from pullback.study.training import Trained, TrainingSettings

VAE, GAN = ModelSpec("vae", (8, 4), "tanh"), ModelSpec("gan", (8, 4), "tanh")
SETTINGS = TrainingSettings(epochs=1)


def bits(trained: Trained) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trained.model.state_dict().items()}


DATA = "data"


def history(spec: ModelSpec) -> dict[str, list[float]]:
    return {loss: [1 / 3] for loss in spec.build().phases()}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of a VAE with random weights, where it belongs."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    return write(Trained(VAE, VAE.build().eval(), history(VAE)))


def write(trained: Trained, settings: TrainingSettings = SETTINGS, data_hash: str = DATA) -> Path:
    path = path_of(trained.spec, settings, data_hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(trained, settings, data_hash, {"seconds": 0.1}))
    return path


def test_a_round_trip_keeps_every_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    settings = replace(SETTINGS, epochs=2)
    trained = Trained(GAN, GAN.build().eval(), {"discriminator": [0.1, 1 / 3], "generator": [1e-17, 2.0]})
    write(trained, settings)
    back = read(GAN, settings, DATA)
    assert bits(back) == bits(trained)
    assert (back.spec, back.history) == (GAN, trained.history)
    assert not any(module.training for module in back.model.modules())


def test_reading_leaves_torchs_random_state_alone(file: Path) -> None:
    state = torch.get_rng_state()
    read(VAE, SETTINGS, DATA)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_key_changes_with_all_that_decides_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key(VAE, SETTINGS, "data")]
    for field, value in {"hidden": (8, 5), "activation": "sigmoid", "latent_dim": 3, "family": "dae"}.items():
        keys.append(key(replace(VAE, **{field: value}), SETTINGS, "data"))
    keys.append(key(replace(GAN, r1=1.0), SETTINGS, "data"))
    keys.append(key(replace(GAN, discriminator_batch_norm=False), SETTINGS, "data"))
    keys += [key(replace(GAN, **change), SETTINGS, "data")
             for change in ({"loss": "minimax"}, {"generator_first": True})]  # fmt: skip
    dae = replace(VAE, family="dae")
    keys += [key(replace(dae, **change), SETTINGS, "data") for change in
             ({"loss": "squared error"}, {"noise": "additive"}, {"noise_level": 0.5})]  # fmt: skip
    others = {"epochs": 2, "batch_size": 10, "learning_rate": 0.1, "betas": (0.9, 0.99), "seed": 1,
              "pixels": "standardised"}  # fmt: skip
    assert others.keys() == asdict(SETTINGS).keys()
    keys += [key(VAE, replace(SETTINGS, **{field: value}), "data") for field, value in others.items()]
    keys.append(key(VAE, SETTINGS, "other data"))
    assert keys[0] == key(ModelSpec("vae", (8, 4), "tanh"), TrainingSettings(epochs=1), "data")
    monkeypatch.setattr(training, "RECIPE", training.RECIPE + 1)
    keys.append(key(VAE, SETTINGS, "data"))
    assert len(set(keys)) == len(keys)


def test_a_key_is_what_it_always_was() -> None:
    """The keys of two models under recipe 1, as they were first: a new setting must leave them so, and so must a new
    Python. Whoever raises the recipe's version pins them anew."""
    assert training.RECIPE == 1
    assert key(get_spec("vae-128-32-tanh"), TrainingSettings(), data.data_hash(False)) == "2732d8f1fbc9bf89"
    healthy = get_spec("gan-256-64-sigmoid-nobn-r1")
    assert key(healthy, TrainingSettings(12, 250, seed=3), data.data_hash(True)) == "5fed7160ef71599f"


def test_the_type_of_a_number_does_not_change_the_key() -> None:
    assert key(replace(GAN, r1=2), SETTINGS, DATA) == key(replace(GAN, r1=2.0), SETTINGS, DATA)
    assert key(GAN, replace(SETTINGS, learning_rate=1), DATA) == key(GAN, replace(SETTINGS, learning_rate=1.0), DATA)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_named_and_refused(file: Path, share: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="Delete it and run again: vae-8-4-tanh will be trained anew") as error:
        read(VAE, SETTINGS, DATA)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("place", [0.3, 0.6, 1])
def test_a_flipped_bit_in_the_weights_is_found(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    content[header + int(place * (len(content) - header - 1))] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="its content does not match its digest") as error:
        read(VAE, SETTINGS, DATA)
    assert str(file) in str(error.value)


def test_an_altered_history_is_found(file: Path) -> None:
    content = file.read_bytes()
    place = content.index(b"0.333")
    file.write_bytes(content[:place] + b"0.334" + content[place + 5 :])
    with pytest.raises(CheckpointError, match="its content does not match its digest"):
        read(VAE, SETTINGS, DATA)


OTHERS = {
    "seed": (VAE, replace(SETTINGS, seed=7), DATA, "seed 0, not 7"),
    "learning rate": (VAE, replace(SETTINGS, learning_rate=0.02), DATA, r"learning_rate 0\.01, not 0\.02"),
    "epochs": (VAE, replace(SETTINGS, epochs=2), DATA, "epochs 1, not 2"),
    "batch size": (VAE, replace(SETTINGS, batch_size=10), DATA, "batch_size 1000, not 10"),
    "betas": (VAE, replace(SETTINGS, betas=(0.9, 0.99)), DATA, r"betas \[0\.5, 0\.99\], not \[0\.9, 0\.99\]"),
    "data": (VAE, SETTINGS, "other", "data 'data', not 'other'"),
    "family": (replace(VAE, family="dae"), SETTINGS, DATA, "family 'vae', not 'dae'"),
}


@pytest.mark.parametrize(("spec", "settings", "data_hash", "difference"), OTHERS.values(), ids=OTHERS)
def test_a_file_of_another_training_under_the_right_name_is_refused(
    file: Path, spec: ModelSpec, settings: TrainingSettings, data_hash: str, difference: str
) -> None:
    right = path_of(spec, settings, data_hash)
    file.rename(right)
    with pytest.raises(CheckpointError, match=f"the checkpoint of another training: {difference}.*Delete it") as error:
        read(spec, settings, data_hash)
    assert str(right) in str(error.value)


def test_a_file_of_another_recipe_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "RECIPE", training.RECIPE + 1)
    file.rename(path_of(VAE, SETTINGS, DATA))
    with pytest.raises(CheckpointError, match="recipe '1', not '2'"):
        read(VAE, SETTINGS, DATA)


def forged(content: bytes, change: Callable[[dict[str, torch.Tensor], dict[str, str]], object]) -> bytes:
    """A checkpoint with other weights or fields, and the digest that they ask for."""
    weights, metadata = checkpoints.parts(content, "", "")
    change(weights, metadata)
    return save(weights, metadata | {"digest": checkpoints.digest(weights, metadata)})


LAYER = "generator.0.weight"  # of shape (4, 2)
FORGERIES = {
    "NaN": (lambda w, m: w[LAYER].fill_(float("nan")), f"not finite in {LAYER}"),
    "infinite": (lambda w, m: w[LAYER].fill_(float("inf")), f"not finite in {LAYER}"),
    "a shape": (lambda w, m: w.update({LAYER: torch.zeros(5, 2)}), r"float32 \(5, 2\) and should be float32 \(4, 2\)"),
    "a type": (lambda w, m: w.update({LAYER: w[LAYER].double()}), "float64 .* should be float32"),
    "a missing tensor": (lambda w, m: w.pop(LAYER), f"{LAYER} is missing"),
    "a tensor too many": (lambda w, m: w.update(more=torch.zeros(1)), r"more is float32 \(1,\) and should be missing"),
    **{f"no {name}": (lambda w, m, name=name: m.pop(name), f"lacks a field.*'{name}'")
       for name in ("recipe", "spec", "settings", "data", "key", "history")},
    "no JSON": (lambda w, m: m.update(settings="{"), "malformed"),
    "no object": (lambda w, m: m.update(spec="[1, 2]"), "malformed"),
    "an unknown setting": (lambda w, m: m.update(settings='{"epochs": 1, "momentum": 0.5}'), "momentum 0.5, not None"),
    "another key": (lambda w, m: m.update(key="0" * 16), "holds the key 0{16}, not"),
    "a shorter history": (lambda w, m: m.update(history='{"negative ELBO": []}'), "no history of 1 epochs"),
    "another loss": (lambda w, m: m.update(history='{"loss": [1.0]}'), "no history of 1 epochs of negative ELBO"),
    "a history of NaN": (lambda w, m: m.update(history='{"negative ELBO": [NaN]}'), "no history"),
    "a history of words": (lambda w, m: m.update(history='{"negative ELBO": ["low"]}'), "no history"),
}


@pytest.mark.parametrize(("change", "message"), FORGERIES.values(), ids=FORGERIES)
def test_a_whole_file_with_wrong_content_is_refused_with_what_to_do(file: Path, change: Callable, message: str) -> None:
    file.write_bytes(forged(file.read_bytes(), change))
    with pytest.raises(CheckpointError, match=f"{message}.*Delete it and run again"):
        read(VAE, SETTINGS, DATA)


def test_a_setting_that_is_newer_than_the_file_had_its_default(file: Path) -> None:
    def without_betas(weights: dict, metadata: dict) -> None:
        settings = json.loads(metadata["settings"])
        del settings["betas"]
        metadata["settings"] = json.dumps(settings)

    file.write_bytes(forged(file.read_bytes(), without_betas))
    assert read(VAE, SETTINGS, DATA).spec == VAE
    settings = replace(SETTINGS, betas=(0.9, 0.99))
    file.rename(path_of(VAE, settings, DATA))
    with pytest.raises(CheckpointError, match="betas"):
        read(VAE, settings, DATA)


@pytest.mark.parametrize("kind", ["a pipe", "a loop", "a broken link", "a folder"])
def test_what_is_no_file_is_named_and_neither_waited_for_nor_replaced(file: Path, kind: str) -> None:
    file.unlink()
    {"a pipe": os.mkfifo, "a folder": Path.mkdir, "a loop": lambda path: path.symlink_to(path.name),
     "a broken link": lambda path: path.symlink_to("nowhere")}[kind](file)
    with pytest.raises(CheckpointError, match=f"{file.name} cannot be read"):
        read(VAE, SETTINGS, DATA)
    assert available(VAE, SETTINGS, DATA)
    assert os.path.lexists(file) and not file.is_file()


def test_a_file_that_may_not_be_read_is_a_checkpoint_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CheckpointError, match="cannot be read .Permission denied"):
        read(VAE, SETTINGS, DATA)
