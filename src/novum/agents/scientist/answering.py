"""Answering: what a model says to a question about a campaign, each sentence checked against records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from novum.agents.models.base import Card, Message, Text
from novum.agents.scientist.analyst import SENTENCES, analysis_schema, read_sentences
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import SHRINK, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.quoting import as_data, passage_line, quoted
from novum.agents.scientist.telling import goal_line
from novum.core.access import strictest
from novum.core.deliberation import Fact, Passage, Turn
from novum.core.goals import Goal
from novum.core.knowledge import Access
from novum.core.prose import Analysis, Sentence
from novum.memory.window import Section, Window, estimate_tokens, fit_window

LONGEST_QUESTION = 2000
REMEMBERED = 6
"""Earlier questions that are told with their answers, as far as there is room."""
LEAST = 3
"""Lines of every section that come before any section gets more."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question, and what may be told for an answer."""

    question: str
    goal: Goal
    facts: tuple[Fact, ...]
    """Records of the campaign, the most relevant first."""
    passages: tuple[Passage, ...] = ()
    """What the knowledge base says, the most relevant first."""
    earlier: tuple[tuple[str, str], ...] = ()
    """Earlier questions with their answers, the latest last."""
    records: Mapping[str, Fact] = field(default_factory=dict)
    """Id → everything that may be cited, shown or not."""
    names: tuple[str, ...] = ()
    """Labels of candidates, whose digits are not numbers."""


def answer(voice: Voice, card: Card, inquiry: Inquiry) -> Analysis:
    """Return what the model answers, each sentence with what code finds wrong with it.

    Where something is wrong the model is told so once, and the answer with fewer faults is taken.

    Args:
        voice: the model in this step.
        card: what it can do.
        inquiry: the question, and what may be told.
    """
    prompt, system = load_prompt("answer"), load_prompt("system").render(role="analyst")
    hashes = {name: load_prompt(name).hash for name in ("system", "answer")}
    goal, question = goal_line(inquiry.goal), quoted(inquiry.question, limit=LONGEST_QUESTION)
    form = json.dumps({"sentences": [{"text": "…", "cites": ["E001"]}]}, ensure_ascii=False)
    schema = analysis_schema(())  # every id may be cited: whether there is such a record is checked
    schema["properties"]["sentences"]["items"]["properties"]["cites"]["maxItems"] = 8
    fixed = sum(map(estimate_tokens, (system, prompt.text, goal, question, form, json.dumps(schema))))
    best: list[Sentence] = []
    told = False

    def check(entries: list[Any]) -> str:
        nonlocal told
        found = read_sentences(entries, inquiry.records, inquiry.names)
        if found and (not best or n_faults(found) < n_faults(best)):
            best[:] = found
        if not found:
            return "there is no sentence in it"
        wrong = [s for s in found if s.faults]
        if not wrong or told:
            return ""
        told = True
        return "; ".join(f"{quoted(s.text, limit=120)}: {', '.join(s.faults)}" for s in wrong)

    share = 1.0
    while True:
        room = room_of(card, share=share)
        window = _window(inquiry, max(0, room.prompt - fixed))
        text = prompt.render(
            goal=goal,
            question=question,
            n=str(SENTENCES),
            form=form,
            records=as_data(window.lines["records"], left_out=window.left_out.get("records", 0)),
            passages=as_data(window.lines["passages"], left_out=window.left_out.get("passages", 0)),
            earlier=as_data(reversed(window.lines["earlier"])),
        )
        closed = window.lines["closed"]
        parts = (_closed_part(inquiry, closed),) if closed else ()
        messages = (Message.system(system), Message.user(text, *parts))
        try:
            voice.fill(messages, schema, check=check, max_tokens=room.reply)
        except TooLongError:
            share *= SHRINK
            continue
        except SilenceError as silence:
            if not best:
                return Analysis(turn=silence.turn, note=silence.reason, prompts=hashes)
        return Analysis(turn=Turn.ANSWERED, sentences=tuple(best), prompts=hashes)


def n_faults(sentences: Sequence[Sentence]) -> int:
    """Return how much is wrong with an answer."""
    return sum(len(sentence.faults) for sentence in sentences)


def _window(inquiry: Inquiry, tokens: int) -> Window:
    open_, closed = _divided(inquiry.passages)
    earlier = [f"{quoted(q, limit=300)} was answered {quoted(a)}" for q, a in inquiry.earlier[-REMEMBERED:]]
    sections = {
        "records": [passage_line(p) for p in inquiry.facts],
        "passages": [passage_line(p) for p in open_],
        "closed": [passage_line(p) for p in closed],
        "earlier": earlier[::-1],
    }
    return fit_window(
        [Section(name, tuple(lines), least=min(len(lines), LEAST)) for name, lines in sections.items()],
        tokens=tokens,
    )


def _divided(passages: Sequence[Passage]) -> tuple[list[Passage], list[Passage]]:
    """Return the passages that are public, and those that stand in a part of their own."""
    open_ = [p for p in passages if p.access is Access.PUBLIC]
    return open_, [p for p in passages if p.access is not Access.PUBLIC]


def _closed_part(inquiry: Inquiry, lines: Sequence[str]) -> Text:
    """Return what is not public in a part of its own, so that it is kept out of the record."""
    _, closed = _divided(inquiry.passages)
    tier = strictest(*(p.access for p in closed[: len(lines)]))
    return Text(text="Further passages, which do not leave this machine:\n" + as_data(lines), access=tier)
