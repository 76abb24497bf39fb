"""The published panels, the grid of unprinted choices, and the score of a variant."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pullback.study import choices
from pullback.study.checkpoints import key
from pullback.study.errors import RecordError
from pullback.study.models import ModelSpec, get_spec
from pullback.study.panels import grid, maps, measuring, published, reading, rows, run, statements
from pullback.study.panels.score import prediction_interval, score
from pullback.study.provenance import write_sealed
from pullback.study.report import PANELS
from pullback.study.training import TrainingSettings, train

REFERENCE = json.loads((Path(__file__).parents[1] / "reference_maps.json").read_text(encoding="utf-8"))["panels"]
BOXES = ("as read", "grown", "shrunk")


def exact(figure: str, quantity: str) -> list[float]:
    cells = published.panel(figure, quantity)
    return published.quantiles(cells, np.isfinite(cells))


def as_seed(values: list[float], moved: float = 0.0) -> dict[str, list[float]]:
    return dict(zip(BOXES, (values, [v + moved for v in values], [v - moved for v in values]), strict=True))


@pytest.mark.parametrize("figure, quantity", published.ROWS.values())
def test_the_committed_panels_have_the_quantiles_that_were_read_of_them(figure: str, quantity: str) -> None:
    cells = published.panel(figure, quantity)
    assert cells.shape == (45, 45) and 0.7 < np.isfinite(cells).mean() <= 1
    low, high = getattr(PANELS[figure], quantity)
    assert low - 0.1 <= np.nanmin(cells) and np.nanmax(cells) <= high + 0.1
    read = REFERENCE[figure][f"{quantity}_quantiles"]
    assert np.allclose(exact(figure, quantity), read, atol=0.3)  # hidden cells are missing from one of the two


def test_roughness_of_a_plane_is_its_slope_and_hidden_cells_do_not_count() -> None:
    x, y = np.meshgrid(np.linspace(0, 1, 45), np.linspace(0, 1, 45))
    plane = 3 * x + 4 * y
    assert published.roughness(plane) == pytest.approx(5)
    plane[10:20, 5:9] = np.nan
    assert published.roughness(plane) == pytest.approx(5)
    assert math.isnan(published.roughness(np.full((45, 45), np.nan)))


def test_quantiles_are_over_the_cells_that_can_be_seen() -> None:
    values = np.arange(45.0 * 45).reshape(45, 45)
    visible = np.zeros((45, 45), bool)
    visible[0, :20] = True  # 0 to 19
    values[1:] = -np.inf
    assert published.quantiles(values, visible) == [0, 4, 9, 14, 18]  # of twenty the 1st, 5th, 10th, 15th and 19th


def test_a_prediction_interval_is_students() -> None:
    low, high = prediction_interval([1.0, 2.0, 3.0]) or (0, 0)
    assert (low + high) / 2 == pytest.approx(2) and (high - low) / 2 == pytest.approx(4.302653 * math.sqrt(4 / 3))
    assert prediction_interval([1.0]) is None


def test_a_prediction_interval_holds_the_next_seed_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(size=(4000, 6))
    inside = [low <= d[5] <= high for d in draws for low, high in [prediction_interval(d[:5].tolist())]]
    assert np.mean(inside) == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


def test_the_panel_itself_is_compatible_and_a_planted_shift_is_not() -> None:
    figure, quantity = "figure_3", "log_det"
    wanted = exact(figure, quantity)
    seeds = [as_seed([v + 0.01 * i for v in wanted]) for i in range(-2, 3)]
    found = score(figure, quantity, seeds)
    assert found.compatible and found.near and found.distance == pytest.approx(0, abs=1e-9)
    off = score(figure, quantity, [as_seed([v + 1 for v in s["as read"]]) for s in seeds])
    assert not off.compatible and not off.near
    half = 2.776445 * np.std([-0.02, -0.01, 0, 0.01, 0.02], ddof=1) * math.sqrt(6 / 5)
    assert off.outside == pytest.approx([1 - half - 0.15] * 5, abs=1e-5)  # less the error of reading
    assert off.distance == pytest.approx(1 / (wanted[3] - wanted[1]))
    high = [as_seed([*s["as read"][:3], s["as read"][3] + 1, s["as read"][4]]) for s in seeds]
    tail = score(figure, quantity, high)
    assert tail.near and not tail.compatible  # only the 75 % quantile is off


def test_the_error_of_the_box_widens_the_interval() -> None:
    wanted = exact("figure_1", "log_det")
    seeds = [[v + 0.5 + 0.001 * i for v in wanted] for i in range(5)]
    assert not score("figure_1", "log_det", [as_seed(s) for s in seeds]).compatible
    assert score("figure_1", "log_det", [as_seed(s, 0.6) for s in seeds]).compatible


def test_one_seed_has_a_distance_and_no_verdict() -> None:
    found = score("figure_5", "log_cond", [as_seed(exact("figure_5", "log_cond"))])
    assert (found.distance, found.compatible, found.near, found.interval) == (0, None, None, None)


def test_log_det_is_corrected_for_the_latent_scale() -> None:
    """A linear generator on a box s times as wide has J / s; the correction gives the log-determinant back."""
    s = 1.9
    jacobian = np.random.default_rng(0).normal(size=(7, 2))
    stretched = np.linalg.slogdet((jacobian / s).T @ (jacobian / s))[1]
    correction = published.shift(((0, 2 * s), (0, 3 * s)), ((0, 2), (1, 4)))
    assert stretched + correction == pytest.approx(np.linalg.slogdet(jacobian.T @ jacobian)[1])


def test_the_grid_names_every_variant_once_and_covers_every_figure_and_choice() -> None:
    assert len({v.name for v in grid.VARIANTS}) == len(grid.VARIANTS)
    assert {v.figure for v in grid.VARIANTS} == set(PANELS)
    for figure in PANELS:
        assert grid.of(figure, (1,)).name in {v.name for v in grid.VARIANTS}  # the base settings
    varied = {name for v in grid.VARIANTS for name, _ in v.choices}
    assert varied == {"batch_size", "learning_rate", "betas", "pixels", "loss", "noise", "noise_level", "r1",
                      "discriminator_batch_norm", "generator_first"}  # fmt: skip


def test_the_base_variant_is_the_study_s_own_training() -> None:
    base = grid.of("figure_1", (100,))
    ours = key(get_spec("vae-128-32-tanh"), TrainingSettings(seed=3), "data")
    assert key(base.spec, base.settings(3), "data") == ours


@pytest.mark.parametrize("figure, epochs, chosen, told", [
    ("figure_6", (1,), {}, "unknown figure 'figure_6'; valid: figure_1"),
    ("figure_1", (1,), {"batch": 3}, "unknown choice batch; valid: batch_size"),
    ("figure_1", (2, 1), {}, "increasing"),
    ("figure_1", (1,), {"pixels": "bytes"}, "unknown pixels 'bytes'; valid: unit, standardised"),
    ("figure_1", (1,), {"loss": "minimax"}, "unknown loss of a vae 'minimax'; valid: usual, cross-entropy"),
    ("figure_4", (1,), {"noise": "salt"}, "unknown noise 'salt'; valid: either"),
    ("figure_1", (1,), {"r1": 1.0}, "a GAN's settings"),
    ("figure_5", (1,), {"noise_level": 0.5}, "a DAE's settings"),
])  # fmt: skip
def test_a_choice_that_there_is_not_is_refused_with_the_valid_ones(figure, epochs, chosen, told) -> None:
    with pytest.raises(ValueError, match=told):
        grid.of(figure, epochs, **chosen)


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(128, 784, generator=generator), torch.zeros(128, dtype=torch.long)


def test_a_longer_training_begins_as_the_shorter_one_does_and_records_can_be_told_apart(tmp_path: Path) -> None:
    short, long = grid.of("figure_4", (1,), batch_size=64), grid.of("figure_4", (1, 2), batch_size=64)
    first, both = (run.work(v, 0, *data()) for v in (short, long))
    assert first["epochs"]["1"] == both["epochs"]["1"] and first["outcome"] == "trained"
    assert len({reading.key(short, 0), reading.key(long, 0), reading.key(short, 1)}) == 3
    path = reading.path_of(short, 0, tmp_path)
    write_sealed(path, first)
    assert reading.read(short, 0, tmp_path) == first
    assert reading.read(long, 0, tmp_path) == first  # as far as it goes
    for variant, seed in ((grid.of("figure_4", (2,), batch_size=64), 0), (short, 1)):  # another key; none there
        assert reading.read(variant, seed, tmp_path) is None
    path.write_text(path.read_text().replace('"trained"', '"treined"', 1))
    assert reading.read(short, 0, tmp_path) is None  # edited


def test_a_loss_below_its_bound_and_one_that_is_not_finite_are_results() -> None:
    found = run.work(grid.of("figure_1", (1, 60), pixels="standardised", batch_size=8), 0, *data())
    assert found["outcome"].startswith("diverges at epoch") and "cannot be negative" in found["outcome"]
    assert "60" not in found["epochs"]
    found = run.work(grid.of("figure_1", (1,), learning_rate=1e6), 0, data()[0] * math.inf, data()[1])
    assert found["outcome"].startswith("diverges at epoch 1: ") and found["epochs"] == {}
    json.dumps(found, allow_nan=False)


def test_a_gan_s_record_tells_how_much_its_samples_differ() -> None:
    found = run.work(grid.of("figure_5", (1,), discriminator_batch_norm=False, generator_first=True), 0, *data())
    taken = found["epochs"]["1"]
    assert taken["variety"] > 0 and set(taken) >= {"trained", "renewed", "losses"}
    assert len(taken["trained"]["log_cond"]["quantiles"]["as read"]) == 5


def test_the_model_at_each_of_its_epochs_is_that_of_a_training_which_ends_there() -> None:
    kept = []
    variant = grid.of("figure_4", (1, 3), batch_size=64)
    run.work(variant, 0, *data(), keep=lambda trained, settings: kept.append((settings, trained)))
    assert [settings.epochs for settings, _ in kept] == [1, 3]
    for settings, trained in kept:
        alone = train(variant.spec, settings, *data(), device="cpu")
        weights = alone.model.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in trained.model.state_dict().items())


# ------------------------------------------------------------------------------------------------ planted records


def numbers_of(figure: str, moved: float = 0.0, rough: float = 1.0) -> dict[str, Any]:
    """What a record would hold of a model whose panels are the published ones, moved, and some times as rough."""
    return {"box": PANELS[figure].box, "shift": 0.0} | {
        quantity: {"quantiles": as_seed([v + moved for v in exact(figure, quantity)]), "roughness": 20.0 * rough}
        for quantity in published.QUANTITIES
    }


def plant(folder: Path, variant: grid.Variant, by_epochs: dict[int, float], seeds: int = 5, **how: float) -> None:
    """Records of a variant: by epochs, how far its panels lie off the published ones; seeds differ a little."""
    for seed in range(seeds):
        ways = (*grid.STATISTICS, measuring.OWN_BOX)
        epochs = {str(n): {way: numbers_of(variant.figure, off + 0.002 * seed, **how) for way in ways}
                  for n, off in by_epochs.items()}  # fmt: skip
        record = {"variant": variant.name, "seed": seed, "key": reading.key(variant, seed), "epochs": epochs,
                  "outcome": "trained"}  # fmt: skip
        write_sealed(reading.path_of(variant, seed, folder), json.loads(json.dumps(record)))


def variant(figure: str, **choices: object) -> grid.Variant:
    (found,) = [v for v in grid.VARIANTS if v.figure == figure and dict(v.choices) == choices]
    return found


def test_a_row_says_where_its_panel_lies_for_ours_and_for_the_best_fit(tmp_path: Path) -> None:
    plant(tmp_path, variant("figure_4"), {10: 3.0, 30: 3.0, 100: 2.0})
    plant(tmp_path, variant("figure_4", batch_size=64), {10: 0.0, 30: 1.0})
    plant(tmp_path, variant("figure_4", batch_size=100), {10: 0.0, 30: 0.0}, seeds=4)  # not all seeds: no verdict
    found = {row.id: row for row in rows.rows(tmp_path)}
    assert list(found) == [f"P-{i}" for i in range(1, 11)]
    seventh, eighth = found["P-7"], found["P-8"]
    assert seventh.ours.startswith("outside by 1.") and (seventh.nearest, eighth.nearest) == ("inside", "inside")
    assert seventh.takes == "batches of 64, 10 epochs" and 0 < seventh.width < 1
    assert seventh.roughness == f"{published.roughness(published.panel('figure_4', 'log_det')):.0f}, 20, 20"
    assert (found["P-1"].ours, found["P-1"].nearest, found["P-1"].takes) == ("not measured", "not measured", "")
    assert rows.markdown(tmp_path).count("\n") == 11 and "| P-7 | Figure 4, DAE 128-32 sigmoid, log_det |" in (
        rows.markdown(tmp_path))  # fmt: skip


def test_trainings_that_end_everywhere_fit_nothing(tmp_path: Path) -> None:
    scattered, steady = variant("figure_5", batch_size=64), variant("figure_5", discriminator_batch_norm=False)
    plant(tmp_path, steady, {10: 0.6, 30: 2.0, 100: 2.0})
    for seed, off in enumerate((-30.0, -20.0, 0.5, 20.0, 30.0)):  # every quantile lies in its interval
        record = {"key": reading.key(scattered, seed), "outcome": "trained",
                  "epochs": {"10": {s: numbers_of("figure_5", off + 0.8) for s in grid.STATISTICS}}}  # fmt: skip
        write_sealed(reading.path_of(scattered, seed, tmp_path), json.loads(json.dumps(record)))
    wide = next(m for m in reading.measured(tmp_path, [scattered]) if m.statistics == "trained").panels["P-9"]
    assert not any(wide.outside) and wide.width > wide.range
    assert (wide.compatible, wide.near, wide.state) == (False, False, "too wide to tell")
    best = rows.best_fits(tmp_path)["figure_5"]
    assert (best.variant, best.epochs) == (steady, 10)


def test_of_two_with_like_quantiles_the_one_that_looks_alike_is_best(tmp_path: Path) -> None:
    smooth, rough = variant("figure_5", batch_size=64), variant("figure_5", discriminator_batch_norm=False)
    published_look = published.roughness(published.panel("figure_5", "log_det")) / 20
    plant(tmp_path, smooth, {10: 0.2}, rough=0.2 * published_look)
    plant(tmp_path, rough, {10: 0.3, 30: 5.0, 100: 5.0}, rough=published_look)
    of = {m.variant: m for m in reading.measured(tmp_path) if m.epochs == 10}
    assert of[smooth].distance < of[rough].distance and of[smooth].look > of[rough].look
    assert of[smooth].look - of[rough].look < math.log(5) + 1e-9
    assert rows.best_fits(tmp_path)["figure_5"].variant == rough
    assert [v for v in reading.second_stage(tmp_path) if v.figure == "figure_5"][:2] == [smooth, rough.until(10)]


def test_a_map_without_roughness_is_unlike_all(tmp_path: Path) -> None:
    plant(tmp_path, variant("figure_5"), {10: 0.0, 30: 0.0, 100: 0.0})
    for seed in range(5):
        record = reading.read(variant("figure_5"), seed, tmp_path)
        for numbers in record["epochs"]["10"].values():
            numbers["log_det"]["roughness"] = None
        write_sealed(reading.path_of(variant("figure_5"), seed, tmp_path), record)
    of = {m.epochs: m.look for m in reading.measured(tmp_path)}
    assert math.isinf(of[10]) and math.isfinite(of[30])
    assert rows.best_fits(tmp_path)["figure_5"].epochs == 30


def test_the_second_stage_takes_the_nearest_the_base_and_what_statements_compare(tmp_path: Path) -> None:
    plant(tmp_path, variant("figure_4"), {10: 3.0, 30: 3.0, 100: 3.0}, seeds=1)
    for i, batch in enumerate((64, 100, 250)):
        plant(tmp_path, variant("figure_4", batch_size=batch), {10: 0.1 * i, 30: 5.0}, seeds=1)
    plant(tmp_path, variant("figure_4", noise="none"), {10: 4.0, 30: 4.0}, seeds=1)
    found = reading.second_stage(tmp_path)
    assert found[0].name == "figure4-batch64"
    assert {v.name for v in found if v.figure == "figure_4"} == {
        "figure4-batch64", "figure4-batch100", "figure4-batch250", "figure4-base"}  # fmt: skip
    assert {v.name for v in found if v.figure == "figure_3"} == {"figure3-base", "figure3-batch64", "figure3-batch250"}
    assert not [v for v in found if "noise" in dict(v.choices)]
    epochs = {v.name: v.epochs for v in found}  # up to those at which a variant is nearest; the base settings to all
    assert epochs["figure4-batch64"] == (10,) and epochs["figure3-batch64"] == (10,)
    assert epochs["figure4-base"] == (10, 30, 100)
    assert reading.shared(variant("figure_4", batch_size=64, noise="none")) == (("batch_size", 64),)


def test_a_record_of_fewer_epochs_is_read_and_a_longer_one_is_not_made_again(tmp_path: Path) -> None:
    whole = variant("figure_4", batch_size=64)
    short = whole.until(10)
    assert short.epochs == (10,) and not reading.is_there(short, 0, tmp_path)
    plant(tmp_path, short, {10: 1.0}, seeds=1)
    assert reading.is_there(short, 0, tmp_path) and not reading.is_there(whole, 0, tmp_path)
    assert [m.epochs for m in reading.measured(tmp_path, [whole])] == [10, 10]
    plant(tmp_path, whole, {10: 1.0, 30: 1.0}, seeds=1)
    assert reading.is_there(short, 0, tmp_path) and reading.is_there(whole, 0, tmp_path)
    diverged = {"key": reading.key(whole, 1), "epochs": {}, "outcome": "diverges at epoch 3: ..."}
    write_sealed(reading.path_of(whole, 1, tmp_path), diverged)
    assert reading.is_there(whole, 1, tmp_path)


def test_a_statement_hangs_on_a_choice_with_which_it_is_the_other_way_round(tmp_path: Path) -> None:
    """The DAE lies above the VAE in small batches, and below it in large ones."""
    worse, base = variant("figure_4", batch_size=64), variant("figure_4")
    gap = exact("figure_4", "log_cond")[2] - exact("figure_3", "log_cond")[2]
    plant(tmp_path, worse, {10: 0.5, 30: 0.5})
    plant(tmp_path, variant("figure_3", batch_size=64), {10: 0.0, 30: 0.0})
    plant(tmp_path, base, {10: -gap - 0.5, 30: -gap - 0.5, 100: -gap - 0.5})
    plant(tmp_path, variant("figure_3"), {10: 0.0, 30: 0.0, 100: 0.0, 200: 0.0})
    found = {s.claim: own for s, own in statements.findings(tmp_path).items()}
    first = found["4.2-4"][0]
    assert (first.choices, first.verdict) == ("100 epochs", "fails") and first.numbers == pytest.approx([-0.5] * 5)
    small = ["batches of 64, 10 epochs", "batches of 64, 30 epochs"]
    assert [f.choices for f in statements.otherwise(found["4.2-4"])] == [
        *small, *(f"{choices}{statements.OWN_BOXES}" for choices in small)]  # fmt: skip
    shown = statements.table(tmp_path)
    row = shown.loc["4.2-4: DAEs are worse conditioned than VAEs."]
    assert row[statements.PUBLISHED].startswith("holds (0.3") and row["base settings"].startswith("fails (-0.50")
    assert row["decided otherwise with"].startswith("batches of 64, 10 epochs (holds (")
    assert shown.loc["4.2-7: GANs are ill-conditioned.", "base settings"] == "not measured"


def test_choices_of_some_seeds_are_told_as_one_and_an_undecided_base_can_be_decided_otherwise(tmp_path: Path) -> None:
    gap = exact("figure_4", "log_cond")[2] - exact("figure_3", "log_cond")[2]
    plant(tmp_path, variant("figure_3"), {10: 0.0, 30: 0.0, 100: 0.0, 200: 0.0})
    plant(tmp_path, variant("figure_3", batch_size=64), {10: 0.0, 30: 0.0}, seeds=3)
    plant(tmp_path, variant("figure_4", batch_size=64), {10: 0.5, 30: 0.5}, seeds=3)
    base = variant("figure_4")
    plant(tmp_path, base, {10: 0.5, 30: 0.5, 100: 0.0})
    for seed, off in enumerate((-1.0, 1.0, 0.0, 2.0, -2.0)):
        record = reading.read(base, seed, tmp_path)
        record["epochs"]["100"]["trained"] = numbers_of("figure_4", off - gap)
        write_sealed(reading.path_of(base, seed, tmp_path), json.loads(json.dumps(record)))
    found = next(own for s, own in statements.findings(tmp_path).items() if s.claim == "4.2-4")
    assert statements.base(found).verdict == "undecided"
    assert {f.choices for f in statements.otherwise(found)} == {
        f"{n} epochs{box}" for n in (10, 30) for box in ("", statements.OWN_BOXES)}  # fmt: skip
    assert {len(f.numbers) for f in found if "64" in f.choices} == {1}


def test_the_box_is_a_choice_that_a_statement_can_hang_on(tmp_path: Path) -> None:
    plant(tmp_path, variant("figure_4"), {10: 0.0, 30: 0.0, 100: 0.0})
    plant(tmp_path, variant("figure_3"), {10: 0.0, 30: 0.0, 100: 0.0, 200: 0.0})
    vae = variant("figure_3")
    for seed in range(5):  # on its own box the VAE is the worse conditioned of the two
        record = reading.read(vae, seed, tmp_path)
        for numbers in record["epochs"].values():
            numbers[measuring.OWN_BOX] = numbers_of("figure_3", 1.0 + 0.002 * seed)
        write_sealed(reading.path_of(vae, seed, tmp_path), record)
    found = next(own for s, own in statements.findings(tmp_path).items() if s.claim == "4.2-4")
    assert statements.base(found).verdict == "holds"
    own = {f"{n} epochs{statements.OWN_BOXES}" for n in (10, 30, 100)}
    assert {f.choices for f in statements.otherwise(found)} == own


def test_models_that_are_kept_are_measured_as_those_that_were_just_trained() -> None:
    variant, kept = grid.of("figure_1", (1, 2), batch_size=64), []
    first = run.work(variant, 0, *data(), keep=lambda trained, settings: kept.append(trained))
    again = run.work(variant, 0, *data(), kept=[replace(t, history={k: v[:n] for k, v in t.history.items()})
                                               for n, t in enumerate(kept, 1)])  # fmt: skip
    assert first["epochs"] == again["epochs"] and measuring.OWN_BOX in first["epochs"]["1"]


def test_the_numbers_of_statements_are_those_of_the_published_panels() -> None:
    """Of the panels read otherwise: differences of their quantiles."""
    found = {s.claim: statements.on_the_published(s) for s in statements.STATEMENTS}
    det, cond = ({f: exact(f, q) for f in PANELS} for q in published.QUANTITIES)
    assert found["4.2-4"] == pytest.approx(cond["figure_4"][2] - cond["figure_3"][2])
    assert found["4.2-7"] == pytest.approx(cond["figure_5"][4])
    widths = {f: det[f][4] - det[f][0] for f in PANELS}
    assert found["4.2-5"] == pytest.approx(widths["figure_5"] - max(widths["figure_1"], widths["figure_4"]))
    area = {f: (b - a) * (d - c) for f in PANELS for (a, b), (c, d) in [PANELS[f].box]}
    larger = det["figure_4"][2] + 2 * math.log(area["figure_4"] / area["figure_3"]) - det["figure_3"][2]
    assert found["4.2-3"] == pytest.approx(larger)


@pytest.mark.parametrize("side, numbers, verdict", [
    ("above", [1.0, 1.1, 0.9], "holds"), ("above", [-1.0, -1.1, -0.9], "fails"), ("above", [1.0, -1.0], "undecided"),
    ("below", [1.0, 1.1, 0.9], "fails"), ("within", [0.01, -0.01, 0.0], "holds"),
    ("within", [1.0, 1.1, 0.9], "fails"), ("within", [2.0, -2.0, 0.1], "undecided"),
    ("above", [1.0], "holds, one seed"), ("below", [1.0], "fails, one seed"),
])  # fmt: skip
def test_a_verdict_follows_from_the_interval(side: str, numbers: list[float], verdict: str) -> None:
    statement = statements.Statement("x", "A text.", ("figure_1",), lambda panels: 0.0, side, 0.2)
    assert statements.Finding(statement, "100 epochs", numbers).verdict == verdict


def test_a_dae_is_mapped_on_its_own_box_as_if_it_had_the_published_area() -> None:
    model = get_spec("dae-128-32-sigmoid").build().eval()
    images = data()[0]
    own, box = measuring.own_box(model, "dae", images), PANELS["figure_4"].box
    shifted, plain = measuring.mapped(model, box, own), measuring.mapped(model, own, None)
    assert measuring.own_box(model, "vae", images) is None
    assert shifted.box == own and np.allclose(shifted.log_det - plain.log_det, published.shift(own, box))


def test_maps_of_other_models_than_the_records_say_are_refused(tmp_path: Path) -> None:
    plant(tmp_path, variant("figure_4"), {10: 3.0, 30: 3.0, 100: 2.0})
    with pytest.raises(RecordError, match=r"maps.npz cannot be read .*panels --stage 2. writes it"):
        maps.read(tmp_path)
    np.savez(tmp_path / maps.NAME, **{"figure_4/of": "another"})
    with pytest.raises(RecordError, match="another model of figure_4 than fits best"):
        maps.read(tmp_path)


def test_only_maps_of_best_fits_that_changed_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for figure in ("figure_1", "figure_3"):
        plant(tmp_path, variant(figure), {10: 3.0, 30: 3.0, 100: 2.0})
    made = []
    trained = SimpleNamespace(model=get_spec("vae-128-32-tanh").build().eval())

    def load(specs: list[ModelSpec], settings: TrainingSettings, **more: object) -> dict[str, object]:
        made.append(specs[0].name)
        return {specs[0].name: trained}

    monkeypatch.setattr(maps, "train_or_load", load)
    monkeypatch.setattr(maps.data, "load", lambda split: data())
    maps.write(tmp_path)
    whole = maps.read(tmp_path)
    assert sorted(whole) == ["figure_1", "figure_3"] and len(made) == 2
    plant(tmp_path, variant("figure_3"), {10: 2.0, 30: 3.0, 100: 3.0})  # now another number of epochs fits best
    maps.write(tmp_path)
    assert made[2:] == ["vae-128-32-sigmoid"] and maps.read(tmp_path)["figure_3"].takes != whole["figure_3"].takes
    (tmp_path / maps.NAME).write_bytes(b"torn")
    maps.write(tmp_path)
    assert len(made) == 5 and sorted(maps.read(tmp_path)) == ["figure_1", "figure_3"]


def test_every_choice_says_where_it_comes_from_and_the_page_is_made_from_them() -> None:
    assert {c.source for c in choices.CHOICES} == {choices.PRINTED, choices.CODE, choices.OURS}
    assert all(c.reason for c in choices.CHOICES)
    assert choices.PATH.read_text(encoding="utf-8") == choices.page()
