"""Numbers in prose are those of their sources, and a slip in any of them is noticed."""

from __future__ import annotations

import tomllib

import pytest

import prose
from pullback.study.paths import PROJECT

TABLE = tomllib.loads(prose.TABLE.read_text(encoding="utf-8"))
DOCUMENTS = sorted(path.relative_to(PROJECT).as_posix() for path in (PROJECT / "notebooks").glob("*.ipynb")
                   if ".failed" not in path.name)  # fmt: skip
SLIPS = [
    ("README.md", "16 are supported", "14 are supported"),
    ("README.md", "57 %", "75 %"),
    ("README.md", "(5.0 to 9.5 %)", "(5.0 to 9.6 %)"),
    ("notebooks/09_summary.ipynb", "16 are supported", "36 are supported"),
    ("notebooks/09_summary.ipynb", "22 claims", "21 claims"),
    ("notebooks/05_geodesics.ipynb", "at most 100 pairs", "at most 200 pairs"),
    ("docs/benchmarks.md", "16.0", "61.0"),
]


def own_faults(name: str, text: str) -> list[str]:
    pieces = TABLE[name]
    if "sealed" in pieces:
        return [] if prose.number_seal(text) == pieces["sealed"] else ["sealed"]
    return list(prose.faults(text, pieces))


@pytest.mark.parametrize("name", TABLE)
def test_every_number_is_what_its_source_says(name: str) -> None:
    assert own_faults(name, prose.prose(PROJECT / name)) == []


def test_the_readme_the_benchmarks_and_all_notebooks_are_listed() -> None:
    assert set(TABLE) == {"README.md", "docs/benchmarks.md", *DOCUMENTS}


@pytest.mark.parametrize(("name", "old", "new"), SLIPS)
def test_a_slip_is_noticed(name: str, old: str, new: str) -> None:
    text = prose.prose(PROJECT / name)
    assert old in text
    before = own_faults(name, text)
    assert len(own_faults(name, text.replace(old, new, 1))) > len(before)


@pytest.mark.parametrize("name", [name for name in TABLE if "sealed" not in TABLE[name]])
def test_every_single_number_is_guarded(name: str) -> None:
    """Whichever number in prose is changed, a fault is found that was not there."""
    pieces, text = TABLE[name], prose.prose(PROJECT / name)
    plain = [prose.TIE.sub(r"\1", p) for kind in prose.KINDS for p in pieces.get(kind, [])]
    for piece in plain:
        for match in prose.NUMBER.finditer(piece):
            at = text.index(piece) + match.end() - 1
            slip = text[:at] + str((int(text[at]) + 3) % 10) + text[at + 1 :]
            assert piece not in slip or text.count(piece) > 1, (piece, match[0])


def test_a_source_that_moves_is_noticed() -> None:
    pieces = {"tied": ["{7.3: 7.26} % and {Two: 3} more, {1,000: 1000}"]}
    text = "7.3 % and Two more, 1,000"
    assert list(prose.faults(text, pieces)) == ["'7.3 % and Two more, 1,000': Two should be Three, by 3"]
    pieces = {"tied": ["{7.3: 7.36} %"], "definitions": ["of 5 things"]}
    assert list(prose.faults("7.3 % of 5 things", pieces)) == ["'7.3 %': 7.3 should be 7.4, by 7.36"]
    assert list(prose.faults("of 5 things", {"tied": ["{1: nothing()}"], "definitions": ["of 5 things"]})) == [
        "not in the text any more: '1'"
    ]
    (fault,) = prose.faults("1", {"tied": ["{1: nothing()}"]})
    assert "nothing() has no value: NameError" in fault


def test_what_is_left_out_and_what_is_not() -> None:
    left_out = "`5`, $6$, [notebook 5](a7.md), Figures 1 to 5, Section 4.2, 128-32, in 2020, A-5, 15 x 15, the 99th"
    assert list(prose.faults(left_out, {})) == []
    found = [fault.split()[2] for fault in prose.faults("it is 0.5, or -3 % of 1,000; 9.", {})]
    assert found == ["0.5", "-3", "1,000", "9"]


def test_tables_are_read_with_their_spans() -> None:
    html = """<table><thead><tr><th></th><th></th><th>a</th><th>b</th></tr></thead><tbody>
      <tr><th rowspan="2">x</th><th>p</th><td>1</td><td>2</td></tr><tr><th>q</th><td>3</td><td>4</td></tr>
      </tbody></table>"""
    table = prose.Table(html)
    assert table.values("b", "x") == [2, 4] and table.values("a", "x", "q") == [3] and table.values("a", "x*") == [1, 3]
    with pytest.raises(KeyError, match="no number under 'a'"):
        table.values("a", "z")
    with pytest.raises(KeyError, match="0 columns"):
        table.values("c", "x")
