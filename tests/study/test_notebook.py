"""What every notebook starts from: names are checked first, and every model is asked about the same images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

from pullback.study import plots
from pullback.study.models import CLASSIFIER, REPORT, ModelSpec
from pullback.study.notebook import Study
from pullback.study.paths import FIGURES
from pullback.study.profiles import PROFILES, check_parameters, get_profile
from pullback.study.records.quantities import GAN_BOX
from pullback.study.training import Trained, TrainingSettings

SPECS = {family: ModelSpec(family, (8, 4), "tanh") for family in ("vae", "dae", "gan")}


@pytest.fixture
def study() -> Study:
    return Study("05_geodesics", "smoke", seed=3, device="cpu")


def untrained(spec: ModelSpec) -> Trained:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Trained(spec, spec.build().eval(), {})


def test_an_unknown_profile_is_refused_with_the_valid_ones() -> None:
    for refuse in (get_profile, lambda name: Study("04_jacobian_maps", name)):
        with pytest.raises(ValueError, match="unknown profile 'tiny'; valid: paper, smoke"):
            refuse("tiny")


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("seed", "../../x", "whole number from 0 to 4294967295, got '../../x'"),
        ("seed", "abc", "whole number"),
        ("seed", 1e400, "whole number.*got inf"),
        ("seed", float("nan"), "whole number.*got nan"),
        ("seed", 3.0, "whole number.*got 3.0"),
        ("seed", True, "whole number.*got True"),
        ("seed", None, "whole number"),
        ("seed", -1, "whole number.*got -1"),
        ("seed", 2**32, "whole number"),
        pytest.param("seed", 10**5000, "whole number.*an integer of 16610 bits", id="5001 digits"),
        ("device", "gpu", "unknown device 'gpu'; valid: auto, cpu"),
        ("device", "cuda:99", "device 'cuda:99'.*auto, cpu"),
        ("device", "", "unknown device ''"),
        ("device", 0, "unknown device 0"),
        ("profile", "../paper", "unknown profile '../paper'; valid: paper, smoke"),
        ("profile", ["paper"], "unknown profile"),
        ("profile", None, "unknown profile None"),
        ("data", "cifar", "unknown data 'cifar'; valid: mnist, fashion"),
        ("data", ["mnist"], "unknown data"),
        ("data", "fashion", "no committed sample of Fashion-MNIST"),
        ("latent_dim", 1, "latent_dim must be a whole number from 2 to 64, got 1"),
        ("latent_dim", 65, "whole number from 2 to 64"),
        ("latent_dim", 8.0, "whole number from 2 to 64, got 8.0"),
        ("latent_dim", "8", "whole number from 2 to 64, got '8'"),
    ],
)
def test_parameters_are_refused_before_any_folder_is_made(
    parameter: str, value: object, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("PULLBACK_DATA", str(tmp_path / "data"))
    chosen = {"profile": "smoke", "seed": 0, "device": "cpu"} | {parameter: value}
    for start in (check_parameters, partial(Study, "04_jacobian_maps")):
        with pytest.raises(ValueError, match=message):
            start(**chosen)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_that_is_a_path_never_reaches_a_folders_name() -> None:
    """`replace` makes profiles too."""
    with pytest.raises(ValueError, match="whole number"):
        replace(get_profile("smoke"), seed="../../x")


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_any_seed_in_the_range_is_taken(seed: int) -> None:
    assert Study("x", "smoke", seed=seed, device="cpu").pairs(untrained(SPECS["vae"])).start.shape == (6, 2)


def test_only_paper_writes_into_the_committed_folder(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    folders = {name: profile.figures for name, profile in PROFILES.items()}
    assert folders["paper"].name == "figures" and tmp_path not in folders["paper"].parents
    assert folders["smoke"] == tmp_path / "smoke" / "figures"


@pytest.mark.parametrize(("data", "latent_dim"), [("fashion", 8), ("mnist", 3), ("fashion", 2)])
def test_other_data_and_dimensions_leave_the_committed_figures_alone(
    data: str, latent_dim: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    assert check_parameters("paper", data=data, latent_dim=latent_dim).figures == (
        tmp_path / "paper" / f"{data}-k{latent_dim}" / "figures"
    )
    assert check_parameters("paper", data="mnist", latent_dim=8).figures == get_profile("paper").figures


def test_the_paper_profile_is_the_reports() -> None:
    paper = get_profile("paper")
    assert (paper.sample, paper.epochs, paper.batch_size, paper.grid) == (False, 100, 1000, 45)
    assert paper.fine_grid >= 400 and paper.gan_samples == 10_000
    settings = Study("01_train_vae", "paper", device="cpu").settings(REPORT[0])
    assert settings == TrainingSettings(epochs=100, batch_size=1000, learning_rate=0.01, betas=(0.5, 0.99), seed=0)


def test_settings_follow_profile_and_seed(study: Study) -> None:
    assert study.settings(REPORT[0]) == TrainingSettings(epochs=12, batch_size=250, seed=3)
    assert study.settings(CLASSIFIER).epochs == 10


def test_the_box_holds_98_percent_of_the_codes_on_each_axis(study: Study) -> None:
    trained = untrained(SPECS["dae"])
    codes, labels = study.codes(trained)
    assert codes.shape == (2000, 2) and labels.shape == (2000,)
    for (low, high), axis in zip(study.box(trained), codes.T, strict=True):
        assert ((axis > low) & (axis < high)).double().mean().item() == pytest.approx(0.98, abs=1e-3)
    assert study.box(untrained(SPECS["gan"])) == GAN_BOX


def test_a_decoded_grid_runs_along_x_from_the_lowest_y(study: Study) -> None:
    """With a generator that writes its latent point into two pixels, so that they can be read back."""
    trained = untrained(SPECS["gan"])

    def show(z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(z, (0, 782))

    trained.model.generator = torch.nn.Identity()
    trained.model.generator.forward = show
    images, box = study.decoded_grid(trained, side=3)
    x, y = [-3.0, 0.0, 3.0], [-3.0, 0.0, 3.0]
    assert box == GAN_BOX
    assert images[:, :2].tolist() == [[a, b] for b in y for a in x]
    ax = plt.figure().add_subplot()
    shown = plots.decoded_grid(ax, images, box).get_array()[::28, :]
    plt.close("all")
    assert shown[:, 1::28].tolist() == [[3.0] * 3, [0.0] * 3, [-3.0] * 3]  # the second pixel is y: highest on top
    assert shown[:, ::28].tolist() == [x] * 3


def test_pairs_are_the_same_test_images_for_every_model(study: Study) -> None:
    images, _ = study.images("test")
    pairs = {family: study.pairs(untrained(spec)) for family, spec in SPECS.items()}
    index = pairs["vae"].images
    assert index.shape == (study.profile.pairs, 2)
    assert 0 <= index.min() and index.max() < len(images) and index.unique().numel() == index.numel()
    assert all(torch.equal(p.images, index) for p in pairs.values())
    for family in ("vae", "dae"):
        model = untrained(SPECS[family]).model
        with torch.no_grad():
            expected = model.encode(images[index.flatten()]).reshape(-1, 2, 2)
        assert torch.equal(torch.stack([pairs[family].start, pairs[family].end], 1), expected)
        assert pairs[family].residual is None
    gan = pairs["gan"]
    decoded = untrained(SPECS["gan"]).model.generator(torch.stack([gan.start, gan.end], 1).reshape(-1, 2).float())
    distance = (decoded - images[index.flatten()]).norm(dim=1)
    assert gan.residual.tolist() == pytest.approx(distance.tolist(), rel=1e-4)
    other = Study("05_geodesics", "smoke", seed=4, device="cpu").pairs(untrained(SPECS["vae"]))
    assert not torch.equal(other.images, index)


def test_draws_start_anew_at_every_call(study: Study) -> None:
    assert torch.equal(torch.randn(5, generator=study.random()), torch.randn(5, generator=study.random()))


def test_models_of_one_call_share_their_settings(study: Study) -> None:
    with pytest.raises(ValueError):
        study.models([REPORT[0], CLASSIFIER])


def test_another_seed_leaves_the_committed_figures_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    assert Study("x", "paper", seed=1).profile.figures == tmp_path / "paper" / "seed-1" / "figures"
    assert Study("x", "paper").profile.figures == FIGURES
