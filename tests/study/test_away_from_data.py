"""What notebook 7 shows: maps beyond the data, paths and films of the rings, tables of planted records, paths on MNIST.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

import fake_away
from fake_rings import BETWEEN, KEEPS, planted
from pullback.geometry import DensityMetric, EuclideanSpace, KernelDensity, LatentMap
from pullback.study import plots
from pullback.study.away import advice, between, wide
from pullback.study.models import ModelSpec
from pullback.study.notebook import Study
from pullback.study.provenance import write_sealed
from pullback.study.records.interpolation import Sparsity
from pullback.study.rings import digits, paths, tables
from pullback.study.rings.metrics import Compared
from pullback.study.rings.run import SEEDS, Item
from pullback.study.training import TrainingSettings, train

BOX = ((-2.0, 2.0), (-2.0, 2.0))
CODES = torch.randn(400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 4

# ------------------------------------------------------------------------------------------------ maps


def test_a_wall_of_a_known_height_rises_from_zero_at_the_codes() -> None:
    """M = (p / level + floor)^-1 I in the plane, so that far out log_det is -2 log floor, less that at the codes."""
    density, floor = KernelDensity(CODES, 0.2), 0.01
    level = float(density(CODES).mean())
    m = wide.relative_map(DensityMetric(density, 1 / level, floor), CODES, ((-6, 6), (-6, 6)), 25)
    at_codes = float((-2 * (density(CODES) / level + floor).log()).median())
    assert m.log_det[0, 0] == pytest.approx(-2 * math.log(floor) - at_codes, abs=1e-6)
    assert m.log_det[12, 12] < 0.5
    assert np.abs(wide.relative_map(EuclideanSpace(), CODES, BOX, 9).log_det).max() < 1e-12


def test_the_profile_of_a_cone_is_its_slope() -> None:
    x, y = np.linspace(-6, 6, 121), np.linspace(-4, 4, 81)
    cone = np.hypot(*np.meshgrid(x, y))
    distance, height = wide.around(LatentMap(((-6, 6), (-4, 4)), x, y, cone, cone), bins=20)
    assert distance.max() < 4  # whole rings only
    assert height == pytest.approx(distance, abs=0.1)


def test_a_sparsity_map_has_its_limit_between_the_codes_and_far_out() -> None:
    sparsity = Sparsity(CODES, BOX)
    m = wide.relative_map(EuclideanSpace(), CODES, BOX, 9)
    found = wide.sparsity_map(sparsity, m)
    assert found[4, 4] < 1 < found[0].min()
    corner = sparsity(torch.tensor([[2.0, -2.0]], dtype=torch.float64)) / sparsity.limit
    assert found[0, 8] == pytest.approx(corner[0])


# ------------------------------------------------------------------------------------------------ the rings


@pytest.fixture(scope="module")
def data() -> digits.Rings:
    return digits.rings(digits.chosen(1), 200, 0)


def test_paths_of_the_plane_are_straight_and_are_kept(
    data: digits.Rings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    item, ends = Item(1, 0, paths.SIZES["smoke"]), paths.first(digits.pairs(20), 2)
    a, b = (digits.on_circle(angle) for angle in (ends.start, ends.end))
    flat = {"flat": Compared(EuclideanSpace(), lambda z: z)}
    found = paths.paths(item, data, flat, ends)["flat"]
    t = torch.linspace(0, 1, found.shape[1], dtype=torch.float64)[:, None]
    torch.testing.assert_close(found, torch.lerp(a[:, None], b[:, None], t), rtol=0, atol=1e-6)
    monkeypatch.setattr(paths, "shortest_path", None)
    assert paths.paths(item, data, flat, ends)["flat"].equal(found)


def test_true_images_are_at_the_nearest_angle_and_the_right_way_has_them(data: digits.Rings) -> None:
    angles = data.angles[[3, 199, 0]].double() + torch.tensor([0.01, 0.01, 2 * math.pi])
    assert paths.true_images(data, angles).equal(data.images[[3, 199, 0]])
    ends = paths.first(digits.pairs(20), 2)
    assert paths.round_the_circle(data, ends).norm(dim=2) == pytest.approx(1)
    assert paths.off_the_data(data, data.images[:3]).tolist() == [0, 0, 0]
    assert paths.off_the_data(data, data.images[:1] + 1 / 28).item() == pytest.approx(1, rel=1e-3)


def test_the_circle_is_judged_right_and_a_line_through_the_hole_wrong(data: digits.Rings) -> None:
    ends = paths.first(digits.pairs(20), 2)

    def decode(z: torch.Tensor) -> torch.Tensor:
        return paths.true_images(data, torch.atan2(z[:, 1], z[:, 0]))

    right = paths.round_the_circle(data, ends)
    compared = {"deterministic": Compared(EuclideanSpace(), decode)}
    found = paths.judged(data, compared, {"circle": right, "half": right / 2}, ends)
    leaves = tables.MEASURES["leaves"]
    assert found.loc["circle", leaves] == pytest.approx(0, abs=1e-9)
    assert found.loc["half", leaves] == pytest.approx(0.5)
    assert (found.loc["circle"] <= found.loc["half"]).all()


# ------------------------------------------------------------------------------------------------ records


ITEMS = [Item(n, seed) for n in (1, 2) for seed in range(SEEDS)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All records of one digit, in which one density metric keeps to the ring, and one record of two digits."""
    for item in ITEMS[: SEEDS + 1]:
        record = planted(item.seed, **{"density, floor 0.1": KEEPS, "process": BETWEEN}) | {"key": item.key}
        record["metrics"]["deterministic"]["leaves"][0] += 0.01 * item.seed
        write_sealed(tmp_path / f"{item.name}.json", record)
    return tmp_path


