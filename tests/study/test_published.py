"""What travels with a clone is used where it fits, never otherwise, and never unverified."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from pullback.geodesics import Geodesics
from pullback.geometry import latent_map
from pullback.study import checkpoints, data, publish, published, trained_models, training
from pullback.study.claims.criteria import ALIKE
from pullback.study.errors import CheckpointError
from pullback.study.latent_points import FIRST
from pullback.study.models import STUDY, ModelSpec
from pullback.study.notebook import Study
from pullback.study.paths import PROJECT, write_atomically
from pullback.study.profiles import PROFILES
from pullback.study.records import reading
from pullback.study.solvers import runs
from pullback.study.training import Trained, TrainingSettings, train

VAE, GAN = ModelSpec("vae", (8, 4), "tanh"), ModelSpec("gan", (8, 4), "tanh")
COMMITTED = PROJECT / "weights"


def bits(tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in tensors.items()}


def asked(study: Study, trained: Trained) -> list[runs.Job]:
    """Two solvers on a model of the study."""
    jobs = runs.jobs_of({trained.spec.name: runs.problem(study, trained, study.pairs(trained))}, 2, 64)
    return [jobs[trained.spec.name, name] for name in ("straight", "newton")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A build folder with two small models and a solver's results, and weights/ as published from it."""
    with pytest.MonkeyPatch.context() as patch:
        build, weights = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("to") / "weights"
        for name, value in {"PULLBACK_BUILD": str(build), published.SWITCH: "train", "PULLBACK_JOBS": "1"}.items():
            patch.setenv(name, value)
        patch.setattr(published, "FOLDER", weights)
        patch.setattr(publish, "image_files", lambda: {})
        patch.setattr(publish, "jobs_of_notebooks", lambda study, models: asked(study, models[VAE.name]))
        patch.setattr(runs, "say", lambda message: None)
        study = Study("x", "smoke", device="cpu")
        images, labels = study.images("train")
        for spec in (VAE, GAN):
            settings, name = study.settings(spec), data.data_hash(True)
            content = checkpoints.encode(train(spec, settings, images, labels, device="cpu"), settings, name, {})
            write_atomically(checkpoints.path_of(spec, settings, name), content)
        for job in asked(study, study.models([VAE])[VAE.name]):
            runs._solve_and_write(job)
        publish.write(study, (VAE, GAN), True, "abc")
    return build, weights


