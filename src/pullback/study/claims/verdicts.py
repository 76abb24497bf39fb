"""From the records of several seeds to a verdict on each claim.

A part of a claim is one number a seed, in which pairs and models are already averaged: the seed is the sampling unit.
Its interval is Student's 95 % interval of the mean over seeds, because with five of them a percentile bootstrap is far
too narrow (it covers about 84 %; tests/study/claims/test_statistics.py). Below SEEDS seeds there is no verdict.

Explored and fresh seeds are judged apart, and never together (docs/criteria.md). A claim has the verdict of its fresh
seeds once all that are planned have all its numbers. Until then it keeps that of the explored seeds, and says so.

Beside each plain verdict stands one with Holm's correction over all claims. A claim needs all of its parts, so its
p-value is the largest of theirs (Berger, 1982), with no correction for their number. What stays undecided says why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import RecordError
from ..paths import write_atomically
from ..provenance import SEAL, seal
from ..records import reading
from ..records.items import SEEDS
from ..records.schema import Numbers, Record
from .catalogue import CLAIMS
from .criteria import Claim, Part
from .effects import Seed
from .fresh import on_fresh
from .statistics import LEVEL, MOST_SEEDS, band, holm, interval, p_value, seeds_needed

VERDICTS = ("supported", "contradicted", "undecided", "waiting")  # of a part; a claim may also depend, and never waits


def by_seed(records: Iterable[Record]) -> dict[int, Seed]:
    """The numbers of each seed, in order."""
    whole: dict[int, dict[str, Numbers]] = {}
    parts: dict[int, dict[tuple[str, int], Numbers]] = {}
    alike: dict[int, dict[str, Numbers]] = {}
    for r in records:
        own, others = whole.setdefault(r.item.seed, {}), parts.setdefault(r.item.seed, {})
        if r.whole:
            own[r.item.model] = r.numbers
        elif r.on_all:
            alike.setdefault(r.item.seed, {})[r.item.model] = r.numbers
        else:
            others[r.item.model, r.item.images] = r.numbers
    return {seed: Seed(whole[seed], parts[seed], alike.get(seed, {}) if seed >= SEEDS else None)
            for seed in sorted(whole)}  # fmt: skip


def judge(part: Part, values: Sequence[float], fresh: bool = False) -> str:
    """supported, contradicted, undecided or waiting, by where the interval lies; "n of 5 seeds" if those are too few
    and the part does not wait for a measurement."""
    found, needed = interval(values), part.seeds(fresh)
    if len(values) < needed or found is None:
        return "waiting" if part.waits and not values else f"{len(values)} of {needed} seeds"
    low, high = found
    supports, contradicts = _limits(part)
    if part.side == "within":
        inside = -supports < low and high < supports
        outside = high < -supports or low > supports
        return "supported" if inside else "contradicted" if outside else "undecided"
    if part.side == "below":
        low, high, supports, contradicts = -high, -low, -supports, -contradicts
    open_ = "waiting" if part.waits else "undecided"
    return "supported" if low > supports else "contradicted" if high < contradicts else open_


def _limits(part: Part) -> tuple[float, float]:
    """Beyond which thresholds a part is supported, and contradicted."""
    if part.opposite is not None:
        return part.threshold, part.opposite
    never = math.inf if part.side == "below" else -math.inf
    return part.threshold, never if part.waits else part.threshold


def evaluate(records: Iterable[Record], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Each claim with its verdict, as results/claims.json has it. The effect, interval, band and values are those of
    the claim's first part; `seeds` are the seeds that count for all parts; `rests_on` says of which kind they are, and
    `beside` what there is of the other kind. Raises RecordError for a record of another recipe than its seed's."""
    known, fresh = apart(records)
    explored, confirmed = of_explored(known, claims), of_fresh(fresh, claims)
    results = [_settled(*both, bool(fresh)) for both in zip(explored, confirmed, strict=True)]
    for result, p in zip(results, holm([r["p"] for r in results]), strict=True):
        result["p_holm"] = p
        result["holm"] = result["verdict"] if p < 1 - LEVEL else "undecided"
    return results


