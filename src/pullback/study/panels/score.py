"""How near a variant comes to a published panel. All of this was fixed before any variant was measured.

A panel is compared by its 5, 25, 50, 75 and 95 % quantiles over the cells that can be seen in it. A variant's interval
for a quantile is Student's 95 % prediction interval of one more seed, widened on both sides by the error of reading the
panel and by what moving the box's edges by their own error does to the quantile. The panel is *compatible* with the
variant if all five published quantiles lie inside, *near* if the median and the 95 % quantile do. An interval of the
median that is wider than the panel's own range, 5 to 95 %, holds any panel and shows nothing: this was added when
trainings that collapse had shown it. With one seed there
is no interval, and a variant has a distance only: the mean difference of the five quantiles, in interquartile ranges of
the published panel. The variants of the smallest distance to a figure, NEAREST of them, go on to five seeds, and with
them the base settings.

A DAE's latent scale is arbitrary: its log_det is compared after adding 2 log(area of its box / area of the published
box), which measures both in the same area. The look of a panel, its roughness over visible cells, is told beside the
score. It decides which model fits a figure best, and not whether a panel is compatible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy.stats import t as student

from . import published

LEVEL = 0.95
NEAREST = 3  # variants of a figure that go on from the first stage to the second
DECISIVE = (2, 4)  # the places of the median and of the 95 % quantile among QUANTILES


@dataclass(frozen=True)
class Score:
    """Of one panel and the seeds of one variant. `interval` and what follows from it are None with one seed.

    outside : by how much each published quantile lies outside its interval, 0 inside; in the quantity's unit.
    range : of the published panel, 5 to 95 %.
    """

    distance: float
    mean: list[float]
    interval: list[tuple[float, float]] | None
    outside: list[float] | None
    range: float

    @property
    def width(self) -> float | None:
        """Of the interval of the median."""
        return None if self.interval is None else self.interval[2][1] - self.interval[2][0]

    @property
    def vague(self) -> bool:
        """Whether the interval of the median is so wide that it shows nothing."""
        return self.width is not None and self.width > self.range

    @property
    def compatible(self) -> bool | None:
        return None if self.outside is None else not any(self.outside) and not self.vague

    @property
    def state(self) -> str:
        """"inside", "near", "outside by" how much, or "too wide to tell"; "" with one seed."""
        if self.outside is None:
            return ""
        if self.compatible or self.near:
            return "inside" if self.compatible else "near"
        return f"outside by {max(self.outside):.2g}" if any(self.outside) else "too wide to tell"

    @property
    def near(self) -> bool | None:
        return None if self.outside is None else not any(self.outside[i] for i in DECISIVE) and not self.vague


def prediction_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % prediction interval of one more value; None for fewer than two values."""
    if len(values) < 2:
        return None
    n, mean = len(values), fmean(values)
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * stdev(values) * math.sqrt(1 + 1 / n)
    return mean - half, mean + half


def score(figure: str, quantity: str, seeds: Sequence[dict[str, Sequence[float]]]) -> Score:
    """The score of the panel for a variant, given each seed's five quantiles on the box as it was read ("as read") and
    on boxes whose edges are moved out ("grown") and in ("shrunk") by the error of reading them."""
    cells = published.panel(figure, quantity)
    wanted = published.quantiles(cells, np.isfinite(cells))
    mean = np.mean([s["as read"] for s in seeds], axis=0)
    distance = float(np.abs(mean - wanted).mean() / (wanted[3] - wanted[1]))
    if len(seeds) < 2:
        return Score(distance, mean.tolist(), None, None, wanted[4] - wanted[0])
    intervals, outside = [], []
    for i, value in enumerate(wanted):
        moved = [abs(fmean(s[box][i] for s in seeds) - mean[i]) for box in ("grown", "shrunk")]
        margin = published.reading_error(figure, quantity) + max(moved)
        found = prediction_interval([s["as read"][i] for s in seeds])
        assert found is not None
        low, high = found[0] - margin, found[1] + margin
        intervals.append((low, high))
        outside.append(max(low - value, value - high, 0.0))
    return Score(distance, mean.tolist(), intervals, outside, wanted[4] - wanted[0])
