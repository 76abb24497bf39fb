"""What the report prints: its ten panels in numbers, and the statements of its Sections 4.1 and 4.2 with their answers.

Source: Ramirez (2020), "Data Interpolation through Deep Generative Models", Universidad EAFIT.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any, NamedTuple

from .measures import BADLY_CONDITIONED, Box

ALIKE = 0.25  # two medians of log_cond closer than this are alike: condition numbers within 30 % of each other
NONE = 0.01  # a share of the area below this counts as none

Measures = Mapping[str, Mapping[str, Any]]


class Panel(NamedTuple):
    """One figure of the report: its model, and the limits of its colour bars and axes.

    The limits were read off the published images by inverting their colour bars: good to 0.1 (log_det) and 0.03
    (log_cond), natural logarithms.
    """

    model: str
    log_det: tuple[float, float]
    log_cond: tuple[float, float]
    box: Box


PANELS = {
    "figure_1": Panel("vae-128-32-tanh", (0.87, 13.30), (0.02, 2.47), ((-2.1, 2.2), (-2.2, 2.1))),
    "figure_2": Panel("vae-256-64-tanh", (3.35, 14.33), (0.02, 2.70), ((-1.8, 2.4), (-2.3, 2.2))),
    "figure_3": Panel("vae-128-32-sigmoid", (2.74, 12.63), (0.01, 1.81), ((-2.0, 1.8), (-2.0, 2.1))),
    "figure_4": Panel("dae-128-32-sigmoid", (3.03, 16.53), (0.03, 3.47), ((0.3, 3.0), (-0.1, 2.5))),
    "figure_5": Panel("gan-128-32-tanh", (-4.52, 18.46), (0.06, 6.36), ((-3.0, 3.0), (-3.0, 3.0))),
}


class Answer(NamedTuple):
    """Whether a statement holds in this one run, None where maps cannot tell, and a sentence that says why."""

    holds: bool | None
    sentence: str


@dataclass(frozen=True)
class Statement:
    """One statement of the report: its number and section, its gist in the report's own words (shortened; square
    brackets are ours), and the test of it."""

    number: str
    quote: str
    answer: Callable[[Measures], Answer]


def _of(m: Measures, family: str, *path: str) -> list[float]:
    """The measure at `path` of all models of a family; the healthy GANs are a family of their own."""

    def belongs(name: str) -> bool:
        return name.endswith("-r1") if family == "healthy" else name.startswith(family) and not name.endswith("-r1")

    values = []
    for name in filter(belongs, m):
        value: Any = m[name]
        for step in path:
            value = value[step]
        values.append(float(value))
    return values


def _median_cond(m: Measures, *names: str) -> list[float]:
    return [m[name]["log_cond"]["q50"] for name in names]


def _span(m: Measures, family: str) -> float:
    """Mean width of log_det's range over the models of a family."""
    return mean(_of(m, family, "log_det", "q100")) - mean(_of(m, family, "log_det", "q0"))


def _range(values: list[float], digits: int = 1) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


SIZES = [(f"128-32-{a}", f"256-64-{a}") for a in ("tanh", "sigmoid")]
ACTIVATIONS = [(f"{h}-tanh", f"{h}-sigmoid") for h in ("128-32", "256-64")]


def _large_near_origin(m: Measures) -> Answer:
    excess, median = m["vae-128-32-tanh"]["centre_excess"], m["vae-128-32-tanh"]["log_det"]["q50"]
    return Answer(
        excess > 0 and median > 0,
        f"median log_det {median:.1f}: latent area is magnified {math.exp(median / 2):.0f} times; in the disc about "
        f"the origin log_det is {excess:+.2f} above that (Figure 1)",
    )


def _low_far_away(m: Measures) -> Answer:
    beyond = m["vae-128-32-tanh"]["beyond"]
    return Answer(
        beyond["median_outside"] < beyond["median_inside"],
        f"median log_det {beyond['median_outside']:.1f} outside the data's box, {beyond['median_inside']:.1f} in it; "
        f"lowest value outside {beyond['lowest_outside']:.1f}",
    )


def _vae_well_conditioned(m: Measures) -> Answer:
    share, worst = m["vae-128-32-tanh"]["badly_conditioned"], m["vae-128-32-tanh"]["log_cond"]["q100"]
    return Answer(
        share == 0,
        f"log_cond at most {worst:.2f}; {share:.1%} of the area has a condition number above {BADLY_CONDITIONED:.0f}",
    )


def _larger_is_smoother(m: Measures) -> Answer:
    small, large = m["vae-128-32-tanh"]["roughness"], m["vae-256-64-tanh"]["roughness"]
    return Answer(large < small, f"roughness of log_det {large:.1f} with 256-64 against {small:.1f} with 128-32")


def _size_leaves_conditioning(m: Measures) -> Answer:
    small, large = _median_cond(m, "vae-128-32-tanh", "vae-256-64-tanh")
    return Answer(abs(large - small) < 0.25, f"median log_cond {large:.2f} with 256-64 against {small:.2f} with 128-32")