def apart(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The records of explored and of fresh seeds. Raises RecordError for one of another recipe than its seed's, which
    would mix two measures."""
    found: tuple[list[Record], list[Record]] = [], []
    for r in records:
        if r.recipes != (wanted := reading.recipes(r.item)):
            raise RecordError(f"{r.name} was made by the recipes {r.recipes}, and its seed needs {wanted}: records of "
                              "two recipes are not mixed")
        found[r.item.fresh].append(r)
    return found


def of_explored(records: Iterable[Record], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Each claim as the records of explored seeds have it."""
    seeds = by_seed(records)
    return [_evaluate(claim, seeds, False) for claim in claims]


def of_fresh(records: Iterable[Record], claims: Sequence[Claim] = CLAIMS) -> list[dict[str, Any]]:
    """Each claim as the records of fresh seeds have it, whether they are all there or not."""
    seeds = by_seed(records)
    return [_evaluate(on_fresh(claim), seeds, True) for claim in claims]


def complete(result: dict[str, Any]) -> bool:
    """Whether all the fresh seeds that are planned have the records that a claim of `of_fresh` needs."""
    return all(p["there"] >= p["planned"] for p in result["parts"])


def _settled(explored: dict[str, Any], confirmed: dict[str, Any], any_fresh: bool) -> dict[str, Any]:
    """A claim with the verdict that counts, and what the other seeds say."""
    if complete(confirmed):
        return confirmed | {"rests_on": "fresh", "beside": f"explored seeds: {explored['verdict']}"}
    fewest = min(confirmed["parts"], key=lambda p: p["there"] / p["planned"])
    there = f"{fewest['there']} of the {fewest['planned']} fresh ones"
    told = f"the verdict is that of explored seeds, because {there} have what it needs" if any_fresh else ""
    return explored | {"rests_on": "explored", "beside": told}


def _evaluate(claim: Claim, seeds: dict[int, Seed], fresh: bool) -> dict[str, Any]:
    parts = [_part(part, seeds, fresh) for part in claim.parts]
    verdict, reason = _verdict(parts) if len(seeds) >= SEEDS else ("undecided", f"{len(seeds)} of {SEEDS} seeds")
    used = set.intersection(*({int(seed) for seed in p["values"]} for p in parts))
    return {
        "id": claim.id, "statement": claim.statement, "where": claim.where, "measure": claim.measure,
        "criterion": claim.criterion, "verdict": verdict, "reason": reason, "why": _why_open(parts),
        "swept": _swept(claim, parts) or _otherwise(claim, seeds, fresh), "p": _p(verdict, parts),
        "effect": parts[0]["effect"], "interval": parts[0]["interval"], "band": parts[0]["band"],
        "seeds": sorted(used), "figure": f"figures/{claim.figure}.png", "parts": parts,
    }  # fmt: skip


def _part(part: Part, seeds: Mapping[int, Seed], fresh: bool) -> dict[str, Any]:
    values: dict[int, float] = {}
    there = 0
    for seed, s in seeds.items():
        try:
            value = part.effect(s)
        except KeyError:  # a record that this part needs is not there
            continue
        there += 1
        if math.isfinite(value):
            values[seed] = value
    listed = list(values.values())
    verdict = judge(part, listed, fresh)
    why, needed = _why(part, verdict, listed)
    return {
        "label": part.label, "quantity": part.quantity, "side": part.side, "threshold": part.threshold,
        "opposite": part.opposite, "effect": fmean(listed) if listed else None, "interval": interval(listed),
        "band": band(listed), "verdict": verdict, "why": why, "needed": needed,
        "p": p_value(listed, _nearest(part, verdict, listed)) if verdict in VERDICTS[:2] else 1.0,
        "planned": part.seeds(fresh), "there": there,
        "values": {str(seed): value for seed, value in values.items()},
    }  # fmt: skip


def _nearest(part: Part, verdict: str, values: Sequence[float]) -> float:
    """The threshold that the verdict rests on: of two, the nearer."""
    if part.side == "within":
        return math.copysign(part.threshold, fmean(values))
    return _limits(part)[verdict == "contradicted"]


def _why(part: Part, verdict: str, values: Sequence[float]) -> tuple[str, int | None]:
    """Why a part has no verdict, nothing if it has one, and how many seeds would do if more of them would."""
    if verdict == "waiting":
        return f"waiting for {part.waits}", None
    if verdict != "undecided":
        return "", None
    needed = seeds_needed(values, _nearest(part, verdict, values))
    return ("too noisy", needed) if needed else (f"at its threshold, which {MOST_SEEDS} seeds would not change", None)


def _p(verdict: str, parts: Sequence[dict[str, Any]]) -> float:
    """The p-value of a claim's verdict. Of one that depends, both directions must be there: the smallest p-value of
    each, times the number of parts (Bonferroni)."""
    if verdict in ("supported", "contradicted"):
        return max(p["p"] for p in parts)
    if verdict == "depends":
        least = [min(p["p"] for p in parts if p["verdict"] == kind) for kind in ("supported", "contradicted")]
        return min(1.0, len(parts) * max(least))
    return 1.0


def _verdict(parts: Sequence[dict[str, Any]]) -> tuple[str, str]:
    labels = {verdict: [p["label"] for p in parts if p["verdict"] == verdict] for verdict in VERDICTS}
    few = [p for p in parts if p["verdict"] not in VERDICTS]
    if few:
        return "undecided", min(few, key=lambda p: len(p["values"]))["verdict"]
    if labels["supported"] and labels["contradicted"]:
        parts_of = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in list(labels.items())[:2])
        return "depends", parts_of
    if labels["undecided"] or labels["waiting"]:
        return "undecided", ""
    return ("supported" if labels["supported"] else "contradicted"), ""


