"""What the site and the report know of the study: claims, figures with their sidecars, and where a claim stands."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat

from pullback.study.claims import verdicts

VERDICTS = ("supported", "contradicted", "depends", "undecided")
SECTIONS = {  # of the report, those in which a claim stands
    "Abstract": "Abstract",
    "1.1": "1.1 Problem definition",
    "1.2": "1.2 Justification",
    "3.1": "3.1 Deep generative models",
    "3.3": "3.3 Jacobians",
    "4.1": "4.1 Variational autoencoders",
    "4.2": "4.2 GANs and DAEs",
    "5": "5 Conclusions",
    "Not in the report": "Not in the report",
}


class MissingFigure(ValueError):
    """A figure that a page names and that is not there."""


def sections(where: str) -> list[str]:
    """The keys of SECTIONS that a claim's `where` names: "Abstract; Sections 1.1, 3.3.2" gives Abstract, 1.1, 3.3."""
    numbers = [".".join(n.split(".")[:2]) for n in re.findall(r"\d+(?:\.\d+)*", where)]
    words = [name for name in ("Abstract", "Not in the report") if name in where]
    found = list(dict.fromkeys([*words, *numbers]))
    unknown = [name for name in found if name not in SECTIONS]
    if unknown or not found:
        raise ValueError(f"{where!r} names no section that the site knows: {unknown or 'none'}")
    return found


def number(value: float | None, digits: int = 3) -> str:
    """A number as the study prints it, with a true minus."""
    return "not measured" if value is None else f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def with_interval(part: dict[str, Any]) -> str:
    """An effect and its 95 % interval."""
    if part["interval"] is None:
        return number(part["effect"])
    low, high = part["interval"]
    return f"{number(part['effect'])} ({number(low)} to {number(high)})"


def threshold(part: dict[str, Any]) -> str:
    """What a part must reach."""
    sign = "\N{PLUS-MINUS SIGN}" if part["side"] == "within" else ""
    other = f" (contradicted beyond {number(part['opposite'])})" if part.get("opposite") is not None else ""
    return f"{part['side']} {sign}{number(part['threshold'])}{other}"


@dataclass(frozen=True)
class Study:
    """The results in a checkout of the project."""

    project: Path

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        return verdicts.read(self.project / "results" / "claims.json")

    @cached_property
    def sidecars(self) -> dict[str, dict[str, Any]]:
        """By figure, in the order of notebooks and cells. Raises MissingFigure where a picture lacks."""
        read = [json.loads(p.read_text(encoding="utf-8")) for p in (self.project / "figures").glob("*.json")]
        ordered = sorted(read, key=lambda s: (s["notebook"], s["cell"], s["figure"]))
        for s in ordered:
            for suffix in ("png", "pdf"):
                if not (self.project / "figures" / f"{s['figure']}.{suffix}").is_file():
                    raise MissingFigure(f"figures/{s['figure']}.{suffix} is not there, and its sidecar is")
        return {s["figure"]: s for s in ordered}

    def sidecar(self, figure: str) -> dict[str, Any]:
        """By the name of a figure or its path. Raises MissingFigure."""
        name = Path(figure).stem
        if name not in self.sidecars:
            raise MissingFigure(f"there is no figure {name}: figures/{name}.json is not there")
        return self.sidecars[name]

    def size(self, figure: str) -> tuple[int, int]:
        """Width and height of a figure's PNG in pixels."""
        head = (self.project / "figures" / f"{figure}.png").read_bytes()[16:24]
        width, height = struct.unpack(">II", head)
        return width, height

    @cached_property
    def notebooks(self) -> dict[str, nbformat.NotebookNode]:
        paths = sorted((self.project / "notebooks").glob("[0-9]*.ipynb"))
        return {p.stem: nbformat.read(p, as_version=4) for p in paths if ".failed" not in p.name}

    def title(self, notebook: str) -> str:
        return self.notebooks[notebook].cells[0].source.splitlines()[0].lstrip("# ")
