"""Curves between latent points: one problem, one result type and measure, and the solvers."""

from .inversion import invert
from .problem import METHODS, geodesic
from .result import Geodesics, Solution, measure

__all__ = ["METHODS", "Geodesics", "Solution", "geodesic", "invert", "measure"]
