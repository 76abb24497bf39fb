"""Builds the site: `make site`. Pages go to build/site, to be opened from there; no network is used.

results.py: claims, figures and notebooks of a checkout.
staging.py: the folder that Sphinx builds from; docs/ is its source.
gallery_page.py, claims_pages.py: the pages that are made from results.
links.py: links from files to pages, and the check of the built ones.
screens.py: pictures of every page at two widths, if there is a browser.
explorer/: the explorer, a page by itself.
make_report.py, report.typ: `make report`, the results as a short paper.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from pathlib import Path

from sphinx.cmd.build import build_main

import links
import screens
from explorer import build as explorer
from explorer import catalogue
from pullback.study.paths import PROJECT, build_root, make_folder
from staging import Staging

SITE = Path(__file__).parent
MATHJAX = "tex-svg.js"  # one file that needs no fonts beside it, so that formulas work from file://


class SiteFault(RuntimeError):
    """The site cannot be built; the message says why."""


def build(project: Path, out: Path, work: Path) -> None:
    """The site of a checkout `project` into the folder `out`, by way of `work`, which later builds start from. Raises
    SiteFault for a warning of Sphinx, a broken link or a missing figure."""
    source, html = work / "source", work / "html"
    shutil.rmtree(html, ignore_errors=True)
    make_folder(html)
    try:
        staging = Staging(project, source)
        staging.write_pages()
        staging.finish("explorer/explorer.html" if build_explorer(html / "explorer") else None)
    except ValueError as error:  # BrokenLink and MissingFigure among them
        raise SiteFault(str(error)) from error
    sphinx(source, html, work / "doctrees")
    shutil.copytree(project / "figures", html / "figures")
    copy_mathjax(html / "_static" / "mathjax")
    found = links.faults(html)
    if found:
        raise SiteFault("\n".join(found))
    shutil.rmtree(out, ignore_errors=True)
    make_folder(out.parent)
    shutil.copytree(html, out, ignore=shutil.ignore_patterns(".buildinfo*", "objects.inv", "_sources"))


def sphinx(source: Path, html: Path, doctrees: Path) -> None:
    """Sphinx's pages of a source into `html`. Raises SiteFault for any warning."""
    options = ["-q", "-W", "--keep-going", "-n", "-b", "html", "-d", str(doctrees)]
    if build_main([*options, str(source), str(html)]) != 0:
        raise SiteFault("Sphinx has warned: see above")


def copy_mathjax(folder: Path) -> None:
    """The one file of MathJax that the pages load, from the package that bundles it; its name is no identifier."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise SiteFault("the package sphinx-mathjax-offline is not installed: make environment")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(spec.origin).parent / "static" / "mathjax" / MATHJAX, folder)


def build_explorer(folder: Path) -> bool:
    """The explorer into a folder, if there are trained models; whether there were."""
    models, digits = catalogue.study_models()
    if models:
        explorer.build(folder, models, digits)
    return bool(models)


def main() -> int:
    start = time.perf_counter()
    out, work = build_root() / "site", build_root() / "site-work"
    try:
        build(PROJECT, out, work)
        pages = sorted(out.rglob("*.html"))
        print(f"{out / 'index.html'}: {len(pages)} pages, {size(out):.0f} MB, {time.perf_counter() - start:.0f} s")
        if screens.BROWSER is None:
            print("no pictures of the pages: there is no chromium")
            return 0
        found = screens.take(out, work / "screens")
        print("\n".join(found) or f"pictures of the pages: {work / 'screens'}")
        return bool(found)
    except SiteFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


def size(folder: Path) -> float:
    """Of all files in a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
