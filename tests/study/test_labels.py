"""What models and families are called where somebody reads it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pullback.study.labels import COLLAPSED_GAN, FAMILY_NAMES, NOISELESS_DAE, PLAIN_GAN, R1_GAN, family, label, readable
from pullback.study.models import STUDY


def test_every_model_of_the_study_has_a_family_and_a_label_of_its_own() -> None:
    gans = [f"gan-128-32-tanh{settings}" for settings in ("-nobn-r1", "", "-nobn")]
    names = ["vae-128-32-tanh", "dae-256-64-sigmoid", *gans, "dae-128-32-tanh-none"]
    wanted = ["VAE", "DAE", R1_GAN, COLLAPSED_GAN, PLAIN_GAN, NOISELESS_DAE]
    assert [family(name) for name in names] == list(FAMILY_NAMES) == wanted
    assert label("dae-128-32-tanh-none") == "DAE 128-32 tanh, no noise"
    labels = {label(name) for name in STUDY}
    assert len(labels) == len(STUDY)
    assert {"VAE 128-32 tanh", "GAN 256-64 sigmoid, batch norm in D",
            "GAN 128-32 tanh, no batch norm in D, R1 penalty"} < labels  # fmt: skip
    assert label("log_det") == "log_det"


def test_a_table_for_the_eye_has_no_minus_zero_no_250_0_images_and_no_nan() -> None:
    table = pd.DataFrame({"images": [250.0, 1000.0], "x": [-0.001, 1.239], "y": [np.nan, -2.5],
                          "name": ["dae-8-4-tanh", None]}, index=["vae-128-32-tanh", "other"])  # fmt: skip
    shown = readable(table)
    assert list(shown.index) == ["VAE 128-32 tanh", "other"]
    assert shown.to_numpy().tolist() == [["250", "0.00", "", "DAE 8-4 tanh"], ["1000", "1.24", "-2.50", ""]]
    assert readable(table, 1)["x"].tolist() == ["0.0", "1.2"]
