"""The desk: a context laid out for a model, as much of it as the model can read."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from novum.agents.models.base import Card, Message, Text
from novum.agents.optimizer.outlook import Outlook
from novum.agents.optimizer.planner import random_of
from novum.agents.optimizer.streams import Stream
from novum.agents.scientist.forms import Form, open_form
from novum.agents.scientist.prompts import Prompt, load_prompt
from novum.agents.scientist.quoting import as_data
from novum.agents.scientist.telling import (
    Line,
    goal_line,
    known_lines,
    lesson_lines,
    passage_lines,
    property_lines,
)
from novum.core.access import strictest
from novum.core.knowledge import Access
from novum.core.spaces import Candidate, MoleculeSpace, ParameterSpace
from novum.memory.window import Section, estimate_tokens, fit_window

ASSUMED_CONTEXT = 8192
"""Tokens that a model of which nothing is known can read and write together."""
MOST_REPLY = 8192
"""Tokens of one reply, reasoning included."""
REPLY_SHARE = 0.25
"""Of the context, as far as `MOST_REPLY` allows."""
MARGIN = 256
"""Tokens left free: the chat template's own, and what the estimate of a count is wrong by."""
SHRINK = 0.5
"""Share of the room that is used after a prompt was too long."""
LISTED = 40
"""Candidates that are offered, where a space cannot be written down otherwise."""
LOOKED_AT = 2000
"""Candidates among which these are chosen."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much fits."""

    prompt: int
    """Tokens of all that is told."""
    reply: int


def room_of(card: Card, *, share: float = 1.0) -> Room:
    """Return the room of a model; a `share` below 1 after it said that a prompt was too long."""
    context = card.context_tokens or ASSUMED_CONTEXT
    reply = min(MOST_REPLY, int(context * REPLY_SHARE))
    return Room(prompt=int((context - reply - MARGIN) * share), reply=reply)


class Desk:
    """What one iteration's questions are made of.

    Args:
        outlook: the context and what the surrogate thinks.
        source: the planner's name, under which its earlier hypotheses are found.
        card: what the model can do.
    """

    def __init__(self, outlook: Outlook, *, source: str, card: Card) -> None:
        self.outlook = outlook
        self.card = card
        self._share = 1.0
        context = outlook.context
        space = context.goal.space
        spelt = isinstance(space, MoleculeSpace | ParameterSpace)
        shown = [] if spelt else offered(outlook, LISTED)
        self.shown = tuple(shown)
        self.form: Form = open_form(space, outlook.generator, shown)
        self._lines = {
            "space": [Line(text) for text in self.form.describe()],
            "known": known_lines(outlook),
            "lessons": lesson_lines(context, source),
            "passages": passage_lines(context),
        }
        self._access = {p.id: p.access for p in context.briefing.passages}

    def is_empty(self) -> bool:
        """Say whether there is nothing that the model could choose."""
        space = self.outlook.context.goal.space
        return not self.shown and not isinstance(space, MoleculeSpace | ParameterSpace)

    def ids(self, sections: Sequence[str]) -> frozenset[str]:
        """Return all ids of some sections, shown or not."""
        return frozenset(name for section in sections for line in self._lines[section] for name in line.ids)

    def shrink(self) -> None:
        """Tell less from now on: the model said that a prompt was too long."""
        self._share *= SHRINK

    def lay(
        self,
        prompt: Prompt,
        sections: Sequence[str],
        *,
        role: str,
        schema: dict[str, Any] | None = None,
        **given: str,
    ) -> tuple[tuple[Message, ...], frozenset[str]]:
        """Return the messages of a prompt, and the ids that may be cited once it was read.

        What is not public stands in a part of its own, so that it can be kept out of the record.

        Args:
            prompt: whose slots are filled.
            sections: which of the desk's sections it has slots for.
            role: what the model is called.
            schema: what it fills in; it may have to be told.
            given: the other slots.
        """
        system = load_prompt("system").render(role=role)
        context = self.outlook.context
        goal = "\n".join([goal_line(context.goal), *property_lines(context)])
        fixed = sum(
            map(estimate_tokens, (system, prompt.text, goal, json.dumps(schema or {}), *given.values()))
        )
        lines = {name: self._lines[name] for name in sections}
        fitted = fit_window(
            [
                Section(name, tuple(line.text for line in found), least=_least(name, len(found)))
                for name, found in lines.items()
            ],
            tokens=max(0, room_of(self.card, share=self._share).prompt - fixed),
        )
        kept = {name: found[: len(fitted.lines[name])] for name, found in lines.items()}
        closed = [line for line in kept.get("passages", ()) if self._tier(line) is not Access.PUBLIC]
        slots = {
            name: as_data(
                (line.text for line in found if line not in closed),
                left_out=fitted.left_out.get(name, 0),
            )
            for name, found in kept.items()
        }
        parts: tuple[Text, ...] = ()
        if closed:
            text = "Further passages, which do not leave this machine:\n" + as_data(c.text for c in closed)
            parts = (Text(text=text, access=strictest(*(self._tier(line) for line in closed))),)
        asked = Message.user(prompt.render(goal=goal, **slots, **given), *parts)
        ids = frozenset(name for found in kept.values() for line in found for name in line.ids)
        return (Message.system(system), asked), ids

    def _tier(self, line: Line) -> Access:
        return self._access.get(line.ids[0], Access.PUBLIC) if line.ids else Access.PUBLIC


def offered(outlook: Outlook, n: int) -> list[Candidate]:
    """Return the candidates that a model may choose from: half by expected gain, half at random.

    What must not be told to it is left out.
    """
    context, generator, study = outlook.context, outlook.generator, outlook.study
    rng = random_of(context.goal.seed, context.iteration, Stream.SHOWN)
    found: list[Candidate] = []
    for proposal in generator.start(rng, study.keys):
        candidate = generator.candidate(proposal)
        if candidate is None or candidate.id in study.closed or candidate.id in context.briefing.withheld:
            continue
        found.append(candidate)
        if len(found) == LOOKED_AT:
            break
    gains = np.array([0.0 if a is None else a.gain for a in outlook.appraise(found)])
    best = [int(i) for i in np.argsort(-gains, kind="stable")[: math.ceil(n / 2)]]
    rest = [i for i in range(len(found)) if i not in set(best)][: n - len(best)]
    return [found[i] for i in sorted([*best, *rest])]  # in random order: place says nothing of gain


def _least(section: str, n: int) -> int:
    """Return how many lines of a section come first: the space whole, the best few of the others."""
    return n if section == "space" else min(n, 5)
