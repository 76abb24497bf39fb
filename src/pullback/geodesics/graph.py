"""The shortest path through a graph of encoded data.

Equation. The nodes are latent codes and the end points. An edge joins each node to its nearest codes, by Euclidean
latent distance, and weighs the length of the straight segment between them, by `chords` chords. The curve is the
shortest path of the graph: of all paths, not only of those near the straight line.

Method. Nearest neighbours by a k-d tree, Dijkstra's algorithm from every start. The knots lie on the path, a polyline
in latent space, at equal lengths. Chen et al. search with A*, which finds a path of the same length.

Criterion. The path is compared with curves made by smoothing it: its knots are averaged with their neighbours, over
wider and wider parts of the curve, up to the straight line. The criterion is the path's length over that of the
shortest of these, less 1, and infinite where there is no path. At most `tol` is converged. Where codes are dense,
smoothing removes the path's corners only: 1 % of its length with 5000 codes of the study's VAEs, 3 % with those of a
rough GAN. Where they are sparse, as in eight dimensions, the path zigzags between them, and the criterion says so. It
does not say that the path is near the geodesic in places without codes. Without a path the knots are the straight
line's.

Cost. Once for all pairs, chords + 1 decoded points for each of up to m * neighbours edges, so a few thousand codes
should be drawn from a larger data set; then O(m (neighbours + log m)) a pair.

Fails. Where codes are few: detours, which the criterion notices, or no path. It keeps to the data, and so misses short
ways through empty regions, but for edges that leap over them, whose chords see little of what they cross.

Reference. Chen, Ferroni, Klushyn, Paraschos, Bayer and van der Smagt (2019), Fast approximate geodesics for deep
generative models.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree
from torch import Tensor

from ..geometry.manifolds import Manifold
from .curves import POINTS, Solution, segment

ROUNDS = (1, 3, 12, 48, 192)  # of averaging with the neighbours, each set after the one before


def solve(
    manifold: Manifold,
    start: Tensor,
    end: Tensor,
    *,
    codes: Tensor | None = None,
    neighbours: int = 50,
    chords: int = 4,
    segments: int = 64,
    tol: float = 0.1,
) -> Solution:
    """`codes` (m, k) are the data's latent points, of any floating dtype. Each code and each end point is joined to its
    `neighbours` nearest codes. `tol` bounds the criterion. Iterations count the edges of the path."""
    if codes is None:
        raise ValueError("codes must be given: the latent points (m, k) of the data that the path may pass through")
    codes = torch.as_tensor(codes, device=start.device)
    if not codes.is_floating_point():
        raise ValueError(f"codes must be of a floating dtype; got {codes.dtype}")
    if codes.ndim != 2 or codes.shape[1] != start.shape[1] or not len(codes) or not codes.isfinite().all():
        raise ValueError(
            f"codes must be finite, of shape (m, {start.shape[1]}), m >= 1; got {tuple(codes.shape)}"
            + ("" if codes.isfinite().all() else ", not all finite")
        )
    if neighbours < 1 or chords < 1 or segments < 1 or not tol > 0:
        raise ValueError(
            f"neighbours, chords and segments must be at least 1, tol positive; got neighbours={neighbours}, "
            f"chords={chords}, segments={segments}, tol={tol}"
        )
    data = torch.unique(codes.detach().to(start), dim=0)
    nodes, m, pairs = torch.cat((data, start, end)), len(data), len(start)
    graph = _graph(manifold, nodes, m, neighbours, chords)
    points, edges = segment(start, end, segments), torch.zeros(pairs, dtype=torch.int64, device=start.device)
    found = torch.zeros_like(edges, dtype=torch.bool)
    for i, (source, target) in enumerate(zip(range(m, m + pairs), range(m + pairs, len(nodes)), strict=True)):
        distance, before = dijkstra(graph, indices=source, return_predecessors=True)
        if np.isfinite(distance[target]):
            path = [target]
            while path[0] != source:
                path.insert(0, before[path[0]])
            points[i, 1:-1] = _along(nodes[path], distance[path], segments)[1:-1]
            found[i], edges[i] = True, len(path) - 1
    criterion = torch.full_like(start[:, 0], torch.inf)
    criterion[found] = _excess(manifold, points[found])
    return Solution(points, criterion, criterion <= tol, edges)


def _excess(manifold: Manifold, points: Tensor) -> Tensor:
    """Relative excess (B,) of the lengths of curves with knots points (B, n + 1, k) over their shortest smoothing."""
    curves, smooth = [points], points.clone()
    for rounds in ROUNDS:
        for _ in range(rounds):
            smooth[:, 1:-1] = (smooth[:, :-2] + 2 * smooth[:, 1:-1] + smooth[:, 2:]) / 4
        curves.append(smooth.clone())
    curves.append(segment(points[:, 0], points[:, -1], points.shape[1] - 1))
    with torch.no_grad():
        parts = torch.cat(curves).split(max(1, POINTS // points.shape[1]))
        length = torch.cat([manifold.chords(part).sqrt().sum(1) for part in parts]).unflatten(0, (len(curves), -1))
    return length[0] / length.nan_to_num(nan=torch.inf).amin(0) - 1


def _graph(manifold: Manifold, nodes: Tensor, m: int, neighbours: int, chords: int) -> csr_array:
    """The lengths of the edges between the nodes, which are m codes, then the starts, then the ends.

    An edge between two codes goes both ways. An edge of a start only leaves it, and an edge of an end only enters it:
    so no path of one pair can pass through the end points of another. A start is joined to its own end if the end is
    nearer than the farthest code that the start is joined to. An edge on which the metric is not finite is left out.
    """
    z = nodes.cpu().numpy()
    start, end = np.split(np.arange(m, len(z)), 2)
    reach, near = KDTree(z[:m]).query(z, k=range(1, min(neighbours + 1, m) + 1))
    edges = np.stack((np.repeat(np.arange(len(z)), near.shape[1]), near.ravel()), 1)
    own, leaving, entering = edges[edges[:, 0] < m], *np.split(edges[edges[:, 0] >= m], 2)
    own = np.unique(np.sort(own[own[:, 0] != own[:, 1]], 1), axis=0)
    close = np.linalg.norm(z[end] - z[start], axis=1) < reach[start, -1]
    edges = np.concatenate((own, leaving, entering[:, ::-1], np.stack((start, end), 1)[close]))
    length = _lengths(manifold, nodes, torch.from_numpy(edges).to(nodes.device), chords)
    edges, length = np.concatenate((edges, own[:, ::-1])), np.concatenate((length, length[: len(own)]))
    good = np.isfinite(length)
    length = length.clip(np.finfo(length.dtype).tiny)  # a weight of 0 would be no edge
    return csr_array((length[good], tuple(edges[good].T)), shape=(len(z), len(z)))


def _lengths(manifold: Manifold, nodes: Tensor, edges: Tensor, chords: int) -> np.ndarray:
    """Lengths (e,) of the straight segments between the nodes of edges (e, 2)."""
    with torch.no_grad():
        parts = [
            manifold.chords(segment(nodes[some[:, 0]], nodes[some[:, 1]], chords)).sqrt().sum(1)
            for some in edges.split(max(1, POINTS // chords))
        ]
    return torch.cat(parts).cpu().numpy()


def _along(nodes: Tensor, distance: np.ndarray, segments: int) -> Tensor:
    """Points (segments + 1, k), at equal lengths, of the polyline through nodes (p, k) at these distances (p,)."""
    at = np.linspace(0, distance[-1], segments + 1)
    z = nodes.cpu().numpy()
    return torch.from_numpy(np.stack([np.interp(at, distance, column) for column in z.T], 1)).to(nodes)
