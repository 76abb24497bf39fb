"""Other data and more latent dimensions: measures on closed forms, verdicts of planted records, and the way end to end.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fake_beyond
from pullback.geometry import LatentSpace, latent_map, log_det, singular_values
from pullback.study.beyond import judgement, run, shown, tables
from pullback.study.beyond.codes import conditioning, corrected, gradient, roughness, scale
from pullback.study.beyond.items import DATA, DIMENSIONS, FAMILIES, FOLDER, ITEMS, Item, Size
from pullback.study.beyond.judgement import CANNOT_TELL, ROWS, evaluate, overall
from pullback.study.beyond.pairs import Sparsity, along, measure_pairs
from pullback.study.claims.remedies import NOT_MEASURED
from pullback.study.errors import DivergenceError
from pullback.study.notebook import Study
from pullback.study.paths import PROJECT
from pullback.study.profiles import PROFILES
from pullback.study.provenance import write_sealed
from pullback.study.records import quantities

CODES = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TINY = Size(epochs=1, batch_size=250, codes=120, probes=10, given=60, pairs=3, effort=1, sample=True)


def stretched(z: Tensor) -> Tensor:
    """log_det is 2 z_1, and its gradient has the norm 2 everywhere, in any dimension."""
    return torch.cat((z[:, :1].exp(), z[:, 1:]), 1)


class Seen(nn.Module):
    """A generator of points that were mapped by a linear map before."""

    def __init__(self, f: Any, matrix: Tensor) -> None:
        super().__init__()
        self.f, self.back = f, torch.linalg.inv(matrix)

    def forward(self, z: Tensor) -> Tensor:
        return self.f(z @ self.back.mT)


# ------------------------------------------------------------------------------------------------ at codes


@pytest.mark.parametrize("k", [1, 2, 3, 8, 16])
def test_roughness_is_that_of_a_closed_form(k: int) -> None:
    codes = torch.randn(500, k, dtype=torch.float64)
    found = roughness(LatentSpace(stretched), codes[:50], codes)
    away = codes - codes.mean(0)
    assert found["distance"] == pytest.approx(2 * float(away.square().sum(1).mean().sqrt()))
    assert found["whitened"] == pytest.approx(2 * float(codes[:, 0].std(correction=0)))
    assert found["left_out"] == 0


def test_roughness_hangs_neither_on_the_latent_scale_nor_whitened_on_any_linear_map() -> None:
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    plain = roughness(LatentSpace(stretched), CODES[:50], CODES)
    for matrix in (7 * turn, torch.diag(torch.tensor([0.1, 1.0, 9.0], dtype=torch.float64)) @ turn):
        moved = CODES @ matrix.mT
        found = roughness(LatentSpace(Seen(stretched, matrix)), moved[:50], moved)
        assert found["whitened"] == pytest.approx(plain["whitened"])
        similar = torch.allclose(matrix.mT @ matrix, matrix[0].square().sum() * torch.eye(3, dtype=torch.float64))
        assert (found["distance"] == pytest.approx(plain["distance"])) == similar


def test_in_the_plane_the_roughness_of_maps_is_three_times_this_one_on_normal_codes() -> None:
    codes = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    m = latent_map(stretched, quantities.percentile_box(codes), 20)
    ratio = quantities.roughness(m) / roughness(LatentSpace(stretched), codes[:50], codes)["distance"]
    assert ratio == pytest.approx(3.29, rel=0.03)


@pytest.mark.parametrize("k", [2, 3, 16])
def test_the_gradient_of_log_det_agrees_with_difference_quotients(k: int) -> None:
    torch.manual_seed(0)
    f = nn.Sequential(nn.Linear(k, 32), nn.Tanh(), nn.Linear(32, 100), nn.Sigmoid()).double().eval()
    space, z, step = LatentSpace(f), torch.randn(4, k, dtype=torch.float64), 1e-5 * torch.eye(k, dtype=torch.float64)

    def at(points: Tensor) -> Tensor:
        return log_det(singular_values(space.root(points)))

    quotients = torch.stack([(at(z + e) - at(z - e)) / 2e-5 for e in step], 1)
    torch.testing.assert_close(gradient(space, z), quotients.detach(), rtol=1e-5, atol=1e-5)


def test_rank_deficient_probes_are_left_out_and_counted() -> None:
    probes = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    found = roughness(LatentSpace(lambda z: torch.stack((z[:, 0] ** 2, z[:, 1]), 1)), probes, CODES[:, :2])
    assert found["left_out"] == 1 and math.isfinite(found["distance"])


def test_conditioning_of_a_linear_generator_and_of_its_active_columns() -> None:
    codes = CODES * torch.tensor([1.0, 2.0, 1e-3], dtype=torch.float64)
    spread = scale(codes)
    assert spread["active"] == [0, 1] and spread["distance"] == pytest.approx(5**0.5, rel=0.05)
    assert spread["log_det_covariance"] == pytest.approx(2 * math.log(2e-3), abs=0.2)
    told = conditioning(LatentSpace(lambda z: z * torch.tensor([3.0, 1.0, 0.01])), codes[:100], spread["active"])
    assert told["log_cond"]["q50"] == pytest.approx(math.log(300)) and told["above"] == {"20": 1, "10": 1, "5": 1}
    assert told["log_det"]["q5"] == pytest.approx(2 * math.log(0.03))
    own = told["active"]
    assert own["log_cond"]["q95"] == pytest.approx(math.log(3)) and own["above"] == {"20": 0, "10": 0, "5": 0}


def test_the_corrected_log_det_does_not_hang_on_the_latent_scale() -> None:
    def at(codes: Tensor, f: Any) -> float:
        told = conditioning(LatentSpace(f), codes[:200], [0])
        return corrected(told["log_det"]["q50"], scale(codes)["distance"], codes.shape[1])

    assert at(5 * CODES, Seen(stretched, 5 * torch.eye(3, dtype=torch.float64))) == pytest.approx(at(CODES, stretched))


# ------------------------------------------------------------------------------------------------ on the way


@pytest.mark.parametrize("k", [2, 3, 8])
def test_where_the_metric_is_flat_straight_lines_are_as_short_as_any_curve(k: int) -> None:
    codes = torch.randn(400, k, dtype=torch.float64)
    matrix = torch.randn(k, 20, dtype=torch.float64)
    found = measure_pairs(LatentSpace(lambda z: z @ matrix), codes[:6].reshape(3, 2, k), codes, Size(given=100))
    exact = (codes[:6].reshape(3, 2, k).diff(dim=1).squeeze(1) @ matrix).norm(dim=1)
    assert found["shortest"] == pytest.approx(exact.tolist(), rel=1e-4)
    for name in ("straight", "newton", "default", "cubic spline"):
        assert not judgement.failed({"pairs": found}, name).any(), name
    assert (found["plane"] is not None) == (k == 2)
    if k == 2:
        assert found["plane"]["lower"] == pytest.approx(exact.tolist(), rel=0.01)
    condition = float(log_cond_of(matrix))
    for way in found["ways"].values():
        assert way["log_cond_highest"] == pytest.approx([condition] * 3) == way["log_cond"]


def log_cond_of(matrix: Tensor) -> Tensor:
    s = torch.linalg.svdvals(matrix)
    return (s[0] / s[-1]).log()


def test_sparse_places_are_those_beyond_nearly_all_codes() -> None:
    sparsity = Sparsity(CODES)
    assert sparsity(CODES).double().mean() == pytest.approx(0.01, abs=0.006)
    assert sparsity(torch.tensor([[9.0, 0, 0]], dtype=torch.float64)).all()
    line = torch.stack((torch.zeros(3), torch.tensor([9.0, 0, 0]))).double()
    t = torch.linspace(0, 1, 129, dtype=torch.float64)[:, None]
    way = along(LatentSpace(stretched), ((1 - t) * line[0] + t * line[1])[None], sparsity)
    assert way["sparse"][0] == pytest.approx(1 - float(CODES.norm(dim=1).quantile(0.99)) / 9, abs=0.1)
    assert way["log_det"][0] == pytest.approx(9, abs=1e-6) and way["log_cond_highest"][0] == pytest.approx(9, abs=0.1)


# ------------------------------------------------------------------------------------------------ verdicts


def cell_of(row: str, found: dict, cell: tuple[str, int] = ("fashion", 8)) -> Any:
    return found[row][cell]


def test_every_row_of_the_page_is_judged_and_no_other() -> None:
    text = (PROJECT / "docs" / "beyond.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| B-")]
    assert [cells[0].removeprefix("| ") for cells in rows] == [row.id for row in ROWS]
    for cells, row in zip(rows, ROWS, strict=True):
        assert cells[1].removeprefix("Beside it: t").lstrip("T") == row.statement.lstrip("T") and cells[2] == row.after
        criterion = cells[-1].removesuffix(" |")
        assert criterion.startswith("both ") == (len(row.parts) == 2)
        assert all(criterion.endswith(f"{part.side} {part.threshold:g}") for part in row.parts)


def test_made_up_records_support_what_they_were_made_for(tmp_path: Path) -> None:
    for item in ITEMS:
        fake_beyond.write(item, tmp_path)
    found = evaluate(folder=tmp_path)
    told = {row: overall(cells) for row, cells in found.items()}
    assert all(told[row] == "generalises" for row in ("B-1", "B-2", "B-3", "B-4", "B-5", "B-7", "B-8", "B-9")), told
    assert "contradicted" not in {cell.verdict for cell in found["B-6"].values()}
    shown = tables.report(folder=tmp_path)
    assert "generalises" in shown and "roughness" in shown
    assert len(tables.table(folder=tmp_path)) == len(ITEMS) == 80


def others(seed_of: int | None = None) -> list[Item]:
    return [item for item in ITEMS if (item.data, item.latent_dim) == ("fashion", 8) and seed_of in (None, item.seed)]


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    for item in others():
        fake_beyond.write(item, tmp_path)
    return tmp_path


def changed(item: Item, path: str, value: Any) -> dict[str, Any]:
    """Numbers of an item with another value at a path."""
    numbers = fake_beyond.numbers(item)
    *steps, last = path.split(".")
    place = numbers
    for step in steps:
        place = place[step]
    place[last] = value
    return numbers


@pytest.mark.parametrize(("row", "family", "path", "value"), [
    ("B-1", "vae", "at.test.above.20", 0.3),
    ("B-2", "vae", "at.test.active.above.20", 0.3),
    ("B-4", "dae", "roughness.distance", 0.1),
    ("B-5", "vae", "pairs.methods.straight.length", None),
    ("B-7", "dae", "pairs.ways.default.sparse", [0.0] * fake_beyond.PAIRS),
    ("B-8", "dae", "pairs.ways.default.log_det", [9.5] * fake_beyond.PAIRS),
    ("B-9", "vae", "pairs.methods.default.length", None),
])  # fmt: skip
def test_what_counts_against_a_row_is_noticed(made_up: Path, row: str, family: str, path: str, value: Any) -> None:
    for item in others():
        if item.family == family:
            shortest = np.array(fake_beyond.numbers(item)["pairs"]["shortest"])
            own = value
            if value is None:  # as short as the shortest, or all too long
                own = (shortest * (1.5 if row == "B-9" else 1.0)).tolist()
            fake_beyond.write(item, made_up, **changed(item, path, own))
    found = cell_of(row, evaluate(folder=made_up))
    expected = {"B-5", "B-7", "B-8", "B-9"}  # the other family still supports these
    assert found.verdict == ("depends" if row in expected else "contradicted")


def test_failures_that_follow_conditioning_contradict_that_it_predicts_nothing(made_up: Path) -> None:
    for item in others():
        numbers = fake_beyond.numbers(item)
        highest = np.array(numbers["pairs"]["ways"]["shortest"]["log_cond_highest"])
        longer = np.array(numbers["pairs"]["shortest"]) * np.where(highest > np.median(highest), 1.1, 1.0)
        for method in ("newton", "cubic spline"):
            numbers["pairs"]["methods"][method]["length"] = longer.tolist()
        fake_beyond.write(item, made_up, **numbers)
    assert cell_of("B-6", evaluate(folder=made_up)).verdict == "contradicted"


def test_a_number_that_is_lacking_a_seed_that_is_missing_and_a_training_that_diverged(made_up: Path) -> None:
    for item in others():  # no method fails on any pair: there is nothing to predict
        numbers = fake_beyond.numbers(item)
        for method in ("newton", "cubic spline"):
            numbers["pairs"]["methods"][method]["length"] = numbers["pairs"]["shortest"]
        fake_beyond.write(item, made_up, **numbers)
    found = evaluate(folder=made_up)
    assert cell_of("B-6", found).verdict == CANNOT_TELL and cell_of("B-1", found).verdict == "supported"
    assert cell_of("B-1", found, ("mnist", 2)).verdict == NOT_MEASURED
    first = others(3)[0]
    write_sealed(made_up / f"{first.name}.json", {"key": first.key, "outcome": "diverges: the loss is nan"})
    assert {cell_of(row.id, evaluate(folder=made_up)).verdict for row in ROWS} == {CANNOT_TELL}
    (made_up / f"{first.name}.json").unlink()
    assert {cell_of(row.id, evaluate(folder=made_up)).verdict for row in ROWS} == {NOT_MEASURED}


def test_what_cells_say_together() -> None:
    def told(*verdicts: str) -> str:
        return overall({("mnist", i): judgement.Found(verdict, {}) for i, verdict in enumerate(verdicts)})

    assert told("supported", "supported") == "generalises"
    assert told("contradicted", "contradicted") == "fails everywhere"
    assert told("supported", "contradicted", "undecided") == "depends"
    assert told("supported", CANNOT_TELL) == told("supported", "undecided") == "undecided"
    assert told("supported", "contradicted", CANNOT_TELL) == "depends"
    assert told("supported", NOT_MEASURED, "contradicted") == NOT_MEASURED


# ------------------------------------------------------------------------------------------------ end to end


def test_items_are_all_models_with_whole_seeds_first() -> None:
    assert len(ITEMS) == len(DATA) * len(DIMENSIONS) * len(FAMILIES) * 5 == len({item.name for item in ITEMS})
    assert [item.seed for item in ITEMS] == sorted(item.seed for item in ITEMS)
    assert len({item.key for item in ITEMS}) == len({item.checkpoint for item in ITEMS}) == 80


@pytest.mark.parametrize("k", [2, 3])
def test_a_record_is_whole_resumed_and_refused_when_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    item, told = Item("mnist", k, "vae", 0, TINY), []
    record = run.work(item, told.append)
    assert record["outcome"] == "trained" and any("epoch 1 of 1" in line for line in told)
    assert len(record["numbers"]["pairs"]["shortest"]) == 3
    told.clear()
    again = run.work(item, told.append)  # the training is kept
    assert not any("epoch" in line for line in told) and again["numbers"] == record["numbers"]
    write_sealed(tmp_path / f"{item.name}.json", record)
    assert item.read(tmp_path) == record and item._replace(size=Size()).read(tmp_path) is None
    run.run([item], tmp_path, told.append)
    assert told[-1] == "1 of 1 records are there"
    assert len(tables.table([item], tmp_path)) == 1
    edited = json.loads((tmp_path / f"{item.name}.json").read_text())
    edited["numbers"]["reconstruction"] += 1
    (tmp_path / f"{item.name}.json").write_text(json.dumps(edited))
    assert item.read(tmp_path) is None


def test_a_training_that_diverges_leaves_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))

    def diverge(*arguments: Any, **settings: Any) -> None:
        raise DivergenceError("the loss is nan at epoch 1")

    monkeypatch.setattr(run.training, "train", diverge)
    record = run.work(Item("mnist", 2, "dae", 0, TINY), lambda line: None)
    assert record["outcome"] == "diverges: the loss is nan at epoch 1" and "numbers" not in record


def test_other_settings_other_records() -> None:
    item = ITEMS[0]
    keys = {item.key, item._replace(data="fashion").key, item._replace(latent_dim=3).key, item._replace(seed=9).key,
            item._replace(family="dae").key, item._replace(size=Size(pairs=51)).key}  # fmt: skip
    assert len(keys) == 6
    assert item.spec == replace(item._replace(latent_dim=8).spec, latent_dim=2)


# ------------------------------------------------------------------------------------------------ in a notebook


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The models that a notebook trains with three latent dimensions, and their items."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULLBACK_BUILD", str(tmp_path_factory.mktemp("build")))
        study = Study("mine", "smoke", device="cpu", data="mnist", latent_dim=3)
        items = shown.items(study.profile)
        trained = study.models([item.spec for item in items.values()], lambda line: None)
        yield items, {name: trained[item.spec.name].model for name, item in items.items()}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_notebook_trains_with_the_settings_of_the_records(profile: str) -> None:
    study = Study("mine", profile, seed=3, latent_dim=16, data="mnist")
    for item in shown.items(study.profile).values():
        assert study.settings(item.spec) == item.settings and item.spec.latent_dim == 16 and item.seed == 3
        assert profile != "paper" or item in ITEMS


def test_the_models_of_a_notebook_are_those_of_a_record(looked: Any) -> None:
    """The checkpoint that the study leaves is the one that a record's run would find, with the same weights."""
    items, models = looked
    for name, item in items.items():
        found = run.train_or_read(item, lambda line: pytest.fail("trained again")).model.state_dict()
        assert all(torch.equal(found[key], value) for key, value in models[name].state_dict().items())


