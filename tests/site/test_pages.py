"""The site as a reader finds it: built once from this checkout, every link whole, every number that of its source."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import claims_pages
import links
import make_site
import pullback
import screens
from pullback.study.panels import rows as panels
from pullback.study.paths import PROJECT
from results import SECTIONS, MissingFigure, Study, number, sections, with_interval
from staging import Staging

STUDY = Study(PROJECT)
CLAIMS = STUDY.claims


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The built site; where tests run in several processes, one of them builds and the others wait."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "site"
    with open(folder.parent / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make_site.build(PROJECT, folder, folder.parent / "site-work")
    return folder


def text(site: Path, page: str) -> str:
    return (site / page).read_text(encoding="utf-8")


def words(html: str) -> str:
    """What a reader sees of it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


# ------------------------------------------------------------------------------------------------ the front page


def test_the_findings_are_the_readmes(site: Path) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    findings = readme.split("## Five findings\n")[1].split("\n## ")[0]
    shown = words(text(site, "index.html"))
    unlinked = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", findings)
    plain = re.sub(r"[*`]|(?m:^\d\. )", "", unlinked).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    for sentence in plain.split("\n"):
        if sentence.strip():
            assert " ".join(sentence.split()) in shown.replace(" ,", ",").replace(" .", ".")


def test_every_page_can_be_reached_from_the_front_page(site: Path) -> None:
    waiting, seen = [site / "index.html"], set()
    while waiting:
        path = waiting.pop()
        if path not in seen and path.suffix == ".html":
            seen.add(path)
            to = (address.partition("#")[0] for address in links.Page(path.read_text(encoding="utf-8")).links)
            waiting += [(path.parent / place).resolve() for place in to if place and not links.ELSEWHERE.match(place)]
    every, found = ({p.relative_to(site).as_posix() for p in pages} for pages in (site.rglob("*.html"), seen))
    assert every - found == {"search.html", "_modules/index.html"}  # a form leads to the first


# ------------------------------------------------------------------------------------------------ the scorecard


def rows(site: Path) -> dict[str, str]:
    html = text(site, "scorecard.html")
    return {m[1]: m[0] for m in re.finditer(r'<details class="claim" id="([^"]+)".*?</details>', html, re.S)}


def test_every_claim_is_a_row_with_its_verdict_criterion_and_numbers(site: Path) -> None:
    found = rows(site)
    assert list(found) == [c["id"] for c in CLAIMS]
    for c in CLAIMS:
        row, shown = found[c["id"]], words(found[c["id"]])
        assert f'data-verdict="{c["verdict"]}"' in row and f'data-sections="{"|".join(sections(c["where"]))}"' in row
        for told in (c["statement"], c["where"], c["measure"], c["criterion"], *(p["label"] for p in c["parts"])):
            assert " ".join(told.split()) in shown
        assert all(with_interval(p) in shown for p in c["parts"])
        assert row.count("<circle") == sum(len(p["values"]) for p in c["parts"])
        assert f'src="{c["figure"]}"' in row


def test_the_ten_panels_stand_at_the_head_of_the_scorecard(site: Path) -> None:
    head = words(text(site, "scorecard.html").split('<div class="claims">')[0])
    for row in panels.rows():
        assert f"{row.id} {row.panel} {row.ours} {row.nearest}" in head


@pytest.mark.parametrize("side", ["above", "below", "within"])
def test_dots_bar_threshold_and_shade_stand_on_one_scale(side: str) -> None:
    values = {"0": -0.4, "1": 0.1, "2": 0.35, "3": 0.2, "4": 0.0}
    part = {"values": values, "threshold": 0.25, "side": side, "interval": [-0.1, 0.3], "effect": 0.05,
            "verdict": "undecided", "label": ""}  # fmt: skip
    svg = claims_pages.dots(part)
    x = np.array([float(v) for v in re.findall(r'cx="([\d.]+)"', svg)])
    slope, origin = np.polyfit(list(values.values()), x, 1)
    assert slope > 0
    assert np.abs(slope * np.array(list(values.values())) + origin - x).max() < 0.1
    (bar,) = re.findall(r'class="interval" x1="([\d.]+)" x2="([\d.]+)"', svg)
    np.testing.assert_allclose([float(v) for v in bar], [slope * v + origin for v in part["interval"]], atol=0.1)
    bounds = [float(v) for v in re.findall(r'class="bound" x1="([\d.]+)"', svg)]
    expected = {"above": [0.25], "below": [0.25], "within": [-0.25, 0.25]}[side]
    np.testing.assert_allclose(bounds, [slope * v + origin for v in expected], atol=0.1)
    left, width = map(float, re.findall(r'class="side" x="([\d.]+)" y="0" width="([\d.]+)"', svg)[0])
    shaded = [left <= value <= left + width for value in x]
    assert shaded == [{"above": v > 0.25, "below": v < 0.25, "within": abs(v) < 0.25}[side] for v in values.values()]


