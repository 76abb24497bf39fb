"""`make verify`: is what was measured whole, do the claims follow from it, and does a run agree with the committed one?

Three checks of results/, or of another folder:

1. Every record of the sweep is there, whole, unedited and under its own name, and no other file is.
2. results/claims.json is what `verdicts.evaluate` gives from these records.
3. Each effect lies within its band in results/reference.json. The reference is the committed run's claims.json, kept
   beside it so that a run of one's own, which replaces records and claims, has something to be compared with. A band
   holds the mean of as many other seeds with a probability of 99 %.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RecordError
from ..paths import RESULTS
from ..profiles import Profile, get_profile
from ..records import reading
from ..records.items import items
from ..records.schema import Record
from .tables import told_reason
from .verdicts import evaluate, read

SAME = 1e-12  # relative, or absolute below one: numbers of claims.json against those that the records give


def whole_sweep(folder: Path, profile: Profile) -> tuple[list[Record], list[str]]:
    """The records of a profile's sweep in a folder, and a line for each file that is missing, that is not what it
    should be, or that does not belong there."""
    wanted = {f"{item.name(profile)}.json" for item in items(profile)}
    found, lines = [], []
    for path in sorted({folder / name for name in wanted} | set(folder.glob("*"))):
        try:
            if path.name not in wanted:
                lines.append(f"{path} is no record of the sweep: remove it")
            else:
                found.append(reading.read(path))
        except FileNotFoundError:
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


def outside_bands(found: Sequence[dict[str, Any]], reference: Sequence[dict[str, Any]]) -> list[str]:
    """What of a run lies outside the reference's bands: one line each for an effect or a missing claim. The bands are
    for runs of as many seeds; the mean of fewer scatters more."""
    own, lines = {r["id"]: r for r in found}, []
    for wanted in reference:
        got = own.get(wanted["id"])
        if got is None:
            lines.append(f"{wanted['id']}: missing")
            continue
        parts = {p["label"]: p for p in got["parts"]}
        for p in wanted["parts"]:
            value = parts.get(p["label"], {}).get("effect")
            if p["band"] is not None and (value is None or not p["band"][0] <= value <= p["band"][1]):
                told = "missing" if value is None else f"{value:.4g}"
                lines.append(f"{wanted['id']}, {p['label']}: {told}, band {p['band'][0]:.4g} to {p['band'][1]:.4g}")
    return lines


def changed_verdicts(found: Sequence[dict[str, Any]], reference: Sequence[dict[str, Any]]) -> list[str]:
    """The verdicts that are not the reference's, one line each. Of honest repetitions several are: an effect near its
    threshold, well within its band, can fall on either side."""
    own = {r["id"]: r for r in found}
    pairs = [(own[wanted["id"]], wanted) for wanted in reference if wanted["id"] in own]
    return [f"{got['id']}: {got['verdict']}{told_reason(got)}; the reference is {wanted['verdict']}"
            for got, wanted in pairs if got["verdict"] != wanted["verdict"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if all is well, 1 for a claim outside its bands or not what the records give, 2 for records or a
    list of claims that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m pullback.study.claims.verify", description="Check a run's claims.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of records/ and claims.json")
    parser.add_argument("--reference", type=Path, default=RESULTS / "reference.json")
    chosen = parser.parse_args(arguments)
    path = chosen.results / "claims.json"
    records, unfit = whole_sweep(chosen.results / "records", get_profile("paper"))
    lists = {}
    for file in (path, chosen.reference):
        try:
            lists[file] = read(file)
        except RecordError as error:
            unfit.append(str(error))
    if unfit:
        print("\n".join(f"error: {line}" for line in unfit), file=sys.stderr)
        return 2
    found, reference = lists[path], lists[chosen.reference]
    lines = [f"{path}: {line}" for line in disagreements(found, evaluate(records))]
    lines += outside_bands(found, reference)
    told = f"{len(records)} records are whole, {path} follows from them, and all {len(reference)} claims lie within "
    print("\n".join(lines) or f"{told}the bands of {chosen.reference}")
    for name, versions in reading.mixed_versions(records).items():
        print(f"note: the records were made with {name} {', '.join(versions)}")
    for line in changed_verdicts(found, reference):
        print(f"note, another verdict: {line}")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
