"""What is measured of the fresh seeds, where the records of the explored ones lack it or have less than was wanted.

docs/criteria.md says why. Statements, parts and thresholds are those of the catalogue. What is not named here is
measured alike on both; roughness and the 95 % quantile of log_cond are so named that each record gives its best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .catalogue import BAD, CONDITIONS, FIGURE_4, HIGHEST_DET, ROUGH
from .criteria import (
    COLLAPSED_GANS,
    DAES,
    GROUPS,
    NOISELESS_DAES,
    NONE,
    VAES,
    Alternative,
    Claim,
    Part,
)
from .effects import (
    Effect,
    average,
    beyond_all,
    difference,
    difference_of,
    geodesic_mean,
    in_units_of_codes,
    less,
    log_ratio,
)

LATE = ("A-3", "3.1-1", "3.3-4", "4.1-5", "4.1-7", "4.1-8", "4.2-2", "4.2-4", "N-2")
LATE_TOLD = "roughness and 95 % quantile are means over the maps of the last five epochs"
GAPS = "share, among the midpoints of random pairs of codes, that is sparser than 99 % of the codes"
BAD_SHARE = "share of the 1 to 99 % range of codes or prior with a condition number above 20"
MEASURES = {
    "A-1": "rank correlation of the highest log_cond on the certified shortest path with a pair not being solved, on "
           "the twelve models that work; partial rank correlations at equal latent distance and equal length of the "
           "path, means within models; certified pairs only",
    "3.1-1": "logarithm of the roughness, DAEs less the same DAEs trained without noise",
    "3.1-3": f"{GAPS}, DAEs less VAEs",
    "3.1-4": GAPS,
    "4.2-3": "highest log_det, DAE less VAEs, and itself, at the latent scale of the VAEs: that of the codes, by the "
             "square root of the determinant of their covariance",
    "4.2-7": BAD_SHARE,
    "5-5": BAD_SHARE,
}  # fmt: skip


def at_scale(models: Sequence[str]) -> Effect:
    return in_units_of_codes(VAES, HIGHEST_DET, models)


def width(models: Sequence[str]) -> Effect:
    return difference_of("maps.log_det.q100", "maps.log_det.q0", models)


def _nearer(part: Part) -> Effect:
    """Of the parts of 5-3, the one that waits for distances between features."""
    if not part.waits:
        return part.effect
    others = GROUPS[part.label.removeprefix("nearer to data, ")]
    return less(geodesic_mean("features", others), geodesic_mean("features", VAES))


HIGHEST = {
    "the DAE of Figure 4": less(at_scale([FIGURE_4]), average(HIGHEST_DET, VAES)),
    "reaches 16": at_scale([FIGURE_4]),
    "all DAEs": less(at_scale(DAES), average(HIGHEST_DET, VAES)),
}
EFFECTS: dict[str, Callable[[Part], Effect]] = {
    "3.1-1": lambda part: log_ratio(ROUGH, DAES, NOISELESS_DAES),
    "3.1-3": lambda part: difference("fresh.between", DAES, VAES),
    "3.1-4": lambda part: average("fresh.between", [part.label]),
    "4.2-3": lambda part: HIGHEST[part.label],
    "4.2-5": lambda part: beyond_all(width, GROUPS[part.label], VAES, DAES),
    "4.2-7": lambda part: average(BAD, GROUPS[part.label]),
    "5-3": _nearer,
    "5-5": lambda part: average(BAD, GROUPS[part.label]),
}


def on_fresh(claim: Claim) -> Claim:
    """The claim as it is judged by fresh seeds: no part waits, and none has the bounds that stood for a share."""
    told = MEASURES.get(claim.id, claim.measure)
    own = EFFECTS.get(claim.id, lambda part: part.effect)
    parts = [
        part._replace(
            effect=own(part), threshold=part.threshold if part.opposite is None else NONE, opposite=None, waits="",
            collapsed=part.label == COLLAPSED_GANS,
        )
        for part in claim.parts
    ]  # fmt: skip
    return replace(
        claim,
        measure=f"{told}; {LATE_TOLD}" if claim.id in LATE else told,
        parts=parts,
        alternatives=_alternatives(parts) if claim.id in ("4.2-7", "5-5") else (),
    )


def _alternatives(parts: Sequence[Part]) -> list[Alternative]:
    """The parts of a claim on the share of the range above 20, with the shares of the range, and of the codes or draws,
    above each of CONDITIONS."""
    return [
        Alternative(f"{told} above {condition:g}", [
            part._replace(effect=average(f"fresh.{places}.above_{condition:g}", GROUPS[part.label])) for part in parts
        ])
        for places, told in (("area", "range"), ("codes", "codes or draws"))
        for condition in CONDITIONS
    ]  # fmt: skip
