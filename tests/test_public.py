"""What `import pullback` gives: the names that a user needs, each explained, and nothing of the study."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import pullback

LIBRARY = Path(pullback.__file__).parent
ALLOWED = {"torch", "numpy", "scipy"}  # beside the standard library
FOLDERS = [folder for folder in (LIBRARY, LIBRARY / "geometry", LIBRARY / "geodesics") if folder.is_dir()]


def test_names() -> None:
    wanted = (
        "geodesic shortest_path exponential logarithm invert jacobian pullback_metric singular_values log_det "
        "log_cond latent_map explore Explorer Manifold Embedded LatentSpace Curves Geodesics ShortestPaths "
        "Trajectories LatentMap ExpectedMetric rbf_deviation rbf_centres EnsembleMetric draws_energy DrawsEnergy "
        "BernoulliFisherRao GaussianFisherRao GaussianProcessMetric DensityMetric KernelDensity"
    )
    assert sorted(wanted.split()) == sorted(pullback.__all__)


@pytest.mark.parametrize("name", pullback.__all__)
def test_a_public_name_is_explained(name: str) -> None:
    found = getattr(pullback, name)
    own = found.__dict__.get("__doc__") if isinstance(found, type) else found.__doc__
    assert own and not own.startswith(f"{name}(")  # what a dataclass writes for itself explains nothing


def imports(path: Path) -> set[str]:
    """The modules that a file imports, with leading dots where they are relative."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {"." * node.level + (node.module or alias.name) for alias in node.names}
    return found


@pytest.mark.parametrize(
    "path", [p for p in LIBRARY.rglob("*.py") if "study" not in p.parts], ids=lambda p: str(p.relative_to(LIBRARY))
)
def test_the_library_needs_torch_numpy_and_scipy_and_nothing_of_the_study(path: Path) -> None:
    matplotlib = {"matplotlib"}  # and all others, each for an extra of its own
    extras = {"show.py": matplotlib, "marching.py": {"numba"}, "notebook.py": {"anywidget", *matplotlib}}
    allowed = ALLOWED | extras.get(path.name, set())
    outside = {name.split(".")[0] for name in imports(path) if not name.startswith(".")}
    assert outside - set(sys.stdlib_module_names) <= allowed
    assert not [name for name in imports(path) if "study" in name.split(".")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_a_folder_says_what_is_in_each_file(folder: Path) -> None:
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    inside = [p for p in folder.iterdir() if p.suffix == ".py" and p.stem != "__init__" or (p / "__init__.py").exists()]
    missing = [p.name for p in inside if p.name not in told]
    assert missing == []