def _sigmoid_smoother(m: Measures) -> Answer:
    tanh, sigmoid = m["vae-128-32-tanh"], m["vae-128-32-sigmoid"]
    return Answer(
        sigmoid["roughness"] < tanh["roughness"]
        and all(sigmoid["log_cond"][q] < tanh["log_cond"][q] for q in ("q50", "q95", "q100")),
        f"sigmoid against tanh: roughness {sigmoid['roughness']:.1f} and {tanh['roughness']:.1f}, "
        f"log_cond median {sigmoid['log_cond']['q50']:.2f} and {tanh['log_cond']['q50']:.2f}, "
        f"95 % {sigmoid['log_cond']['q95']:.2f} and {tanh['log_cond']['q95']:.2f}, "
        f"highest {sigmoid['log_cond']['q100']:.2f} and {tanh['log_cond']['q100']:.2f}",
    )


def _vaes_alike(m: Measures) -> Answer:
    medians = _of(m, "vae", "log_cond", "q50")
    shares = _of(m, "vae", "badly_conditioned")
    return Answer(
        max(medians) - min(medians) < 2 * ALIKE and max(shares) < NONE,
        f"median log_cond {_range(medians, 2)} over the four VAEs; badly conditioned area at most {max(shares):.1%}",
    )


def _daes_alike(m: Measures) -> Answer:
    dae, vae = _of(m, "dae", "log_cond", "q50"), _of(m, "vae", "log_cond", "q50")
    return Answer(
        max(dae) - min(dae) < 2 * ALIKE,
        f"median log_cond {_range(dae, 2)} over the four DAEs (VAEs: {_range(vae, 2)}); "
        f"median log_det {_range(_of(m, 'dae', 'log_det', 'q50'))}, which follows each DAE's arbitrary latent scale",
    )


def _dae_rougher(m: Measures) -> Answer:
    dae, vae = m["dae-128-32-sigmoid"]["roughness"], _of(m, "vae", "roughness")
    return Answer(dae > max(vae), f"roughness {dae:.1f} against {_range(vae)} for the four VAEs")


def _dae_reaches_16(m: Measures) -> Answer:
    highest = m["dae-128-32-sigmoid"]["log_det"]["q100"]
    return Answer(highest >= 16, f"highest log_det {highest:.1f} (Figure 4; published 16.5)")


def _dae_worse(m: Measures) -> Answer:
    dae, vae = m["dae-128-32-sigmoid"]["log_cond"]["q50"], _of(m, "vae", "log_cond", "q50")
    return Answer(dae > max(vae), f"median log_cond {dae:.2f} against {_range(vae, 2)} for the four VAEs (Figure 4)")


def _gan_spans_more(m: Measures) -> Answer:
    spans = {family: _span(m, family) for family in ("gan", "healthy", "vae", "dae")}
    return Answer(
        spans["gan"] > max(spans["vae"], spans["dae"]),
        f"mean width of log_det's range: GANs as printed {spans['gan']:.1f}, healthy GANs {spans['healthy']:.1f}, "
        f"VAEs {spans['vae']:.1f}, DAEs {spans['dae']:.1f}",
    )


def _gan_higher_condition(m: Measures) -> Answer:
    worst = {f: _of(m, f, "log_cond", "q95") for f in ("gan", "healthy", "vae", "dae")}
    return Answer(
        min(worst["gan"]) > max(*worst["vae"], *worst["dae"]),
        "95 % quantile of log_cond: GANs as printed "
        f"{_range(worst['gan'])}, healthy GANs {_range(worst['healthy'])}, VAEs {_range(worst['vae'])}, "
        f"DAEs {_range(worst['dae'])}",
    )


def _no_bad_vae(m: Measures) -> Answer:
    worst, shares = _of(m, "vae", "log_cond", "q100"), _of(m, "vae", "badly_conditioned")
    return Answer(
        max(shares) < NONE,
        f"highest log_cond {_range(worst)} over the four VAEs, badly conditioned area at most {max(shares):.1%}; "
        "what that means for a solver is notebook 05's question",
    )


def _poor_away_from_data(m: Measures) -> Answer:
    drops = [
        m[name]["beyond"]["median_inside"] - m[name]["beyond"]["median_outside"]
        for name in m
        if name.startswith(("vae", "dae"))
    ]
    return Answer(
        min(drops) > 0,
        f"log_det falls by {_range(drops)} (medians) from the data's box to the ring around it, over VAEs and DAEs: "
        "latent area shrinks there",
    )


def _dae_slightly_worse(m: Measures) -> Answer:
    dae, vae = mean(_of(m, "dae", "log_cond", "q50")), mean(_of(m, "vae", "log_cond", "q50"))
    return Answer(dae > vae, f"mean of the median log_cond: DAEs {dae:.2f}, VAEs {vae:.2f}")


def _gan_ill_conditioned(m: Measures) -> Answer:
    printed, healthy = _of(m, "gan", "badly_conditioned"), _of(m, "healthy", "badly_conditioned")
    return Answer(
        min(printed) > NONE,
        f"badly conditioned area: GANs as printed {min(printed):.0%} to {max(printed):.0%}, "
        f"healthy GANs {min(healthy):.0%} to {max(healthy):.0%}",
    )


