"""What distances and paths are good for: to find classes without labels, and to learn from few labels."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


def k_medoids(distances: Array, k: int) -> NDArray[np.int64]:
    """The cluster of each of n points with distances (n, n): that of the nearest of the k points from which the sum of
    all distances is the least (Kaufman and Rousseeuw 1990). All sets of k points are tried, so it is the optimum."""
    sets = np.array(list(combinations(range(len(distances)), k)))
    sums = np.concatenate([distances[:, part].min(2).sum(0) for part in np.array_split(sets, 1 + len(sets) // 10_000)])
    return distances[:, sets[sums.argmin()]].argmin(1)


def f_measure(labels: NDArray[np.int64], clusters: NDArray[np.int64]) -> float:
    """The mean over points of their class's best F-score, the harmonic mean of precision and recall that any of the
    clusters has for it (Larsen and Aone 1999): 1 if clusters are classes."""
    total = 0.0
    for label in np.unique(labels):
        own = labels == label
        scores = [2 * (own & (clusters == c)).sum() / (own.sum() + (clusters == c).sum()) for c in np.unique(clusters)]
        total += own.sum() * max(scores)
    return float(total / len(labels))


def nearest_neighbour(known: Tensor, labels: Tensor, images: Tensor, truth: Tensor) -> float:
    """The share of images (m, N) whose nearest of the known ones (n, N) has their label."""
    nearest = torch.cat([torch.cdist(part, known).argmin(1) for part in images.split(1024)])
    return float((labels[nearest] == truth).double().mean())
