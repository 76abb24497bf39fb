"""The verdicts as tables, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

OWN = "Not in the report"


def table(results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a claim: statement, section, verdict, that with Holm's correction, and the headline's effect with its
    interval."""
    return pd.DataFrame({
        r["id"]: {
            "statement": r["statement"],
            "where": r["where"],
            "verdict": f"{r['verdict']}{told_reason(r)}",
            "with Holm's correction": r["holm"],
            "effect (95 % interval)": _number(r),
        }
        for r in results
    }).T


def markdown(results: Sequence[dict[str, Any]], root: str = "..") -> str:
    """The scorecard as markdown in which each verdict leads to the figure that shows it: one table of the report's
    claims, and one of ours."""
    head = ["| | Statement | Where | Verdict | With Holm's correction | Headline: effect (95 % interval); threshold |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    own = [_row(r, root) for r in results if r["where"] == OWN]
    lines = [*head, *(_row(r, root) for r in results if r["where"] != OWN)]
    return "\n".join([*lines, "", f"{OWN}:", "", *head, *own] if own else lines)


def _row(result: dict[str, Any], root: str) -> str:
    verdict = f"[{result['verdict']}]({root}/{result['figure']}){told_reason(result)}"
    head = result["parts"][0]
    headline = f"{head['label']}: {_number(result)}; supported {head['side']} {head['threshold']:.3g}"
    told = (result["id"], result["statement"], result["where"], verdict, result["holm"], headline)
    return f"| {' | '.join(told)} |"


def told_reason(result: dict[str, Any]) -> str:
    """Why a claim has no plain verdict, what is open, how its verdict moves with its threshold, and what stands beside
    it."""
    told = [result[key] for key in ("reason", "why", "swept", "beside") if result[key]]
    return f": {'. '.join(told)}" if told else ""


def _number(result: dict[str, Any]) -> str:
    if result["interval"] is None:
        return "not measured" if result["effect"] is None else f"{result['effect']:.3g}"
    low, high = result["interval"]
    return f"{result['effect']:.3g} ({low:.3g} to {high:.3g})"
