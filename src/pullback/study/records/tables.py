"""The sweep's records as tables, one row an observation, for figures. Without records a table has no rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..claims.effects import FEWEST_PAIRS
from ..claims.statistics import interval
from ..labels import COLLAPSED_GAN, family
from ..models.catalogue import STUDY
from ..solvers.premise import partial
from .items import NOISELESS
from .schema import Numbers, PairNumbers, Record

Records = Sequence[Record]
CURVES = ("straight", "geodesic")
CONDITIONING = ("log_cond, median", "log_cond, 95 %", "log_cond, highest", "share above 20", "renewed less trained",
                "roughness")
MAGNITUDE = ("log_det, median", "log_det, highest", "log_det, range", "log_det, 5 to 95 %", "rise at the origin",
             "fall beyond the box")
PACKING = ("share of gaps", "norm of digits' points")
RATIOS = ("roughness",)  # positive, no logarithm, and best compared by its ratios
_WHO = ("family", "model", "seed")
_MAP = (*CONDITIONING, *MAGNITUDE, *PACKING, "held-out")
_AWAY = ("log_det", "log_cond", "image_distance")
EQUAL = ("any pairs", "at equal distance", "at equal distance and length")
CONDITIONS = (5, 10, 20)  # condition numbers between which pairs are counted
_CONDITION_LABELS = ("up to 5", "5 to 10", "10 to 20", "above 20")
REASONS = ("no convergence", "another minimum", "wrong flag")
QUALITIES = ("evenness", "nearest", "confidence", "changes", "sparse", "log_det")


def _whole(records: Records) -> list[Record]:
    """The records of models that were trained on all images, in the study's order of models."""
    return sorted((r for r in records if r.whole), key=lambda r: [*STUDY, *NOISELESS].index(r.item.model))


def _who(r: Record) -> dict[str, Any]:
    return {"family": family(r.item.model), "model": r.item.model, "seed": r.item.seed}


def _map(numbers: Numbers) -> dict[str, float]:
    m, det, cond = numbers.maps, numbers.maps.log_det, numbers.maps.log_cond
    renewed, held_out = numbers.renewed, numbers.held_out
    return {
        "log_cond, median": cond.q50,
        "log_cond, 95 %": numbers.log_cond_95,
        "log_cond, highest": cond.q100,
        "share above 20": m.badly_conditioned,
        "renewed less trained": np.nan if renewed is None else renewed.log_cond.q50 - cond.q50,
        "roughness": numbers.roughness,
        "log_det, median": det.q50,
        "log_det, highest": det.q100,
        "log_det, range": det.q100 - det.q0,
        "log_det, 5 to 95 %": det.q95 - det.q5,
        "rise at the origin": m.centre_excess,
        "fall beyond the box": numbers.beyond.median_inside - numbers.beyond.median_outside,
        "share of gaps": numbers.packing.gaps,
        "norm of digits' points": numbers.packing.median_norm,
        "held-out": np.nan if held_out is None else held_out.reconstruction,
    }


