"""The runner refuses what cannot succeed, moves only success into place, and leaves evidence of failure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import run_notebook as notebook_runner
from pullback.study import published
from pullback.study.errors import NotebookError
from pullback.study.profiles import get_profile
from pullback.study.provenance import output_seals
from run_notebook import code_hash, main, run, times_table

PARAMETERS = 'profile = "smoke"\nsteps = 2  # of what\nrate = 0.5'


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch) -> Path:
    """A build folder of the test's own. What `main` sets for the kernels ends with the test."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv(published.SWITCH, published.MODES[0])
    return tmp_path / "build"


def notebook(path: Path, *code: str, more: str = "") -> Path:
    """Write a notebook of one prose cell, the parameters (and `more` of them) and the given code cells."""
    parameters = new_code_cell(f"{PARAMETERS}\n{more}".rstrip(), metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# A title"), parameters, *map(new_code_cell, code)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


def nbval(path: Path) -> int:
    """Exit status of pytest --nbval on one notebook."""
    options = ["--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider", f"--rootdir={path.parent}"]
    return subprocess.run([sys.executable, "-m", "pytest", *options, str(path)], stdout=subprocess.DEVNULL).returncode


def test_a_run_with_the_defaults_executes_the_cells_as_they_are(tmp_path: Path, capsys) -> None:
    source = notebook(tmp_path / "a.ipynb", "import os\nprint(os.getcwd(), steps)")
    seconds = run(source, source, {"profile": "smoke", "steps": 2})
    executed = nbformat.read(source, as_version=4)
    assert [cell.get("execution_count") for cell in executed.cells] == [None, 1, 2]
    assert executed.cells[2].outputs[0].text == f"{tmp_path} 2\n"
    assert executed.metadata.pullback == {
        "profile": "smoke", "parameters": {"profile": "smoke", "steps": 2, "rate": 0.5},
        "code_sha256": code_hash(executed), "seconds": round(seconds, 1),
        "outputs": output_seals(executed),
    }
    assert "papermill" not in source.read_text()
    assert f"[a] {tmp_path} 2\n" in capsys.readouterr().out
    assert list(tmp_path.glob("*.ipynb")) == [source]


def test_nbval_passes_the_executed_notebook_and_fails_a_planted_output(tmp_path: Path) -> None:
    source = notebook(tmp_path / "a.ipynb", "print(steps / 4)", "steps")
    output = tmp_path / "out" / "a.ipynb"
    before = source.read_bytes()
    run(source, output, {"steps": 3})
    assert source.read_bytes() == before
    executed = nbformat.read(output, as_version=4)
    assert executed.cells[2].source == "# Parameters\nsteps = 3\n"
    assert nbval(output) == 0
    executed.cells[4].outputs[0].data["text/plain"] = "4"
    nbformat.write(executed, output)
    assert nbval(output) == 1

    run(output, output, {})
    assert [cell.source for cell in nbformat.read(output, as_version=4).cells] == [
        cell.source for cell in nbformat.read(source, as_version=4).cells
    ]


def test_a_failing_cell_is_shown_and_the_earlier_output_stays(tmp_path: Path) -> None:
    source = notebook(tmp_path / "a.ipynb", "print('reached')", "1 / 0", "print('never')")
    output, failed = tmp_path / "out" / "a.ipynb", tmp_path / "out" / "a.failed.ipynb"
    output.parent.mkdir()
    output.write_text("earlier")
    with pytest.raises(NotebookError, match=r"(?s)a\.ipynb: cell 3 failed:\n\n1 / 0\n\n.*ZeroDivisionError.*a\.failed"):
        run(source, output, {})
    assert output.read_text() == "earlier"
    assert "reached" in failed.read_text()
    run(notebook(source), output, {})
    assert not failed.exists()


def test_a_time_limit_holds_for_the_whole_notebook(tmp_path: Path) -> None:
    source = notebook(tmp_path / "a.ipynb", *["import time\ntime.sleep(0.8)"] * 40)
    with pytest.raises(NotebookError, match="not finished after 2 s"):
        run(source, tmp_path / "out.ipynb", {}, timeout=2)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_dead_kernel_is_reported(tmp_path: Path) -> None:
    source = notebook(tmp_path / "a.ipynb", "import os\nos._exit(9)")
    with pytest.raises(NotebookError, match="kernel died"):
        run(source, tmp_path / "out.ipynb", {})


def test_an_edit_during_the_run_is_not_lost(tmp_path: Path) -> None:
    edit = "p.write_text(p.read_text().replace('# A title', '# Mine'))"
    source = notebook(tmp_path / "a.ipynb", f"from pathlib import Path\np = Path('a.ipynb')\n{edit}")
    with pytest.raises(NotebookError, match="was edited while it ran"):
        run(source, source, {})
    assert "# Mine" in source.read_text()
    assert (tmp_path / "a.failed.ipynb").exists()


def test_an_interrupt_ends_the_kernel_and_leaves_nothing(tmp_path: Path) -> None:
    source = notebook(tmp_path / "a.ipynb", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)")
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored by a shell's background
    call = f"run(Path({str(source)!r}), Path({str(source)!r}), {{}})"
    code = f"{heed}; from run_notebook import *; from pathlib import Path; {call}"
    before = source.read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout
    kernel = int(process.stdout.readline().split()[1])
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(kernel, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the kernel is still alive")
    assert source.read_bytes() == before
    assert list(tmp_path.glob("*.ipynb")) == [source]


@pytest.fixture
def never_run(monkeypatch) -> None:
    """Fail if a kernel would be started."""
    monkeypatch.setattr(notebook_runner, "_execute", lambda *_, **__: pytest.fail("the notebook was run"))


@pytest.mark.usefixtures("never_run")
class TestRefusedBeforeAnythingRuns:
    def test_unknown_parameter(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no parameter stesp; its parameters are profile, steps, rate"):
            run(notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {"stesp": 3})

    def test_unknown_profile(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="'big'.*paper, smoke"):
            run(notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {"profile": "big"})

    @pytest.mark.parametrize(
        ("parameters", "complaint"),
        [
            ({"seed": "abc"}, "seed must be a whole number.*'abc'"),
            ({"seed": "../../x"}, "seed must be a whole number"),
            ({"seed": float("inf")}, "seed must be a whole number"),
            ({"seed": -1}, "seed must be a whole number"),
            ({"device": "gpu"}, "unknown device 'gpu'"),
            ({"steps": 2.5}, "parameter steps must be of type int, as 2 is; got 2.5"),
            ({"rate": "fast"}, "parameter rate must be of type float"),
        ],
    )
    def test_value_of_another_type_or_range(
        self, tmp_path: Path, build: Path, parameters: dict[str, object], complaint: str
    ) -> None:
        source = notebook(tmp_path / "a.ipynb", more='seed = 0\ndevice = "auto"')
        with pytest.raises(ValueError, match=complaint):
            run(source, tmp_path / "out" / "out.ipynb", parameters)
        assert not build.exists() and not (tmp_path / "out").exists()

    def test_figures_folder_that_cannot_be_written(self, tmp_path: Path, build: Path) -> None:
        (build / "smoke").mkdir(parents=True)
        (build / "smoke" / "figures").write_text("in its place")
        with pytest.raises(NotebookError, match="figures cannot be written"):
            run(notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {})

    def test_full_disk(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(notebook_runner, "FREE_DISK", 2**80)
        with pytest.raises(NotebookError, match="MiB are free"):
            run(notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {})

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["b"], "unknown notebook 'b'; the notebooks are a"),
            (["a", "--profile", "big"], "unknown profile 'big'"),
            (["a", "--profile", "smoke", "-p", "profile=paper"], "profile is 'smoke' and 'paper' in one command"),
            (["a", "-p", "profile=smoke"], "profile is 'paper' and 'smoke' in one command; --profile alone"),
            (["a", "-p", "steps=1", "-p", "steps=2"], "steps is 1 and 2 in one command"),
            (["a", "-p", "seed=0"], "no parameter seed"),
        ],
    )
    def test_command_line(self, tmp_path: Path, monkeypatch, capsys, arguments: list[str], complaint: str) -> None:
        monkeypatch.setattr(notebook_runner, "NOTEBOOKS", notebook(tmp_path / "notebooks" / "a.ipynb").parent)
        notebook(tmp_path / "notebooks" / "a.failed.ipynb")
        assert main(arguments) == 2
        assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("flood", ["stream", "display", "error"])
def test_outputs_are_capped_and_say_so(tmp_path: Path, monkeypatch, capsys, flood: str) -> None:
    monkeypatch.setattr(notebook_runner, "CELL_LIMIT", 50_000)
    source = {
        "stream": "for i in range(100): print('x' * 10_000)",
        "display": "display({'text/plain': 'x' * 1_000_000}, raw=True)",
        "error": "raise ValueError('x' * 1_000_000)",
    }[flood]
    output = tmp_path / "out.ipynb"
    try:
        run(notebook(tmp_path / "a.ipynb", f"print('before')\n{source}", "print('after')"), output, {})
    except NotebookError as error:
        assert flood == "error" and len(str(error)) < 50_000
        output = tmp_path / "out.failed.ipynb"
    assert output.stat().st_size < 120_000
    assert "before" in output.read_text() and "[cut here: the outputs of a cell" in output.read_text()
    assert ("after" in nbformat.read(output, as_version=4).cells[3].get("outputs", [{}])[0].get("text", "")) or (
        flood == "error"
    )
    assert len(capsys.readouterr().out) < 120_000


def test_a_disk_that_fills_up_says_so(tmp_path: Path, monkeypatch) -> None:
    def full(*_, **__) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(notebook_runner, "_execute", full)
    with pytest.raises(NotebookError, match="the disk is full.*out.ipynb"):
        run(notebook(tmp_path / "a.ipynb"), tmp_path / "out.ipynb", {})


def test_the_command_line_writes_output_stamp_and_times(tmp_path: Path, build: Path, monkeypatch, capsys) -> None:
    source = notebook(tmp_path / "notebooks" / "a.ipynb")
    monkeypatch.setattr(notebook_runner, "NOTEBOOKS", source.parent)
    received = []
    monkeypatch.setattr(notebook_runner, "run", lambda *arguments: received.append(arguments) or 75.2)
    assert main(["a", "--profile", "smoke"]) == 0
    assert main(["a", "--profile", "smoke", "-p", "steps=3", "-p", "rate=1e-2"]) == 0
    outputs = build / "smoke" / "notebooks"
    assert received == [
        (source, outputs / "a.ipynb", {"profile": "smoke"}),
        (source, outputs / "a-custom.ipynb", {"profile": "smoke", "steps": 3, "rate": 0.01}),
    ]
    assert float((build / "smoke" / "stamps" / "a.done").read_text()) == 75.2
    table = times_table(get_profile("smoke")).splitlines()
    assert [line.split() for line in table] == [[name, "1", "min", "15.2", "s"] for name in ("a", "total")]


def test_the_code_hash_sees_code_and_order_only(tmp_path: Path) -> None:
    first = nbformat.read(notebook(tmp_path / "a.ipynb", "x = 1", "y = 2"), as_version=4)
    same = nbformat.read(notebook(tmp_path / "b.ipynb", "x = 1", "y = 2"), as_version=4)
    same.cells[0].source = "other prose"
    assert code_hash(first) == code_hash(same)
    swapped = nbformat.read(notebook(tmp_path / "c.ipynb", "y = 2", "x = 1"), as_version=4)
    joined = nbformat.read(notebook(tmp_path / "d.ipynb", "x = 1y = 2"), as_version=4)
    assert len({code_hash(first), code_hash(swapped), code_hash(joined)}) == 3
