"""results/reference.json: with what a run of one's own is compared, which replaces records and claims.

It holds the spread of each part over the seeds of the committed records, from which `make verify` makes a band for as
many seeds as the other run has, and which records it is of, because a run always lies within bands of its own. Explored
and fresh seeds have bands of their own; the fresh ones have them for the claims whose fresh seeds are all there.
`python -m pullback.study.claims.reference` makes it from the records.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..errors import RecordError
from ..paths import RESULTS, write_atomically
from ..provenance import SEAL, seal
from ..records import reading
from ..records.schema import Record
from .statistics import band_of
from .verdicts import VERDICTS, apart, complete, of_explored, of_fresh


def reference(records: Sequence[Record]) -> dict[str, Any]:
    """Of explored seeds, and of `fresh` ones: the records by name with the hashes of their weights; and for each claim
    its verdict and parts: number of seeds, mean and spread of their values, side, threshold and verdict."""
    explored, fresh = apart(records)
    settled = [c for c in of_fresh(fresh) if complete(c)]
    return {"records": weights(explored), "claims": _spreads(of_explored(explored)),
            "fresh": {"records": weights(fresh if settled else ()), "claims": _spreads(settled)}}  # fmt: skip


def _spreads(claims: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {c["id"]: {"verdict": c["verdict"], "parts": {p["label"]: _spread(p) for p in c["parts"]}} for c in claims}


def weights(records: Iterable[Record]) -> dict[str, str]:
    return {r.name: r.provenance.weights for r in sorted(records, key=lambda r: r.name)}


def _spread(part: dict[str, Any]) -> dict[str, Any]:
    values = list(part["values"].values())
    return {"seeds": len(values), "mean": fmean(values) if values else None,
            "spread": stdev(values) if len(values) > 1 else None,
            **{key: part[key] for key in ("side", "threshold", "opposite", "verdict")}}  # fmt: skip


def band(part: dict[str, Any], seeds: int) -> tuple[float, float] | None:
    """Of a part of the reference: where the mean of that many other seeds lies with a probability of 99 %."""
    return None if part["spread"] is None else band_of(part["mean"], part["spread"], part["seeds"], seeds)


def hidden(claims: dict[str, Any]) -> list[str]:
    """The parts of a reference's claims that have a verdict and whose band, for as many seeds, holds their threshold,
    one line each: a run within it can have another."""
    lines = []
    for claim, own in claims.items():
        for label, part in own["parts"].items():
            limits = band(part, part["seeds"])
            mirrored = -part["threshold"] if part["side"] == "within" else None
            bounds = [b for b in (part["threshold"], part["opposite"], mirrored) if b is not None]
            if part["verdict"] not in VERDICTS[:2] or limits is None:
                continue
            if inside := [b for b in bounds if limits[0] <= b <= limits[1]]:
                told = f"the band {limits[0]:.4g} to {limits[1]:.4g} holds its threshold {inside[0]:.4g}"
                lines.append(f"{claim}, {label}, {part['verdict']}: {told}")
    return lines


def write(found: dict[str, Any], path: Path) -> None:
    content = {SEAL: seal(found), **found}
    write_atomically(path, f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode())


def read(path: Path) -> dict[str, Any]:
    """What `write` has written. Raises RecordError, naming the file, if it is not there, is not whole or was edited."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sealed, found = content.pop(SEAL), {key: content[key] for key in ("records", "claims", "fresh")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is no reference: `git checkout` brings it back") from error
    if sealed != seal(found):
        raise RecordError(f"{path} was edited: its content does not match its {SEAL}")
    return found


if __name__ == "__main__":
    write(reference(reading.load_all(RESULTS)), RESULTS / "reference.json")
    sys.exit()
