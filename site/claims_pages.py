"""The scorecard, a row a claim, and the report's statements beside what was found, in the order of the report."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

from matplotlib.colors import to_hex

from pullback.study import plots
from pullback.study.panels import rows as panels
from results import SECTIONS, VERDICTS, Study, number, sections, threshold, with_interval

WIDTH, ROW = 300, 26  # of a part's dots, in pixels
TEXT = "var(--color-foreground-primary)"  # black in light, white in dark
COLOURS = {name: to_hex(colour) for name, (colour, _) in plots.VERDICTS.items()}
COLOURS |= {"supported": TEXT, "depends": f"linear-gradient({TEXT} 50%, {COLOURS['contradicted']} 50%)"}


def scorecard(study: Study) -> str:
    """The scorecard as markdown: every claim a row of HTML that opens."""
    counts = Counter(c["verdict"] for c in study.claims)
    verdicts = "".join(f'<option value="{v}">{v} ({counts[v]})</option>' for v in VERDICTS)
    places = "".join(f'<option value="{key}">{escape(title)}</option>' for key, title in SECTIONS.items())
    told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS)
    rows = "\n".join(_claim(study, c) for c in study.claims)
    return f"""# Scorecard

## The ten published panels

A panel is *inside* a model if its 5, 25, 50, 75 and 95 % quantiles all lie in the model's 95 % prediction intervals,
and *near* if the median and the 95 % quantile do ([criteria](panels.md)). The best fit to a figure is one of 46
variants of choices that the report does not print ([notebook 4](notebooks/04_jacobian_maps.ipynb)).

{panels.markdown(study.project / 'results' / 'panels')}

## The statements

Every statement of the report that can be checked, {len(study.claims)} in all, with its verdict: {told}. A row opens to
what was measured, what would count as support, and the result on each of five trainings (seeds). *Supported* means that
the 95 % interval over seeds lies beyond the threshold in every part of the claim, *contradicted* that it lies on the
other side in every part, *depends* that both occur, *undecided* that an interval holds its threshold or that a
measurement is missing. Beside each verdict stands that with Holm's correction for the number of claims. What stays
open says why: more seeds would do, the effect lies at its threshold, its parts truly differ, or it waits.

In the small pictures a dot is a seed and the bar the interval of their mean. The vertical line is the threshold, and
the shaded side is where the bar must lie.

```{{raw}} html
<form class="filter" hidden>
<label>Verdict <select id="verdict"><option value="">all</option>{verdicts}</select></label>
<label>Section of the report <select id="section"><option value="">all</option>{places}</select></label>
<button type="button" id="all-open">Open all</button>
<output id="shown" for="verdict section"></output>
</form>
<div class="claims">
{rows}
</div>
<script src="_static/scorecard.js"></script>
```
"""


def badge(verdict: str) -> str:
    return f'<span class="verdict {verdict}" style="--colour: {COLOURS[verdict]}">{verdict}</span>'


def _claim(study: Study, claim: dict[str, Any]) -> str:
    head, sidecar = claim["parts"][0], study.sidecar(claim["figure"])
    figure, (width, height) = sidecar["figure"], study.size(sidecar["figure"])
    cell = f'notebooks/{sidecar["notebook"]}.html#cell-{sidecar["cell"]}'
    reasons = "".join(f"<p>{sentence}</p>" for sentence in told(claim))
    parts = "".join(
        f"<tr><th>{escape(p['label'])}</th><td>{threshold(p)}</td><td>{with_interval(p)}</td>"
        f"<td>{badge(p['verdict']) if p['verdict'] in COLOURS else escape(p['verdict'])}</td><td>{dots(p)}</td></tr>"
        for p in claim["parts"]
    )
    return f"""<details class="claim" id="{claim["id"]}" data-verdict="{claim["verdict"]}" \
