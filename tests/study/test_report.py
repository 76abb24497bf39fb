"""The report's panels: the data are the report's."""

from __future__ import annotations

import json
from pathlib import Path

from pullback.study.models import REPORT
from pullback.study.report import PANELS

REFERENCE = Path(__file__).parents[1] / "reference_maps.json"


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