@pytest.fixture
def folder(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of weights/, as a fresh clone has it: nothing in the build folder, no training, no MNIST."""
    for path in made[1].rglob("*"):
        if path.is_file():
            write_atomically(tmp_path / "weights" / path.relative_to(made[1]), path.read_bytes())
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("PULLBACK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv(published.SWITCH, raising=False)
    monkeypatch.setattr(published, "FOLDER", tmp_path / "weights")
    monkeypatch.setattr(trained_models, "_train_side_by_side", lambda *arguments: pytest.fail("trained"))
    monkeypatch.setattr(data, "load", lambda split, sample: pytest.fail("images were read"))
    return tmp_path / "weights"


def study() -> Study:
    return Study("x", "smoke", device="cpu")


def file_of(folder: Path, spec: ModelSpec) -> Path:
    return next(folder.glob(f"{spec.name}-*.safetensors"))


def test_models_come_in_the_order_asked_for_with_one_line_that_says_whose_they_are(folder: Path) -> None:
    lines: list[str] = []
    found = study().models([GAN, VAE], lines.append)
    assert list(found) == [GAN.name, VAE.name]
    assert lines == ["2 of 2 models are the published ones, of weights/; PULLBACK_WEIGHTS=train trains them"]
    for name, trained in found.items():
        assert bits(trained.model.state_dict()) == bits(load(file_of(folder, found[name].spec).read_bytes()))
        assert not trained.model.training and trained.history


def test_box_pairs_and_codes_are_those_of_the_images_to_the_last_bit(
    folder: Path, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = study().models([VAE, GAN])
    kept = {name: (study().box(m), study().pairs(m)) for name, m in models.items()}
    codes, labels = study().codes(models[VAE.name], first=100)
    monkeypatch.undo()
    monkeypatch.setenv(published.SWITCH, "train")
    for name, (box, pairs) in kept.items():
        assert box == study().box(models[name])
        for ours, computed in zip(pairs, study().pairs(models[name]), strict=True):
            assert ours is computed is None or torch.equal(ours, computed)
    again, labels_again = study().codes(models[VAE.name])
    assert torch.equal(codes, again[:100]) and torch.equal(labels, labels_again[:100])


def test_results_are_found_by_their_keys_and_are_those_of_the_build_folder(
    folder: Path, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, lines = asked(study(), study().models([VAE])[VAE.name]), []
    runs.run(jobs, lines.append)
    assert [line.split() for line in lines] == [[VAE.name, "2", "results", "loaded"]]
    ours = [runs.read(job, Geodesics) for job in jobs]
    monkeypatch.setenv("PULLBACK_BUILD", str(made[0]))
    for (kept, seconds), job in zip(ours, jobs, strict=True):
        computed, seconds_then = runs.read(job, Geodesics)
        assert seconds == seconds_then and kept.seconds == computed.seconds
        names = ("points", "length", "energy", "converged", "criterion")
        assert bits({n: getattr(kept, n) for n in names}) == bits({n: getattr(computed, n) for n in names})


@pytest.mark.parametrize("change", ["switch", "recipe", "settings", "seed", "no folder"])
def test_what_does_not_fit_is_left_aside(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    settings, lines = study().settings(VAE), []
    if change == "switch":
        monkeypatch.setenv(published.SWITCH, "train")
    elif change == "recipe":
        monkeypatch.setattr(training, "RECIPE", training.RECIPE + 1)
    elif change == "no folder":
        monkeypatch.setattr(published, "FOLDER", folder / "elsewhere")
    else:
        settings = TrainingSettings(epochs=3) if change == "settings" else Study("x", "smoke", seed=1).settings(VAE)
    assert published.models([VAE], settings, data.data_hash(True), lines.append) == {}
    then = f"recipe {training.RECIPE - 1}, not {training.RECIPE},"
    told = [f"the models in weights/ are of training {then} and are not used"] if change == "recipe" else []
    assert lines == told


def test_points_and_results_of_other_weights_are_not_taken(folder: Path) -> None:
    """A model that was trained here has codes of its own."""
    trained = study().models([VAE])[VAE.name]
    jobs = asked(study(), trained)
    with torch.no_grad():
        trained.model.generator[0].weight[0, 0] += 1e-7
    assert published.points(trained, data.data_hash(True), PROFILES["smoke"].pairs, 0) is None
    assert all(published.result(job.model, job.key) is None for job in jobs)


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [altered, Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("what", ["checkpoint", "points", "results"])
def test_a_file_that_is_altered_or_missing_is_named_with_the_remedy(folder: Path, harm, what: str) -> None:
    trained = study().models([VAE])[VAE.name]
    job = asked(study(), trained)[0]
    published._arrays.cache_clear()
    path = {
        "checkpoint": file_of(folder, VAE), "points": file_of(folder / "points", VAE),
        "results": folder / "comparisons" / f"{VAE.name}.npz.xz",
    }[what]
    harm(path)
    ask = {
        "checkpoint": lambda: study().models([VAE]), "points": lambda: study().pairs(trained),
        "results": lambda: runs.run([job]),
    }[what]
    with pytest.raises(CheckpointError) as failure:
        ask()
    assert str(path) in str(failure.value) and published.REMEDY in str(failure.value)


BROKEN = ["", "{", "[]", "{}", '{"files": 1, "models": {}, "recipes": {}, "machine": {}}', None]


@pytest.mark.parametrize("text", BROKEN)
def test_a_manifest_that_cannot_be_read_is_named_with_the_remedy(folder: Path, text: str | None) -> None:
    path = folder / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(CheckpointError) as failure:
        study().models([VAE])
    assert str(path) in str(failure.value) and published.REMEDY in str(failure.value)


def test_a_file_under_anothers_name_is_refused(folder: Path) -> None:
    """Even where the manifest vouches for it."""
    other, path = file_of(folder, GAN), file_of(folder, VAE)
    listed = json.loads((folder / "manifest.json").read_text())
    listed["files"][path.name] = listed["files"][other.name]
    (folder / "manifest.json").write_text(json.dumps(listed))
    path.write_bytes(other.read_bytes())
    with pytest.raises(CheckpointError, match="checkpoint of another training: .*family 'gan', not 'vae'"):
        study().models([VAE])


def test_an_unknown_value_of_the_switch_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(published.SWITCH, "yes")
    with pytest.raises(ValueError, match="unknown PULLBACK_WEIGHTS 'yes'; valid: published, train"):
        study().models([VAE])


def test_test_images_that_are_not_mnists_are_refused(folder: Path) -> None:
    names = [f"mnist/{name}.gz" for name in data.SHA256 if name.startswith("t10k")]
    listed = json.loads((folder / "manifest.json").read_text())
    for name in names:
        write_atomically(folder / name, gzip.compress(bytes(100)))
        listed["files"][name] = {"sha256": publish.hashlib.sha256((folder / name).read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(listed))
    with pytest.raises(CheckpointError, match="t10k-images-idx3-ubyte.gz does not hold MNIST's"):
        Study("x", "paper", device="cpu").images("test")


def test_compare_tells_equal_from_different_weights(
    folder: Path, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(folder.parent / "build"))
    monkeypatch.setitem(STUDY, VAE.name, VAE)
    monkeypatch.setitem(STUDY, GAN.name, GAN)
    for path in (made[0] / "checkpoints").glob("*.safetensors"):
        write_atomically(folder.parent / "build" / "checkpoints" / path.name, path.read_bytes())
    lines: list[str] = []
    assert publish.compare(lines.append)
    assert [line.split(maxsplit=1)[1] for line in lines[:2]] == ["equal, bit for bit"] * 2
    own = folder.parent / "build" / "checkpoints" / file_of(folder, VAE).name
    weights, metadata = checkpoints.parts(own.read_bytes(), "", "")
    largest = weights["generator.0.weight"].abs().max().item()
    weights["generator.0.weight"][0, 0] += 1e-3 * largest
    own.write_bytes(save(weights, metadata | {"digest": checkpoints.digest(weights, metadata)}))
    lines.clear()
    assert not publish.compare(lines.append)
    assert "differs by up to 1.0e-03 of the largest weight, in generator.0.weight" in lines[0]


def test_nothing_is_written_while_a_model_or_a_result_is_missing(
    folder: Path, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(published.SWITCH, "train")
    before = bits_of(folder)
    with pytest.raises(publish.PublishError, match=rf"no checkpoint {VAE.name}-\w+.safetensors, {GAN.name}"):
        publish.write(study(), (VAE, GAN), True, "abc")
    jobs = asked_without_images(monkeypatch)
    monkeypatch.setitem(publish.CURRENT, "solving", runs.RECIPE + 1)
    with pytest.raises(publish.PublishError, match=f"2 of 2 results are missing, {VAE.name}-straight"):
        publish.result_files(jobs)
    assert bits_of(folder) == before


def test_what_is_published_stays_so_until_its_recipe_is_an_older_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has computed the bounds alone publishes them beside the results of another."""
    jobs = asked_without_images(monkeypatch)
    before = publish.result_files(jobs)
    name = published.results_name(VAE.name)
    assert before == {name: (folder / name).read_bytes()}
    settings = {"curves": straight(jobs[0]), "box": ((-9.0, 9.0), (-9.0, 9.0)), "grid": 16, "grids": 1}
    bound = jobs[0]._replace(solver=runs.LOWER, settings=settings)
    monkeypatch.setattr(runs, "say", lambda message: None)
    runs._solve_and_write(bound)
    both = publish.result_files(jobs)
    write_atomically(folder / name, both[name])
    bound.path.unlink()
    assert publish.result_files(jobs) == both != before
    monkeypatch.setitem(publish.CURRENT, "bounding", runs.BOUNDING + 1)
    assert publish.result_files(jobs) == before


def straight(job: runs.Job) -> torch.Tensor:
    start, end = (z.double() for z in job.pairs)
    return torch.lerp(start[:, None], end[:, None], torch.linspace(0, 1, 9, dtype=torch.float64)[:, None])


def asked_without_images(monkeypatch: pytest.MonkeyPatch) -> list[runs.Job]:
    monkeypatch.setenv(published.SWITCH, "published")
    return asked(study(), study().models([VAE])[VAE.name])


def bits_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------------ what is committed

committed = pytest.mark.skipif(not COMMITTED.is_dir(), reason="nothing is published yet")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.delenv(published.SWITCH, raising=False)
    return published.manifest()


@committed
def test_every_committed_file_is_listed_and_every_listed_one_is_there(held: dict) -> None:
    files = {path.relative_to(COMMITTED).as_posix() for path in COMMITTED.rglob("*") if path.is_file()}
    assert files - {"manifest.json", "README.md"} == set(held["files"])
    assert all(published.read(name) is not None for name in held["files"])
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()) < 30e6


