"""Links: from files of the project to pages of the site, and, once it is built, none that leads nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

LINK = re.compile(r"(`+)(?:.|\n)+?\1|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
FETCHED = {("img", "src"), ("script", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class BrokenLink(ValueError):
    """A link of the project's own text that leads nowhere."""


def relink(text: str, file: str, target: Callable[[str], str | None]) -> str:
    """Markdown with the relative links of `file`, a path in the project, led elsewhere. `target` says where a path
    leads on the site, None if nowhere. What it returns takes the place of the link's address; a text that starts with <
    takes that of the whole link, with the link's words in place of {}. Links in code are left alone. Raises BrokenLink,
    naming file and link."""

    def replaced(match: re.Match[str]) -> str:
        code, image, words, address = match.groups()
        if code or ELSEWHERE.match(address) or address.startswith("#"):
            return match[0]
        path, _, anchor = address.partition("#")
        place = os.path.normpath(PurePosixPath(file).parent / path)
        found = target(place)
        if found is None:
            raise BrokenLink(f"{file}: the link to {address} leads nowhere")
        if found.startswith("<"):
            return found.format(words)
        return f"{image}[{words}]({found}{'#' + anchor if anchor else ''})"

    return LINK.sub(replaced, text)


class Page(HTMLParser):
    """What a page links to, what it fetches, and the names that links to it can use."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.names: set[str] = set()
        self._style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        for name, value in attrs:
            if name == "id" or (tag, name) == ("a", "name"):
                self.names.add(value or "")
            elif (tag, name) in FETCHED and ("rel", "canonical") not in attrs:
                self.fetched.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name == "style":
                self.fetched += addresses(value or "")

    def handle_data(self, data: str) -> None:
        if self._style:
            self.fetched += addresses(data)
            self._style = False


def addresses(style: str) -> list[str]:
    """What a style sheet fetches."""
    return [first or second for first, second in IN_STYLE.findall(style)]


def faults(folder: Path) -> list[str]:
    """What is wrong with the links of the HTML pages and style sheets in a folder, one line a fault: a file or an
    anchor that is not there, and anything that a page would fetch from elsewhere."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        here = path.relative_to(folder.resolve())
        found += [f"{here} fetches {a}" for a in page.fetched if ELSEWHERE.match(a) and not a.startswith("data:")]
        for address in [*page.links, *page.fetched]:
            if ELSEWHERE.match(address):
                continue
            place, _, anchor = address.partition("#")
            place = unquote(place.partition("?")[0])
            there = (path.parent / place).resolve() if place else path
            if not there.exists() or there.is_dir():
                found.append(f"{here} leads to {address}, which is not there")
            elif anchor and there in pages and unquote(anchor) not in pages[there].names and anchor != "top":
                found.append(f"{here} leads to {address}: the page has no such place")
    for path in sorted(folder.rglob("*.css")):
        here = path.relative_to(folder)
        for address in addresses(path.read_text(encoding="utf-8")):
            if ELSEWHERE.match(address) and not address.startswith("data:"):
                found.append(f"{here} fetches {address}")
            elif not ELSEWHERE.match(address) and not (path.parent / re.split("[?#]", address)[0]).exists():
                found.append(f"{here} fetches {address}, which is not there")
    return list(dict.fromkeys(found))
