"""Runs a notebook as one step of the study: refused before it starts if it cannot succeed, moved into place only
when it has.

From a shell, `tools/run_notebook.py NAME --profile PROFILE` runs notebooks/NAME.ipynb, with models that are trained on
this machine unless --weights published is given. In the
`paper` profile the executed notebook replaces its source, so that what stands in notebooks/ is the study as run;
any other profile, and any run with `-p key=value`, writes under the build folder.
"""

from __future__ import annotations

import argparse
import ast
import errno
import hashlib
import inspect
import json
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from pullback.study import published
from pullback.study.errors import NotebookError
from pullback.study.paths import PROJECT, build_root, make_folder, write_atomically
from pullback.study.profiles import PROFILES, Profile, check_parameters, get_profile
from pullback.study.provenance import output_seals

NOTEBOOKS = PROJECT / "notebooks"
TIMEOUT = 4 * 3600.0  # seconds for a whole notebook: several times the longest, so only a hang meets it
FREE_DISK = 200 * 2**20  # bytes: checkpoints, figures and notebooks of a whole run, several times over
CELL_LIMIT = 4 * 2**20  # characters of a cell's outputs, pictures included: several times the largest of the study
TRACE_LIMIT = 10_000  # characters of an error that alone is beyond CELL_LIMIT
CUT = f"\n[cut here: the outputs of a cell may have {CELL_LIMIT:,} characters]\n"
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3 (ipykernel)"}  # of this interpreter
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class _Stream:
    """The text of a notebook on the terminal, each line after the notebook's name: `make -j` mixes notebooks."""

    def __init__(self, name: str) -> None:
        self.name, self.rest = name, ""

    def write(self, text: str) -> None:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            print(f"[{self.name}] {line}")

    def flush(self) -> None:
        sys.stdout.flush()


class _CappedClient(PapermillNotebookClient):
    """Executes a notebook and keeps CELL_LIMIT characters of what each cell puts out, in file and terminal alike."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.sizes: dict[int, int] = {}  # of a cell's outputs so far, by the cell's index

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        return super().process_message(self._cut(msg, cell_index), cell, cell_index)

    def _cut(self, msg: dict[str, Any], index: int) -> dict[str, Any]:
        """The message, or what of it the cell has room for."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "clear_output":
            self.sizes[index] = 0
        if kind not in ("stream", "display_data", "update_display_data", "execute_result", "error"):
            return msg
        before = self.sizes.get(index, 0)
        self.sizes[index] = before + len(content["text"] if kind == "stream" else json.dumps(content))
        if self.sizes[index] <= CELL_LIMIT:
            return msg
        if kind == "error":  # which is short, or else its text is what floods
            trace = [CUT, "\n".join(content["traceback"])[-TRACE_LIMIT:]]
            return {**msg, "content": {**content, "evalue": content["evalue"][:TRACE_LIMIT], "traceback": trace}}
        text = content["text"][: max(CELL_LIMIT - before, 0)] if kind == "stream" else ""
        text += CUT if before <= CELL_LIMIT else ""
        header = {**msg["header"], "msg_type": "stream"}
        stream = {"name": content.get("name", "stdout"), "text": text}
        return {**msg, "header": header, "msg_type": "stream", "content": stream}


