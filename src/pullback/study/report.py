"""What the report prints: its ten panels in numbers.

Source: Ramirez (2020), "Data Interpolation through Deep Generative Models", Universidad EAFIT.
"""

from __future__ import annotations

from typing import NamedTuple

from .records.quantities import Box


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