def test_a_part_whose_numbers_are_all_alike_can_be_drawn() -> None:
    part = {"values": dict.fromkeys("01234", 0.0), "threshold": 0.0, "side": "below", "interval": [0.0, 0.0],
            "effect": 0.0, "verdict": "supported", "label": ""}  # fmt: skip
    assert "nan" not in claims_pages.dots(part)


def test_sections_are_read_from_words() -> None:
    assert sections("Abstract; Sections 1.1, 3.3.2") == ["Abstract", "1.1", "3.3"]
    assert sections("Asked by Section 1.2") == ["1.2"]
    assert sections("Not in the report") == ["Not in the report"]
    with pytest.raises(ValueError, match="names no section"):
        sections("Section 7.1")


def test_every_statement_stands_in_each_of_its_sections_with_its_verdict(site: Path) -> None:
    html = text(site, "statements.html")
    titles = [title for key, title in SECTIONS.items() if any(key in sections(c["where"]) for c in CLAIMS)]
    starts = [html.index(f"<h2>{title}") for title in titles]
    assert starts == sorted(starts)
    pieces = dict(zip(titles, (html[a:b] for a, b in zip(starts, [*starts[1:], len(html)], strict=True)), strict=True))
    for c in CLAIMS:
        inside = {SECTIONS[key] for key in sections(c["where"])}
        for title, piece in pieces.items():
            assert (f"scorecard.html#{c['id']}\"" in piece) == (title in inside)
    assert words(html).count("undecided") >= sum(c["verdict"] == "undecided" for c in CLAIMS)


# ------------------------------------------------------------------------------------------------ gallery, notebooks


def leaves(value: Any) -> Iterator[float]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from leaves(item)
    if isinstance(value, float):
        yield value


def test_every_figure_is_there_with_numbers_provenance_and_the_cell_that_saves_it(site: Path) -> None:
    html = text(site, "gallery.html")
    entries = {m[1]: m[0] for m in re.finditer(r'<figure class="entry" id="(\w+)">.*?</figure>', html, re.S)}
    assert list(entries) == list(STUDY.sidecars)
    for name, sidecar in STUDY.sidecars.items():
        entry, shown = entries[name], words(entries[name])
        assert sidecar["caption"] in shown and sidecar["git"]["commit"][:12] in shown
        if not any(len(v) > 20 for v in lists(sidecar["numbers"])):
            assert all(number(value, 4) in shown for value in leaves(sidecar["numbers"]))
        page, _, anchor = re.findall(r'href="(notebooks/[^"]+)"', entry)[0].partition("#")
        code = text(site, page).split(f'id="{anchor}"')[1]
        called = name.removesuffix("_beside")  # notebook 4's own function adds it
        assert f'"{called}"' in words(code[: code.index("</pre>")])


def lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from lists(item)


def test_drawing_code_is_linked_at_its_line(site: Path) -> None:
    entry = re.search(r'id="scorecard">.*?</figure>', text(site, "gallery.html"), re.S)
    assert entry is not None
    (page, line), *_ = re.findall(r'href="(source/[^"#]+)#L-(\d+)">plots.scorecard<', entry[0])
    source = text(site, page)
    assert words(source.split(f'id="L-{line}"')[1])[:60].partition("def scorecard")[1]


