"""What to use: the verdicts of the rings and of MNIST in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..rings.run import FOLDER, ITEMS, Item, verdicts
from ..rings.tables import NEEDS, NOT_MEASURED, counted, numbers_of_digits, over_line, records, with_interval
from . import tables
from .knobs import KNOBS

IMAGES, ONLY_MNIST = "images alone", ("GP-LVM",)  # no ring: its codes are given, and this model makes its own
ON_MNIST = {  # systems on MNIST by the names that their metrics have on the rings; all others are alike
    **{f"density, floor {value:g}": name for value, name in KNOBS["floor"].items()},
    **{f"RBF, zeta {value:g}": name for value, name in KNOBS["least precision"].items()},
    "Gaussian, expected": "Gaussian VAE",
    "Gaussian, Fisher-Rao": "Gaussian VAE, Fisher-Rao",
}


def to_act_on(
    items: Sequence[Item] = ITEMS, folder: Path = FOLDER, of_mnist: Sequence[tables.Record | None] | None = None
) -> pd.DataFrame:
    """Rows: what a reader has, and the metrics that it allows. Columns: the verdict on each number of digits and on
    MNIST; how far the path leaves the data, of what the straight line does, and its time, of the deterministic
    metric's, both on one digit; and whether to use it. `of_mnist` are the records of MNIST; by default the committed
    ones."""
    judged, own = verdicts(items, folder), records(1, items, folder)
    found = tables.records() if of_mnist is None else of_mnist
    whole = tables.there(found) if None not in found else []
    rows = {}
    for have, names in (*NEEDS.items(), (IMAGES, ONLY_MNIST)):
        for name in names:
            words = {counted(n): judged.get(n, {}).get(name, NOT_MEASURED) for n in numbers_of_digits(items)}
            of_rings = list(words.values())
            words["MNIST"] = tables.on_data(whole, ON_MNIST.get(name, name)) if whole else NOT_MEASURED
            on_rings = [] if name in ONLY_MNIST else own
            off = [over_line(r, name) for r in on_rings]
            time = [r["metrics"][name]["seconds"] / r["metrics"]["deterministic"]["seconds"] for r in on_rings]
            told = {"off the data, of the straight line": with_interval(off), "time": with_interval(time, 1)}
            rows[have, name] = words | told | {"use it": advice(of_rings, words["MNIST"])}
    return pd.DataFrame(rows.values(), index=pd.MultiIndex.from_tuples(rows, names=["if you have", "metric"]))


def advice(on_rings: Sequence[str], on_mnist: str) -> str:
    """No if a metric leaves the data somewhere, yes if it keeps to them wherever it was judged, a ring among it, since
    MNIST has no hole to be kept out of; else open."""
    rings = [word for word in on_rings if word != NOT_MEASURED]
    words = {*rings, on_mnist} - {NOT_MEASURED}
    if not words:
        return NOT_MEASURED
    return "no" if "leaves" in words else "yes" if rings and words == {"keeps"} else "open"
