"""The explorer in a notebook: what the kernel answers is what the library says, and what a static copy shows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import pullback
from browser import browser
from pullback.explorer.notebook import LIVE
from pullback.geometry import Sphere

BOX = ((-1.0, 1.2), (-0.9, 1.1))


def decoder() -> torch.nn.Module:
    torch.manual_seed(3)
    layers = torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 16), torch.nn.Sigmoid()
    return torch.nn.Sequential(*layers).requires_grad_(False)


def asked(explorer: pullback.Explorer, method: str, **args: Any) -> dict[str, Any]:
    """The answer as a browser gets it: by way of JSON, and bytes."""
    message, buffers = explorer.answer({"id": 7, "method": method, "args": args})
    message = json.loads(json.dumps(message))
    assert message["id"] == 7

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return np.frombuffer(buffers[value["buffer"]]) if "buffer" in value else {k: read(v) for k, v in value.items()}

    return read(message.get("result", message))


def test_map_and_point_are_those_of_the_library() -> None:
    f = decoder()
    explorer = pullback.explore(f, BOX)
    a, b, d = asked(explorer, "map", n=5)["factors"].reshape(5, 5, 3).transpose(2, 0, 1)
    expected = pullback.latent_map(f, BOX, 5)
    np.testing.assert_allclose(2 * np.log(a * d), expected.log_det, rtol=1e-9)
    point = asked(explorer, "at", z=[0.3, -0.2])
    a, b, d = point["factor"]
    M = pullback.pullback_metric(f, [0.3, -0.2])
    np.testing.assert_allclose([a * a, a * b, b * b + d * d], [M[0, 0], M[0, 1], M[1, 1]], rtol=1e-9)
    np.testing.assert_allclose(point["image"], f.double()(torch.tensor([0.3, -0.2], dtype=torch.float64)), rtol=1e-9)


def test_curves_on_a_sphere_are_great_circles_at_one_pace() -> None:
    start, end = [0.9, -1.0], [0.9, 1.0]
    sphere = Sphere()
    found = asked(pullback.explore(sphere, ((-1.5, 1.5), (-1.5, 1.5))), "curves", start=start, end=end)
    known = float(sphere.distance(torch.tensor([start]).double(), torch.tensor([end]).double())[0])
    assert found["geodesic"]["length"] == pytest.approx(known, rel=1e-5) and found["geodesic"]["converged"]
    np.testing.assert_allclose(found["geodesic"]["speed"], known, rtol=1e-2)
    assert found["line"]["length"] == pytest.approx(2 * np.cos(0.9), rel=1e-5)  # along the circle of latitude
    for curve in found.values():
        np.testing.assert_allclose(curve["points"].reshape(-1, 2)[[0, -1]], [start, end])
        assert len(curve["film"]) == 9 * 3


def test_the_rays_of_a_fan_are_equally_long_and_go_all_ways() -> None:
    sphere = Sphere()
    fan = asked(pullback.explore(sphere, ((-1.5, 1.5), (-1.5, 1.5))), "fan", z=[0.6, 0.1], length=0.5)
    ends = torch.tensor(fan["points"].reshape(fan["count"], -1, 2)[:, -1])
    away = sphere.distance(torch.tensor([[0.6, 0.1]]).double().expand_as(ends), ends)
    np.testing.assert_allclose(away, 0.5, rtol=1e-4)
    images, centre = sphere.embed(ends), sphere.embed(torch.tensor([[0.6, 0.1]]).double())
    np.testing.assert_allclose((images - centre).sum(0) - centre[0] * ((images @ centre.T) - 1).sum(), 0, atol=1e-3)


def test_a_fault_of_the_generator_is_told_and_the_explorer_lives_on() -> None:
    f = lambda z: torch.sqrt(z.sum(1, keepdim=True)) * torch.ones(1, 4)  # noqa: E731
    explorer = pullback.explore(f, BOX, start=[1, 1], end=[1, 0.9])
    assert "error" in asked(explorer, "curves", start=[-1, -1], end=[1, 1])
    assert len(asked(explorer, "at", z=[1, 1])["image"]) == 4


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [((None,), "box must be given"), ((((0, 1),),), "two dimensions"), ((((1, 0), (0, 1)),), "low < high")],
)
def test_a_box_is_needed(arguments: tuple, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        pullback.explore(decoder(), *arguments)


def test_a_notebook_at_rest_shows_a_picture_and_one_being_read_the_widget_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIVE:
        monkeypatch.delenv(name, raising=False)
    explorer = pullback.explore(decoder(), BOX)
    shown = explorer._repr_mimebundle_()
    assert set(shown) == {"text/plain", "image/png"} and shown["image/png"].startswith("iVBOR")
    assert shown["text/plain"] == pullback.explore(decoder(), BOX)._repr_mimebundle_()["text/plain"]
    monkeypatch.setenv(LIVE[0], "a notebook")
    live = explorer._repr_mimebundle_()
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    assert live["image/png"] == shown["image/png"]


def test_the_widget_shows_what_the_kernel_computes() -> None:
    """Its module in a browser, on a model whose messages go to the explorer and back."""
    explorer = pullback.explore(decoder(), BOX)
    expected = asked(explorer, "curves", start=explorer.start[0].tolist(), end=explorer.end[0].tolist())
    with browser() as chromium:
        page = chromium.new_page()

        def kernel(request: dict[str, Any]) -> list:
            message, buffers = explorer.answer(request)
            return [message, [list(buffer) for buffer in buffers]]

        page.expose_function("kernel", kernel)
        page.set_content("<div id=out></div>")
        page.add_style_tag(content=explorer.widget._css)
        page.add_script_tag(content=explorer.widget._esm.replace("export default", "globalThis.widget ="))
        page.evaluate("""async () => {
            const listeners = [], model = {
              on: (_, listener) => listeners.push(listener),
              send: async (request) => {
                const [message, buffers] = await kernel(request);
                const views = buffers.map((bytes) => new DataView(Uint8Array.from(bytes).buffer));
                for (const listener of listeners) listener(message, views);
              },
            };
            await widget.render({ model, el: document.getElementById("out") });
        }""")
        text = page.inner_text("#out")
        for name, curve in (("Straight line", expected["line"]), ("Geodesic", expected["geodesic"])):
            assert f"{name}: length {curve['length']:.2f}" in text
        assert "failed" not in text
        ratio = page.evaluate("(e => e.clientWidth / e.clientHeight)(document.querySelector('.pb-map'))")
        assert ratio == pytest.approx(1.1, abs=0.02)  # as the box's sides
