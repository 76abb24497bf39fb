"""A benchmark of geodesic solvers: pairs of latent points whose distances are known from above and from below.

The file, `results/certified_pairs.npz` of the project, holds for each of sixteen decoders of MNIST (four VAEs, four
DAEs, eight GANs; two latent dimensions, 784 pixels) random pairs of test digits, encoded or inverted. Of each pair it
has a lower bound of the distance and the shortest curve known, whose length is the upper bound. It is licensed as the
project is, MIT, and is made by notebook 05.

    import pullback
    from pullback import benchmark

    def solver(decoder, start, end):                    # yours: knots (B, n + 1, 2) of curves from start to end
        return pullback.geodesic(decoder, start, end, method="spline").points

    for model, pairs in benchmark.load("results/certified_pairs.npz").items():
        decoder = my_decoder(model, pairs.weights)      # of the study: pullback.study.solvers.field.decoder
        print(model, benchmark.score(decoder, pairs, solver(decoder, pairs.start, pairs.end)))

Columns, one row a pair, by model: `start`, `end` (n, 2) in latent units, float64; `upper`, `lower` (n,), lengths in
pixel units (the Euclidean norm of 784 intensities in [0, 1]), `lower` 0 where nothing is known from below; `curves`,
the knots of the upper bound's curves, in latent units, float32, as many a pair as its length needs. The file keeps them
one after the other, (m, 2), with the number of each. `weights` is the first sixteen digits of the SHA-256 of the
decoder's model, by which a copy of it is recognised.

A curve solves its pair if it is at most 1 % longer than the distance. The bounds decide: at most 1 % longer than the
lower bound, and it certainly does; more than 1 % longer than the upper one, and it certainly does not; between the two,
it is undecided.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .geodesics import measure
from .geodesics.curves import interpolate
from .geometry import Generator, Manifold

FORMAT = 1
SOLVED = 0.01  # relative excess over the distance up to which a curve solves its pair
THINNED = 1e-4  # relative error of its length that the thinning of a curve may cause
FEWEST, MOST = 8, 256  # segments of a thinned curve


@dataclass(frozen=True)
class Pairs:
    """The pairs of one model; columns and units as the module says."""

    weights: str
    start: Tensor
    end: Tensor
    upper: Tensor
    lower: Tensor
    curves: tuple[Tensor, ...]

    @property
    def gap(self) -> Tensor:
        """upper / lower - 1 (n,), inf where nothing is known from below."""
        return self.upper / self.lower - 1


@dataclass(frozen=True)
class Score:
    """What a solver's curves achieve on n pairs: shares, which add up to one, and the median relative excess of their
    lengths over the upper bounds, negative where curves are shorter than the shortest known."""

    pairs: int
    solved: float
    not_solved: float
    undecided: float
    excess: float


def load(file: str | Path | io.IOBase) -> dict[str, Pairs]:
    """The pairs of each model, by its name, of a path or an open binary file.

    ValueError, saying what is wrong, for a file that is no benchmark or of another format.
    """
    with np.load(file, allow_pickle=False) as held:
        if "format" not in held or int(held["format"]) != FORMAT:
            raise ValueError(f"{file} is no benchmark of format {FORMAT}")
        found = {}
        for model in held["models"].tolist():
            columns = {name: held[f"{model}/{name}"] for name in ("start", "end", "upper", "lower", "counts", "knots")}
            n, counts = len(columns["start"]), columns.pop("counts")
            if any(len(columns[name]) != n for name in ("end", "upper", "lower")) or len(counts) != n:
                raise ValueError(f"{file} has columns of unlike lengths for the model {model}")
            if counts.sum() != len(columns["knots"]):
                raise ValueError(f"{file} has {len(columns['knots'])} knots for {model}, and counts {counts.sum()}")
            knots = torch.from_numpy(columns.pop("knots")).split(counts.tolist())
            tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
            found[model] = Pairs(weights=str(held[f"{model}/weights"]), curves=knots, **tensors)
    return found


def dump(models: Mapping[str, Pairs]) -> bytes:
    """The content of a file that `load` reads."""
    arrays: dict[str, NDArray[Any]] = {"format": np.array(FORMAT), "models": np.array(list(models))}
    for model, pairs in models.items():
        columns = {name: getattr(pairs, name).numpy() for name in ("start", "end", "upper", "lower")}
        columns["counts"] = np.array([len(curve) for curve in pairs.curves], np.int32)
        columns["knots"] = torch.cat(pairs.curves).float().numpy()
        columns["weights"] = np.array(pairs.weights)
        arrays |= {f"{model}/{name}": column for name, column in columns.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def thinned(f: Manifold | Generator, points: Tensor) -> tuple[Tensor, ...]:
    """Curves with knots points (B, n + 1, k), in float32, each with the fewest segments, a power of two, whose spline
    is at most THINNED longer or shorter than it was; as they are where none is."""
    length = measure(f, points, THINNED / 10).length
    kept, open_, segments = [row.float() for row in points], torch.ones(len(points), dtype=torch.bool), FEWEST
    while segments <= min(MOST, points.shape[1] - 1) and open_.any():
        rows = open_.nonzero().flatten()
        fewer = interpolate(points[rows], torch.linspace(0, 1, segments + 1, dtype=torch.float64)).float()
        same = (measure(f, fewer.double(), THINNED / 10).length / length[rows] - 1).abs() <= THINNED
        for row, knots in zip(rows[same].tolist(), fewer[same], strict=True):
            kept[row] = knots
        open_[rows[same]] = False
        segments *= 2
    return tuple(kept)


def score(f: Manifold | Generator, pairs: Pairs, points: Tensor) -> Score:
    """How curves with knots points (B, n + 1, 2), from `pairs.start` to `pairs.end`, do on the decoder f.

    All curves are measured alike (see `geodesics.curves`), whatever their solver says of them; one on which the metric
    is not finite does not solve its pair. ValueError for curves that do not join the end points.
    """
    points = points.to(torch.float64)
    ends = torch.stack((pairs.start, pairs.end), 1)
    if points.ndim != 3 or points[:, [0, -1]].shape != ends.shape:
        raise ValueError(f"points must have shape ({len(ends)}, n + 1, 2); got {tuple(points.shape)}")
    off = (points[:, [0, -1]] - ends).norm(dim=2).amax(1) > 1e-6 * (1 + ends.norm(dim=2).amax(1))
    if off.any():
        raise ValueError(f"the curves {off.nonzero().flatten().tolist()} do not join the end points of their pairs")
    length = measure(f, points).length.nan_to_num(torch.inf)
    solved, failed = length <= (1 + SOLVED) * pairs.lower, length > (1 + SOLVED) * pairs.upper
    shares = (solved.double().mean().item(), failed.double().mean().item())
    excess = (length / pairs.upper - 1).median().item()
    return Score(len(length), *shares, max(0.0, 1 - sum(shares)), excess)
