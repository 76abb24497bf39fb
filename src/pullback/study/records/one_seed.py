"""One run in one table, read from the sidecars of its figures, and its best and worst interpolations."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from ...geodesics import geodesic
from ...geodesics.curves import segment
from ...geometry import LatentSpace
from ..figures import load_sidecar
from ..models import HEALTHY_GANS, REPORT
from ..notebook import Study
from ..profiles import Profile
from ..training import Trained
from .interpolation import CHAIN, FRAMES, equal_steps, nearest_image, times

SHOWN = 4  # every fourth frame of a curve is shown
SOURCES = (
    "vae_training",
    "dae_training",
    "gan_training",
    "gan_coverage",
    "atlas_log_det",
    "beyond_data",
    "geodesic_ratios",
)


def table(profile: Profile, seed: int) -> pd.DataFrame:
    """One row a model; NaN where a column does not apply. Raises FileNotFoundError for a figure that has not been
    made, naming it, and ValueError for one that was made with another seed."""
    sidecars = {name: load_sidecar(name, profile) for name in SOURCES}
    for name, sidecar in sidecars.items():
        if sidecar["seed"] != seed:
            raise ValueError(f"figure {name} was made with seed {sidecar['seed']}, not {seed}: run its notebook again")
    numbers = {name: sidecar["numbers"] for name, sidecar in sidecars.items()}
    return pd.DataFrame({spec.name: _row(spec.name, numbers) for spec in (*REPORT, *HEALTHY_GANS)}).T.astype(float)


def _row(name: str, numbers: dict[str, Any]) -> dict[str, float | None]:
    family = name.split("-")[0]
    loss = numbers[f"{family}_training"]["final_loss"][name]
    maps, beyond = numbers["atlas_log_det"]["models"][name], numbers["beyond_data"]["models"][name]
    geodesics = numbers["geodesic_ratios"]["models"][name]
    row: dict[str, float | None] = {"final loss": loss["generator"] if family == "gan" else loss}
    for quantity in ("log_det", "log_cond"):
        for label, q in (("lowest", "q0"), ("5 %", "q5"), ("median", "q50"), ("95 %", "q95"), ("highest", "q100")):
            row[f"{quantity} {label}"] = maps[quantity][q]
    return row | {
        "badly conditioned (%)": 100 * maps["badly_conditioned"],
        "log_det lost outside the box": beyond["median_inside"] - beyond["median_outside"],
        "classes covered": numbers["gan_coverage"]["coverage"][name]["classes"] if family == "gan" else None,
        "straight / geodesic": geodesics["ratio"]["q50"] if geodesics["ratio"] else None,
        "converged (%)": 100 * geodesics["converged"],
    }


class Case(NamedTuple):
    """One pair of test digits: frames (n, 784) on the straight line and on the geodesic, and how much nearer to the
    training images, in pixel units, the geodesic's inner frames are than the line's, on average."""

    straight: Tensor
    geodesic: Tensor
    gain: float


def stacked(case: Case) -> Tensor:
    """The frames of both curves, the straight line's first."""
    return torch.cat((case.straight, case.geodesic))


def cases(study: Study, trained: Trained, pairs: int = 20) -> dict[str, Case]:
    """The best, the median and the worst of a model's first pairs of test digits, by what the geodesic gains."""
    images, _ = study.images("train")
    ends = study.pairs(trained)
    start, end = ends.start[:pairs].double(), ends.end[:pairs].double()
    space = LatentSpace(trained.model.generator)
    found = geodesic(space, start, end).curve(times(CHAIN))
    both = torch.cat((segment(start, end, CHAIN - 1), found))
    z = equal_steps(space, both, FRAMES)
    frames = study.decode(trained, z.flatten(0, 1)).unflatten(0, (2, len(start), FRAMES))
    distance = nearest_image(frames[:, :, 1:-1].flatten(0, 2), images).unflatten(0, (2, len(start), FRAMES - 2))
    gain = -distance.mean(2).diff(dim=0)[0]
    order = gain.argsort(descending=True, stable=True).tolist()
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return {name: Case(frames[0, i, ::SHOWN], frames[1, i, ::SHOWN], gain[i].item()) for name, i in chosen.items()}
