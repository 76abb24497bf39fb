"""The explorer: one page that opens by itself, and the other models in files beside it.

`explorer.html` holds the page, its script and one model; `models/NAME.js` holds another, which the page loads with a
script tag when it is chosen. So all of it works from a file that a browser opens, and no server is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pullback.explorer.bundle import bundle
from pullback.geometry.derivatives import Derivatives
from pullback.geometry.layers import PlainNetwork

HERE = Path(__file__).parent
LARGEST = 2**20  # bytes of explorer.html
PROGRAM = """function pullbackProgram() {
"use strict";
CODE
$main.start(`(${pullbackProgram})()`);
}
pullbackProgram();"""


@dataclass(frozen=True)
class Model:
    """A model of the explorer.

    name, title, note: its name in links and files, what the reader chooses it by, and a line about it.
    generator: a plain network from two numbers to 784 pixels in [0, 1], in eval mode.
    box: ((x0, x1), (y0, y1)), where it was trained, in latent units.
    codes: the latent points (2,) of the digits that can be picked.
    start, end: which of them the page opens with.
    """

    name: str
    title: str
    note: str
    generator: nn.Module
    box: tuple[tuple[float, float], tuple[float, float]]
    codes: list[list[float]]
    start: int
    end: int


@dataclass(frozen=True)
class Digits:
    """Images uint8 (m, 784) that can be picked, and what they show."""

    images: Tensor
    labels: list[int]


def build(folder: Path, models: Iterable[Model], digits: Digits) -> None:
    """Write the explorer of `models`, the first of which it opens with, into `folder`.

    Raises ValueError for a generator that is no plain network of the right shape, and for a page above LARGEST bytes.
    """
    models = list(models)
    packed = {model.name: pack(model) for model in models}
    index = {
        "default": models[0].name,
        "digits": {
            "labels": digits.labels, "images": base64.b64encode(digits.images.numpy().tobytes()).decode(),
        },
        "models": [
            {"name": m.name, "title": m.title, "digest": hashlib.sha256(packed[m.name].encode()).hexdigest()}
            for m in models
        ],
    }  # fmt: skip
    first = json.dumps({"name": models[0].name, "content": packed[models[0].name]})
    style = (HERE / "../../src/pullback/explorer/view/style.css").resolve().read_text()
    page = (HERE / "page.html").read_text()
    for mark, text in (("style", style), ("index", json.dumps(index)), ("models", first), ("script", script())):
        page = page.replace("{{" + mark + "}}", text)
    if len(page.encode()) > LARGEST:
        raise ValueError(f"the page has {len(page.encode())} bytes, more than {LARGEST}: put a smaller model first")
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "explorer.html").write_text(page)
    for model in models[1:]:
        text = f"pullbackModel({json.dumps(model.name)}, {json.dumps(packed[model.name])});\n"
        (folder / "models" / f"{model.name}.js").write_text(text)


def script() -> str:
    """The page's script, which gives its own text to the worker."""
    code = bundle(HERE / "src" / "main.js").replace("</script", "<\\/script")
    return PROGRAM.replace("CODE", code)


def pack(model: Model) -> str:
    """A model as one base64 text: the length of a header, the header in JSON, and arrays at the offsets it names."""
    network = Derivatives(model.generator, torch.float64).network
    if not isinstance(network, PlainNetwork):
        raise ValueError(f"the generator of {model.name} is no plain network (see pullback.geometry.layers)")
    layers = network.layer_list()
    rows = [len(layer["bias"]) for layer in layers if "bias" in layer]
    if len(layers[0].get("weight", [[]])[0]) != 2 or rows[-1] != 784 or "weight" not in layers[0]:
        raise ValueError(f"the generator of {model.name} must map 2 numbers to 784")
    arrays: list[np.ndarray] = []

    def described(values: Any) -> dict[str, Any]:
        """The values as an array of the file, in float32 where that is exact."""
        array = np.asarray(values, dtype=np.float64).ravel()
        if (array.astype(np.float32) == array).all():
            array = array.astype(np.float32)
        arrays.append(array)
        return {"array": len(arrays) - 1}

    header: dict[str, Any] = {
        "note": model.note, "box": model.box, "codes": model.codes, "start": model.start, "end": model.end,
        "layers": [
            layer if "activation" in layer else {
                "rows": len(layer["bias"]), "columns": len(layer["weight"][0]),
                "weight": described(layer["weight"]), "bias": described(layer["bias"]),
            }
            for layer in layers
        ],
    }  # fmt: skip
    return _container(header, arrays)


def _container(header: dict[str, Any], arrays: list[np.ndarray]) -> str:
    size = 8 * (len(json.dumps(header)) // 8 + 16 * (len(arrays) + 1))  # room for the offsets
    places: list[dict[str, Any]] = []
    at = size
    for array in arrays:
        places.append({"type": array.dtype.str[1:], "offset": at, "count": array.size})
        at += 8 * -(-array.nbytes // 8)

    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            return places[value["array"]] if "array" in value else {k: placed(v) for k, v in value.items()}
        return [placed(v) for v in value] if isinstance(value, list | tuple) else value

    text = json.dumps(placed(header)).encode()
    if len(text) + 4 > size:
        raise AssertionError("the header does not fit its place")
    content = bytearray(at)
    content[:4], content[4 : 4 + len(text)] = len(text).to_bytes(4, "little"), text
    for array, place in zip(arrays, places, strict=True):
        content[place["offset"] : place["offset"] + array.nbytes] = array.tobytes()
    return base64.b64encode(content).decode()


def main() -> int:
    """`python -m explorer.build FOLDER`, run in site/: the explorer of all models that are there."""
    from .catalogue import study_models

    folder = Path(sys.argv[1])
    models, digits = study_models()
    if not models:
        print("there is no trained model, so there is no explorer")
        return 1
    build(folder, models, digits)
    print(f"{folder / 'explorer.html'}: {len(models)} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
