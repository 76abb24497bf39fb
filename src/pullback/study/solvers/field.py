"""The benchmark file of `pullback.benchmark`, written from the study's comparison, and the decoders it is about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ... import benchmark
from ..checkpoints import digest
from ..errors import CheckpointError
from ..models import HEALTHY_GANS, REPORT
from ..notebook import Study
from ..paths import write_atomically
from ..profiles import Profile
from ..training import Trained
from .runs import Compared
from .scores import Bounds

NAME = "certified_pairs.npz"
LARGEST = 5 * 10**6  # bytes


def write(
    profile: Profile, models: Mapping[str, Trained], compared: Mapping[str, Compared], limits: Mapping[str, Bounds]
) -> Path:
    """The pairs whose bounds were sought, of all models, with the shortest curve known of each; returns the path.

    Raises ValueError if the file would be larger than LARGEST.
    """
    path = profile.results / NAME
    kept = benchmark.load(path) if path.exists() else {}
    content = benchmark.dump({
        name: _pairs(models[name], compared[name], known, kept.get(name))
        for name, known in limits.items() if known.sought.any()
    })
    if len(content) > LARGEST:
        raise ValueError(f"the benchmark would have {len(content):,} bytes, more than {LARGEST:,}")
    write_atomically(path, content)
    return path


def _pairs(
    trained: Trained, compared: Compared, known: Bounds, kept: benchmark.Pairs | None = None
) -> benchmark.Pairs:
    """The pairs of a model; `kept` if it is of the same pairs and bounds, for to thin the curves takes minutes."""
    f, rows = trained.model.generator, torch.from_numpy(known.sought).nonzero().flatten()
    upper, lower = (torch.from_numpy(limit)[rows] for limit in known)
    own = compared.start[rows], compared.end[rows], upper, lower
    if kept is not None and kept.weights == _weights(trained):
        theirs = kept.start, kept.end, kept.upper, kept.lower
        if all(torch.equal(x, y) for x, y in zip(own, theirs, strict=True)):
            return kept
    curves: list[Tensor] = []
    for row in rows.tolist():
        candidates = [compared.optimum, *(g for g in compared.found.values() if row < len(g.length))]
        best = min(candidates, key=lambda g: g.length[row].nan_to_num(torch.inf).item())  # noqa: B023 (called at once)
        curves += benchmark.thinned(f, best.points[row : row + 1])
    return benchmark.Pairs(_weights(trained), *own, tuple(curves))


def decoder(model: str, weights: str) -> nn.Module:
    """The study's decoder called `model`, published or trained here, in eval mode.

    ValueError for a name that no model has; CheckpointError if its weights are not those of the benchmark.
    """
    specs = {spec.name: spec for spec in (*REPORT, *HEALTHY_GANS)}
    if model not in specs:
        raise ValueError(f"unknown model {model!r}; the models are {', '.join(specs)}")
    trained = Study("benchmark").models([specs[model]])[model]
    if (found := _weights(trained)) != weights:
        raise CheckpointError(f"the weights of {model} here are {found}, and the benchmark's are {weights}")
    return trained.model.generator


def _weights(trained: Trained) -> str:
    """The first sixteen digits of the digest of a model's weights."""
    return digest(trained.model.state_dict())[:16]
