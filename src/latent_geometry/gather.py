"""The sweep's records as tables, one row an observation, for figures. Without records a table has no rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .comparison import family
from .models.study import STUDY
from .scorecard import by_seed, interval
from .statements import certified, solved

Records = Sequence[dict[str, Any]]
CURVES = ("straight", "geodesic")
QUALITIES = ("evenness", "nearest", "confidence", "changes")


def _whole(records: Records) -> list[dict[str, Any]]:
    """The records of models that were trained on all images, in the study's order of models."""
    largest = max((r["item"]["images"] for r in records), default=0)
    found = [r for r in records if r["item"]["images"] == largest]
    return sorted(found, key=lambda r: list(STUDY).index(r["item"]["model"]))


def _who(record: dict[str, Any]) -> dict[str, Any]:
    item = record["item"]
    return {"family": family(item["model"]), "model": item["model"], "seed": item["seed"]}


def _map(record: dict[str, Any]) -> dict[str, Any]:
    m, held_out = record["numbers"]["maps"], record["numbers"]["held_out"] or {}
    return {
        "log_cond, median": m["log_cond"]["q50"],
        "log_cond, 95 %": m["log_cond"]["q95"],
        "log_det, median": m["log_det"]["q50"],
        "roughness": m["roughness"],
        "held-out": held_out.get("reconstruction", np.nan),
    }


def _table(rows: list[dict[str, Any]], numbers: Sequence[str], names: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table whose columns have their types though there be no row."""
    table = pd.DataFrame(rows, columns=[*_WHO, *names, *numbers])
    return table.astype(dict.fromkeys(numbers, float))


def models(records: Records) -> pd.DataFrame:
    """One row a model and seed: what its map says, and the held-out reconstruction, nats an image."""
    rows = [_who(r) | _map(r) for r in _whole(records)]
    return _table(rows, _MAP)


def sizes(records: Records) -> pd.DataFrame:
    """One row a training: the models that were trained on several numbers of images, with those numbers."""
    varied = {r["item"]["model"] for r in records} & {r["item"]["model"] for r in records if r not in _whole(records)}
    rows = [_who(r) | {"images": r["item"]["images"]} | _map(r) for r in records if r["item"]["model"] in varied]
    return _table(rows, ("images", *_MAP)).sort_values("images", kind="stable")


def away(records: Records) -> pd.DataFrame:
    """One row a model, seed and bin of sparsity (its geometric middle): medians over the bin. log_det is less that of
    the densest bin, because a DAE's latent scale is arbitrary; image_distance is in pixel units."""
    rows = []
    for r in _whole(records):
        a = r["numbers"]["away"]
        densest = next((value for value in a["log_det"] if value is not None), np.nan)
        for low, high, *values in zip(a["edges"], a["edges"][1:], *(a[q] for q in _AWAY), strict=False):
            det, cond, distance = (np.nan if value is None else value for value in values)
            rows.append({**_who(r), "sparsity": (low * high) ** 0.5, "log_det": det - densest, "log_cond": cond,
                         "image_distance": distance})
    return _table(rows, ("sparsity", *_AWAY))


def quality(records: Records) -> pd.DataFrame:
    """One row a family, seed and curve: the qualities (see `evidence.quality`), means over its pairs and models."""
    return _pairs(records).groupby(["family", "seed", "curve"], sort=False, as_index=False)[list(QUALITIES)].mean()


def median_quality(records: Records) -> pd.DataFrame:
    """Rows: family and curve. Columns: the qualities, as text: the median over a seed's pairs and models, as mean over
    seeds with its 95 % interval."""
    medians = _pairs(records).groupby(["family", "curve", "seed"], sort=False)[list(QUALITIES)].median()
    return medians.groupby(["family", "curve"], sort=False).agg(_with_interval)


def _with_interval(values: pd.Series) -> str:
    found = interval(values.dropna().tolist())
    return f"{values.mean():.2f}" + (f" ({found[0]:.2f} to {found[1]:.2f})" if found else "")


def _pairs(records: Records) -> pd.DataFrame:
    """One row a pair and curve."""
    rows = []
    for r in _whole(records):
        for curve in CURVES:
            own = pd.DataFrame({q: np.array(r["numbers"]["pairs"][curve][q], float) for q in QUALITIES})
            rows.extend(own.assign(curve=curve, **_who(r)).to_dict("records"))
    return _table(rows, QUALITIES, ("curve",))


def shares_solved(records: Records) -> pd.DataFrame:
    """One row a model, seed and method: the share of certified pairs that it solves."""
    rows = []
    for seed, s in by_seed(_whole(records)).items():
        for model, _ in s.numbers:
            scored = list(certified(s, model))
            for method in s(model, "pairs.methods"):
                share = np.mean([solved(s, model, method, i) for i in scored]) if scored else np.nan
                rows.append({"family": family(model), "model": model, "seed": seed, "method": method, "solved": share})
    return _table(rows, ("solved",), ("method",))


_WHO = ("family", "model", "seed")
_MAP = ("log_cond, median", "log_cond, 95 %", "log_det, median", "roughness", "held-out")
_AWAY = ("log_det", "log_cond", "image_distance")
