"""The knobs of the remedies: each is turned while the others stay as in `systems`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...geometry import EnsembleMetric, ExpectedMetric, LatentSpace
from ..checkpoints import digest
from ..records.quantities import percentile_box
from .systems import BELLS, FLOOR, WIDTH, ZETA, System, density, encoded, variance

RADIAL, DENSITY, ENSEMBLE = "radial variance", "density", "ensemble"  # the systems that have knobs
MEMBERS = 10  # decoders of the ensemble


def _named(knob: str, values: Sequence[float], base: float, system: str) -> dict[float, str]:
    """The names of the metrics that a knob gives, by its value; at its base value it is the system itself."""
    return {value: system if value == base else f"{system}, {knob} {value:g}" for value in values}


KNOBS: dict[str, dict[float, str]] = {
    "least precision": _named("least precision", (100.0, 1.0, 0.01, 0.0001), ZETA, RADIAL),
    "number of bells": _named("number of bells", (16, 64, 256), BELLS, RADIAL),
    "width of bells": _named("width of bells", (1.0, 1.25, 2.0), WIDTH, RADIAL),
    "floor": _named("floor", (0.3, 0.1, 0.01), FLOOR, DENSITY),
    "bandwidth": _named("bandwidth", (0.5, 1.0, 2.0), 1.0, DENSITY),
    "decoders": _named("decoders", (1, 2, 5, 10), MEMBERS, ENSEMBLE),
}
RADIAL_KNOBS = {"least precision": "zeta", "number of bells": "bells", "width of bells": "width"}
DENSITY_KNOBS = {"floor": "floor", "bandwidth": "factor"}


def turned(vae: Any, ensemble: Any, images: Tensor, seen: dict[str, Any]) -> dict[str, System]:
    """The systems of KNOBS that are not in `systems`, by name; `seen` names the images (n, 784)."""
    plain = encoded(vae, images, lambda box: LatentSpace(vae.generator, box))
    decisive, box = seen | {"weights": digest(vae.state_dict())}, percentile_box(plain.codes)
    found: dict[str, System] = {}
    for knob, setting in RADIAL_KNOBS.items():
        for value, name in _others(knob, RADIAL):
            deviation = variance(vae.generator, plain.codes, images, decisive, **{setting: value})
            found[name] = plain._replace(space=ExpectedMetric(vae.generator, deviation, box))
    for knob, setting in DENSITY_KNOBS.items():
        for value, name in _others(knob, DENSITY):
            found[name] = plain._replace(space=density(plain.codes, box=box, **{setting: value}))
    one = encoded(ensemble, images, lambda box: LatentSpace(ensemble.generator, box))
    for value, name in _others("decoders", ENSEMBLE):
        some = list(ensemble.members)[: int(value)]
        found[name] = one if value == 1 else one._replace(space=EnsembleMetric(some, one.space.box))
    return found


def _others(knob: str, system: str) -> list[tuple[Any, str]]:
    """Values of a knob and the metrics' names, but for the system itself."""
    return [(value, name) for value, name in KNOBS[knob].items() if name != system]
