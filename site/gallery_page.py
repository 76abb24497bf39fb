"""The gallery: every figure with caption, numbers, provenance, and the way to the cell and the code that drew it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from pullback import show
from pullback.study import plots
from results import Study, number

HEAD = """# Gallery

Every figure of the study, by the notebook that draws it. Each opens to the numbers that can be read off it and to where
it comes from: commit, data, weights, versions.
"""
DRAWING = {"plots": plots, "show": show}


def page(study: Study) -> str:
    """The gallery as markdown, each figure as HTML under the name of the figure."""
    text, last = HEAD, None
    for name, sidecar in study.sidecars.items():
        if sidecar["notebook"] != last:
            last = sidecar["notebook"]
            text += f"\n## {study.title(last)}\n"
        text += f"\n{_entry(study, name, sidecar)}\n"
    return text


def source_page(path: str) -> str:
    """The site's page of a file of the project."""
    return f"source/{path}.html"


def _entry(study: Study, name: str, sidecar: dict[str, Any]) -> str:
    width, height = study.size(name)
    caption = escape(sidecar["caption"])
    links = [f'<a href="notebooks/{sidecar["notebook"]}.html#cell-{sidecar["cell"]}">the cell</a>']
    links += [f'<a href="{source_page(path)}#L-{line}">{what}</a>' for what, path, line in drawn_by(study, name)]
    links += [f'<a href="figures/{name}.pdf">PDF</a>', f'<a href="figures/{name}.json">sidecar</a>']
    return f"""<figure class="entry" id="{name}">
<a href="figures/{name}.png"><img src="figures/{name}.png" alt="{caption.rstrip(".")}" loading="lazy" \
width="{width}" height="{height}"></a>
<figcaption><strong>{caption}</strong> <code>{name}</code></figcaption>
<p class="ways">{" · ".join(links)}</p>
<details><summary>Numbers</summary>{_values(sidecar["numbers"])}</details>
<details><summary>Provenance</summary>{_values(provenance(sidecar))}</details>
</figure>"""


def drawn_by(study: Study, figure: str) -> list[tuple[str, str, int]]:
    """The drawing functions that a figure's cell calls, itself or through functions of its notebook: name, file in the
    project, first line."""
    sidecar = study.sidecars[figure]
    cells = [c.source for c in study.notebooks[sidecar["notebook"]].cells if c.cell_type == "code"]
    code = "\n".join(
        c.source
        for c in study.notebooks[sidecar["notebook"]].cells
        if c.cell_type == "code" and c.execution_count == sidecar["cell"]
    )
    code += "".join(c for c in cells for called in re.findall(r"^def (\w+)\(", c, re.M) if f"{called}(" in code)
    found = {}
    for module, name in re.findall(r"\b(plots|show)\.(\w+)\(", code):
        function = getattr(DRAWING[module], name, None)
        if inspect.isfunction(function) and name != "use_style":
            file = Path(inspect.getfile(function))
            inside = file.relative_to(next(p for p in file.parents if p.name == "src").parent)
            found[f"{module}.{name}"] = (inside.as_posix(), inspect.getsourcelines(function)[1])
    return [(name, path, line) for name, (path, line) in found.items()]


def provenance(sidecar: Mapping[str, Any]) -> dict[str, Any]:
    """Where a figure comes from, in words."""
    git = sidecar["git"] or {"commit": "none", "dirty": True}
    return {
        "notebook, cell": f"{sidecar['notebook']}, {sidecar['cell']}",
        "profile, seed": f"{sidecar['profile']}, {sidecar['seed']}",
        "commit": git["commit"][:12] + (", with changes" if git["dirty"] else ", clean"),
        "data": sidecar["data"],
        "weights": {name: c["weights"] for name, c in sidecar["checkpoints"].items()} or "no trained model",
        "versions": ", ".join(f"{name} {v}" for name, v in sidecar["versions"].items()),
        "device, threads": f"{sidecar['device']}, {sidecar['threads']}",
        "seconds": sidecar["wall_time"],
    }


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _values(value: Any) -> str:
    """JSON values as tables: one table for alike rows, a table of names and values otherwise."""
    if isinstance(value, dict) and value:
        rows = list(value.values())
        if all(isinstance(row, dict) and row and all(map(_plain, row.values())) for row in rows):
            columns = list(dict.fromkeys(key for row in rows for key in row))
            head = "".join(f"<th>{escape(c)}</th>" for c in columns)
            body = ""
            for key, row in value.items():
                cells = "".join(f"<td>{_text(row.get(c, ''))}</td>" for c in columns)
                body += f"<tr><th>{escape(key)}</th>{cells}</tr>"
            return _table(f"<thead><tr><th></th>{head}</tr></thead>", body)
        return _table("", "".join(f"<tr><th>{escape(k)}</th><td>{_values(v)}</td></tr>" for k, v in value.items()))
    if isinstance(value, list):
        if len(value) > 20:
            return f"{len(value)} values, in the sidecar"
        return "[" + ", ".join(map(_values, value)) + "]"
    return _text(value)


def _table(head: str, body: str) -> str:
    return f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>'


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape("none" if value is None else str(value))
    return number(value, 4) if isinstance(value, float) else f"{value}"
