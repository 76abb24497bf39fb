"""The measures of docs/away.md of one system: its shortest paths, its distances, and what they are good for."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...geodesics import geodesic, shortest_path
from ...geodesics.curves import segment
from ...geodesics.grid import Grid
from ...geometry import Box, Manifold, log_cond, singular_values
from ..models import Classifier
from ..records.interpolation import CHAIN, Sparsity, features, quality, times
from ..records.quantities import percentile_box
from ..rings.judgement import even
from ..solvers.runs import Problem, search_box
from .between import sparse
from .systems import System
from .uses import f_measure, k_medoids, nearest_neighbour

REACH = 8  # steps of the grid that an edge of the distances between many points reaches at most
INNER = 9  # images of a path, without its ends, that enlarge a training set
QUALITY = ("nearest", "features", "confidence", "lowest_confidence", "sparse")  # of `records.schema.Quality`
GROUPS = ((0, 1, 2), (3, 4, 7), (5, 6, 9))  # digits between which clusters are sought (Arvanitidis et al. 2018)


class Judge(NamedTuple):
    """Test images (n, 784) with labels, a classifier, and what its last hidden layer says of the images (n, width)."""

    images: Tensor
    labels: Tensor
    classifier: Classifier
    known: Tensor


class Seen(NamedTuple):
    """A system as `quality` looks at it: the images (n, 784) that it shows, and the roots of its metric."""

    system: System

    def images(self, z: Tensor) -> Tensor:
        return self.system.decode(z).double()

    def root(self, z: Tensor) -> Tensor:
        return self.system.space.in_parts(self.system.space.root, z)


def judge(images: Tensor, labels: Tensor, classifier: Classifier) -> Judge:
    return Judge(images, labels, classifier, features(classifier, images))


# ------------------------------------------------------------------------------------------------ paths


def paths(system: System, ends: Tensor, other: Tensor, judged: Judge, grid: int) -> dict[str, Any]:
    """The measures of the shortest paths between ends (B, 2, 2), and of the straight lines beside them.

    Sparsity is that among the codes `other` (m, 2), which are not those that the system has seen.
    """
    start, end = ends.unbind(1)
    box, sparsity = box_about(system, ends.flatten(0, 1)), Sparsity(other, percentile_box(other))
    began = time.perf_counter()
    found = shortest_path(system.space, start, end, box, grid=grid, segments=grid, effort=0)
    seconds = time.perf_counter() - began
    ways = {"path": even(found, CHAIN), "line": segment(start, end, CHAIN - 1)}
    shown = Seen(system)
    told: dict[str, Any] = {
        "length": found.length, "agreed": found.agreed, "border": found.border,
        "latent": (end - start).norm(dim=1), "image": (shown.images(end) - shown.images(start)).norm(dim=1),
        "log_cond": _highest_log_cond(system.space, ways["path"]),
        "solver": solved(system.space, start, end, found.length),
    }  # fmt: skip
    for name, z in ways.items():
        own = asdict(quality(shown, z, judged.classifier, sparsity, judged.images, judged.known))
        told[name] = {key: own[key] for key in QUALITY} | {"sparsest": sparse(z, sparsity)[1] / sparsity.limit}
    return plain(told | {"seconds": {"shortest": seconds}})


def box_about(system: System, points: Tensor) -> Box:
    """The box in which paths between the points (n, 2) are sought."""
    return search_box(Problem(system.space, points, points, percentile_box(system.codes), system.codes, "away"))


def solved(space: Manifold, start: Tensor, end: Tensor, shortest: Tensor) -> dict[str, Any]:
    """What the library's default solver makes of the pairs: flags, whether its length is within 1 % of the shortest
    one, and its seconds a pair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ends outside the data's box, and of metrics that are nearly singular
        curves = geodesic(space, start, end)
    return {"converged": curves.converged, "solved": curves.converged & (curves.length <= 1.01 * shortest),
            "seconds": curves.seconds / len(start)}  # fmt: skip


def _highest_log_cond(space: Manifold, z: Tensor) -> Tensor:
    """The highest log_cond (B,) of a root of the metric along curves z (B, n, 2)."""
    s = space.in_parts(lambda a: singular_values(space.root(a)), z.flatten(0, 1))
    return log_cond(s).unflatten(0, z.shape[:2]).amax(1)


# ------------------------------------------------------------------------------------------------ uses


def clusters(system: System, images: Tensor, labels: Tensor, grid: int) -> dict[str, float]:
    """F-measures of the clusters of images (n, 784), of the digits of a group each, by the distance of the metric along
    a grid; by the latent distance; and by that of the images decoded from their codes."""
    assert system.encode is not None
    z = system.encode(images)
    low, high = torch.tensor(box_about(system, z), dtype=torch.float64).T
    own = Grid(system.space.single(), low, high, grid, REACH).distances(z)
    decoded = system.decode(z)
    told = {"metric": own, "latent": torch.cdist(z, z), "decoded": torch.cdist(decoded, decoded)}
    return {name: by_groups(distances, labels) for name, distances in told.items()}


def by_groups(distances: Tensor, labels: Tensor) -> float:
    """The mean F-measure over GROUPS, of clusters of points with distances (n, n)."""
    scores = []
    for group in GROUPS:
        own = torch.isin(labels, torch.tensor(group))
        scores.append(f_measure(labels[own].numpy(), k_medoids(distances[own][:, own].double().numpy(), len(group))))
    return float(np.mean(scores))


def enlarged(system: System, few: Tensor, labels: Tensor, judged: Judge, grid: int) -> dict[str, float]:
    """The share of test images whose nearest known image has their label, when the few (n, 784), which come in pairs of
    one label, are joined by images on the shortest path of each pair; and by images on the straight line."""
    assert system.encode is not None
    z = system.encode(few)
    start, end = z[::2], z[1::2]
    found = shortest_path(system.space, start, end, box_about(system, z), grid=grid, segments=grid, effort=0)
    ways = {"path": even(found, INNER + 2), "line": segment(start, end, INNER + 1)}
    return {name: with_images(few, labels, between_ends(system, way), judged) for name, way in ways.items()}


def between_ends(system: System, way: Tensor) -> Tensor:
    """The images (B, INNER, 784) of ways (B, INNER + 2, 2) but for their ends."""
    return system.decode(way[:, 1:-1].flatten(0, 1)).unflatten(0, (len(way), INNER))


def mixed(few: Tensor) -> Tensor:
    """The images (B, INNER, 784) on the straight lines between pairs of images, pixel by pixel."""
    t = times(INNER + 2)[1:-1, None].to(few.dtype)
    return torch.lerp(few[::2, None], few[1::2, None], t)


def with_images(few: Tensor, labels: Tensor, more: Tensor, judged: Judge) -> float:
    """The share of test images told right by their nearest of the few and of `more` (B, n, 784), n a pair."""
    known = torch.cat((few, more.flatten(0, 1)))
    return nearest_neighbour(known, torch.cat((labels, labels[::2].repeat_interleave(more.shape[1]))),
                             judged.images, judged.labels)  # fmt: skip


# ------------------------------------------------------------------------------------------------ numbers


def plain(told: Any) -> Any:
    """Tensors as lists, numbers with five digits, what is not finite as None: for JSON."""
    if isinstance(told, dict):
        return {key: plain(value) for key, value in told.items()}
    if isinstance(told, Tensor):
        told = told.tolist()
    if isinstance(told, Sequence) and not isinstance(told, str):
        return [plain(value) for value in told]
    if isinstance(told, float):
        return float(f"{told:.5g}") if np.isfinite(told) else None
    return told
