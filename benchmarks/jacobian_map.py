"""Cost of a Jacobian map: `latent_map` against the usual ways, side by side in one process.

Run `python benchmarks/jacobian_map.py`. The decoders have the project's shapes, random weights and non-trivial batch
norm statistics: the cost does not depend on their values. One thread and float64 throughout. A time is the smallest
of interleaved repeats, in CPU seconds of this one thread, which on an idle machine are seconds on the clock. Point by
point (`torch.autograd.functional.jacobian`, the report's way) is extrapolated from a sample. Peak memory is the
resident set of a fresh process each.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from pullback.geometry import in_dtype, latent_map

BOX = ((-3.0, 3.0), (-3.0, 3.0))
DECODERS = ((32, 128), (64, 256))
SAMPLE = 20  # points of the point-by-point way


def decoder(h1: int, h2: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Linear(2, h1), nn.BatchNorm1d(h1), nn.Tanh(), nn.Linear(h1, h2), nn.BatchNorm1d(h2), nn.Tanh())
    f = nn.Sequential(*layers, nn.Linear(h2, 784), nn.Sigmoid()).double().requires_grad_(False)
    for layer in f:
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return in_dtype(f.eval())


def points(grid: int) -> Tensor:
    side = torch.linspace(-3, 3, grid, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


def point_by_point(f: nn.Module, z: Tensor) -> None:
    for point in z:
        torch.linalg.svdvals(torch.autograd.functional.jacobian(lambda p: f(p[None])[0], point))


def vmap_jacfwd(f: nn.Module, z: Tensor) -> None:
    """All points at once, as one would write it; a row becomes a batch of one, because batch norm wants batches."""
    torch.linalg.svdvals(torch.func.vmap(torch.func.jacfwd(lambda p: f(p[None])[0]))(z))


def seconds(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Smallest CPU time of each way; the repeats are interleaved, so all meet the same machine."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            way()
            best[name] = min(best[name], time.process_time() - start)
    return best


def times(shape: tuple[int, int], grid: int, repeats: int) -> str:
    f, z = decoder(*shape), points(grid)
    sample = z[:: len(z) // SAMPLE][:SAMPLE]
    t = seconds(
        {
            "ours": lambda: latent_map(f, BOX, grid),
            "forward": lambda: f(z),
            "vmap": lambda: vmap_jacfwd(f, z),
            "points": lambda: point_by_point(f, sample),
        },
        repeats,
    )
    t["points"] *= len(z) / len(sample)
    return (
        f"{f'{shape[0]}-{shape[1]}':>8} {grid:>5} {t['ours'] * 1e3:>9.1f} {t['forward'] * 1e3:>11.1f} "
        f"{t['vmap'] * 1e3:>9.1f} {t['points']:>9.1f} {t['ours'] / t['forward']:>13.2f} "
        f"{t['vmap'] / t['ours']:>11.2f} {t['points'] / t['ours']:>12,.0f}"
    )


WAYS: dict[str, Callable[[int], object]] = {
    "after import torch": lambda grid: None,
    "one forward pass": lambda grid: decoder(*DECODERS[-1])(points(grid)),
    "latent_map": lambda grid: latent_map(decoder(*DECODERS[-1]), BOX, grid),
    "vmap(jacfwd)": lambda grid: vmap_jacfwd(decoder(*DECODERS[-1]), points(grid)),
}


def peak_memory(way: str, grid: int) -> float:
    """Peak resident set in MiB of a fresh process that does nothing else."""
    done = subprocess.run([sys.executable, __file__, way, str(grid)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    print(f"torch {torch.__version__}, one thread, float64, CPU {torch.backends.cpu.get_cpu_capability()}\n")
    # Memory first: a child's ru_maxrss starts from the size of the process that forked it.
    print("peak memory, MiB, decoder 64-256, each in a fresh process")
    runs = [("after import torch", 45)]
    runs += [(way, grid) for way in ("one forward pass", "latent_map", "vmap(jacfwd)") for grid in (45, 256)]
    for way, grid in [*runs, ("latent_map", 1024)]:
        print(f"{way:>20} {grid:>5} {peak_memory(way, grid):>7.0f}", flush=True)
    print(
        f"\n{'decoder':>8} {'grid':>5} {'ours ms':>9} {'forward ms':>11} {'vmap ms':>9} {'points s':>9} "
        f"{'ours/forward':>13} {'vmap/ours':>11} {'points/ours':>12}"
    )
    for grid, repeats in ((45, 9), (256, 2)):
        for shape in DECODERS:
            print(times(shape, grid, repeats), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) == 1:
        main()
    else:
        WAYS[sys.argv[1]](int(sys.argv[2]))
        unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)
