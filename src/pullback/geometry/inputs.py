"""Array-likes of callers as tensors, and the errors that say what was got and what is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_tensor(value: Any, name: str, dtype: torch.dtype | None = torch.float64) -> Tensor:
    """`value` as a dense tensor in `dtype`: a tensor, a numpy array, a number, or nested sequences of these.

    With dtype None, float32 and float64 stay as they are and all else becomes float64. A tensor keeps its device and
    its graph. Raises TypeError for what is no array of real numbers, naming the argument, and ValueError for ragged
    sequences and complex numbers.
    """
    wanted = f"{name} must be a tensor, a numpy array or a nested list of real numbers"
    if not isinstance(value, Tensor):
        if value is None or isinstance(value, str | bytes | dict | set):
            raise TypeError(f"{wanted}; got {_said(value)}")
        try:
            value = _stacked(value)
        except ValueError as error:
            raise ValueError(f"{wanted}, all rows of one length; got {_said(value)}: {error}") from None
        except (TypeError, RuntimeError) as error:
            raise TypeError(f"{wanted}; got {_said(value)}: {error}") from None
    if value.is_complex():
        raise ValueError(f"{wanted}; got complex numbers, {value.dtype}")
    if value.dtype is torch.bool:
        raise TypeError(f"{wanted}; got booleans")
    if value.layout is not torch.strided:
        value = value.to_dense()
    if dtype is None:
        dtype = value.dtype if value.dtype in (torch.float32, torch.float64) else torch.float64
    return value.to(dtype)


def as_points(value: Any, name: str, dtype: torch.dtype = torch.float64) -> Tensor:
    """`value` as latent points (..., k), k >= 1, all finite; ValueError or TypeError otherwise, naming the argument."""
    z = as_tensor(value, name, dtype)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., k) with k >= 1, got {tuple(z.shape)}")
    finite = z.isfinite()
    if not finite.all():
        bad = z.reshape(-1, z.shape[-1])[~finite.reshape(-1, z.shape[-1]).all(-1)][0]
        raise ValueError(f"{name} of shape {tuple(z.shape)} must be finite, got the latent point {bad.tolist()}")
    return z


def as_box(box: Any, name: str = "box") -> Tensor:
    """`box` as float64 (k, 2), one finite (low, high) with low < high a dimension; otherwise ValueError, TypeError."""
    limits = as_tensor(box, name)
    good = limits.ndim == 2 and limits.shape[1] == 2 and len(limits) > 0
    if not good or not bool(limits.isfinite().all() & (limits[:, 0] < limits[:, 1]).all()):
        raise ValueError(f"{name} must hold one finite (low, high) with low < high a dimension; got {box}")
    return limits


def check_dtype(dtype: object, name: str = "dtype") -> None:
    """ValueError unless `dtype` is float32 or float64, in which singular values can be had."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be torch.float64 or torch.float32; got {dtype}")


def _stacked(value: Any) -> Tensor:
    """By numpy, whose numbers are float64 by default, and not torch's float32."""
    if isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in value):
        return torch.stack([part if isinstance(part, Tensor) else _stacked(part) for part in value])
    array = np.asarray(value)
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"an array of {array.dtype}")
    return torch.from_numpy(np.array(array))


def _said(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) <= 60 else type(value).__name__
