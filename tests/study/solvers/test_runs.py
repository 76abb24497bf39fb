"""A comparison is paid for once, whatever it compares, and says so where a kept result is not what it should be."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pullback.geodesics import METHODS as SOLVERS
from pullback.geodesics import Geodesics, geodesic
from pullback.geometry import HyperbolicHalfPlane
from pullback.study import workers
from pullback.study.errors import CheckpointError
from pullback.study.knots import rounded
from pullback.study.profiles import PROFILES
from pullback.study.solvers import certificates, runs, scores
from pullback.study.solvers.premise import along
from pullback.study.solvers.runs import CONTESTANTS, Contestant, Job, Problem, between_all, compare, search_box
from pullback.study.solvers.scores import Bounds, outcomes

BOX = ((-1.0, 1.0), (-1.0, 1.0))
TWO = (Contestant("straight", "straight"), Contestant("few", "newton", {"segments": 16}, slow=1))


def generator(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 20)).eval()


def problem(seed: int = 0, pairs: int = 3) -> Problem:
    draw = torch.Generator().manual_seed(seed)
    start, end, codes = (torch.randn(pairs, 2, generator=draw) for _ in range(3))
    return Problem(generator(seed), start, end, BOX, codes)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build folder of its own, and jobs done in this process."""

    def one_by_one(
        task: Callable, arguments: Iterable[tuple], jobs: int, what: str, progress: Callable[[str], None]
    ) -> None:
        monkeypatch.setattr(runs, "say", progress)
        for a in arguments:
            task(*a)

    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setattr(runs, "side_by_side", one_by_one)
    return tmp_path


# ------------------------------------------------------------------------------------------------ the runs


def test_contestants_have_names_of_their_own_and_known_solvers() -> None:
    assert len({m.name for m in CONTESTANTS}) == len(CONTESTANTS)
    assert {m.solver for m in CONTESTANTS} == set(SOLVERS)
    z = torch.tensor([[0.2, 0.1]])
    for m in CONTESTANTS:  # settings that a solver does not have are a TypeError, wrong ones a ValueError
        extra = {"codes": torch.randn(30, 2)} if m.data else {}
        geodesic(generator(), z, -z, method=m.solver, **m.settings, **extra)


def test_a_job_s_path_changes_with_all_that_decides_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem()
    codes = {"codes": p.codes}
    job = Job("m", p, (p.start, p.end), "graph", {"neighbours": 5, **codes})
    wider = nn.Sequential(*generator(), nn.Identity())  # the same weights in other layers
    others = [
        job._replace(model="n"),
        job._replace(problem=problem(1)),
        job._replace(problem=replace(p, manifold=wider, identity="")),
        job._replace(problem=replace(p, identity="another specification")),
        job._replace(pairs=(p.start + 1, p.end)),
        job._replace(pairs=(p.start, p.end.roll(1, 0))),
        job._replace(pairs=(p.end, p.start)),
        job._replace(solver="newton"),
        job._replace(settings={"neighbours": 6, **codes}),
        job._replace(settings={"neighbours": 5, "codes": p.codes + 1}),
        job._replace(settings=codes),
    ]
    paths = [job.path, *(other.path for other in others)]
    again = Job("m", replace(p, manifold=generator()), (p.start.clone(), p.end), "graph", {**codes, "neighbours": 5})
    assert again.path == job.path
    monkeypatch.setattr(runs, "RECIPE", runs.RECIPE + 1)
    paths.append(job.path)
    assert len(set(paths)) == len(paths)


def test_what_has_no_weights_needs_an_identity() -> None:
    plane, points = HyperbolicHalfPlane(), torch.rand(3, 2) + 1
    with pytest.raises(ValueError, match="has no weights .* give an identity"):
        Problem(plane, points, points, BOX, points)
    assert Problem(plane, points, points, BOX, points, "half-plane").identity == "half-plane"


