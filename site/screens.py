"""Pictures of the site's pages at two widths, in light and in dark, and what a browser finds wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

WIDTHS = (360, 1400)
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
                found += _picture(browser, path, folder / f"{name.replace('/', '-')}-{width}.png", width, "light")
                if name in DARK:
                    _picture(browser, path, folder / f"{name}-{width}-dark.png", width, "dark")
        browser.close()
    return found


def _picture(browser: Browser, path: Path, to: Path, width: int, scheme: str) -> list[str]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"{to.stem}: {error}"))
    page.on("requestfailed", lambda request: found.append(f"{to.stem}: {request.url} cannot be loaded"))
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_timeout(300)
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"{to.stem}: the page is {wide} pixels wide")
    page.screenshot(path=to, full_page=True)
    page.close()
    return found
