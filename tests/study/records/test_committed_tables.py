"""The tables that notebook 09 shows are those of the committed records and sidecars, in text and in HTML."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from pullback.study.beyond import tables as beyond
from pullback.study.claims import remedies, verdicts
from pullback.study.claims.tables import markdown
from pullback.study.labels import readable
from pullback.study.panels import rows
from pullback.study.paths import PROJECT, RESULTS
from pullback.study.profiles import get_profile
from pullback.study.records import one_seed, reading, tables
from pullback.study.records.schema import Record

NOTEBOOK = PROJECT / "notebooks" / "09_summary.ipynb"
SIZED = ["log_cond, median", "log_cond, 95 %", "roughness", "held-out"]


def sizes(records: list[Record]) -> pd.DataFrame:
    return readable(tables.sizes(records).groupby(["family", "images"])[SIZED].mean().reset_index())


def seed_0(records: list[Record]) -> pd.DataFrame:
    return readable(one_seed.table(get_profile("paper"), 0))


SHOWN: dict[str, Callable[[list[Record]], Any]] = {  # by the last line of the cell
    "Markdown(rows.markdown())": lambda records: rows.markdown(),
    'pd.DataFrame(remedies.evaluate()).set_index("id").drop(columns="criterion")': lambda records: pd.DataFrame(
        remedies.evaluate()).set_index("id").drop(columns="criterion"),
    "Markdown(markdown(results))": lambda records: markdown(verdicts.evaluate(records)),
    "readable(numbers.reset_index())": sizes,
    "tables.median_quality(records)": tables.median_quality,
    "tables.certified_shares(records)": tables.certified_shares,
    "tables.correlations(records)": tables.correlations,
    "readable(table)": seed_0,
    "beyond.verdicts()": lambda records: beyond.verdicts(),
}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return reading.load(RESULTS / "records")


@pytest.fixture(scope="module")
def outputs() -> dict[str, dict[str, str]]:
    """What each cell that shows a table shows, by its last line and the type of the output."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    found = {"".join(cell["source"]).strip().rpartition("\n")[2]: cell["outputs"] for cell in cells}
    return {
        line: {kind: "".join(text) for output in shown for kind, text in output["data"].items()}
        for line, shown in found.items()
        if shown and all(output["output_type"] == "execute_result" for output in shown)
    }


def test_no_table_is_left_out(outputs: dict[str, dict[str, str]]) -> None:
    assert outputs.keys() == SHOWN.keys()


@pytest.mark.parametrize("line", SHOWN)
def test_a_table_is_what_the_records_say(line: str, records: list[Record], outputs: dict[str, dict[str, str]]) -> None:
    wanted, shown = SHOWN[line](records), outputs[line]
    if isinstance(wanted, str):
        assert shown["text/markdown"] == wanted
        return
    kernel = ("display.width", 80, "display.max_columns", 20, "display.max_colwidth", None)  # as in a notebook's
    with pd.option_context(*kernel):
        assert shown["text/plain"] == repr(wanted)
        if isinstance(wanted, pd.DataFrame):
            assert shown["text/html"] == wanted._repr_html_()
