"""The library needs torch, numpy and scipy and nothing else; what else is imported is declared, and no more."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pullback.study.paths import PROJECT

PACKAGE = PROJECT / "src" / "pullback"
LIBRARY = sorted(path for path in PACKAGE.rglob("*.py") if "study" not in path.relative_to(PACKAGE).parts)
OWN = ("torch", "numpy", "scipy")
EXTRAS = {  # files that extras are for
    "show.py": ("matplotlib",), "marching.py": ("numba",), "notebook.py": ("anywidget", "matplotlib"),
}
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
# Never imported, but run by a command:
BY_COMMAND = {"jupyterlab", "jupyter-client", "nbconvert", "ipykernel", "nbval", "pytest-xdist", "ruff", "mypy"}


def imported(code: str, package: tuple[str, ...]) -> set[str]:
    """Full names of the modules that the code of a module in `package` imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level] if node.level else ())
            module = ".".join(filter(None, (base, node.module)))
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def named(code: str) -> set[str]:
    """Full names of the modules that code has imported by their names: Sphinx's extensions and theme, and what
    `find_spec` looks for."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Assign) and {"extensions", "html_theme"} & {getattr(t, "id", "") for t in node.targets}:
            value = ast.literal_eval(node.value)
            found |= {value} if isinstance(value, str) else set(value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "find_spec":
            found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def outside(code: str, package: tuple[str, ...], allowed: tuple[str, ...]) -> set[str]:
    """What of these imports is neither of `allowed`, nor Python's own, nor the library's."""
    names = imported(code, package)
    study = {name for name in names if name.startswith("pullback.study")}
    roots = {name.partition(".")[0] for name in names - study}
    return study | roots - {*allowed, "pullback", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_imports_nothing_but_torch_numpy_scipy_and_itself(path: Path) -> None:
    package = ("pullback", *path.relative_to(PACKAGE).parent.parts)
    assert outside(path.read_text(), package, OWN + EXTRAS.get(path.name, ())) == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pandas as pd", {"pandas"}),
        ("def f():\n    from matplotlib import pyplot", {"matplotlib"}),
        ("from ..study import data", {"pullback.study", "pullback.study.data"}),
        ("from .. import study", {"pullback.study"}),
        ("import pullback.study.paths", {"pullback.study.paths"}),
        ("import math, torch\nfrom scipy.linalg import lapack\nfrom .metric import log_det", set()),
    ],
)
def test_a_planted_import_is_found(code: str, found: set[str]) -> None:
    assert outside(code, ("pullback", "geometry"), OWN) == found


def test_the_library_works_where_nothing_else_is_installed() -> None:
    """It does not look for matplotlib, and what draws says what to install."""
    blocked = {canonical(requirement) for extra in DECLARED["optional-dependencies"].values() for requirement in extra}
    code = f"""
import sys
asked = set()
class Blocked:
    def find_spec(self, name, path=None, target=None):
        asked.add(name.partition(".")[0])
        if name.partition(".")[0].replace("_", "-") in {sorted(blocked)}:
            raise ModuleNotFoundError("blocked: " + name, name=name)
sys.meta_path.insert(0, Blocked())
import torch, pullback
from pullback.geodesics import geodesic
f = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5)).eval()
assert geodesic(f, torch.zeros(1, 2), torch.ones(1, 2)).length > 0
assert "pullback.study" not in sys.modules and "matplotlib" not in asked
import pullback.show
"""
    environment = {"PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stderr.strip().endswith('pullback.show draws with matplotlib: pip install "pullback[plot]"')


def canonical(requirement: str) -> str:
    """The name in a requirement, as the package index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=]", requirement)[0]).lower()


def test_everything_declared_is_used_and_everything_used_is_declared() -> None:
    declared = {canonical(text) for text in sum(DECLARED["optional-dependencies"].values(), DECLARED["dependencies"])}
    folders = ("src", "tools", "tests", "site", "docs")
    files = [path for folder in folders for path in (PROJECT / folder).rglob("*.py")]
    inside = ("pullback", "own", "own", "own")  # deep enough for any relative import
    codes = [path.read_text() for path in files]
    full = {name for code in codes for name in imported(code, inside) | named(code)}
    names = {name.partition(".")[0] for name in full}
    outside = [path for path in files if "pullback" not in path.parts]
    own = {"pullback", *(path.stem for path in outside), *(path.parent.name for path in outside)}
    used = {canonical(name) for name in names - own - sys.stdlib_module_names}
    indirect = {"yaml", "traitlets", "ipython", "dask", "psutil", "pygments", "pil"}  # of packages that are declared
    assert declared - BY_COMMAND <= used
    assert used - indirect <= declared


def test_what_is_imported_by_its_name_is_found() -> None:
    code = 'extensions = ["myst_nb", "sphinx.ext.mathjax"]\nhtml_theme = "furo"\nutil.find_spec("a-b")\nx = "pandas"'
    assert named(code) == {"myst_nb", "sphinx.ext.mathjax", "furo", "a-b"}


def test_the_library_alone_is_installed_by_default() -> None:
    assert {canonical(text) for text in DECLARED["dependencies"]} == set(OWN)
    assert not any("==" in text for text in DECLARED["dependencies"])
