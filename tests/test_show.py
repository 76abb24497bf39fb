"""Pictures by their artists, and by the pixels that a reader would look at."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.collections import LineCollection  # noqa: E402

from pullback import geodesic, show  # noqa: E402
from pullback.geometry import HyperbolicHalfPlane, LatentMap, Sphere  # noqa: E402

BOX = ((-1.0, 1.0), (0.0, 1.0))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def spot(z: torch.Tensor) -> torch.Tensor:
    """Images of 12 x 12 pixels: a spot at height and place z."""
    axis = torch.linspace(-2, 2, 12, dtype=z.dtype)
    y, x = (a.flatten() for a in torch.meshgrid(axis, axis, indexing="ij"))
    return torch.exp(-((x - z[:, :1]) ** 2) - (y - z[:, 1:]) ** 2)


def found(f=spot, **settings):
    start, end = torch.tensor([[-1.0, 0.2], [-0.5, 0.4]]).double(), torch.tensor([[1.0, 0.5], [0.5, 0.9]]).double()
    return geodesic(f, start, end, **settings)


def ramp() -> LatentMap:
    x, y = np.linspace(*BOX[0], 5), np.linspace(*BOX[1], 3)
    return LatentMap(BOX, x, y, x + 10 * y[:, None], np.full((3, 5), np.inf))


def test_a_map_has_equal_aspect_and_its_pixels_where_they_belong() -> None:
    fig, ax = plt.subplots()
    picture = show.heatmap(ax, ramp())
    assert ax.get_aspect() == 1
    left, right, bottom, top = picture.get_extent()
    assert np.linspace(left, right, 11)[[1, -2]] == pytest.approx(BOX[0])
    assert np.linspace(bottom, top, 7)[[1, -2]] == pytest.approx(BOX[1])
    assert picture.get_array()[0, 0] == -1 and picture.origin == "lower"


def test_a_rank_deficient_point_is_not_in_the_colours_of_a_map() -> None:
    fig, ax = plt.subplots()
    picture = show.heatmap(ax, ramp(), "log_cond", (0, 1))
    assert matplotlib.colors.to_hex(picture.cmap(picture.get_array())[0, 0]) == show.RANK_DEFICIENT


def test_an_ellipse_holds_the_steps_of_one_size() -> None:
    J = torch.tensor([[[1.0, 2.0], [0.0, 3.0]], [[2.0, 0.0], [0.0, 0.5]]])
    z = np.array([[0.0, 1.0], [2.0, 3.0]])
    drawn = show.ellipses(plt.subplots()[1], z, J.mT @ J, 0.1)
    for path, centre, root in zip(drawn.get_paths(), z, J.numpy(), strict=True):
        steps = path.vertices[path.codes != 79] - centre  # its own points, without the one that closes it
        on_curve = steps[::3]  # an ellipse is drawn by cubic splines, of which every third point lies on it
        assert np.allclose(np.linalg.norm(on_curve @ root.T, axis=1), 0.1, rtol=1e-3)


def test_a_film_lays_images_side_by_side() -> None:
    images = np.zeros((3, 4))
    images[1] = [1, 2, 3, 4]
    strip = show.film(plt.subplots()[1], images).get_array()
    assert strip.shape == (2, 6)
    assert np.array_equal(strip[:, 2:4] * 4, [[1, 2], [3, 4]])


def test_a_film_in_colour_is_channels_first() -> None:
    image = torch.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2)
    strip = show.film(plt.subplots()[1], image, limits=(0, 23)).get_array()
    assert strip.shape == (2, 4, 3)
    assert np.allclose(strip[1, 2] * 23, image[1, :, 1, 0].numpy())


def test_data_that_are_no_images_are_columns_and_a_wrong_shape_is_refused() -> None:
    assert show.film(plt.subplots()[1], np.arange(10.0).reshape(2, 5)).get_array().shape == (5, 2)
    assert show.film(plt.subplots()[1], np.arange(12.0).reshape(2, 6), (2, 3)).get_array().shape == (2, 6)
    for shape in ((2, 2), (2, 3, 1), (6,)):
        with pytest.raises(ValueError, match="shape must be .* of 6 values; got"):
            show.film(plt.subplots()[1], np.zeros((2, 6)), shape)


def test_the_figure_has_curves_ends_and_both_films() -> None:
    g = found()
    fig = show.figure(spot, g, pair=1, frames=5, grid=8)
    ax, _, straight, curve = (axes for axes in sorted(fig.axes, key=lambda a: -a.get_position().y1))
    if not ax.images:
        ax = fig.axes[0]
    lines = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [len(c.get_paths()) for c in lines] == [2, 2]
    drawn = lines[1].get_paths()[1].vertices
    assert drawn[[0, -1]] == pytest.approx(g.points[1, [0, -1]].numpy())
    marks = [c.get_offsets().data for c in ax.collections if not isinstance(c, LineCollection)]
    assert marks[0] == pytest.approx(g.points[:, 0].numpy()) and marks[1] == pytest.approx(g.points[:, -1].numpy())
    assert f"{g.length[1]:.3g}" in curve.get_title() and "straight line" in straight.get_title()
    assert curve.images[0].get_array().shape == (12, 60)
    low, high = np.array(ax.get_xlim()), np.array(ax.get_ylim())
    assert (low[0], high[0]) < tuple(g.points.amin((0, 1)).tolist()) and low[1] > g.points[..., 0].max()
    assert fig.get_figwidth() <= 3.5  # a column


def test_a_manifold_without_an_embedding_has_a_map_and_no_film() -> None:
    plane = HyperbolicHalfPlane()
    fig = show.figure(plane, found(plane), box=((-1.2, 1.2), (0.1, 1.6)), grid=8)
    assert len(fig.axes) == 2  # the map and its colour bar
    assert len(show.figure(Sphere(), found(Sphere()), grid=8).axes) == 4  # and two films


def test_what_cannot_be_drawn_is_refused() -> None:
    g = found()
    with pytest.raises(ValueError, match="quantity must be one of log_det, log_cond; got 'det'"):
        show.figure(spot, g, quantity="det")
    with pytest.raises(ValueError, match="no pair 2 among 2"):
        show.figure(spot, g, pair=2)
    cube = geodesic(lambda z: torch.cat((z, z**2), 1), torch.zeros(1, 3), torch.ones(1, 3), method="straight")
    with pytest.raises(ValueError, match="two-dimensional latent space; these curves have 3"):
        show.figure(spot, cube)
