"""What the records of MNIST say of every system, as tables; what has no record is "not measured"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..claims.criteria import NONE
from ..claims.statistics import bounds
from ..models.catalogue import ENSEMBLE, FLAT, FLAT_WEIGHTS, GAUSSIAN, ISOMETRIC
from ..profiles import get_profile
from ..rings.tables import NOT_MEASURED, with_interval
from . import held_out, run
from .agreement import jackknife, rank_agreement, variation
from .knobs import KNOBS
from .systems import PLAIN

ONE_DECODER = KNOBS["decoders"][1]
KNOB_NAMES = {knob: knob for knob in KNOBS} | {"least precision": "zeta, the least precision"}
DRAWS = "32"  # steps of the chains that claim R-7 looks at
SYSTEMS = ("deterministic", "Fisher-Rao", "radial variance", "density", "process", "Gaussian VAE",
           "Gaussian VAE, Fisher-Rao", "ensemble", "flat", "isometric", "GP-LVM")  # fmt: skip
TRAINED = {"Gaussian VAE": GAUSSIAN, "Gaussian VAE, Fisher-Rao": GAUSSIAN, "ensemble": ENSEMBLE, "flat": FLAT,
           "isometric": ISOMETRIC}  # with models of their own  # fmt: skip

Record = dict[str, Any]
Records = Sequence[Record]
Array = NDArray[np.float64]


def records(profile: str = "paper", seeds: int = run.SEEDS) -> list[Record | None]:
    """The record of each seed, with what its models lose on test images; None where one is not there."""
    return [_read(profile, seed) for seed in range(seeds)]


def there(found: Sequence[Record | None]) -> list[Record]:
    return [record for record in found if record is not None]


def _read(name: str, seed: int) -> Record | None:
    profile = get_profile(name, seed)
    record, models = run.read(profile), {}
    for spec in run.REMEDIES:
        held = held_out.read(profile, spec)
        if record is None or held is None:
            return None
        models[spec.name] = held
    return {**record, "models": models}  # type: ignore[dict-item]


# ------------------------------------------------------------------------------------------------ numbers of a seed


def mean(record: Record, system: str, way: str, measure: str, agreed: Sequence[bool] | None = None) -> float:
    """The mean of a measure over pairs, of the "path" or the "line": those that are agreed, or those given; NaN for
    none."""
    own = record["systems"][system]
    values = np.array(own[way][measure], dtype=float)[np.array(own["agreed"] if agreed is None else agreed)]
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def gain(record: Record, system: str, measure: str) -> float:
    """The mean of a measure of the paths, less that of the straight lines."""
    return mean(record, system, "path", measure) - mean(record, system, "line", measure)


def on_data(found: Records, system: str) -> str:
    """"keeps", "leaves" or "undecided": by the share of paths at sparse points, less that of straight lines."""
    low, high = bounds([gain(record, system, "sparse") for record in found])
    return "leaves" if low > NONE else "keeps" if high < NONE else "undecided"


def log_gain(record: Record, system: str, measure: str) -> float:
    """The logarithm of the mean of a measure of the paths, over that of the straight lines."""
    return math.log(mean(record, system, "path", measure) / mean(record, system, "line", measure))


def error_over_plain(record: Record, system: str) -> float:
    """The logarithm of the squared error of reconstructed test images, over the plain VAE's."""
    own, plain = (record["models"][spec.name]["squared_error"] for spec in (TRAINED.get(system, PLAIN), PLAIN))
    return math.log(own / plain)


def clusters_gained(record: Record, system: str) -> float:
    """The F-measure of clusters by the metric, less that by the latent distance."""
    own = record["systems"][system]["F"]
    return own["metric"] - own["latent"]


def told_right_gained(record: Record, system: str) -> float:
    """The share of test images told right with images on paths, less that with images on straight lines."""
    own = record["systems"][system]["accuracy"]
    return own["path"] - own["line"]


# ------------------------------------------------------------------------------------------------ agreement


def distances(found: Records, system: str, kind: str = "length") -> Array:
    """Distances (S, B) of the pairs in S trainings: "length" under the metric, "latent", or that of the decoded
    images, "image". NaN for a pair on which two grids do not agree."""
    rows = []
    for record in found:
        own = record["systems"][system]
        values = np.array(own[kind], dtype=float)
        rows.append(np.where(own["agreed"], values, np.nan) if kind == "length" else values)
    return np.array(rows)


def drawn(found: Records, steps: str = DRAWS) -> Array:
    """Distances (S, B) of an ensemble's pairs by independent draws."""
    return np.array([record["draws"][steps]["length"] for record in found])


