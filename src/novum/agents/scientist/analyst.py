"""The analyst: what a model says about a finished search, sentence by sentence, checked against records."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from novum.agents.models.base import Card, Message
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import SHRINK, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.quoting import as_data, passage_line
from novum.agents.scientist.telling import goal_line
from novum.core.deliberation import Fact, Turn
from novum.core.goals import Goal
from novum.core.prose import Analysis, Sentence, check_sentence
from novum.core.text import clean_text
from novum.memory.window import Section, estimate_tokens, fit_window

SENTENCES = 6
LONGEST = 400
MOST_CITES = 8


def analysis_schema(citable: Collection[str]) -> dict[str, Any]:
    """Return the JSON schema of an analysis that cites some of the ids that are shown."""
    ids = {"type": "string", "enum": sorted(citable)} if citable else {"type": "string", "maxLength": 40}
    one = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": LONGEST},
            "cites": {"type": "array", "items": ids, "maxItems": MOST_CITES if citable else 0},
        },
        "required": ["text", "cites"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"sentences": {"type": "array", "items": one, "minItems": 1, "maxItems": SENTENCES}},
        "required": ["sentences"],
        "additionalProperties": False,
    }


def analyse(
    voice: Voice, card: Card, goal: Goal, facts: Sequence[Fact], *, names: Sequence[str] = ()
) -> Analysis:
    """Return what the model says, each sentence with what code finds wrong with it.

    Args:
        voice: the model in this step.
        card: what it can do.
        goal: what was pursued.
        facts: the records, the most important first.
        names: labels of candidates, whose digits are not numbers.
    """
    prompt, system = load_prompt("analyse"), load_prompt("system").render(role="analyst")
    hashes = {p: load_prompt(p).hash for p in ("system", "analyse")}
    share = 1.0
    sentences: list[Sentence] = []
    while True:
        room = room_of(card, share=share)
        size = analysis_schema([p.id for p in facts])
        told = (system, prompt.text, goal_line(goal), json.dumps(size))
        window = fit_window(
            [Section("records", tuple(map(passage_line, facts)))],
            tokens=max(0, room.prompt - sum(map(estimate_tokens, told))),
        )
        text = prompt.render(
            goal=goal_line(goal),
            records=as_data(window.lines["records"], left_out=window.left_out.get("records", 0)),
            n=str(SENTENCES),
            form=json.dumps({"sentences": [{"text": "…", "cites": ["E001"]}]}, ensure_ascii=False),
        )
        shown = {fact.id: fact for fact in facts[: len(window.lines["records"])]}
        schema = analysis_schema(shown)

        def check(entries: list[Any], shown: Mapping[str, Fact] = shown) -> str:
            sentences[:] = read_sentences(entries, shown, names)
            return "" if sentences else "there is no sentence in it"

        try:
            voice.fill(
                (Message.system(system), Message.user(text)), schema, check=check, max_tokens=room.reply
            )
        except TooLongError:
            share *= SHRINK
            continue
        except SilenceError as silence:
            return Analysis(turn=silence.turn, note=silence.reason, prompts=hashes)
        return Analysis(turn=Turn.ANSWERED, sentences=tuple(sentences), prompts=hashes)


def read_sentences(
    entries: Sequence[Any], records: Mapping[str, Fact], names: Sequence[str]
) -> tuple[Sentence, ...]:
    """Return the sentences that can be read, each checked; what is no sentence is left out."""
    held = {name: fact.held for name, fact in records.items()}
    predicted = {name: fact.predicted for name, fact in records.items()}
    found = []
    for entry in entries[:SENTENCES]:
        text = entry.get("text") if isinstance(entry, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            continue
        cites = entry.get("cites")
        listed = [c.strip() for c in cites if isinstance(c, str)] if isinstance(cites, list) else []
        words = " ".join(clean_text(text, limit=LONGEST).split())
        found.append(
            check_sentence(words, listed[:MOST_CITES], records=held, predicted=predicted, names=names)
        )
    return tuple(found)
