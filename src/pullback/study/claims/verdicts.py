"""From the records of several seeds to verdicts: the scorecard of the report's claims.

A part of a claim is one number a seed, in which pairs and models are already averaged: the seed is the sampling unit.
Its interval is Student's 95 % interval of the mean over seeds, because with five of them a percentile bootstrap is far
too narrow (it covers about 84 %; tests/test_scorecard.py). Below SEEDS seeds there is no verdict.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd
from scipy.stats import t as student

from ..errors import RecordError
from ..paths import RESULTS, write_atomically
from .catalogue import CLAIMS, Claim, Part, Seed

SEEDS = 5
VERDICTS = ("supported", "contradicted", "undecided")  # of a part; a claim may also depend
LEVEL, BAND_LEVEL = 0.95, 0.99
FLOOR = 0.02  # least half-width of a band, relative to the effect or absolute: machines differ in their last bits, and
# training amplifies them into other draws, so a spread of zero over seeds says nothing of another machine


def load_records(folder: Path) -> list[dict[str, Any]]:
    """All records in a folder, none if there is no folder. Raises RecordError, naming the file, for one that is not
    whole or that other code or versions made than the first."""
    records: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            complete = {"model", "seed", "images"} <= record["item"].keys() and "maps" in record["numbers"]
        except (ValueError, KeyError, TypeError, AttributeError):
            complete = False
        if not complete:
            raise RecordError(f"{path} is not a whole record: delete it and run `make seeds` again")
        if records and (differing := _differences(records[0], record)):
            raise RecordError(f"{path} was made with another {', '.join(differing)} than the records before it; "
                              "`make seeds` makes what is out of date again")
        records.append(record)
    return records


def _differences(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """In what the origins of two records differ, time and weights aside."""
    origins = [r.get("provenance", {}) for r in (first, other)]
    return [k for k in origins[0] if k not in ("seconds", "weights") and origins[0][k] != origins[1].get(k)]


def by_seed(records: Sequence[dict[str, Any]]) -> dict[int, Seed]:
    """The records of each seed, in order."""
    numbers: dict[int, dict[tuple[str, int], Any]] = {}
    for r in records:
        numbers.setdefault(r["item"]["seed"], {})[r["item"]["model"], r["item"]["images"]] = r["numbers"]
    return {seed: Seed(numbers[seed]) for seed in sorted(numbers)}


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def band(values: Sequence[float]) -> tuple[float, float] | None:
    """Where the mean of as many other seeds lies with a probability of 99 %: Student's prediction interval."""
    if len(values) < 2:
        return None
    n, mean = len(values), fmean(values)
    half = float(student.ppf((1 + BAND_LEVEL) / 2, n - 1)) * stdev(values) * math.sqrt(2 / n)
    half = max(half, FLOOR * max(1.0, abs(mean)))
    return mean - half, mean + half


def judge(part: Part, values: Sequence[float]) -> str:
    """supported, contradicted or undecided, by where the interval lies; "n of 5 seeds" if those are too few."""
    found = interval(values)
    if len(values) < SEEDS or found is None:
        return f"{len(values)} of {SEEDS} seeds"
    low, high = found
    if part.side == "within":
        inside = -part.threshold < low and high < part.threshold
        outside = high < -part.threshold or low > part.threshold
        return "supported" if inside else "contradicted" if outside else "undecided"
    if part.side == "below":
        low, high = -high, -low
    threshold = -part.threshold if part.side == "below" else part.threshold
    return "supported" if low > threshold else "contradicted" if high < threshold else "undecided"


