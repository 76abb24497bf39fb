"""Lower bounds of distances that are known in closed form, on 200 random pairs a surface; one thread.

Run `python benchmarks/certificates.py`. First table: `shortest_path` with its defaults, 256 steps a side. The distance
must lie between the lower bound and the length of the curve found on every pair, but for ROUNDING; the script fails if
it does not. The cylinder's chart is cut open, and its distance is that within the cut chart, which for some pairs is
the long way round. Second table: the gap of one grid and no other, to the exact curve, as the grid becomes finer, and
the order of convergence, the slope of log gap over log step by least squares.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import Tensor

from pullback.geodesics.certificate import lower_bound
from pullback.geodesics.shortest import shortest_path
from pullback.geometry import EuclideanSpace, FlatCylinder, HyperbolicHalfPlane, Paraboloid, Sphere

PAIRS, FEW, SEED = 200, 10, 0
STEPS = (32, 64, 128, 256)
ROUNDING = 1e-8  # relative, of distances and of measured lengths
SURFACES = {  # with the box, and the box of the end points
    "plane": (EuclideanSpace(), ((-2.0, 2.0), (-2.0, 2.0)), ((-1.0, 1.0), (-1.0, 1.0))),
    "sphere": (Sphere(), ((-1.4, 1.4), (-2.0, 2.0)), ((-1.0, 1.0), (-1.0, 1.0))),
    "half-plane": (HyperbolicHalfPlane(), ((-2.0, 4.0), (0.1, 4.0)), ((0.5, 2.0), (0.5, 2.0))),
    "paraboloid": (Paraboloid(), ((-2.0, 2.0), (-2.0, 2.0)), ((-1.0, 1.0), (-1.0, 1.0))),
    "cylinder": (FlatCylinder(), ((-3.0, 3.0), (-2.0, 2.0)), ((-2.5, 2.5), (-1.0, 1.0))),
}


def drawn(name: str, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random pairs of points of a surface, and their distances within its box."""
    surface, _, where = SURFACES[name]
    low, high = torch.tensor(where, dtype=torch.float64).T
    random = torch.Generator().manual_seed(SEED)
    start, end = torch.rand(2, count, 2, dtype=torch.float64, generator=random) * (high - low) + low
    distance = surface.unwrapped if isinstance(surface, FlatCylinder) else surface.distance
    return start, end, distance(start, end)


def enclosed() -> bool:
    """The first table; whether all distances lie between their bounds."""
    print(f"{'surface':<12}{'pairs':>6}{'enclosed':>10}{'gap, median':>13}{'largest':>10}{'CPU s a pair':>14}")
    sound = True
    for name, (surface, box, _) in SURFACES.items():
        start, end, distance = drawn(name, PAIRS)
        began = time.process_time()
        found = shortest_path(surface, start, end, box=box)
        seconds = (time.process_time() - began) / PAIRS
        holds = (found.lower <= (1 + ROUNDING) * distance) & (distance <= (1 + ROUNDING) * found.length)
        sound &= bool(holds.all())
        print(f"{name:<12}{PAIRS:>6}{holds.double().mean():>10.1%}{found.gap.median():>13.4%}{found.gap.max():>10.4%}"
              f"{seconds:>14.2f}", flush=True)  # fmt: skip
    return sound


def orders() -> None:
    """The second table."""
    print(f"\n{'surface':<12}" + "".join(f"{f'{n} steps':>12}" for n in STEPS) + f"{'order':>8}")
    t = torch.linspace(0, 1, 257, dtype=torch.float64)
    for name, (surface, box, _) in SURFACES.items():
        start, end, _ = drawn(name, FEW)
        curve = torch.lerp(start[:, None], end[:, None], t[:, None]) if name == "cylinder" else None
        curves = surface.curve(start, end, t) if curve is None else curve
        gaps = [lower_bound(surface, curves, box, grid=n, grids=1).gap.mean().item() for n in STEPS]
        order = f"{-np.polyfit(np.log(STEPS), np.log(gaps), 1)[0]:.2f}" if min(gaps) > ROUNDING else "exact"
        print(f"{name:<12}" + "".join(f"{gap:>12.4%}" for gap in gaps) + f"{order:>8}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sound = enclosed()
    orders()
    sys.exit(0 if sound else "a distance lies outside its bounds")