def test_no_notebook_was_run_and_all_of_their_pictures_are_there(site: Path) -> None:
    for name, notebook in STUDY.notebooks.items():
        pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
        found = re.findall(r'<img[^>]*src="\.\./_images/', text(site, f"notebooks/{name}.html"))
        assert len(found) == len(pictures)


def test_every_public_name_has_an_entry(site: Path) -> None:
    names = links.Page(text(site, "api.html")).names
    assert {f"pullback.{name}" for name in pullback.__all__} <= names
    assert {"pullback.show.figure", "pullback.show.film"} <= names
    solvers = re.findall(r"^\| `(\w+)` \|", (PROJECT / "docs" / "methods.md").read_text(encoding="utf-8"), re.M)
    shown = words(text(site, "api.html"))
    assert len(solvers) >= 8 and all(f" {solver} " in shown for solver in solvers)


# ------------------------------------------------------------------------------------------------ planted faults


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="gone.html">x</a>', "leads to gone.html, which is not there"),
        ('<a href="other.html#gone">x</a>', "the page has no such place"),
        ('<a href="#gone">x</a>', "the page has no such place"),
        ('<img src="gone.png">', "leads to gone.png, which is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "fetches //cdn.example/x.css"),
        ("<style>@import 'https://cdn.example/x.css'</style>", "fetches https://cdn.example/x.css"),
        ('<p style="background: url(https://cdn.example/x.png)">', "fetches https://cdn.example/x.png"),
    ],
)
def test_a_planted_broken_link_is_found_in_a_built_page(tmp_path: Path, html: str, fault: str) -> None:
    (tmp_path / "other.html").write_text('<p id="here">')
    page = tmp_path / "page.html"
    page.write_text('<a href="other.html#here">y</a><a href="https://example.org">z</a><a name="n" href="#n"></a>')
    assert links.faults(tmp_path) == []
    page.write_text(html)
    assert [line for line in links.faults(tmp_path) if fault in line]


@pytest.mark.parametrize(("address", "count"), [("'x.png'", 1), ("https://cdn.example/x.png", 1), ("data:x", 0)])
def test_style_sheets_are_looked_at(tmp_path: Path, address: str, count: int) -> None:
    (tmp_path / "site.css").write_text(f"p {{ background: url({address}) }}")
    assert len(links.faults(tmp_path)) == count


def test_links_are_led_to_pages_and_code_is_left_alone() -> None:
    places = {"docs/a.md": "a.md", "src/b.py": "<i>{}</i>"}
    before = "[x](../docs/a.md#h) [`y`](../src/b.py) `[z](gone.md)` ![p](http://e.org/p.png) [s](#t)"
    after = "[x](a.md#h) <i>`y`</i> `[z](gone.md)` ![p](http://e.org/p.png) [s](#t)"
    assert links.relink(before, "notebooks/n.ipynb", places.get) == after
    with pytest.raises(links.BrokenLink, match="n.ipynb: the link to gone.md leads nowhere"):
        links.relink("[z](gone.md)", "notebooks/n.ipynb", places.get)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This checkout by links to its files, so that its documents and figures can be spoilt."""
    folder = tmp_path / "checkout"
    for name in ("docs", "figures"):
        (folder / name).mkdir(parents=True)
    inside = [path.relative_to(PROJECT) for name in ("docs", "figures") for path in (PROJECT / name).iterdir()]
    whole = ("notebooks", "results", "src", "weights", "README.md", "CITATION.cff", "LICENSE")
    for path in (*inside, *whole):
        (folder / path).symlink_to(PROJECT / path)
    return folder


def test_a_broken_link_of_a_document_fails_the_build(checkout: Path, tmp_path: Path) -> None:
    (checkout / "docs" / "extra.md").write_text("# Extra\n\n[x](../src/gone.py)\n")
    with pytest.raises(make_site.SiteFault, match="docs/extra.md: the link to ../src/gone.py leads nowhere"):
        make_site.build(checkout, tmp_path / "out", tmp_path / "work")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("lost", ["scorecard.png", "scorecard.pdf", "premise_by_seed.json"])
def test_a_missing_figure_fails_the_build(checkout: Path, tmp_path: Path, lost: str) -> None:
    (checkout / "figures" / lost).unlink()
    with pytest.raises(make_site.SiteFault, match=Path(lost).stem):
        make_site.build(checkout, tmp_path / "out", tmp_path / "work")


def test_a_page_that_is_in_no_table_of_contents_fails_the_build(tmp_path: Path) -> None:
    """Sphinx's warnings are errors: tried on a small source of the same settings."""
    (tmp_path / "source" / "_static").mkdir(parents=True)
    (tmp_path / "source" / "conf.py").write_bytes((PROJECT / "docs" / "conf.py").read_bytes())
    (tmp_path / "source" / "index.md").write_text("# One\n")
    make_site.sphinx(tmp_path / "source", tmp_path / "html", tmp_path / "doctrees")
    (tmp_path / "source" / "two.md").write_text("# Two\n")
    with pytest.raises(make_site.SiteFault, match="Sphinx has warned"):
        make_site.sphinx(tmp_path / "source", tmp_path / "html", tmp_path / "doctrees")