class _CappedEngine(NBClientEngine):
    """papermill's engine with the client above."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, start_timeout: int = 60, input_path: str = "", **keywords: Any
    ) -> None:
        _CappedClient(nb_man, kernel_name=kernel_name, startup_timeout=start_timeout, **keywords).execute()


papermill_engines.register("capped", _CappedEngine)


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """sha256 of the sources of the code cells, in order. Prose and outputs do not enter."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def run(source: Path, output: Path, parameters: dict[str, Any], *, timeout: float = TIMEOUT) -> float:
    """Execute the notebook `source` in its own folder, write it to `output` and return the seconds it took.

    `parameters` replace those of the cell tagged `parameters`; one that equals the notebook's default is not
    passed, so a run with the defaults executes exactly the cells of `source`. `timeout` bounds the whole run, in
    seconds. The executed notebook carries metadata `pullback`: profile, parameters, code_sha256, seconds, and the
    seal of each cell's outputs.

    Before anything runs, a parameter that the notebook does not have or whose value it cannot take raises ValueError,
    and a folder that cannot be written or a full disk NotebookError. So does, later, a cell that fails or takes too
    long, and a notebook that was edited while it ran, if `output` is `source`. After a failure `output` is as it was
    and the copy as far as it came is beside it, under the name NAME.failed.ipynb. Of what a cell puts out, CELL_LIMIT
    characters are kept, with a line that says so.
    """
    notebook = nbformat.read(source, as_version=4)
    sources = [cell.source for cell in notebook.cells]
    notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    notebook.metadata["kernelspec"] = KERNEL
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            partial = Path(scratch) / output.name
            nbformat.write(notebook, partial)
            values, changed = _preflight(partial, output, parameters)
            start = time.monotonic()
            try:
                _execute(partial, changed, cwd=source.parent, deadline=start + timeout)
            except (PapermillExecutionError, CellTimeoutError, RuntimeError) as error:
                write_atomically(failed, partial.read_bytes())
                raise NotebookError(_explain(error, source, failed, timeout)) from None
            seconds = time.monotonic() - start
            executed = _tidy(nbformat.read(partial, as_version=4))
        executed.metadata["pullback"] = {
            "profile": values.get("profile"), "parameters": values,
            "code_sha256": code_hash(executed), "seconds": round(seconds, 1), "outputs": output_seals(executed),
        }
        content = (nbformat.writes(executed) + "\n").encode()
        if output == source and sources != [cell.source for cell in nbformat.read(source, as_version=4).cells]:
            write_atomically(failed, content)
            raise NotebookError(f"{source.name} was edited while it ran; it is left as edited, and the run of what "
                                f"it was is {failed}. Run it again")
        write_atomically(output, content)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NotebookError(f"the disk is full: {error.filename or output} cannot be written. "
                            f"Free some space and run again; {output} is as it was") from error
    failed.unlink(missing_ok=True)
    return seconds


