"""A comparison is paid for once, scores what is planted, and correlates what it should."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from pullback.geodesics import METHODS as SOLVERS
from pullback.geodesics import Geodesics, ShortestPaths, geodesic
from pullback.study import workers
from pullback.study.errors import CheckpointError
from pullback.study.solvers import runs as comparison
from pullback.study.solvers.runs import (
    METHODS,
    Compared,
    Method,
    Problem,
    Task,
    along,
    answers,
    between_all,
    by_quantile,
    compare,
    correlate,
    distance_correlation,
    failures,
    family,
    flags,
    in_common,
    milliseconds,
    neighbours,
    performance,
    premise,
    records,
    scores,
    search_box,
    select,
)

BOX = ((-1.0, 1.0), (-1.0, 1.0))
TWO = (Method("straight", "straight"), Method("few", "newton", {"segments": 16}, slow=1))


def generator(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 20)).eval()


def problem(seed: int = 0, pairs: int = 3) -> Problem:
    draw = torch.Generator().manual_seed(seed)
    start, end, codes = (torch.randn(pairs, 2, generator=draw) for _ in range(3))
    return Problem(generator(seed), start, end, BOX, codes)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build folder of its own, and tasks done in this process."""

    def one_by_one(
        task: Callable, arguments: Iterable[tuple], jobs: int, what: str, progress: Callable[[str], None]
    ) -> None:
        monkeypatch.setattr(comparison, "say", progress)
        for a in arguments:
            task(*a)

    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    monkeypatch.setattr(comparison, "side_by_side", one_by_one)
    return tmp_path


# ------------------------------------------------------------------------------------------------ the runs


def test_methods_have_names_of_their_own_and_known_solvers() -> None:
    assert len({m.name for m in METHODS}) == len(METHODS)
    assert {m.solver for m in METHODS} == set(SOLVERS)
    z = torch.tensor([[0.2, 0.1]])
    for m in METHODS:  # settings that a solver does not have are a TypeError, wrong ones a ValueError
        extra = {"codes": torch.randn(30, 2)} if m.data else {}
        geodesic(generator(), z, -z, method=m.solver, **m.settings, **extra)


def test_a_tasks_path_changes_with_all_that_decides_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem()
    codes = {"codes": p.codes}
    task = Task("m", p.generator, p.start, p.end, "graph", {"neighbours": 5, **codes})
    others = [
        task._replace(model="n"),
        task._replace(generator=generator(1)),
        task._replace(start=p.start + 1),
        task._replace(end=p.end.roll(1, 0)),
        task._replace(start=p.end, end=p.start),
        task._replace(solver="newton"),
        task._replace(settings={"neighbours": 6, **codes}),
        task._replace(settings={"neighbours": 5, "codes": p.codes + 1}),
        task._replace(settings=codes),
    ]
    paths = [task.path, *(other.path for other in others)]
    assert Task("m", generator(), p.start.clone(), p.end, "graph", {**codes, "neighbours": 5}).path == task.path
    monkeypatch.setattr(comparison, "source_hash", lambda: "other code")
    paths.append(task.path)
    assert len(set(paths)) == len(paths)


def test_a_comparison_holds_what_the_solvers_return(here: Path) -> None:
    problems = {"a": problem(0), "b": problem(1)}
    lines: list[str] = []
    done = compare(problems, slow_pairs=2, grid=32, methods=TWO, progress=lines.append)
    assert [line.split()[:2] for line in lines] == [["a", "solved"], ["b", "solved"]]
    for name, p in problems.items():
        assert list(done[name].found) == ["straight", "few"]
        alone = geodesic(p.generator, p.start[:2], p.end[:2], segments=16)
        found = done[name].found["few"]
        for field in fields(Geodesics):
            if field.name not in ("seconds", "manifold"):
                assert torch.equal(getattr(found, field.name), getattr(alone, field.name)), field.name
        assert found.seconds > 0 and done[name].seconds > 0
        assert len(done[name].found["straight"].length) == 3
        assert (done[name].optimum.length <= 1.001 * done[name].found["straight"].length).all()


