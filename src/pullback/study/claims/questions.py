"""What the report asks and does not test, and what it does not ask: claims as `catalogue` has those of the report."""

from __future__ import annotations

from .criteria import ALIKE, GROUPS, WORKING, Claim, above, below, within
from .effects import difference_of, gain, trained_on

QUESTIONS = (
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
        "N-1", "Not in the report", "Renewing the batch-norm statistics leaves the conditioning as it is.",
        "median log_cond with renewed statistics, less as trained", "seeds_conditioning",
        [within(family, difference_of("renewed.log_cond.q50", "maps.log_cond.q50", GROUPS[family]), ALIKE)
         for family in ("VAEs", "DAEs")],
    ),
    Claim(
        "N-2", "Not in the report", "With few training images the metric is rougher.",
        "logarithm of the roughness when trained on few images, less that when trained on all", "training_size",
        [above(f"{model[:3].upper()}, {size} images", trained_on(size, "roughness", model, logarithm=True))
         for model in ("vae-128-32-tanh", "dae-128-32-tanh") for size in (250, 1_000)],
    ),
)  # fmt: skip
