"""The short paper prints the study's numbers, and none that somebody typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import make_report
from pullback.study.paths import PROJECT
from results import MissingFigure, Study

STUDY = Study(PROJECT)
TEMPLATE = make_report.TEMPLATE.read_text(encoding="utf-8")


def test_its_data_are_the_claims_and_the_sidecars(tmp_path: Path) -> None:
    make_report.stage(STUDY, tmp_path)
    data = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    claims = json.loads((PROJECT / "results" / "claims.json").read_text(encoding="utf-8"))
    assert data["seal"] == claims["sha256"][:12]
    assert list(data["claims"]) == [c["id"] for c in claims["claims"]]
    for c in claims["claims"]:
        told = data["claims"][c["id"]]
        assert (told["statement"], told["verdict"]) == (c["statement"], c["verdict"])
        assert told["first"] == c["parts"][0]["label"]
        for p in c["parts"]:
            assert {key: told["parts"][p["label"]][key] for key in make_report.OF_A_PART} == {
                key: p[key] for key in make_report.OF_A_PART
            }
    for name, figure in data["figures"].items():
        assert figure["caption"] == json.loads((PROJECT / "figures" / f"{name}.json").read_text("utf-8"))["caption"]
        assert (tmp_path / "figures" / f"{name}.pdf").read_bytes() == (PROJECT / "figures" / f"{name}.pdf").read_bytes()


OPENED = {"(": ")", "{": "}", "[": "]"}


def closed(text: str, at: int) -> int:
    """The place after the bracket that closes the one at `at`; brackets in strings do not count."""
    waiting = [OPENED[text[at]]]
    while waiting:
        at += 1
        if text[at] == '"' and waiting[-1] != "]":
            at = text.index('"', at + 1)
        elif text[at] == waiting[-1]:
            waiting.pop()
        elif text[at] in OPENED:
            waiting.append(OPENED[text[at]])
    return at + 1


def prose(text: str) -> str:
    """A template's text without its code, but with the text inside of that."""
    found = ""
    while match := re.search(r"#(?:set |place\.)?[a-z][\w.]*|#(?=\{)", text):
        found, at = found + text[: match.start()], match.end()
        while at < len(text) and text[at] in OPENED:
            end = closed(text, at)
            inside = text[at:end]
            if inside[0] == "(":
                inside = " ".join(re.findall(r"\[([^\]]*)\]", inside))
            found += "" if inside[0:1] == "{" else f" {prose(inside)} "
            at = end
        text = text[at:]
    return found + text


def typed(template: str) -> list[str]:
    """Numbers that stand in the text of a template; a level of confidence, figures' and references' names aside."""
    return re.findall(r"\d[\d.,]*", re.sub(r"@\w+|95 %", "", prose(template.split("// The text.")[1])))


def test_no_number_in_its_prose_is_typed() -> None:
    assert typed(TEMPLATE) == []


@pytest.mark.parametrize("line", ["It is 7 % longer.", 'Of 42 #count("supported") hold.', '#v(1em, x: [1 seed])'])
def test_a_typed_number_is_found(line: str) -> None:
    assert typed(f"{TEMPLATE}\n\n{line}\n") != []


def test_it_is_set_the_same_every_time_and_follows_its_data(tmp_path: Path) -> None:
    first = make_report.typeset(STUDY, tmp_path / "a")
    assert first.startswith(b"%PDF-")
    assert make_report.typeset(STUDY, tmp_path / "b") == first
    pages = int(re.findall(rb"/Count (\d+)", first)[0])
    assert 3 <= pages <= 8
    other = Study(PROJECT)
    other.__dict__["claims"] = [dict(c, verdict="supported") for c in STUDY.claims]
    assert make_report.typeset(other, tmp_path / "c") != first


def test_a_missing_figure_is_named(tmp_path: Path) -> None:
    other = Study(PROJECT)
    other.__dict__["sidecars"] = {n: s for n, s in STUDY.sidecars.items() if n != make_report.figures()[0]}
    with pytest.raises(MissingFigure, match=make_report.figures()[0]):
        make_report.typeset(other, tmp_path)
