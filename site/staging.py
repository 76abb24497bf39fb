"""The folder that Sphinx builds from: docs/ and the notebooks with their links led to pages of the site, and the pages
that are made from results."""

from __future__ import annotations

import os
import re
from copy import deepcopy
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat.v4 import new_markdown_cell
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

import api_page
import claims_pages
import gallery_page
from links import relink
from results import Study

RENAMED = {"README.md": "index.md", "CITATION.cff": "cite.md"}  # files of the project that have a page of another name
MADE = {f"docs/{name}.md" for name in ("api", "cite", "gallery", "scorecard", "statements")}  # from results
PAGE = re.compile(r"docs/.*\.md|notebooks/.*\.ipynb")
LEFT_OUT = {"docs/gallery.md", "docs/conf.py"}  # the site makes a gallery of its own


class Staging:
    """Writes the pages of a checkout `project` into `folder`; files that would not change are left alone, so that a
    second build takes up only what is new."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.study = Study(project)
        self.kept: set[Path] = set()
        self.sources: set[str] = set()  # files of the project that are shown as they are

    def write_pages(self) -> None:
        """Everything but the door to the explorer."""
        for path in sorted((self.project / "docs").rglob("*")):
            file = path.relative_to(self.project).as_posix()
            if path.is_file() and file not in LEFT_OUT:
                to = path.relative_to(self.project / "docs").as_posix()
                if path.suffix == ".md":
                    self.write(to, self.relinked(path.read_text(encoding="utf-8"), file, to))
                else:
                    self.write(to, path.read_bytes())
        self.write("conf.py", (self.project / "docs" / "conf.py").read_bytes())
        self.write("included/findings.md", self.relinked(findings(self.project), "README.md", "index.md"))
        self.write("api.md", api_page.page())
        self.write("gallery.md", gallery_page.page(self.study))
        self.write("scorecard.md", claims_pages.scorecard(self.study))
        self.write("statements.md", claims_pages.statements(self.study))
        self.write("cite.md", cite(yaml.safe_load((self.project / "CITATION.cff").read_text(encoding="utf-8"))))
        for name, notebook in self.study.notebooks.items():
            staged = nbformat.writes(self.notebook(name, notebook))
            self.write(f"notebooks/{name}.ipynb", staged)
        self.sources |= {
            path for name in self.study.sidecars for _, path, _ in gallery_page.drawn_by(self.study, name)
        }
        for file in sorted(self.sources):
            self.write(f"source/{file}.md", source(self.project / file, file))

    def finish(self, explorer: str | None) -> None:
        """The door to the explorer at this address on the site, None if it is not built; and nothing of earlier builds
        is left."""
        self.write("included/play.md", play(explorer))
        for path in self.folder.rglob("*"):
            if path.is_file() and path not in self.kept:
                path.unlink()

    def write(self, file: str, content: str | bytes) -> None:
        path = self.folder / file
        self.kept.add(path)
        new = content.encode() if isinstance(content, str) else content
        if not path.is_file() or path.read_bytes() != new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(new)

    def relinked(self, text: str, file: str, to: str) -> str:
        """The text of a file of the project, with its links as they must be on the page that is written as `to`."""

        def target(place: str) -> str | None:
            path = self.project / place
            if place in {*RENAMED, *MADE} or PAGE.fullmatch(place) and path.is_file():
                return relative(RENAMED.get(place, place.removeprefix("docs/")), to)
            if place.startswith("figures/") and path.is_file():
                return f'<a href="{relative("gallery.html", to)}#{self.study.sidecar(place)["figure"]}">{{}}</a>'
            if place.startswith("docs/") and path.is_file():
                return relative(place.removeprefix("docs/"), to)
            if path.is_dir() and (path / "__init__.py").is_file():
                return target(f"{place}/__init__.py")
            if path.is_file():
                self.sources.add(place)
                return f'<a href="{relative(gallery_page.source_page(place), to)}">{{}}</a>'
            return None

        return relink(text, file, target)

    def notebook(self, name: str, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """A notebook with an anchor before each cell that was run, links that lead to pages of the site, and words for
        the pictures that have a caption."""
        captions = {s["cell"]: s["caption"] for s in self.study.sidecars.values() if s["notebook"] == name}
        file = to = f"notebooks/{name}.ipynb"
        staged = deepcopy(notebook)
        staged.cells = []
        for cell in deepcopy(notebook.cells):
            if cell.cell_type == "markdown":
                cell.source = self.relinked(cell.source, file, to)
            elif cell.cell_type == "code" and cell.execution_count:
                count = cell.execution_count
                anchor = new_markdown_cell(f'<span id="cell-{count}"></span>', id=f"anchor-{count}")
                staged.cells.append(anchor)
                if count in captions:
                    cell.metadata["mystnb"] = {"image": {"alt": captions[count].rstrip(".")}}
                for output in cell.outputs:
                    markdown = output.get("data", {}).get("text/markdown")
                    if markdown:
                        output["data"]["text/markdown"] = self.relinked("".join(markdown), file, to)
            staged.cells.append(cell)
        return staged


def relative(page: str, to: str) -> str:
    """The address of a page as seen from another."""
    return os.path.relpath(page, Path(to).parent.as_posix())


def source(path: Path, file: str) -> str:
    """A file of the project as a page, a name L-N at each line."""
    text = path.read_text(encoding="utf-8")
    try:
        lexer: Any = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = TextLexer()
    code = highlight(text, lexer, HtmlFormatter(cssclass="highlight", lineanchors="L"))
    return f"---\norphan: true\n---\n# `{file}`\n\n```{{raw}} html\n{code}\n```\n"


def findings(project: Path) -> str:
    """The README's section of findings, whose numbers tools/prose.py compares with the claims."""
    _, heading, rest = (project / "README.md").read_text(encoding="utf-8").partition("\n## Five findings\n")
    if not heading:
        raise ValueError("README.md has no section Five findings, which the front page shows")
    return rest.partition("\n## ")[0]


def play(explorer: str | None) -> str:
    """The third door: the explorer if it is built, otherwise what to do to have it."""
    if explorer is None:
        return "The explorer needs trained models, and this copy was built without any: `make figures` trains them.\n"
    return f"""Drag two points over the map of a trained model, and watch the geodesic and its images follow.

<a class="door" href="{escape(explorer)}">Open the explorer</a>
"""


def cite(citation: dict[str, Any]) -> str:
    """How to cite the project and the report, from CITATION.cff."""
    (report,) = citation["references"]
    (author,) = report["authors"]
    name = f"{author['family-names']}, {author['given-names']}"
    return f"""# How to cite

{citation["message"]} The same is in the file `CITATION.cff` of the project, which reference managers read.

## This software

{citation["authors"][0]["name"]}. *{citation["title"]}*. Version {citation["version"]}, {citation["license"]} licence.

```bibtex
@software{{pullback,
  title = {{{citation["title"]}}},
  author = {{{{{citation["authors"][0]["name"]}}}}},
  version = {{{citation["version"]}}},
}}
```

## The report

{author["family-names"]}, {author["given-names"]} ({report["year"]}). *{report["title"]}*.
{report["institution"]["name"]}, {report["department"]}.

```bibtex
@techreport{{ramirez{report["year"]},
  title = {{{report["title"]}}},
  author = {{{name}}},
  institution = {{{report["institution"]["name"]}}},
  year = {{{report["year"]}}},
}}
```
"""