def test_what_is_done_is_not_done_again_and_an_interrupted_run_continues(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = {"a": problem(0), "b": problem(1)}
    solve, solved = comparison._solve_and_write, []

    def interrupted(task: Task) -> None:
        if len(solved) == 4:
            raise KeyboardInterrupt
        solved.append((task.model, task.solver))
        solve(task)

    monkeypatch.setattr(comparison, "_solve_and_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(problems, slow_pairs=2, grid=32, methods=TWO, progress=str)
    assert len(list(here.rglob("*.safetensors"))) == 4

    def counted(task: Task) -> None:
        solved.append((task.model, task.solver))
        solve(task)

    monkeypatch.setattr(comparison, "_solve_and_write", counted)
    first = compare(problems, slow_pairs=2, grid=32, methods=TWO, progress=str)
    assert len(solved) == len(set(solved)) == 6
    lines: list[str] = []
    again = compare(problems, slow_pairs=2, grid=32, methods=TWO, progress=lines.append)
    assert len(solved) == 6 and all("3 results loaded" in line for line in lines)
    assert again["b"].found["few"].seconds == first["b"].found["few"].seconds
    assert torch.equal(again["a"].optimum.points, first["a"].optimum.points)


def test_a_truncated_result_is_named(here: Path) -> None:
    compare({"a": problem()}, slow_pairs=2, grid=32, methods=TWO, progress=str)
    path = next(here.rglob("a-newton-*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=path.name):
        compare({"a": problem()}, slow_pairs=2, grid=32, methods=TWO, progress=str)


def test_tasks_run_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


# ------------------------------------------------------------------------------------------------ scores


def curves(length: list[float], converged: list[bool], seconds: float = 1.0, iterations: int = 5) -> Geodesics:
    n, values = len(length), torch.tensor(length, dtype=torch.float64)
    return Geodesics(
        points=torch.zeros(n, 2, 2), length=values, energy=values**2, converged=torch.tensor(converged),
        criterion=values, iterations=torch.full((n,), iterations), tried=torch.ones(n, dtype=torch.int64),
        seconds=seconds,
    )  # fmt: skip


def optimum(length: list[float]) -> ShortestPaths:
    values = torch.tensor(length, dtype=torch.float64)
    given: dict[str, Any] = {
        "length": values,
        "graph_length": values,
        "points": torch.zeros(len(length), 3, 2, dtype=torch.float64),
        "converged": torch.ones(len(length), dtype=torch.bool),
    }
    names = [field.name for field in fields(ShortestPaths) if field.name != "manifold"]
    return ShortestPaths(**{name: given.get(name, 0 * values) for name in names})


def compared(found: dict[str, Geodesics], length: list[float]) -> Compared:
    z = torch.zeros(len(length), 2)
    return Compared(z, z, optimum(length), 1.0, found)


@pytest.fixture
def table() -> pd.DataFrame:
    """Four pairs, the last with equal end points; a method that was given two, one that breaks down once."""
    straight = curves([1.5, 2.0, 1.0, 0.0], [False, False, False, True])
    good = curves([1.005, 1.0, 1.0, 0.0], [True, True, False, True], seconds=8.0)
    bad = curves([1.6, math.nan], [True, False])
    found = {"straight": straight, "good": good, "bad": bad}
    return records({"vae-128-32-tanh": compared(found, [1.0, 1.0, 1.0, 0.0])})


def test_scores_are_what_was_planted(table: pd.DataFrame) -> None:
    found = scores(table)
    assert found["pairs"].to_dict() == {"straight": 3, "good": 3, "bad": 2}  # equal end points do not count
    assert found["solved"].to_dict() == pytest.approx({"straight": 1 / 3, "good": 1, "bad": 0})
    assert found.loc["good", "ratio, median"] == 1
    assert found["ratio, worst"].to_dict() == {"straight": 2, "good": 1.005, "bad": math.inf}
    assert found["longer than straight"].to_dict() == {"straight": 0, "good": 0, "bad": 0.5}
    assert set(found["iterations"]) == {5}
    assert milliseconds(table).to_dict() == {"VAE": {"straight": 250, "good": 2000, "bad": 500}}


def test_only_certified_pairs_are_scored() -> None:
    c = compared({"straight": curves([2.0, 2.0], [False, False])}, [1.0, 1.0])
    doubtful = replace(c.optimum, error=torch.tensor([0.0, 0.01], dtype=torch.float64))
    assert records({"vae": replace(c, optimum=doubtful)})["pair"].tolist() == [0]


def test_flags_are_set_against_the_truth(table: pd.DataFrame) -> None:
    found = flags(table)
    assert np.allclose(found.sum(axis=1), 1)
    assert found.loc["good"].tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0])
    assert found.loc["bad"].tolist() == pytest.approx([0, 0.5, 0, 0.5])


def test_the_profile_counts_the_pairs_within_each_distance(table: pd.DataFrame) -> None:
    found = performance(table, np.array([0.0, 0.01, 0.5, 1e9]))
    assert found["good"].tolist() == pytest.approx([2 / 3, 1, 1, 1])
    assert found["bad"].tolist() == [0, 0, 0, 0.5]  # a curve that is not finite is never near
    assert found["straight"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 1])


def test_pairs_in_common_are_those_of_the_slowest_method(table: pd.DataFrame) -> None:
    assert set(in_common(table)["pair"]) == {0, 1} and len(in_common(table)) == 6


def test_failures_are_the_worst_pairs_of_the_worst_methods(table: pd.DataFrame) -> None:
    found = failures(table, 1)
    assert found.index.tolist() == ["bad"]
    assert found.loc["bad", ["pair", "ratio"]].tolist() == [0, 1.6]


def test_every_model_of_the_study_has_a_family() -> None:
    names = ["vae-128-32-tanh", "dae-256-64-sigmoid", "gan-128-32-tanh-nobn-r1", "gan-128-32-tanh"]
    assert [family(name) for name in names] == list(comparison.FAMILIES)


# ------------------------------------------------------------------------------------------------ the premise


def test_a_linear_generator_has_constant_conditioning_along_its_paths() -> None:
    f = nn.Linear(2, 3, bias=False)
    f.weight.data = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    z = torch.tensor([[[0.0, 0.0], [0.5, 1.0], [1.0, 1.0], [2.0, 0.0]]], dtype=torch.float64)
    found = along(Problem(f, z[:, 0], z[:, -1], BOX, z[0]), replace(optimum([2.0]), points=z))
    expected = [math.log(3), math.log(3), 0, 2 * math.log(3), 0, 2]
    assert found.iloc[0].tolist() == pytest.approx(expected, abs=1e-6)
    f.weight.data[1] = 0
    found = along(Problem(f, z[:, 0], z[:, -1], BOX, z[0]), replace(optimum([2.0]), points=z))
    assert found.iloc[0].tolist() == [math.inf, math.inf, math.inf, -math.inf, math.inf, 2]


def blocks(count: int, rows: int, make: Callable[[np.random.Generator, int], np.ndarray]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [make(rng, rows) for _ in range(count)]


def test_the_correlation_is_spearmans() -> None:
    data = blocks(4, 30, lambda rng, n: rng.integers(0, 9, (n, 3)).astype(float))  # with ties
    pooled, within = correlate(data, 20, 0)
    rows = np.concatenate(data)
    for column in range(2):
        assert pooled[column].value == pytest.approx(spearmanr(rows[:, column], rows[:, 2]).statistic)
        inside = [spearmanr(block[:, column], block[:, 2]).statistic for block in data]
        assert within[column].value == pytest.approx(np.mean(inside))
        assert all(c.low < c.value < c.high for c in (pooled[column], within[column]))
    assert correlate(data, 20, 0) == correlate(data, 20, 0) != correlate(data, 20, 1)


def test_a_constant_variable_has_no_correlation_and_infinities_have_ranks() -> None:
    x = np.array([[1.0, -math.inf, 0.0], [1.0, 2.0, 1.0], [1.0, math.inf, 2.0]])
    pooled, within = correlate([x], 50, 0)
    assert all(math.isnan(value) for value in (*pooled[0], *within[0]))
    assert pooled[1].value == within[1].value == pytest.approx(1)


def test_between_and_within_models_are_told_apart() -> None:
    """Simpson's paradox, planted: models with a higher x have a higher y, pairs in them a lower one."""

    def paradox(rng: np.random.Generator, n: int) -> np.ndarray:
        level, x = rng.uniform(0, 100), rng.normal(size=n)
        return np.column_stack((level + x, level - x))

    (pooled,), (within,) = correlate(blocks(12, 20, paradox), 200, 0)
    assert pooled.low > 0.5 and within.high == pytest.approx(-1)


def test_the_interval_draws_models_and_not_only_pairs() -> None:
    """Rows that repeat their model's one value tell no more than the models: the interval has the width for 10."""
    rng = np.random.default_rng(0)
    levels = rng.normal(size=(10, 2))
    repeated, _ = correlate([np.repeat(level[None], 50, 0) for level in levels], 300, 0)
    single, _ = correlate([level[None] for level in levels], 300, 0)
    assert repeated[0].high - repeated[0].low == pytest.approx(single[0].high - single[0].low, rel=0.3)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(100):
        (found,), _ = correlate([rng.normal(size=(40, 2))], 100, i)
        hits += found.low <= 0 <= found.high
    assert 85 <= hits <= 100


def planted(fails: Callable) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Eight models of 40 pairs; `fails` says from the highest log_cond, in [0, 1], which pairs fail."""
    rng = np.random.default_rng(0)
    features, found = {}, {}
    for model in (f"vae-{i}" for i in range(8)):
        cond = rng.uniform(size=40)
        features[model] = pd.DataFrame({"log_cond, highest": cond, "length": rng.uniform(size=40)})
        solver = curves(np.where(fails(cond, rng), 1.5, 1.0).tolist(), [True] * 40)
        found[model] = compared({"straight": curves([2.0] * 40, [False] * 40), "s": solver}, [1.0] * 40)
    return records(found), features


@pytest.mark.parametrize(
    ("fails", "holds", "word"),
    [
        (lambda cond, rng: cond > 0.7, True, "yes: "),
        (lambda cond, rng: rng.uniform(size=len(cond)) > 0.7, False, "no: "),
        (lambda cond, rng: cond < 0.3, False, "no: "),
        (lambda cond, rng: cond > 2, None, "cannot be told: 0 of 320 pairs not solved"),
    ],
)
def test_the_answer_is_what_was_planted(fails: Callable, holds: bool | None, word: str) -> None:
    table, features = planted(fails)
    found = premise(table, features, 100, 0)
    answer = answers(table, found)["s"]
    assert answer.holds is holds and answer.sentence.startswith(word)
    assert answers(table, found, "not converged")["s"] == (None, "cannot be told: 0 of 320 pairs not converged")
    for over in ("all", "within"):
        unrelated = select(found, "not solved", over, "length").loc["s"]
        assert holds is None or unrelated["low"] < 0.1 and unrelated["high"] > -0.1


def test_failures_rise_over_the_parts_as_planted() -> None:
    table, features = planted(lambda cond, rng: rng.uniform(size=len(cond)) < cond)
    found = by_quantile(table, features, "log_cond, highest", 4)
    assert found.index.to_numpy() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.05)
    assert found["s"].to_numpy() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.15)
    assert (found["straight"] == 1).all()


# ------------------------------------------------------------------------------------------------ latent distance


def test_a_length_that_grows_with_latent_distance_correlates_perfectly() -> None:
    start, end = torch.zeros(20, 2), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    lengths = end.norm(dim=1).double().square()
    c = Compared(start, end, optimum(lengths.tolist()), 1.0, {})
    assert distance_correlation(c, 50, 0) == pytest.approx((1, 1, 1))


def pairwise(z: Tensor) -> Tensor:
    first, second = torch.combinations(torch.arange(len(z))).T
    return (z[first] - z[second]).norm(dim=1)


def test_neighbours_stay_where_geodesic_length_is_latent_distance() -> None:
    z = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert neighbours(z, 3 * pairwise(z)) == (0, 1)


def test_neighbours_that_change_are_counted() -> None:
    """On a line, 0, 1, 3: as latent distance has it, 1 is the neighbour of 0 and 3, and 0 that of 1. Far apart are
    0 and 1 by geodesic length: the neighbour of both becomes 3."""
    z = torch.tensor([[0.0], [1.0], [3.0]])
    found = neighbours(z, torch.tensor([6.0, 3.0, 2.0]))
    assert found.changed == pytest.approx(2 / 3)
    assert found.further == pytest.approx((6 / 3 + 6 / 2) / 2)
