"""Latent geometry of any callable generator: Jacobians, the pullback metric and its maps."""

from .derivatives import Derivatives, Generator, in_dtype, jacobian
from .latent import LatentSpace, as_manifold
from .manifolds import Embedded, Manifold
from .maps import Box, LatentMap, latent_map
from .metric import log_cond, log_det, pullback_metric, singular_values
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
