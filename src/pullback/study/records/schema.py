"""What a record holds: one trained model, measured.

The measurement writes these types, claims and tables read them, and the files hold them as JSON. Lengths and distances
are in pixel units, logarithms natural. A number is finite unless its type is `MaybeNaN`: it is NaN where a curve or a
bin has no such number, which JSON has as null.

Fields with a default are what version 2 of the measuring recipe measures and version 1 does not. A file leaves out a
field that holds its default, so that records of both versions are read by the same types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from statistics import fmean
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray

from ..profiles import get_profile
from ..solvers.scores import reasons, scored, solved
from .items import Item, whole

SCHEMA = 2  # raised when what a record holds changes its form
MaybeNaN = Annotated[float, "NaN in memory, null in a file"]


@dataclass(frozen=True)
class Quantiles:
    """The 0, 5, 25, 50, 75, 95 and 100 % quantiles of a quantity's finite values over a map."""

    q0: float
    q5: float
    q25: float
    q50: float
    q75: float
    q95: float
    q100: float


@dataclass(frozen=True)
class MapNumbers:
    """A map in numbers (see `quantities`): both quantities, the number of rank-deficient points, the share of the area
    with a condition number above 20, roughness, and the excess of log_det at the centre."""

    log_det: Quantiles
    log_cond: Quantiles
    rank_deficient: int
    badly_conditioned: float
    roughness: float
    centre_excess: float


@dataclass(frozen=True)
class Beyond:
    """log_det inside and outside the box of the data, over a map three times as wide: medians, the lowest value
    outside, and the share of the points outside that are rank deficient."""

    median_inside: float
    median_outside: float
    lowest_outside: float
    rank_deficient_outside: float


@dataclass(frozen=True)
class Shares:
    """Shares of places with a condition number above 5, 10, 20 and 50; rank-deficient ones are above all."""

    above_5: float
    above_10: float
    above_20: float
    above_50: float


@dataclass(frozen=True)
class Late:
    """Maps of a model as it was after each of its last epochs, the last one last: the 95 % quantile of log_cond, and
    the roughness."""

    log_cond_95: list[float]
    roughness: list[float]


@dataclass(frozen=True)
class Fresh:
    """What version 2 measures beside the rest, which version 1 has too.

    area: the shares of the box. codes: those of 10,000 codes, of a GAN draws from its prior. between: the share, among
    the midpoints of 10,000 random pairs of these, that is sparser than 99 % of them. log_area: the logarithm of the
    square root of the determinant of their covariance.
    """

    area: Shares
    codes: Shares
    between: float
    log_area: float
    late: Late


@dataclass(frozen=True)
class HeldOut:
    """Reconstruction loss of test images, nats an image: as trained, and with batch-norm statistics renewed."""

    reconstruction: float
    renewed: float


@dataclass(frozen=True)
class CoverageNumbers:
    """Digits that a GAN's samples cover, and the classifier's mean confidence in them."""

    classes: int
    confidence: float


@dataclass(frozen=True)
class Packing:
    """Share of the box that is sparse, and the median norm of the latent points of test digits."""

    gaps: float
    median_norm: float


@dataclass(frozen=True)
class Away:
    """What happens away from the data: by bins of sparsity with these `edges`, the number of points of the wide map in
    each, and their medians of log_det, of log_cond and of the distance to the nearest training image."""

    edges: list[float]
    count: list[int]
    log_det: list[MaybeNaN]
    log_cond: list[MaybeNaN]
    image_distance: list[MaybeNaN]


@dataclass(frozen=True)
class Optimum:
    """The shortest paths, one number a pair: length, whether it is certified, highest log_cond on the way, and the
    total variation of log_cond and log_det along it."""

    length: list[MaybeNaN]
    certified: list[bool]
    log_cond_highest: list[MaybeNaN]
    log_cond_variation: list[MaybeNaN]
    log_det_variation: list[MaybeNaN]


@dataclass(frozen=True)
class Found:
    """A solver's curves, one number a pair: length, the solver's own flag, iterations.

    polished: the length after Newton's method of a curve that its solver calls converged and that does not solve its
    pair; NaN for other curves.
    """

    length: list[MaybeNaN]
    converged: list[bool]
    iterations: list[int]
    polished: list[MaybeNaN] | None = None


@dataclass(frozen=True)
class Quality:
    """How well curves interpolate, one number a pair: see `interpolation.quality`."""

    evenness: list[MaybeNaN]
    nearest: list[MaybeNaN]
    confidence: list[MaybeNaN]
    lowest_confidence: list[MaybeNaN]
    changes: list[int]
    sparse: list[MaybeNaN]
    log_det: list[MaybeNaN]
    features: list[MaybeNaN] | None = None