@committed
def test_every_model_of_the_study_is_committed_with_its_points(held: dict) -> None:
    assert set(held["models"]) == set(STUDY)
    for name, spec in STUDY.items():
        trained = committed_model(name)
        assert checkpoints.digest(trained.model.state_dict()) == held["models"][name]["weights"]
        if spec.family != "classifier":
            kept = published.points(trained, data.data_hash(False), PROFILES["paper"].pairs, 0)
            assert kept is not None and kept.pairs.start.shape == (PROFILES["paper"].pairs, 2)
            assert (kept.codes is None) == (spec.family == "gan")
            assert kept.codes is None or kept.codes.shape == (FIRST, 2)


def committed_model(name: str) -> Trained:
    settings = Study("x", "paper", device="cpu").settings(STUDY[name])
    return published.models([STUDY[name]], settings, data.data_hash(False), lambda line: None)[name]


@committed
@pytest.mark.parametrize("name", [name for name, spec in STUDY.items() if spec.family in ("vae", "dae")])
def test_the_sweep_trained_the_committed_weights_too_or_some_whose_map_is_alike(held: dict, name: str) -> None:
    """Bit for bit on the same kind of machine. On another kind medians of log_cond are alike as the claims use the
    word. Maps of GANs, which differ more from seed to seed, are not compared."""
    record = reading.read(PROJECT / "results" / "records" / f"{name}-seed0.json")
    if record.provenance.weights == held["models"][name]["weights"][:16]:
        return
    trained = committed_model(name)
    ours = latent_map(trained.model.generator, Study("x", "paper", device="cpu").box(trained), PROFILES["paper"].grid)
    assert abs(np.median(ours.log_cond) - record.numbers.maps.log_cond.q50) < ALIKE


