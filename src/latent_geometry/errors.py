"""The errors a user of the study can meet; each message says what, where and what to do."""

from __future__ import annotations


class DataError(RuntimeError):
    """MNIST is missing, incomplete or not the file it should be."""


class CheckpointError(RuntimeError):
    """A checkpoint is corrupt, truncated or belongs to another model."""


class DivergenceError(RuntimeError):
    """A training loss is no longer finite."""


class NotebookError(RuntimeError):
    """A notebook cannot be run, or failed while it ran."""
