"""Asking a model for one step of a plan: within one deadline, a bounded number of times."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, create_model

from novum.agents.models.base import Card, Message, Model, Reply, Request, ToolSchema
from novum.agents.models.structured import LEAST_S, ask_for
from novum.core.access import Destination
from novum.core.deliberation import Turn
from novum.core.digest import digest
from novum.core.errors import ContextOverflowError, ModelReplyError, ModelUnavailableError

SLOWEST_S = 3600.0
"""Seconds that a step gets at most, however slow the model is."""
LEEWAY = 2.0
"""Times what a reply of full length takes, at the speed that the model was seen to have."""


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


def patience_with(card: Card, *, reply_tokens: int) -> Patience:
    """Return how patient to be with a model: longer steps for one that was seen to be slow.

    Example:
        >>> patience_with(Card(model="laptop", tokens_per_s=8), reply_tokens=2048).step_s
        512.0
    """
    usual = Patience()
    if not card.tokens_per_s:
        return usual
    needed = LEEWAY * reply_tokens / card.tokens_per_s
    return replace(usual, step_s=min(SLOWEST_S, max(usual.step_s, needed)))


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
        seed: of the campaign; each step sends one of its own that follows from it.
        patience: how much is asked of it.
        brief: let it answer without reasoning first, where that can be switched.
        clock: seconds, for the deadline alone.
    """

    def __init__(
        self,
        model: Model,
        *,
        step: str,
        seed: int,
        patience: Patience,
        brief: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = _Counted(model)
        self._step = step
        self._seed = int(digest([seed, step])[:7], 16)
        self._tries = patience.tries
        self._thinking = False if brief and model.card.thinking == "switchable" else None
        self._clock = clock
        self._end = clock() + patience.step_s

    @property
    def asked(self) -> int:
        """How many questions were asked."""
        return self._model.asked

    @property
    def left(self) -> int:
        """How many may still be."""
        return max(0, self._tries - self.asked)

    def ask(self, messages: Sequence[Message], *, tools: Sequence[ToolSchema], max_tokens: int) -> Reply:
        """Return the answer to one question, with the calls of tools that the model wishes for.

        Raises:
            SilenceError: there is none that can be used.
            TooLongError: the question is too long.
            NotReleasedError: a part may not go to this model. Never caught: nothing went.
        """
        request = self._request(messages, max_tokens).model_copy(update={"tools": tuple(tools)})
        try:
            return self._model.complete(request)
        except ContextOverflowError as error:
            raise TooLongError(str(error)) from error
        except ModelReplyError as error:
            raise SilenceError(Turn.UNUSABLE, str(error)) from error
        except ModelUnavailableError as error:
            raise SilenceError(Turn.UNAVAILABLE, str(error)) from error

    def fill(
        self,
        messages: Sequence[Message],
        schema: dict[str, Any],
        *,
        check: Callable[[list[Any]], str],
        max_tokens: int,
    ) -> None:
        """Have the model fill in a list, and `check` say what is wrong with it, until nothing is.

        Args:
            messages: what is told.
            schema: of an object whose only key holds the list.
            check: takes the entries of one answer, and returns what the model is told is wrong; empty text
                ends the step.
            max_tokens: of one answer.

        Raises:
            SilenceError: no answer was in order.
            TooLongError: the question is too long.
            NotReleasedError: a part may not go to this model. Never caught: nothing went.
        """
        if not self.left:
            raise SilenceError(Turn.UNUSABLE, "it was asked as often as it may be")
        (key,) = schema["properties"]
        try:
            ask_for(
                _form(key),
                self._model,
                self._request(messages, max_tokens),
                attempts=self.left,
                schema=schema,
                check=lambda filled: check(getattr(filled, key)),
                same_way=True,
            )
        except ContextOverflowError as error:
            raise TooLongError(str(error)) from error
        except ModelReplyError as error:
            raise SilenceError(Turn.UNUSABLE, str(error)) from error
        except ModelUnavailableError as error:
            raise SilenceError(Turn.UNAVAILABLE, str(error)) from error

    def _request(self, messages: Sequence[Message], max_tokens: int) -> Request:
        return Request(
            messages=tuple(messages),
            max_tokens=max_tokens,
            thinking=self._thinking,
            seed=self._seed,
            # Asked even when the time is up, so that what follows depends on recorded answers alone.
            deadline_s=max(LEAST_S, self._end - self._clock()),
            step=self._step,
        )


class _Counted:
    """A model that counts what it is asked."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.asked = 0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def destination(self) -> Destination:
        return self._model.destination

    @property
    def card(self) -> Card:
        return self._model.card

    def complete(self, request: Request) -> Reply:
        self.asked += 1
        return self._model.complete(request)


def _form(key: str) -> type[BaseModel]:
    """Return a form with one list, which takes any entry: each is judged by itself, and not all for one."""
    return create_model("Reply", **{key: (list[Any], ...)})  # type: ignore[call-overload, no-any-return]
