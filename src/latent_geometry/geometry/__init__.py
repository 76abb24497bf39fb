"""Latent geometry of any callable generator: Jacobians, the pullback metric and its maps."""

from .jacobian import Generator, differential, in_dtype, jacobian
from .maps import Box, LatentMap, latent_map
from .metric import log_cond, log_det, pullback_metric, singular_values

__all__ = [
    "Box",
    "Generator",
    "LatentMap",
    "differential",
    "in_dtype",
    "jacobian",
    "latent_map",
    "log_cond",
    "log_det",
    "pullback_metric",
    "singular_values",
]