@committed
def test_the_committed_test_images_hold_the_committed_sample(held: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = published.test_images()
    sample, sample_labels = data.load("test", sample=True)
    drawn = torch.from_numpy(data.draw_sample(labels.numpy(), "test"))
    assert images.shape == (10_000, 784) and torch.equal(images[drawn], sample)
    assert torch.equal(labels[drawn], sample_labels)
    assert np.isclose(images.max().item(), 1)


@committed
def test_the_pairs_of_the_committed_models_are_codes_of_the_test_images(held: dict) -> None:
    """To rounding, which differs between machines."""
    paper = Study("x", "paper", device="cpu")
    images, _ = published.test_images()
    name = "vae-128-32-tanh"
    trained = published.models([STUDY[name]], paper.settings(STUDY[name]), data.data_hash(False))[name]
    pairs = paper.pairs(trained)
    with torch.no_grad():
        codes = trained.model.encode(images[pairs.images.flatten()])
    torch.testing.assert_close(torch.stack((pairs.start, pairs.end), 1).flatten(0, 1), codes, rtol=1e-3, atol=1e-4)


@committed
def test_training_again_gives_the_committed_weights(held: dict) -> None:
    """A small model, on one thread: bit for bit on the kind of machine that trained it, and nearly so elsewhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = load(publish.trial())
    finally:
        torch.set_num_threads(threads)
    committed = load(published.read(held["trial"]))
    if held["machine"] == published.machine():
        difference = publish.difference(again, committed)
        assert difference is None, difference
        return
    shown = []
    for weights in (again, committed):  # not the weights: a bias before a batch norm has no gradient but rounding
        model = publish.TRIAL.build()
        model.load_state_dict(weights)
        with torch.no_grad():
            shown.append(model.eval().generator(model.encode(data.load("test", sample=True)[0])))
    assert (shown[0] - shown[1]).abs().max() < 0.05


@committed
def test_what_was_trained_on_this_machine_is_what_is_committed(held: dict) -> None:
    """The checkpoints of the build folder, where there are any."""
    lines: list[str] = []
    alike = publish.compare(lines.append)
    if lines[-1].startswith("0 of"):
        pytest.skip("no trained models in the build folder")
    assert alike, "\n".join(lines)
