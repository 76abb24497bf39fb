"""The reference of the library's public names, made from their docstrings, under the table of solvers."""

from __future__ import annotations

import inspect

import pullback
from pullback import show

HEAD = """# The functions

A generator is a callable from latent points (n, k) to data (n, ...), a decoder in eval mode for example. All functions
take any of them, and any `Manifold`. Lengths are in pixel units, the Euclidean norm of the flattened images. Points and
velocities are in latent units.

## Which solver, when

`geodesic(f, start, end, method=...)` takes these, and [methods](methods.md) says more.

```{include} methods.md
:start-after: "<!-- solvers -->"
:end-before: "<!-- end of solvers -->"
```
"""
GROUPS = {"geodesics": "Geodesics", "geometry": "Metrics and maps", "explorer": "The explorer in a notebook"}


def page() -> str:
    """The reference as markdown: an overview of each group of names, by the subpackage that defines them, then each
    name."""
    text, packages = HEAD, {name: getattr(pullback, name).__module__.split(".")[1] for name in pullback.__all__}
    for package in (*GROUPS, *sorted({*packages.values()} - {*GROUPS})):
        names = [name for name in pullback.__all__ if packages[name] == package]
        text += _group(GROUPS.get(package, package), "pullback", names)
    drawing = [name for name, value in vars(show).items() if _defined(value, show.__name__) and name[0] != "_"]
    return text + _group("Pictures", "pullback.show", drawing, "`pullback.show` needs matplotlib.\n")


def _defined(value: object, module: str) -> bool:
    return inspect.isfunction(value) and value.__module__ == module


def _group(title: str, module: str, names: list[str], note: str = "") -> str:
    table = "\n".join(f"   {name}" for name in names)
    each = "\n\n".join(_directive(module, name) for name in names)
    return f"""
## {title}

{note}
```{{eval-rst}}
.. currentmodule:: {module}

.. autosummary::
   :nosignatures:

{table}

{each}
```
"""


def _directive(module: str, name: str) -> str:
    value = getattr(show if module == "pullback.show" else pullback, name)
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:\n   :exclude-members: __new__, __init__"
    return f".. autofunction:: {name}"
