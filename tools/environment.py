"""The one environment of the study: which interpreter to use, and how it is made on demand.

`python3 tools/environment.py create` makes or repairs `.venv` from requirements.lock unless the
interpreter that runs it already has what pyproject.toml asks for, with the lock's torch. `... python` prints the
interpreter to use.
It runs before anything is installed: standard library only, and any Python 3.8 can start it to be told which
one is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FREE_DISK = 8 * 2**30  # bytes: torch with its CUDA libraries takes 5.5 GB, and pip unpacks beside it
EXACT = ("torch", "torchvision")  # the study's figures and records are made with these versions, not merely later ones
REQUIREMENT = re.compile(r"([\w.-]+)\s*(==|>=)\s*([\w.]+)")


class EnvironmentFault(RuntimeError):
    """No environment can be made here; the message says why and what to do."""


def version(text: str) -> tuple[int, ...]:
    """The release numbers of a version: "2.14.1+cu130" is (2, 14, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text)[0]))


def satisfies(installed: str, relation: str, wanted: str) -> bool:
    """Whether version `installed` is in the relation `==` or `>=` to `wanted`, by release numbers."""
    if relation == "==":
        return version(installed) == version(wanted)
    return version(installed) >= version(wanted)


def requirements(project: Path) -> list[tuple[str, str, str]]:
    """(name, relation, version) of all that the study needs: every direct dependency in pyproject.toml, of the library
    and of each extra, and the exact versions of EXACT in requirements.lock."""
    import tomllib

    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = table["dependencies"] + sum(table["optional-dependencies"].values(), [])
    lock = (project / "requirements.lock").read_text(encoding="utf-8")
    texts += [line.partition(" ")[0] for line in lock.splitlines() if line.partition("==")[0] in EXACT]
    matches = [REQUIREMENT.fullmatch(text) for text in texts]
    if None in matches:
        raise ValueError(f"pyproject.toml: {texts[matches.index(None)]!r} is not of the form NAME==X or NAME>=X")
    return [match.groups() for match in matches]  # type: ignore[misc, union-attr]


def python_required(project: Path) -> str:
    """The oldest Python that pyproject.toml allows."""
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^requires-python\s*=\s*">=([\d.]+)"', text, re.MULTILINE)
    if not found:
        raise ValueError('pyproject.toml: no line requires-python = ">=X"')
    return found[1]


def suitable(project: Path) -> bool:
    """Whether the interpreter running this has all that pyproject.toml asks for and is not the project's `.venv`
    (which may be half installed, and has its stamp instead)."""
    venv = project / ".venv"
    if Path(sys.prefix).resolve() == venv.resolve() or sys.version_info < version(python_required(project)):
        return False
    try:
        return all(satisfies(metadata.version(name), relation, wanted)
                   for name, relation, wanted in requirements(project))
    except metadata.PackageNotFoundError:
        return False


def interpreter(project: Path) -> Path:
    """The interpreter that runs the study: the active one if it is suitable, else that of `.venv`."""
    return Path(sys.executable) if suitable(project) else project / ".venv" / "bin" / "python"


def create(project: Path) -> None:
    """Make `.venv` hold what requirements.lock says, unless the active interpreter is suitable. Raises
    EnvironmentFault.

    A stamp in `.venv` holds the lock file's sha256 and is written last, so a finished environment is left alone
    and an interrupted or outdated one is completed. Two processes take turns.
    """
    if suitable(project):
        return
    lock, stamp = project / "requirements.lock", project / ".venv" / "installed.sha256"
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another process is preparing .venv; waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        digest = hashlib.sha256(file.read()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest and _runs(project):
            return
        _check_host(project)
        print("preparing .venv from requirements.lock (a few minutes, once)", flush=True)
        if not _runs(project):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(project / ".venv")], check=True)
        _pip(project, "--require-hashes", "-r", str(lock))
        _pip(project, "--no-deps", "--no-build-isolation", "-e", str(project))
        temporary = stamp.with_suffix(".tmp")
        temporary.write_text(digest)
        os.replace(temporary, stamp)


def _runs(project: Path) -> bool:
    """Whether `.venv` has an interpreter that starts, is new enough and has pip."""
    required = version(python_required(project))
    code = f"import sys, pip; sys.exit(sys.version_info < {required})"
    try:
        command = [str(project / ".venv" / "bin" / "python"), "-c", code]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _check_host(project: Path) -> None:
    """Raise EnvironmentFault unless this Python and this disk can carry the environment."""
    required = python_required(project)
    if sys.version_info < version(required):
        raise EnvironmentFault(
            f"this is Python {sys.version.split()[0]} ({sys.executable}); {required} or later is needed. "
            "Name one: make PYTHON=/path/to/python3.11 ..., or: conda env create -f environment.yml")
    try:
        import ensurepip  # noqa: F401  # Debian and Ubuntu package it apart
        import venv  # noqa: F401
    except ImportError as error:
        raise EnvironmentFault(
            f"{sys.executable} has no module {error.name}, so it cannot make a virtual environment. "
            "Install it (Debian, Ubuntu: apt install python3-venv), or: conda env create -f environment.yml") from None
    free = shutil.disk_usage(project).free
    if free < FREE_DISK and not list(project.glob(".venv/lib/python*/site-packages/torch")):
        raise EnvironmentFault(
            f"{free / 2**30:.1f} GiB are free in {project}; the environment needs {FREE_DISK / 2**30:.0f} GiB. "
            "Free some space, or activate an environment that has the dependencies of pyproject.toml")


def _pip(project: Path, *arguments: str) -> None:
    """`pip install` into `.venv`."""
    python = project / ".venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    if subprocess.run(command).returncode != 0:
        raise EnvironmentFault(
            "pip could not install what requirements.lock asks for; its own message is above. It needs a package "
            "index: check the network or proxy, or name a mirror (PIP_INDEX_URL) or a folder of wheels "
            "(PIP_FIND_LINKS). A file whose hash is not in requirements.lock is refused: do not use it. "
            "Then run again: what is already installed is kept")


def main(arguments: list[str]) -> int:
    """`create` or `python`; returns the exit status."""
    if arguments == ["python"]:
        print(interpreter(PROJECT))
    elif arguments == ["create"]:
        try:
            create(PROJECT)
        except (EnvironmentFault, OSError, subprocess.CalledProcessError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    else:
        print(f"usage: {sys.argv[0]} create | python", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
