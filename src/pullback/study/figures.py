"""Figures with their provenance: NAME.png and NAME.pdf to look at, NAME.json to know what they are.

A sidecar's numbers are finite. Where a Jacobian is rank deficient, log_det is -inf and log_cond +inf:
`quantiles` are over the finite values, and the count of the others is given beside them as `rank_deficient`.
NaN is an error wherever it stands.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

from .data import data_hash
from .paths import PROJECT, make_folder, temporary_folder
from .profiles import Profile
from .provenance import SEAL, file_seal, seal

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of dates, which a reproducible PDF does not have

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
PANELS_TOLD = 6  # of a figure's panels, in its alternative text
DPI = 200  # of the PNG, and of what is rasterised in the PDF
WRITTEN_BY_A_RUN = ("figures", "notebooks", "results", "weights")  # changes there do not make the tree dirty


def save(
    fig: Figure,
    name: str,
    *,
    caption: str,
    profile: Profile,
    notebook: str,
    numbers: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    seed: int | None = None,
    checkpoints: Mapping[str, Mapping[str, str]] | None = None,
    wall_time: float | None = None,
) -> Path:
    """Write NAME.png, NAME.pdf and NAME.json into `profile.figures`; return the path of the PNG.

    `numbers` are what a reader would read off the figure, `checkpoints` the keys and weights of its models by name,
    `wall_time` the seconds it took to compute. PNG and PDF have the same bytes at every run; the sidecar holds their
    hashes and its own, by which `broken_seals` finds what was changed or exchanged later. The three are finished
    under temporary names and then moved, the sidecar last. Raises ValueError for a name outside [a-z0-9_]+ or a
    number that is not finite, OSError, naming the folder, if it cannot be written.
    """
    if not re.fullmatch("[a-z0-9_]+", name):
        raise ValueError(f"figure name {name!r}: only a-z, 0-9 and _ are allowed")
    shell = get_ipython()
    sidecar = {
        "figure": name,
        "caption": caption,
        "alt": alternative(fig, caption),
        "notebook": notebook,
        "cell": len(shell.user_ns["In"]) - 1 if shell else None,  # execution_count may be the next cell's
        "profile": profile.name,
        "parameters": _plain(parameters or {}, "parameters"),
        "seed": seed,
        "git": _git(PROJECT),
        "data": data_hash(profile.sample),
        "checkpoints": dict(checkpoints or {}),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("torch", "torchvision", "numpy", "matplotlib")},
        "device": torch.cuda.get_device_name() if torch.cuda.is_initialized() else "cpu",
        "threads": torch.get_num_threads(),
        "wall_time": _plain(wall_time, "wall_time"),
        "numbers": _plain(numbers, "numbers"),
    }
    folder = profile.figures
    try:
        make_folder(folder)
        with temporary_folder(folder, name) as temporary:
            whole = {suffix: temporary / f"{name}.{suffix}" for suffix in ("png", "pdf", "json")}
            fig.savefig(whole["png"], dpi=DPI, bbox_inches="tight", metadata={"Software": None})
            fig.savefig(whole["pdf"], dpi=DPI, bbox_inches="tight", metadata={"CreationDate": None})
            sidecar["files"] = {suffix: file_seal(whole[suffix]) for suffix in ("png", "pdf")}
            sidecar[SEAL] = seal(json.loads(json.dumps(sidecar)))
            text = json.dumps(sidecar, indent=2, ensure_ascii=False, allow_nan=False)
            whole["json"].write_text(f"{text}\n", encoding="utf-8")
            for path in whole.values():
                os.replace(path, folder / path.name)
    except OSError as error:
        raise OSError(f"figure {name} cannot be written into {folder}: {error}") from error
    return folder / f"{name}.png"


def small_png(fig: Figure) -> bytes:
    """A figure as a PNG of 256 colours, half the size, for a notebook. A step of k-means keeps the ends of a colour
    map, which the median cut alone loses."""
    whole, small = io.BytesIO(), io.BytesIO()
    fig.savefig(whole, format="png", bbox_inches="tight")
    Image.open(whole).convert("RGB").quantize(256, kmeans=1).save(small, "PNG", optimize=True)
    return small.getvalue()


def alternative(fig: Figure, caption: str) -> str:
    """A text in place of the figure: its caption, and what the axes of its first panels are."""
    told = []
    for ax in fig.axes:
        named = " against ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        title = ax.get_title() or ax.get_title(loc="left")
        told.append(": ".join(filter(None, (title, named))))
    told = list(dict.fromkeys(filter(None, told)))
    more = f"; and {len(told) - PANELS_TOLD} more" if len(told) > PANELS_TOLD else ""
    panels = f" Panels: {'; '.join(told[:PANELS_TOLD])}{more}." if told else ""
    return re.sub(r"[$\\\n{}]+", " ", caption + panels)


def broken_seals(folder: Path, name: str) -> list[str]:
    """Which files of the figure `name` are not those that `save` wrote together, by suffix: "png", "pdf", "json"."""
    sidecar = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    kept = sidecar.get("files", {})
    broken = [suffix for suffix in ("png", "pdf") if kept.get(suffix) != file_seal(folder / f"{name}.{suffix}")]
    return broken + ["json"] * (sidecar.get(SEAL) != seal(sidecar) or sidecar.get("figure") != name)


def load_sidecar(name: str, profile: Profile) -> dict[str, Any]:
    """The sidecar of the figure `name`. Raises FileNotFoundError, saying how to make it, if there is none."""
    path = profile.figures / f"{name}.json"
    if not path.is_file():
        remedy = f"run `PROFILE={profile.name} make figures`, or the notebook that draws it"
        raise FileNotFoundError(f"figure {name} has no sidecar at {path}; {remedy}")
    return json.loads(path.read_text(encoding="utf-8"))


def quantiles(values: np.ndarray | torch.Tensor) -> dict[str, Any]:
    """The 0, 5, 25, 50, 75, 95 and 100 % quantiles, linearly interpolated, of the finite values of an array
    of any shape; keys q0 to q100. Each is None if there is no value. Raises ValueError if a value is NaN or none is
    finite."""
    values = np.asarray(values, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(f"quantiles: {np.isnan(values).sum()} of {values.size} values are NaN")
    finite = values[np.isfinite(values)]
    if values.size and not finite.size:
        raise ValueError(f"quantiles: none of {values.size} values is finite")
    return {f"q{q}": float(np.percentile(finite, q)) if finite.size else None for q in QUANTILES}


def _plain(value: Any, where: str) -> Any:
    """`value` in the types JSON has; ValueError, naming the place, for a number that is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; a sidecar's numbers are finite: use `quantiles` and a count")
    return value


