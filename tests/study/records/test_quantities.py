"""The study's quantities against maps, samples and models whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pullback.geometry import LatentMap
from pullback.study.models import ModelSpec
from pullback.study.records import quantities
from pullback.study.records.quantities import Coverage
from pullback.study.records.schema import Beyond

UNIT = ((-1.0, 1.0), (-1.0, 1.0))


def make(log_det, log_cond=lambda x, y: 0 * x, box=UNIT, n_x: int = 21, n_y: int = 17) -> LatentMap:
    """A map of two functions of (x, y)."""
    x, y = np.linspace(*box[0], n_x), np.linspace(*box[1], n_y)
    grid = np.meshgrid(x, y)
    return LatentMap(box, x, y, log_det(*grid) * 1.0, log_cond(*grid) * 1.0)


def test_percentile_box_is_numpys_percentiles() -> None:
    codes = torch.randn(997, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9.0])
    box = quantities.percentile_box(codes)
    for axis in (0, 1):
        assert box[axis] == pytest.approx(np.percentile(codes[:, axis].double().numpy(), [1, 99]), rel=1e-12)
    assert quantities.percentile_box(codes, share=0.0)[1] == (codes[:, 1].min().item(), codes[:, 1].max().item())


def test_widened_keeps_the_centre_and_scales_the_sides() -> None:
    box = ((1.0, 3.0), (-4.0, 0.0))
    assert quantities.widened(box, 3) == ((-1.0, 5.0), (-8.0, 4.0))
    assert quantities.widened(box, 1) == box


def test_badly_conditioned_is_the_share_above_twenty() -> None:
    condition = make(lambda x, y: x, lambda x, y: np.where(x > 0.5, np.log(20.01), np.log(19.99)))
    assert quantities.badly_conditioned(condition) == pytest.approx(5 / 21)
    assert quantities.badly_conditioned(make(lambda x, y: x, lambda x, y: np.full_like(x, np.inf))) == 1


@pytest.mark.parametrize("box", [UNIT, ((2.0, 7.0), (-1.0, 0.0))])
def test_the_roughness_of_a_plane_is_its_slope_in_sides_of_the_box(box) -> None:
    (x_min, x_max), (y_min, y_max) = box
    plane = make(lambda x, y: 3 * x - 4 * y, box=box)
    assert quantities.roughness(plane) == pytest.approx(np.hypot(3 * (x_max - x_min), 4 * (y_max - y_min)))
    assert quantities.roughness(make(lambda x, y: 0 * x + 7, box=box)) == pytest.approx(0, abs=1e-12)


def test_roughness_does_not_depend_on_the_latent_scale() -> None:
    m = make(lambda x, y: np.sin(3 * x) * y)
    scaled = make(lambda x, y: np.sin(3 * x / 10) * (y - 5) / 2 + 100, box=((-10.0, 10.0), (3.0, 7.0)))
    assert quantities.roughness(scaled) == pytest.approx(quantities.roughness(m))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_roughness_leaves_rank_deficient_points_out() -> None:
    m = make(lambda x, y: 3 * x)
    m.log_det[4, 5] = -np.inf
    assert quantities.roughness(m) == pytest.approx(6)


def test_centre_excess_of_a_bump() -> None:
    """log_det = -r^2: the median over a disc of radius R is -R^2 / 2, that over the square is the area's median."""
    m = make(lambda x, y: -(x**2 + y**2), n_x=401, n_y=401)
    square = -np.median(m.x[None, :] ** 2 + m.y[:, None] ** 2)
    assert quantities.centre_excess(m) == pytest.approx(-(0.5**2) / 2 - square, abs=2e-3)
    assert quantities.centre_excess(make(lambda x, y: x**2 + y**2)) < 0
    assert quantities.centre_excess(make(lambda x, y: 0 * x + 3)) == 0


def test_centre_excess_is_about_the_origin_or_else_about_the_centre() -> None:
    off = ((-1.0, 5.0), (-1.0, 5.0))
    assert quantities.centre_excess(make(lambda x, y: -np.hypot(x, y), box=off)) > 1
    assert quantities.centre_excess(make(lambda x, y: -np.hypot(x - 2, y - 2), box=((1.0, 3.0), (1.0, 3.0)))) > 0.2