data-sections="{"|".join(sections(claim["where"]))}">
<summary><span class="id">{claim["id"]}</span> <span class="statement">{escape(claim["statement"])}</span>
{badge(claim["verdict"])} <span class="headline">{escape(head["label"])}: {with_interval(head)}</span></summary>
<dl><dt>Where</dt><dd>{escape(claim["where"])}</dd>
<dt>Measured</dt><dd>{escape(claim["measure"])}</dd>
<dt>Criterion</dt><dd>{escape(claim["criterion"])}</dd>
<dt>With Holm's correction</dt><dd>{claim["holm"]} (p = {number(claim["p_holm"], 2)})</dd></dl>
{reasons}
<div class="wide" tabindex="0"><table>
<thead><tr><th>Part</th><th>Must be</th><th>Effect (95 % interval)</th><th>Verdict</th><th>Seeds</th></tr></thead>
<tbody>{parts}</tbody></table></div>
<figure><a href="gallery.html#{figure}"><img src="figures/{figure}.png" alt="{escape(sidecar["caption"].rstrip("."))}" \
loading="lazy" width="{width}" height="{height}"></a>
<figcaption>{escape(sidecar["caption"])} <a href="gallery.html#{figure}">In the gallery</a> · \
<a href="{cell}">the cell</a></figcaption></figure>
</details>"""


def told(claim: dict[str, Any]) -> list[str]:
    """Why a claim has no plain verdict, what is open, how its verdict moves with its threshold, and what stands beside
    it, a sentence each."""
    found = [claim[key] for key in ("reason", "why", "swept", "beside") if claim[key]]
    return [escape(f"{text[0].upper()}{text[1:]}.") for text in found]


def dots(part: dict[str, Any]) -> str:
    """A part's seeds, the interval of their mean and the threshold, as a picture with words for those who do not see
    it."""
    values, bound = list(part["values"].values()), part["threshold"]
    bounds = [-bound, bound] if part["side"] == "within" else [bound]
    numbers = [*values, *bounds, *(part["interval"] or ())]
    margin = 0.06 * (max(numbers) - min(numbers)) or 1.0
    low, high = min(numbers) - margin, max(numbers) + margin

    def x(value: float) -> str:
        return f"{WIDTH * (value - low) / (high - low):.1f}"

    shade = {"above": (bound, high), "below": (low, bound), "within": (-bound, bound)}[part["side"]]
    listed = ", ".join(map(number, values)) or "none"
    words = f"seeds: {listed}; interval {with_interval(part)}; must be {threshold(part)}"
    shapes = f'<rect class="side" x="{x(shade[0])}" y="0" width="{float(x(shade[1])) - float(x(shade[0])):.1f}" '
    shapes += f'height="{ROW}"/>'
    shapes += "".join(f'<line class="bound" x1="{x(b)}" x2="{x(b)}" y1="0" y2="{ROW}"/>' for b in bounds)
    if part["interval"]:
        a, b = map(x, part["interval"])
        shapes += f'<line class="interval" x1="{a}" x2="{b}" y1="{ROW - 6}" y2="{ROW - 6}"/>'
    shapes += "".join(f'<circle cx="{x(v)}" cy="{ROW / 2 - 3:.0f}" r="3.2"/>' for v in values)
    return (
        f'<svg class="dots" viewBox="0 0 {WIDTH} {ROW}" width="{WIDTH}" height="{ROW}" role="img" '
        f'aria-label="{words}" style="--colour: {COLOURS.get(part["verdict"], "#888888")}">{shapes}</svg>'
    )


# ------------------------------------------------------------------------------------------------ statements


def statements(study: Study) -> str:
    """The report's statements, section by section, each beside what was found."""
    text = """# The report beside what was found

The statements of the report that can be checked, in our words and in the order of its sections, and what five
trainings of every model say of each. A statement that the report makes in several places stands in each of them.
"""
    for key, title in SECTIONS.items():
        rows = [_statement(study, c) for c in study.claims if key in sections(c["where"])]
        if rows:
            text += f"\n## {title}\n\n```{{raw}} html\n<div class=\"beside\">\n{''.join(rows)}</div>\n```\n"
    return text


def _statement(study: Study, claim: dict[str, Any]) -> str:
    sidecar = study.sidecar(claim["figure"])
    return f"""<div class="row"><div class="said"><p>{escape(claim["statement"])}</p>
<p class="where">{escape(claim["where"])}</p></div>
<div class="found"><p>{badge(claim["verdict"])} {found(claim)}
<p class="where"><a href="scorecard.html#{claim["id"]}">{claim["id"]}</a> · \
<a href="gallery.html#{sidecar["figure"]}">figure</a></p></div></div>
"""


def found(claim: dict[str, Any]) -> str:
    """What was found: what was measured, and each part with its effect, interval and threshold."""
    measure = claim["measure"].split(";")[0]
    sentences = " ".join([f"{escape(measure[0].upper() + measure[1:])}.", *told(claim)])
    items = [f"{escape(p['label'])}: {with_interval(p)}, must be {threshold(p)}" for p in claim["parts"]]
    return f"{sentences}</p><ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
