"""Latent geometry of any callable generator: Jacobians, the pullback metric and its maps.

derivatives.py: one prepared object a generator, with its value, Jacobian and second derivatives.
modules.py: modules as frozen copies in one precision, and the layers that cannot have a Jacobian.
layers.py: the fast path of these for plain networks.
inputs.py, checks.py: what a caller may give, and what is wrong with a generator, found before anything is computed.
manifolds.py: `Manifold` and `Embedded`, all that a solver sees.
latent.py: `LatentSpace`, a generator's latent space as a manifold.
surfaces.py: surfaces whose geodesics are known.
metric.py: `jacobian`, the pullback metric, singular values, log_det and log_cond.
maps.py: `latent_map`, both over a box.
inversion.py: the latent point whose image is nearest to a given one.
"""

from .derivatives import Derivatives
from .latent import LatentSpace, as_manifold
from .manifolds import Embedded, Manifold
from .maps import Box, LatentMap, latent_map
from .metric import jacobian, log_cond, log_det, pullback_metric, singular_values
from .modules import Generator, in_dtype
from .surfaces import EuclideanSpace, FlatCylinder, HyperbolicHalfPlane, Paraboloid, Sphere

__all__ = [
    "Box",
    "Derivatives",
    "Embedded",
    "EuclideanSpace",
    "FlatCylinder",
    "Generator",
    "HyperbolicHalfPlane",
    "LatentMap",
    "LatentSpace",
    "Manifold",
    "Paraboloid",
    "Sphere",
    "as_manifold",
    "in_dtype",
    "jacobian",
    "latent_map",
    "log_cond",
    "log_det",
    "pullback_metric",
    "singular_values",
]
