"""The Makefile's own lists agree with the project, and it refuses what it does not know before it does anything."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pullback.study.paths import PROJECT
from pullback.study.profiles import PROFILES
from run_notebook import NOTEBOOKS


def make(*arguments: str, folder: Path = PROJECT) -> subprocess.CompletedProcess:
    """Run make on the project from another folder, without what an outer make has set."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PROFILE", "PULLBACK_BUILD"}
    env = {key: value for key, value in os.environ.items() if key not in outer}
    command = ["make", "--no-print-directory", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def planned(profile: str, build: Path) -> list[str]:
    """Notebooks that a run from nothing would execute, in make's order."""
    plan = make("-n", "figures", f"PROFILE={profile}", f"PULLBACK_BUILD={build}")
    return re.findall(rf"run_notebook.py (\w+) --profile {profile}", plan.stdout)


def test_help_is_the_default_and_has_one_line_a_target(tmp_path: Path) -> None:
    lines = make(folder=tmp_path).stdout.splitlines()
    targets = ["help", "figures", "seeds", "worker", "verify", "test", "lab", "bench", "lint", "clean"]
    assert [line.split()[:2] for line in lines] == [["make", target] for target in targets]


@pytest.mark.parametrize("target", ["figures", "test", "help"])
@pytest.mark.parametrize("profile", ["big", "", "smoke paper"])
def test_an_unknown_profile_is_refused_at_once(target: str, profile: str) -> None:
    done = make("-n", target, f"PROFILE={profile}")
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"unknown PROFILE '{profile}'; the profiles are: {' '.join(PROFILES)}" in done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_every_notebook_is_run_after_those_it_needs(profile: str, tmp_path: Path) -> None:
    order = planned(profile, tmp_path)
    assert sorted(order) == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb") if ".failed" not in path.name)
    assert set(order[:3]) == {"01_train_vae", "02_train_dae", "03_train_gan"}
    assert order[-1] == "07_summary"


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    stamps = tmp_path / "smoke" / "stamps"
    stamps.mkdir(parents=True)
    for name in planned("smoke", tmp_path):
        (stamps / f"{name}.done").write_text("1.0\n")
    assert planned("smoke", tmp_path) == []
    (stamps / "04_jacobian_maps.done").unlink()
    assert planned("smoke", tmp_path) == ["04_jacobian_maps", "07_summary"]
