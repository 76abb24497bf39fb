"""What the records of the rotated digits say, as tables; what has no record is "not measured"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..claims.statistics import interval
from .metrics import FLOORS, PLAIN, ZETAS
from .run import FOLDER, ITEMS, Item, line, read, verdicts

NOT_MEASURED = "not measured"
MEASURES = {"off_largest": "off the data, largest", "off_mean": "off the data, mean", "angle": "angle error (degrees)",
            "leaves": "leaves the circle by"}  # fmt: skip
LINES = {measure: f"{measure}, straight line" for measure in MEASURES}
RBF, DENSITY = [f"RBF, zeta {zeta:g}" for zeta in ZETAS], [f"density, floor {floor:g}" for floor in FLOORS]
KNOBS = {"RBF, zeta": dict(zip(ZETAS, RBF, strict=True)), "density, floor": dict(zip(FLOORS, DENSITY, strict=True))}
NEEDS = {  # what a reader must have, and the metrics that ask for no more
    "a decoder": ["deterministic", "Fisher-Rao"],
    "a decoder and the codes of its data": DENSITY,
    "a decoder, codes and their images": [*RBF, "process"],
    "a second network, which learns the deviation": ["Gaussian, expected", "Gaussian, Fisher-Rao"],
    "ten decoders": ["ensemble"],
    "a decoder to be trained with a penalty": ["flat", "isometric"],
}
METRICS = [name for names in NEEDS.values() for name in names]

Record = dict[str, Any]


def records(digits: int, items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The records of a number of digits that are there."""
    found = (read(item, folder) for item in items if item.digits == digits)
    return [record for record in found if record is not None]


def numbers_of_digits(items: Sequence[Item] = ITEMS) -> list[int]:
    return sorted({item.digits for item in items})


def counted(digits: int) -> str:
    return f"{digits} digit{'s' * (digits > 1)}"


def mean(measures: Record, name: str, agreed: Sequence[bool] | None = None) -> float:
    """The mean of a measure over pairs: those that are agreed, or those given; NaN for none."""
    used = np.array(measures["agreed"] if agreed is None else agreed)
    return float(np.array(measures[name])[used].mean()) if used.any() else float("nan")


def over_line(record: Record, name: str) -> float:
    """The mean `off_largest` of a metric's paths, of the straight line's between the same points."""
    own = record["metrics"][name]
    return mean(own, "off_largest") / mean(line(record, name), "off_largest", own["agreed"])


def with_interval(values: Sequence[float], digits: int = 2) -> str:
    """The mean of a number a seed, with its 95 % interval; seeds without a number are left out."""
    own = [value for value in values if not np.isnan(value)]
    if not own:
        return NOT_MEASURED
    found = interval(own)
    told = f"{np.mean(own):.{digits}f}"
    return f"{told} ({found[0]:.{digits}f} to {found[1]:.{digits}f})" if found else told


def measured(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> pd.DataFrame:
    """Rows: number of digits, and a path. Columns: seeds, share of pairs agreed, each of MEASURES as mean over seeds
    with its 95 % interval, and the verdict. Straight lines and ways round the circle are those of all pairs; other
    decoders than the plain one have their own."""
    columns = ["seeds", "pairs agreed (%)", *MEASURES.values(), "verdict"]
    judged, rows = verdicts(items, folder), {}
    for digits in numbers_of_digits(items):
        own = records(digits, items, folder)
        if not own:
            rows[counted(digits), "every path"] = dict.fromkeys(columns, "") | {"verdict": NOT_MEASURED}
            continue
        decoders = list(own[0]["straight"])
        paths = {
            known if decoder == PLAIN else f"{known}, {decoder}": [r["straight"][decoder][known] for r in own]
            for decoder in decoders
            for known in ("straight line", "circle")
        }
        paths |= {name: [r["metrics"][name] for r in own] for name in own[0]["metrics"]}
        for name, found in paths.items():
            told = {label: with_interval([mean(m, measure) for m in found]) for measure, label in MEASURES.items()}
            share = 100 * np.mean([np.mean(m["agreed"]) for m in found])
            word = judged.get(digits, {}).get(name, "" if name not in own[0]["metrics"] else NOT_MEASURED)
            rows[counted(digits), name] = {"seeds": str(len(own)), "pairs agreed (%)": f"{share:.0f}", **told,
                                           "verdict": word}  # fmt: skip
    index = pd.MultiIndex.from_tuples(rows, names=["on", "path"])
    return pd.DataFrame(rows.values(), index=index, columns=columns)


def by_seed(items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> pd.DataFrame:
    """One row a number of digits, path and seed: the means of all measures, of metrics over agreed pairs and beside
    them of the straight lines of the same decoder between the same points; and of the plain decoder's straight line."""
    rows = []
    for digits in numbers_of_digits(items):
        for record in records(digits, items, folder):
            paths = {"straight line": record["straight"][PLAIN]["straight line"], **record["metrics"]}
            for name in ("straight line", *METRICS):
                found = {measure: mean(paths[name], measure) for measure in MEASURES}
                if name in METRICS:
                    straight, agreed = line(record, name), paths[name]["agreed"]
                    found |= {told: mean(straight, measure, agreed) for measure, told in LINES.items()}
                rows.append({"on": counted(digits), "path": name, "seed": record["seed"], **found})
    return pd.DataFrame(rows, columns=["on", "path", "seed", *MEASURES, *LINES.values()])


def means(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Of `by_seed`, the means over seeds of each measure, by number of digits and path; what has none is left out."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (on, path), own in table.groupby(["on", "path"], sort=False):
        found.setdefault(str(on), {})[str(path)] = own[list(MEASURES)].mean().dropna().to_dict()
    return found


def knobs(digits: int = 1, items: Sequence[Item] = ITEMS, folder: Path = FOLDER) -> pd.DataFrame:
    """One row a knob, its value and seed: means over agreed pairs of `off_largest` and `leaves`, and those of the
    straight line on the same pairs."""
    rows = []
    for record in records(digits, items, folder):
        for knob, names in KNOBS.items():
            for value, name in names.items():
                own, straight = record["metrics"][name], line(record, name)
                row = {"knob": knob, "value": value, "seed": record["seed"]}
                for measure in ("off_largest", "leaves"):
                    row[measure] = mean(own, measure)
                    row[LINES[measure]] = mean(straight, measure, own["agreed"])
                rows.append(row)
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["knob", "value", "seed"])
