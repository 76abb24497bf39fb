"""Opens working copies of the notebooks in JupyterLab, which saves what it shows: the committed ones stay as they are.

The copies lie in notebooks/ of the folder `lab` under the build folder, beside links to the folders that the notebooks
refer to, so that every relative link in them resolves. Options are passed on to JupyterLab.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from pullback.study.paths import PROJECT, build_root, make_folder, write_atomically

LINKED = ("figures", "docs", "src", "results", "tests", "tools", "benchmarks", "weights", "README.md", "Makefile")


def digest(notebook: Path) -> str:
    """sha256 of what a reader can change in a notebook: its cells and their outputs. JupyterLab rewrites the rest."""
    content = notebook.read_bytes()
    try:
        cells = json.loads(content)["cells"]
        parts = [[c["cell_type"], "".join(c["source"]), c.get("outputs"), c.get("execution_count")] for c in cells]
    except (ValueError, KeyError, TypeError):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def refresh(originals: Path, copies: Path) -> list[str]:
    """Bring the working copies up to date; returns what the reader must be told.

    An original that has no copy is copied. A copy that nobody changed follows its original, even into its absence; one
    that was changed stays as it is. `origins.json` beside the folder of the copies has the digest of each original when
    it was copied.
    """
    memory = copies.parent / "origins.json"
    try:
        origins = json.loads(memory.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        origins = {}
    told = []
    make_folder(copies)
    names = {path.name for path in originals.glob("*.ipynb") if not path.stem.endswith(".failed")}
    for name in sorted(names | origins.keys()):
        original, copy, known = originals / name, copies / name, origins.get(name)
        current = digest(original) if name in names else None
        if not copy.exists() or (current != known and digest(copy) == known):
            origins.pop(name, None)
            if current is None:
                copy.unlink(missing_ok=True)
            else:
                write_atomically(copy, original.read_bytes())
                origins[name] = current
        elif current != known and digest(copy) != current:
            what = "has changed" if current else "is gone"
            told.append(f"{original} {what} since you copied it. Your copy, which you changed, is kept: {copy}. "
                        "Delete or rename it to get the new one")
        else:
            origins[name] = current
    write_atomically(memory, json.dumps(origins, indent=1).encode())
    return told


def link(project: Path, root: Path) -> None:
    """Make `root` show what the notebooks' relative links lead to. What else lies there stays."""
    make_folder(root)
    for name in LINKED:
        place = root / name
        if (project / name).exists() and not (place.is_symlink() and place.resolve() == (project / name).resolve()):
            if place.is_symlink():
                place.unlink()
            if not place.exists():
                place.symlink_to(project / name)


def prepare(project: Path, root: Path) -> list[str]:
    """Make the folder `root` that JupyterLab serves; returns what the reader must be told."""
    link(project, root)
    return refresh(project / "notebooks", root / "notebooks")


def main(options: list[str]) -> int:
    """Become JupyterLab; returns the exit status if that cannot be."""
    root = (build_root() / "lab").absolute()
    try:
        told = prepare(PROJECT, root)
    except OSError as error:
        print(f"error: the working copies cannot be made: {error}", file=sys.stderr)
        return 1
    for line in told:
        print(line)
    print(f"working copies of the notebooks: {root / 'notebooks'}", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    os.execv(sys.executable, [*command, "--LabApp.default_url=/lab/tree/notebooks", *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
