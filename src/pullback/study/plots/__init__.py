"""Drawing only: arrays and an axes in, artists out. Everything is used from here, as `plots.NAME`.

style.py: sizes, colours and labels that all figures share.
images.py: grids of digits.
maps.py: maps of the metric, and points and curves on them.
training.py: loss curves, and the share of each digit among samples.
solvers.py: solvers against the shortest path, on the pairs of one run.
seeds.py: what the records of several seeds say, a dot a seed.
claims.py: the scorecard, and the parts of a claim.
away.py: metrics that are to know where their data are: wide maps, paths about a ring, knobs.
dimensions.py: singular values, and measures against the number of latent dimensions.
"""

from .away import codes_with_images, knob_dots, metric_paths, profiles, seeds_by_path, wide_maps
from .claims import FURTHEST, VERDICTS, claim_parts, decisiveness, scorecard
from .dimensions import against_dimension, spectra
from .images import decoded_grid, image_grid, tiled
from .maps import (
    about,
    atlas,
    beside,
    beyond,
    colour_bar,
    digit_markers,
    ends,
    latent_heatmap,
    latent_scatter,
    paths,
    report_panels,
)
from .seeds import against_size, against_sparsity, condition_ranges, curve_quality, seed_dots, solved_dots
from .solvers import (
    excess_boxes,
    intervals,
    performance_profile,
    ratio_boxes,
    share_against_time,
    share_lines,
    shares_by_level,
)
from .style import CLASSES, COLUMN, FAMILY_COLOURS, LABELS, MAPS, PAGE, RANK_DEFICIENT, SMALL, use_style
from .training import loss_curves, share_table

__all__ = [
    "CLASSES", "COLUMN", "FAMILY_COLOURS", "FURTHEST", "LABELS", "MAPS", "PAGE", "RANK_DEFICIENT", "SMALL",
    "VERDICTS", "about", "against_dimension", "against_size", "against_sparsity", "atlas", "beside", "beyond",
    "claim_parts", "codes_with_images", "colour_bar", "condition_ranges", "curve_quality", "decisiveness",
    "decoded_grid", "digit_markers", "ends", "excess_boxes", "image_grid", "intervals", "knob_dots", "latent_heatmap",
    "latent_scatter", "loss_curves", "metric_paths", "paths", "performance_profile", "profiles", "ratio_boxes",
    "report_panels", "scorecard", "seed_dots", "seeds_by_path", "share_against_time", "share_lines", "share_table",
    "shares_by_level", "solved_dots", "spectra", "tiled", "use_style", "wide_maps",
]  # fmt: skip
