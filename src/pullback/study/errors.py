"""The errors a user of the study can meet; each message says what, where and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable


class DataError(RuntimeError):
    """A data set is missing, incomplete or not the files it should be."""


class CheckpointError(RuntimeError):
    """A checkpoint is corrupt, truncated or belongs to another model."""


class DivergenceError(RuntimeError):
    """A training loss is no longer finite."""


class NotebookError(RuntimeError):
    """A notebook cannot be run, or failed while it ran."""


class SweepError(RuntimeError):
    """The sweep cannot go on: no scheduler, a worker that does not fit, or work that is lost again and again."""


class RecordError(RuntimeError):
    """A record of the sweep, or a list of claims, is missing or not whole."""


def status(work: Callable[[], object]) -> int:
    """Do the work of a command that keeps what it has finished, and return the command's exit status. An error a user
    can meet, and an interrupt, are told in one line on standard error."""
    try:
        work()
    except (OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, and the same command continues", file=sys.stderr)
        return 130
    return 0
