"""Latent geometry of any callable generator: Jacobians, the pullback metric and its maps.

derivatives.py: one prepared object a generator, with its value, Jacobian and second derivatives.
modules.py: modules as frozen copies in one precision, and the layers that cannot have a Jacobian.
layers.py: the fast path of these for plain networks.
inputs.py, checks.py: what a caller may give, and what is wrong with a generator, found before anything is computed.
manifolds.py: `Manifold` and `Embedded`, all that a solver sees.
latent.py: `LatentSpace`, a generator's latent space as a manifold.
stochastic.py: the expected metric of a Gaussian decoder, and a standard deviation of radial bells.
ensemble.py: the expected metric of an ensemble, and the energy of independent draws.
fisher_rao.py: Fisher-Rao metrics of Bernoulli and of Gaussian decoders.
gaussian_process.py: the expected metric of a Gaussian process, from data and hyperparameters.
density.py: the density metric, and a kernel density.
elements.py: small modules that these metrics' maps are made of.
surfaces.py: surfaces whose geodesics are known.
metric.py: `jacobian`, the pullback metric, singular values, log_det and log_cond.
maps.py: `latent_map`, both over a box.
inversion.py: the latent point whose image is nearest to a given one.
"""

from .density import DensityMetric, KernelDensity
from .derivatives import Derivatives
from .ensemble import DrawsEnergy, EnsembleMetric, draws_energy
from .fisher_rao import BernoulliFisherRao, GaussianFisherRao
from .gaussian_process import GaussianProcessMetric
from .latent import LatentSpace, as_manifold
from .manifolds import Embedded, Manifold
from .maps import Box, LatentMap, latent_map
from .metric import jacobian, log_cond, log_det, pullback_metric, singular_values
from .modules import Generator, in_dtype
from .stochastic import ExpectedMetric, rbf_centres, rbf_deviation
from .surfaces import EuclideanSpace, FlatCylinder, HyperbolicHalfPlane, Paraboloid, Sphere

__all__ = [
    "BernoulliFisherRao",
    "Box",
    "DensityMetric",
    "Derivatives",
    "DrawsEnergy",
    "Embedded",
    "EnsembleMetric",
    "EuclideanSpace",
    "ExpectedMetric",
    "FlatCylinder",
    "GaussianFisherRao",
    "GaussianProcessMetric",
    "Generator",
    "HyperbolicHalfPlane",
    "KernelDensity",
    "LatentMap",
    "LatentSpace",
    "Manifold",
    "Paraboloid",
    "Sphere",
    "as_manifold",
    "draws_energy",
    "in_dtype",
    "jacobian",
    "latent_map",
    "log_cond",
    "log_det",
    "pullback_metric",
    "rbf_centres",
    "rbf_deviation",
    "singular_values",
]
