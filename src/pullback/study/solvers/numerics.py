"""What rounding and difference quotients cost a solver, as conditioning grows.

Every solver is given the metric M = J^T J alone, in one of four arithmetics: J exact, or by central difference
quotients with a step of STEP, the way of whoever has no derivatives; and M in float64 or in float32. The solver's own
algebra is in float64 in all of them, so that what differs is M and its derivatives. The curves are measured with the
exact metric in float64. Criteria: see `interventions`.

M has the square of J's condition number c. In float32, with 24 bits, its smaller eigenvalue drowns in rounding from
c = 2^12 = 4,096 on; by difference quotients in float64, whose rounding is 1e-10 of J, from c = 1e10 on, in float32,
where it is 1e-4 with the step that is best there, from c = 1e4 on, or earlier where the step truncates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ...geodesics import Geodesics, measure
from ...geometry import Manifold, in_dtype
from .interventions import FALLEN, Subject, intervened, module
from .runs import CONTESTANTS, Contestant, contest, read, run
from .scores import bounds, verdicts

STEP = {torch.float64: 1e-5, torch.float32: 5e-3}  # of a difference quotient: the cube root of the rounding
ARITHMETICS = {
    "exact, float64": (torch.float64, False),
    "exact, float32": (torch.float32, False),
    "quotients, float64": (torch.float64, True),
    "quotients, float32": (torch.float32, True),
}
SHOWN = tuple(  # one of each kind that is fast
    m for m in CONTESTANTS if m.name in ("newton", "georce", "cubic spline", "fixed point")
)
KIND = "linear chart"  # the intervention under which the truth stays the same


class MetricOf(nn.Module, Manifold):
    """The pullback metric of a generator, and no more of it: in `dtype`, with J by difference quotients or exact.

    A module, so that its weights tell its results apart. Points and M are float64 at its border.
    """

    def __init__(self, generator: nn.Module, dtype: torch.dtype, quotients: bool) -> None:
        super().__init__()
        self.generator, self.inner, self.quotients = in_dtype(generator, dtype), dtype, quotients

    def _jacobian(self, z: Tensor) -> Tensor:
        w = z.to(self.inner)
        columns = []
        for axis in torch.eye(z.shape[1], dtype=self.inner):
            if self.quotients:
                step = STEP[self.inner] * axis
                columns.append((self.generator(w + step) - self.generator(w - step)) / (2 * STEP[self.inner]))
            else:
                columns.append(torch.func.jvp(self.generator, (w,), (axis.expand_as(w),))[1])
        return torch.stack(columns, -1)

    def metric(self, z: Tensor) -> Tensor:
        J = self._jacobian(z)
        return (J.mT @ J).to(z.dtype)


def compare_arithmetics(
    subjects: Iterable[Subject],
    levels: Sequence[float],
    *,
    contestants: Sequence[Contestant] = SHOWN,
    progress: Callable[[str], None] = print,
) -> pd.DataFrame:
    """All contestants in all arithmetics under a linear chart of each level.

    One row a subject, arithmetic, level, method and pair. Columns: the curve's ratio to the upper bound, and the
    verdict of `scores.verdicts`.
    """
    tasks = []
    for subject in subjects:
        for c in levels:
            p = intervened(subject, KIND, c)
            for name, (dtype, quotients) in ARITHMETICS.items():
                metric = MetricOf(module(p), dtype, quotients).eval()
                given = replace(p, manifold=metric, identity=f"{p.identity}, {name}")
                jobs = [contest(f"{subject.name}, {name}, {c:g}", given, m, len(p.start)) for m in contestants]
                tasks += [(subject, p, name, c, m.name, job) for m, job in zip(contestants, jobs, strict=True)]
    run([task[-1] for task in tasks], progress)
    frames = []
    for subject, p, name, c, method, job in tasks:
        length = measure(p.manifold, read(job, Geodesics)[0].points).length
        limits = bounds(*subject.bounds, [length])
        frames.append(pd.DataFrame({
            "subject": subject.name, "arithmetic": name, "c": c, "method": method, "pair": np.arange(len(length)),
            "ratio": (length / torch.from_numpy(limits.upper)).nan_to_num(nan=torch.inf),
            "verdict": verdicts(length, limits),
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Share of pairs not solved, one row a subject, method and arithmetic, one column a level; and in the last column
    the least level from which the arithmetic costs the method something at every level, NaN if at the highest it does
    not."""
    by = ["subject", "method", "arithmetic", "c"]
    failed = (table["verdict"] == "not solved").groupby([table[c] for c in by], sort=False).mean().unstack()
    exact = failed.xs(next(iter(ARITHMETICS)), level="arithmetic").reindex(failed.index.droplevel("arithmetic"))
    dearer = failed - exact.to_numpy() > FALLEN
    lasting = dearer.iloc[:, ::-1].cummin(axis=1).iloc[:, ::-1]
    return failed.assign(costs=lasting.idxmax(axis=1).where(lasting.any(axis=1)))