def test_a_manifold_with_a_metric_only_is_compared_as_a_generator_is(here: Path) -> None:
    """Geodesics of the hyperbolic half-plane have lengths in closed form: arcosh(1 + |a - b|^2 / (2 a_2 b_2))."""
    start, end = torch.tensor([[-1.0, 1.0], [-0.9, 0.6]]), torch.tensor([[1.0, 1.0], [0.9, 1.5]])
    p = Problem(HyperbolicHalfPlane(), start, end, ((-1.2, 1.2), (0.5, 2.0)), start, "half-plane")
    solvers = (Contestant("straight", "straight"), Contestant("newton", "newton"), Contestant("georce", "georce"))
    done = compare({"half-plane": p}, slow_pairs=2, grid=64, contestants=solvers, progress=str)
    truth = torch.arccosh(1 + (start - end).double().square().sum(1) / (2 * start[:, 1] * end[:, 1]).double())
    assert torch.allclose(done["half-plane"].optimum.length, truth, rtol=1e-4)
    known = {"half-plane": Bounds(truth.numpy(), truth.numpy())}
    table = outcomes(done, known).set_index(["method", "pair"])
    assert table["solved"].loc[["newton", "georce"]].all() and not table["solved"].loc["straight"].any()
    conditioning = along(p, done["half-plane"].optimum)["log_cond, highest"]
    assert conditioning.to_numpy() == pytest.approx(0, abs=1e-9)  # the metric is conformal


def test_a_comparison_holds_what_the_solvers_return(here: Path) -> None:
    problems = {"a": problem(0), "b": problem(1)}
    lines: list[str] = []
    done = compare(problems, slow_pairs=2, grid=32, contestants=TWO, progress=lines.append)
    assert [line.split()[:2] for line in lines] == [["a", "solved"], ["b", "solved"]]
    for name, p in problems.items():
        assert list(done[name].found) == ["straight", "few"]
        alone = geodesic(p.manifold, p.start[:2], p.end[:2], segments=16)
        found = done[name].found["few"]
        for field in fields(Geodesics):
            if field.name not in ("seconds", "manifold"):
                returned = getattr(alone, field.name)
                kept = rounded(returned) if field.name == "points" else returned
                assert torch.equal(getattr(found, field.name), kept), field.name
        assert found.seconds > 0 and done[name].seconds > 0
        assert len(done[name].found["straight"].length) == 3
        assert (done[name].optimum.length <= 1.001 * done[name].found["straight"].length).all()


