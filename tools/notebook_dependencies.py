"""Prints what each notebook depends on: `tools/notebook_dependencies.py NAME...` writes a word NAME=FILE for every file
of the package that the notebook's code leads to, so that make runs it again when one of them changes, and only then.

A name that a package passes on (`from ..geometry import log_det`) leads to the module that defines it, not to all that
the package passes on. make calls this before anything is installed, so it needs the standard library only.
"""

from __future__ import annotations

import ast
import json
import sys
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = PROJECT / "src"


def file_of(module: tuple[str, ...]) -> Path | None:
    """The file of a module or package of the project, None for anything else."""
    path = SOURCE.joinpath(*module)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imports(module: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], str | None, str], ...]:
    """What a module imports of the project, wherever in its code: see `imported`."""
    file = file_of(module)
    assert file is not None
    package = module if file.name == "__init__.py" else module[:-1]
    return imported(file.read_text(encoding="utf-8"), package)


def imported(code: str, package: tuple[str, ...] = ()) -> tuple[tuple[tuple[str, ...], str | None, str], ...]:
    """(module, name or None, local name) of every import of the project in the code of a module of `package`."""
    found: list[tuple[tuple[str, ...], str | None, str]] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [(tuple(alias.name.split(".")), None, alias.asname or alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found += [(module, alias.name, alias.asname or alias.name) for alias in node.names]
    return tuple(entry for entry in found if file_of(entry[0]))


def origin(module: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The module that `from module import name` leads to."""
    if file_of((*module, name)):
        return (*module, name)
    for source, original, local in imports(module):
        if local == name and original is not None and source != module:
            return origin(source, original)
    return module


def closure(entries: tuple[tuple[tuple[str, ...], str | None, str], ...]) -> set[Path]:
    """The files that these imports lead to, directly or through others."""
    waiting = [origin(module, name) if name else module for module, name, _ in entries]
    seen: set[tuple[str, ...]] = set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += [origin(source, name) if name else source for source, name, _ in imports(module)]
    return {file for file in map(file_of, seen) if file}


def code_of(notebook: Path) -> str:
    """The code cells of a notebook, without lines that only IPython understands."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(line for text in sources for line in text.splitlines() if not line.lstrip().startswith(("%", "!")))


def main(names: list[str]) -> int:
    """Print the words; returns the exit status."""
    for name in names:
        try:
            files = closure(imported(code_of(PROJECT / "notebooks" / f"{name}.ipynb")))
        except SyntaxError as error:
            print(f"Python {sys.version.split()[0]} cannot read the code of {name}: {error}", file=sys.stderr)
            return 1
        for file in sorted(files):
            print(f"{name}={file.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
