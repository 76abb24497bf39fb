"""Pictures of the site's pages at two widths, in light and in dark, and what a browser finds wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

WIDTHS = (360, 1400)
COMPUTING = 3000  # milliseconds until the explorer is pictured
BROWSER = shutil.which("chromium")
DARK = ("index", "scorecard", "gallery")  # pages that are pictured in dark as well


def take(site: Path, folder: Path) -> list[str]:
    """Pictures of every page of a built site into `folder`, PAGE-WIDTH.png and PAGE-WIDTH-dark.png; returns what is
    wrong, one line a fault: a page wider than its window, an error of a script, a file that cannot be loaded."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pages = [p for p in sorted(site.rglob("*.html")) if not {"_modules", "source"} & set(p.relative_to(site).parts)]
    found: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for path in pages:
            name = path.relative_to(site).with_suffix("").as_posix()
            for width in WIDTHS:
                picture = folder / f"{name.replace('/', '-')}-{width}.png"
                found += look(browser, path, width, "light", picture)
                if name in DARK:
                    found += look(browser, path, width, "dark", picture.with_stem(f"{picture.stem}-dark"))
        browser.close()
    return found


def look(browser: Browser, path: Path, width: int, scheme: str, picture: Path | None = None) -> list[str]:
    """What is wrong with a page in a window of that width, in "light" or "dark"; its picture goes to `picture`."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    name = f"{path.stem}, {width} pixels, {scheme}"
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"{name}: {error}"))
    page.on("requestfailed", lambda request: found.append(f"{name}: {request.url} cannot be loaded"))
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise.then(() => null)")
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"{name}: the page is {wide} pixels wide")
    if picture is not None:
        if page.evaluate("'pullbackExplorer' in globalThis"):
            page.wait_for_timeout(COMPUTING)
        page.screenshot(path=picture, full_page=True)
    page.close()
    return found
