"""Progress of several trainings in lines that a log can hold: which model, which epoch, how long still."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .models.spec import ModelSpec
from .training import Epoch

INTERVAL = 20.0  # seconds between two lines, unless a model is finished
COST = {"vae": 1.0, "dae": 1.2, "gan": 1.6, "classifier": 0.4, "gaussian": 1.7, "ensemble": 1.1, "flat": 2.0}
# of an epoch, relative to a VAE of the same widths
PENALTY = 0.4  # what the R1 penalty adds to that


class Progress:
    """Tells, line by line through `tell`, how far the trainings of `specs` are, each of `epochs` epochs."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        epochs: int,
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.finished: list[str] = []
        self._tell, self._clock, self._epochs = tell, clock, epochs
        self._cost = {spec.name: cost(spec) for spec in specs}
        self._reached: dict[str, int] = {}  # the epoch of each model, in the order in which they were begun
        self._told = clock()
        self._first: tuple[float, float] | None = None  # time and work done when the first epoch was told of

    def __call__(self, message: tuple[str, Epoch | None]) -> None:
        """Take a message of the model that it names: the epoch that is over, or None when the model is kept."""
        name, epoch = message
        self._reached[name] = self._epochs if epoch is None else epoch.number
        if self._first is None:
            self._first = self._clock(), self._done()
        if epoch is None:
            self.finished.append(name)
            line = f"trained and kept: {len(self.finished)} of {len(self._cost)} models"
        elif self._clock() - self._told >= INTERVAL:
            number = list(self._reached).index(name) + 1
            line = f"model {number} of {len(self._cost)}, {epoch}"
        else:
            return
        self._told = self._clock()
        self._tell(f"{name:<26} {line}{self._left()}")

    def _done(self) -> float:
        return sum(self._cost[name] * epoch for name, epoch in self._reached.items())

    def _left(self) -> str:
        """The time that the rest will take if the work goes on as fast as it did since the first epoch."""
        assert self._first is not None
        seconds, work = self._clock() - self._first[0], self._done() - self._first[1]
        rest = self._epochs * sum(self._cost.values()) - self._done()
        if rest <= 0 or work <= 0:
            return ""
        minutes = seconds / work * rest / 60
        return "; less than a minute left" if minutes < 1 else f"; about {minutes:.0f} min left"


def cost(spec: ModelSpec) -> float:
    """What an epoch costs, in units that differ between machines; right to about a fifth."""
    return (COST[spec.family] + PENALTY * (spec.r1 > 0)) * spec.hidden[0]
