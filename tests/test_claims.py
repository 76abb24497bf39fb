"""The report's panels and statements: the data are the report's, and every answer can turn out either way."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from latent_geometry.claims import PANELS, STATEMENTS, Measures
from latent_geometry.models import HEALTHY_GANS, REPORT

REFERENCE = Path(__file__).with_name("reference_maps.json")
ANSWERS = {statement.number: statement.answer for statement in STATEMENTS}
OPEN = {"4.1-8", "4.1-9", "4.2-15", "4.2-16", "4.2-17"}  # maps cannot tell


def test_the_panels_are_the_reports() -> None:
    published = {
        figure: (
            "-".join([panel["model"], *map(str, panel["hidden"]), panel["activation"]]),
            *(tuple(panel[quantity]) for quantity in ("log_det", "log_cond")),
            tuple(map(tuple, panel["axes"])),
        )
        for figure, panel in json.loads(REFERENCE.read_text())["panels"].items()
    }
    assert {figure: tuple(panel) for figure, panel in PANELS.items()} == published


def test_the_panels_show_models_of_the_report() -> None:
    assert {panel.model for panel in PANELS.values()} <= {spec.name for spec in REPORT}


def test_statements_are_numbered_by_section_and_in_order() -> None:
    numbers = [tuple(map(int, number.replace("4.", "").split("-"))) for number in ANSWERS]
    assert len(numbers) == len(STATEMENTS)
    assert numbers == [(section, i) for section, count in ((1, 9), (2, 17)) for i in range(1, count + 1)]


def agreeing() -> dict[str, dict[str, Any]]:
    """Measures under which every statement of the report holds."""
    families = {
        "vae": {"log_det": (1, 5, 13), "log_cond": (0.1, 1.0, 1.5, 2.0), "badly_conditioned": 0.0},
        "dae": {"log_det": (3, 6, 17), "log_cond": (0.1, 1.4, 1.6, 2.5), "badly_conditioned": 0.0},
        "gan": {"log_det": (-5, 4, 18), "log_cond": (0.1, 2.8, 5.0, 6.0), "badly_conditioned": 0.4},
        "healthy": {"log_det": (1, 5, 12), "log_cond": (0.1, 0.9, 1.4, 2.0), "badly_conditioned": 0.0},
    }
    measures = {}
    for spec in (*REPORT, *HEALTHY_GANS):
        family = families["healthy" if spec in HEALTHY_GANS else spec.family]
        gain = 0.1 * (spec.activation == "sigmoid")
        lowest, median, p95, highest = family["log_cond"]
        measures[spec.name] = {
            "log_det": dict(zip(("q0", "q50", "q100"), family["log_det"], strict=True)),
            "log_cond": {"q0": lowest, "q50": median - gain, "q95": p95 - gain, "q100": highest - gain},
            "badly_conditioned": family["badly_conditioned"],
            "roughness": (20 if spec.family == "dae" else 10) - spec.hidden[0] / 256 - 10 * gain,
            "centre_excess": 1.0,
            "beyond": {"median_inside": 6.0, "median_outside": -4.0, "lowest_outside": -20.0},
        }
    return measures


V, W, S, D = "vae-128-32-tanh", "vae-256-64-tanh", "vae-128-32-sigmoid", "dae-128-32-sigmoid"
REVERSALS: dict[str, list[tuple[str, str, float]]] = {  # of a model or family, a measure, and the value planted in it
    "4.1-1": [(V, "centre_excess", -0.5)],
    "4.1-2": [(V, "beyond.median_outside", 6.5)],
    "4.1-3": [(V, "badly_conditioned", 0.25)],
    "4.1-4": [(W, "roughness", 33.25)],
    "4.1-5": [(W, "log_cond.q50", 1.75)],
    "4.1-6": [(S, "roughness", 33.25)],
    "4.1-7": [(S, "log_cond.q50", 3.25)],
    "4.2-1": [("dae-256-64-tanh", "log_cond.q50", 3.25)],
    "4.2-2": [(D, "roughness", 0.25)],
    "4.2-3": [(D, "log_det.q100", 15.5)],
    "4.2-4": [(D, "log_cond.q50", 0.25)],
    "4.2-5": [("gan", "log_det.q0", 12.5)],
    "4.2-6": [("gan-256-64-tanh", "log_cond.q95", 1.5)],
    "4.2-7": [("vae-256-64-sigmoid", "badly_conditioned", 0.25)],
    "4.2-8": [("dae-128-32-tanh", "beyond.median_outside", 6.5)],
    "4.2-9": [("dae", "log_cond.q50", 0.25)],
    "4.2-10": [("gan-128-32-tanh", "badly_conditioned", 0.0)],
    "4.2-11": [(W, "log_cond.q50", 1.75)],
    "4.2-12": [("vae-256-64-sigmoid", "log_cond.q50", 1.75)],
    "4.2-13": [("gan-128-32-tanh", "log_cond.q50", 0.25)],
    "4.2-14": [(W, "badly_conditioned", 0.25)],
}
ALSO = {  # statements with two conditions: the other one, alone
    "4.1-6": (S, "log_cond.q50", 1.75),
    "4.1-7": ("vae-256-64-sigmoid", "badly_conditioned", 0.25),
}


def planted(name: str, path: str, value: float) -> Measures:
    """The agreeing measures with `value` at `path` of the models called, or starting with, `name`; healthy GANs not."""
    measures = deepcopy(agreeing())
    touched = [model for model in measures if model.startswith(name) and not model.endswith("-r1")]
    assert touched
    for model in touched:
        target = measures[model]
        *parents, leaf = path.split(".")
        for parent in parents:
            target = target[parent]
        assert leaf in target
        target[leaf] = value
    return measures


def test_every_statement_can_hold() -> None:
    found = {number: answer(agreeing()).holds for number, answer in ANSWERS.items()}
    assert found == {number: None if number in OPEN else True for number in ANSWERS}


@pytest.mark.parametrize("number", [number for number in ANSWERS if number not in OPEN])
def test_every_statement_fails_when_its_numbers_are_reversed(number: str) -> None:
    before = ANSWERS[number](agreeing())
    plants = REVERSALS[number] + ([ALSO[number]] if number in ALSO else [])
    for plant in plants:
        after = ANSWERS[number](planted(*plant))
        assert not after.holds
        assert after.sentence != before.sentence  # the sentence tells the number that decides


@pytest.mark.parametrize("number", ["4.2-5", "4.2-6", "4.2-10"])
def test_what_is_said_of_the_reports_gans_does_not_depend_on_the_healthy_ones(number: str) -> None:
    measures = agreeing()
    for spec in HEALTHY_GANS:
        measures[spec.name]["log_cond"]["q95"] = 0.0
        measures[spec.name]["log_det"] = {"q0": 4, "q50": 4, "q100": 4}
    assert ANSWERS[number](measures).holds