def both(*kinds: Array) -> tuple[Array, ...]:
    """Distances of several kinds (S, B), of the pairs that have all of them."""
    whole = np.logical_and.reduce([np.isfinite(kind).all(0) for kind in kinds])
    return tuple(kind[:, whole] for kind in kinds)


def agreement(found: Records) -> pd.DataFrame:
    """Rows: what is taken for the distance. Columns: pairs that all trainings have, the variation over trainings and
    the rank agreement, with the jackknife's 95 % intervals."""
    if not found:
        return pd.DataFrame()
    kinds = {
        "latent distance": distances(found, "deterministic", "latent"),
        "distance of decoded images": distances(found, "deterministic", "image"),
        **{name: distances(found, name) for name in SYSTEMS if name != "GP-LVM"},
        **{name: distances(found, name) for name in KNOBS["decoders"].values()},
        **{f"independent draws, {steps} steps": drawn(found, steps) for steps in found[0]["draws"]},
    }
    rows = {}
    for name, values in kinds.items():
        (own,) = both(values)
        rows[name] = {"pairs": str(own.shape[1]), "variation": _told(variation, own),
                      "rank agreement": _told(rank_agreement, own)}  # fmt: skip
    return pd.DataFrame(rows).T


def _told(statistic: Callable[..., float], own: Array) -> str:
    whole, low, high = jackknife(statistic, own)
    return f"{whole:.2f} ({low:.2f} to {high:.2f})"


# ------------------------------------------------------------------------------------------------ tables


Columns = dict[str, Callable[[Record, str], float]]
PLACES: Columns = {
    "at sparse places (%)": lambda r, name: mean(r, name, "path", "sparse"),
    "less straight line's (%)": lambda r, name: gain(r, name, "sparse"),
    "sparsest place (%)": lambda r, name: mean(r, name, "path", "sparsest"),
    "straight line's (%)": lambda r, name: mean(r, name, "line", "sparsest"),
}
IMAGES: Columns = {
    "farther from test images (%)": lambda r, name: math.expm1(log_gain(r, name, "nearest")),
    "farther in features (%)": lambda r, name: math.expm1(log_gain(r, name, "features")),
    "confidence, less straight line's (%)": lambda r, name: gain(r, name, "confidence"),
    "lowest confidence, less straight line's (%)": lambda r, name: gain(r, name, "lowest_confidence"),
}


def on_the_data(found: Records, systems: Sequence[str] = SYSTEMS) -> pd.DataFrame:
    """Rows: systems. Columns: pairs agreed; where the paths are, beside straight lines, as means over seeds with 95 %
    intervals; and the verdict, which needs all seeds."""
    rows = {}
    for name in systems if found else ():
        agreed = 100 * np.mean([np.mean(record["systems"][name]["agreed"]) for record in found])
        rows[name] = {"pairs agreed (%)": f"{agreed:.0f}"} | _means(found, name, PLACES)
        rows[name]["verdict"] = on_data(found, name) if len(found) == run.SEEDS else NOT_MEASURED
    return pd.DataFrame(rows).T


def of_images(found: Records, systems: Sequence[str] = SYSTEMS) -> pd.DataFrame:
    """Rows: systems. Columns: how much farther the paths' images are from test images than those of straight lines, and
    how surely a classifier tells them, as means over seeds with 95 % intervals."""
    return pd.DataFrame({name: _means(found, name, IMAGES) for name in systems if found}).T


def _means(found: Records, name: str, columns: Columns) -> dict[str, str]:
    return {label: with_interval([100 * value(r, name) for r in found], 1) for label, value in columns.items()}


def by_seed(found: Records, systems: Sequence[str] = SYSTEMS) -> pd.DataFrame:
    """One row a system and seed: the numbers of `on_the_data` and `of_images`, in the shape that `plots.seeds_by_path`
    takes."""
    columns = PLACES | IMAGES
    return pd.DataFrame(
        [
            {"on": "MNIST", "path": name, "seed": record["seed"]}
            | {label: 100 * value(record, name) for label, value in columns.items()}
            for record in found
            for name in systems
        ],
        columns=["on", "path", "seed", *columns],
    )


def price(found: Records) -> pd.DataFrame:
    """Rows: systems. Columns: time of the training over the VAE's; times of a geodesic by the default solver and of a
    shortest path, over the deterministic metric's; mean highest condition number on the path; pairs that the default
    solver solves; and squared error of reconstructed test images over the VAE's. Means over seeds with 95 %
    intervals."""
    rows = {}
    for name in SYSTEMS if found else ():
        spec = TRAINED.get(name, PLAIN)
        own = {
            "training, of the VAE's": [r["seconds"][spec.name] / r["seconds"][PLAIN.name] for r in found],
            "geodesic, of the deterministic": [_times_plain(r, name, "solver", "seconds") for r in found],
            "shortest path, of the deterministic": [_times_plain(r, name, "seconds", "shortest") for r in found],
            "condition number": [math.exp(_mean_of(r["systems"][name]["log_cond"])) for r in found],
            "solved (%)": [100 * float(np.mean(r["systems"][name]["solver"]["solved"])) for r in found],
            "squared error, of the VAE's": [math.exp(error_over_plain(r, name)) for r in found],
        }
        rows[name] = {label: with_interval(values, 1) for label, values in own.items()}
        if name == "GP-LVM":  # it is fitted, not trained, and encodes no test image
            rows[name] |= dict.fromkeys(("training, of the VAE's", "squared error, of the VAE's"), "")
    return pd.DataFrame(rows).T


