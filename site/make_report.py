"""Typesets the results as a short paper: `make report` writes build/report.pdf, from report.typ and the data here."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import typst
import yaml

from pullback.study.models import HEALTHY_GANS, REPORT
from pullback.study.paths import PROJECT, build_root, make_folder, write_atomically
from pullback.study.profiles import PROFILES
from pullback.study.records import items
from pullback.study.records.quantities import BADLY_CONDITIONED
from results import MissingFigure, Study, with_interval

TEMPLATE = Path(__file__).with_name("report.typ")
REFERENCES = TEMPLATE.with_suffix(".bib")
KEPT = ("statement", "verdict")  # of a claim
OF_A_PART = ("effect", "interval", "threshold", "side", "verdict")


def figures() -> list[str]:
    """The figures that the template draws."""
    return re.findall(r'#drawn\("(\w+)"', TEMPLATE.read_text(encoding="utf-8"))


def data(study: Study) -> dict[str, Any]:
    """All that the template prints, from claims, sidecars and settings. Raises MissingFigure."""
    citation = yaml.safe_load((study.project / "CITATION.cff").read_text(encoding="utf-8"))
    sidecars = {name: study.sidecar(name) for name in figures()}
    paper = PROFILES["paper"]
    first = next(iter(sidecars.values()))
    sealed = json.loads((study.project / "results" / "claims.json").read_text(encoding="utf-8"))["sha256"]
    return {
        "title": citation["title"],
        "version": citation["version"],
        "authors": [author["name"] for author in citation["authors"]],
        "report": {"year": citation["references"][0]["year"]},
        "claims": {
            c["id"]: {key: c[key] for key in KEPT} | {
                "first": c["parts"][0]["label"],
                "parts": {p["label"]: _part(p) for p in c["parts"]},
            }
            for c in study.claims
        },
        "figures": {name: {"caption": s["caption"]} for name, s in sidecars.items()},
        "setup": {
            "models": len(REPORT) + len(HEALTHY_GANS), "seeds": items.SEEDS, "bad": round(BADLY_CONDITIONED),
            "epochs": paper.epochs, "batch": paper.batch_size, "images": items.whole(paper),
        },
        "seal": sealed[:12],
        "commit": first["git"]["commit"][:12],
        "versions": ", ".join(f"{name} {version}" for name, version in first["versions"].items()),
    }  # fmt: skip


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in OF_A_PART} | {"shown": with_interval(part)}


def stage(study: Study, folder: Path) -> Path:
    """Template, references, data and figures in a folder, for typst; returns the template's path there."""
    make_folder(folder / "figures")
    for path in (TEMPLATE, REFERENCES):
        shutil.copy(path, folder)
    (folder / "data.json").write_text(json.dumps(data(study), ensure_ascii=False, indent=1), encoding="utf-8")
    for name in figures():
        shutil.copy(study.project / "figures" / f"{name}.pdf", folder / "figures")
    return folder / TEMPLATE.name


def typeset(study: Study, folder: Path) -> bytes:
    """The paper as a PDF, staged in a folder. The same input gives the same bytes."""
    return typst.compile(stage(study, folder), root=folder, ignore_system_fonts=True, timestamp=0)


def main() -> int:
    to = build_root() / "report.pdf"
    try:
        pdf = typeset(Study(PROJECT), build_root() / "report")
    except (MissingFigure, typst.TypstError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_atomically(to, pdf)
    print(f"{to}: {len(pdf) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
