"""The verdicts as tables, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd


def table(results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a claim: statement, section, verdict, and the headline's effect with its interval."""
    return pd.DataFrame({
        r["id"]: {
            "statement": r["statement"],
            "where": r["where"],
            "verdict": f"{r['verdict']}{told_reason(r)}",
            "effect (95 % interval)": _number(r),
        }
        for r in results
    }).T


def markdown(results: Sequence[dict[str, Any]], root: str = "..") -> str:
    """The scorecard as a markdown table in which each verdict leads to the figure that shows it."""
    lines = ["| | Statement | Where | Verdict | Headline: effect (95 % interval) |", "|---|---|---|---|---|"]
    for r in results:
        verdict = f"[{r['verdict']}]({root}/{r['figure']}){told_reason(r)}"
        headline = f"{r['parts'][0]['label']}: {_number(r)}"
        lines.append(f"| {r['id']} | {r['statement']} | {r['where']} | {verdict} | {headline} |")
    return "\n".join(lines)


def told_reason(result: dict[str, Any]) -> str:
    return f": {result['reason']}" if result["reason"] else ""


def _number(result: dict[str, Any]) -> str:
    if result["interval"] is None:
        return "" if result["effect"] is None else f"{result['effect']:.3g}"
    low, high = result["interval"]
    return f"{result['effect']:.3g} ({low:.3g} to {high:.3g})"
