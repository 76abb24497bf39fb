"""The sweep on a Dask cluster: a scheduler and workers that listen where they are told to, and work sent to them.

Whoever reaches a port of Dask's runs code there. So scheduler and workers listen on the loopback address unless
LISTEN names another, and Dask's own TLS settings (docs/cluster.md) hold for scheduler, workers and client alike.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .errors import SweepError
from .workers import job_count

CONNECT_SECONDS = 5.0
LOOPBACK = "127.0.0.1"
TOPIC = "pullback"  # under which workers tell of their progress
Given = TypeVar("Given")
Result = TypeVar("Result")


def require_dask() -> None:
    """Raise SweepError unless Dask is installed; the study needs it for this only."""
    if importlib.util.find_spec("distributed") is None:
        raise SweepError("Dask is not installed: pip install 'pullback[cluster]'")


def connect(address: str) -> Any:
    """A client of the scheduler at `address`, with Dask's TLS settings.

    Raises SweepError if no scheduler answers within CONNECT_SECONDS. The scheduler is asked for its name first, because
    a client that fails cannot be closed, and one that waits for a silent scheduler waits for ever.
    """
    require_dask()
    from distributed import Client
    from distributed.comm import connect as open_connection
    from distributed.security import Security

    async def greet() -> None:
        secured = security.get_connection_args("client")
        connection = await open_connection(address, timeout=CONNECT_SECONDS - 1, **secured)
        try:
            await connection.write({"op": "identity", "reply": True})
            await connection.read()
        finally:
            connection.abort()

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what a user needs to know, SweepError says
    try:
        security = Security()
        asyncio.run(asyncio.wait_for(greet(), CONNECT_SECONDS))
        return Client(address, timeout=CONNECT_SECONDS, security=security)
    except Exception as error:  # what does not speak Dask's protocol can break it in any way
        silent = f"no answer within {CONNECT_SECONDS:g} s" if isinstance(error, TimeoutError) else ""
        raise SweepError(
            f"no Dask scheduler answers at {address!r} ({silent or f'{type(error).__name__}: {error}'}). Start one "
            "(`make scheduler`) and set SCHEDULER to the address that it prints, such as tcp://host:8786. "
            "One that speaks TLS (tls://) needs Dask's TLS settings here, too: see docs/cluster.md"
        ) from error


def on_workers(
    client: Any,
    address: str,
    work: Callable[[Given], Result],
    tasks: dict[str, Given],
    progress: Callable[[str], None],
) -> Iterator[tuple[Given, Result]]:
    """Each task with its result `work(task)`, in the order in which the client's workers finish them.

    `tasks` by the names that errors give them. `progress` receives what workers say with `tell`. Raises SweepError for
    a task that is lost again and again and a scheduler that is gone, and what `work` raises.
    """
    from concurrent.futures import CancelledError

    from distributed import KilledWorker, as_completed

    client.subscribe_topic(TOPIC, lambda event: progress(event[1]))
    if not client.scheduler_info()["workers"]:
        progress(f"the scheduler at {address} has no workers yet: waiting for some (SCHEDULER={address} make worker)")
    futures = {client.submit(work, task, pure=False): name for name, task in tasks.items()}
    for future in as_completed(futures):
        name = futures.pop(future)
        try:
            result = future.result()
        except KilledWorker as error:
            raise SweepError(f"{name} was lost with its worker again and again, most often for want of memory: give "
                             "the workers more, and run again") from error
        except (CancelledError, OSError) as error:
            raise SweepError(f"the scheduler at {address} is gone. What was finished is kept: run again") from error
        except ModuleNotFoundError as error:
            raise SweepError(f"a worker cannot import {error.name}: install requirements.lock and this project "
                             "where the workers run") from error
        yield tasks[name], result


def this_worker() -> Any:
    """On a worker, in a task: the worker. Raises SweepError if it has more than one thread, because torch's seeds
    belong to the process."""
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        raise SweepError(
            f"the worker {worker.address} has {worker.state.nthreads} threads, and a process trains one model at a "
            "time: start it with --nthreads 1, and --nworkers for more processes"
        )
    return worker


def tell(worker: Any, line: str) -> None:
    """A line of progress, from inside a task."""
    worker.log_event(TOPIC, f"{line} on {worker.name}")


def scheduler_command(listen: str) -> list[str]:
    """Arguments of Dask's scheduler that listens on `listen` only, its status page included."""
    require_dask()
    import dask

    tls = dask.config.get("distributed.comm.tls.ca-file", None)
    return ["dask_scheduler", *_bound(listen), *(["--protocol", "tls"] if tls else [])]


def worker_command(address: str | None, listen: str) -> list[str]:
    """Arguments of Dask's workers, one process of one thread a processor, that listen on `listen` only.

    Raises SweepError without a scheduler's address, and for a scheduler elsewhere, which could not reach workers that
    listen on the loopback address.
    """
    require_dask()
    if not address:
        raise SweepError("a worker needs the address of its scheduler: SCHEDULER=tcp://host:port make worker")
    if _is_loopback(listen) and not _is_loopback(urlsplit(address).hostname or ""):
        raise SweepError(
            f"the scheduler at {address} could not reach a worker that listens on {listen}: name an address of this "
            "machine that it can reach, LISTEN=address make worker, and read docs/cluster.md on what that exposes"
        )
    protocol = ["--protocol", "tls"] if address.startswith("tls://") else []
    return ["dask_worker", address, *_bound(listen), *protocol, "--nthreads", "1", "--nworkers", str(job_count())]


def _bound(listen: str) -> list[str]:
    """Options that bind the ports of a scheduler or worker. Dask serves a status page even without a dashboard."""
    return ["--host", listen, "--dashboard-address", f"{listen}:0", "--no-dashboard"]


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Become a scheduler, or workers of the one at SCHEDULER. Returns the exit status if that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m pullback.study.cluster", description=main.__doc__)
    parser.add_argument("role", choices=("scheduler", "worker"))
    chosen, options = parser.parse_known_args(arguments)
    listen = os.environ.get("LISTEN") or LOOPBACK
    try:
        if chosen.role == "scheduler":
            module, *command = scheduler_command(listen)
        else:
            module, *command = worker_command(os.environ.get("SCHEDULER"), listen)
    except (SweepError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not _is_loopback(listen) and "tls" not in command:
        print(f"whoever reaches {listen} can run code here: see docs/cluster.md on TLS", file=sys.stderr, flush=True)
    os.execv(sys.executable, [sys.executable, "-m", f"distributed.cli.{module}", *command, *options])


if __name__ == "__main__":
    sys.exit(main())