def test_measures_stand_with_their_intervals_and_what_has_no_record_is_not_measured(folder: Path) -> None:
    found = tables.measured(ITEMS, folder)
    assert found.loc[("1 digit", "deterministic"), tables.MEASURES["leaves"]] == "0.92 (0.90 to 0.94)"
    assert found.loc[("1 digit", "density, floor 0.1"), "verdict"] == "keeps"
    assert found.loc[("1 digit", "ensemble"), "pairs agreed (%)"] == "50"
    assert found.loc[("1 digit", "circle, flat"), tables.MEASURES["leaves"]].startswith("4.50")  # both pairs
    two = found.loc["2 digits"]
    assert set(two["seeds"]) == {"1"} and set(two["verdict"]) == {"", tables.NOT_MEASURED}
    none = tables.measured([Item(2, 0)], folder / "none")
    assert none.loc[("2 digits", "every path"), "verdict"] == tables.NOT_MEASURED


def test_seeds_and_their_means(folder: Path) -> None:
    found = tables.by_seed(ITEMS, folder)
    assert len(found) == (SEEDS + 1) * (1 + len(tables.METRICS))
    mean = tables.means(found)
    assert mean["1 digit"]["deterministic"]["leaves"] == pytest.approx(0.92)
    assert mean["2 digits"]["density, floor 0.1"]["off_largest"] == KEEPS[1]
    assert tables.means(tables.by_seed(ITEMS, folder / "none")) == {}


def test_knobs_have_a_row_a_value_and_seed(folder: Path) -> None:
    found = tables.knobs(1, ITEMS, folder)
    assert len(found) == SEEDS * (len(tables.RBF) + len(tables.DENSITY))
    floor = found[(found["knob"] == "density, floor") & (found["value"] == 0.1)]
    assert floor["leaves"].tolist() == [0.1] * SEEDS and floor["leaves, straight line"].tolist() == [0.35] * SEEDS
    assert tables.knobs(1, ITEMS, folder / "none").empty


