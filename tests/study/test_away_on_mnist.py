"""The judgement on MNIST: uses, agreement, draws and knobs against what is known, and one record at a small size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fake_away
from pullback import EnsembleMetric, LatentSpace
from pullback.geometry import EuclideanSpace
from pullback.study.away import agreement, judging, run, tables, uses
from pullback.study.away.draws import shortest_chains, total
from pullback.study.away.knobs import KNOBS, turned
from pullback.study.away.systems import System
from pullback.study.claims.statistics import bounds
from pullback.study.models import Classifier, ModelSpec
from pullback.study.models.catalogue import ENSEMBLE
from pullback.study.profiles import Profile, get_profile
from pullback.study.provenance import write_sealed
from pullback.study.rings.tables import NOT_MEASURED


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------ uses


def test_three_heaps_are_found_and_no_swap_of_a_medoid_is_better() -> None:
    heaps = torch.cat([drawn(9, 2, seed=i) / 9 + torch.tensor(c) for i, c in enumerate(([0, 0], [5, 0], [0, 5]))])
    labels, far = np.repeat([0, 1, 2], 9), torch.cdist(heaps, heaps).numpy()
    assert uses.f_measure(labels, uses.k_medoids(far, 3)) == 1
    mess = torch.cdist(drawn(12, 2), drawn(12, 2)).numpy()
    mess = mess + mess.T - np.diag(np.diag(2 * mess))
    medoids = uses.k_medoids(mess, 2)
    best = min(mess[:, [i, j]].min(1).sum() for i in range(12) for j in range(i))
    assert min(mess[:, [i, j]][np.arange(12), medoids].sum() for i in range(12) for j in range(12)) <= best + 1e-12


def test_the_f_measure_of_one_cluster_and_of_a_mixture_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert uses.f_measure(labels, np.zeros(4, dtype=int)) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    assert uses.f_measure(labels, np.array([0, 0, 0, 1])) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert uses.f_measure(labels, np.array([1, 1, 0, 0])) == 1  # names of clusters do not matter


def test_the_nearest_known_image_gives_its_label() -> None:
    known, labels = torch.tensor([[0.0, 0.0], [4.0, 0.0]]), torch.tensor([3, 7])
    images = torch.tensor([[1.0, 1.0], [3.0, 0.0], [1.9, 0.0]])
    assert uses.nearest_neighbour(known, labels, images, torch.tensor([3, 7, 7])) == pytest.approx(2 / 3)


# ------------------------------------------------------------------------------------------------ agreement


def test_variation_and_ranks_tell_a_constant_from_agreement() -> None:
    """To add a constant to all distances lowers the variation, and leaves the ranks as they are."""
    distances = drawn(5, 20).exp().numpy()
    assert agreement.variation(distances + 50) < 0.1 * agreement.variation(distances)
    assert agreement.rank_agreement(distances + 50) == pytest.approx(agreement.rank_agreement(distances))
    same = np.tile(distances[:1], (5, 1))
    assert agreement.variation(same) == pytest.approx(0, abs=1e-12) and agreement.rank_agreement(same) == 1
    assert agreement.variation(np.array([[1.0], [3.0]])) == pytest.approx(2**0.5 / 2)


def test_the_jackknife_of_a_mean_is_students_interval() -> None:
    values = drawn(6, 1).numpy()
    whole, low, high = agreement.jackknife(lambda d: float(d.mean()), values)
    expected = bounds(values[:, 0].tolist())
    assert whole == pytest.approx(values.mean()) and (low, high) == pytest.approx(expected)
    assert np.isnan(agreement.jackknife(agreement.variation, values[:2] ** 2)[1:]).all()


# ------------------------------------------------------------------------------------------------ draws


class Scaled(nn.Module):
    """z times a number a coordinate."""

    def __init__(self, scale: tuple[float, float]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return z * self.scale


def test_chains_of_members_that_agree_are_straight_and_of_even_steps() -> None:
    members = [Scaled((1.0, 2.0)).eval() for _ in range(2)]
    ends = drawn(3, 2, 2)
    t = torch.linspace(0, 1, 7, dtype=torch.float64)[:, None]
    straight = torch.lerp(ends[:, :1], ends[:, 1:], t)
    bent = straight + (t * (1 - t)) * drawn(3, 7, 2, seed=1)
    found = shortest_chains(members, bent)
    torch.testing.assert_close(found, straight, rtol=0, atol=1e-4)
    lengths = ((ends[:, 1] - ends[:, 0]) * torch.tensor([1.0, 2.0])).norm(dim=1)
    torch.testing.assert_close(total(members, found).sqrt(), lengths, rtol=1e-6, atol=0)


def test_chains_bend_to_where_members_agree_and_keep_their_ends() -> None:
    """Two members with opposite signs in the second coordinate agree where it is 0."""
    members = [Scaled((1.0, 1.0)).eval(), Scaled((1.0, -1.0)).eval()]
    line = torch.tensor([[-1.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    chains = torch.lerp(line[:1], line[1:], torch.linspace(0, 1, 9, dtype=torch.float64)[:, None])[None]
    found = shortest_chains(members, chains)
    assert total(members, found) < total(members, chains)
    assert found[0, [0, -1]].equal(line) and found[0, 4, 1] < 0.1


# ------------------------------------------------------------------------------------------------ systems and judging


def test_every_knob_has_its_metrics_and_shares_the_base_setting() -> None:
    vae = ModelSpec("vae", (8, 4), "tanh").build().eval()
    ensemble = ModelSpec("ensemble", (8, 4), "tanh").build().eval()
    images = torch.rand(400, 784, generator=torch.Generator().manual_seed(0))
    found = turned(vae, ensemble, images, {"images": "random"})
    bases = {"radial variance", "density", "ensemble"}
    assert {name for names in KNOBS.values() for name in names.values()} == set(found) | bases
    assert all(bases & set(names.values()) for names in KNOBS.values())
    members = [found[KNOBS["decoders"][n]].space for n in (1, 2, 5)]
    assert type(members[0]) is LatentSpace and [type(m) for m in members[1:]] == [EnsembleMetric] * 2
    z = drawn(4, 2)
    floors = [found[KNOBS["floor"][floor]].space.metric(z).diagonal(dim1=1, dim2=2) for floor in (0.3, 0.01)]
    assert (floors[0] < floors[1]).all()  # a higher floor makes steps shorter


@pytest.fixture(scope="module")
def judged() -> judging.Judge:
    images = torch.rand(300, 784, generator=torch.Generator().manual_seed(1))
    classifier = Classifier((16, 8), nn.Tanh, 2).eval()
    return judging.judge(images, torch.arange(300) % 10, classifier)


def plane(images: Tensor) -> System:
    """The plane as a latent space, whose codes are two pixels of an image and whose images have these two pixels."""

    def decode(z: Tensor) -> Tensor:
        return torch.cat((z.float(), torch.zeros(len(z), 782)), 1)

    return System(EuclideanSpace(), decode, images[:, :2].double(), lambda x: x[:, :2].double())


def test_paths_of_the_plane_are_judged_as_straight_lines_are(judged: judging.Judge) -> None:
    system = plane(judged.images)
    ends = run.ends_of(system, judged.images, 3)
    told = judging.paths(system, ends, system.codes, judged, 32)
    for name in ("length", "image"):
        assert told[name] == pytest.approx(told["latent"], rel=1e-4)
    assert told["path"]["nearest"] == pytest.approx(told["line"]["nearest"], rel=1e-4)
    assert told["solver"]["solved"] == told["agreed"] == [True] * 3
    assert told["log_cond"] == pytest.approx([0, 0, 0], abs=1e-12)
    json.dumps(told, allow_nan=False)


def test_distances_of_the_plane_make_the_clusters_of_latent_distance(judged: judging.Judge) -> None:
    chosen = run.alike(judged.labels, 4, 0)
    told = judging.clusters(plane(judged.images), judged.images[chosen], judged.labels[chosen], 32)
    assert told["metric"] == pytest.approx(told["latent"], abs=0.05) and told["latent"] == told["decoded"]


def test_a_training_set_is_enlarged_by_images_between_pairs_of_one_label(judged: judging.Judge) -> None:
    chosen = run.alike(judged.labels, 2, 0)
    few, labels = judged.images[chosen], judged.labels[chosen]
    assert labels[::2].equal(labels[1::2]) and len(set(chosen.tolist())) == 20
    assert judging.mixed(few)[:, 4].equal((few[::2] + few[1::2]) / 2)
    known = judged._replace(images=few, labels=labels)
    assert judging.with_images(few, labels, judging.mixed(few), known) == 1
    told = judging.enlarged(plane(judged.images), few, labels, judged, 32)
    assert told["path"] == pytest.approx(told["line"], abs=0.02)


def test_what_is_not_finite_is_none_in_json() -> None:
    told = judging.plain({"a": torch.tensor([1.0, torch.nan]), "b": (True, 3), "c": 1 / 3})
    assert told == {"a": [1.0, None], "b": [True, 3], "c": 0.33333}


def test_an_interrupted_record_goes_on_and_what_is_there_is_not_judged_again(
    judged: judging.Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On planes in the place of the systems and untrained models, with an interrupt at the second system."""
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    untrained = {spec.name: Named(spec.build().eval()) for spec in (*run.REMEDIES, run.CLASSIFIER)}
    monkeypatch.setattr(run.Study, "models", lambda self, specs, tell: {s.name: untrained[s.name] for s in specs})
    monkeypatch.setattr(run.Study, "images", lambda self, split="test": (judged.images, judged.labels))
    monkeypatch.setattr(run, "systems", lambda *a: {"ensemble": plane(judged.images), "other": plane(judged.images)})
    monkeypatch.setattr(run, "turned", lambda *a: {})
    monkeypatch.setattr(run, "_training_time", lambda *a: 1.0)
    seen, profile = [], get_profile("smoke")

    def paths(*given: object) -> dict[str, object]:
        if len(seen) == 1:
            seen.append("interrupted")
            raise KeyboardInterrupt
        seen.append("judged")
        return judging.paths(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "paths", paths)
    with pytest.raises(KeyboardInterrupt):
        run.work(profile, lambda line: None)
    record = run.work(profile, lambda line: None)
    assert list(record["systems"]) == ["ensemble", "other"] and seen.count("judged") == 2
    assert set(record["draws"]) == {"4", "8"} and record["key"] == run.key(profile)
    write_sealed(run.record_path(profile), record)
    assert run.read(profile) == json.loads(json.dumps(record))
    record["seed"] = 1
    run.record_path(profile).write_text(json.dumps(record))
    assert run.read(profile) is None


