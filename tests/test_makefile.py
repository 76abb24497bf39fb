"""The Makefile's own lists agree with the project, and it refuses what it does not know before it does anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pullback.study.paths import PROJECT, build_root, make_folder
from pullback.study.profiles import PROFILES
from run_notebook import NOTEBOOKS

Done = subprocess.CompletedProcess


def make(*arguments: str, folder: Path = PROJECT, project: Path = PROJECT, **variables: str) -> Done:
    """Run make on the project from another folder, without what an outer make has set."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}
    outer |= {"PROFILE", "WEIGHTS", "PULLBACK_BUILD", "PULLBACK_JOBS", "PYTHON"}
    env = {key: value for key, value in os.environ.items() if key not in outer}
    command = ["make", "--no-print-directory", "-C", str(project), *arguments]
    return subprocess.run(command, cwd=folder, env=env | variables, capture_output=True, text=True)


def planned(profile: str, build: Path) -> list[str]:
    """Notebooks that a run from nothing would execute, in make's order."""
    plan = make("-n", "figures", f"PROFILE={profile}", f"PULLBACK_BUILD={build}")
    return re.findall(rf"run_notebook.py (\w+) --profile {profile}", plan.stdout)


def test_help_is_the_default_and_has_one_line_a_target(tmp_path: Path) -> None:
    lines = make(folder=tmp_path).stdout.splitlines()
    targets = ["help", "figures", "seeds", "scheduler", "worker", "verify", "test", "lab", "site", "report", "bench",
               "lint", "clean"]
    assert [line.split()[:2] for line in lines] == [["make", target] for target in targets]


@pytest.mark.parametrize("target", ["figures", "test", "help"])
@pytest.mark.parametrize("profile", ["big", "", "smoke paper", "smoke ", "smoke\t", "$(PROFILES)", "smo'ke", '"'])
def test_an_unknown_profile_is_refused_at_once(target: str, profile: str) -> None:
    done = make("-n", target, f"PROFILE={profile}")
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"unknown PROFILE '{profile}'; the profiles are: {' '.join(PROFILES)}" in done.stderr


AWKWARD = ["a b", " a", "a ", "a\tb", "a\nb", "a$b", "$(shell touch owned)", "it's", 'a"b', "a`b", "a\\b", "a;b", "a&b",
           "a|b", "a<b", "a>b", "(a)", "{a}", "[a]", "a*", "a?", "!a", "~a", "a%b", "a:b", "a=b", "a#b"]


@pytest.mark.parametrize(("name", "value"), [
    *(("PULLBACK_BUILD", value) for value in AWKWARD), ("PULLBACK_JOBS", "2; echo"), ("PYTHON", "a b"),
])
def test_what_make_cannot_hold_is_refused_before_anything_is_done(name: str, value: str, tmp_path: Path) -> None:
    done = make("clean", folder=tmp_path, **{name: value})
    assert done.returncode == 2 and done.stdout == ""
    assert f"{name} is '{value}'; make cannot work with a name that holds" in done.stderr
    assert not list(PROJECT.glob("owned")) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["my study", "a$b", "it's", 'a"b', "a:b"])
