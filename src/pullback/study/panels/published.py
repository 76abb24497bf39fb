"""The ten published panels as numbers.

Source: Ramirez (2020), "Data Interpolation through Deep Generative Models", Universidad EAFIT, Figures 1 to 5. The
arrays were digitised from the report's pictures by inverting their colour bars; they are facts read from a figure,
which itself is not redistributed. 45 x 45 cells, row 0 at the lowest z_2, column 0 at the lowest z_1, NaN where the
picture's legend or digits hide the map (a quarter of Figures 1 to 4, nothing of Figure 5).
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...geometry import LatentMap
from ..records.quantities import Box
from ..report import PANELS

PATH = Path(__file__).with_name("published.npz")
QUANTITIES = ("log_det", "log_cond")
QUANTILES = (5, 25, 50, 75, 95)  # per cent
GRID = 45  # cells a side
BOX_ERROR = 0.05  # latent units: of each edge of a box, read off the axes' tick marks
ROWS = {  # the ten panels, in the report's order
    f"P-{2 * i + j + 1}": (figure, quantity)
    for i, figure in enumerate(PANELS) for j, quantity in enumerate(QUANTITIES)
}


def reading_error(figure: str, quantity: str) -> float:
    """Of a quantile: two independent readings agree to 0.15 in log_det, in that of Figure 4 to 0.3; log_cond is read to
    0.03."""
    if quantity == "log_cond":
        return 0.03
    return 0.3 if figure == "figure_4" else 0.15


@cache
def panel(figure: str, quantity: str) -> NDArray[np.float64]:
    """A panel's cells (45, 45), NaN where they are hidden."""
    with np.load(PATH) as content:
        return content[f"{figure}.{quantity}"].astype(float)


def as_map(figure: str) -> LatentMap:
    """Both panels of a figure on its box, NaN where they are hidden."""
    box = PANELS[figure].box
    x, y = (np.linspace(*side, GRID) for side in box)
    return LatentMap(box, x, y, panel(figure, "log_det"), panel(figure, "log_cond"))


def shift(own: Box, reference: Box) -> float:
    """What is added to log_det of a map of the box `own` to compare it with a map of the box `reference` where the
    latent scale is arbitrary, as it is for a DAE: 2 log of the ratio of their areas."""
    return 2 * math.log(_area(own) / _area(reference))


def _area(box: Box) -> float:
    (x0, x1), (y0, y1) = box
    return (x1 - x0) * (y1 - y0)


def quantiles(values: NDArray[np.float64], visible: NDArray[np.bool_]) -> list[float]:
    """QUANTILES of a map's cells (45, 45) that can be seen in the published panel; infinite cells take part."""
    return np.quantile(values[visible], np.array(QUANTILES) / 100, method="closest_observation").tolist()


def roughness(values: NDArray[np.float64]) -> float:
    """Mean norm of a map's gradient, in sides of its box, over the cells whose four neighbours are finite."""
    sides = [np.linspace(0, 1, n) for n in values.shape]
    with np.errstate(invalid="ignore"):
        norm = np.hypot(*np.gradient(values, *sides))
    return float(norm[np.isfinite(norm)].mean()) if np.isfinite(norm).any() else float("nan")