class Named(NamedTuple):
    """What is asked of a trained model."""

    model: nn.Module


# ------------------------------------------------------------------------------------------------ tables


def test_tables_have_a_row_a_system_and_leave_out_pairs_that_are_not_agreed() -> None:
    found = fake_away.five({"density": 0.05})
    table = tables.on_the_data(found)
    assert list(table.index) == list(tables.SYSTEMS) and (table["pairs agreed (%)"] == "67").all()
    assert table.loc["density", "less straight line's (%)"].startswith("3.0")
    price = tables.price(found)
    assert price.loc["ensemble", "shortest path, of the deterministic"].startswith("3.0")
    assert price.loc["ensemble", "geodesic, of the deterministic"].startswith("2.0")
    assert price.loc["GP-LVM", "squared error, of the VAE's"] == ""
    assert "GP-LVM" not in tables.uses(found).index and "images themselves" in tables.uses(found).index
    agreed = tables.agreement(found)
    assert agreed.loc["ensemble", "pairs"] == "2" and agreed.loc["latent distance", "pairs"] == "3"
    images = tables.of_images(found)
    assert images.shape == (len(tables.SYSTEMS), 4)
    assert images["farther from test images (%)"].iloc[0].startswith("-28.")
    assert table.loc["density", "verdict"] == "leaves"  # 0.03 more than straight lines
    assert tables.on_the_data(found[1:]).loc["density", "verdict"] == NOT_MEASURED  # a seed is missing
    assert tables.on_data(fake_away.five({"density": 0.025}), "density") == "keeps"
    assert tables.on_data([fake_away.planted(s, {"density": 0.02 * s}) for s in range(5)], "density") == "undecided"
    seeds = tables.by_seed(found)
    assert len(seeds) == 5 * len(tables.SYSTEMS) and tables.by_seed([]).empty
    assert seeds.loc[seeds["path"] == "density", "less straight line's (%)"].mean() == pytest.approx(3, abs=0.1)
    turned_ = tables.knobs(found)
    assert len(turned_) == 5 * sum(map(len, KNOBS.values())) and turned_["nearest"].max() < 1


