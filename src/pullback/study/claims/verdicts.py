"""From the records of several seeds to a verdict on each claim.

A part of a claim is one number a seed, in which pairs and models are already averaged: the seed is the sampling unit.
Its interval is Student's 95 % interval of the mean over seeds, because with five of them a percentile bootstrap is far
too narrow (it covers about 84 %; tests/study/claims/test_verdicts.py). Below SEEDS seeds there is no verdict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student

from ..errors import RecordError
from ..paths import write_atomically
from ..provenance import SEAL, seal
from ..records.items import SEEDS
from ..records.schema import Numbers, Record
from .catalogue import CLAIMS, Claim, Part
from .effects import Seed

VERDICTS = ("supported", "contradicted", "undecided")  # of a part; a claim may also depend
LEVEL, BAND_LEVEL = 0.95, 0.99
FLOOR = 0.02  # least half-width of a band, relative to the effect or absolute: machines differ in their last bits, and
# training amplifies them into other draws, so a spread of zero over seeds says nothing of another machine


def by_seed(records: Iterable[Record]) -> dict[int, Seed]:
    """The numbers of each seed, in order."""
    whole: dict[int, dict[str, Numbers]] = {}
    parts: dict[int, dict[tuple[str, int], Numbers]] = {}
    for r in records:
        own, others = whole.setdefault(r.item.seed, {}), parts.setdefault(r.item.seed, {})
        if r.whole:
            own[r.item.model] = r.numbers
        else:
            others[r.item.model, r.item.images] = r.numbers
    return {seed: Seed(whole[seed], parts[seed]) for seed in sorted(whole)}


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


def evaluate(records: Iterable[Record], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
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
            "label": part.label, "quantity": part.quantity, "side": part.side, "threshold": part.threshold,
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
    """results/claims.json, or a reference of it: the claims, and their seal."""
    content = {SEAL: seal(_plain(results)), "claims": results}
    write_atomically(path, f"{json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)}\n".encode())


def read(path: Path) -> list[dict[str, Any]]:
    """The claims of a file that `write` has written. Raises RecordError, naming the file, if it is not there, is not
    whole or was edited."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        claims, sealed = list(content["claims"]), content[SEAL]
    except FileNotFoundError as error:
        raise RecordError(f"there is no {path}: `make seeds` makes it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is not a list of claims: delete it and run `make seeds` again") from error
    if sealed != seal(claims):
        raise RecordError(f"{path} was edited: its content does not match its {SEAL}. `make seeds` makes it again")
    return claims


def _plain(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results as a file gives them back: lists for tuples."""
    return json.loads(json.dumps(results, allow_nan=False))
