"""figures/ holds the paper run: every figure whole, with a sidecar that says what it is."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any

import nbformat
import pytest

from pullback.study.beyond.items import ITEMS
from pullback.study.figures import broken_seals
from pullback.study.models import STUDY
from pullback.study.paths import FIGURES, PROJECT
from pullback.study.records.quantities import GAN_BOX

REPORT_FIGURES = [f"figure_{i}" for i in range(1, 6)]
SAVES = re.compile(
    r"""(?:study\.save\(\w+, |report_figure\()"(\w+)\""""
)  # the calls in the notebooks that save a figure
BESIDE = re.compile(r"""\bbeside\("(\w+)\"""")  # and those in notebook 4 that save a figure beside the published one
NAMES = sorted(
    {
        name
        for path in (PROJECT / "notebooks").glob("*.ipynb")
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "code"
        for name in (*SAVES.findall(cell.source), *(f"{figure}_beside" for figure in BESIDE.findall(cell.source)))
    }
)
QUANTILES = ["q0", "q5", "q25", "q50", "q75", "q95", "q100"]
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}


@cache
def sidecar(name: str) -> dict[str, Any]:
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))


def faulty_numbers(value: Any, where: str = "numbers") -> list[str]:
    """Where in nested numbers one is not finite."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [fault for key, item in items for fault in faulty_numbers(item, f"{where}.{key}")]
    return [where] if isinstance(value, float) and not math.isfinite(value) else []


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_a_png_a_pdf_and_a_sidecar(name: str) -> None:
    for suffix, signature in SIGNATURES.items():
        assert (FIGURES / f"{name}.{suffix}").read_bytes().startswith(signature)
    found = sidecar(name)
    assert (found["figure"], found["profile"]) == (name, "paper")
    assert (PROJECT / "notebooks" / f"{found['notebook']}.ipynb").is_file()
    assert found["caption"] and found["cell"] and found["seed"] is not None
    assert found["git"]["commit"] and found["versions"]["torch"] and found["wall_time"] >= 0
    assert set(found["checkpoints"]) <= {*STUDY, *(item.spec.name for item in ITEMS)}
    assert faulty_numbers(found["numbers"]) == []


@pytest.mark.parametrize("name", REPORT_FIGURES)
def test_the_reports_figures_hold_the_quantiles_of_their_maps(name: str) -> None:
    numbers = sidecar(name)["numbers"]
    assert numbers["grid"] == 45
    for quantity in ("log_det", "log_cond"):
        assert list(numbers[quantity]) == QUANTILES
        values = list(numbers[quantity].values())
        assert all(math.isfinite(value) for value in values) and values == sorted(values)
    assert numbers["log_cond"]["q0"] >= 0  # a condition number is at least 1
    (model,) = sidecar(name)["checkpoints"]
    assert (tuple(map(tuple, numbers["box"])) == GAN_BOX) == model.startswith("gan")


def test_all_figures_come_from_one_run_of_the_study() -> None:
    """Of one seed, one set of data, and one checkpoint a model."""
    found = [sidecar(name) for name in NAMES]
    assert len({(s["seed"], s["data"]) for s in found}) == 1
    weights: dict[str, set[str]] = {}
    for model, checkpoint in (pair for s in found for pair in s["checkpoints"].items()):
        weights.setdefault(model, set()).add(checkpoint["weights"])
    assert {model: len(found) for model, found in weights.items()} == dict.fromkeys(weights, 1)


def test_all_figures_come_from_one_clean_commit() -> None:
    assert {(s["git"]["commit"], s["git"]["dirty"]) for s in map(sidecar, NAMES)} == {
        (sidecar(NAMES[0])["git"]["commit"], False)
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_as_the_run_wrote_it(name: str) -> None:
    """No number, caption or provenance was edited since, and no picture was changed or exchanged."""
    assert broken_seals(FIGURES, name) == []


def test_figures_and_notebooks_name_each_other() -> None:
    assert set(REPORT_FIGURES) <= set(NAMES)
    assert {path.stem for path in FIGURES.glob("[!.]*")} == set(NAMES)


def test_a_number_that_is_not_finite_is_found() -> None:
    assert faulty_numbers({"a": [1.0, {"b": float("nan")}], "c": -math.inf, "d": 3}) == ["numbers.a.1.b", "numbers.c"]