def test_outside_has_the_maps_orientation_and_counts_the_border_in() -> None:
    m = make(lambda x, y: x, n_x=5, n_y=3)
    out = quantities.outside(m, ((-0.5, 1.0), (-1.0, 0.0)))
    assert np.array_equal(out, [[True, False, False, False, False]] * 2 + [[True] * 5])


def test_beyond_separates_the_box_from_its_surroundings() -> None:
    box = ((-1.0, 1.0), (-1.0, 1.0))
    wide = make(lambda x, y: np.where((abs(x) <= 1) & (abs(y) <= 1), 5.0, -2 - y), box=quantities.widened(box, 3))
    assert quantities.beyond(wide, box) == Beyond(5.0, -2.0, -5.0, 0.0)
    wide.log_det[-1] = -np.inf
    share = wide.log_det.shape[1] / quantities.outside(wide, box).sum()
    assert quantities.beyond(wide, box).rank_deficient_outside == pytest.approx(share)
    assert quantities.beyond(wide, box).lowest_outside > -5 - 1e-12


def test_a_description_counts_what_is_rank_deficient() -> None:
    m = make(lambda x, y: x, lambda x, y: y)
    m.log_det[0, :3], m.log_cond[0, :3] = -np.inf, np.inf
    with np.errstate(invalid="ignore"):
        described = quantities.describe(m)
    assert described.rank_deficient == 3
    assert described.log_cond.q100 == 1 and described.log_det.q0 == -1


class FakeGan:
    """Draws images whose first pixel says their class: 0 for 1 %, 3 for 0.9 %, 7 for the rest."""

    def sample(self, count: int, noise: torch.Generator) -> torch.Tensor:
        images = torch.full((count, 784), 7.0)
        images[: count // 100] = 0
        images[count // 100 : count // 100 + 9 * count // 1000] = 3
        return images


class FakeJudge:
    def classify(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images[:, 0].long(), torch.where(images[:, 0] == 7, 0.5, 1.0)


def test_coverage_counts_classes_from_one_percent_on() -> None:
    seen = quantities.coverage(FakeGan(), FakeJudge(), 1000, torch.Generator())
    assert seen.shares == pytest.approx([0.01, 0, 0, 0.009, 0, 0, 0, 0.981, 0, 0])
    assert seen.classes == 2
    assert seen.confidence == pytest.approx(0.981 * 0.5 + 0.019)


def test_a_share_of_exactly_one_percent_is_covered() -> None:
    assert Coverage([0.01] * 9 + [0.91], 1.0).classes == 10
    assert Coverage([0.0099] * 9 + [0.9109], 1.0).classes == 1


def test_accuracy_is_the_share_of_right_labels() -> None:
    images = torch.tensor([0.0, 3.0, 7.0, 7.0])[:, None].expand(4, 784)
    assert quantities.accuracy(FakeJudge(), images, torch.tensor([0, 3, 7, 1])) == 0.75


class Copy(nn.Module):
    """Encodes an image as its own logits, so the reconstruction is perfect."""

    generator = nn.Sequential(nn.Identity(), nn.Sigmoid())

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images.logit()


def test_a_perfect_reconstruction_costs_the_entropy_of_the_pixels() -> None:
    x = torch.rand(20, 784, generator=torch.Generator().manual_seed(0)) * 0.98 + 0.01
    entropy = torch.special.entr(x.double()) + torch.special.entr(1 - x.double())
    assert quantities.reconstruction_loss(Copy(), x) == pytest.approx(entropy.sum(1).mean().item(), rel=1e-6)


def test_recalibration_gives_batch_norm_the_statistics_of_the_data() -> None:
    images = torch.rand(3000, 784, generator=torch.Generator().manual_seed(0))
    model = ModelSpec("dae", (8, 4), "tanh").build().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = quantities.recalibrated(model, images)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    linear, norm = copy.encoder[0], copy.encoder[1]
    assert norm.running_mean == pytest.approx(linear(images).mean(0).detach(), abs=1e-5)
    assert not any(module.training for module in copy.modules())
    again = quantities.recalibrated(copy, images)
    states = zip(copy.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in states)
