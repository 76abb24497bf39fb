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
from .schema import Fresh, MapNumbers, Record

LEVELS = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)  # of `Quantiles`
TWICE = 0.1  # quartile ranges of log_det by which its two medians may differ; two grids differ by 0.064 at most


def faults(records: Sequence[Record]) -> list[str]:
    """What does not agree, one line each, with the names of the records."""
    found = [f"{r.name}: {line}" for r in records for line in _within(r)]
    return found + _same_weights(records) + _gaps_of_the_prior(records)


def _within(record: Record) -> list[str]:
    maps, beyond, fresh, lines = record.numbers.maps, record.numbers.beyond, record.numbers.fresh, []
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
    return lines + ([] if fresh is None else _of_version_2(maps, fresh))


def _of_version_2(maps: MapNumbers, fresh: Fresh) -> list[str]:
    lines = []
    for name, own, late in (("roughness", maps.roughness, fresh.late.roughness),
                            ("95 % quantile of log_cond", maps.log_cond.q95, fresh.late.log_cond_95)):  # fmt: skip
        if own != late[-1]:
            lines.append(f"the {name} is {own:.4g} on the map, and {late[-1]:.4g} after the last epoch")
    if fresh.area.above_20 != maps.badly_conditioned:
        lines.append(f"the share above a condition number of {BADLY_CONDITIONED:g} is {fresh.area.above_20:.4g}, and "
                     f"{maps.badly_conditioned:.4g} on the same map")
    for name, shares in (("box", fresh.area), ("codes", fresh.codes)):
        if list(astuple(shares)) != sorted(astuple(shares), reverse=True):
            lines.append(f"the shares of the {name} above condition numbers rise with these")
    return lines


def _same_weights(records: Sequence[Record]) -> list[str]:
    names = defaultdict(list)
    for r in records:
        names[r.provenance.weights].append(r.name)
    return [f"{', '.join(own)}: all have the weights {weights}" for weights, own in names.items() if len(own) > 1]


def _gaps_of_the_prior(records: Sequence[Record]) -> list[str]:
    """The draws from the prior, and the box, are those of the seed: so are the share of the box that is sparse, and in
    version 2 that of the midpoints."""
    shares = defaultdict(list)
    for r in records:
        if r.item.spec.family == "gan":
            found = {"gaps": r.numbers.packing.gaps}
            found |= {} if r.numbers.fresh is None else {"gaps at midpoints": r.numbers.fresh.between}
            for kind, share in found.items():
                shares[r.item.seed, r.item.images, kind].append((share, r.name))
    return [f"{name}: the share of {kind} is {share:.4g}, and {own[0][0]:.4g} on {own[0][1]}, over the same box and "
            "draws" for (_, _, kind), own in shares.items() for share, name in own if share != own[0][0]]