def test_advice_follows_the_verdicts(folder: Path) -> None:
    keeping = dict.fromkeys(("density", "density, floor 0.3", "process", "GP-LVM"), 0.0)
    found = advice.to_act_on(ITEMS, folder, fake_away.five(keeping)).droplevel(0)
    assert list(found.index) == [*tables.METRICS, "GP-LVM"]
    assert set(found["MNIST"]) == {"leaves", "keeps"}
    assert found.loc["density, floor 0.1", ["1 digit", "MNIST", "use it"]].tolist() == ["keeps", "keeps", "yes"]
    assert found.loc["density, floor 0.3", ["1 digit", "MNIST", "use it"]].tolist() == ["leaves", "keeps", "no"]
    assert found.loc["deterministic", "use it"] == "no" and found.loc["process", "use it"] == "open"
    assert found.loc["GP-LVM", ["1 digit", "MNIST", "time", "use it"]].tolist() == [
        tables.NOT_MEASURED, "keeps", tables.NOT_MEASURED, "open",
    ]  # fmt: skip
    assert found.loc["process", "time"] == "2.0 (2.0 to 2.0)"
    assert found.loc["ensemble", "off the data, of the straight line"].startswith("2.86")  # 6.0 / 2.1
    elsewhere = advice.to_act_on(ITEMS, folder, fake_away.five()).droplevel(0)
    assert elsewhere.loc["density, floor 0.1", ["1 digit", "MNIST", "use it"]].tolist() == ["keeps", "leaves", "no"]


def test_without_all_seeds_there_is_no_verdict_to_advise_by(folder: Path) -> None:
    lacking = [*fake_away.five()[1:], None]
    assert set(advice.to_act_on(ITEMS, folder / "none", lacking)["use it"]) == {tables.NOT_MEASURED}
    assert advice.advice(["keeps", "leaves"], "keeps") == advice.advice(["keeps"], "leaves") == "no"
    assert advice.advice(["keeps", "undecided"], "keeps") == "open" and advice.advice(["keeps"], "keeps") == "yes"
    assert advice.advice([tables.NOT_MEASURED], "keeps") == "open"  # no hole to be kept out of


# ------------------------------------------------------------------------------------------------ MNIST


def test_half_of_a_path_into_nowhere_is_sparse() -> None:
    """Codes fill a square on a lattice; a path leaves it at its middle."""
    lattice = torch.cartesian_prod(*2 * [torch.linspace(-1, 1, 41, dtype=torch.float64)])
    sparsity = Sparsity(lattice, BOX)
    inside = torch.linspace(-1, 1, 201, dtype=torch.float64)
    still = 0 * inside
    points = torch.stack((torch.stack((inside, still), 1), torch.stack((inside + 1, still), 1)))
    share, farthest = between.sparse(points, sparsity)
    assert share[0] == 0 and share[1] == pytest.approx(0.5, abs=0.06)
    assert farthest[1] == pytest.approx(float(sparsity(torch.tensor([[2.0, 0.0]]).double())[0]))


def test_a_row_of_the_table_is_over_agreed_pairs() -> None:
    sparsity = Sparsity(CODES, BOX)
    lines = torch.zeros(2, 5, 2, dtype=torch.float64)
    lines[1] += 2
    agreed = torch.tensor([False, True])
    found = between.table({"any": between.Paths(lines.flip(0), agreed, torch.ones(2) > 0)}, lines, sparsity).loc["any"]
    columns = ["pairs agreed", "at the border", "over sparse ground", "share sparse (%)", "straight line (%)"]
    assert found[columns].tolist() == [1, 1, 0, 0, 100]
    far = between.furthest({"any": between.Paths(lines, agreed, agreed)}, sparsity, 1)
    assert far.tolist() == [1]


def test_every_system_of_one_vae_is_compared_between_test_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    study = Study("07_away_from_data", "smoke")
    images, labels = study.images("train")
    trained = train(ModelSpec("vae", (8, 4), "tanh"), TrainingSettings(epochs=2, batch_size=250), images, labels)
    compared = between.comparison(study, trained, {"RBF": 1.0}, pairs=2)
    assert list(compared.systems) == ["deterministic", "Fisher-Rao", "RBF", "density"]
    told: list[str] = []
    found = between.shortest(compared, 32, told.append)
    assert told[-1] == "4 of 4 metrics: density" and found.keys() == compared.systems.keys()
    for own in found.values():
        torch.testing.assert_close(own.points[:, 0], compared.start)
        torch.testing.assert_close(own.points[:, -1], compared.end)
    monkeypatch.setattr(between, "shortest_path", None)
    again = between.shortest(compared, 16, told.append)  # as fine, for no grid is coarser
    assert all(again[name].points.equal(own.points) for name, own in found.items())
    table = between.table(found, between.straight(compared), compared.sparsity)
    assert table["share sparse (%)"].dropna().between(0, 100).all()


