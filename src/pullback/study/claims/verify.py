"""`make verify`: is what was measured whole, do the claims follow from it, and does a run agree with the committed one?

Four checks of results/, or of another folder:

1. Every record of the sweep is there, whole, unedited, of the recipes of its seed and under its own name, and no other
   file is. Records of fresh seeds that are not there yet are counted.
2. The numbers of the records agree among themselves (`records.consistency`).
3. results/claims.json is what `verdicts.evaluate` gives from these records.
4. Of a run of one's own, each effect lies within its band of results/reference.json, which holds the mean of as many
   other seeds with a probability of 99 %. The committed records, of which the bands are, lie within them in any case.
   Explored and fresh seeds are compared each with their own.

A band that holds a part's threshold says nothing of the part's verdict. Every such part is named.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..paths import RESULTS
from ..profiles import Profile, get_profile
from ..records import consistency, reading
from ..records.items import fresh_items, items
from ..records.schema import Record
from . import reference, verdicts
from .tables import told_reason

SAME = 1e-12  # relative, or absolute below one: numbers of claims.json against those that the records give


def whole_sweep(results: Path, profile: Profile) -> tuple[list[Record], list[str]]:
    """The records of a profile's sweep among the results, and a line for each file that is missing, that is not what it
    should be, or that does not belong where it is. Fresh seeds may still be missing."""
    planned = [*items(profile), *fresh_items(profile)]
    wanted = {reading.folder(results, item) / f"{item.name(profile)}.json": item for item in planned}
    there = {path for name in reading.FOLDERS for path in (results / name).glob("*")}
    found, lines = [], []
    for path in sorted(wanted.keys() | there):
        try:
            if path not in wanted:
                lines.append(f"{path} is no record of the sweep: remove it")
            else:
                found.append(reading.read(path))
        except FileNotFoundError:
            if not wanted[path].fresh:
                lines.append(f"{path} is missing: `make seeds` makes it")
        except RecordError as error:
            lines.append(str(error))
    return found, lines


def disagreements(found: Any, wanted: Any, where: str = "claims") -> list[str]:
    """In what two lists of claims differ, numbers by more than SAME; one line a place."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = [*wanted, *(key for key in found if key not in wanted)]
        return [line for key in keys
                for line in disagreements(found.get(key, "nothing"), wanted.get(key, "nothing"), f"{where}, {key}")]
    if isinstance(wanted, list | tuple) and isinstance(found, list | tuple) and len(wanted) == len(found):
        names = [item["id"] if isinstance(item, dict) and "id" in item else i for i, item in enumerate(wanted)]
        return [line for name, a, b in zip(names, found, wanted, strict=True)
                for line in disagreements(a, b, f"{where}, {name}")]
    numbers = all(isinstance(value, float) for value in (found, wanted))
    if found == wanted or numbers and math.isclose(found, wanted, rel_tol=SAME, abs_tol=SAME):
        return []
    return [f"{where}: {found!r}, but the records give {wanted!r}"]


def outside_bands(found: Sequence[dict[str, Any]], claims: dict[str, Any]) -> list[str]:
    """What of a run lies outside the bands of a reference's claims: one line each for an effect or a missing part."""
    own, lines = {(r["id"], p["label"]): p for r in found for p in r["parts"]}, []
    for claim, of in claims.items():
        for label, part in of["parts"].items():
            got = own.get((claim, label))
            limits = reference.band(part, max(1, len(got["values"])) if got else 1)
            if limits is None:
                continue
            value = None if got is None else got["effect"]
            if value is None or not limits[0] <= value <= limits[1]:
                told = "missing" if value is None else f"{value:.4g}"
                lines.append(f"{claim}, {label}: {told}, band {limits[0]:.4g} to {limits[1]:.4g}")
    return lines


def changed_verdicts(found: Sequence[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    """The verdicts that are not the reference's, one line each. Of honest repetitions several are: an effect near its
    threshold, well within its band, can fall on either side."""
    of = {"explored": wanted["claims"], "fresh": wanted["fresh"]["claims"]}
    pairs = [(r, of[r["rests_on"]][r["id"]]["verdict"]) for r in found if r["id"] in of[r["rests_on"]]]
    return [f"{got['id']}: {got['verdict']}{told_reason(got)}; the reference is {verdict}"
            for got, verdict in pairs if got["verdict"] != verdict]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if all is well, 1 for numbers that do not agree or lie outside their bands, 2 for files that cannot
    be used."""
    parser = argparse.ArgumentParser(prog="python -m pullback.study.claims.verify", description="Check a run's claims.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of records/, fresh/ and claims.json")
    parser.add_argument("--reference", type=Path, default=RESULTS / "reference.json")
    chosen = parser.parse_args(arguments)
    path = chosen.results / "claims.json"
    profile = get_profile("paper")
    records, unfit = whole_sweep(chosen.results, profile)
    claims = _or_told(verdicts.read, path, unfit)
    bands = _or_told(reference.read, chosen.reference, unfit)
    if unfit:
        print("\n".join(f"error: {line}" for line in unfit), file=sys.stderr)
        return 2
    lines = consistency.faults(records)
    wanted = verdicts.evaluate(records)
    lines += [f"{path}: {line}" for line in disagreements(claims, wanted)]
    explored, fresh = verdicts.apart(records)
    notes = []
    for kind, own, of, judged in (("explored", explored, bands, verdicts.of_explored(explored)),
                                  ("fresh", fresh, bands["fresh"], verdicts.of_fresh(fresh))):  # fmt: skip
        if not of["claims"] or not own:
            continue
        compared = reference.weights(own) != of["records"]
        lines += outside_bands(judged, of["claims"]) if compared else []
        notes.append(f"note, {kind} seeds: " + (
            f"compared with the bands of {chosen.reference}" if compared
            else f"the bands of {chosen.reference} are of these records, and were not compared with them"
        ))  # fmt: skip
        notes += [f"note, a run within the bands can have another verdict: {line}"
                  for line in reference.hidden(of["claims"])]  # fmt: skip
    told = f"{len(records)} records are whole and agree among themselves, and {path} follows from them"
    print("\n".join(lines) or told)
    rest, planned = sum(claim["rests_on"] == "explored" for claim in wanted), len(fresh_items(profile))
    print(f"note: {len(fresh)} of {planned} records of fresh seeds are there; {rest} of {len(wanted)} "
          "claims have the verdict of explored seeds")
    for note in notes:
        print(note)
    for name, versions in reading.mixed_versions(records).items():
        print(f"note: the records were made with {name} {', '.join(versions)}")
    for line in changed_verdicts(wanted, bands):
        print(f"note, another verdict: {line}")
    return int(bool(lines))


def _or_told(read: Callable[[Path], Any], path: Path, unfit: list[str]) -> Any:
    """What a file holds; or nothing, and what is wrong with it among the unfit."""
    try:
        return read(path)
    except RecordError as error:
        unfit.append(str(error))
        return None


if __name__ == "__main__":
    sys.exit(main())
