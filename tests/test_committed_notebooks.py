"""What stands in notebooks/ is the study as run: every cell, in order, without errors, from the code it shows."""

from __future__ import annotations

from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from run_notebook import NOTEBOOKS, code_hash

COMMITTED = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if not path.stem.endswith(".failed"))


def faults(notebook: nbformat.NotebookNode) -> set[str]:
    """What is wrong with an executed notebook: any of "order", "error", "profile", "code"."""
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
    return found


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_notebook_is_the_study_as_run(path) -> None:
    assert faults(nbformat.read(path, as_version=4)) == set()


def executed() -> nbformat.NotebookNode:
    """A faultless executed notebook, with an empty cell at its end as Jupyter leaves it."""
    cells = [new_code_cell("x = 1", execution_count=1), new_code_cell("x", execution_count=2), new_code_cell("")]
    notebook = new_notebook(cells=cells)
    notebook.metadata["pullback"] = {"profile": "paper", "code_sha256": code_hash(notebook)}
    return notebook


def test_planted_faults_are_found() -> None:
    assert faults(executed()) == set()

    def planted(change) -> set[str]:
        notebook = deepcopy(executed())
        change(notebook)
        return faults(notebook)

    def swap_counts(notebook) -> None:
        notebook.cells[0].execution_count, notebook.cells[1].execution_count = 2, 1

    error = new_output("error", ename="ValueError", evalue="", traceback=[])
    assert planted(swap_counts) == {"order"}
    assert planted(lambda notebook: notebook.cells[1].update(execution_count=None)) == {"order"}
    assert planted(lambda notebook: notebook.cells[1].update(execution_count=3)) == {"order"}
    assert planted(lambda notebook: notebook.cells[0].outputs.append(error)) == {"error"}
    assert planted(lambda notebook: notebook.metadata.pullback.update(profile="smoke")) == {"profile"}
    assert planted(lambda notebook: notebook.cells[0].update(source="x = 2")) == {"code"}
    assert planted(lambda notebook: notebook.metadata.pop("pullback")) == {"profile", "code"}