def test_singular_values_are_those_of_difference_quotients(looked: Any) -> None:
    items, models = looked
    found, model = shown.spectrum(items["VAE"], models["VAE"]), models["VAE"]
    assert found.shape == (500, 3) and (found.diff(dim=1) <= 0).all()
    f = copy.deepcopy(model.generator).double()
    with torch.no_grad():
        z = model.encode(items["VAE"].images("test")[0][:1]).double()
        J = torch.stack([(f(z + e) - f(z - e))[0] / 2e-5 for e in 1e-5 * torch.eye(3, dtype=torch.float64)])
    torch.testing.assert_close(found[0], torch.linalg.svdvals(J), rtol=1e-5, atol=1e-5)


def test_the_detour_is_that_of_the_record_and_between_decoded_codes(looked: Any) -> None:
    items, models = looked
    item, model = items["VAE"], models["VAE"]
    numbers = run.measure(item, model, lambda line: None)
    ratio, straight, curve = shown.longest_detour(item, model, numbers, points=101)
    assert straight.shape == curve.shape == (101, 784)
    torch.testing.assert_close(straight[[0, -1]], curve[[0, -1]], atol=1e-4, rtol=1e-4)
    lengths = [images.double().diff(dim=0).norm(dim=1).sum().item() for images in (straight, curve)]
    assert lengths[0] / lengths[1] == pytest.approx(ratio, rel=2e-3)
    methods = numbers["pairs"]["methods"]
    assert ratio == max(np.divide(*(methods[name]["length"] for name in ("straight", "default"))))


@pytest.mark.usefixtures("looked")  # whose models it finds trained
def test_the_example_of_the_page_runs(capsys: Any) -> None:
    code = (PROJECT / "docs" / "beyond.md").read_text(encoding="utf-8").split("```")[1].removeprefix("python\n")
    small = code.replace('"paper", seed=0, data="fashion", latent_dim=8', '"smoke", seed=0, data="mnist", latent_dim=3')
    assert small != code
    exec(compile(small, "beyond.md", "exec"), {"__name__": "__main__"})
    axes = plt.gca()
    assert {line.get_label(): len(line.get_xdata()) for line in axes.lines} == {"VAE": 3, "DAE": 3}
    assert "'active coordinates': 3" in capsys.readouterr().out
    plt.close("all")


def test_the_committed_records_are_whole() -> None:
    for path in FOLDER.glob("*.json"):
        assert any(path.stem == item.name and item.read() for item in ITEMS), path
