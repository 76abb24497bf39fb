"""A command tells what stopped it in one line, and its exit status says which."""

from __future__ import annotations

import pytest

from pullback.study.errors import SweepError, status


@pytest.mark.parametrize(
    ("stop", "expected", "told"),
    [(None, 0, ""), (SweepError("no scheduler"), 1, "error: no scheduler"), (KeyboardInterrupt(), 130, "is kept")],
)
def test_a_command_s_status(
    stop: BaseException | None, expected: int, told: str, capsys: pytest.CaptureFixture
) -> None:
    def work() -> None:
        if stop is not None:
            raise stop

    assert status(work) == expected
    assert told in capsys.readouterr().err


def test_a_fault_of_the_code_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        status(lambda: 1 / 0)