def test_what_is_done_is_not_done_again_and_an_interrupted_run_continues(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = {"a": problem(0), "b": problem(1)}
    solve, solved = runs._solve_and_write, []

    def interrupted(job: Job) -> None:
        if len(solved) == 4:
            raise KeyboardInterrupt
        solved.append((job.model, job.solver))
        solve(job)

    monkeypatch.setattr(runs, "_solve_and_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(problems, slow_pairs=2, grid=32, contestants=TWO, progress=str)
    assert len(list(here.rglob("*.safetensors"))) == 4

    def counted(job: Job) -> None:
        solved.append((job.model, job.solver))
        solve(job)

    monkeypatch.setattr(runs, "_solve_and_write", counted)
    first = compare(problems, slow_pairs=2, grid=32, contestants=TWO, progress=str)
    assert len(solved) == len(set(solved)) == 6
    lines: list[str] = []
    again = compare(problems, slow_pairs=2, grid=32, contestants=TWO, progress=lines.append)
    assert len(solved) == 6 and all("3 results loaded" in line for line in lines)
    assert again["b"].found["few"].seconds == first["b"].found["few"].seconds
    assert torch.equal(again["a"].optimum.points, first["a"].optimum.points)


def test_a_result_that_is_truncated_altered_or_another_s_is_named(here: Path) -> None:
    def again() -> None:
        compare({"a": problem()}, slow_pairs=2, grid=32, contestants=TWO, progress=str)

    again()
    path, other = (next(here.rglob(f"a-{solver}-*.safetensors")) for solver in ("newton", "straight"))
    whole = path.read_bytes()
    altered = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    for content, reason in (
        (whole[:-100], "cannot be read"), (altered, "is corrupt"), (other.read_bytes(), "the result of another job"),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{path.name} .*{reason}.*Delete it"):
            again()


def test_jobs_run_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setenv("PULLBACK_JOBS", "1")
    lines: list[str] = []
    found = between_all({"a": problem()}, 4, progress=lines.append)
    z, curves = found["a"]
    assert len(lines) == 1 and not multiprocessing.active_children()
    assert torch.equal(z[:2], torch.stack((problem().start[0], problem().end[0])).double())
    first, second = torch.combinations(torch.arange(4)).T
    assert torch.equal(curves.length, geodesic(generator(), z[first], z[second]).length)


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_a_senseless_number_of_jobs_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_JOBS", value)
    with pytest.raises(ValueError, match=f"PULLBACK_JOBS must be a positive integer, got '{value}'"):
        workers.job_count()


def test_the_search_box_holds_data_and_end_points_with_a_margin() -> None:
    p = replace(problem(), start=torch.tensor([[3.0, 0.0]]), end=torch.tensor([[0.0, -2.0]]))
    assert search_box(p) == ((-2.0, 4.0), (-2.75, 1.75))


# ------------------------------------------------------------------------------------------------ the certificates


def test_the_grids_of_lower_bounds_are_as_fine_as_curves() -> None:
    paper, smoke = (PROFILES[name].reference_grid for name in ("paper", "smoke"))
    for hard in (False, True):
        large, small = (certificates.settings_of(segments, hard) for segments in (paper, smoke))
        assert small["grid"] / large["grid"] == smoke / paper
        assert small["cells"] / large["cells"] == (smoke / paper) ** 2
        assert large["grid"] ** 2 <= large["cells"]


def test_a_lower_bound_is_sought_in_a_box_that_holds_the_curve() -> None:
    box = ((-1.0, 1.0), (-2.0, 2.0))
    within = torch.tensor([[[-1.0, 0.0], [0.5, 2.0], [1.0, 0.0]]], dtype=torch.float64)
    assert certificates._holding(box, within) == box
    (x0, x1), (y0, y1) = certificates._holding(box, within * torch.tensor([1.0, 3.0]))
    assert x0 < -1 and x1 > 1 and y0 < -2 and 6 < y1 < 7


def test_a_lower_bound_s_key_has_a_version_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem()
    jobs = [runs.Job("m", p, (p.start, p.end), solver, {}) for solver in (runs.LOWER, "newton")]
    before = [job.key for job in jobs]
    monkeypatch.setattr(runs, "BOUNDING", runs.BOUNDING + 1)
    assert jobs[0].key != before[0] and jobs[1].key == before[1]


def test_a_lower_bound_is_sought_beside_a_solver_s_curve_where_the_shortest_path_is_longer(here: Path) -> None:
    """Planted: a detour in the place of the first pair's shortest path, which Newton's method finds."""
    problems = {"vae-m": problem(1)}
    compared = compare(problems, slow_pairs=1, grid=64, contestants=TWO, progress=lambda line: None)
    good = compared["vae-m"].optimum
    detour, length = good.points.clone(), good.length.clone()
    detour[0] += 0.2 * torch.linspace(0, torch.pi, detour.shape[1], dtype=torch.float64).sin()[:, None]
    length[0] *= 1.5
    compared["vae-m"] = replace(compared["vae-m"], optimum=replace(good, points=detour, length=length))
    limits = certificates.certify(problems, compared, gan_pairs=1, progress=lambda line: None)[1]["vae-m"]
    assert limits.gap.max() < 2e-3 and limits.upper[0] < 1.01 * good.length[0].item()


def test_where_a_curve_leaves_the_box_the_path_and_its_bounds_are_sought_in_a_wider_one(here: Path) -> None:
    """Of the half-plane, whose shortest path rises far above the low box about its ends."""
    start, end = torch.tensor([[-1.0, 0.5], [0.0, 0.5]]), torch.tensor([[1.0, 0.5], [0.2, 0.5]])
    p = Problem(HyperbolicHalfPlane(), start, end, ((-1.2, 1.2), (0.4, 0.6)), start, "half-plane")
    compared = compare({"m": p}, slow_pairs=2, grid=64, contestants=TWO, progress=str)
    best, limits, _ = certificates.certify({"m": p}, compared, gan_pairs=1, progress=str)
    truth = HyperbolicHalfPlane().distance(start.double(), end.double()).numpy()
    assert best["m"].optimum.points[0, :, 1].max() > search_box(p)[1][1]
    assert (limits["m"].lower <= truth).all() and (truth <= limits["m"].upper * (1 + 1e-9)).all()
    assert limits["m"].certified.all() and limits["m"].gap.max() < 5e-3


def test_a_pair_that_the_first_grids_leave_open_is_bounded_once_more(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a pair of a collapsed GAN is not."""
    problems = {"vae-m": problem(2), "gan-m": problem(2)}
    compared = compare(problems, slow_pairs=1, grid=64, contestants=TWO, progress=lambda line: None)
    coarse, fine = {"grid": 16, "cells": 256, "grids": 1}, certificates.settings_of(64, hard=False)
    monkeypatch.setattr(scores, "SOLVED", enough := 1e-3)

    def gaps(first: dict[str, float], then: dict[str, float]) -> dict[str, NDArray[np.float64]]:
        monkeypatch.setattr(certificates, "settings_of", lambda segments, hard: then if hard else first)
        limits = certificates.certify(problems, compared, gan_pairs=3, progress=lambda line: None)[1]
        return {model: known.gap for model, known in limits.items()}

    once, twice = gaps(coarse, coarse), gaps(coarse, fine)
    first, then = once["vae-m"], twice["vae-m"]
    open_ = first > enough
    assert open_.any() and (then[open_] < first[open_] / 2).all() and np.array_equal(then[~open_], first[~open_])
    assert (once["gan-m"] > enough).any() and np.array_equal(twice["gan-m"], once["gan-m"])


def test_bounds_enclose_and_a_planted_detour_is_replaced_by_the_finer_grid_s_path(here: Path) -> None:
    """Of a GAN two pairs of three are bounded. Its first path is planted: a detour, which the finer grid undercuts."""
    problems = {"gan-m": problem(0), "vae-m": problem(1)}
    compared = compare(problems, slow_pairs=1, grid=64, contestants=TWO, progress=lambda line: None)
    good = compared["gan-m"].optimum
    detour = good.points.clone()
    detour[0] += 0.2 * torch.linspace(0, torch.pi, detour.shape[1], dtype=torch.float64).sin()[:, None]
    length = good.length.clone()
    length[0] *= 1.5
    compared["gan-m"] = replace(compared["gan-m"], optimum=replace(good, points=detour, length=length))
    best, limits, seconds = certificates.certify(problems, compared, gan_pairs=2, progress=lambda line: None)
    assert (best["vae-m"].optimum.points == compared["vae-m"].optimum.points).all()
    assert [limits[name].sought.tolist() for name in problems] == [[True, True, False], [True, True, True]]
    torch.testing.assert_close(best["gan-m"].optimum.length, good.length, rtol=1e-4, atol=0)
    assert (best["gan-m"].optimum.points[0] - detour[0]).norm(dim=1).max() > 0.1
    for name, known in limits.items():
        assert known.certified[known.sought].all() and (known.lower <= known.upper)[known.sought].all()
        assert (known.upper <= best[name].optimum.length.numpy()).all() and seconds[name] > 0