@dataclass(frozen=True)
class PairNumbers:
    """Curves between test digits: what the solvers found, and how straight lines and geodesics interpolate. Version 1
    has all pairs of a few digits, version 2 disjoint pairs. `sensitivity`: relative lengthening of a geodesic that is
    moved aside."""

    latent_distance: list[MaybeNaN]
    sensitivity: list[MaybeNaN]
    optimum: Optimum
    methods: dict[str, Found]
    straight: Quality
    geodesic: Quality

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which pairs are scored: see `scores.scored`."""
        return scored(self.optimum.length, self.optimum.certified, [m.length for m in self.methods.values()])

    def solved(self, method: str) -> NDArray[np.bool_]:
        """Which pairs a method solves: see `scores.solved`."""
        return solved(self.methods[method].length, self.optimum.length)

    def told_apart(self, method: str) -> dict[str, NDArray[np.bool_]]:
        """Why a method does not solve pairs: which pairs, for each reason of `scores.told_apart`. Raises ValueError for
        a record of version 1, which cannot tell."""
        found = self.methods[method]
        if found.polished is None:
            raise ValueError("a record of version 1 of the measuring recipe does not tell why pairs are not solved")
        return reasons(~self.solved(method), found.converged, found.length, found.polished)


@dataclass(frozen=True)
class Neighbours:
    """How latent distance misleads about the nearest neighbour.

    changed: share of points whose nearest neighbour by geodesic length is another than by latent distance. further:
    how many times further away, by geodesic length, the neighbour by latent distance is, on average over those points.
    """

    changed: float
    further: float


@dataclass(frozen=True)
class Numbers:
    """All numbers of one model. None: `renewed` and `held_out` of a GAN, `coverage` of what is none, `pairs` and
    `neighbours` of a model that was trained on part of the images, and `fresh` in version 1."""

    maps: MapNumbers
    renewed: MapNumbers | None
    beyond: Beyond
    held_out: HeldOut | None
    coverage: CoverageNumbers | None
    packing: Packing
    away: Away
    pairs: PairNumbers | None
    neighbours: Neighbours | None
    fresh: Fresh | None = None

    @property
    def roughness(self) -> float:
        """Of the map; where the last epochs were measured, the mean over theirs."""
        return self.maps.roughness if self.fresh is None else fmean(self.fresh.late.roughness)

    @property
    def log_cond_95(self) -> float:
        """The 95 % quantile of log_cond, as `roughness` is taken."""
        return self.maps.log_cond.q95 if self.fresh is None else fmean(self.fresh.late.log_cond_95)


@dataclass(frozen=True)
class Provenance:
    """Where a record comes from: the profile, the hash of the weights, the seconds that measuring took, and versions.

    Versions are recorded and not compared: what decides a result is in the record's key and recipes. origin: of a
    record that was carried over from an older schema, its key and the hashes of the code then; else None.
    """

    profile: str
    weights: str
    seconds: float
    versions: dict[str, str]
    origin: dict[str, str] | None


@dataclass(frozen=True)
class Record:
    """One trained model, measured: what it is of, the key of all that decides it, the versions of the recipes that
    trained and measured it, its provenance, and its numbers."""

    schema: int
    item: Item
    key: str
    recipes: dict[str, int]
    provenance: Provenance
    numbers: Numbers

    @property
    def whole(self) -> bool:
        """Whether the model was trained on all images of the record's profile, in the profile's batches."""
        return self.item.whole(get_profile(self.provenance.profile))

    @property
    def on_all(self) -> bool:
        """Whether the model was trained on all images of the record's profile, in batches of any size."""
        return self.item.images == whole(get_profile(self.provenance.profile))

    @property
    def name(self) -> str:
        """What the record's file is called, without `.json`."""
        return self.item.name(get_profile(self.provenance.profile))


def encode(value: Any) -> Any:
    """A record, or a part of one, in the types that JSON has: None for a number that is not finite, and no field that
    holds its default."""
    if is_dataclass(value):
        return {f.name: encode(own) for f in fields(value) if (own := getattr(value, f.name)) is not f.default}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decode(kind: Any, value: Any, where: str = "") -> Any:
    """What `encode` made of an instance of `kind`, as that instance. Raises ValueError, naming the field, for anything
    that an instance of `kind` cannot be: other types, missing or unknown fields, numbers that are not finite."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:  # X | None
        (inner,) = (a for a in arguments if a is not NoneType)
        return None if value is None else decode(inner, value, where)
    if origin is Annotated:
        return math.nan if value is None else decode(arguments[0], value, where)
    if origin is list:
        _expect(isinstance(value, list), where, value, "a list")
        if all(type(item) is arguments[0] is float and math.isfinite(item) for item in value):  # most of a record
            return value
        return [decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin is dict:
        _expect(isinstance(value, dict), where, value, "an object")
        return {key: decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if is_dataclass(kind):
        _expect(isinstance(value, dict), where, value, "an object")
        kinds = _kinds(kind)  # type: ignore[arg-type]
        within = {name: f"{where}.{name}".lstrip(".") for name in (*kinds, *value)}
        needed = {f.name for f in fields(kind) if f.default is MISSING}
        if wrong := [*(needed - value.keys()), *(value.keys() - kinds.keys())]:
            raise ValueError(f"{within[wrong[0]]} is {'missing' if wrong[0] in kinds else 'no field of a record'}")
        return kind(**{name: decode(kinds[name], own, within[name]) for name, own in value.items()})  # type: ignore[operator]
    _expect(isinstance(value, bool) == (kind is bool), where, value, f"a {kind.__name__}")
    if kind is float:
        _expect(isinstance(value, int | float) and math.isfinite(value), where, value, "a finite number")
        return float(value)
    _expect(isinstance(value, kind), where, value, f"a {kind.__name__}")
    return value


@cache
def _kinds(kind: type) -> dict[str, Any]:
    """The types of the fields of a dataclass, by name."""
    return get_type_hints(kind, include_extras=True)


def _expect(holds: bool, where: str, value: Any, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{where} is {str(value)[:40] if value is not None else 'null'}, not {wanted}")
