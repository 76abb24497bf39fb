"""Latent geometry of any generator: the metric that it pulls back, its maps, and shortest paths.

A generator is a callable from latent points (n, k) to data (n, ...): a decoder, say. Everything that a user needs is
here, flat; `pullback.show` draws it.

geometry/: derivatives of a generator, manifolds, the pullback metric and its maps, inversion.
geodesics/: curves between latent points: the solvers, one file each, the shortest path in the plane, and the way from
    a velocity to a curve and back.
explorer/: `explore`, a latent space to play with in a notebook, and what the site's explorer looks like.
images.py: how a vector of values is shown as an image.
benchmark.py: pairs whose distances are known, and what somebody's solver scores on them.
show.py: a map, the curves on it and the film under it; needs matplotlib.
study/: the companion of Ramirez (2020), "Data Interpolation through Deep Generative Models": data, models, training,
    records, claims and figures. The rest knows nothing of it.
"""

from .explorer import Explorer, explore
from .geodesics import (
    Curves,
    Geodesics,
    ShortestPaths,
    Trajectories,
    exponential,
    geodesic,
    invert,
    logarithm,
    shortest_path,
)
from .geometry import (
    Embedded,
    LatentMap,
    LatentSpace,
    Manifold,
    jacobian,
    latent_map,
    log_cond,
    log_det,
    pullback_metric,
    singular_values,
)

__all__ = [
    "Curves",
    "Embedded",
    "Explorer",
    "Geodesics",
    "LatentMap",
    "LatentSpace",
    "Manifold",
    "ShortestPaths",
    "Trajectories",
    "explore",
    "exponential",
    "geodesic",
    "invert",
    "jacobian",
    "latent_map",
    "log_cond",
    "log_det",
    "logarithm",
    "pullback_metric",
    "shortest_path",
    "singular_values",
]
