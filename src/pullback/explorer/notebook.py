"""The explorer in a notebook: the page's view, with the kernel computing, for any generator."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geodesics import exponential, geodesic
from ..geodesics.curves import interpolate
from ..geometry import Embedded, Generator, LatentSpace, Manifold
from ..geometry.inputs import as_box, as_points
from ..images import square_shape
from .bundle import bundle

VIEW = Path(__file__).parent / "view"
GRIDS = (33, 65)  # points a side of the map, one after the other
FRAMES, TIMES = 9, 65  # of a film, and of the plot of speeds
RAYS, STEPS = 24, 32  # of a fan
LIVE = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")  # environment of a kernel that a reader sits before


def explore(
    f: Manifold | Generator, box: Any = None, *, start: Any = None, end: Any = None, shape: Any = None
) -> Explorer:
    """A view of the latent space of f to play with in a notebook: a map, two end points to drag, the geodesic between
    them and the images on the way. The kernel computes.

    f is a generator as in `geodesic`, or a manifold, of two dimensions. box = ((x_min, x_max), (y_min, y_max)) is what
    the map shows, in latent units, by default the manifold's own. `start` and `end` (2,) are where the end points are
    at first. shape is (height, width) of the images, or (1 or 3 channels, height, width); without it images are square
    where that is possible, else columns of numbers.

    Needs anywidget, `pip install "pullback[widget]"`, and for the picture that stands in the widget's place in a
    notebook that is not running, "pullback[plot]". Raises ValueError where there is no box, or f or an argument is not
    of two dimensions.
    """
    return Explorer(f, box, start, end, shape)


class Explorer:
    """What `explore` returns, and a notebook shows: the widget where a reader can use it, else a picture.

    widget : the widget alone. figure() : the picture, as `show.figure` draws it.
    """

    def __init__(self, f: Manifold | Generator, box: Any, start: Any, end: Any, shape: Any) -> None:
        own = f.box if isinstance(f, Manifold) else None
        if box is None and own is None:
            raise ValueError("box must be given, ((x_min, x_max), (y_min, y_max)): what the map is to show")
        limits = as_box(own if box is None else box)
        if limits.shape != (2, 2):
            raise ValueError(f"the explorer shows latent spaces of two dimensions; the box has {len(limits)}")
        self.box: list[list[float]] = limits.tolist()
        self.manifold = f if isinstance(f, Manifold) else LatentSpace(f)
        low, side = limits[:, 0], limits[:, 1] - limits[:, 0]
        self.start, self.end = (
            (low + share * side if z is None else as_points(z, name, torch.float64)).reshape(1, 2)
            for name, z, share in (("start", start, 0.25), ("end", end, 0.75))
        )
        self.shape = None if shape is None else [int(n) for n in shape]
        self.manifold.check(torch.cat((self.start, self.end)))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {"text/plain": "an explorer of a latent space, pullback.explore"}
        try:
            shown["image/png"] = self._picture()
        except ImportError:
            pass  # without matplotlib there is no picture
        if any(name in os.environ for name in LIVE):
            view = "application/vnd.jupyter.widget-view+json"
            shown[view] = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return shown

    def figure(self) -> Any:
        """The map of log det M with the first geodesic on it, and the films under it."""
        from .. import show

        return show.figure(self.manifold, self._solve(self.start, self.end), box=self.box, grid=64)

    def _picture(self) -> str:
        from matplotlib import pyplot as plt

        fig, content = self.figure(), io.BytesIO()
        fig.savefig(content, format="png", dpi=110)
        plt.close(fig)
        return base64.b64encode(content.getvalue()).decode()

    @cached_property
    def widget(self) -> Any:
        """The widget, of the package anywidget."""
        import anywidget

        code = bundle(VIEW / "widget.js") + "\nexport default { render: $widget.render };\n"
        kind = type("ExplorerWidget", (anywidget.AnyWidget,), {"_esm": code, "_css": (VIEW / "style.css").read_text()})
        widget = kind()
        widget.on_msg(lambda _, content, __: widget.send(*self.answer(content)))
        return widget

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a request {id, method, args}: {id, result} or {id, error}, with arrays {"buffer": i} of float64
        in the buffers."""
        buffers: list[bytes] = []

        def sent(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: sent(part) for key, part in value.items()}
            if isinstance(value, Tensor):
                buffers.append(np.ascontiguousarray(value.detach().cpu().double().numpy()).tobytes())
                return {"buffer": len(buffers) - 1}
            return value

        methods: dict[str, Callable[..., dict[str, Any]]] = {
            "options": self.options, "map": self.map, "at": self.at, "curves": self.curves, "fan": self.fan,
        }  # fmt: skip
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # of end points outside the box: the reader sees where they are
                return {"id": request["id"], "result": sent(methods[request["method"]](**request["args"]))}, buffers
        except Exception as error:  # whatever fails in f: the reader is told, and the widget lives on
            return {"id": request["id"], "error": str(error)}, []

    # What the view asks for; see view/view.js

    def options(self) -> dict[str, Any]:
        middle = (self.start + self.end) / 2
        points = {"start": self.start[0], "end": self.end[0], "probe": middle[0]}
        size = self.images(self.start).shape[1]
        shape = self.shape or square_shape(size) or (1, size, 1)
        found = {name: z.tolist() for name, z in points.items()}
        return {"box": self.box, "shape": list(shape), "grids": list(GRIDS), **found}

    def map(self, n: int) -> dict[str, Any]:
        x, y = (torch.linspace(low, high, n, dtype=torch.float64) for low, high in self.box)
        return {"n": n, "factors": self.factors(torch.cartesian_prod(y, x).flip(1))}

    def at(self, z: list[float]) -> dict[str, Any]:
        point = torch.tensor([z], dtype=torch.float64)
        return {"image": self.images(point)[0], "factor": self.factors(point)[0]}

    def curves(self, start: list[float], end: list[float]) -> dict[str, Any]:
        a, b = (torch.tensor([z], dtype=torch.float64) for z in (start, end))
        line = self._solve(a, b, method="straight")
        return {"line": self._shown(line), "geodesic": self._shown(self._solve(a, b))}

    def fan(self, z: list[float], length: float) -> dict[str, Any]:
        point = torch.tensor([z], dtype=torch.float64)
        a, b, d = self.factors(point)[0].tolist()
        angle = torch.arange(RAYS, dtype=torch.float64) * 2 * torch.pi / RAYS
        across = angle.sin() / d  # so that R v is the unit vector of this angle
        v = length * torch.stack(((angle.cos() - b * across) / a, across), 1)
        rays = exponential(self.manifold, point.expand(RAYS, 2), v, segments=STEPS, tol=1e-4)
        return {"points": rays.points, "count": RAYS, "steps": STEPS}

    def images(self, z: Tensor) -> Tensor:
        """What f shows at z (n, 2), (n, N); the points themselves where there is no embedding."""
        return self.manifold.images(z.to(self.manifold.dtype)) if isinstance(self.manifold, Embedded) else z

    def factors(self, z: Tensor) -> Tensor:
        """R = [[a, b], [0, d]] with M = R^T R and a, d >= 0 at the points z (n, 2), as rows (a, b, d) (n, 3)."""

        def factor(part: Tensor) -> Tensor:
            root = self.manifold.root(part.to(self.manifold.dtype))
            R = torch.linalg.qr(root, mode="r").R
            if R.shape[1] == 1:
                R = torch.cat((R, torch.zeros_like(R)), 1)
            R = R * torch.where(R.diagonal(dim1=1, dim2=2) < 0, -1.0, 1.0)[..., None]
            return torch.stack((R[:, 0, 0], R[:, 0, 1], R[:, 1, 1]), 1)

        return self.manifold.in_parts(factor, z)

    def _solve(self, a: Tensor, b: Tensor, **how: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return geodesic(self.manifold, a, b, **how)

    def _shown(self, found: Any) -> dict[str, Any]:
        t = torch.linspace(0, 1, TIMES, dtype=torch.float64)
        points, velocity = (interpolate(found.points, t, derivative)[0] for derivative in (0, 1))
        speed = self.manifold.speed_squared(points.to(self.manifold.dtype), velocity.to(self.manifold.dtype))
        return {
            "length": float(found.length[0]), "converged": bool(found.converged[0]), "points": points,
            "speed": speed.clamp(min=0).sqrt(), "film": self.images(points[:: (TIMES - 1) // (FRAMES - 1)]),
        }  # fmt: skip