def _git(project: Path) -> dict[str, str | bool] | None:
    """Commit, and whether anything but what a run writes differs from it; None outside a repository."""

    def git(*arguments: str) -> list[str]:
        command = ["git", "-C", str(project), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    try:
        top, commit = git("rev-parse", "--show-toplevel", "HEAD")
        changed = git("status", "--porcelain", "--", ".", *(f":!{folder}" for folder in WRITTEN_BY_A_RUN))
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(changed)} if Path(top).resolve() == project.resolve() else None


def differences(first: Path, second: Path) -> list[str]:
    """What separates the numbers of two folders of figures: one line for each sidecar that is missing or differs."""
    numbers = [{p.stem: json.loads(p.read_text("utf-8"))["numbers"] for p in f.glob("*.json")} for f in (first, second)]
    lines = []
    for name in sorted(numbers[0].keys() | numbers[1].keys()):
        for found, folder in zip(numbers, (first, second), strict=True):
            if name not in found:
                lines.append(f"{name}: not in {folder}")
        if name in numbers[0] and name in numbers[1] and numbers[0][name] != numbers[1][name]:
            lines.append(f"{name}: other numbers in {second} than in {first}")
    return lines


if __name__ == "__main__":  # python -m pullback.study.figures FIRST SECOND: exit status 1 if their numbers differ
    found = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or f"the figures' numbers agree: {sys.argv[1]}, {sys.argv[2]}")
    sys.exit(bool(found))
