"""Plots by the artists they draw, not by pixels."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.colors import to_rgba  # noqa: E402
from matplotlib.patches import Rectangle  # noqa: E402

import fake_beyond  # noqa: E402
import fake_records as records  # noqa: E402
from pullback.geometry import LatentMap  # noqa: E402
from pullback.study import plots  # noqa: E402
from pullback.study.beyond import tables as beyond  # noqa: E402
from pullback.study.beyond.items import ITEMS  # noqa: E402
from pullback.study.claims.verdicts import evaluate  # noqa: E402
from pullback.study.labels import COLLAPSED_GAN, R1_GAN, architecture, label
from pullback.study.records import tables  # noqa: E402
from pullback.study.records.measurement import RECORDED  # noqa: E402
from pullback.study.solvers import runs  # noqa: E402

BOX = ((-1.0, 3.0), (2.0, 4.0))


@pytest.fixture
def ax() -> Iterator[Axes]:
    yield plt.figure().add_subplot()
    plt.close("all")


def ramp(slope: float = 1.0) -> LatentMap:
    """log_det grows with y, log_cond with x."""
    x, y = np.linspace(*BOX[0], 7), np.linspace(*BOX[1], 5)
    return LatentMap(BOX, x, y, slope * y[:, None] + 0 * x, x + 1 + 0 * y[:, None])


def test_spectra_are_medians_and_bands_of_each_singular_value(ax: Axes) -> None:
    s = np.array([[9.0, 3, 1], [8, 2, 1], [7, 2, 0.5]])
    plots.spectra(ax, {"VAE": s, "DAE": 2 * s})
    for line, factor in zip(ax.lines, (1, 2), strict=True):
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata() == pytest.approx(factor * np.median(s, 0))
    assert ax.get_yscale() == "log" and len({line.get_color() for line in ax.lines}) == 2
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(np.quantile(s[:, 0], 0.95))


@pytest.mark.parametrize("quantity", ["log_det", "log_cond"])
def test_a_heatmap_shows_the_map_over_its_box_with_low_y_at_the_bottom(ax: Axes, quantity: str) -> None:
    m = ramp()
    picture = plots.latent_heatmap(ax, m, quantity)
    assert picture.origin == "lower"
    assert np.array_equal(picture.get_array(), getattr(m, quantity))
    (x_min, x_max), (y_min, y_max) = BOX
    left, right, bottom, top = picture.get_extent()
    rows, columns = m.log_det.shape
    assert np.linspace(left, right, 2 * columns + 1)[[1, -2]] == pytest.approx([x_min, x_max])  # centres of pixels
    assert np.linspace(bottom, top, 2 * rows + 1)[[1, -2]] == pytest.approx([y_min, y_max])
    assert (ax.get_xlim(), ax.get_ylim()) == BOX
    assert picture.get_clim() == (getattr(m, quantity).min(), getattr(m, quantity).max())


def test_a_heatmap_keeps_the_limits_it_is_given(ax: Axes) -> None:
    assert plots.latent_heatmap(ax, ramp(), "log_det", (-5, 5)).get_clim() == (-5, 5)


def test_rank_deficient_points_have_a_colour_of_their_own(ax: Axes) -> None:
    m = ramp()
    m.log_det[1, 2] = -np.inf
    picture = plots.latent_heatmap(ax, m, "log_det")
    assert np.argwhere(picture.get_array().mask).tolist() == [[1, 2]]
    colours = picture.to_rgba(picture.get_array())
    own = to_rgba(plots.RANK_DEFICIENT)
    assert np.allclose(colours[1, 2], own)
    assert np.isclose(colours, own).all(-1).sum() == 1
    assert picture.get_clim() == (2.0, 4.0)
    for cmap in plots.MAPS.values():
        assert np.abs(plt.get_cmap(cmap)(np.linspace(0, 1, 256)) - own).max(1).min() > 0.3


def test_tiles_run_row_by_row_from_the_top_left() -> None:
    images = np.arange(6)[:, None] * np.ones(784)
    images[4, 28 * 2 + 3] = -1
    tiled = plots.tiled(images, 3)
    assert tiled.shape == (56, 84)
    for i in range(6):
        row, column = divmod(i, 3)
        assert np.median(tiled[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]) == i
    assert np.argwhere(tiled == -1).tolist() == [[28 + 2, 28 + 3]]


@pytest.mark.parametrize("images", [np.zeros((5, 784)), np.zeros((6, 783)), np.zeros(784)])
def test_images_that_fill_no_grid_are_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(rows \* 3, 784\), got"):
        plots.tiled(images, 3)


def test_a_decoded_grid_has_its_first_row_at_the_bottom(ax: Axes) -> None:
    images = np.arange(9)[:, None] * np.ones(784)
    picture = plots.decoded_grid(ax, images, BOX)
    assert (picture.get_extent(), picture.origin) == ([-2.0, 4.0, 1.5, 4.5], "upper")  # centres on BOX's edges
    centres = picture.get_array()[14::28, 14::28]
    assert centres.tolist() == [[6, 7, 8], [3, 4, 5], [0, 1, 2]]
    assert np.array_equal(images[0], np.zeros(784))


def test_an_image_grid_is_dark_ink_without_axes(ax: Axes) -> None:
    picture = plots.image_grid(ax, np.zeros((4, 784)), 2)
    assert (picture.get_clim(), picture.get_cmap().name, ax.axison) == ((0, 1), "gray_r", False)


def test_a_loss_curve_is_a_labelled_line_from_epoch_one(ax: Axes) -> None:
    histories = {f"model {i}": [9.0 - i, 5.0, 4.0] for i in range(5)}
    plots.loss_curves(ax, histories, "nats an image")
    assert {line.get_label(): list(line.get_ydata()) for line in ax.lines} == histories
    assert all(list(line.get_xdata()) == [1, 2, 3] for line in ax.lines)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(histories)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "nats an image")


def test_a_latent_scatter_puts_every_code_in_its_digits_colour(ax: Axes) -> None:
    codes, labels = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0], [5.0, 5.0]]), np.array([3, 3, 3, 8])
    plots.latent_scatter(ax, codes, labels)
    (points,) = ax.collections
    assert np.array_equal(points.get_offsets(), codes)
    assert np.allclose(points.get_facecolor()[:, :3], np.array(plots.CLASSES)[labels])
    assert {text.get_text(): text.get_position() for text in ax.texts} == {"3": (2.0, 3.0), "8": (5.0, 5.0)}


def test_digit_markers_stand_on_their_codes(ax: Axes) -> None:
    codes, labels = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0]]), np.array([7, 1, 7])
    one, seven = plots.digit_markers(ax, codes, labels)
    assert np.array_equal(one.get_offsets(), codes[[1]]) and np.array_equal(seven.get_offsets(), codes[[0, 2]])


def test_paths_are_drawn_as_given(ax: Axes) -> None:
    curves = np.random.default_rng(0).normal(size=(3, 5, 2))
    lines = plots.paths(ax, curves, color="red")
    assert np.array_equal(np.array(lines.get_segments()), curves)


def test_an_atlas_has_one_scale_which_clips_collapsed_models_and_no_other() -> None:
    working = [f"{family}-128-32-{name}" for family in ("vae", "dae") for name in ("tanh", "sigmoid")]
    working += ["gan-128-32-tanh-nobn-r1", "gan-128-32-tanh-nobn"]
    maps = {name: ramp(i + 1) for i, name in enumerate([*working, "gan-128-32-tanh", "gan-128-32-sigmoid"])}
    maps[working[3]].log_det[0, 0] = -np.inf
    maps["gan-128-32-tanh"].log_det[:] -= 1e6
    fig = plots.atlas(maps, "log_det")
    panels = [ax for ax in fig.axes if ax.get_title()]
    assert [ax.get_title().replace("\n", ", ") for ax in panels] == [label(name) for name in maps]
    ends = [np.quantile(m.log_det[np.isfinite(m.log_det)], [0.01, 0.99]) for n, m in maps.items() if n in working]
    expected = min(low for low, _ in ends), max(high for _, high in ends)
    assert all(ax.images[0].get_clim() == pytest.approx(expected) for ax in panels)
    assert np.array_equal(panels[5].images[0].get_array(), maps[working[5]].log_det)
    plt.close(fig)


def test_a_panel_about_curves_holds_them_and_the_box() -> None:
    curves = np.array([[[0.0, 3.0], [9.0, 3.5]]])
    (x0, x1), (y0, y1) = plots.about(BOX, curves)
    assert -1.2 < x0 < -1 and 9 < x1 < 9.2 and 1.9 < y0 < 2 and 4 < y1 < 4.1


def test_beyond_frames_each_models_box_in_both_rows() -> None:
    box = ((0.0, 1.0), (2.5, 3.5))
    fig = plots.beyond({"vae-8-4-tanh": ramp(), "dae-8-4-tanh": ramp(2)}, {"vae-8-4-tanh": box, "dae-8-4-tanh": BOX})
    frames = [
        patch.get_bbox().extents.tolist() for ax in fig.axes for patch in ax.patches if isinstance(patch, Rectangle)
    ]
    assert frames == [[0.0, 2.5, 1.0, 3.5], [-1.0, 2.0, 3.0, 4.0]] * 2
    plt.close(fig)


def test_the_reports_panels_are_the_determinant_and_the_condition() -> None:
    m = ramp()
    fig, (left, right) = plots.report_panels(m)
    assert np.array_equal(left.images[0].get_array(), m.log_det)
    assert np.array_equal(right.images[0].get_array(), m.log_cond)
    assert [ax.get_ylabel() for ax in fig.axes[2:]] == list(plots.LABELS.values())
    plt.close(fig)


def test_condition_ranges_draw_a_bar_and_a_dot_a_model(ax: Axes) -> None:
    table = pd.DataFrame(
        {"log_cond 5 %": [0.1, 0.2, 0.3], "log_cond median": [1.0, 2.0, 3.0], "log_cond 95 %": [4.0, 5.0, 6.0]},
        index=["vae-128-32-tanh", "gan-128-32-tanh", "gan-128-32-tanh-nobn-r1"],
    )
    plots.condition_ranges(ax, table)
    bars = [segment.tolist() for lines in ax.collections for segment in lines.get_segments()]
    assert bars == [[[0.1, 0], [4.0, 0]], [[0.2, 1], [5.0, 1]], [[0.3, 2], [6.0, 2]]]
    *dots, threshold = ax.lines
    assert [(dot.get_xdata().item(), dot.get_ydata().item()) for dot in dots] == [(1, 0), (2, 1), (3, 2)]
    assert [dot.get_color() for dot in dots] == [plots.FAMILY_COLOURS[f] for f in ("VAE", COLLAPSED_GAN, R1_GAN)]
    assert threshold.get_xdata()[0] == pytest.approx(np.log(20))
    assert [text.get_text() for text in ax.get_yticklabels()] == [label(name) for name in table.index]


def test_ratio_boxes_have_the_quartiles_in_order(ax: Axes) -> None:
    ratios = {"a": np.linspace(1, 2, 101), "b": np.linspace(3, 5, 101)}
    plots.ratio_boxes(ax, ratios)
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_color() == plots.CLASSES[3]]
    assert medians == pytest.approx([1.5, 4.0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.yaxis_inverted()  # the first model on top


def test_a_share_table_prints_percentages(ax: Axes) -> None:
    plots.share_table(ax, pd.DataFrame([[0.25, 0.75], [0.5, 0.5]], index=["a", "b"]))
    assert [text.get_text() for text in ax.texts] == ["25%", "75%", "50%", "50%"]


def test_a_performance_profile_is_a_step_line_a_method(ax: Axes) -> None:
    shares = pd.DataFrame({"a": [0.1, 0.5, 1.0], "b": [0.0, 0.0, 0.2]}, index=[1e-3, 1e-2, 1e-1])
    plots.performance_profile(ax, shares)
    assert {line.get_label(): list(line.get_ydata()) for line in ax.lines} == {c: list(shares[c]) for c in shares}
    assert all(list(line.get_xdata()) == [1e-3, 1e-2, 1e-1] for line in ax.lines)
    assert all(line.get_drawstyle() == "steps-post" for line in ax.lines)
    assert ax.get_xscale() == "log"


def test_dots_of_share_against_time_have_the_profiles_colours(ax: Axes) -> None:
    plots.share_against_time(ax, pd.Series({"a": 0.5, "b": 1.0}), pd.Series({"b": 20.0, "a": 3.0}))
    found = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    assert found == {"a": (3, 0.5), "b": (20, 1)}
    assert [line.get_color() for line in ax.lines] == plots.CLASSES[:2]


def test_excess_boxes_show_quartiles_on_a_clipped_logarithmic_axis(ax: Axes) -> None:
    ratio = np.r_[1 + np.logspace(-3, -1, 5), [1.0, 1.0, np.inf], [2.0, 2.0, 2.0]]
    records = pd.DataFrame({"ratio": ratio, "method": ["a"] * 5 + ["b"] * 6, "family": ["VAE"] * 8 + ["DAE"] * 3})
    plots.excess_boxes(ax, records, 1e-4)
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_color() == "black" and len(line.get_xdata()) == 2]
    assert {0.01, 1e-4, 1.0} <= {round(float(x), 9) for x in medians}
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in ax.lines])
    assert np.nanmin(drawn) == pytest.approx(1e-4) and np.nanmax(drawn) == pytest.approx(10)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"] and ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["VAE", "DAE"]
    assert ax.yaxis_inverted()


def test_intervals_of_two_groups_share_their_rows(ax: Axes) -> None:
    group = pd.DataFrame({"value": [0.5, -0.5], "low": [0.25, -1.0], "high": [0.75, 0.0]}, index=["p", "q"])
    plots.intervals(ax, {"first": group, "second": group + 0.125})
    bars = [np.array(lines.get_segments()) for lines in ax.collections]
    assert [bar[:, :, 0].tolist() for bar in bars] == [
        [[0.25, 0.75], [-1.0, 0.0]], [[0.375, 0.875], [-0.875, 0.125]],
    ]  # fmt: skip
    assert np.allclose((bars[0] + bars[1])[:, 0, 1] / 2, [0, 1])  # about their common row
    assert [line.get_label() for line in ax.lines[:2]] == ["first", "second"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["p", "q"] and ax.yaxis_inverted()


def test_share_lines_are_drawn_as_given(ax: Axes) -> None:
    shares = pd.DataFrame({"a": [0.0, 0.5], "b": [0.25, 1.0]}, index=[0.3, 1.2])
    plots.share_lines(ax, shares)
    assert {line.get_label(): line.get_xydata().tolist() for line in ax.lines} == {
        "a": [[0.3, 0.0], [1.2, 0.5]], "b": [[0.3, 0.25], [1.2, 1.0]],
    }  # fmt: skip


def test_every_solver_of_the_comparison_can_be_told_apart_and_looks_alike_in_all_figures(ax: Axes) -> None:
    """There are more solvers than colours."""
    names = [contestant.name for contestant in runs.CONTESTANTS]
    assert len(names) > len(plots.CLASSES)
    shares, looks = pd.DataFrame({name: [0.1, 0.5] for name in names}), []
    for draw in (plots.performance_profile, plots.share_lines):
        ax.clear()
        draw(ax, shares)
        looks.append([(line.get_color(), line.get_linestyle()) for line in ax.lines])
        assert len(set(looks[-1])) == len(names)
    assert looks[0] == looks[1]
    ax.clear()
    plots.share_against_time(ax, shares.iloc[0], pd.Series(1.0, names))
    marks = [(line.get_color(), line.get_marker()) for line in ax.lines]
    assert len(set(marks)) == len(names) and [c for c, _ in marks] == [c for c, _ in looks[0]]


# ------------------------------------------------------------------------------------------------ the sweep


def part(effect: float, low: float, high: float, side: str = "above", threshold: float = 0.0) -> dict:
    return {"effect": effect, "interval": (low, high), "side": side, "threshold": threshold, "verdict": "undecided"}


@pytest.mark.parametrize("one, decisiveness", [
    (part(2, 1, 3), 2), (part(-2, -3, -1), -2), (part(2, 1, 3, "below"), -2), (part(5, 4, 6, "above", 4), 1),
    (part(0.1, 0.0, 0.2, "within", 0.3), 2), (part(-0.5, -0.6, -0.4, "within", 0.3), -2),
    (part(1, 1, 1), plots.FURTHEST), (part(-1, -1, -1), -plots.FURTHEST),
])  # fmt: skip
def test_decisiveness_is_one_where_the_interval_touches_the_threshold(one: dict, decisiveness: float) -> None:
    assert plots.decisiveness(one) == pytest.approx(decisiveness)


def test_the_scorecard_has_a_row_a_claim_and_a_mark_a_part() -> None:
    results = evaluate(records.sweep())
    fig, ax = plt.subplots()
    plots.scorecard(ax, results)
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert [row.split()[-1] for row in rows] == [r["id"] for r in results]
    marks = [c.get_offsets()[0] for c in ax.collections if len(c.get_offsets()) == 1]
    assert len(marks) == sum(len(r["parts"]) for r in results)
    assert [t.get_text() for t in ax.texts] == [r["verdict"] for r in results]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first claim on top


def test_too_few_seeds_are_said() -> None:
    fig, ax = plt.subplots()
    plots.scorecard(ax, evaluate(records.sweep(3)))
    assert {t.get_text() for t in ax.texts} == {"3 of 5 seeds"}


def test_a_solvers_line_stops_where_there_are_no_pairs(ax: Axes) -> None:
    shares = pd.DataFrame({"a": [0.0, 0.5, 0.75, 1.0]}, index=[1.0, 1.5, 2.0, 9.0])
    plots.share_lines(ax, shares)
    (line,) = ax.lines
    drawn = line.get_xydata()
    assert np.isnan(drawn[3]).all() and drawn[[0, 1, 2, 4]].tolist() == [[1, 0], [1.5, 0.5], [2, 0.75], [9, 1]]


def test_rows_of_images_are_named_at_their_middle(ax: Axes) -> None:
    plots.image_grid(ax, np.zeros((4, 784)), 2, rows=("a", "b"))
    assert [(t.get_text(), t.get_position()[1]) for t in ax.texts] == [("a", 14), ("b", 42)]


def test_verdicts_have_no_family_s_colour() -> None:
    colours = [to_rgba(colour) for colour, _ in plots.VERDICTS.values()]
    assert not set(colours) & {to_rgba(colour) for colour in plots.FAMILY_COLOURS.values()}
    assert len(set(colours)) == 3


def test_every_seed_is_a_dot_in_its_family_s_colour() -> None:
    table = tables.models(records.sweep(5))
    fig, axes = plt.subplots(1, 2)
    plots.seed_dots(axes, table, ("roughness", "renewed less trained"), log=("roughness",))
    ax = axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == [architecture(name) for name in records.NAMES]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [len(line.get_ydata()) for line in dots] == [5] * 16
    assert dots[0].get_color() == plots.FAMILY_COLOURS["VAE"] and dots[-1].get_color() == plots.FAMILY_COLOURS[R1_GAN]
    assert [a.get_yscale() for a in axes] == ["log", "linear"]
    renewed = [len(line.get_ydata()) for line in axes[1].lines if line.get_marker() == "o"]
    assert renewed == [5] * 8 + [0] * 8  # GANs have no encoder to renew by
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {"VAE", "DAE", R1_GAN, COLLAPSED_GAN}


def test_a_collapsed_gan_beyond_the_others_scale_is_a_triangle_at_its_edge() -> None:
    table = pd.DataFrame({
        "family": ["VAE", "VAE", COLLAPSED_GAN, COLLAPSED_GAN], "seed": [0, 1, 0, 1], "x": [0.0, 1.0, 50.0, 0.5],
        "model": ["vae-128-32-tanh"] * 2 + ["gan-128-32-tanh"] * 2,
    })  # fmt: skip
    fig, ax = plt.subplots()
    plots.seed_dots([ax], table, ["x"])
    dots, up = ([line for line in ax.lines if line.get_marker() == mark] for mark in "o^")
    assert [list(line.get_ydata()) for line in dots] == [[0, 1], [0.5]]
    assert [list(line.get_ydata()) for line in up] == [[], [1.1]]


def test_the_parts_of_claims_stand_on_one_scale_a_quantity_with_their_intervals_and_supporting_sides() -> None:
    parts = [
        {"label": label, "side": side, "threshold": 0.2, "effect": 0.5, "verdict": verdict, "interval": (0.4, 0.6),
         "values": {str(i): 0.5 + 0.1 * (i - 2) for i in range(5)}, "quantity": "share"}
        for label, side, verdict in (("a", "above", "supported"), ("b", "below", "contradicted"),
                                     ("c", "within", "contradicted"))
    ]  # fmt: skip
    empty = parts[0] | {"values": {}, "interval": None, "verdict": "0 of 5 seeds"}
    far = parts[0] | {"label": "d", "quantity": "pixels", "interval": (40.0, 60.0)}
    results = [{"id": "X-1", "statement": "One.", "parts": [*parts[:1], far, *parts[1:]]},
               {"id": "X-2", "statement": "Two.", "parts": [empty]}]  # fmt: skip
    fig = plots.claim_parts(results)
    share, pixels, other = fig.axes
    assert [ax.get_xlabel() for ax in fig.axes] == ["share", "pixels", "share"]
    assert share.get_xlim() == other.get_xlim() != pixels.get_xlim()
    low, high = share.get_xlim()
    assert low < 0.2 and 0.7 < high < 1 and pixels.get_xlim()[1] > 60
    shaded = [c.get_paths()[0].get_extents() for c in share.collections if c.get_paths()[0].get_extents().height]
    assert np.allclose([(box.x0, box.x1) for box in shaded], [(0.2, high), (low, 0.2), (-0.2, 0.2)])
    assert [len(line.get_xdata()) for line in share.lines] == [5, 5, 5]
    assert share.lines[1].get_color() == plots.VERDICTS["contradicted"][0]
    assert [text.get_text() for text in share.get_yticklabels()] == ["a", "b", "c"]
    assert [ax.get_title() for ax in fig.axes] == ["X-1: One", "", "X-2: Two"] and not len(other.lines[0].get_xdata())
    with pytest.raises(ValueError, match="X-2 have no quantity"):
        plots.claim_parts([{**results[1], "parts": [empty | {"quantity": ""}]}])



def test_sizes_and_sparsity_have_a_line_a_family() -> None:
    found = records.sweep(2)
    fig, axes = plt.subplots(1, 2)
    plots.against_size(axes, tables.sizes(found), ["log_cond, 95 %", "held-out"])
    means = [line for line in axes[0].lines if line.get_linestyle() == "-"]
    assert [line.get_label() for line in means] == ["VAE", "DAE"]
    assert means[0].get_ydata()[0] > means[0].get_ydata()[-1] + 1  # as planted: fewer images, worse conditioned
    fig, ax = plt.subplots()
    plots.against_sparsity([ax], tables.away(found), {"log_det": "fall"})
    assert len([line for line in ax.lines if line.get_label() in plots.FAMILY_COLOURS]) == 4


def test_straight_lines_are_hollow_and_geodesics_filled() -> None:
    fig, axes = plt.subplots(1, 1)
    plots.curve_quality([axes], tables.quality(records.sweep(3)), {"evenness": "variation"})
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    hollow = [line for line in dots if line.get_markerfacecolor() == "white"]
    assert len(hollow) == len(dots) / 2 == 4 * 3
    assert min(float(line.get_ydata()[0]) for line in hollow) > 0.4  # as planted


def test_solved_shares_stand_by_method_and_family() -> None:
    fig, ax = plt.subplots()
    plots.solved_dots(ax, tables.shares_solved(records.sweep(2)))
    assert [label.get_text() for label in ax.get_xticklabels()] == list(RECORDED)
    assert len(ax.lines) == 4 * 4 and all(len(line.get_ydata()) == 8 for line in ax.lines)


def test_maps_side_by_side_share_the_limits_of_their_row_and_show_what_is_hidden() -> None:
    hidden = ramp()
    hidden.log_det[0, 0] = np.nan
    limits = {"log_det": (-1.0, 9.0), "log_cond": (0.0, 2.0)}
    fig = plots.beside({"one": hidden, "two": ramp(2), "three": ramp()}, limits)
    pictures = [ax.get_images() for ax in fig.axes if len(ax.get_images()) == 2]
    assert [ax.get_title() for ax in fig.axes[:6]] == ["one", "two", "three", "", "", ""]
    assert [own[0].get_clim() for own in pictures] == [limits["log_det"]] * 3 + [limits["log_cond"]] * 3
    masks = [np.isfinite(np.asarray(own[1].get_array(), dtype=float)).sum() for own in pictures]
    assert masks == [1, 0, 0, 0, 0, 0]
    plt.close("all")


def test_measures_against_the_latent_dimension(tmp_path) -> None:
    for item in ITEMS[:32]:  # two seeds
        fake_beyond.write(item, tmp_path)
    table = beyond.table(folder=tmp_path)
    _, axes = plt.subplots(1, 2)
    plots.against_dimension(axes, table, [beyond.MEDIAN, beyond.OVERLOOKED], log=[beyond.MEDIAN])
    first, second = axes
    assert first.get_yscale() == "log" and first.get_title() == beyond.MEDIAN
    assert [label.get_text() for label in first.get_xticklabels()] == ["2", "3", "8", "16"]
    names, means = table.groupby(["family", "data"], sort=False), table.groupby(["family", "data", "latent_dim"])
    for line, ((family, data), _) in zip(first.lines, names, strict=True):
        assert line.get_label() == f"{family}, {data}"
        assert to_rgba(line.get_color()) == to_rgba(plots.FAMILY_COLOURS[family])
        assert (line.get_linestyle() == "-") == (data == "MNIST")
        assert line.get_ydata().tolist() == pytest.approx(means[beyond.MEDIAN].mean()[family, data].tolist())
    bars = first.collections[0].get_segments()
    assert len(bars) == 4 and all(bar[0, 0] == bar[1, 0] and bar[0, 1] < bar[1, 1] for bar in bars)
    assert [len(line.get_xdata()) for line in second.lines] == [1] * 4  # a bound is known in the plane alone
    assert len(first.figure.legends[0].get_texts()) == 4