def test_a_checkout_whose_path_make_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    shutil.copy(PROJECT / "Makefile", tmp_path / name)
    done = make("help", project=tmp_path / name)
    assert done.returncode == 2 and "the folder of this checkout is" in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile alone, so that nothing of the real checkout can be removed."""
    folder = tmp_path / "checkout"
    for name in ("src", "tests", "tools", "benchmarks", "notebooks", "site"):
        (folder / name).mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", folder)
    return folder


@pytest.mark.parametrize("build", ["relative-1.2", "é", "{tmp}/absolute", ""])
def test_clean_removes_what_the_project_made_and_nothing_else(
    checkout: Path, tmp_path: Path, build: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build.format(tmp=tmp_path)
    monkeypatch.setenv("PULLBACK_BUILD", str(checkout / (build or "build")))
    make_folder(build_root() / "smoke" / "figures")
    make_folder(build_root() / "checkpoints")
    theirs = build_root() / "paper"  # there before the project came
    theirs.mkdir()
    make_folder(theirs / "figures")
    done = make("clean", project=checkout, PULLBACK_BUILD=build)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in build_root().iterdir()) == ["checkpoints", "paper"]
    assert (theirs / "figures").is_dir() and "paper stays" in done.stderr


def test_clean_keeps_a_folder_with_a_space_whole(checkout: Path, tmp_path: Path) -> None:
    """PULLBACK_BUILD="$HOME/old stuff/build" make clean once removed $HOME/old."""
    for name in ("old", "old stuff/build/paper"):
        (tmp_path / name).mkdir(parents=True)
    assert make("clean", project=checkout, PULLBACK_BUILD=f"{tmp_path}/old stuff/build").returncode != 0
    assert (tmp_path / "old").is_dir() and (tmp_path / "old stuff" / "build" / "paper").is_dir()


def test_a_notebook_is_run_again_when_code_that_it_depends_on_changes_and_only_then(tmp_path: Path) -> None:
    stamps = tmp_path / "smoke" / "stamps"
    stamps.mkdir(parents=True)
    every = planned("smoke", tmp_path)
    for name in every:
        (stamps / f"{name}.done").write_text("1.0\n")

    def after_change_of(file: str) -> list[str]:
        plan = make("-n", "figures", "PROFILE=smoke", f"PULLBACK_BUILD={tmp_path}", "-W", f"src/pullback/{file}")
        return re.findall(r"run_notebook.py (\w+) --profile smoke", plan.stdout)

    assert after_change_of("study/sweep.py") == after_change_of("study/cluster.py") == []
    assert set(after_change_of("study/claims/catalogue.py")) == {every[-1]}
    assert set(after_change_of("study/training.py")) >= {name for name in every if name[:2] != "00"}
    assert {"05_geodesics", "06_premise"} <= set(after_change_of("geodesics/newton.py"))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_notebook_is_run_after_those_it_needs(profile: str, tmp_path: Path) -> None:
    order = planned(profile, tmp_path)
    assert sorted(order) == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb") if ".failed" not in path.name)
    training, study = {"01_train_vae", "02_train_dae", "03_train_gan"}, {"04_jacobian_maps", "05_geodesics"}
    assert max(map(order.index, training)) < min(map(order.index, study))
    assert order[-3:] == ["07_away_from_data", "08_other_data", "09_summary"]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    stamps = tmp_path / "smoke" / "stamps"
    stamps.mkdir(parents=True)
    for name in planned("smoke", tmp_path):
        (stamps / f"{name}.done").write_text("1.0\n")
    assert planned("smoke", tmp_path) == []
    (stamps / "04_jacobian_maps.done").unlink()
    assert planned("smoke", tmp_path) == ["04_jacobian_maps", "09_summary"]


@pytest.mark.parametrize("weights", ["mine", "", "train published"])
def test_unknown_weights_are_refused_at_once(weights: str) -> None:
    done = make("-n", "figures", f"WEIGHTS={weights}")
    assert done.returncode != 0 and done.stdout == ""
    assert f"unknown WEIGHTS '{weights}'; valid are: train published" in done.stderr


def test_figures_train_unless_published_weights_are_asked_for_and_each_has_marks_of_its_own(tmp_path: Path) -> None:
    """So a run with published weights never passes for one from raw MNIST."""
    stamps = tmp_path / "smoke" / "stamps-published"
    stamps.mkdir(parents=True)
    for path in NOTEBOOKS.glob("*.ipynb"):
        (stamps / f"{path.stem}.done").write_text("1.0\n")
    plan = {weights: make("-n", "figures", "PROFILE=smoke", f"PULLBACK_BUILD={tmp_path}", f"WEIGHTS={weights}").stdout
            for weights in ("train", "published")}
    assert "01_train_vae --profile smoke --weights train" in plan["train"]
    assert "01_train_vae" not in plan["published"]
