"""The sweep's records as tables, one row an observation, for figures. Without records a table has no rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..claims.catalogue import ALL_WORKING, certified, solved
from ..claims.verdicts import by_seed, interval
from ..models.catalogue import STUDY
from ..solvers.scores import family

Records = Sequence[dict[str, Any]]
CURVES = ("straight", "geodesic")
CONDITIONING = ("log_cond, median", "log_cond, 95 %", "log_cond, highest", "share above 20", "renewed less trained",
                "roughness")
MAGNITUDE = ("log_det, median", "log_det, highest", "log_det, range", "log_det, 5 to 95 %", "rise at the origin",
             "fall beyond the box")
PACKING = ("share of gaps", "norm of digits' points")
RATIOS = (  # positive, and best compared by their ratios
    "log_cond, median", "log_cond, 95 %", "log_cond, highest", "roughness", "log_det, range", "log_det, 5 to 95 %",
)
_WHO = ("family", "model", "seed")
_MAP = (*CONDITIONING, *MAGNITUDE, *PACKING, "held-out")
_AWAY = ("log_det", "log_cond", "image_distance")
FEWEST = 6  # pairs of which a correlation given a third quantity is taken
CONDITIONS = (5, 10, 20)  # condition numbers between which pairs are counted
_CONDITION_LABELS = ("up to 5", "5 to 10", "10 to 20", "above 20")
QUALITIES = ("evenness", "nearest", "confidence", "changes", "sparse", "log_det")


def _whole(records: Records) -> list[dict[str, Any]]:
    """The records of models that were trained on all images, in the study's order of models."""
    largest = max((r["item"]["images"] for r in records), default=0)
    found = [r for r in records if r["item"]["images"] == largest]
    return sorted(found, key=lambda r: list(STUDY).index(r["item"]["model"]))


def _who(record: dict[str, Any]) -> dict[str, Any]:
    item = record["item"]
    return {"family": family(item["model"]), "model": item["model"], "seed": item["seed"]}


def _map(record: dict[str, Any]) -> dict[str, float]:
    numbers = record["numbers"]
    m, beyond, packing, gan = numbers["maps"], numbers["beyond"], numbers["packing"], numbers["renewed"] is None
    det, cond = m["log_det"], m["log_cond"]
    return {
        "log_cond, median": cond["q50"],
        "log_cond, 95 %": cond["q95"],
        "log_cond, highest": cond["q100"],
        "share above 20": m["badly_conditioned"],
        "renewed less trained": np.nan if gan else numbers["renewed"]["log_cond"]["q50"] - cond["q50"],
        "roughness": m["roughness"],
        "log_det, median": det["q50"],
        "log_det, highest": det["q100"],
        "log_det, range": det["q100"] - det["q0"],
        "log_det, 5 to 95 %": det["q95"] - det["q5"],
        "rise at the origin": m["centre_excess"],
        "fall beyond the box": beyond["median_inside"] - beyond["median_outside"],
        "share of gaps": packing["gaps"],
        "norm of digits' points": packing["median_norm"],
        "held-out": np.nan if gan else numbers["held_out"]["reconstruction"],
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


def certified_shares(records: Records) -> pd.DataFrame:
    """Rows: family and the highest condition number on the shortest path. Columns: pairs, and the share certified."""
    rows = [
        (family(model), math.exp(highest), i in scored)
        for s in by_seed(_whole(records)).values()
        for model, _ in s.numbers
        for scored in [set(certified(s, model))]
        for i, highest in enumerate(s(model, "pairs.optimum.log_cond_highest"))
        if highest is not None
    ]
    found = pd.DataFrame(rows, columns=["family", "highest", "certified"])
    bins = pd.cut(found["highest"].astype(float), [0, *CONDITIONS, math.inf], labels=_CONDITION_LABELS)
    groups = found.groupby(["family", bins.rename("condition number")], sort=False, observed=True)["certified"]
    return groups.agg(pairs="size", certified="mean").sort_index().round(2)


def at_equal_distance(records: Records) -> pd.Series:
    """Partial rank correlation, given latent distance, of the highest log_cond on the shortest path with an outcome:
    mean within the working models of a seed that have at least FEWEST scored pairs, as text over seeds."""
    rows = []
    for seed, s in by_seed(_whole(records)).items():
        for model in (m for m, _ in s.numbers if m in ALL_WORKING):
            scored, optimum = list(certified(s, model)), s(model, "pairs.optimum")
            own = pd.DataFrame({
                "highest": [optimum["log_cond_highest"][i] for i in scored],
                "distance": [s(model, "pairs.latent_distance")[i] for i in scored],
                "iterations of newton": [s(model, "pairs.methods.newton.iterations")[i] for i in scored],
                **{f"not solved by {m}": [not solved(s, model, m, i) for i in scored]
                   for m in ("newton", "cubic spline", "fixed point")},
            }).astype(float).rank()  # fmt: skip
            if len(own) >= FEWEST:
                r = own.corr()
                rows += [(seed, outcome, _partial(r, outcome)) for outcome in own.columns[2:]]
    found = pd.DataFrame(rows, columns=["seed", "outcome", "partial rank correlation"]).dropna()
    means = found.groupby(["outcome", "seed"], sort=False)["partial rank correlation"].mean()
    return means.groupby("outcome", sort=False).agg(_with_interval)


def _partial(r: pd.DataFrame, outcome: str) -> float:
    """Correlation of highest and outcome given distance, from the matrix of correlations."""
    xy, xz, yz = r.loc["highest", outcome], r.loc["highest", "distance"], r.loc[outcome, "distance"]
    return float((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
