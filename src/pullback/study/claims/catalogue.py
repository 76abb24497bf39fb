"""The report's checkable statements as data: what is measured, and what counts as support, fixed before the sweep.

Source: Ramirez (2020), abstract and Sections 3.1, 3.3, 4 and 5; statements are in our words. Each part of a claim is
one number a seed (see `effects`), and a criterion for its mean over seeds. The criteria were written before the sweep's
records were looked at; what notebooks 01 to 05 say of seed 0 was known.

Smooth means a small roughness: the mean norm of the gradient of log_det over the box of the data, in sides of that box.
The gradient of log_det, and not of the metric itself, because a metric that is a thousand times as large everywhere is
not a thousand times as rough; sides of the box, because a latent scale is a convention.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .criteria import (
    ALIKE,
    COLLAPSED,
    COLLAPSED_GANS,
    DAES,
    FEATURES,
    FEW_BAD,
    GROUPS,
    HALVED,
    HIGH,
    HULL,
    LARGEST_GAP,
    LINEAR,
    LONGER,
    MANY_BAD,
    NEAR_PRIOR,
    NO_NOISE,
    NONE,
    PRIOR_BOX,
    PRIOR_NORM,
    R1,
    R1_GANS,
    SMALL_SHARE,
    VAES,
    WEAK,
    WORKING,
    Claim,
    above,
    below,
    waiting,
    within,
)
from .effects import (
    Effect,
    average,
    beyond_all,
    contrast,
    correlation,
    correlation_of_models,
    difference,
    difference_of,
    distances,
    drop,
    excess,
    gain,
    highest_on_path,
    in_units_of,
    iterations,
    less,
    log_ratio,
    sensitivity,
    share_solved,
    spread,
    trained_on,
    unsolved,
    where_dense,
)
from .questions import QUESTIONS

TANH, SIGMOID = ("vae-128-32-tanh", "vae-256-64-tanh"), ("vae-128-32-sigmoid", "vae-256-64-sigmoid")
SMALL, LARGE = ("vae-128-32-tanh", "vae-128-32-sigmoid"), ("vae-256-64-tanh", "vae-256-64-sigmoid")
FIGURE_4 = "dae-128-32-sigmoid"
ALL_WORKING = [name for names in WORKING.values() for name in names]
RANK, SHARE, SOLVED_SHARE = "rank correlation", "share of test digits", "share of pairs solved"
COND, COND_95, COND_MAX = "maps.log_cond.q50", "log_cond_95", "maps.log_cond.q100"
ROUGH, BAD, HIGHEST_DET = "roughness", "maps.badly_conditioned", "maps.log_det.q100"
CONDITIONS = (5.0, 10.0, 20.0, 50.0)
WELL_CONDITIONED = "highest log_cond in the data's box; log 20 is where we call it bad"


EQUAL = "rank correlation at equal distance and length"
EQUALLY = "partial rank correlations at equal latent distance and equal length of the path, means within models"
DENSE = 4 * 2**0.5  # sparsity up to which places are dense: the edge of a bin below that of 99 % of a Gaussian's draws


def one(effect: Callable[..., Effect], path: str, names: Sequence[str]) -> list[tuple[str, Effect]]:
    return [(name, effect(path, [name])) for name in names]


def dense_log_cond(models: Sequence[str]) -> Effect:
    return where_dense("log_cond", models, DENSE)


def median_cond(models: Sequence[str]) -> Effect:
    return average(COND, models)


def size_effects(path: str) -> list[tuple[str, Effect]]:
    return [(a.split("-")[-1], difference(path, [b], [a])) for a, b in zip(SMALL, LARGE, strict=True)]


def activation_effects(path: str) -> list[tuple[str, Effect]]:
    return [(a[4:-5], difference(path, [b], [a])) for a, b in zip(TANH, SIGMOID, strict=True)]


CLAIMS = (
    Claim(
        "A-1", "Abstract; Sections 1.1, 3.3.2", "An ill-conditioned Jacobian makes geodesic solvers fail.",
        "rank correlation of the highest log_cond on the certified shortest path with a pair not being solved, on the "
        f"twelve models that work; {EQUALLY}; certified pairs only, of which none passes a condition number of 20",
        "premise_by_seed",
        [above(method, correlation(unsolved(method), ALL_WORKING, True), WEAK, EQUAL)
         for method in ("newton", "cubic spline", "fixed point")],
    ),
    Claim(
        "A-2", "Abstract; Sections 4.2, 5", "Given all the data, a VAE's Jacobian is well conditioned.",
        WELL_CONDITIONED, "seeds_conditioning",
        [below(name, effect, HIGH) for name, effect in one(average, COND_MAX, VAES)], CONDITIONS,
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
        "logarithm of the roughness, DAEs less DAEs that are trained without noise, which the records do not have",
        "seeds_conditioning",
        [waiting(below("with noise against without"), NO_NOISE)],
    ),
    Claim(
        "3.1-2", "Section 3.1.1", "A DAE packs some areas of its latent space more densely than others, so its metric "
        "varies more.", "spread of log_det (95 % less 5 % quantile), DAEs less VAEs", "seeds_magnitude",
        [above("DAEs against VAEs", less(difference_of("maps.log_det.q95", "maps.log_det.q5", DAES),
                                         difference_of("maps.log_det.q95", "maps.log_det.q5", VAES)))],
    ),
    Claim(
        "3.1-3", "Sections 3.1.1, 3.1.2", "DAEs have gaps in their latent space, more than VAEs.",
        "share of the codes' hull, at points between codes, that is sparser than 99 % of the codes, DAEs less VAEs",
        "seeds_packing", [waiting(above("DAEs against VAEs"), HULL)],
    ),
    Claim(
        "3.1-4", "Section 3.1.2", "VAEs pack the data densely; gaps are not commonplace.",
        "share of the codes' hull, at points between codes, that is sparser than 99 % of the codes", "seeds_packing",
        [waiting(below(name, threshold=LARGEST_GAP), HULL) for name in VAES],
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
        f"moved aside by 1 % of the box; {EQUALLY}", "premise_by_seed",
        [above("within models", correlation(sensitivity, ALL_WORKING, True), WEAK, EQUAL)],
    ),
    Claim(
        "3.3-3", "Section 3.3.2", "With a high condition number, a solver has trouble converging.",
        "rank correlation of the highest log_cond on the shortest path with the iterations of the Newton solver; "
        f"{EQUALLY}", "premise_by_seed",
        [above("within models", correlation(iterations, ALL_WORKING, True), WEAK, EQUAL)],
    ),
    Claim(
        "3.3-4", "Section 3.3.2", "An ill-conditioned Jacobian implies a metric that is not smooth.",
        "rank correlation of the median log_cond with the roughness over the four models of a family; over all "
        "families together it would compare the families", "premise_by_seed",
        [above(family, correlation_of_models(COND, ROUGH, names), WEAK, RANK) for family, names in WORKING.items()],
    ),
    Claim(
        "4.1-1", "Section 4.1", "A VAE's metric is largest near the latent origin.",
        "median log_det in the disc about the origin, less that of the map", "seeds_magnitude",
        [above(name, effect) for name, effect in one(average, "maps.centre_excess", VAES)],
    ),
    Claim(
        "4.1-2", "Section 4.1", "A VAE's metric is very large: latent areas are magnified.",
        "median log_det over the data's box, against that of a linear generator (PCA) with codes of variance 1, as a "
        "VAE's nearly are; a VAE that magnifies no more than that counts against the claim", "seeds_magnitude",
        [above(name, effect, LINEAR) for name, effect in one(average, "maps.log_det.q50", VAES)],
    ),
    Claim(
        "4.1-3", "Section 4.1", "Far from the data a VAE's metric is very low.",
        "fall of the median log_det from the data's box to the ring around it", "seeds_magnitude",
        [above(name, drop([name]), HALVED) for name in VAES],
    ),
    Claim(
        "4.1-4", "Section 4.1", "A VAE's Jacobian is well conditioned throughout the latent space.",
        WELL_CONDITIONED, "seeds_conditioning",
        [below(name, effect, HIGH) for name, effect in one(average, COND_MAX, VAES)], CONDITIONS,
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
        "highest log_det, DAE less VAEs, and itself, at the latent scale of the VAEs, where the distances between the "
        "same seven digits are as large as on the VAEs, by their geometric mean", "seeds_magnitude",
        [above("the DAE of Figure 4", less(in_units_of(VAES, HIGHEST_DET, [FIGURE_4]), average(HIGHEST_DET, VAES))),
         above("reaches 16", in_units_of(VAES, HIGHEST_DET, [FIGURE_4]), 16.0, "highest log_det"),
         above("all DAEs", less(in_units_of(VAES, HIGHEST_DET, DAES), average(HIGHEST_DET, VAES)))],
    ),
    Claim(
        "4.2-4", "Section 4.2", "DAEs are worse conditioned than VAEs.",
        "median and 95 % quantile of log_cond, DAEs less VAEs", "seeds_conditioning",
        [above("median", difference(COND, DAES, VAES)), above("95 %", difference(COND_95, DAES, VAES)),
         above("the DAE of Figure 4, median", difference(COND, [FIGURE_4], VAES))],
    ),
    Claim(
        "4.2-5", "Section 4.2", "A GAN's magnitude spans a larger range than a VAE's or a DAE's.",
        "width of log_det's range over the 1 to 99 % range of codes or prior, GANs less the larger of VAEs and DAEs",
        "seeds_magnitude", [waiting(above(family), PRIOR_BOX) for family in (COLLAPSED_GANS, R1_GANS)],
    ),
    Claim(
        "4.2-6", "Section 4.2", "A GAN's condition number reaches much higher values.",
        "highest log_cond on the shortest path between two test digits, mean over pairs, GANs less the larger of VAEs "
        "and DAEs", "premise_by_seed",
        [above(family, beyond_all(highest_on_path, names, VAES, DAES), ALIKE, "highest log_cond on the path, ahead by")
         for family, names in ((COLLAPSED_GANS, COLLAPSED), (R1_GANS, R1))],
    ),
    Claim(
        "4.2-7", "Section 4.2", "GANs have an ill-conditioned Jacobian.",
        f"share of [-3, 3]^2 with a condition number above 20; above {MANY_BAD:.3g} more than 1 % of the prior's 1 to "
        f"99 % range is badly conditioned wherever those places lie, below {FEW_BAD:.3g} less than 1 % of it is",
        "seeds_conditioning",
        [above(family, average(BAD, names), MANY_BAD)._replace(opposite=FEW_BAD, waits=PRIOR_BOX)
         for family, names in ((COLLAPSED_GANS, COLLAPSED), (R1_GANS, R1))],
    ),
    Claim(
        "4.2-8", "Section 4.2", "Tanh VAEs are well conditioned too.",
        WELL_CONDITIONED, "seeds_conditioning",
        [below(name, effect, HIGH) for name, effect in one(average, COND_MAX, TANH)], CONDITIONS,
    ),
    Claim(
        "4.2-9", "Section 4.2", "A VAE's conditioning is no problem when solving for a geodesic.",
        "rank correlation within VAEs of the highest log_cond with a pair not being solved by Newton's method, at "
        "equal latent distance and length; the share of certified pairs that it solves", "premise_by_seed",
        [below("correlation", correlation(unsolved("newton"), VAES, True), WEAK, EQUAL),
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
        "VAEs against the others: share of pairs solved, mean log_cond where data are dense, and distance of the "
        "geodesic's images to the nearest training images in a classifier's features", "suitability_by_seed",
        [part for family in ("DAEs", R1_GANS) for names in (GROUPS[family],) for part in (
            above(f"conditioning, {family}", less(dense_log_cond(names), dense_log_cond(VAES)),
                  quantity="log_cond where data are dense, VAEs ahead by"),
            above(f"solved, {family}", less(share_solved(VAES), share_solved(names)),
                  quantity="share of pairs solved, VAEs ahead by"),
            waiting(above(f"nearer to data, {family}", quantity="distance to real images, VAEs nearer by"), FEATURES),
        )],
    ),
    Claim(
        "5-4", "Section 5", "That VAEs suit geodesics depends on neither widths nor activation.",
        "256-64 less 128-32, and sigmoid less tanh, of the share of pairs solved and of the median log_cond: by chance "
        "these differences are 0 on average, where the range of four VAEs is not", "suitability_by_seed",
        [within(f"{name}, {label}", contrast(of, first, second), limit, f"difference in the {name}")
         for name, of, limit in (("share of pairs solved", share_solved, 0.1), ("median log_cond", median_cond, ALIKE))
         for label, first, second in (("widths", LARGE, SMALL), ("activation", SIGMOID, TANH))],
    ),
    Claim(
        "5-5", "Section 5", "Deterministic generators are well behaved near the data.",
        "share of the 1 to 99 % range of the codes with a condition number above 20; of GANs that of [-3, 3]^2, with "
        "the bounds of 4.2-7", "seeds_conditioning",
        [below("DAEs", average(BAD, DAES), NONE),
         *(below(family, average(BAD, GROUPS[family]), FEW_BAD)._replace(opposite=MANY_BAD, waits=PRIOR_BOX)
           for family in (R1_GANS, COLLAPSED_GANS))],
    ),
    *QUESTIONS,
)  # fmt: skip
