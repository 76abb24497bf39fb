"""Readers work on copies: the committed notebooks stay, a reader's changes stay, and every link leads somewhere."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import lab
from pullback.study.paths import PROJECT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two notebooks and a folder that they link to."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    for name in "ab":
        write(tmp_path / "project" / "notebooks" / f"{name}.ipynb", f"# First {name}")
    (tmp_path / "project" / "figures").mkdir()
    return tmp_path / "project"


def write(path: Path, *sources: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("title"), *map(new_code_cell, sources)]), path)


def copies(project: Path) -> Path:
    return project.parent / "build" / "lab" / "notebooks"


def prepare(project: Path) -> list[str]:
    return lab.prepare(project, copies(project).parent)


def test_copies_follow_their_originals_until_the_reader_changes_them(project: Path) -> None:
    a, b = (copies(project) / f"{name}.ipynb" for name in "ab")
    assert prepare(project) == [] and a.read_bytes() == (project / "notebooks" / "a.ipynb").read_bytes()
    write(b, "# mine")
    mine = b.read_bytes()
    assert prepare(project) == [] and b.read_bytes() == mine  # the original is as it was: nothing to tell
    for name in "ab":
        write(project / "notebooks" / f"{name}.ipynb", f"# Second {name}")
    (told,) = prepare(project)
    assert str(b) in told and "is kept" in told and b.read_bytes() == mine
    assert "# Second a" in a.read_text()
    assert prepare(project) == [told]  # as long as it is so
    b.unlink()
    assert prepare(project) == [] and "# Second b" in b.read_text()


def test_what_jupyterlab_rewrites_by_itself_is_no_change(project: Path) -> None:
    prepare(project)
    copy = copies(project) / "a.ipynb"
    content = json.loads(copy.read_text())
    content["metadata"] = {"kernelspec": {"name": "python3"}}
    for cell in content["cells"]:
        cell["source"] = "".join(cell["source"])
    copy.write_text(json.dumps(content))
    write(project / "notebooks" / "a.ipynb", "# Second a")
    assert prepare(project) == [] and "# Second a" in copy.read_text()


def test_an_output_that_the_reader_computed_is_a_change(project: Path) -> None:
    prepare(project)
    copy = copies(project) / "a.ipynb"
    run = nbformat.read(copy, as_version=4)
    run.cells[1].execution_count = 1
    nbformat.write(run, copy)
    write(project / "notebooks" / "a.ipynb", "# Second a")
    assert len(prepare(project)) == 1 and "# First a" in copy.read_text()


def test_a_copy_whose_original_is_gone_goes_unless_it_was_changed(project: Path) -> None:
    prepare(project)
    a, b = (copies(project) / f"{name}.ipynb" for name in "ab")
    own = copies(project) / "own.ipynb"
    write(own, "# of the reader")
    write(b, "# mine")
    for name in "ab":
        (project / "notebooks" / f"{name}.ipynb").unlink()
    (told,) = prepare(project)
    assert "is gone" in told and not a.exists() and b.exists() and own.exists()


def test_a_lost_or_broken_memory_loses_no_copy(project: Path) -> None:
    prepare(project)
    copy = copies(project) / "a.ipynb"
    write(copy, "# mine")
    (copies(project).parent / "origins.json").write_text("{")
    (told,) = prepare(project)
    assert str(copy) in told and "# mine" in copy.read_text()


def test_links_are_mended_and_a_reader_s_own_folder_is_not_replaced(project: Path) -> None:
    root = copies(project).parent
    root.mkdir(parents=True)
    (root / "figures").symlink_to(project / "elsewhere")
    prepare(project)
    assert (root / "figures").resolve() == project / "figures"
    (root / "figures").unlink()
    (root / "figures").mkdir()
    prepare(project)
    assert not (root / "figures").is_symlink()


def test_in_jupyter_every_link_resolves_and_saving_leaves_the_original_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=secret"]
    folders = {name: str(tmp_path / name) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    env = os.environ | folders | {"PYTHONPATH": str(PROJECT / "src")}
    log = tmp_path / "log"
    with open(log, "wb") as file:
        script = str(PROJECT / "tools" / "lab.py")
        server = subprocess.Popen([sys.executable, script, *options], env=env, stdout=file, stderr=file)
    try:
        base = None
        while base is None:
            assert server.poll() is None, log.read_text()
            running = list(Path(folders["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json"))
            text = running[0].read_text() if running else ""
            base = json.loads(text)["url"] if text.endswith("}") else None
            time.sleep(0.1)

        def request(path: str, body: dict | None = None) -> bytes:
            content = json.dumps(body).encode() if body else None
            asked = urllib.request.Request(
                base + path, data=content, method="PUT" if body else "GET",
                headers={"Authorization": "token secret", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.read()

        originals = sorted((PROJECT / "notebooks").glob("0*.ipynb"))
        for original in originals:
            for cell in nbformat.read(original, as_version=4).cells:
                if cell.cell_type == "markdown":
                    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", cell.source):
                        path = os.path.normpath(f"notebooks/{target}")
                        request(f"api/contents/{path}?content=0")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            request("api/contents/figures/no_such_figure.png?content=0")
        shown = json.loads(request("api/contents/figures/figure_1.png"))["content"]
        assert base64.b64decode(shown) == (PROJECT / "figures" / "figure_1.png").read_bytes()

        original = originals[0]
        before = original.read_bytes()
        found = json.loads(request(f"api/contents/notebooks/{original.name}"))
        found["content"]["cells"][0]["source"] = "# Mine"
        saved = {"type": "notebook", "format": "json", "content": found["content"]}
        request(f"api/contents/notebooks/{original.name}", saved)
        assert "# Mine" in (tmp_path / "build" / "lab" / "notebooks" / original.name).read_text()
        assert original.read_bytes() == before
    finally:
        server.terminate()
        server.wait(30)
