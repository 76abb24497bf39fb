"""Files appear whole or not at all, and what a killed process left goes when its folder is next written to."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pullback.study import paths
from pullback.study.paths import remove_abandoned, temporary_folder, write_atomically


def _killed_while_writing(path: Path) -> None:
    os.replace = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
    write_atomically(path, b"new")


def _killed_in_a_folder(path: Path) -> None:
    with temporary_folder(path.parent, "figure_1") as folder:
        (folder / "figure_1.png").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def killed(task: Callable[[Path], None], path: Path) -> list[Path]:
    """What a process leaves that is killed in `task`."""
    process = multiprocessing.get_context("fork").Process(target=task, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (left,) = (found for found in path.parent.iterdir() if found != path)
    assert f"-{process.pid}-" in left.name
    return [left]


@pytest.mark.parametrize("task", [_killed_while_writing, _killed_in_a_folder])
def test_what_a_killed_process_left_goes_at_the_next_write(tmp_path: Path, task: Callable[[Path], None]) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")
    assert killed(task, path)
    assert path.read_bytes() == b"old"
    write_atomically(tmp_path / "other", b"")
    assert {found.name for found in tmp_path.iterdir()} == {"x.safetensors", "other"}


def test_nothing_else_goes(tmp_path: Path) -> None:
    """Not what a living process makes (this one; process 1, another user's), what another machine makes, or what only
    looks like a temporary file."""
    (gone,) = killed(_killed_while_writing, tmp_path / "a")
    machine, process = paths._machine(), gone.name.rpartition("-")[0].rpartition("-")[2]
    kept = [
        f".a.{machine}-{os.getpid()}-xyz.tmp",
        f".a.{machine}-1-xyz.tmp",
        f".a.{'0' * 8}-{process}-xyz.tmp",
        f".a.{machine}-{process}-xyz",
        f"a.{machine}-{process}-xyz.tmp",
        f".a.{machine}-{'9' * 10}9-xyz.tmp",
        ".x.safetensors.1q2w3e4r",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    remove_abandoned(tmp_path)
    assert sorted(found.name for found in tmp_path.iterdir()) == sorted(kept)


def test_a_link_goes_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (gone,) = killed(_killed_while_writing, tmp_path / "a")
    gone.unlink()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_bytes(b"")
    gone.symlink_to("precious")
    remove_abandoned(tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == ["precious"] and (tmp_path / "precious" / "file").exists()


def test_a_missing_folder_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "nowhere")


def test_another_space_of_processes_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    here = paths._machine()
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    assert paths._machine.__wrapped__() != here


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=f"No space left.*{path}"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
