"""Checks of what a user chooses, made before anything else: by type and by range, with the valid values named."""

from __future__ import annotations

from collections.abc import Iterable

import torch

LARGEST_SEED = 2**32 - 1  # numpy's limit; torch's is higher


def one_of(what: str, value: object, valid: Iterable[str]) -> str:
    """`value` if it is one of the names `valid`. Raises ValueError, listing them, if it is not."""
    valid = tuple(valid)
    if not isinstance(value, str) or value not in valid:
        raise ValueError(f"unknown {what} {_shown(value)}; valid: {', '.join(valid)}")
    return value


def whole(name: str, value: object, least: int, most: int) -> int:
    """`value` if it is an integer, no boolean, from `least` to `most`. Raises ValueError if it is not."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}, got {_shown(value)}")
    return value


def real(name: str, value: object, least: float, most: float) -> float:
    """`value` if it is a finite number, no boolean, from `least` to `most`. Raises ValueError if it is not."""
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:  # not so for NaN
        return value
    raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {_shown(value)}")


def seed(value: object) -> int:
    """`value` if it can be the seed of trainings and draws. Raises ValueError if it cannot."""
    return whole("seed", value, 0, LARGEST_SEED)


def choose_device(name: object = "auto") -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one and the CPU elsewhere.

    Raises ValueError, listing what this machine has, for any other name.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    valid = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{number}" for number in range(count))]
    if isinstance(name, str) and name.startswith("cuda") and not count:
        raise ValueError(f"device {name!r}: torch finds no CUDA here; the devices are {', '.join(valid)}")
    name = one_of("device", name, valid)
    return torch.device(("cuda" if count else "cpu") if name == "auto" else name)


def _shown(value: object) -> str:
    """`value` as an error shows it: a number of a thousand digits would hide the rest."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