def _table(rows: list[dict[str, Any]], numbers: Sequence[str], names: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table whose columns have their types though there be no row."""
    table = pd.DataFrame(rows, columns=[*_WHO, *names, *numbers])
    return table.astype(dict.fromkeys(numbers, float))


def models(records: Records) -> pd.DataFrame:
    """One row a model and seed: what its map says, and the held-out reconstruction, nats an image."""
    return _table([_who(r) | _map(r.numbers) for r in _whole(records)], _MAP)


def sizes(records: Records) -> pd.DataFrame:
    """One row a training: the models that were trained on several numbers of images, with those numbers."""
    varied = {r.item.model for r in records if r.whole} & {r.item.model for r in records if not r.whole}
    rows = [_who(r) | {"images": r.item.images} | _map(r.numbers) for r in records
            if r.item.model in varied and not (r.item.fresh and r.whole)]  # its batches would be larger than theirs
    return _table(rows, ("images", *_MAP)).astype({"images": int}).sort_values("images", kind="stable")


def away(records: Records) -> pd.DataFrame:
    """One row a model, seed and bin of sparsity (its geometric middle): medians over the bin.

    log_det is less that of the densest bin with points, because a DAE's latent scale is arbitrary. image_distance is
    in pixel units.
    """
    rows = []
    for r in _whole(records):
        a = r.numbers.away
        densest = next((value for value in a.log_det if not math.isnan(value)), math.nan)
        for low, high, det, cond, distance in zip(a.edges[:-1], a.edges[1:], a.log_det, a.log_cond, a.image_distance,
                                                  strict=True):  # fmt: skip
            rows.append({**_who(r), "sparsity": (low * high) ** 0.5, "log_det": det - densest, "log_cond": cond,
                         "image_distance": distance})
    return _table(rows, ("sparsity", *_AWAY))


def quality(records: Records) -> pd.DataFrame:
    """One row a family, seed and curve: means of the qualities (see `interpolation.quality`) over pairs and models."""
    return _pairs(records).groupby(["family", "seed", "curve"], sort=False, as_index=False)[list(QUALITIES)].mean()


def median_quality(records: Records) -> pd.DataFrame:
    """Rows: family and curve. Columns: the qualities, as text: the median over a seed's pairs and models, as mean over
    seeds with its 95 % interval."""
    medians = _pairs(records).groupby(["family", "curve", "seed"], sort=False)[list(QUALITIES)].median()
    return medians.groupby(["family", "curve"], sort=False).agg(_with_interval)


def _with_interval(values: pd.Series) -> str:
    found = interval(values.dropna().tolist())
    return f"{values.mean():.2f}" + (f" ({found[0]:.2f} to {found[1]:.2f})" if found else "")


def _measured(records: Records) -> Iterator[tuple[Record, PairNumbers]]:
    """The records that have geodesics, and these."""
    return ((r, r.numbers.pairs) for r in _whole(records) if r.numbers.pairs is not None)


def _pairs(records: Records) -> pd.DataFrame:
    """One row a pair and curve."""
    rows = []
    for r, pairs in _measured(records):
        for curve in CURVES:
            own = pd.DataFrame({q: np.array(getattr(getattr(pairs, curve), q), float) for q in QUALITIES})
            rows.extend(own.assign(curve=curve, **_who(r)).to_dict("records"))
    return _table(rows, QUALITIES, ("curve",))


def shares_solved(records: Records) -> pd.DataFrame:
    """One row a model, seed and method: the share of the scored pairs that it solves."""
    rows = []
    for r, pairs in sorted(_measured(records), key=lambda found: found[0].item.seed):
        scored = pairs.scored
        for method in pairs.methods:
            share = pairs.solved(method)[scored].mean() if scored.any() else np.nan
            rows.append({**_who(r), "method": method, "solved": share})
    return _table(rows, ("solved",), ("method",))


def certified_shares(records: Records) -> pd.DataFrame:
    """Rows: family and the highest condition number on the shortest path. Columns: pairs, and the share scored."""
    rows = [
        (family(r.item.model), math.exp(highest), held)
        for r, pairs in _measured(records)
        for highest, held in zip(pairs.optimum.log_cond_highest, pairs.scored, strict=True)
        if not math.isnan(highest)
    ]
    found = pd.DataFrame(rows, columns=["family", "highest", "certified"])
    bins = pd.cut(found["highest"].astype(float), [0, *CONDITIONS, math.inf], labels=_CONDITION_LABELS)
    groups = found.groupby(["family", bins.rename("condition number")], sort=False, observed=True)["certified"]
    return groups.agg(pairs="size", certified="mean").sort_index().round(2)


def unsolved(records: Records) -> pd.DataFrame:
    """Rows: family and method. Columns: the shares of the scored pairs that are not solved, by why (see
    `scores.told_apart`). Only of records of fresh seeds, which tell them apart."""
    rows = []
    for r, pairs in _measured(records):
        for method in pairs.methods if r.item.fresh and pairs.scored.any() else ():
            shares = {why: float(own[pairs.scored].mean()) for why, own in pairs.told_apart(method).items()}
            rows.append({**_who(r), "method": method, **shares})
    return _table(rows, REASONS, ("method",)).groupby(["family", "method"], sort=False)[list(REASONS)].mean()


def correlations(records: Records) -> pd.DataFrame:
    """Rank correlations of the highest log_cond on the shortest path with an outcome, one row an outcome.

    Between any pairs, at equal latent distance, and at equal length of the path too: the last two are partial.

    Mean within the working models of a seed that have at least FEWEST_PAIRS scored pairs, as text over seeds.
    """
    rows = []
    for r, pairs in _measured(records):
        if family(r.item.model) == COLLAPSED_GAN or pairs.scored.sum() < FEWEST_PAIRS:
            continue
        outcomes: dict[str, ArrayLike] = {"iterations of newton": pairs.methods["newton"].iterations}
        outcomes |= {f"not solved by {m}": ~pairs.solved(m) for m in ("newton", "cubic spline", "fixed point")}
        given = (pairs.latent_distance, pairs.optimum.length)
        for outcome, values in outcomes.items():
            columns = (pairs.optimum.log_cond_highest, *given, values)
            numbers = np.column_stack([np.asarray(column, float) for column in columns])[pairs.scored]
            numbers = numbers[~np.isnan(numbers).any(1)]
            compared = [partial(numbers[:, kept]) for kept in ([0, 3], [0, 1, 3], [0, 1, 2, 3])]
            rows.append((r.item.seed, outcome, *compared))
    found = pd.DataFrame(rows, columns=["seed", "outcome", *EQUAL]).astype(dict.fromkeys(EQUAL, float))
    return found.groupby(["outcome", "seed"], sort=False).mean().groupby("outcome", sort=False).agg(_with_interval)


# ------------------------------------------------------------------------------------------------ for sidecars


def plain(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """A table as nested dictionaries, None where a column does not apply: what a sidecar can hold."""
    return {
        str(name): {str(column): None if pd.isna(value) else float(value) for column, value in row.items()}
        for name, row in table.iterrows()
    }


def nested(table: pd.DataFrame) -> dict[str, dict[str, dict[str, float | None]]]:
    """A table whose rows have two keys, as dictionaries in dictionaries: see `plain`."""
    outer = table.index.get_level_values(0).unique()
    return {str(key): plain(table.loc[key]) for key in outer}


def by_model(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Means over a table's seeds: for each column, the means of all models."""
    return plain(table.groupby("model", sort=False)[list(columns)].mean().T)
