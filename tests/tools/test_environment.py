"""pyproject.toml, requirements.lock and environment.yml say the same, and environment.py acts on it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import environment
from environment import EnvironmentFault, requirements, satisfies, version
from pullback.study.paths import PROJECT

PIN = re.compile(r"([\w.-]+)==([\w.]+)(?: ;[^\\]*)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def inconsistencies(project: Path) -> list[str]:
    """What the three files of `project` contradict each other in."""
    found, pins, name = [], {}, None
    for line in (project / "requirements.lock").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if match := PIN.fullmatch(line):
            name = canonical(match[1])
            pins[name] = match[2]
        elif not (match := HASH.fullmatch(line)) or name is None:
            found.append(f"lock: {line!r} is not an exact pin")
        elif not match[1]:  # the last hash of a pin
            name = None
    for name, relation, wanted in requirements(project):
        pinned = pins.get(canonical(name))
        if pinned is None:
            found.append(f"lock: {name} is missing")
        elif not satisfies(pinned, relation, wanted):
            found.append(f"lock: {name}=={pinned}, but pyproject wants {relation}{wanted}")
    conda = yaml.safe_load((project / "environment.yml").read_text())["dependencies"]
    python = [item for item in conda if isinstance(item, str) and item.startswith("python=")]
    pip = next((item["pip"] for item in conda if isinstance(item, dict)), [])
    minor = version(environment.python_required(project))[:2]
    if [version(item.partition("=")[2]) for item in python] != [minor]:
        found.append(f"environment.yml: {python}, but pyproject wants Python {minor}")
    if pip != ["-r requirements.lock"]:
        found.append(f"environment.yml: pip installs {pip}, not the lock")
    others = {item.partition("=")[0] for item in conda if isinstance(item, str)} - {"python", "pip"}
    if others:
        found.append(f"environment.yml: {sorted(others)} are not installed from the lock")
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that define the environment."""
    for name in ("pyproject.toml", "requirements.lock", "environment.yml"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def test_the_files_agree() -> None:
    assert inconsistencies(PROJECT) == []


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "complaint"),
    [
        ("requirements.lock", r"^torch==\S*", "torch==2.3.0", "lock: torch==2.3.0"),
        ("requirements.lock", r"^nbval==.*\n(    .*\n)*", "", "lock: nbval is missing"),
        ("requirements.lock", r"^six==.*\n(    .*\n)*", "six>=1.17.0 \\\\\n", "lock: 'six>="),
        ("requirements.lock", r"^six==.*\n(    .*\n)*", "six==1.17.0\n", "lock: 'six==1.17.0' is not"),
        ("requirements.lock", r"^scipy==\S*", "scipy==1.0", "lock: scipy==1.0"),
        ("pyproject.toml", r'"torchvision>=.*"', '"torchvision>=0.30.0"', "lock: torchvision"),
        ("environment.yml", r"python=.*", "python=3.10", "environment.yml: ['python=3.10']"),
        ("environment.yml", r"- pip$", "- pip\n  - numpy=1.26", "environment.yml: ['numpy']"),
        ("environment.yml", r"-r requirements.lock", "-r requirements.txt", "environment.yml: pip installs"),
    ],
)
def test_a_planted_inconsistency_is_found(
    project: Path, name: str, pattern: str, replacement: str, complaint: str
) -> None:
    edit(project / name, pattern, replacement)
    (found,) = inconsistencies(project)
    assert found.startswith(complaint)


def test_the_lock_names_no_place_of_its_own() -> None:
    assert not re.search(r"://|^-|@|index|host", (PROJECT / "requirements.lock").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("installed", "relation", "wanted", "truth"),
    [
        ("2.14.1+cu130", "==", "2.14.1", True),
        ("2.14.10", "==", "2.14.1", False),
        ("1.10.0", ">=", "1.9", True),
        ("1.8.9", ">=", "1.9", False),
        ("9.0rc1", ">=", "8.2", True),
    ],
)
def test_versions_compare_by_number(installed: str, relation: str, wanted: str, truth: bool) -> None:
    assert satisfies(installed, relation, wanted) is truth


