"""`make verify`: is what was measured whole, do the claims follow from it, and does a run agree with the committed one?

Four checks of results/, or of another folder:

1. Every record of the sweep is there, whole, unedited, of today's recipes and under its own name, and no other file is.
2. The numbers of the records agree among themselves (`records.consistency`).
3. results/claims.json is what `verdicts.evaluate` gives from these records.
4. Of a run of one's own, each effect lies within its band of results/reference.json, which holds the mean of as many
   other seeds with a probability of 99 %. The committed records, of which the bands are, lie within them in any case.

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
from ..records.items import SEEDS, items
from ..records.schema import Record
from . import reference, verdicts
from .tables import told_reason

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


def outside_bands(found: Sequence[dict[str, Any]], wanted: dict[str, Any]) -> list[str]:
    """What of a run lies outside the reference's bands: one line each for an effect or a missing part."""
    own, lines = {(r["id"], p["label"]): p for r in found for p in r["parts"]}, []
    for claim, of in wanted["claims"].items():
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
    pairs = [(r, wanted["claims"][r["id"]]["verdict"]) for r in found if r["id"] in wanted["claims"]]
    return [f"{got['id']}: {got['verdict']}{told_reason(got)}; the reference is {verdict}"
            for got, verdict in pairs if got["verdict"] != verdict]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 if all is well, 1 for numbers that do not agree or lie outside their bands, 2 for files that cannot
    be used."""
    parser = argparse.ArgumentParser(prog="python -m pullback.study.claims.verify", description="Check a run's claims.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of records/ and claims.json")
    parser.add_argument("--reference", type=Path, default=RESULTS / "reference.json")
    chosen = parser.parse_args(arguments)
    path = chosen.results / "claims.json"
    records, unfit = whole_sweep(chosen.results / "records", get_profile("paper"))
    claims = _or_told(verdicts.read, path, unfit)
    bands = _or_told(reference.read, chosen.reference, unfit)
    if unfit:
        print("\n".join(f"error: {line}" for line in unfit), file=sys.stderr)
        return 2
    lines = consistency.faults(records)
    lines += [f"{path}: {line}" for line in disagreements(claims, verdicts.evaluate(records))]
    own = reference.weights(records) == bands["records"]
    if not own:
        lines += outside_bands(claims, bands)
    told = f"{len(records)} records are whole and agree among themselves, and {path} follows from them"
    print("\n".join(lines) or told)
    print(f"note: the bands of {chosen.reference} are of these records, and were not compared with them" if own
          else f"note: compared with the bands of {chosen.reference}")  # fmt: skip
    for line in reference.hidden(bands, SEEDS):
        print(f"note, a run within the bands can have another verdict: {line}")
    for name, versions in reading.mixed_versions(records).items():
        print(f"note: the records were made with {name} {', '.join(versions)}")
    for line in changed_verdicts(claims, bands):
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
