"""The expected metric of an ensemble against samples and closed forms; the energy of independent draws."""

from __future__ import annotations

import pytest
import torch

from metrics import agrees, net
from pullback import EnsembleMetric, LatentSpace, draws_energy, geodesic
from pullback.geodesics.curves import segment

Z = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
MEMBERS = [net(i) for i in range(4)]


def test_it_is_the_mean_over_members_drawn_at_random() -> None:
    each = torch.stack([LatentSpace(f).metric(Z) for f in MEMBERS])
    torch.testing.assert_close(EnsembleMetric(MEMBERS).metric(Z), each.mean(0))
    drawn = each[torch.randint(4, (3000,), generator=torch.Generator().manual_seed(2))]
    assert agrees(drawn, EnsembleMetric(MEMBERS).metric(Z))


def test_members_that_agree_give_the_length_of_one_and_their_order_nothing() -> None:
    one, many = (geodesic(f, Z[:3], Z[3:]).length for f in (MEMBERS[0], EnsembleMetric(MEMBERS[:1] * 3)))
    torch.testing.assert_close(many, one, rtol=1e-4, atol=0)
    torch.testing.assert_close(EnsembleMetric(MEMBERS[::-1]).metric(Z), EnsembleMetric(MEMBERS).metric(Z))


def test_linear_members_have_straight_geodesics_of_mean_square_length() -> None:
    A = torch.randn(3, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = geodesic(EnsembleMetric([lambda z, a=a: z @ a for a in A]), Z[:3], Z[3:])
    expected = ((Z[3:] - Z[:3]) @ A).square().sum(-1).mean(0).sqrt()
    torch.testing.assert_close(found.length, expected)


def test_the_energy_is_the_mean_over_all_pairs_of_members() -> None:
    points = segment(Z[:3], Z[3:], 5)
    images = torch.stack([f(points.flatten(0, 1)).unflatten(0, (3, 6)) for f in MEMBERS])
    pairs = (images[:, None, :, 1:] - images[None, :, :, :-1]).square().sum((-1, -2)).mean((0, 1))
    found = draws_energy(MEMBERS, points)
    torch.testing.assert_close(found.kinetic + found.potential, 5 * pairs)


def test_the_potential_grows_with_the_square_of_the_steps_and_the_rest_converges() -> None:
    found = [draws_energy(MEMBERS, segment(Z[:3], Z[3:], n)) for n in (64, 128, 256)]
    assert (torch.stack([e.kinetic for e in found]).diff(dim=0).abs() < 1e-3 * found[0].kinetic).all()
    for coarse, fine in zip(found[:-1], found[1:], strict=True):
        torch.testing.assert_close(fine.potential / coarse.potential, 4 * torch.ones(3).double(), rtol=1e-3, atol=0)
    same = draws_energy([MEMBERS[0]] * 2, segment(Z[:3], Z[3:], 8))
    assert (same.potential < 1e-25).all()


def test_an_ensemble_that_is_none_is_refused() -> None:
    for refused in (lambda: EnsembleMetric(MEMBERS[:1]), lambda: draws_energy(MEMBERS[:1], segment(Z[:1], Z[1:2], 4))):
        with pytest.raises(ValueError, match="at least two members, got 1.*LatentSpace"):
            refused()
    mixed = EnsembleMetric([net(0), net(1, pixels=7)])
    with pytest.raises(ValueError, match="one shape"):
        geodesic(mixed, Z[:1], Z[1:2])
    with pytest.raises(ValueError, match="chains"):
        draws_energy(MEMBERS, Z)