def test_an_unreadable_requirement_is_refused(project: Path) -> None:
    edit(project / "pyproject.toml", r'"numpy>=.*"', '"numpy~=2.0"')
    with pytest.raises(ValueError, match="numpy~=2.0"):
        requirements(project)


def test_the_active_interpreter_is_used_only_if_it_has_everything(project: Path, monkeypatch) -> None:
    pinned = {name: wanted for name, _, wanted in requirements(project)}
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")  # the lock's, not merely recent ones
    monkeypatch.setattr(metadata, "version", pinned.__getitem__)
    assert environment.interpreter(project) == Path(sys.executable)
    environment.create(project)
    assert not (project / ".venv").exists()
    pinned["torch"] = "2.13.0"  # recent enough for the library, another than that of the committed figures
    assert environment.interpreter(project) == project / ".venv" / "bin" / "python"


@pytest.fixture
def tiny(project: Path, monkeypatch) -> Path:
    """A project whose environment takes no download: an empty lock, and pip replaced by a record of its calls."""
    (project / "requirements.lock").write_text("# nothing\n")
    monkeypatch.setattr(environment, "suitable", lambda project: False)
    monkeypatch.setattr(environment, "FREE_DISK", 0)
    monkeypatch.setattr(environment, "_runs", lambda project: (project / ".venv/bin/python").exists())
    calls = project / "calls"
    script = f'#!/bin/sh\necho "$@" >> "{calls}"\ntest ! -e "{project}/offline"\n'

    def fake(command: list[str], **options: object) -> subprocess.CompletedProcess:
        if command[1:3] == ["-m", "venv"]:
            (project / ".venv/bin").mkdir(parents=True)
            (project / ".venv/bin/python").write_text(script)
            (project / ".venv/bin/python").chmod(0o755)
            return subprocess.CompletedProcess(command, 0)
        return real(command, **options)

    real = subprocess.run
    monkeypatch.setattr(environment.subprocess, "run", fake)
    return project


def pip_calls(project: Path) -> int:
    return len((project / "calls").read_text().splitlines()) if (project / "calls").exists() else 0


def test_the_environment_is_made_once_and_again_when_the_lock_changes(tiny: Path) -> None:
    environment.create(tiny)
    stamp = tiny / ".venv" / "installed.sha256"
    assert stamp.read_text() == hashlib.sha256(b"# nothing\n").hexdigest()
    assert pip_calls(tiny) == 2
    assert "--require-hashes -r" in (tiny / "calls").read_text().splitlines()[0]
    environment.create(tiny)
    assert pip_calls(tiny) == 2
    (tiny / "requirements.lock").write_text("# something else\n")
    environment.create(tiny)
    assert pip_calls(tiny) == 4


def test_an_interrupted_install_is_completed(tiny: Path) -> None:
    (tiny / "offline").touch()
    with pytest.raises(EnvironmentFault, match="PIP_INDEX_URL"):
        environment.create(tiny)
    assert not (tiny / ".venv" / "installed.sha256").exists()
    (tiny / "offline").unlink()
    environment.create(tiny)
    assert (tiny / ".venv" / "installed.sha256").exists()


def test_an_old_python_is_told_which_one_is_needed(tiny: Path, monkeypatch) -> None:
    info = namedtuple("info", "major minor micro releaselevel serial")(3, 9, 6, "final", 0)
    monkeypatch.setattr(sys, "version_info", info)
    with pytest.raises(EnvironmentFault, match="3.11 or later is needed"):
        environment.create(tiny)
    assert not (tiny / ".venv").exists()


def test_a_missing_venv_module_is_named(tiny: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(EnvironmentFault, match="no module ensurepip.*python3-venv"):
        environment.create(tiny)


def test_a_full_disk_is_refused_before_anything_is_made(tiny: Path, monkeypatch) -> None:
    monkeypatch.setattr(environment, "FREE_DISK", 2**80)
    with pytest.raises(EnvironmentFault, match="GiB are free"):
        environment.create(tiny)
    assert not (tiny / ".venv").exists()


def test_it_needs_nothing_but_the_standard_library() -> None:
    script = PROJECT / "tools" / "environment.py"
    command = [sys.executable, "-I", "-S", str(script), "python"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(PROJECT / ".venv" / "bin" / "python")
