"""The report's checkable statements as data: what is measured, and what counts as support, fixed before the sweep.

Source: Ramirez (2020), abstract and Sections 3.1, 3.3, 4 and 5; statements are in our words. Each part of a claim is
one number a seed (see `effects`), and a criterion for its mean over seeds. The criteria were written before the sweep's
records were looked at; what notebooks 01 to 05 say of seed 0 was known.

Smooth means a small roughness: the mean norm of the gradient of log_det over the box of the data, in sides of that box.
The gradient of log_det, and not of the metric itself, because a metric that is a thousand times as large everywhere is
not a thousand times as rough; sides of the box, because a latent scale is a convention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ..models import HEALTHY_GANS, REPORT
from ..records.quantities import BADLY_CONDITIONED
from .effects import (
    Effect,
    average,
    beyond_all,
    correlation,
    correlation_of_models,
    difference,
    difference_of,
    distances,
    drop,
    excess,
    gain,
    geodesics_mean,
    iterations,
    less,
    log_ratio,
    sensitivity,
    share_solved,
    solved_spread,
    spread,
    trained_on,
    unsolved,
    width,
)

HIGH = math.log(BADLY_CONDITIONED)
ALIKE = 0.25  # two medians of log_cond closer than this are alike: condition numbers within 30 % of each other
NONE = 0.01  # a share of the area below this counts as none
HALVED = 4 * math.log(2)  # a fall of log_det by which lengths halve in both latent directions
LONGER = 0.01  # a straight line longer by less is as good as the geodesic
WEAK = 0.1  # a rank correlation below this is none (Cohen 1988)
SMALL_SHARE = 0.05  # a share below this is small
LARGEST_GAP = 0.1  # share of the box that may be sparse: the corners of a Gaussian's box are
PRIOR_NORM = math.sqrt(2 * math.log(2))  # median norm of a standard normal vector in the plane
NEAR_PRIOR = 1.25  # times that: still packed about the origin

VAES = [spec.name for spec in REPORT if spec.family == "vae"]
DAES = [spec.name for spec in REPORT if spec.family == "dae"]
COLLAPSED = [spec.name for spec in REPORT if spec.family == "gan"]
R1 = [spec.name for spec in HEALTHY_GANS]
R1_GANS, COLLAPSED_GANS = "GANs, no batch norm in D, R1 penalty", "GANs, batch norm in D"  # D: the discriminator
GROUPS = {"VAEs": VAES, "DAEs": DAES, R1_GANS: R1, COLLAPSED_GANS: COLLAPSED}
WORKING = {name: GROUPS[name] for name in ("VAEs", "DAEs", R1_GANS)}


class Part(NamedTuple):
    """One number a seed. Supported if the interval of its mean lies above (or below, or within) the threshold."""

    label: str
    effect: Effect
    side: str  # above, below, or within: between -threshold and threshold
    threshold: float
    quantity: str = ""  # what the number is, as the label of its axis; needed where the parts of a claim are drawn


@dataclass(frozen=True)
class Claim:
    """A statement and its test; the first part is the headline."""

    id: str
    where: str
    statement: str
    measure: str
    figure: str
    parts: Sequence[Part]

    @property
    def criterion(self) -> str:
        bounds = [f"{p.label}: {p.side} {'+-' if p.side == 'within' else ''}{p.threshold:.3g}" for p in self.parts]
        return (
            f"supported if the 95 % interval over seeds lies, in every part, on this side of the threshold: "
            f"{'; '.join(bounds)}. Contradicted if on the other side in every part, depends if both occur, else "
            "undecided."
        )


def above(label: str, effect: Effect, threshold: float = 0.0, quantity: str = "") -> Part:
    return Part(label, effect, "above", threshold, quantity)


def below(label: str, effect: Effect, threshold: float = 0.0, quantity: str = "") -> Part:
    return Part(label, effect, "below", threshold, quantity)


def within(label: str, effect: Effect, threshold: float) -> Part:
    return Part(label, effect, "within", threshold)


# ------------------------------------------------------------------------------------------------ the claims

TANH, SIGMOID = ("vae-128-32-tanh", "vae-256-64-tanh"), ("vae-128-32-sigmoid", "vae-256-64-sigmoid")
SMALL, LARGE = ("vae-128-32-tanh", "vae-128-32-sigmoid"), ("vae-256-64-tanh", "vae-256-64-sigmoid")
FIGURE_4 = "dae-128-32-sigmoid"
ALL_WORKING = [name for names in WORKING.values() for name in names]
RANK, SHARE, SOLVED_SHARE = "rank correlation", "share of test digits", "share of pairs solved"
COND, COND_95, COND_MAX = "maps.log_cond.q50", "maps.log_cond.q95", "maps.log_cond.q100"
ROUGH, BAD = "maps.roughness", "maps.badly_conditioned"


def one(effect: Callable[..., Effect], path: str, names: Sequence[str]) -> list[tuple[str, Effect]]:
    return [(name, effect(path, [name])) for name in names]


def size_effects(path: str) -> list[tuple[str, Effect]]:
    return [(a.split("-")[-1], difference(path, [b], [a])) for a, b in zip(SMALL, LARGE, strict=True)]


def activation_effects(path: str) -> list[tuple[str, Effect]]:
    return [(a[4:-5], difference(path, [b], [a])) for a, b in zip(TANH, SIGMOID, strict=True)]


CLAIMS = (
    Claim(
        "A-1", "Abstract; Sections 1.1, 3.3.2", "An ill-conditioned Jacobian makes geodesic solvers fail.",
        "rank correlation of the highest log_cond on the certified shortest path with a pair not being solved, on the "
        "twelve models that work; certified pairs only, of which none passes a condition number of 20",
        "premise_by_seed",
        [above(f"{method}, {'over all pairs' if pooled else 'within models'}",
               correlation(unsolved(method), ALL_WORKING, pooled), WEAK, RANK)
         for method in ("newton", "cubic spline", "fixed point") for pooled in (True, False)],
    ),
    Claim(
        "A-2", "Abstract; Sections 4.2, 5", "Given all the data, a VAE's Jacobian is well conditioned.",
        "share of the data's box with a condition number above 20", "seeds_conditioning",
        [below(name, effect, NONE) for name, effect in one(average, BAD, VAES)],
    ),
    Claim(
        "A-3", "Abstract; Section 5", "Good conditioning needs enough training data.",
        "95 % quantile of log_cond when trained on few images, less that when trained on all", "training_size",
        [above(f"{model[:3].upper()}, {size} images", trained_on(size, COND_95, model), ALIKE)
         for model in ("vae-128-32-tanh", "dae-128-32-tanh") for size in (250, 1_000)],
    ),
    Claim(
        "A-4", "Abstract; Sections 4.2, 5", "Away from the data the metric is not well defined: its magnitude falls.",
        "fall of the median log_det from the data's box to the ring around it; by 4 log 2, lengths halve in both "
        "directions", "seeds_magnitude", [above(family, drop(names), HALVED) for family, names in WORKING.items()],
    ),
    Claim(
        "A-5", "Abstract; Sections 4.1, 4.2", "Unless the metric is adjusted, geodesics leave the data.",
        "share of a geodesic's latent length at places sparser than 99 % of the codes, less that of the straight line",
        "interpolation_quality", [above(family, gain("sparse", names), NONE) for family, names in WORKING.items()],
    ),
    Claim(
        "3.1-1", "Section 3.1.1", "Training with noise makes a DAE's metric smooth around the data.",
        "logarithm of the roughness, mean of the DAEs less mean of the VAEs: our reading, since the report names no "
        "standard; the reverse of 4.2-2, which the report says as well", "seeds_conditioning",
        [below("DAEs against VAEs", log_ratio(ROUGH, DAES, VAES))],
    ),
    Claim(
        "3.1-2", "Section 3.1.1", "A DAE packs some areas of its latent space more densely than others, so its metric "
        "varies more.", "spread of log_det (95 % less 5 % quantile), DAEs less VAEs", "seeds_magnitude",
        [above("DAEs against VAEs", less(difference_of("maps.log_det.q95", "maps.log_det.q5", DAES),
                                         difference_of("maps.log_det.q95", "maps.log_det.q5", VAES)))],
    ),
    Claim(
        "3.1-3", "Sections 3.1.1, 3.1.2", "DAEs have gaps in their latent space, more than VAEs.",
        "share of the data's box that is sparser than 99 % of the codes, DAEs less VAEs", "seeds_packing",
        [above("DAEs against VAEs", difference("packing.gaps", DAES, VAES))],
    ),
    Claim(
        "3.1-4", "Section 3.1.2", "VAEs pack the data densely; gaps are not commonplace.",
        "share of the data's box that is sparser than 99 % of the codes", "seeds_packing",
        [below(name, effect, LARGEST_GAP) for name, effect in one(average, "packing.gaps", VAES)],
    ),
    Claim(
        "3.1-5", "Sections 3.1.2, 3.1.3", "GANs, as VAEs, pack the data about the origin of the latent space.",
        "median norm of test digits' latent points, against 1.25 times that of the prior", "seeds_packing",
        [below(family, average("packing.median_norm", names), NEAR_PRIOR * PRIOR_NORM)
         for family, names in ((R1_GANS, R1), ("VAEs", VAES))],
    ),
    Claim(
        "3.3-1", "Section 3.3.1", "Geodesics avoid regions of high determinant.",
        "mean log_det over the latent length of the geodesic, less that of the straight line", "interpolation_quality",
        [below(family, gain("log_det", names)) for family, names in WORKING.items()],
    ),
    Claim(
        "3.3-2", "Section 3.3.2", "With a high condition number, a curve's length changes drastically when the curve "
        "moves a little.",
        "rank correlation of the highest log_cond on the shortest path with the relative lengthening of the geodesic "
        "moved aside by 1 % of the box; in a flat metric that falls with the square of the chord, so short pairs look "
        "sensitive", "premise_by_seed",
        [above("over all pairs", correlation(sensitivity, ALL_WORKING, True), WEAK, RANK),
         above("within models", correlation(sensitivity, ALL_WORKING, False), WEAK, RANK)],
    ),
    Claim(
        "3.3-3", "Section 3.3.2", "With a high condition number, a solver has trouble converging.",
        "rank correlation of the highest log_cond on the shortest path with the iterations of the Newton solver",
        "premise_by_seed",
        [above("over all pairs", correlation(iterations, ALL_WORKING, True), WEAK, RANK),
         above("within models", correlation(iterations, ALL_WORKING, False), WEAK, RANK)],
    ),
    Claim(
        "3.3-4", "Section 3.3.2", "An ill-conditioned Jacobian implies a metric that is not smooth.",
        "rank correlation, over the twelve models that work, of the median log_cond with the roughness",
        "premise_by_seed", [above("twelve models", correlation_of_models(COND, ROUGH, ALL_WORKING), WEAK, RANK)],
    ),
    Claim(
        "4.1-1", "Section 4.1", "A VAE's metric is largest near the latent origin.",
        "median log_det in the disc about the origin, less that of the map", "seeds_magnitude",
        [above(name, effect) for name, effect in one(average, "maps.centre_excess", VAES)],
    ),
    Claim(
        "4.1-2", "Section 4.1", "A VAE's metric is very large: latent areas are magnified.",
        "median log_det over the data's box", "seeds_magnitude",
        [above(name, effect) for name, effect in one(average, "maps.log_det.q50", VAES)],
    ),
    Claim(
        "4.1-3", "Section 4.1", "Far from the data a VAE's metric is very low.",
        "fall of the median log_det from the data's box to the ring around it", "seeds_magnitude",
        [above(name, drop([name]), HALVED) for name in VAES],
    ),
    Claim(
        "4.1-4", "Section 4.1", "A VAE's Jacobian is well conditioned throughout the latent space.",
        "highest log_cond in the data's box; log 20 is where we call it bad", "seeds_conditioning",
        [below(name, effect, HIGH) for name, effect in one(average, COND_MAX, VAES)],
    ),
    Claim(
        "4.1-5", "Section 4.1", "Wider hidden layers make the metric smoother.",
        "logarithm of the roughness, 256-64 less 128-32", "seeds_conditioning",
        [below(a.split("-")[-1], log_ratio(ROUGH, [b], [a])) for a, b in zip(SMALL, LARGE, strict=True)],
    ),
    Claim(
        "4.1-6", "Sections 4.1, 4.2", "Wider hidden layers leave a VAE's conditioning as it is.",
        "median log_cond, 256-64 less 128-32", "seeds_conditioning",
        [within(label, effect, ALIKE) for label, effect in size_effects(COND)],
    ),
    Claim(
        "4.1-7", "Section 4.1", "A sigmoid makes a VAE's metric smoother than tanh does.",
        "logarithm of the roughness, sigmoid less tanh", "seeds_conditioning",
        [below(a[4:-5], log_ratio(ROUGH, [b], [a])) for a, b in zip(TANH, SIGMOID, strict=True)],
    ),
    Claim(
        "4.1-8", "Sections 4.1, 4.2", "A sigmoid gives a VAE a better conditioning than tanh does.",
        "median and 95 % quantile of log_cond, sigmoid less tanh", "seeds_conditioning",
        [below(f"{label}, {name}", effect) for name, path in (("median", COND), ("95 %", COND_95))
         for label, effect in activation_effects(path)],
    ),
    Claim(
        "4.1-9", "Section 4.1", "All VAE configurations are alike.",
        "range of the median log_cond over the four VAEs", "seeds_conditioning",
        [below("four VAEs", spread(COND, VAES), 2 * ALIKE)],
    ),
    Claim(
        "4.2-1", "Section 4.2", "DAE configurations are alike.",
        "range of the median log_cond over the four DAEs", "seeds_conditioning",
        [below("four DAEs", spread(COND, DAES), 2 * ALIKE)],
    ),
    Claim(
        "4.2-2", "Section 4.2", "A DAE's metric is less smooth than a VAE's.",
        "logarithm of the roughness, DAE less VAEs", "seeds_conditioning",
        [above("the DAE of Figure 4", log_ratio(ROUGH, [FIGURE_4], VAES)),
         above("all DAEs", log_ratio(ROUGH, DAES, VAES))],
    ),
    Claim(
        "4.2-3", "Section 4.2", "A DAE's metric is larger than a VAE's, its log-determinant as high as 16.",
        "highest log_det, DAE less VAEs, and itself; a DAE's latent scale is arbitrary", "seeds_magnitude",
        [above("the DAE of Figure 4", difference("maps.log_det.q100", [FIGURE_4], VAES)),
         above("reaches 16", average("maps.log_det.q100", [FIGURE_4]), 16.0),
         above("all DAEs", difference("maps.log_det.q100", DAES, VAES))],
    ),
    Claim(
        "4.2-4", "Section 4.2", "DAEs are worse conditioned than VAEs.",
        "median and 95 % quantile of log_cond, DAEs less VAEs", "seeds_conditioning",
        [above("median", difference(COND, DAES, VAES)), above("95 %", difference(COND_95, DAES, VAES)),
         above("the DAE of Figure 4, median", difference(COND, [FIGURE_4], VAES))],
    ),
    Claim(
        "4.2-5", "Section 4.2", "A GAN's magnitude spans a larger range than a VAE's or a DAE's.",
        "width of log_det's range, GANs less the larger of VAEs and DAEs", "seeds_magnitude",
        [above(family, beyond_all(width, names, VAES, DAES))
         for family, names in ((COLLAPSED_GANS, COLLAPSED), (R1_GANS, R1))],
    ),
    Claim(
        "4.2-6", "Section 4.2", "A GAN's condition number reaches much higher values.",
        "95 % quantile of log_cond, GANs less the larger of VAEs and DAEs", "seeds_conditioning",
        [above(family, beyond_all(partial(average, COND_95), names, VAES, DAES), ALIKE)
         for family, names in ((COLLAPSED_GANS, COLLAPSED), (R1_GANS, R1))],
    ),
    Claim(
        "4.2-7", "Section 4.2", "GANs have an ill-conditioned Jacobian.",
        "share of the box with a condition number above 20", "seeds_conditioning",
        [above(family, average(BAD, names), NONE) for family, names in ((COLLAPSED_GANS, COLLAPSED), (R1_GANS, R1))],
    ),
    Claim(
        "4.2-8", "Section 4.2", "Tanh VAEs are well conditioned too.",
        "share of the data's box with a condition number above 20", "seeds_conditioning",
        [below(name, effect, NONE) for name, effect in one(average, BAD, TANH)],
    ),
    Claim(
        "4.2-9", "Section 4.2", "A VAE's conditioning is no problem when solving for a geodesic.",
        "rank correlation within VAEs of the highest log_cond with a pair not being solved by Newton's method; the "
        "share of certified pairs that it solves", "premise_by_seed",
        [below("correlation", correlation(unsolved("newton"), VAES, False), WEAK, RANK),
         above("share solved", share_solved(VAES), 1 - SMALL_SHARE, SOLVED_SHARE)],
    ),
    Claim(
        "5-1", "Sections 1.1, 5", "The latent space must not be viewed as Euclidean.",
        "relative length of the straight line above the shortest path, median over certified pairs", "distance_by_seed",
        [above(family, excess(names), LONGER, "straight line longer than the shortest path by")
         for family, names in WORKING.items()],
    ),
    Claim(
        "5-2", "Sections 1.1, 5", "Latent distance misleads.",
        "share of test digits whose nearest neighbour by geodesic length is another than by latent distance (all "
        "pairs); rank correlation, within models, of latent distance with geodesic length (certified pairs, on some "
        "GANs as few as three)", "distance_by_seed",
        [*(above(f"{family}, neighbours", average("neighbours.changed", names), SMALL_SHARE, SHARE)
           for family, names in WORKING.items()),
         *(below(f"{family}, correlation", correlation(distances, names, False), 0.95, RANK)
           for family, names in WORKING.items())],
    ),
    Claim(
        "5-3", "Section 5", "VAEs are the best suited for geodesic interpolation.",
        "VAEs against the others: share of pairs solved, median log_cond, and distance of the geodesic's images to the "
        "nearest training images", "suitability_by_seed",
        [part for family in ("DAEs", R1_GANS) for names in (GROUPS[family],) for part in (
            above(f"conditioning, {family}", difference(COND, names, VAES), quantity="median log_cond, VAEs ahead by"),
            above(f"solved, {family}", less(share_solved(VAES), share_solved(names)),
                  quantity="share of pairs solved, VAEs ahead by"),
            above(f"nearer to data, {family}", less(geodesics_mean("nearest", names), geodesics_mean("nearest", VAES)),
                  quantity="distance to real images, VAEs nearer by (pixel units)"),
        )],
    ),
    Claim(
        "5-4", "Section 5", "That VAEs suit geodesics depends on neither widths nor activation.",
        "range over the four VAEs of the share of pairs solved, and of the median log_cond; with 21 pairs a model, "
        "equal VAEs would show a range of about 0.15 in the share by chance", "suitability_by_seed",
        [below("share solved", solved_spread(VAES), 0.1, "range of the share of pairs solved"),
         below("median log_cond", spread(COND, VAES), 2 * ALIKE, "range of the median log_cond")],
    ),
    Claim(
        "5-5", "Section 5", "Deterministic generators are well behaved near the data.",
        "share of the box with a condition number above 20", "seeds_conditioning",
        [below(family, average(BAD, GROUPS[family]), NONE) for family in ("DAEs", R1_GANS, COLLAPSED_GANS)],
    ),
    Claim(
        "O-1", "Asked by Section 1.2", "Geodesics take more even steps in image space than straight lines.",
        "coefficient of variation of the steps between frames, geodesic less straight line", "interpolation_quality",
        [below(family, gain("evenness", names)) for family, names in WORKING.items()],
    ),
    Claim(
        "O-2", "Asked by Section 1.2", "Images along geodesics are nearer to real images than along straight lines.",
        "mean distance of the inner frames to the nearest training images, geodesic less straight line",
        "interpolation_quality", [below(family, gain("nearest", names)) for family, names in WORKING.items()],
    ),
    Claim(
        "O-3", "Asked by Section 1.2", "A classifier is surer of the images along geodesics.",
        "mean confidence along the way, geodesic less straight line", "interpolation_quality",
        [above(family, gain("confidence", names)) for family, names in WORKING.items()],
    ),
    Claim(
        "O-4", "Asked by Section 1.2", "Geodesics pass through fewer classes.",
        "changes of the classifier's first choice along the way, geodesic less straight line", "interpolation_quality",
        [below(family, gain("changes", names)) for family, names in WORKING.items()],
    ),
    Claim(
        "O-5", "Not in the report", "Renewing the batch-norm statistics leaves the conditioning as it is.",
        "median log_cond with renewed statistics, less as trained", "seeds_conditioning",
        [within(family, difference_of("renewed.log_cond.q50", COND, GROUPS[family]), ALIKE)
         for family in ("VAEs", "DAEs")],
    ),
)  # fmt: skip
