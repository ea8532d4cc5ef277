"""The one policy by which a model server is asked again."""

import time
from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from novum.core.errors import ModelUnavailableError

TRIES = 4
"""How often a server is asked at most, the first time included."""
WAIT_S = (0.5, 8.0)
"""Seconds before the second try, and at most; each wait is twice the one before."""

_AGAIN = frozenset({"unreachable", "timeout", "overloaded", "dropped", "failed"})


def asking_again(*, end: float, tries: int, sleep: Callable[[float], None]) -> Retrying:
    """Return the tries of one question.

    What fails for a moment is tried again after the wait that the server asks for, or else after one that
    doubles each time. A wait that would outlast the deadline is not begun: the error is raised at once.

    Args:
        end: the deadline, on the clock `time.monotonic`.
        tries: most tries, the first included.
        sleep: waits, in seconds.
    """
    return Retrying(
        retry=retry_if_exception(lambda error: _is_worth_it(error, end)),
        stop=stop_after_attempt(tries),
        wait=_wait,
        sleep=sleep,
        before_sleep=lambda state: _check_room(state, end),
        reraise=True,
    )


def _is_worth_it(error: BaseException, end: float) -> bool:
    return isinstance(error, ModelUnavailableError) and error.kind in _AGAIN and time.monotonic() < end


def _wait(state: RetryCallState) -> float:
    asked = _retry_after(state)
    least, most = WAIT_S
    return asked if asked is not None else min(most, least * 2.0 ** (state.attempt_number - 1))


def _retry_after(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after_s if isinstance(error, ModelUnavailableError) else None


def _check_room(state: RetryCallState, end: float) -> None:
    """Raise what went wrong, if the wait for another try would outlast the deadline."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if time.monotonic() + state.upcoming_sleep >= end and error is not None:
        raise error