# ------------------------------------------------------------------------------------------------ figures


def test_wide_maps_share_one_scale_and_show_where_data_end() -> None:
    fig, axes = plt.subplots(1, 2)
    m = wide.relative_map(EuclideanSpace(), CODES, BOX, 9)
    maps = {"plane": m, "steep": replace(m, log_det=m.log_det + 3)}
    limits = plots.wide_maps(axes, maps, wide.sparsity_map(Sparsity(CODES, BOX), m), BOX)
    assert limits == pytest.approx((0, 3))
    for ax, name in zip(axes, maps, strict=True):
        assert ax.images[0].get_clim() == limits and ax.get_title() == name and ax.get_aspect() == 1
    plt.close(fig)


def test_paths_have_a_panel_a_metric_and_a_colour_a_pair() -> None:
    fig, axes = plt.subplots(1, 2)
    curves = np.random.default_rng(0).normal(size=(3, 7, 2))
    plots.metric_paths(axes, CODES, {"one": curves, "other": -curves}, BOX)
    (lines,) = [c for c in axes[1].collections if isinstance(c, LineCollection)]
    assert np.array_equal([path.vertices for path in lines.get_paths()], -curves)
    assert len(np.unique(lines.get_colors(), axis=0)) == 3
    plt.close(fig)


def test_a_knob_without_records_is_not_measured(folder: Path) -> None:
    columns = {"leaves": "leaves the circle by"}
    fig, axes = plt.subplots(1, 2)
    plots.knob_dots(axes, tables.knobs(1, ITEMS, folder), list(tables.KNOBS), columns)
    assert axes[1].get_xlabel() == "density, floor" and axes[1].get_xscale() == "log"
    assert axes[0].lines[0].get_ydata().max() == 0.9
    _, bare = plt.subplots(1, 2)
    plots.knob_dots(bare, tables.knobs(1, ITEMS, folder / "none"), list(tables.KNOBS), columns)
    assert [ax.texts[0].get_text() for ax in bare] == ["not measured"] * 2
    plt.close("all")


def test_dots_of_seeds_stand_in_their_row_and_what_has_none_says_so(folder: Path) -> None:
    fig, axes = plt.subplots(1, 1, squeeze=False)
    table = tables.by_seed(ITEMS, folder)
    plots.seeds_by_path(axes[0], table, ["ensemble", "none"], {"leaves": "leaves"}, {"leaves": 0.15})
    one, line, two = axes[0, 0].lines[:3]
    assert list(one.get_xdata()) == [0.9] * SEEDS and list(two.get_xdata()) == [0.9]
    assert list(line.get_xdata()) == [0.35] and line.get_ydata() == one.get_ydata()[0]
    assert -0.5 < one.get_ydata()[0] < two.get_ydata()[0] < 0.5
    assert [text.get_text() for text in axes[0, 0].texts] == ["not measured"]
    plt.close(fig)


def test_images_stand_at_their_places() -> None:
    fig, ax = plt.subplots()
    plots.codes_with_images(ax, CODES, np.array([[1.0, -1.0]]), np.ones((1, 784)), BOX)
    left, right, low, high = ax.images[0].get_extent()
    assert ((left + right) / 2, (low + high) / 2) == pytest.approx((1, -1))
    plt.close(fig)


def test_profiles_are_named_lines() -> None:
    fig, ax = plt.subplots()
    plots.profiles(ax, {"wall": (np.arange(3.0), np.ones(3))}, 1.0)
    assert ax.lines[0].get_label() == "wall" and list(ax.lines[-1].get_xdata()) == [1, 1]
    plt.close(fig)
