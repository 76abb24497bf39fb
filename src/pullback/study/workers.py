"""Tasks side by side: one process and one thread each, with messages of progress to the parent."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

START = "forkserver" if sys.platform == "linux" else "spawn"  # elsewhere a fork may break what was imported before it
_messages: multiprocessing.Queue | None = None  # in a worker: where its progress goes


def say(message: Any) -> None:
    """Hand a message of progress, from inside a task, to the `progress` of `side_by_side`."""
    assert _messages is not None
    _messages.put(message)


def job_count(default: int | None = None) -> int:
    """PULLBACK_JOBS if it is set, else `default`, else the number of processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _positive("PULLBACK_JOBS") or default or processors


def side_by_side(
    task: Callable[..., None],
    arguments: Iterable[tuple[Any, ...]],
    jobs: int,
    what: str,
    progress: Callable[[Any], object],
) -> None:
    """`task(*a)` for each a of `arguments`, started in that order, `jobs` at a time, each in a process of its own.

    On Linux the processes come from one that has imported the task's module and done nothing else, so that torch is
    imported once and not by each of them. They have this process's environment variables of now.

    `progress` is called here with whatever the tasks `say`. The first error, or an interrupt, ends all of them and is
    raised here; RuntimeError if a process was killed, at `what`. A script that calls this needs the usual
    `if __name__ == "__main__":` guard.
    """
    context = multiprocessing.get_context(START)
    context.set_forkserver_preload([task.__module__])
    messages = context.Queue()
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, context, _start_worker, (messages, dict(os.environ)))
    try:
        running = {executor.submit(task, *a) for a in arguments}
        while running:
            done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            _relay(messages, progress)
            for future in done:
                future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a process was killed while {what}, most often for want of memory. Set PULLBACK_JOBS=1 and run "
            "again: what was finished is kept"
        ) from error
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
            worker.join()
        _relay(messages, progress)
        raise
    executor.shutdown()
    _relay(messages, progress)


def _start_worker(messages: multiprocessing.Queue, environment: Mapping[str, str]) -> None:
    global _messages
    _messages = messages
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches all processes; the parent alone answers it
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise work on, unseen."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _relay(messages: multiprocessing.Queue, progress: Callable[[Any], object]) -> None:
    while True:
        try:
            progress(messages.get(timeout=0.05))
        except queue.Empty:
            return


def _positive(variable: str) -> int | None:
    """The environment variable as a positive integer, None if it is not set."""
    text = os.environ.get(variable)
    if text and not (text.isdecimal() and int(text) > 0):
        raise ValueError(f"{variable} must be a positive integer, got {text!r}")
    return int(text) if text else None
