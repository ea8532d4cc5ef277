"""Asking a model for one step of a plan: within one deadline, a bounded number of times."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from novum.agents.models.base import Message, Model, Reply, Request, ToolSchema
from novum.core.deliberation import Turn
from novum.core.errors import ContextOverflowError, ModelReplyError, ModelUnavailableError

LEAST_S = 0.05
"""Seconds that the last question of a step still gets. It is asked even when the time is up, so that what
follows depends on its recorded answer alone, and never on a clock that a replay does not have."""


BY_CHANCE = frozenset({"empty", "malformed", "schema", "repetition", "cut"})
"""Faults of a reply that another draw may not have."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is asked of a model before the optimiser takes its place."""

    step_s: float = 300.0
    """Seconds for all questions of one step together."""
    tries: int = 3
    """Questions of one step, the first included."""
    failures: int = 3
    """Steps in vain, one after the other, after which it is not asked each time any more."""
    rest: int = 4
    """Iterations from one try to the next, then."""


class SilenceError(Exception):
    """The model gave nothing that can be used. Never leaves the planner."""

    def __init__(self, turn: Turn, reason: str) -> None:
        self.turn = turn
        self.reason = reason
        super().__init__(reason)


class TooLongError(Exception):
    """What was asked is longer than the model reads. Never leaves the planner."""


class Voice:
    """A model in one step of one iteration.

    Args:
        model: whom to ask.
        step: where in the campaign, as ``hypothesise/3/propose``.
        seed: sent with each question.
        patience: how much is asked of it.
        clock: seconds, for the deadline alone.
    """

    def __init__(
        self,
        model: Model,
        *,
        step: str,
        seed: int,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._step = step
        self._seed = seed
        self._clock = clock
        self._end = clock() + patience.step_s
        self.left = patience.tries
        """Questions that may still be asked."""
        self.asked = 0

    def ask(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any] | None = None,
        tools: Sequence[ToolSchema] = (),
        max_tokens: int | None = None,
    ) -> Reply:
        """Return the answer to one question.

        Raises:
            SilenceError: there is none that can be used.
            TooLongError: the question is too long.
            NotReleasedError: a part may not go to this model. Never caught: nothing went.
        """
        while self.left:
            self.left -= 1
            self.asked += 1
            request = Request(
                messages=tuple(messages),
                tools=tuple(tools),
                json_schema=schema,
                max_tokens=max_tokens,
                seed=self._seed + self.asked - 1,
                deadline_s=max(LEAST_S, self._end - self._clock()),
                step=f"{self._step}/{self.asked}",
            )
            try:
                return self._model.complete(request)
            except ContextOverflowError as error:
                raise TooLongError(str(error)) from error
            except ModelReplyError as error:
                if error.kind not in BY_CHANCE or not self.left:
                    raise SilenceError(Turn.UNUSABLE, str(error)) from error
            except ModelUnavailableError as error:
                raise SilenceError(Turn.UNAVAILABLE, str(error)) from error
        raise SilenceError(Turn.UNUSABLE, "it was asked as often as it may be")
