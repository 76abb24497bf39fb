"""How well the distances of the study's pairs are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pullback.study.solvers import certificates
from pullback.study.solvers.scores import Bounds


def test_pairs_of_distance_zero_count_only_where_there_is_no_other() -> None:
    """As a GAN that has collapsed has them: their distance is known, and their gap is 0."""
    limits = {"gan": Bounds(np.array([0.0, 2.0]), np.array([0.0, np.nan])),
              "vae": Bounds(np.array([0.0, 1.1]), np.array([0.0, 1.0]))}  # fmt: skip
    agreed = SimpleNamespace(optimum=SimpleNamespace(agreed=torch.tensor([True, True])))
    found = certificates.shares_certified(limits, {"gan": agreed, "vae": agreed})
    assert found.loc["gan"].tolist() == [1, 1, 1, 1, 0, 0]
    assert found.loc["vae"].tolist() == pytest.approx([1, 1, 0, 0, 0.1, 0.1])
