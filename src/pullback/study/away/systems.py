"""Every system of which the report hopes that its shortest paths stay with the data, of one profile and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...geometry import (
    BernoulliFisherRao,
    Box,
    DensityMetric,
    EnsembleMetric,
    ExpectedMetric,
    GaussianFisherRao,
    KernelDensity,
    LatentSpace,
    Manifold,
    rbf_deviation,
)
from .. import data
from ..checkpoints import digest
from ..latent_points import FIRST
from ..models.catalogue import ENSEMBLE, FLAT, GAUSSIAN, ISOMETRIC, get_spec
from ..notebook import Study
from ..records.quantities import percentile_box
from .kept import kept
from .processes import Process, fit_gplvm, fit_process
from .variance import fit_deviation

PLAIN = get_spec("vae-128-32-tanh")
ZETA = 1.0  # least precision, in inverse squares of pixel units: far out a pixel's deviation is 1, twice what it can be
BELLS, WIDTH = 64, 1.25  # of the radial variance: their number, and their width in parts of their clusters'
INDUCING = 100  # points of the process on codes
FLOOR = 0.1  # of the density metric, in units of the density's mean over the codes
DENSITY_CODES = 2000
GPLVM_IMAGES = 500
REMEDIES = (PLAIN, GAUSSIAN, ENSEMBLE, FLAT, ISOMETRIC)  # the models that are trained for them


class System(NamedTuple):
    """A latent space with its metric. `decode` shows points (n, k) as images (n, 784), `encode` takes such images to
    points, and `codes` (m, k) are those of training images. A latent variable model encodes no other image than those
    it was fitted to: its `encode` is None."""

    space: Manifold
    decode: Callable[[Tensor], Tensor]
    codes: Tensor
    encode: Callable[[Tensor], Tensor] | None


def systems(study: Study, progress: Callable[[str], None] = print) -> dict[str, System]:
    """All systems by name, trained, fitted or loaded. Those from "deterministic" to "process" have one latent space, of
    one VAE; every other has its own.

    Raises what training raises, and CheckpointError for a file that is not whole.
    """
    models = study.models(REMEDIES, progress)
    images = study.images("train")[0][:FIRST]
    seen = what_is_seen(study)
    vae, gaussian, ensemble, flat, isometric = (trained.model for trained in models.values())
    progress("variance, process and latent variable model: fitted where there is no file")
    found = of_one_vae(vae, images, seen)
    found["Gaussian VAE"] = encoded(
        gaussian, images, lambda box: ExpectedMetric(gaussian.generator, gaussian.deviation, box)
    )
    found["Gaussian VAE, Fisher-Rao"] = encoded(
        gaussian, images, lambda box: GaussianFisherRao(gaussian.generator, gaussian.deviation, box)
    )
    found["ensemble"] = encoded(ensemble, images, lambda box: EnsembleMetric(list(ensemble.members), box))
    found["flat"] = encoded(flat, images, lambda box: LatentSpace(flat.generator, box))
    found["isometric"] = encoded(isometric, images, lambda box: LatentSpace(isometric.generator, box))
    blocks = images.split(GPLVM_IMAGES)
    return found | {"GP-LVM": _latent_variables(blocks[study.seed % len(blocks)], seen, study.seed % len(blocks))}


def what_is_seen(study: Study) -> dict[str, Any]:
    """What names the training images that systems are fitted to."""
    return {"data": data.data_hash(study.profile.sample), "images": FIRST}


def of_one_vae(vae: Any, images: Tensor, seen: dict[str, Any]) -> dict[str, System]:
    """The systems that need no other training than a VAE's; `seen` names the images (n, 784)."""
    codes = _codes(vae, images)
    process = _on_codes(codes, images, seen | {"weights": digest(vae.state_dict())})
    last = encoded(vae, images, process.metric)._replace(decode=process.decoder())
    return untrained(vae, images, seen, {"radial variance": ZETA}) | {"process": last}


