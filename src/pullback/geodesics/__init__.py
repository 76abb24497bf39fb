"""Curves between latent points: one problem, one result type and measure, and the solvers.

problem.py: `geodesic`, and which method to use when.
curves.py: what every solver returns, and how its length and energy are measured.
newton.py, spline.py, network.py, graph.py, georce.py, bvp.py, fixed_point.py, straight.py: a solver each, with its
    equation, criterion, cost, source, and when it fails.
first_curves.py: where the default starts, so that it finds the shortest path and not the nearest geodesic.
grid.py: the metric on a coarse or fine grid in the plane, and the shortest paths along it.
line_search.py, descent.py: what several solvers share.
shortest.py: `shortest_path`, the shortest path of all in the plane, with a lower bound of the distance.
certificate.py: that bound; subsolutions.py: functions that bound distances from below; marching.py: distances by fast
    marching; charts.py: the grids, in a box and along a curve.
exponential.py, logarithm.py: from a start and a velocity to a curve, and back.
runge_kutta.py: initial-value problems in batches, for the exponential.
"""

from ..geometry.inversion import invert
from .curves import Curves, Geodesics, Solution, measure
from .exponential import Trajectories, exponential
from .logarithm import Logarithms, logarithm
from .problem import METHODS, geodesic
from .shortest import ShortestPaths, shortest_path

__all__ = [
    "METHODS",
    "Curves",
    "Geodesics",
    "Logarithms",
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
