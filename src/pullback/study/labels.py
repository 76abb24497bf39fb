"""What figures, tables and prose call models and families; keys, which name files and records, stay as they are."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

COLLAPSED_GAN = "GAN, batch norm in D"  # D is the discriminator
PLAIN_GAN = "GAN, no batch norm in D"
R1_GAN = "GAN, no batch norm in D, R1 penalty"
NOISELESS_DAE = "DAE, no noise"
FAMILY_NAMES = ("VAE", "DAE", R1_GAN, COLLAPSED_GAN, PLAIN_GAN, NOISELESS_DAE)
PLURALS = {name: name.replace(name[:3], f"{name[:3]}s", 1) for name in FAMILY_NAMES}


def family(model: str) -> str:
    """The family, of FAMILY_NAMES, of the model whose key is `model`."""
    kind, *rest = model.split("-")
    if kind != "gan":
        return NOISELESS_DAE if "none" in rest else kind.upper()
    return R1_GAN if "r1" in rest else PLAIN_GAN if "nobn" in rest else COLLAPSED_GAN


def architecture(model: str) -> str:
    """For instance "128-32 tanh" of vae-128-32-tanh."""
    _, outer, inner, activation, *_ = model.split("-")
    return f"{outer}-{inner} {activation}"


def label(model: str) -> str:
    """For instance "VAE 128-32 tanh" of vae-128-32-tanh; any other text stays as it is."""
    parts = model.split("-")
    if parts[0] not in ("vae", "dae", "gan") or len(parts) < 4:
        return model
    kind, *settings = family(model).split(", ")
    return ", ".join((f"{kind} {architecture(model)}", *settings))


def readable(table: pd.DataFrame, digits: int = 2) -> pd.DataFrame:
    """A table for the eye: models by their labels, whole columns as integers, numbers rounded and never "-0", nothing
    where there is no number."""
    shown = table.rename(index=_named, columns=_named)
    return shown.apply(lambda column: column.map(lambda value: _number(value, _whole(column), digits)))


def _named(name: Any) -> Any:
    if isinstance(name, str):
        return label(name)
    return int(name) if isinstance(name, float) and name.is_integer() else name


def _whole(column: pd.Series) -> bool:
    values = pd.to_numeric(column, errors="coerce").dropna()
    return len(values) > 0 and bool((values % 1 == 0).all())


def _number(value: Any, whole: bool, digits: int) -> Any:
    if isinstance(value, str):
        return label(value)
    if isinstance(value, bool) or value is None:
        return "" if value is None else value
    if math.isnan(value):
        return ""
    text = f"{value:.{0 if whole else digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
