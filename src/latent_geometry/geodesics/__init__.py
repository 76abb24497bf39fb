"""Curves between latent points: one result type, one measure of length, and the solvers."""

from latent_geometry.geodesics.energy import geodesic
from latent_geometry.geodesics.inversion import invert
from latent_geometry.geodesics.result import Geodesics, measure, straight_line

__all__ = ["Geodesics", "geodesic", "invert", "measure", "straight_line"]