def evaluate(records: Sequence[dict[str, Any]], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Each claim with its verdict, as results/claims.json has it. The effect, interval, band and values are those of
    the claim's first part; `seeds` are the seeds that count for all parts."""
    seeds = by_seed(records)
    return [_evaluate(claim, seeds) for claim in claims]


def _evaluate(claim: Claim, seeds: dict[int, Seed]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in claim.parts:
        values: dict[int, float] = {}
        for seed, s in seeds.items():
            try:
                value = part.effect(s)
            except KeyError:  # a record that this part needs is not there
                continue
            if math.isfinite(value):
                values[seed] = value
        listed = list(values.values())
        parts.append({
            "label": part.label, "side": part.side, "threshold": part.threshold,
            "effect": fmean(listed) if listed else None, "interval": interval(listed), "band": band(listed),
            "verdict": judge(part, listed), "values": {str(seed): value for seed, value in values.items()},
        })  # fmt: skip
    verdict, reason = _verdict(parts)
    used = set.intersection(*({int(seed) for seed in p["values"]} for p in parts))
    return {
        "id": claim.id, "statement": claim.statement, "where": claim.where, "measure": claim.measure,
        "criterion": claim.criterion, "verdict": verdict, "reason": reason,
        "effect": parts[0]["effect"], "interval": parts[0]["interval"], "band": parts[0]["band"],
        "seeds": sorted(used), "figure": f"figures/{claim.figure}.png", "parts": parts,
    }  # fmt: skip


def _verdict(parts: Sequence[dict[str, Any]]) -> tuple[str, str]:
    labels = {verdict: [p["label"] for p in parts if p["verdict"] == verdict] for verdict in VERDICTS}
    fewest = min(len(p["values"]) for p in parts)
    if fewest < SEEDS:
        return "undecided", f"{fewest} of {SEEDS} seeds"
    if labels["supported"] and labels["contradicted"]:
        parts_of = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in labels.items() if names)
        return "depends", parts_of
    if labels["undecided"]:
        return "undecided", f"the interval holds the threshold: {', '.join(labels['undecided'])}"
    return ("supported" if labels["supported"] else "contradicted"), ""


def write(results: Sequence[dict[str, Any]], path: Path) -> None:
    """results/claims.json, or a reference of it."""
    text = json.dumps({"claims": results}, indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode())


def read(path: Path) -> list[dict[str, Any]]:
    """The claims of a file that `write` has written. Raises RecordError if it is not there or is not one."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["claims"])
    except FileNotFoundError as error:
        raise RecordError(f"there is no {path}: `make seeds` makes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is not a list of claims: delete it and run `make seeds` again") from error


def table(results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a claim: statement, section, verdict, and the headline's effect with its interval."""
    return pd.DataFrame({
        r["id"]: {
            "statement": r["statement"],
            "where": r["where"],
            "verdict": f"{r['verdict']}{_short(r)}",
            "effect (95 % interval)": _number(r),
        }
        for r in results
    }).T


def markdown(results: Sequence[dict[str, Any]], root: str = "..") -> str:
    """The scorecard as a markdown table in which each verdict leads to the figure that shows it."""
    lines = ["| | Statement | Where | Verdict | Headline: effect (95 % interval) |", "|---|---|---|---|---|"]
    for r in results:
        verdict = f"[{r['verdict']}]({root}/{r['figure']}){_short(r)}"
        headline = f"{r['parts'][0]['label']}: {_number(r)}"
        lines.append(f"| {r['id']} | {r['statement']} | {r['where']} | {verdict} | {headline} |")
    return "\n".join(lines)


def _short(result: dict[str, Any]) -> str:
    return f": {result['reason']}" if result["reason"] else ""


def _number(result: dict[str, Any]) -> str:
    if result["interval"] is None:
        return "" if result["effect"] is None else f"{result['effect']:.3g}"
    low, high = result["interval"]
    return f"{result['effect']:.3g} ({low:.3g} to {high:.3g})"


def verify(found: Sequence[dict[str, Any]], reference: Sequence[dict[str, Any]]) -> list[str]:
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
    return [f"{got['id']}: {got['verdict']}{_short(got)}; the reference is {wanted['verdict']}"
            for got, wanted in pairs if got["verdict"] != wanted["verdict"]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pullback.study.claims.verdicts", description="Check a run's claims.")
    parser.add_argument("--found", type=Path, default=RESULTS / "claims.json")
    parser.add_argument("--reference", type=Path, default=RESULTS / "reference.json")
    chosen = parser.parse_args(arguments)
    try:
        reference = read(chosen.reference)
        found = read(chosen.found)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    lines, changed = verify(found, reference), changed_verdicts(found, reference)
    print("\n".join(lines) or f"all {len(reference)} claims lie within their bands: {chosen.found}")
    print("\n".join(f"note, another verdict: {line}" for line in changed), end="\n" if changed else "")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
