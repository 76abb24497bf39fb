"""The claims R-1 to R-6, on planted records whose verdicts are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fake_rings import BETWEEN, KEEPS, LEAVES, Record, planted
from pullback.study.claims import rings
from pullback.study.paths import PROJECT
from pullback.study.provenance import write_sealed
from pullback.study.rings.decoders import WEIGHTS
from pullback.study.rings.run import SEEDS, Item
from pullback.study.rings.tables import DENSITY, RBF


def verdict(name: str, records: list[Record]) -> str:
    """Of one claim; seeds differ by a hundredth, so that intervals have a width."""
    for seed, record in enumerate(records):
        for own in record["metrics"].values():
            for measure in ("leaves", "off_largest"):
                own[measure][0] *= 1 + seed / 500
        for decoder in record["straight"].values():
            decoder["circle"]["off_mean"][0] *= 1 + seed / 500
    (claim,) = (claim for claim in rings.CLAIMS if claim.id == name)
    return claim.judge(records)


def five(**found: tuple[float, float]) -> list[Record]:
    return [planted(seed, **found) for seed in range(SEEDS)]


def test_zeta_sets_the_result_where_it_moves_the_paths_by_more_than_the_limit() -> None:
    assert verdict("R-1", five()) == "contradicted"  # all leave the ring alike
    assert verdict("R-1", five(**{"RBF, zeta 0.01": KEEPS})) == "supported"
    mixed = [planted(**{"RBF, zeta 1": (0.9 - moved, 6.0)}) for moved in (0.05, 0.1, 0.15, 0.2, 0.25)]
    assert verdict("R-1", mixed) == "undecided"


def test_only_pairs_on_which_all_zetas_agree_count() -> None:
    records = five(**{"RBF, zeta 0.01": KEEPS})
    records[3]["metrics"]["RBF, zeta 1"]["agreed"] = [False, True]
    assert math.isnan(rings.spread(records[3], RBF))
    assert verdict("R-1", records) == "undecided"


@pytest.mark.parametrize(("claim", "metric"), [("R-2", "Fisher-Rao"), ("R-3", "ensemble")])
def test_a_metric_that_leaves_the_ring_does_not_keep_to_the_data(claim: str, metric: str) -> None:
    assert verdict(claim, five()) == "supported"
    assert verdict(claim, five(**{metric: KEEPS})) == "contradicted"
    assert verdict(claim, five(**{metric: BETWEEN})) == "undecided"


def test_a_density_metric_must_keep_to_the_ring_with_every_floor() -> None:
    every = dict.fromkeys(DENSITY, KEEPS)
    assert verdict("R-4", five(**every)) == "supported"
    assert verdict("R-4", five()) == "contradicted"
    assert verdict("R-4", five(**every | {"density, floor 0.3": LEAVES})) == "depends"
    assert verdict("R-4", five(**every | {"density, floor 0.3": BETWEEN})) == "undecided"


def test_straight_lines_are_as_good_where_they_were_not_before() -> None:
    as_line = (0.35, 2.1)
    assert verdict("R-5", five(flat=as_line, isometric=as_line)) == "supported"
    assert verdict("R-5", five()) == "contradicted"
    assert verdict("R-5", five(flat=as_line)) == "depends"
    assert verdict("R-5", five(flat=as_line, isometric=as_line, deterministic=as_line)) == "undecided"  # as it was


def test_reconstruction_is_compared_on_the_circle() -> None:
    records = five()
    for record in records:
        for name in WEIGHTS:
            record["straight"][name]["circle"]["off_mean"] = [0.8, 0.9]
        assert rings.reconstruction_lost(record, "flat") == pytest.approx(math.log(1.7))  # the plain one's mean is 0.5
    assert verdict("R-6", records) == "supported"
    assert verdict("R-6", five()) == "undecided"


def test_parts_make_a_whole() -> None:
    assert rings.together(["supported", "supported"]) == "supported"
    assert rings.together(["supported", "contradicted", "undecided"]) == "depends"
    assert rings.together(["supported", "undecided"]) == "undecided"
    assert rings.together(["supported", "depends"]) == "depends"


def test_a_number_of_digits_without_all_its_records_is_not_measured(tmp_path: Path) -> None:
    items = [Item(digits, seed) for digits in (1, 2) for seed in range(SEEDS)]
    assert {row["verdict"] for row in rings.evaluate(items, tmp_path)} == {rings.NOT_MEASURED}
    for item in items[:-1]:
        write_sealed(tmp_path / f"{item.name}.json", planted() | {"key": item.key})
    (second,) = (row for row in rings.evaluate(items, tmp_path) if row["id"] == "R-2")
    assert second["1 digit"] == second["verdict"] == "supported" and second["2 digits"] == rings.NOT_MEASURED


def test_the_criteria_are_written_down() -> None:
    text = (PROJECT / "docs" / "rings.md").read_text(encoding="utf-8")
    for claim in rings.CLAIMS:
        assert f"| {claim.id}. {claim.statement} |" in text
