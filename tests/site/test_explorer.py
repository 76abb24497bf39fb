"""The explorer in a browser: its numbers are the library's, and it does what a reader's hands ask for.

On the published models, or where there are none, on decoders with random weights.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pullback
from browser import browser
from explorer import build, catalogue
from pullback.geodesics import measure
from pullback.geodesics.newton import refine
from pullback.study import published
from pullback.study.models import get_spec

BOX = ((-2.0, 2.2), (-1.8, 2.0))
NAMES = ("vae-128-32-tanh", "dae-128-32-sigmoid", "gan-256-64-tanh")
ASK = """async ([name, z, pairs, metric]) => {
    const { backend, modelOf } = pullbackExplorer;
    await backend.open(await modelOf(name));
    const points = [], curves = [];
    for (const point of z) {
        const { image, factor } = await backend.at(metric, point);
        points.push([...image, ...factor]);
    }
    for (const [start, end] of pairs) {
        const { line, geodesic } = await backend.curves(metric, start, end, false);
        curves.push([line.length, geodesic.length, geodesic.converged, [...geodesic.knots]]);
    }
    return [points, curves];
}"""


def random_model(name: str, seed: int) -> build.Model:
    """A decoder of the study's with weights so large that its geodesics are curved."""
    torch.manual_seed(seed)
    generator = get_spec(name).build().eval().generator
    for layer in generator:
        if isinstance(layer, torch.nn.Linear):
            layer.weight.data *= 3
    codes = torch.rand(20, 2, dtype=torch.float64) * 3 - 1.5
    return build.Model(name, f"Model {name}", "Drawn at random.", generator, BOX, codes.tolist(), 0, 18)