def _preflight(notebook: Path, output: Path, parameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The value of every parameter of the run, and of those that differ from the notebook's defaults. Raises
    ValueError or NotebookError if the run cannot succeed."""
    inspected = papermill.inspect_notebook(notebook)
    defaults = {name: _literal(parameter["default"]) for name, parameter in inspected.items()}
    if unknown := sorted(parameters.keys() - defaults.keys()):
        raise ValueError(f"{notebook.name} has no parameter {', '.join(unknown)}; "
                         f"its parameters are {', '.join(defaults) or 'none'}")
    values = {**defaults, **parameters}
    checked = inspect.signature(check_parameters).parameters
    profile = check_parameters(**{name: value for name, value in values.items() if name in checked})
    for name, value in parameters.items():
        wanted = type(defaults[name])
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(f"parameter {name} must be of type {wanted.__name__}, as {defaults[name]!r} is; "
                             f"got {value!r}")
    _check_writable(output.parent)
    if "profile" in values:
        _check_writable(build_root())
        _check_writable(profile.figures)
    return values, {name: value for name, value in values.items() if repr(value) != repr(defaults[name])}


def _execute(path: Path, parameters: dict[str, Any], *, cwd: Path, deadline: float) -> None:
    """Execute the notebook at `path` in place. Each cell may use what is left of the time until `deadline`."""
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    stream = _Stream(path.stem)
    # Kernels that start together can collide on TCP ports, and on ipc's default address; not on one of their own.
    # A Unix socket's name may have 103 bytes, ours included; where the temporary folder's is too long, TCP it is.
    address = str(path.with_name("kernel"))
    own = len(address.encode()) < 100
    transport = Config(KernelManager={"transport": "ipc", "ip": address}) if own else Config()
    papermill.execute_notebook(
        path, path, parameters, engine_name="capped", progress_bar=False, cwd=cwd, config=transport,
        stdout_file=stream, stderr_file=stream, coalesce_streams=True, record_timing=False,
        timeout_func=lambda cell: max(deadline - time.monotonic(), 0.1),
    )


def _check_writable(folder: Path) -> None:
    """Raise NotebookError unless files can be made in `folder`, which is created if missing, and there is room."""
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise NotebookError(f"{folder} cannot be written ({error.strerror}); nothing was run. "
                            "Make it a folder that you can write to, or move what is in its place") from error
    if (free := shutil.disk_usage(folder).free) < FREE_DISK:
        raise NotebookError(f"only {free / 2**20:.0f} MiB are free in {folder}; nothing was run. "
                            f"A run needs {FREE_DISK / 2**20:.0f} MiB: free some space")


def _explain(error: Exception, source: Path, failed: Path, timeout: float) -> str:
    """What went wrong, in which cell, and where the partial copy is."""
    if isinstance(error, PapermillExecutionError):
        trace = ANSI.sub("", "\n".join(error.traceback) or f"{error.ename}: {error.evalue}")
        what = f"cell {error.exec_count} failed:\n\n{error.source}\n\n{trace}"
    elif isinstance(error, CellTimeoutError):
        what = f"not finished after {timeout:g} s:\n\n{error}"
    else:
        what = f"its kernel died (most often memory ran out) or did not start: {error}"
    return f"{source.name}: {what}\n\nThe copy as far as it came is {failed}"


def _tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs from run to run: papermill's times, and the injected cell's random id."""
    tidy = nbformat.from_dict(notebook)
    for node in [tidy, *tidy.cells]:
        node.metadata.pop("papermill", None)
    for cell in tidy.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
    return tidy


def times_table(profile: Profile) -> str:
    """Time of each notebook of the profile that has been run, from its stamp, and their sum."""
    seconds = {stamp.stem: float(stamp.read_text()) for stamp in sorted(_stamp(profile, "").parent.glob("*.done"))}
    rows = {**seconds, "total": sum(seconds.values())}
    return "\n".join(f"{name:<20}{value // 60:4.0f} min {value % 60:4.1f} s" for name, value in rows.items())


def _stamp(profile: Profile, name: str) -> Path:
    """The mark of a finished run; runs with published models have marks of their own."""
    folder = "stamps-published" if published.wanted() else "stamps"
    return build_root() / profile.name / folder / f"{name}.done"


def _assignment(text: str) -> tuple[str, Any]:
    """`key=value` as a pair."""
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, _literal(value)


def _without_contradictions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dictionary. Raises ValueError if one name has two values."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if repr(values.setdefault(name, value)) != repr(value):
            hint = "; --profile alone chooses it" if name == "profile" else ""
            raise ValueError(f"{name} is {values[name]!r} and {value!r} in one command{hint}")
    return values


def _literal(text: str) -> Any:
    """The Python literal that `text` is, or else `text`."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: list[str] | None = None) -> int:
    """Run one notebook, or print the times; returns the exit status (2: refused before it ran)."""
    parser = argparse.ArgumentParser(prog="tools/run_notebook.py", description=__doc__)
    parser.add_argument("name", nargs="?", help="notebook, without .ipynb; without a name, the times are printed")
    parser.add_argument("--profile", default="paper", help=f"one of: {', '.join(PROFILES)}")
    parser.add_argument("-p", dest="parameters", type=_assignment, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--weights", choices=published.MODES, default="train", help="published: take those of weights/")
    options = parser.parse_args(arguments)
    os.environ[published.SWITCH] = options.weights  # which the kernel inherits
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that kernel and scratch folder end with us
    try:
        profile = get_profile(options.profile)
        if options.name is None:
            print(times_table(profile))
            return 0
        names = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb") if not path.stem.endswith(".failed"))
        if options.name not in names:
            raise ValueError(f"unknown notebook {options.name!r}; the notebooks are {', '.join(names)}")
        parameters = _without_contradictions([("profile", profile.name), *options.parameters])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    source = output = NOTEBOOKS / f"{options.name}.ipynb"
    if options.parameters or profile.name != "paper":
        name = f"{options.name}-custom.ipynb" if options.parameters else source.name
        output = build_root().absolute() / profile.name / "notebooks" / name
    try:
        seconds = run(source, output, parameters)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (NotebookError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{options.name} interrupted; {output} is as it was", file=sys.stderr)
        return 130
    if not options.parameters:
        write_atomically(_stamp(profile, options.name), f"{seconds:.1f}\n".encode())
    print(f"[{options.name}] done in {seconds:.1f} s: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
