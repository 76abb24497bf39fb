"""Whether the numbers of records agree among themselves.

A record that was edited is refused because of its seal, but a seal can be made anew. Several numbers of a record are
measured twice, in different ways, and records of one seed share draws. What was measured over another box, of other
weights, or was typed, does not agree, unless it happens to have the same median of log_det.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple

from .quantities import BADLY_CONDITIONED
from .schema import Record

LEVELS = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)  # of `Quantiles`
TWICE = 0.1  # quartile ranges of log_det by which its two medians may differ; two grids differ by 0.064 at most


def faults(records: Sequence[Record]) -> list[str]:
    """What does not agree, one line each, with the names of the records."""
    found = [f"{r.name}: {line}" for r in records for line in _within(r)]
    return found + _same_weights(records) + _gaps_of_the_prior(records)


def _within(record: Record) -> list[str]:
    maps, beyond, lines = record.numbers.maps, record.numbers.beyond, []
    for name, quantiles in (("log_det", maps.log_det), ("log_cond", maps.log_cond)):
        if list(astuple(quantiles)) != sorted(astuple(quantiles)):
            lines.append(f"the quantiles of {name} fall")
    off = abs(maps.log_det.q50 - beyond.median_inside)
    if off > TWICE * (maps.log_det.q75 - maps.log_det.q25):
        lines.append(f"the median of log_det is {maps.log_det.q50:.4g} on the map of the box, and "
                     f"{beyond.median_inside:.4g} in the same box on the wider map: one is of another box or model")
    above = [q > math.log(BADLY_CONDITIONED) for q in astuple(maps.log_cond)]
    least = 1 - min((level for level, bad in zip(LEVELS, above, strict=True) if bad), default=1)
    most = 1 - max((level for level, bad in zip(LEVELS, above, strict=True) if not bad), default=0)
    if not maps.rank_deficient and not least <= maps.badly_conditioned <= most:  # quantiles are of finite values
        lines.append(f"the share above a condition number of {BADLY_CONDITIONED:g} is {maps.badly_conditioned:.4g}, "
                     f"which the quantiles of log_cond put between {least:g} and {most:g}")
    return lines


def _same_weights(records: Sequence[Record]) -> list[str]:
    names = defaultdict(list)
    for r in records:
        names[r.provenance.weights].append(r.name)
    return [f"{', '.join(own)}: all have the weights {weights}" for weights, own in names.items() if len(own) > 1]


def _gaps_of_the_prior(records: Sequence[Record]) -> list[str]:
    """The draws from the prior, and the box, are those of the seed: so is the share of the box that is sparse."""
    shares = defaultdict(list)
    for r in records:
        if r.item.spec.family == "gan":
            shares[r.item.seed, r.item.images].append((r.numbers.packing.gaps, r.name))
    return [f"{name}: the share of gaps is {gaps:.4g}, and {own[0][0]:.4g} on {own[0][1]}, over the same box and draws"
            for own in shares.values() for gaps, name in own if gaps != own[0][0]]
