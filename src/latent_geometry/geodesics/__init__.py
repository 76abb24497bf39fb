"""Curves between latent points: one problem, one result type and measure, and the solvers."""

from .exponential import Trajectories, exponential, logarithm
from .inversion import invert
from .problem import METHODS, geodesic
from .result import Geodesics, Solution, measure

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