def _why_open(parts: Sequence[dict[str, Any]]) -> str:
    """What is open about a claim's parts: those that truly differ, and each reason with the parts that have it."""
    open_ = [p for p in parts if p["why"]]
    pairs = [f"{a['label']} and {b['label']}" for a, b in combinations(parts, 2) if open_ and _differ(a, b)]
    told = [f"parts that truly differ: {'; '.join(pairs)}"] if pairs else []
    for why in dict.fromkeys(p["why"] for p in open_):
        own = [p["label"] + (f" ({p['needed']} seeds would do)" if p["needed"] else "")
               for p in open_ if p["why"] == why]  # fmt: skip
        told.append(f"{why}: {'; '.join(own)}")
    return ". ".join(told)


def _differ(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two parts of one quantity lie on different sides of their thresholds, by an interval of the difference of
    their distances from them, seed by seed."""
    seeds = sorted(a["values"].keys() & b["values"].keys())
    if a["quantity"] != b["quantity"] or len(seeds) < SEEDS or "waiting" in (a["verdict"], b["verdict"]):
        return False
    first, second = ([_margin(p, p["values"][seed]) for seed in seeds] for p in (a, b))
    low, high = interval([x - y for x, y in zip(first, second, strict=True)]) or (0.0, 0.0)
    return fmean(first) * fmean(second) < 0 and not low <= 0 <= high


def _margin(part: dict[str, Any], value: float) -> float:
    """How far a value lies on the supporting side of a part's threshold."""
    return {"above": value - part["threshold"], "below": part["threshold"] - value,
            "within": part["threshold"] - abs(value)}[part["side"]]  # fmt: skip


def _swept(claim: Claim, parts: Sequence[dict[str, Any]]) -> str:
    """The verdict at other condition numbers, and where it changes; nothing for a claim without them or of too few
    seeds."""
    ends = [p["interval"] for p in parts if len(p["values"]) >= SEEDS]
    if not claim.conditions or len(ends) < len(parts):
        return ""
    found = []
    for condition in claim.conditions:
        moved = [part._replace(threshold=math.log(condition)) for part in claim.parts]
        judged = [{**p, "verdict": judge(m, list(p["values"].values()))} for m, p in zip(moved, parts, strict=True)]
        found.append(f"{condition:g}: {_verdict(judged)[0]}")
    low, high = math.exp(min(end[0] for end in ends)), math.exp(max(end[1] for end in ends))
    judgements = f"by the condition number from which one calls it bad: {', '.join(found)}"
    return f"{judgements}; supported from {high:.1f} on, contradicted up to {low:.1f}"


def _otherwise(claim: Claim, seeds: Mapping[int, Seed], fresh: bool) -> str:
    """The verdict by other numbers, with the effect of each part; nothing for a claim without them or of too few
    seeds."""
    found = []
    for label, parts in claim.alternatives:
        judged = [_part(part, seeds, fresh) for part in parts]
        if any(len(p["values"]) < p["planned"] for p in judged):
            return ""
        effects = ", ".join(f"{p['effect']:.3g}" for p in judged)
        found.append(f"{label}: {_verdict(judged)[0]} ({effects})")
    return f"by other shares, its parts' effects in brackets: {'; '.join(found)}" if found else ""


def write(results: Sequence[dict[str, Any]], path: Path) -> None:
    """results/claims.json: the claims, and their seal."""
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
