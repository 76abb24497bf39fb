"""Curves between latent points: one result type, one measure of length, and the solvers."""

from .energy import geodesic
from .inversion import invert
from .result import Geodesics, measure, straight_line

__all__ = ["Geodesics", "geodesic", "invert", "measure", "straight_line"]