def _times_plain(record: Record, name: str, *keys: str) -> float:
    own, plain = (record["systems"][system][keys[0]][keys[1]] for system in (name, "deterministic"))
    return own / plain


def models(profile: str = "paper", seeds: int = run.SEEDS) -> pd.DataFrame:
    """Rows: the models, the flat VAE with each weight. Columns: seeds that have their record and the plain VAE's, and
    what `held_out` measures, the squared error over the plain VAE's. Means over seeds with 95 % intervals; empty where
    a model has no such number."""
    profiles = [get_profile(profile, seed) for seed in range(seeds)]
    rows = {}
    for name, spec in MODELS.items():
        couples = [(held_out.read(own, spec), held_out.read(own, PLAIN)) for own in profiles]
        whole = [(own, plain) for own, plain in couples if own and plain]
        rows[name] = {"seeds": str(len(whole))} | {
            label: "" if whole and measure not in whole[0][0] else with_interval(
                [own[measure] / (plain[measure] if measure == "squared_error" else 1) for own, plain in whole], digits
            )
            for label, (measure, digits) in LOST.items()
        }  # fmt: skip
    return pd.DataFrame(rows).T


MODELS = {
    "VAE": PLAIN, "Gaussian VAE": GAUSSIAN, "ensemble": ENSEMBLE,
    **{f"flat VAE, weight {weight:g}": replace(FLAT, weight=weight) for weight in FLAT_WEIGHTS},
    "isometric VAE": ISOMETRIC,
}  # fmt: skip
LOST = {  # the measures of `held_out` and the digits that are shown
    "negative ELBO (nats)": ("negative_elbo", 1), "negative log-likelihood (nats)": ("negative_log_likelihood", 1),
    "squared error, of the VAE's": ("squared_error", 2), "deviation from flat": ("isometry", 3),
    "condition number": ("condition_number", 2),
}  # fmt: skip


def uses(found: Records) -> pd.DataFrame:
    """Rows: systems. Columns: F-measure of clusters by the metric, and less that by latent distance; share of test
    images told right with images on paths, in %, and less that with images on straight lines. Means over seeds with
    95 % intervals. The last row has the images themselves: their distances, and their mixtures pixel by pixel."""
    if not found:
        return pd.DataFrame()
    rows = {}
    for name in SYSTEMS:
        if "F" not in found[0]["systems"][name]:
            continue
        own = {
            "F": [r["systems"][name]["F"]["metric"] for r in found],
            "F, less latent distance": [clusters_gained(r, name) for r in found],
        }
        right = {
            "told right (%)": [100 * r["systems"][name]["accuracy"]["path"] for r in found],
            "told right, less straight line's (%)": [100 * told_right_gained(r, name) for r in found],
        }
        rows[name] = {label: with_interval(values) for label, values in own.items()} | {
            label: with_interval(values, 1) for label, values in right.items()
        }
    without = [record["without a metric"] for record in found]
    rows["images themselves"] = {
        "F": with_interval([own["F, pixels"] for own in without]), "F, less latent distance": "",
        "told right (%)": with_interval([100 * own["accuracy, mixed pixels"] for own in without], 1),
        "told right, less straight line's (%)": "",
    }  # fmt: skip
    return pd.DataFrame(rows).T


def knobs(found: Records) -> pd.DataFrame:
    """One row a knob, its value and seed: the share of paths at sparse points in %, that of the straight lines, and the
    distance of the paths' images to the nearest test image over that of the straight lines'."""
    rows = [
        {"knob": KNOB_NAMES[knob], "value": value, "seed": record["seed"],
         "sparse": 100 * mean(record, name, "path", "sparse"),
         "sparse, straight line": 100 * mean(record, name, "line", "sparse"),
         "nearest": math.exp(log_gain(record, name, "nearest"))}
        for record in found
        for knob, names in KNOBS.items()
        for value, name in names.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["knob", "value", "seed", "sparse", "sparse, straight line", "nearest"])


def _mean_of(values: Sequence[float | None]) -> float:
    return float(np.nanmean(np.array(values, dtype=float)))