@pytest.fixture(scope="module")
def models() -> tuple[list[build.Model], build.Digits]:
    if published.wanted() and published.manifest():
        return catalogue.study_models(lambda _: None)
    digits = build.Digits(torch.randint(0, 256, (20, 784), dtype=torch.uint8), [i // 2 for i in range(20)])
    return [random_model(name, seed) for seed, name in enumerate(NAMES)], digits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models: tuple[list[build.Model], build.Digits]) -> Path:
    folder = tmp_path_factory.mktemp("explorer")
    build.build(folder, *models)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture
def opened(chromium: Any, folder: Path) -> Iterator[Any]:
    """A function that opens the page, at the end of a link if one is given, and fails the test for its errors."""
    faults: list[str] = []
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(120_000)

    def open_page(link: str = "", where: Path = folder, before: str = "") -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        if before:
            page.add_init_script(before)
        page.goto(f"file://{where}/explorer.html{link}")
        page.wait_for_function("globalThis.pullbackExplorer ? pullbackExplorer.view.found : true")
        return page

    yield open_page
    context.close()
    assert set(faults) <= {"Invalid or unexpected token"}  # of a model's file that is cut off


def length(page: Any) -> float:
    return page.evaluate("pullbackExplorer.view.found.geodesic.length")


def drag(page: Any, handle: str, dx: int, dy: int) -> None:
    box = page.locator(f"[data-id={handle}]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()


def settled(page: Any) -> None:
    """Waits until the exact curves of the present end points are shown."""
    page.wait_for_function("(v => !v.moving && !('curves' in v.wish))(pullbackExplorer.view)")


# Numbers


def test_images_metrics_and_lengths_are_those_of_the_library(opened: Any, models: Any) -> None:
    """Images and metrics of every model; of four of a kind, curves of the small tanh and the large sigmoid one."""
    page, draw = opened(), np.random.default_rng(0)
    for place, model in enumerate(models[0]):
        z, pair = draw.uniform(*np.array(model.box).T, (4, 2)), (model.codes[model.start], model.codes[model.end])
        measured = place % 4 in (0, 3) or len(models[0]) == len(NAMES)
        points, curves = page.evaluate(ASK, [model.name, z.tolist(), [pair] if measured else [], "pullback"])
        found = np.array(points)
        a, b, d = found[:, 784:].T
        space = pullback.LatentSpace(model.generator, model.box)
        np.testing.assert_allclose(found[:, :784], space.images(torch.tensor(z)), atol=1e-5, err_msg=model.name)
        M = pullback.pullback_metric(space, z).numpy()
        scale = np.abs(M).max((1, 2), keepdims=True)
        own = np.stack((a * a, a * b, a * b, b * b + d * d), 1).reshape(-1, 2, 2)
        np.testing.assert_allclose(own / scale, M / scale, atol=1e-4, err_msg=model.name)
        s = pullback.singular_values(pullback.jacobian(space, z)).numpy()
        np.testing.assert_allclose(a * d, s.prod(1), rtol=1e-4, atol=1e-12 * s[:, :1].max() ** 2, err_msg=model.name)
        if not measured:
            continue
        ends = [torch.tensor([side], dtype=torch.float64) for side in pair]
        line, geodesic, converged, knots = curves[0]
        straight = pullback.geodesic(space, *ends, method="straight").length.item()
        assert line == pytest.approx(straight, rel=1e-3), model.name
        # A healthy GAN's space has many geodesics, and the page may find another one than the library, so the page's is
        # what the library goes on from; elsewhere both must find the same by themselves.
        if model.name.endswith("-nobn-r1"):
            polished = refine(space, torch.tensor(knots).reshape(1, -1, 2)).points
            length, found = measure(space, polished).length.item(), True
        else:
            expected = pullback.geodesic(space, *ends)
            length, found = expected.length.item(), expected.converged.item()
        if converged and found:
            assert geodesic == pytest.approx(length, rel=1e-3), model.name


def test_the_fisher_rao_metric_is_that_of_bernoulli_pixels(opened: Any, models: tuple[list[build.Model], Any]) -> None:
    """M = sum_i grad p_i grad p_i^T / (p_i (1 - p_i)), by its definition; and the length of a geodesic under the
    embedding 2 arcsin sqrt(p), which the library differentiates for itself."""
    page, model = opened(), models[0][0]
    logits = pullback.geometry.derivatives.in_dtype(model.generator[:-1])
    z = np.random.default_rng(1).uniform(*np.array(model.box).T, (6, 2))
    pair = (model.codes[model.start], model.codes[model.end])
    points, curves = page.evaluate(ASK, [model.name, z.tolist(), [pair], "fisher_rao"])
    a, b, d = np.array(points)[:, 784:].T
    J, p = pullback.jacobian(lambda y: logits(y).sigmoid(), z).numpy(), logits(torch.tensor(z)).sigmoid().numpy()
    M = np.einsum("npi,npj->nij", J / (p * (1 - p))[..., None], J)
    np.testing.assert_allclose(a * a, M[:, 0, 0], rtol=1e-4)
    np.testing.assert_allclose(a * b, M[:, 0, 1], rtol=1e-4, atol=1e-4 * M.max())
    np.testing.assert_allclose(b * b + d * d, M[:, 1, 1], rtol=1e-4)

    def half_sphere(y: torch.Tensor) -> torch.Tensor:
        return 2 * torch.atan((logits(y) / 2).exp())

    ends = [torch.tensor([side], dtype=torch.float64) for side in pair]
    expected = pullback.geodesic(pullback.LatentSpace(half_sphere, model.box), *ends)
    assert expected.converged.all() and curves[0][2]
    assert curves[0][1] == pytest.approx(expected.length.item(), rel=1e-3)


def test_without_vector_instructions_the_numbers_are_the_same(opened: Any, models: Any) -> None:
    question = [models[0][0].name, [[0.1, -0.4]], [], "pullback"]
    page = opened()
    plain = opened(before="WebAssembly.Module = class { constructor() { throw new Error('none'); } };")
    assert plain.evaluate("pullbackExplorer.backend.engine.space('pullback').network.matrices.f === null")
    np.testing.assert_allclose(plain.evaluate(ASK, question)[0], page.evaluate(ASK, question)[0], rtol=1e-9, atol=1e-12)


# The reader's hands


def test_a_dragged_end_takes_the_geodesic_and_the_link_along(opened: Any) -> None:
    page = opened()
    before, text = length(page), page.inner_text("[data-id=curveLength]")
    drag(page, "end", 70, 45)
    settled(page)
    assert length(page) != before and page.inner_text("[data-id=curveLength]") != text
    page.wait_for_function("location.hash.includes('end=')")
    again = opened(page.evaluate("location.hash"))
    settled(again)
    assert length(again) == pytest.approx(length(page), rel=1e-3)
    assert again.evaluate("pullbackExplorer.view.state.end") == pytest.approx(
        page.evaluate("pullbackExplorer.view.state.end"), rel=1e-4
    )


def test_the_pointer_shows_the_image_under_it(opened: Any) -> None:
    page = opened()
    box = page.locator("[data-id=map]").bounding_box()
    said = page.inner_text("[data-id=pointCaption]")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.wait_for_function("(old) => document.querySelector('[data-id=pointCaption]').innerText !== old", arg=said)
    (x0, x1), (y0, y1) = page.evaluate("pullbackExplorer.backend.box")
    expected = [x0 + 0.3 * (x1 - x0), y1 - 0.2 * (y1 - y0)]
    assert page.evaluate("pullbackExplorer.view.state.probe") == pytest.approx(expected, abs=0.02)
    page.wait_for_function("+document.querySelector('[data-id=ellipse]').getAttribute('rx') > 0")


def test_the_keyboard_alone_does_all_of_it(opened: Any) -> None:
    page = opened()
    start, before = page.evaluate("pullbackExplorer.view.state.start"), length(page)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.id") == "start":
            break
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    settled(page)
    moved, box = page.evaluate("pullbackExplorer.view.state.start"), page.evaluate("pullbackExplorer.backend.box")
    sides = [high - low for low, high in box]
    assert moved == pytest.approx([start[0] - 0.01 * sides[0], start[1] + 0.05 * sides[1]])
    assert length(page) != before
    label = page.get_attribute("[data-id=start]", "aria-valuetext")
    assert f"{moved[0]:.2f}" in label
    page.focus("[data-id=fan]")
    page.keyboard.press("Space")
    page.wait_for_selector("[data-id=rays] path:nth-child(24)", state="attached")
    page.focus("[data-id=quantity]")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("pullbackExplorer.view.state.quantity") == "log_cond"


def test_two_picked_digits_are_the_ends(opened: Any, models: Any) -> None:
    page, codes = opened(), models[0][0].codes
    page.click("[data-id=digits] button:nth-child(4)")
    page.click("[data-id=digits] button:nth-child(13)")
    settled(page)
    state = page.evaluate("pullbackExplorer.view.state")
    inside = [np.clip(codes[i], *np.array(page.evaluate("pullbackExplorer.backend.box")).T) for i in (3, 12)]
    np.testing.assert_allclose([state["start"], state["end"]], inside)
    assert page.locator(".pb-picked").count() == 2


def test_another_model_is_loaded_when_it_is_chosen(opened: Any, models: Any) -> None:
    page, name = opened(), models[0][1].name
    before = length(page)
    page.select_option("#model", name)
    page.wait_for_function(f"location.hash.includes('model={name}')")
    page.wait_for_function(f"pullbackExplorer.view.found.geodesic.length !== {before}")
    assert page.locator("#message").is_hidden()


# What bad input gets


@pytest.mark.parametrize("link", ["#model=none", "#start=1,x", "#metric=8", "#what=1", "#start=1"])
def test_a_link_with_nonsense_opens_the_default_and_says_so(opened: Any, models: Any, link: str) -> None:
    page = opened(link)
    assert "The link could not be read" in page.inner_text("#message")
    assert page.input_value("#model") == models[0][0].name and length(page) > 0


@pytest.mark.parametrize("fault", ["missing", "altered", "cut"])
def test_a_model_that_is_missing_or_altered_is_named_and_the_others_work(
    opened: Any, folder: Path, models: Any, tmp_path: Path, fault: str
) -> None:
    where = shutil.copytree(folder, tmp_path / "copy")
    file = where / "models" / f"{models[0][1].name}.js"
    text = file.read_text()
    if fault == "missing":
        file.unlink()
    else:
        at = len(text) // 2
        file.write_text(text[:at] if fault == "cut" else text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :])
    page = opened(where=where)
    page.select_option("#model", models[0][1].name)
    page.wait_for_selector("#message:visible")
    said = page.inner_text("#message")
    assert models[0][1].title in said and ("missing" if fault == "missing" else "altered") in said
    assert page.input_value("#model") == models[0][0].name
    page.select_option("#model", models[0][2].name)
    page.wait_for_function(f"location.hash.includes('{models[0][2].name}')")
    assert page.locator("#message").is_hidden()


def test_a_browser_without_workers_is_told_what_it_lacks(opened: Any) -> None:
    assert "no web workers" in opened(before="delete globalThis.Worker;").inner_text("#message")


# The files


def test_the_page_is_small_and_asks_for_nothing_from_elsewhere(folder: Path) -> None:
    text = (folder / "explorer.html").read_text()
    assert len(text.encode()) <= build.LARGEST
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_colours_are_those_of_the_figures(opened: Any) -> None:
    """Viridis and cividis, interpolated between every eighth colour; stops and canvas are each rounded to a step."""
    import matplotlib

    from pullback import show

    page = opened()
    for quantity, name in show.MAPS.items():
        page.select_option("[data-id=quantity]", quantity)
        colours = """(() => { const c = document.querySelector('[data-id=scale]');
            return [...c.getContext('2d').getImageData(0, 0, 256, 1).data]; })()"""
        page.wait_for_function(f"{colours}[3] === 255")  # the map is drawn
        found = page.evaluate(colours)
        stops = np.linspace(0, 1, len(matplotlib.colormaps[name].colors) // 8 + 1)
        exact = matplotlib.colormaps[name](stops, bytes=True).T
        expected = np.stack([np.interp(np.linspace(0, 1, 256), stops, channel) for channel in exact], 1)
        assert np.abs(np.array(found).reshape(256, 4) - expected).max() <= 2


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    page = opened()
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_generator_of_another_shape_is_refused(tmp_path: Path, models: Any) -> None:
    narrow = torch.nn.Sequential(torch.nn.Linear(2, 10), torch.nn.Sigmoid())
    model = build.Model("narrow", "", "", narrow, BOX, [[0.0, 0.0]], 0, 0)
    with pytest.raises(ValueError, match="narrow must map 2 numbers to 784"):
        build.build(tmp_path, [model], models[1])
    assert list(tmp_path.iterdir()) == []
