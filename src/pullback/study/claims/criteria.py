"""What a claim is made of: parts with their thresholds, the groups of models, and measurements that are still missing.

docs/criteria.md says of every revised measure what was wrong with the old one and what would count against the claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.stats import norm

from ..models import HEALTHY_GANS, REPORT
from ..records.items import FRESH, FRESH_COLLAPSED, NOISELESS, SEEDS
from ..records.quantities import BADLY_CONDITIONED, GAN_BOX
from .effects import Effect, Seed

HIGH = math.log(BADLY_CONDITIONED)
ALIKE = 0.25  # two medians of log_cond closer than this are alike: condition numbers within 30 % of each other
NONE = 0.01  # a share of the area below this counts as none
HALVED = 4 * math.log(2)  # a fall of log_det by which lengths halve in both latent directions
LONGER = 0.01  # a straight line longer by less is as good as the geodesic
WEAK = 0.1  # a rank correlation below this is none (Cohen 1988)
SMALL_SHARE = 0.05  # a share below this is small
LARGEST_GAP = 0.1  # share of the data's hull that may be sparse
PRIOR_NORM = math.sqrt(2 * math.log(2))  # median norm of a standard normal vector in the plane
NEAR_PRIOR = 1.25  # times that: still packed about the origin
LINEAR = 2.95  # log_det of the linear generator that explains most of MNIST by codes of variance 1 (PCA): the logarithm
# of the product of the covariance's two largest eigenvalues

VAES = [spec.name for spec in REPORT if spec.family == "vae"]
DAES = [spec.name for spec in REPORT if spec.family == "dae"]
NOISELESS_DAES = list(NOISELESS)
COLLAPSED = [spec.name for spec in REPORT if spec.family == "gan"]
R1 = [spec.name for spec in HEALTHY_GANS]
R1_GANS, COLLAPSED_GANS = "GANs, no batch norm in D, R1 penalty", "GANs, batch norm in D"  # D: the discriminator
GROUPS = {"VAEs": VAES, "DAEs": DAES, R1_GANS: R1, COLLAPSED_GANS: COLLAPSED}
WORKING = {name: GROUPS[name] for name in ("VAEs", "DAEs", R1_GANS)}

INSIDE = float((2 * norm.ppf(0.99) / (GAN_BOX[0][1] - GAN_BOX[0][0])) ** 2)  # share of a GAN's map within the 1 to 99 %
# range of its prior. With more than MANY_BAD of the map badly conditioned, more than NONE of that part is, wherever
# they lie; with less than FEW_BAD, less than NONE of it.
FEW_BAD, MANY_BAD = NONE * INSIDE, 1 - (1 - NONE) * INSIDE
PRIOR_BOX = "maps of GANs over the 1 to 99 % range of the prior (the records have [-3, 3]^2)"
HULL = "shares of gaps within the hull of the codes, at points between codes (the records have a box)"
FEATURES = "distances to training images in the classifier's features (the records have pixels)"
NO_NOISE = "a DAE trained without noise"


class Part(NamedTuple):
    """One number a seed. Supported if the interval of its mean lies above (or below, or within) the threshold, and
    contradicted if it lies on the other side of it, or of `opposite` where that is given.

    waits: the measurement that is missing. The number then is a bound, as far from support as the records allow: a
    part that it does not decide is waiting, and without `opposite` it can only support. collapsed: whether it is on the
    collapsed GANs, which have fewer fresh seeds.
    """

    label: str
    effect: Effect
    side: str  # above, below, or within: between -threshold and threshold
    threshold: float
    quantity: str = ""  # what the number is, as the label of its axis; needed where the parts of a claim are drawn
    opposite: float | None = None
    waits: str = ""
    collapsed: bool = False

    def seeds(self, fresh: bool) -> int:
        """How many seeds must have its number: of the explored ones, or all the fresh ones that are planned."""
        return SEEDS if not fresh else len(FRESH_COLLAPSED if self.collapsed else FRESH)


class Alternative(NamedTuple):
    """Other numbers by which a claim's parts could be judged, told beside its verdict."""

    label: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Claim:
    """A statement and its test; the first part is the headline.

    conditions: other condition numbers at which the claim is judged too, its parts being thresholds of log_cond.
    alternatives: other numbers with which it is judged too.
    """

    id: str
    where: str
    statement: str
    measure: str
    figure: str
    parts: Sequence[Part]
    conditions: Sequence[float] = ()
    alternatives: Sequence[Alternative] = ()

    @property
    def criterion(self) -> str:
        return (
            f"supported if the 95 % interval over seeds lies, in every part, on this side of the threshold: "
            f"{'; '.join(map(_bound, self.parts))}. Contradicted if on the other side in every part, depends if both "
            "occur, else undecided."
        )


def _bound(part: Part) -> str:
    other = "" if part.opposite is None else f" (contradicted beyond {part.opposite:.3g})"
    return f"{part.label}: {part.side} {'+-' if part.side == 'within' else ''}{part.threshold:.3g}{other}"


def unmeasured(seed: Seed) -> float:
    raise KeyError("not measured")


def above(label: str, effect: Effect = unmeasured, threshold: float = 0.0, quantity: str = "") -> Part:
    return Part(label, effect, "above", threshold, quantity)


def below(label: str, effect: Effect = unmeasured, threshold: float = 0.0, quantity: str = "") -> Part:
    return Part(label, effect, "below", threshold, quantity)


def within(label: str, effect: Effect, threshold: float, quantity: str = "") -> Part:
    return Part(label, effect, "within", threshold, quantity)


def waiting(part: Part, measurement: str) -> Part:
    """A part that waits for a measurement: one without an effect has no number in the records."""
    return part._replace(waits=measurement)