def test_what_models_lose_is_of_the_seeds_that_have_both_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed s of the flat VAE with weight w loses 2 + w + s / 10 times what the plain VAE loses; weight 1 has no record,
    and the plain VAE none of seed 4."""

    def read(profile: Profile, spec: ModelSpec) -> dict[str, float] | None:
        own = spec.weight + profile.seed / 10 if spec.family == "flat" else -1
        told = {"squared_error": 10 * (2 + own), "negative_elbo": 140.0, "isometry": 0.5, "condition_number": 2.0}
        without = spec.weight == 1 if spec.family == "flat" else profile.seed == 4
        return None if without else told | ({"negative_log_likelihood": 1.0} if spec.family == "gaussian" else {})

    monkeypatch.setattr(tables.held_out, "read", read)
    found = tables.models()
    error, likelihood = found["squared error, of the VAE's"], found["negative log-likelihood (nats)"]
    assert error["VAE"] == "1.00 (1.00 to 1.00)" and error["flat VAE, weight 0.1"].startswith("2.25")  # s: 0 to 3
    assert error["flat VAE, weight 1"] == NOT_MEASURED and set(found["seeds"]) == {"4", "0"}
    assert likelihood["Gaussian VAE"].startswith("1.0") and likelihood["VAE"] == ""


def test_records_that_are_not_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLBACK_BUILD", str(tmp_path))
    assert tables.records("smoke", 2) == [None, None] and tables.there([None]) == []
    shown = (tables.on_the_data, tables.of_images, tables.by_seed, tables.agreement, tables.price, tables.uses)
    assert all(table([]).empty for table in (*shown, tables.knobs))
    assert set(tables.knobs([])) == set(tables.knobs(fake_away.five()))


def test_a_key_changes_with_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run.key(get_profile("smoke"))
    monkeypatch.setattr(run, "MNIST", run.MNIST + 1)
    assert run.key(get_profile("smoke")) != before != run.key(get_profile("smoke", 1))
    assert ENSEMBLE in run.REMEDIES