def test_what_an_earlier_build_has_left_is_removed_and_what_is_alike_is_not_written_again(tmp_path: Path) -> None:
    staging = Staging(PROJECT, tmp_path)
    staging.write("kept.md", "x")
    (tmp_path / "old.md").write_text("y")
    (tmp_path / "kept.md").touch()
    before = (tmp_path / "kept.md").stat().st_mtime_ns
    staging.write("kept.md", "x")
    staging.finish(None)
    assert sorted(p.name for p in tmp_path.rglob("*.md")) == ["kept.md", "play.md"]
    assert (tmp_path / "kept.md").stat().st_mtime_ns == before


def test_a_figure_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingFigure, match="there is no figure gone"):
        STUDY.sidecar("figures/gone.png")


# ------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if screens.BROWSER is None:
        pytest.skip("no chromium: pages are not tried in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=screens.BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.parametrize("width", screens.WIDTHS)
def test_no_page_is_wider_than_its_window_or_has_an_error(site: Path, browser: Any, width: int) -> None:
    pages = ["index", "scorecard", "statements", "api", "methods", "notebooks/05_geodesics", "notebooks/09_summary"]
    assert [f for page in pages for f in screens.look(browser, site / f"{page}.html", width, "light")] == []


def test_the_scorecard_is_filtered_with_the_keyboard_alone(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "scorecard.html").as_uri())
    page.locator("#verdict").focus()
    page.keyboard.type("contra")
    shown = page.locator("details.claim:visible")
    wanted = [c["id"] for c in CLAIMS if c["verdict"] == "contradicted"]
    assert [row.get_attribute("id") for row in shown.all()] == wanted
    assert page.locator("#shown").inner_text() == f"{len(wanted)} of {len(CLAIMS)} claims"
    shown.first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert page.locator(f"[id='{wanted[0]}'] table").first.is_visible()
    page.close()


def test_a_link_to_a_claim_opens_it_and_without_scripts_all_claims_are_there(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{(site / 'scorecard.html').as_uri()}#{CLAIMS[-1]['id']}")
    assert page.locator("details.claim[open]").get_attribute("id") == CLAIMS[-1]["id"]
    page.close()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "scorecard.html").as_uri())
    assert page.locator("details.claim:visible").count() == len(CLAIMS)
    assert not page.locator("form.filter").is_visible()
    context.close()


def test_formulas_are_set_without_a_network(site: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((site / "notebooks" / "00_one_geodesic.html").as_uri())
    page.wait_for_selector("mjx-container svg", state="attached")
    formulas = re.findall(r'class="math ', text(site, "notebooks/00_one_geodesic.html"))
    assert page.locator("mjx-container").count() == len(formulas)
    page.close()


def test_the_pictures_taken_of_a_page_tell_what_is_wrong_with_it(tmp_path: Path, browser: Any) -> None:
    page = tmp_path / "page.html"
    page.write_text('<div style="width: 500px">x</div><img src="gone.png"><script>throw Error("planted")</script>')
    found = " ".join(screens.look(browser, page, 360, "light"))
    assert "508 pixels wide" in found and "planted" in found and "gone.png cannot be loaded" in found
