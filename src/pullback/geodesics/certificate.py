"""A lower bound for the distance between two points of a two-dimensional manifold, within a box.

By weak duality any u with slope |grad u|_{M^-1} <= 1 has u(b) - u(a) <= d(a, b) (see `subsolutions`); the supremum over
u is the distance. With a curve of length L as the upper bound, it is enough that the slope is at most one where curves
no longer than L lead:

0. Chords. No curve in an embedded manifold is shorter than its chord: |f(b) - f(a)| is a first lower bound, and only
   the points count with |f(z) - f(a)| + |f(z) - f(b)| <= L, on a box about them.
1. March. Distances u_a and u_b from the two ends by fast marching (`marching`), as splines, under the metric's harmonic
   mean over each cell (`subsolutions.soft`); again with the slowness divided by the slopes found.
2. Rescale level by level. phi_a' is one over the largest slope of u_a at that level, so that phi_a(u_a(z)) is at most
   the length of any curve from a to z; phi_b likewise.
3. Discard. A curve from a to b no longer than L stays in E = { phi_a(u_a) + phi_b(u_b) <= L }, in the part of E that
   holds a. Only slopes in E count: repeat 2 and 3 until E stays.
4. Bound. Of several w made of u_a and u_b, each rescaled level by level over E, the largest w(b) - w(a).
5. Branch. A finer grid on E alone: a tube along the curve if E fits into one, in whose coordinates the metric is nearly
   diagonal whatever its condition number, a smaller box otherwise, and where a tube is no better than the box. Go to 1.

Near the shortest curve (u_a - u_b) / 2 and (u_a^2 - u_b^2) / 2 L have the right slope; the first is a subsolution
everywhere but loses at the distances' tips, the second is smooth there, and is corrected for curvature by a multiple of
(u_a - u_b) u_a u_b (u_a + u_b - L), which vanishes on the curve.

Proven and sampled. The chord's bound is proven. Any other follows from the slopes' maxima. These are taken at nine
places of every cell of E, which would be all it takes for a constant metric, and at random places, each with the exact
metric in float64 and the closed-form gradient; the worse of all values counts. Between these places nothing is proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..geometry.derivatives import Generator
from ..geometry.latent import as_manifold
from ..geometry.manifolds import Manifold
from .charts import BEYOND, THIN, Axis, Box, Chart, Tube, chord, closed, holding, within_chords
from .curves import measure
from .marching import Array
from .subsolutions import Cells, Distance, Function, Rate, about, hold, least, most, slope, soft, spread, steep, trials

REPAIRS = 4  # marches after the first
FACTORS = 0.98, 1.5  # least and largest, by which a march divides the slowness of the last one
EVENED = 0.7  # cells over which these factors are evened
BINS = 4  # of levels, in one step of the grid's longer side
SLACK = 1e-5  # relative; by so much a curve may be longer than the upper bound and still be kept in E
STABLE = 0.97  # of its cells that E keeps, and is not shrunk again
FINER = 1.2  # least ratio of two grids' steps
WIDE = 0.5  # of the curve's length; no tube is wider
MARGINS = (1.1, 1.3, 1.7)  # of a tube's width over what it has to hold
AT_ENDS, AROUND = 8, 2.0  # one random place in AT_ENDS is about each end, within AROUND steps


@dataclass(frozen=True)
class Certificate:
    """Lower and upper bounds of B distances; float64 but for flags and counts.

    Attributes
    ----------
    length : (B,) of the curves: the upper bound.
    lower : (B,) the lower bound of the distance within the box of `lower_bound`; what of it is proven says the module.
    everywhere : (B,) bool, whether it is known to be one outside the box too: no curve that leaves the box is shorter.
        False says that the box may cut the shortest path.
    grids : (B,) int64, how many grids were used; 0 where the chord was enough.
    samples : (B,) int64, random places at which the slopes were checked.
    """

    length: Tensor
    lower: Tensor
    everywhere: Tensor
    grids: Tensor
    samples: Tensor

    @property
    def gap(self) -> Tensor:
        """(B,) length / lower - 1: by how much the curve is too long at most. 0 for a pair of equal points."""
        return torch.where(self.length > 0, self.length / self.lower - 1, 0.0)


def lower_bound(
    f: Manifold | Generator,
    curves: Tensor,
    box: Sequence[Sequence[float]],
    *,
    grid: int = 128,
    cells: int = 2**18,
    grids: int = 8,
    target: float = 1e-3,
    samples: int = 1000,
    seed: int = 0,
) -> Certificate:
    """Lower bounds of the distances between the ends of curves, within the box ((x_min, x_max), (y_min, y_max)). Where
    some of the curves leave this box, a larger one that holds all curves takes its place.

    f : a manifold or a generator, as for `geodesic`, of two dimensions. Where its metric is not finite is no part of
        the manifold.
    curves : (B, n + 1, 2) the knots of the shortest curves known, as `shortest_path` finds them: their lengths are the
        upper bounds. The closer these are, the closer are the lower bounds.
    grid : steps a side of the first grid, which all pairs share. Later ones have as many cells where short curves may
        be, until that is no help.
    cells : the most cells of any grid. It bounds the memory, to about 1.5 kB a cell.
    grids : the most grids that a pair is given. It bounds the time.
    target : the gap at which the search for a better bound ends.
    samples : random places on every grid at which the slopes are checked, drawn by the `seed`.

    ValueError for curves, a box or settings that are not as stated, end points outside the box, and curves whose length
    is not finite.
    """
    manifold, curves = as_manifold(f), curves.detach().to(torch.float64)
    limits = np.asarray(box, dtype=np.float64)
    if curves.ndim != 3 or curves.shape[1] < 4 or curves.shape[2] != 2 or limits.shape != (2, 2):
        raise ValueError(
            f"curves must have knots (B, n + 1, 2), n >= 3, and the box two sides; got shape {tuple(curves.shape)} and "
            f"box {box}"
        )
    settings = grid, cells, grids, target, samples
    sound = grid >= 16 and grid**2 <= cells and grids >= 1 and target > 0 and samples >= 1
    if not (limits[:, 0] < limits[:, 1]).all() or not sound:
        raise ValueError(
            f"the box must have low < high, grid must be at least 16 and its square at most cells, grids and samples "
            f"at least 1 and target positive; got box {box} and (grid, cells, grids, target, samples) = {settings}"
        )
    knots = curves.cpu().numpy()
    out = ~((limits[:, 0] <= knots[:, [0, -1]]) & (knots[:, [0, -1]] <= limits[:, 1])).all((1, 2))
    if out.any():
        raise ValueError(f"end points outside the box {box}: of the curves {np.flatnonzero(out).tolist()}")
    length = measure(manifold, curves, 1e-9).length
    if not length.isfinite().all():
        raise ValueError(f"the length is not finite, of the curves {(~length.isfinite()).nonzero().flatten().tolist()}")
    limits = holding(limits, knots.reshape(-1, 2))
    chart = Box(limits[:, 0], limits[:, 1], (grid, grid))
    table = chart.table(manifold, np.ones(chart.shape, dtype=bool))
    found = [
        _Pair(manifold, ends, float(upper), *settings, np.random.default_rng([seed, i])).solve(chart, table)
        for i, (ends, upper) in enumerate(zip(knots, length, strict=True))
    ]
    columns = [torch.from_numpy(np.asarray(column)).to(length.device) for column in zip(*found, strict=True)]
    return Certificate(length, *columns)


@dataclass
class _Grid:
    """What one grid says: which cells a curve no longer than L may meet, and the functions that say so."""

    chart: Chart
    cells: Cells
    distances: list[Distance]
    rates: list[Rate]
    upper: float

    def total(self, p: Array) -> Array:
        """phi_a(u_a) + phi_b(u_b) at places p (k, 2); infinite where no curve leads that is short enough."""
        pairs = zip(self.distances, self.rates, strict=True)
        a, b = (rate(u.at_places(p)[0]) - rate(np.zeros(1)) for u, rate in pairs)
        return np.where(hold(self.cells, p), a + b, np.inf)

    def keeps(self, p: Array) -> Cells:
        return self.total(p) <= self.upper


@dataclass
class _Pair:
    """One pair of points, and the curve between them."""

    manifold: Manifold
    knots: Array
    length: float
    grid: int
    cells: int
    grids: int
    target: float
    samples: int
    random: np.random.Generator
    drawn: int = 0

    def solve(self, first: Box, table: Array) -> tuple[float, bool, int, int]:
        """The lower bound, whether it holds everywhere, and the numbers of grids and of samples."""
        if self.length == 0:
            return 0.0, True, 0, 0
        self.upper = (1 + SLACK) * self.length
        lower = least = chord(self.manifold, self.knots[[0, -1]])
        if self.length <= (1 + self.target) * lower:
            return min(lower, self.length), True, 0, 0
        box, cells, inside = within_chords(self.manifold, self.knots[[0, -1]], self.upper, first)
        chart: Chart = box
        ends = box.places(self.knots[[0, -1]])
        table = table if chart is first else chart.table(self.manifold, cells)
        grid, found, everywhere = self._explore(chart, table, cells, ends)
        lower, everywhere = max(lower, found), everywhere or inside
        axis, grids, tubes = Axis.along(self.manifold, self.knots), 1, True
        while self.length > (1 + self.target) * lower and grids < self.grids:
            finer = (self._tube(grid, axis) if tubes else None) or self._box(grid)
            if finer is None:
                if 2 * self.grid**2 > self.cells:
                    break
                self.grid = int(2**0.5 * self.grid)
                if not isinstance(grid.chart, Tube):
                    continue
                finer = grid.chart.finer()
            chart, cells, ends = finer
            explored, found, _ = self._explore(chart, chart.table(self.manifold, cells), cells, ends)
            grids += 1
            if isinstance(chart, Tube) and isinstance(grid.chart, Box) and found < lower:
                tubes = False  # where the metric is small its coordinates reach far, and boxes are better
                continue
            grid, gained, lower = explored, found - lower, max(lower, found)
            if isinstance(chart, Tube) and gained < self.target / 10 * self.length:
                if 2 * self.grid**2 > self.cells or self.length <= (1 + 3 * self.target) * lower:
                    break
                self.grid = int(2**0.5 * self.grid)
        return lower, everywhere or lower == least, grids, self.drawn

    def _explore(self, chart: Chart, table: Array, cells: Cells, ends: Array) -> tuple[_Grid, float, bool]:
        """Steps 1 to 4 on a chart, whose metric on the half grid is `table`, for curves between `ends` (2, 2) that stay
        in `cells`: the grid, the lower bound, and whether no curve leaves the chart that is short enough."""
        bins = BINS * max(chart.shape)
        nodes = soft(table)
        distances = [self._march(nodes, table, cells, end) for end in ends]
        functions = [u.on_half_grid() for u in distances]
        slopes = [slope(table, function) for function in functions]
        grid, inside = _Grid(chart, cells, distances, [], self.upper), True
        places, metric = self._places(chart, cells, ends)
        while True:
            mine = hold(grid.cells, places)
            values = [u.at_places(places[mine]) for u in distances]
            more = [(x[0], slope(metric[mine], x)) for x in values]
            grid.rates = [
                Rate.over(grid.cells, function[0], h, extra, (0.0, 1.1 * self.upper), bins)
                for function, h, extra in zip(functions, slopes, more, strict=True)
            ]
            phi = [rate(x[0]) - rate(np.zeros(1)) for rate, x in zip(grid.rates, functions, strict=True)]
            if grid.cells is cells:
                sides = [np.concatenate((x[0], x[-1], x[:, 0], x[:, -1])).min() for x in phi]
                inside = bool(sides[0] + sides[1] > self.upper)
            total = phi[0] + phi[1]
            kept = about(grid.cells & spread(least(total) <= self.upper), ends[0])
            if not hold(kept, ends).all() or kept.sum() > STABLE * grid.cells.sum():
                break
            if 2 * kept.sum() < grid.cells.sum():
                places, metric = self._places(chart, kept, ends)
            grid.cells = kept
        return grid, self._bound(grid, table, functions, ends), inside

    def _march(self, nodes: Array, table: Array, cells: Cells, source: Array) -> Distance:
        """About the distance from a source, flattened where it is too steep: it is marched again with the slowness
        divided by the largest slope of a cell and its neighbours, for splines reach so far. These factors are evened,
        for a slowness that jumps from cell to cell would make new slopes."""
        nodes = np.pad(nodes, ((1, 1), (1, 1), (0, 0)), mode="edge")
        slowness = np.ones(nodes.shape[:2])
        u = Distance.march(nodes, source, slowness)
        for _ in range(REPAIRS):
            worst = np.where(cells, steep(slope(table, u.on_half_grid())), 1.0)
            around = ndimage.grey_dilation(np.log(np.clip(worst, *FACTORS)), (3, 3))
            inner = slowness[1:-1, 1:-1] / np.exp(ndimage.gaussian_filter(around, EVENED))
            slowness = np.pad(inner, 1, mode="edge")
            u = Distance.march(nodes, source, slowness)
        return u

    def _places(self, chart: Chart, cells: Cells, ends: Array) -> tuple[Array, Array]:
        """Random places (k, 2) in the cells, more of them about the ends, and the exact metric (k, 3) there."""
        corners = np.argwhere(cells) + 0.5
        anywhere = self.random.choice(corners, self.samples) + self.random.random((self.samples, 2))
        radius, angle = self.random.random((2, 2, -(-self.samples // AT_ENDS), 1))
        turned = np.concatenate((np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)), -1)
        about = (ends[:, None] + AROUND * radius**2 * turned).reshape(-1, 2)
        places = np.clip(np.concatenate((anywhere, about)), 0.5, np.array(chart.shape) + 0.5)
        self.drawn += len(places)
        return places, chart.metric(self.manifold, places)

    def _bound(self, grid: _Grid, table: Array, functions: list[Function], ends: Array) -> float:
        """The best of the lower bounds by functions of u_a and u_b, and by a linear one, over the grid's cells; at most
        the length."""
        places, metric = self._places(grid.chart, grid.cells, ends)
        mine = hold(grid.cells, places)
        places, metric = places[mine], metric[mine]
        of_places, of_ends = ([u.at_places(p) for u in grid.distances] for p in (places, ends))
        mean = np.nanmean(table[1::2, 1::2][grid.cells], 0)
        towards = mean[[[0, 1], [1, 2]]] @ (ends[1] - ends[0])
        n, m = table.shape[:2]
        half = np.stack(np.meshgrid(np.arange(1, n + 1) / 2, np.arange(1, m + 1) / 2, indexing="ij"), -1)
        best, bins = 0.0, BINS * max(grid.chart.shape)
        tried = (
            trials(pair[0], pair[1], self.length, at, towards)
            for pair, at in ((functions, half), (of_places, places), (of_ends, ends))
        )
        for everywhere, sampled, (at_ends, _, _) in zip(*tried, strict=True):
            more = sampled[0], slope(metric, sampled)
            beyond = np.ptp(at_ends) / 20
            limits = float(at_ends.min() - beyond), float(at_ends.max() + beyond)
            rate = Rate.over(grid.cells, everywhere[0], slope(table, everywhere), more, limits, bins)
            best = max(best, float(np.diff(rate(at_ends))[0]))
        return min(best, self.length)

    def _tube(self, grid: _Grid, axis: Axis) -> tuple[Chart, Cells, Array] | None:
        """A tube that no curve leaves which is short enough; None if there is none."""
        old = grid.chart

        def total(t: Array, m: Array) -> Array:
            if isinstance(old, Tube):
                return grid.total(old.places(t, m))
            assert isinstance(old, Box)
            return grid.total(old.places(axis.points(t, m)))

        steps, half = 256, 32
        t = np.linspace(*old.span, steps + 1) if isinstance(old, Tube) else np.linspace(-BEYOND, 1 + BEYOND, 410)
        reach = old.width if isinstance(old, Tube) else WIDE * self.length
        for _ in range(8):  # how far from the curve, in `half` steps of the reach
            m = reach / half * np.arange(-half, half + 1)
            kept = total(*(x.ravel() for x in np.meshgrid(t, m, indexing="ij"))).reshape(len(t), -1) <= self.upper
            kept[:, half] |= (t >= 0) & (t <= 1)
            far = max(np.logical_and.accumulate(side, 1).sum(1).max() for side in (kept[:, half:], kept[:, half::-1]))
            if far > half / 3:
                break
            reach *= max(far + 2, 4) / half
        used = t[kept[:, half]]
        span = float(max(t[0], used[0] - 2 * (t[1] - t[0]))), float(min(t[-1], used[-1] + 2 * (t[1] - t[0])))
        for margin in MARGINS:
            width = margin * (far + 1) * reach / half
            aspect = 2 * width / ((span[1] - span[0]) * self.length)
            along = int(min(self.grid, self.grid / np.sqrt(aspect)))
            across = int(max(THIN, min(aspect * along, self.grid**2 / along)))
            tube = Tube(axis, width, span, (along, across))
            if width > WIDE * self.length or tube.folds():
                return None
            if closed(total(*tube.outline(4 * along)), self.upper):
                return tube.whole() if tube.holds_once(self.knots[-1]) else None
        return None

    def _box(self, grid: _Grid) -> tuple[Chart, Cells, Array] | None:
        """A finer grid on the box about the cells of a grid; None where it would not be finer."""
        old = grid.chart
        if not isinstance(old, Box):
            return None
        index = np.argwhere(grid.cells)
        low, high = index.min(0) + 0.5, index.max(0) + 1.5
        sides = high - low
        steps = np.sqrt(min(self.grid**2 * np.prod(sides) / len(index), self.cells))
        n, m = (int(k) for k in np.maximum(steps * np.sqrt(sides / sides[::-1]), THIN))
        if min((n, m) / sides) < FINER:
            return None
        corners = old.points(np.stack((low, high)))
        box = Box(corners[0], corners[1], (n, m))
        half = box.half_grid()
        kept = grid.keeps(old.places(half.reshape(-1, 2))).reshape(half.shape[:2]).astype(float)
        return box, spread(most(kept) > 0.5), box.places(self.knots[[0, -1]])