def _architecture_irrelevant(m: Measures) -> Answer:
    changes = [abs(a - b) for a, b in (_median_cond(m, f"vae-{s}", f"vae-{t}") for s, t in SIZES)]
    return Answer(max(changes) < ALIKE, f"doubling the widths changes the median log_cond by {_range(changes, 2)}")


def _sigmoid_better(m: Measures) -> Answer:
    gains = [a - b for a, b in (_median_cond(m, f"vae-{s}", f"vae-{t}") for s, t in ACTIVATIONS)]
    return Answer(min(gains) > 0, f"sigmoid lowers the median log_cond by {_range(gains, 2)}")


def _gans_poor(m: Measures) -> Answer:
    medians = {f: _of(m, f, "log_cond", "q50") for f in ("gan", "healthy", "vae", "dae")}
    return Answer(
        min(medians["gan"]) > max(*medians["vae"], *medians["dae"]),
        f"median log_cond: GANs as printed {_range(medians['gan'], 2)}, healthy GANs {_range(medians['healthy'], 2)}, "
        f"VAEs {_range(medians['vae'], 2)}, DAEs {_range(medians['dae'], 2)}; notebook 03 shows what they generate",
    )


def _tanh_well(m: Measures) -> Answer:
    tanh = {name: m[name] for pair in ACTIVATIONS for name in [f"vae-{pair[0]}"]}
    worst = max(d["badly_conditioned"] for d in tanh.values())
    return Answer(
        worst < NONE,
        f"badly conditioned area of the two tanh VAEs at most {worst:.1%}; "
        f"highest log_cond {_range([d['log_cond']['q100'] for d in tanh.values()], 2)}",
    )


def _cannot_tell(why: str) -> Callable[[Measures], Answer]:
    return lambda m: Answer(None, why)


STATEMENTS = (
    Statement(
        "4.1-1", "the magnitude of the metric tensor is very large, specially near the origin", _large_near_origin
    ),
    Statement("4.1-2", "the metric tensor can be very low far away from data", _low_far_away),
    Statement("4.1-3", "the jacobian is well conditioned throughout the latent space", _vae_well_conditioned),
    Statement("4.1-4", "[256-64:] the magnitude of the tensor is slightly smoother", _larger_is_smoother),
    Statement(
        "4.1-5", "this modification does not influence the condition number significantly", _size_leaves_conditioning
    ),
    Statement("4.1-6", "[sigmoid:] slightly smoother tensor and lower condition numbers throughout", _sigmoid_smoother),
    Statement("4.1-7", "all configurations yield similar results and a well conditioned jacobian", _vaes_alike),
    Statement(
        "4.1-8",
        "a compact two-dimensional space must produce vastly different images",
        _cannot_tell("a cause, not a measurement; the 15 x 15 grids of notebooks 01 to 03 show the images"),
    ),
    Statement(
        "4.1-9",
        "[low magnitude] may motivate geodesics to leave the data manifold",
        _cannot_tell("a statement about geodesics: notebook 05"),
    ),
    Statement("4.2-1", "different configurations of DAEs behave relatively similar to one another", _daes_alike),
    Statement("4.2-2", "[DAE:] a metric tensor which is less smooth as opposed to VAEs", _dae_rougher),
    Statement("4.2-3", "the log-magnitude of the tensor reaches values as high as 16", _dae_reaches_16),
    Statement("4.2-4", "the conditioning of the jacobian is worse as opposed to VAEs", _dae_worse),
    Statement("4.2-5", "[GAN:] the magnitude spans a larger range as opposed to VAEs and DAEs", _gan_spans_more),
    Statement("4.2-6", "[GAN:] the condition number reaches much higher values", _gan_higher_condition),
    Statement("4.2-7", "amongst VAEs, [no] configuration with an ill-conditioned jacobian", _no_bad_vae),
    Statement("4.2-8", "the metric tensor is, in general, poorly defined away from data", _poor_away_from_data),
    Statement("4.2-9", "DAEs performed slightly worse", _dae_slightly_worse),
    Statement("4.2-10", "GANs do present an ill-conditioned jacobian", _gan_ill_conditioned),
    Statement(
        "4.2-11", "the architecture [does not] significantly affect the conditioning on VAEs", _architecture_irrelevant
    ),
    Statement("4.2-12", "the sigmoid activation presented a better conditioning", _sigmoid_better),
    Statement("4.2-13", "GANs do perform poorly", _gans_poor),
    Statement("4.2-14", "Tanh also performed well", _tanh_well),
    Statement(
        "4.2-15",
        "[VAEs' conditioning] is not considered to be a problem when solving for a geodesic",
        _cannot_tell("a statement about solvers: notebook 05"),
    ),
    Statement(
        "4.2-16",
        "some adjustment is still required in order for geodesics to follow the data manifold",
        _cannot_tell("a statement about geodesics: notebook 05"),
    ),
    Statement("4.2-17", "[DAEs] possess worse theoretical properties", _cannot_tell("theory, not a measurement")),
)
