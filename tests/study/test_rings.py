"""Rotated digits at smoke size: the data, the measures, every metric's way from end to end, and the records."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pullback.geometry import EuclideanSpace
from pullback.study.provenance import write_sealed
from pullback.study.rings import run
from pullback.study.rings.decoders import train_all, train_decoder
from pullback.study.rings.digits import Rings, chosen, on_circle, pairs, rings
from pullback.study.rings.judgement import even, judge_known, judge_metric, verdict
from pullback.study.rings.metrics import FLOORS, ZETAS, metrics


@pytest.fixture(scope="module")
def digit() -> Rings:
    return rings(chosen(1), 200, 0)


@pytest.fixture(scope="module")
def two() -> Rings:
    return rings(chosen(2), 200, 0)


def truth(data: Rings):
    """A decoder that looks its image up: on the circles nothing is off but the spacing of the angles."""

    def decode(z: torch.Tensor) -> torch.Tensor:
        digit = torch.cdist(z, data.centres).argmin(1)
        x, y = (z - data.centres[digit]).unbind(1)
        turn = torch.remainder(torch.atan2(y, x), 2 * math.pi)
        return data.images[200 * digit + (turn / (2 * math.pi) * 200).round().long() % 200]

    return decode


def test_a_quarter_turn_is_a_turn_of_the_grid_of_pixels(two: Rings) -> None:
    for i in range(2):
        first, quarter, half = (two.images[200 * i + step].reshape(28, 28) for step in (0, 50, 100))
        turns = [torch.rot90(first, k) for k in (1, -1)]
        assert min(float((quarter - turned).abs().max()) for turned in turns) < 1e-4
        torch.testing.assert_close(half, torch.rot90(first, 2), rtol=0, atol=1e-4)
    off = (two.codes - two.at(two.angles.double(), two.digit)).norm(dim=1)
    assert off.mean().item() == pytest.approx(0.0627, rel=0.1)


def test_circles_are_apart_and_within_the_box(digit: Rings, two: Rings) -> None:
    assert digit.centres.tolist() == [[0, 0]] and digit.box == ((-2, 2), (-2, 2))
    assert torch.pdist(two.centres).tolist() == pytest.approx([3.0])
    (x0, x1), (y0, y1) = two.box
    inside = two.codes.double() - torch.tensor([x0, y0]), torch.tensor([x1, y1]) - two.codes.double()
    assert min(float(a.min()) for a in inside) > 0.5


def test_the_true_way_is_judged_true_and_a_false_one_false(digit: Rings, two: Rings) -> None:
    for data in (digit, two):
        ends = pairs(6, len(data.centres))
        found = judge_known(data, truth(data), ends)
        circle, straight = (
            {k: torch.tensor(v, dtype=torch.float64) for k, v in found[name].items()}
            for name in ("circle", "straight line")
        )
        assert circle["off_largest"].max() == 0 and circle["leaves"].max() < 1e-12
        assert circle["angle"].max() < 0.9 + 1e-6
        apart = (ends.end - ends.start) / 2
        torch.testing.assert_close(straight["leaves"], 1 - apart.cos(), rtol=0, atol=2e-3)
        assert (straight["angle"] > circle["angle"]).all()


def test_shortest_paths_of_the_plane_are_judged_as_straight_lines(two: Rings) -> None:
    ends = pairs(3, 2)
    found = judge_metric(two, EuclideanSpace(), truth(two), ends, grid=32)
    straight = judge_known(two, truth(two), ends)["straight line"]
    assert all(found["agreed"])
    assert found["leaves"] == pytest.approx(straight["leaves"], abs=1e-3)


def test_even_points_are_evenly_spaced() -> None:
    t = torch.linspace(0, 1, 2001, dtype=torch.float64) ** 3
    points = even(on_circle(t)[None], 9)
    expected = on_circle(torch.linspace(0, 1, 9, dtype=torch.float64))
    torch.testing.assert_close(points[0], expected, rtol=0, atol=1e-3)


def test_every_metric_is_compared(digit: Rings) -> None:
    decoders = train_all(digit, 0, members=2, epochs=2, batch=100)
    again = train_decoder(digit, 0, epochs=2, batch=100)
    assert all(a.equal(b) for a, b in zip(decoders.plain.parameters(), again.parameters(), strict=True))
    found = metrics(digit, decoders)
    assert len(found) == 5 + len(ZETAS) + len(FLOORS) + 3
    z = digit.codes[:3].double()
    for name, compared in found.items():
        compared.space.check(z)
        assert compared.space.metric(z).isfinite().all(), name
        assert compared.decode(z).shape == (3, 784), name


def measures(leaves: float, off: float, agreed: bool = True) -> dict[str, Any]:
    return {"leaves": [leaves, 9.0], "off_largest": [off, 9.0], "agreed": [agreed, False]}


def test_a_verdict_takes_four_seeds_and_only_pairs_that_agree() -> None:
    line, good, far, between = measures(0.35, 2.1), measures(0.1, 1.4), measures(0.9, 6.0), measures(0.2, 1.4)
    assert verdict([(good, line)] * 4 + [(far, line)]) == "keeps"
    assert verdict([(good, line)] * 3 + [(far, line)] * 2) == "undecided"
    assert verdict([(far, line)] * 4 + [(good, line)]) == "leaves"
    assert verdict([(between, line)] * 5) == "undecided"
    assert verdict([(measures(0.1, 2.2), line)] * 5) == "undecided"  # near the ring, and its images are off
    assert verdict([(measures(0.1, 1.4, False), line)] * 5) == "undecided"


def test_records_are_sealed_resumed_and_refused_when_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path / "build"))
    item = run.Item(2, 0, run.Size(angles=100, epochs=1, members=2, pairs=2, grid=32))
    kept = metrics
    monkeypatch.setattr(run, "metrics", lambda data, decoders: {
        name: found for name, found in kept(data, decoders).items() if name in ("deterministic", "flat")
    })  # fmt: skip
    told: list[str] = []

    def interrupted(line: str) -> None:
        told.append(line)
        if "deterministic" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.work(item, interrupted)
    record = run.work(item, told.append)
    trained = [f"seed 0: {i} of 5 decoders trained" for i in range(1, 6)]
    measured = ["7-4-seed0: deterministic", "7-4-seed0: flat"]
    assert [line.split(" (")[0] for line in told] == trained + measured  # each once
    assert set(record["metrics"]) == {"deterministic", "flat"} and set(record["straight"]) == {"plain", "flat"}
    path = tmp_path / f"{item.name}.json"
    write_sealed(path, record)
    assert run.read(item, tmp_path) == record
    assert run.read(item._replace(size=run.Size()), tmp_path) is None
    assert run.verdicts([item], tmp_path)[2].keys() == {"deterministic", "flat"}
    run.run([item], tmp_path, told.append)
    assert told[-1] == "1 of 1 records are there"
    edited = json.loads(path.read_text())
    edited["metrics"]["flat"]["leaves"][0] += 0.1
    path.write_text(json.dumps(edited))
    assert run.read(item, tmp_path) is None


def test_the_committed_records_are_whole() -> None:
    for path in run.FOLDER.glob("*.json"):
        assert any(path.stem == item.name and run.read(item) for item in run.ITEMS), path
