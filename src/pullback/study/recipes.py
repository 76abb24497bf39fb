"""The recipes behind cached results, and the guard that notices when a recipe's code changes.

A cached result's key holds the version of its recipe, never the code. Whoever changes the code decides whether results
may change, and a test asks for that decision: it compares a digest of each recipe's files with the one pinned here.

- Results may differ: raise the version (the constant RECIPE beside the code) and pin the new digest.
- Results cannot differ: pin the new digest alone.

`python -m pullback.study.recipes` prints the digests to pin.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from pathlib import Path
from typing import NamedTuple

from . import latent_points, training
from .away import HELD_OUT, MNIST, kept
from .beyond import RECIPE as BEYOND
from .records import measurement
from .rings import RECIPE as RINGS
from .solvers import runs

PACKAGE = Path(__file__).parents[1]


class Recipe(NamedTuple):
    """A recipe's version, the files behind it (patterns within the package), and the pinned digest of their code."""

    version: int
    files: tuple[str, ...]
    pinned: str


RECIPES = {
    "training": Recipe(training.RECIPE, ("study/training.py", "study/models/*.py"), "bc0d022b261f967e"),
    "measuring": Recipe(
        measurement.RECIPE,
        ("geometry/*.py", "geodesics/*.py", "study/solvers/premise.py", "study/solvers/runs.py",
         "study/records/measurement.py", "study/records/quantities.py", "study/records/interpolation.py"),
        "fb4246a23f13484f",
    ),
    "solving": Recipe(
        runs.RECIPE, ("geometry/*.py", "geodesics/*.py", "study/solvers/runs.py", "study/knots.py"), "d8114d2656d57681"
    ),
    "bounding": Recipe(
        runs.BOUNDING, ("geometry/*.py", "geodesics/certificate.py", "geodesics/charts.py", "geodesics/marching.py",
                        "geodesics/subsolutions.py", "study/solvers/runs.py"), "454ef053786faedd",
    ),
    "points": Recipe(latent_points.RECIPE, ("study/latent_points.py", "geometry/inversion.py"), "5ed3f3a9514e576a"),
    "fitting": Recipe(
        kept.RECIPE, ("study/away/kept.py", "study/away/processes.py", "study/away/variance.py",
                      "geometry/stochastic.py"), "1f54b1a6cae28cf8",
    ),
    "held out": Recipe(
        HELD_OUT, ("study/away/held_out.py", "study/models/flat.py", "geometry/metric.py"), "a0e0cfef02b768d3"
    ),
    "away": Recipe(
        MNIST, ("geometry/*.py", "geodesics/*.py", "study/models/*.py", "study/records/interpolation.py",
                "study/away/between.py", "study/away/draws.py", "study/away/judging.py", "study/away/knobs.py",
                "study/away/processes.py", "study/away/run.py", "study/away/systems.py", "study/away/uses.py",
                "study/away/variance.py"), "7f8c755143953f0f",
    ),
    "rings": Recipe(
        RINGS, ("geometry/*.py", "geodesics/*.py", "study/models/*.py", "study/away/processes.py",
                "study/rings/digits.py", "study/rings/decoders.py", "study/rings/metrics.py",
                "study/rings/judgement.py", "study/rings/run.py"), "e11accaf95685007",
    ),
    "beyond": Recipe(
        BEYOND, ("geometry/*.py", "geodesics/*.py", "study/beyond/codes.py", "study/beyond/pairs.py",
                 "study/beyond/items.py", "study/beyond/run.py"), "0f1917cc47caddb1",
    ),
}  # fmt: skip


def digest(recipe: Recipe, package: Path = PACKAGE) -> str:
    """Sixteen hexadecimal digits of the code of the recipe's files, and of their names; the same under any Python.

    Raises FileNotFoundError for a pattern that no file matches.
    """
    found = hashlib.sha256()
    for pattern in recipe.files:
        paths = sorted(package.glob(pattern))
        if not paths:
            raise FileNotFoundError(f"no file of {package} matches {pattern}")
        for path in paths:
            found.update(f"{path.relative_to(package).as_posix()}\n{code(path.read_text(encoding='utf-8'))}".encode())
    return found.hexdigest()[:16]


def code(source: str) -> str:
    """A module's text without comments, docstrings, blank lines and space at the ends of lines."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno or node.body[0].lineno
            lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def stale() -> dict[str, str]:
    """The recipes whose code is not what was pinned, each with what to do about it."""
    return {
        name: f"the code behind the recipe {name!r} ({', '.join(recipe.files)}) has changed. If results may differ, "
        f"raise its version, which is {recipe.version}; if they cannot, leave the version. Then pin the new digest, "
        f"{found!r}, in {Path(__file__).name}"
        for name, recipe in RECIPES.items()
        if (found := digest(recipe)) != recipe.pinned
    }


if __name__ == "__main__":
    for name, recipe in RECIPES.items():
        print(f"{name}: version {recipe.version}, digest {digest(recipe)!r}, pinned {recipe.pinned!r}")
