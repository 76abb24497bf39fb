"""Modules of JavaScript joined into one script, because a browser loads no modules from a file that it opens itself.

A module may use `import {a, b} from "./other.js";` and `export` before a declaration, each at the start of a line, and
nothing else of the module system. Each becomes a function that is called once and returns what it exports.
"""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r'^import\s*(\{[^}]*\})\s*from\s*"([^"]+)";', re.MULTILINE)
EXPORT = re.compile(r"^export\s+((?:async\s+)?(?:function\*?|class|const|let)\s+([\w$]+))", re.MULTILINE)


def bundle(entry: Path) -> str:
    """The code of the module `entry` and of all that it imports, each once and after what it needs, as statements. What
    `entry` exports is then the object `$` + entry.stem.

    Raises ValueError for a module that is missing, for imports in a circle, for two modules of one name, and for an
    import or export of another form.
    """
    order: list[Path] = []
    _visit(entry.resolve(), order, ())
    if len(twice := {path.stem for path in order}) < len(order):
        raise ValueError(f"two of the modules {', '.join(sorted(twice))} have one name")
    return "\n".join(map(_wrapped, order))


def _wrapped(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    code = IMPORT.sub(lambda found: f"const {found[1]} = ${Path(found[2]).stem};", text)
    code = EXPORT.sub(r"\1", code)
    if left := re.search(r"^(import|export)\b.*", code, re.MULTILINE):
        raise ValueError(f"{path.name}: {left[0]!r} is of a form that cannot be joined")
    names = ", ".join(found[2] for found in EXPORT.finditer(text))
    return f"const ${path.stem} = (() => {{\n{code.strip()}\nreturn {{ {names} }};\n}})();"


def _visit(path: Path, order: list[Path], above: tuple[Path, ...]) -> None:
    """Append the modules that `path` needs to `order`, and then `path`."""
    if path in above:
        raise ValueError(f"modules import each other in a circle: {' -> '.join(p.name for p in (*above, path))}")
    if path in order:
        return
    if not path.is_file():
        raise ValueError(f"there is no module {path.name}" + (f", which {above[-1].name} imports" if above else ""))
    for _, name in IMPORT.findall(path.read_text(encoding="utf-8")):
        _visit((path.parent / name).resolve(), order, (*above, path))
    order.append(path)
