"""Curves between latent points: one problem, one result type and measure, and the solvers."""

from ..geometry.inversion import invert
from .curves import Curves, Geodesics, Solution, measure
from .exponential import Trajectories, exponential, logarithm
from .problem import METHODS, geodesic
from .shortest import ShortestPaths, shortest_path

__all__ = [
    "METHODS",
    "Curves",
    "Geodesics",
    "ShortestPaths",
    "Solution",
    "Trajectories",
    "exponential",
    "geodesic",
    "invert",
    "logarithm",
    "measure",
    "shortest_path",
]