def untrained(vae: Any, images: Tensor, seen: dict[str, Any], zetas: Mapping[str, float]) -> dict[str, System]:
    """The systems that a VAE has as it is, with a radial variance for each of `zetas`, by their names; `seen` names the
    images (n, 784)."""
    decisive = seen | {"weights": digest(vae.state_dict())}
    codes = _codes(vae, images)
    deviations = {name: variance(vae.generator, codes, images, decisive, zeta) for name, zeta in zetas.items()}
    spaces: dict[str, Callable[[Box], Manifold]] = {
        "deterministic": lambda box: LatentSpace(vae.generator, box),
        "Fisher-Rao": lambda box: BernoulliFisherRao(vae.generator, box),
        **{name: partial(ExpectedMetric, vae.generator, deviation) for name, deviation in deviations.items()},
        "density": lambda box: density(codes, box=box),
    }
    return {name: encoded(vae, images, space) for name, space in spaces.items()}


def density(codes: Tensor, floor: float = FLOOR, factor: float = 1.0, box: Box | None = None) -> DensityMetric:
    """The density metric of codes (m, k), of which the first DENSITY_CODES are taken, with `factor` times Scott's
    bandwidth."""
    some = codes[:DENSITY_CODES]
    p = KernelDensity(some, factor * bandwidth(some))
    return DensityMetric(p, 1 / float(p(some).mean()), floor, box)


def bandwidth(codes: Tensor) -> float:
    """Scott's rule (1992): the mean standard deviation of codes (m, k) times m^(-1 / (k + 4))."""
    return float(codes.std(0).mean()) * len(codes) ** (-1 / (codes.shape[1] + 4))


def encoded(model: Any, images: Tensor, space: Callable[[Box], Manifold]) -> System:
    """The system of a model with an encoder and codes of images (n, 784); `space` makes the metric over a box."""
    codes = _codes(model, images)

    @torch.no_grad()
    def encode(x: Tensor) -> Tensor:
        return model.encode(x).double()

    @torch.no_grad()
    def decode(z: Tensor) -> Tensor:
        members = getattr(model, "members", [model.generator])
        return torch.stack([f(z.float()) for f in members]).mean(0)

    return System(space(percentile_box(codes)), decode, codes, encode)


@torch.no_grad()
def _codes(model: Any, images: Tensor) -> Tensor:
    return model.encode(images).double()


def variance(
    decoder: nn.Module,
    codes: Tensor,
    images: Tensor,
    decisive: dict[str, Any],
    zeta: float = ZETA,
    bells: int = BELLS,
    width: float = WIDTH,
) -> nn.Sequential:
    """The radial deviation of a decoder's images, fitted to what they miss; `decisive` names weights and images."""

    def make() -> dict[str, Tensor]:
        with torch.no_grad():
            errors = (decoder(codes.float()) - images).square()
        radial, _, last, _ = fit_deviation(codes, errors, zeta, bells, width)
        return {"centres": radial.centres, "rates": radial.rates, "weights": last.weight.data}  # type: ignore[dict-item]

    decisive = decisive | {"zeta": zeta, "bells": bells, "width": width}
    return rbf_deviation(**kept("variance", decisive, make), zeta=zeta)


def _on_codes(codes: Tensor, images: Tensor, decisive: dict[str, Any]) -> Process:
    def make() -> dict[str, Tensor]:
        return _tensors(fit_process(codes, images, INDUCING))

    found = kept("process", decisive | {"inducing": INDUCING}, make)
    return _process(found | {"codes": codes}, images)


def _latent_variables(images: Tensor, seen: dict[str, Any], block: int) -> System:
    found = kept("gplvm", seen | {"fitted": len(images), "block": block}, lambda: _tensors(fit_gplvm(images)))
    process = _process(found, images)
    return System(process.metric(percentile_box(process.codes)), process.decoder(), process.codes, None)


def _tensors(process: Process) -> dict[str, Tensor]:
    """What decides a process, but for the images."""
    numbers = torch.tensor([process.lengthscale, process.variance, process.noise], dtype=torch.float64)
    inducing = {} if process.inducing is None else {"inducing": process.inducing}
    return {"numbers": numbers, "codes": process.codes, **inducing}


def _process(found: dict[str, Tensor], images: Tensor) -> Process:
    mean = images.double().mean(0)
    length, variance, noise = found["numbers"].tolist()
    return Process(
        found["codes"], images.double() - mean, mean, length, variance, noise, inducing=found.get("inducing")
    )
