"""Says which numbers in prose are not what their source says: `tools/prose.py`.

docs/numbers.toml lists, document by document, the pieces of prose that hold numbers:

tied: `"longer by {7.3: 100 * effect('5-1')} %"`: a number as printed, and the expression that it must round to, at as
    many decimals as are printed. `SOURCES` below are what an expression can use.
definitions: settings, sizes and names, which no result can change.
read_off: what a person has read off a figure, or concluded; to be read again when the figure changes.

`sealed` in place of these is for a document of measurements made by hand: the hash of its numbers in order, printed by
`tools/prose.py --seal DOCUMENT`.

Each piece must stand in its document word by word, and each number of the document in one of its pieces. Numbers in
code, formulas and links, of sections, figures and notebooks, years, and names such as 128-32 are left out.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat

from pullback.study.beyond import tables
from pullback.study.paths import FIGURES, PROJECT, RESULTS
from pullback.study.profiles import PROFILES

TABLE = PROJECT / "docs" / "numbers.toml"
KINDS = ("tied", "definitions", "read_off")
TIE = re.compile(r"\{([^{}:]+): ([^{}]+)\}")
NUMBER = re.compile(r"(?<![\w.,-])-?\d+(?:,\d{3})*(?:[.,]\d+)?(?:e-?\d+)?")
WORDS = {
    word: i
    for i, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}
LEFT_OUT = [
    r"```.*?```", r"`[^`]*`", r"\[\d+\]\([^)]*\)", r"\$[^$]*\$", r"\]\([^)]*\)", r"<[^>]*>", r"https?://\S+",
    r"(?m)^#+ \d+\.", r"(?m)^\d+\. ", r"\b(?:1[89]|20)\d\d\b", r"\b\d+-\d+(?:-\w+)*\b", r"\b[A-Z]-\d\b",
    r"\b\d\.\d-\d(?: to \d)?\b", r"\b[Nn]otebooks? \d+(?: to \d)?", r"\[\d\]",
    r"\bFigures? \d(?: to \d)?(?:,? and \d)?", r"\bSections? [\d.]+\d", r"\b5-\d\b", r"95 % (?:interval|quantile)",
    r"\b\d+ x \d+\b", r"\b\d+(?:st|nd|rd|th)\b", r"\[0, 1\]",
]  # fmt: skip


class Table(HTMLParser):
    """The first table of an HTML text as rows of cells, each repeated where it spans several rows or columns."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[dict[int, str]] = []
        self.head, self._row, self._cell, self._in = 0, -1, (0, 0, 0), False
        self._spans: dict[tuple[int, int], str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._row += 1
            self.rows.append({c: text for (r, c), text in self._spans.items() if r == self._row})
        elif tag in ("td", "th"):
            found, row = dict(attrs), self.rows[-1]
            column = next(i for i in range(len(row) + 1) if i not in row)
            self._cell = (column, int(found.get("rowspan") or 1), int(found.get("colspan") or 1))
            self._in, row[column] = True, ""

    def handle_data(self, data: str) -> None:
        if self._in:
            self.rows[-1][self._cell[0]] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            column, down, across = self._cell
            for c in range(column, column + across):
                self.rows[-1][c] = self.rows[-1][column]
                self._spans |= {(self._row + r, c): self.rows[-1][column] for r in range(1, down)}
            self._in = False
        elif tag == "thead":
            self.head = len(self.rows)

    def values(self, column: str, *labels: str) -> list[float]:
        """The numbers of a column, by its heading, in the rows with all `labels`, a label with a final * by its
        beginning."""
        places = [c for c in self.rows[0] if any(row.get(c) == column for row in self.rows[: self.head])]
        if len(places) != 1:
            raise KeyError(f"{len(places)} columns are called {column!r}")
        rows = [row for row in self.rows[self.head :] if all(_among(label, row.values()) for label in labels)]
        found = [float(row[places[0]]) for row in rows if row[places[0]] not in ("", "NaN")]
        if not found:
            raise KeyError(f"no number under {column!r} in the rows with {labels}")
        return found


def _among(label: str, texts: Any) -> bool:
    return any(text.startswith(label[:-1]) if label.endswith("*") else text == label for text in texts)


@cache
def _cells(notebook: str) -> dict[str, Any]:
    read = nbformat.read(PROJECT / "notebooks" / f"{notebook}.ipynb", as_version=4)
    return {cell["id"]: cell for cell in read.cells}


def column(notebook: str, cell: str, name: str, *labels: str) -> list[float]:
    """Numbers of the table that a cell has put out: see `Table.values`."""
    outputs = [o["data"]["text/html"] for o in _cells(notebook)[cell].outputs if "text/html" in o.get("data", {})]
    return Table(outputs[0]).values(name, *labels)


def entry(notebook: str, cell: str, name: str, *labels: str) -> float:
    """The one number of a table in that column and row."""
    found = column(notebook, cell, name, *labels)
    if len(found) != 1:
        raise KeyError(f"{len(found)} rows of {notebook}, {cell} have {labels}")
    return found[0]


def printed(notebook: str, cell: str, pattern: str) -> float:
    """The first group of a regular expression in what a cell has printed or put out as text."""
    outputs = _cells(notebook)[cell].outputs
    text = "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)
    match = re.search(pattern, text)
    if match is None:
        raise KeyError(f"{pattern!r} is not in the output of {notebook}, {cell}")
    return float(match[1].replace(",", ""))


@cache
def _claims() -> dict[str, dict[str, Any]]:
    return {c["id"]: c for c in json.loads((RESULTS / "claims.json").read_text(encoding="utf-8"))["claims"]}


def _part(claim: str, part: str) -> dict[str, Any]:
    parts = _claims()[claim]["parts"]
    return parts[0] if not part else next(p for p in parts if p["label"] == part)


def effect(claim: str, part: str = "") -> float:
    """The effect of a claim's part, by its label; without one of the first part."""
    return _part(claim, part)["effect"]


def low(claim: str, part: str = "") -> float:
    return _part(claim, part)["interval"][0]


def high(claim: str, part: str = "") -> float:
    return _part(claim, part)["interval"][1]


def effects(claim: str) -> list[float]:
    return [p["effect"] for p in _claims()[claim]["parts"]]


def verdicts(name: str = "") -> int:
    """How many claims have a verdict, or how many claims there are."""
    return sum(c["verdict"] == name or not name for c in _claims().values())


def parts() -> int:
    return sum(len(c["parts"]) for c in _claims().values())


@cache
def figure(name: str) -> Any:
    """The numbers of a figure's sidecar."""
    return json.loads((FIGURES / f"{name}.json").read_text(encoding="utf-8"))["numbers"]


def seeds() -> list[list[int]]:
    """The seeds that count for each claim."""
    return [c["seeds"] for c in _claims().values()]


def ratios(*which: str) -> list[float]:
    """Median length of the straight line over the shortest path's, of the models whose names begin or end so."""
    models = figure("geodesic_ratios")["models"].items()
    return [n["ratio"]["q50"] for name, n in models if any(name.startswith(w) or name.endswith(w) for w in which)]


def solved(method: str) -> list[float]:
    """The shares of pairs that a solver of notebook 5 solves on the VAEs and on the DAEs."""
    return [figure("geodesic_solver_ratios")["families"][f"{family}, {method}"]["solved"] for family in ("VAE", "DAE")]


def orders(*which: str) -> list[float]:
    """Rank correlations of latent distance with geodesic length, of the models whose names begin or end so."""
    models = figure("latent_distance").items()
    return [c["value"] for name, c in models if any(name.startswith(w) or name.endswith(w) for w in which)]


def premise(which: str) -> list[float]:
    """Of the solvers for which notebook 6 answers yes on the models that work, the correlations of one kind with a pair
    not solved, to two digits."""
    cell = _cells("06_premise")["cell-47"]
    text = "".join(o.get("text", "") for o in cell.outputs).split("NOT CONVERGED")[0]
    found = [re.findall(rf"{which} (-?[\d.]+)", line) for line in text.splitlines() if ": yes:" in line]
    return [float(first) for first, *_ in found]


@cache
def _beyond() -> Any:
    found = tables.table()
    return found.groupby(["family", "data", "latent_dim"]).mean(numeric_only=True)


def beyond(quantity: str, family: str, dimension: int, data: str = "") -> list[float]:
    """Means over seeds of a quantity of notebook 8's models, on both data sets or on one."""
    found = _beyond()[quantity].xs((family, dimension), level=("family", "latent_dim"))
    return found[[data]].tolist() if data else found.tolist()


def up(value: float, decimals: int = 1) -> float:
    """The least number of so many decimals that is not below: for "within" and "up to"."""
    return math.ceil(round(value * 10**decimals, 6)) / 10**decimals


def furthest(end: str, quantity: str) -> float:
    """By how much notebook 4's lowest or highest values of the VAEs differ from the published ones, at most."""
    ours, published = (
        column("04_jacobian_maps", "cell-19", f"{who}: {end}", "VAE*", quantity) for who in ("ours", "published")
    )
    return max(abs(a - b) for a, b in zip(ours, published, strict=True))


def largest(quantity: str, family: str) -> float:
    """Over seeds and models of a family, the largest value of the sweep's maps, in the mapped box."""
    records = [json.loads(p.read_text(encoding="utf-8")) for p in (RESULTS / "records").glob(f"{family}-*.json")]
    return max(r["numbers"]["maps"][quantity]["q100"] for r in records if r["item"]["images"] == 60_000)


SOURCES = (effect, low, high, effects, verdicts, parts, seeds, figure, ratios, solved, premise, orders, column, entry,
           printed, largest, furthest, beyond, up, min, max, len, math.exp, math.log)  # fmt: skip
NAMES: dict[str, Any] = {source.__name__: source for source in SOURCES} | {"paper": PROFILES["paper"]}


def prose(path: Path) -> str:
    """The text of a document; of a notebook its markdown cells."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def as_printed(value: float, like: str) -> str:
    """A value rounded to as many decimals as the number `like`, a word if `like` is one."""
    if like.lower() in WORDS:
        names = {i: word for word, i in WORDS.items()}
        word = names.get(round(value), str(value))
        return word.capitalize() if like[0].isupper() else word
    decimals = len(like.partition(".")[2])
    text = f"{value:,.{decimals}f}" if "," in like else f"{value:.{decimals}f}"
    return text if float(text.replace(",", "")) else text.removeprefix("-")


def faults(text: str, pieces: dict[str, list[str]]) -> Iterator[str]:
    """What is wrong with the numbers of a text, one line a fault."""
    left = text
    for kind in pieces:
        if kind not in KINDS:
            yield f"unknown kind {kind!r}"
    for piece in sorted((p for kind in KINDS for p in pieces.get(kind, [])), key=len, reverse=True):
        plain = TIE.sub(r"\1", piece)
        if plain not in text:
            yield f"not in the text any more: {plain!r}"
            continue
        left = left.replace(plain, " ")
        for number, expression in TIE.findall(piece):
            try:
                wanted = as_printed(float(eval(expression, {"__builtins__": {}, **NAMES})), number)
            except Exception as error:  # whatever a source lacks, the reader of this line must know which
                yield f"{plain!r}: {expression} has no value: {type(error).__name__}: {error}"
                continue
            if wanted != number:
                yield f"{plain!r}: {number} should be {wanted}, by {expression}"
    for pattern in LEFT_OUT:
        left = re.sub(pattern, " ", left, flags=re.S)
    for match in NUMBER.finditer(left):
        around = " ".join(left[max(0, match.start() - 40) : match.end() + 30].split())
        yield f"not tied: {match[0]} in {around!r}"


def number_seal(text: str) -> str:
    """sha256 of all numbers of a text, in order."""
    return hashlib.sha256(json.dumps(NUMBER.findall(text)).encode()).hexdigest()


def check(table: Path = TABLE) -> Iterator[str]:
    """The faults of all documents that the table lists."""
    for name, pieces in tomllib.loads(table.read_text(encoding="utf-8")).items():
        if "sealed" in pieces:
            if number_seal(prose(PROJECT / name)) != pieces["sealed"]:
                yield f"{name}: a number is not the one that was measured; `tools/prose.py --seal {name}` if it is"
            continue
        for fault in faults(prose(PROJECT / name), pieces):
            yield f"{name}: {fault}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seal"]:
        print(number_seal(prose(PROJECT / sys.argv[2])))
        sys.exit()
    found = list(check())
    print("\n".join(found) or "every number in prose is what its source says")
    sys.exit(bool(found))
