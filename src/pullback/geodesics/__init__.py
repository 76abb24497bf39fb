"""Curves between latent points: one problem, one result type and measure, and the solvers."""

from ..geometry.inversion import invert
from .curves import Geodesics, Solution, measure
from .exponential import Trajectories, exponential, logarithm
from .problem import METHODS, geodesic

__all__ = [
    "METHODS",
    "Geodesics",
    "Solution",
    "Trajectories",
    "exponential",
    "geodesic",
    "invert",
    "logarithm",
    "measure",
]
