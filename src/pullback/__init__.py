"""Latent geometry of any generator: the metric that it pulls back, its maps, and shortest paths.

A generator is a callable from latent points (n, k) to data (n, ...): a decoder, say. Everything that a user needs is
here, flat; `pullback.show` draws it.

geometry/: derivatives of a generator, manifolds, the pullback metric and its maps, metrics that know where the data
    are, inversion.
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
    BernoulliFisherRao,
    DensityMetric,
    DrawsEnergy,
    Embedded,
    EnsembleMetric,
    ExpectedMetric,
    GaussianFisherRao,
    GaussianProcessMetric,
    KernelDensity,
    LatentMap,
    LatentSpace,
    Manifold,
    draws_energy,
    jacobian,
    latent_map,
    log_cond,
    log_det,
    pullback_metric,
    rbf_centres,
    rbf_deviation,
    singular_values,
)

__all__ = [
    "BernoulliFisherRao",
    "Curves",
    "DensityMetric",
    "DrawsEnergy",
    "Embedded",
    "EnsembleMetric",
    "ExpectedMetric",
    "Explorer",
    "GaussianFisherRao",
    "GaussianProcessMetric",
    "Geodesics",
    "KernelDensity",
    "LatentMap",
    "LatentSpace",
    "Manifold",
    "ShortestPaths",
    "Trajectories",
    "draws_energy",
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
    "rbf_centres",
    "rbf_deviation",
    "shortest_path",
    "singular_values",
]
