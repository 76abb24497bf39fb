"""Writes docs/gallery.md from the sidecars of the committed figures: `tools/gallery.py`, after `make figures`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat

from pullback.study.paths import FIGURES, PROJECT, write_atomically

GALLERY = PROJECT / "docs" / "gallery.md"
HEAD = """# The gallery

Every figure of the study, by the notebook that draws it. Each has a PDF, and a sidecar with its numbers, settings and
provenance. This page is made from the sidecars by `tools/gallery.py`.
"""


def page(folder: Path = FIGURES) -> str:
    """The gallery of the figures in a folder: notebooks in order, figures in the order of their cells."""
    sidecars = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    notebooks: dict[str, list[dict[str, Any]]] = {}
    for sidecar in sorted(sidecars, key=lambda s: (s["notebook"], s["cell"], s["figure"])):
        notebooks.setdefault(sidecar["notebook"], []).append(sidecar)
    return HEAD + "".join(_section(name, figures) for name, figures in notebooks.items())


def _section(notebook: str, sidecars: list[dict[str, Any]]) -> str:
    lines = [f"\n## [{_title(notebook)}](../notebooks/{notebook}.ipynb)\n"]
    for s in sidecars:
        name, caption = s["figure"], s["caption"]
        links = f"[PDF](../figures/{name}.pdf), [numbers](../figures/{name}.json)"
        alternative = s.get("alt", caption).rstrip(".").replace("[", "(").replace("]", ")")
        lines.append(f"\n![{alternative}](../figures/{name}.png)\n\n**`{name}`** {caption} {links}\n")
    return "".join(lines)


def _title(notebook: str) -> str:
    """The first heading of a notebook; its name, if the notebook is not there."""
    path = PROJECT / "notebooks" / f"{notebook}.ipynb"
    if not path.is_file():
        return notebook
    return nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].lstrip("# ")


if __name__ == "__main__":
    write_atomically(GALLERY, page().encode())
    print(f"{GALLERY}: {page().count('![')} figures")
    sys.exit(0)
