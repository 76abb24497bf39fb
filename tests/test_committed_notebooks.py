"""What stands in notebooks/ is the study as run: every cell, in order, without errors, from the code it shows."""

from __future__ import annotations

import json
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from pullback.study.provenance import output_seals
from run_notebook import NOTEBOOKS, code_hash

COMMITTED = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if not path.stem.endswith(".failed"))


def faults(notebook: nbformat.NotebookNode) -> set[str]:
    """What is wrong with an executed notebook: any of "order", "error", "profile", "code", "outputs"."""
    found = set()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.add("order")
    if any(output.output_type == "error" for cell in cells for output in cell.outputs):
        found.add("error")
    record = notebook.metadata.get("pullback", {})
    if record.get("profile") != "paper":
        found.add("profile")
    if record.get("code_sha256") != code_hash(notebook):
        found.add("code")
    if record.get("outputs") != output_seals(notebook):
        found.add("outputs")
    return found


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_notebook_is_the_study_as_run(path) -> None:
    assert faults(nbformat.read(path, as_version=4)) == set()


def executed() -> nbformat.NotebookNode:
    """A faultless executed notebook, with an empty cell at its end as Jupyter leaves it."""
    number, table = (new_output("execute_result", {kind: text}) for kind, text in (
        ("text/plain", "57 %\n48 to 66 %"), ("text/html", "<td>57</td>")))
    pictures = [new_output("display_data", {"image/png": code}) for code in ("iVBOR1", "iVBOR2")]
    cells = [new_code_cell("x = 1", execution_count=1), new_code_cell("x", execution_count=2), new_code_cell("")]
    cells[0].outputs, cells[1].outputs = [number, pictures[0]], [table, pictures[1]]
    notebook = new_notebook(cells=cells)
    seals = {"code_sha256": code_hash(notebook), "outputs": output_seals(notebook)}
    notebook.metadata["pullback"] = {"profile": "paper", **seals}
    return notebook


def test_planted_faults_are_found() -> None:
    assert faults(executed()) == set()

    def planted(change) -> set[str]:
        notebook = deepcopy(executed())
        change(notebook)
        return faults(notebook)

    def swap_counts(notebook) -> None:
        notebook.cells[0].execution_count, notebook.cells[1].execution_count = 2, 1

    def swap_pictures(notebook) -> None:
        first, second = (cell.outputs for cell in notebook.cells[:2])
        first[1], second[1] = second[1], first[1]

    def edit(notebook) -> None:
        notebook.cells[1].outputs[0].data["text/html"] = "<td>75</td>"

    assert planted(edit) == {"outputs"}
    assert planted(swap_pictures) == {"outputs"}
    assert planted(lambda notebook: notebook.cells[0].outputs.pop()) == {"outputs"}
    assert planted(lambda notebook: [cell.update(outputs=[]) for cell in notebook.cells[:2]]) == {"outputs"}
    error = new_output("error", ename="ValueError", evalue="", traceback=[])
    assert planted(swap_counts) == {"order"}
    assert planted(lambda notebook: notebook.cells[1].update(execution_count=None)) == {"order"}
    assert planted(lambda notebook: notebook.cells[1].update(execution_count=3)) == {"order"}
    assert planted(lambda notebook: notebook.cells[0].outputs.append(error)) == {"error", "outputs"}
    assert planted(lambda notebook: notebook.metadata.pullback.update(profile="smoke")) == {"profile"}
    assert planted(lambda notebook: notebook.cells[0].update(source="x = 2")) == {"code"}
    assert planted(lambda notebook: notebook.metadata.pop("pullback")) == {"profile", "code", "outputs"}


def test_seals_do_not_depend_on_how_a_text_is_broken_into_lines() -> None:
    notebook = executed()
    assert output_seals(json.loads(nbformat.writes(notebook))) == output_seals(notebook)
