"""Records as the measurement makes them, with numbers made up so that families and seeds differ in known ways."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from pullback.study.models import HEALTHY_GANS, REPORT
from pullback.study.records import reading
from pullback.study.records.items import FRESH, FRESH_COLLAPSED, NOISELESS, SIZED, SIZED_BATCH, Item
from pullback.study.records.measurement import EDGES, RECORDED
from pullback.study.records.schema import (
    SCHEMA,
    Away,
    Beyond,
    CoverageNumbers,
    Found,
    Fresh,
    HeldOut,
    Late,
    MapNumbers,
    Neighbours,
    Numbers,
    Optimum,
    Packing,
    PairNumbers,
    Provenance,
    Quality,
    Quantiles,
    Record,
    Shares,
)

NAMES = [spec.name for spec in (*REPORT, *HEALTHY_GANS)]
PAIRS = 21
NAN = float("nan")
T = TypeVar("T")


def record(model: str, seed: int, images: int = 60_000, shift: float = 0.0, batch: int | None = None) -> Record:
    """One record, of version 2 for a fresh seed; `shift` is added to every log_cond."""
    chance = random.Random(f"{model} {seed} {images}")
    item, bins = Item(model, seed, images, batch), len(EDGES) - 1
    gan, whole = model.startswith("gan"), images == 60_000 and batch is None
    family = 2.0 if gan else 1.0

    def some(low: float, high: float) -> list[float]:
        return [chance.uniform(low, high) for _ in range(PAIRS)]

    def quantiles(low: float, step: float) -> Quantiles:
        noise = chance.gauss(0, 0.01)
        return Quantiles(*(low + step * i + noise for i in range(7)))

    def quality(even: float) -> Quality:
        values = [some(even, even + 0.1) for _ in range(7)]
        return Quality(*values[:4], changes=[chance.randrange(1, 4) for _ in range(PAIRS)], sparse=values[4],
                       log_det=values[5], features=some(1, 2) if item.fresh else None)  # fmt: skip

    maps = MapNumbers(
        quantiles(2 * family, 2.0), quantiles(0.1 * family + shift, 0.2 * family), rank_deficient=0,
        badly_conditioned=0.05 * (family - 1), roughness=20 * family + chance.gauss(0, 1),
        centre_excess=1.0 + chance.gauss(0, 0.1),
    )  # fmt: skip
    length = some(5, 20)
    methods = {
        name: Found([x * (1 if (i + j) % 5 else 1.05) for i, x in enumerate(length)], [True] * PAIRS,
                    [10 + i for i in range(PAIRS)],
                    [NAN if (i + j) % 5 else x * 1.045 for i, x in enumerate(length)] if item.fresh else None)
        for j, name in enumerate(RECORDED)
    }  # fmt: skip
    optimum = Optimum(length, [i != 3 for i in range(PAIRS)], some(0.5, 2), some(1, 4), some(1, 9))
    pairs = PairNumbers(some(0.5, 3), some(0.01, 0.03), optimum, methods, quality(0.5), quality(0.1))
    numbers = Numbers(
        maps=maps,
        renewed=None if gan else maps,
        beyond=Beyond(8.0, chance.gauss(0, 0.1), -9.0, 0.0),
        held_out=None if gan else HeldOut(140.0 + chance.gauss(0, 1), 139.0),
        coverage=CoverageNumbers(10, 0.9) if gan else None,
        packing=Packing(chance.uniform(0.04, 0.06), chance.uniform(1.1, 1.2)),
        away=Away(EDGES.tolist(), [9] * bins, [NAN, *map(float, range(bins - 1))], [1.0] * bins, [4.0] * bins),
        pairs=pairs if whole else None,
        neighbours=Neighbours(chance.uniform(0.1, 0.3), 1.2) if whole else None,
        fresh=_fresh(maps, seed, gan, chance) if item.fresh else None,
    )
    provenance = Provenance("paper", "0" * 16, 20.0, {"python": "3.11.7", "torch": "2.14.1"}, None)
    return Record(SCHEMA, item, "0" * 16, reading.recipes(item), provenance, numbers)


def _fresh(maps: MapNumbers, seed: int, gan: bool, chance: random.Random) -> Fresh:
    shares = Shares(0.3, 0.2, maps.badly_conditioned, 0.0)
    between = random.Random(seed).uniform(0.02, 0.03) if gan else chance.uniform(0.02, 0.03)  # of a seed's one prior
    late = Late([maps.log_cond.q95 + 0.01 * i for i in (4, 3, 2, 1, 0)], [maps.roughness + i for i in (4, 3, 2, 1, 0)])
    return Fresh(shares, shares, between, chance.gauss(0, 0.1), late)


def sweep(seeds: int = 5) -> list[Record]:
    """All models with that many seeds, and the smaller training sets."""
    ordinary = [record(name, seed) for seed in range(seeds) for name in NAMES]
    sized = [record(n, s, size, 2.0) for s in range(seeds) for n in SIZED for size in (250, 1_000, 5_000)]
    return ordinary + sized


def fresh_sweep(seeds: Iterable[int] = FRESH) -> list[Record]:
    """The same of fresh seeds, with what only these have."""
    found = []
    for seed in seeds:
        collapsed = seed not in FRESH_COLLAPSED
        names = [n for n in (*NAMES, *NOISELESS) if not (collapsed and n.startswith("gan") and not n.endswith("r1"))]
        found += [record(name, seed) for name in names]
        found += [record(n, seed, size, 2.0, SIZED_BATCH) for n in SIZED for size in (250, 1_000, 5_000)]
        found += [record(n, seed, batch=SIZED_BATCH) for n in SIZED]
    return found


def planted(whole: T, path: str, value: Any) -> T:
    """A record, or a part of one, with another value at a path: names of attributes or keys, joined by dots."""
    name, _, rest = path.partition(".")
    if isinstance(whole, dict):
        assert name in whole, path
        return {**whole, name: planted(whole[name], rest, value) if rest else value}
    return replace(whole, **{name: planted(getattr(whole, name), rest, value) if rest else value})
