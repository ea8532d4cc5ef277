"""The analyst: what a model says about a finished search, sentence by sentence, checked against records."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from novum.agents.models.base import Card, Message
from novum.agents.models.reading import load_tolerant
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import SHRINK, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.quoting import as_data, passage_line
from novum.agents.scientist.telling import goal_line
from novum.core.deliberation import Passage, Turn
from novum.core.errors import ModelReplyError
from novum.core.goals import Goal
from novum.core.prose import Analysis, Sentence, check_sentence
from novum.core.text import clean_text
from novum.memory.window import Section, estimate_tokens, fit_window

SENTENCES = 6
LONGEST = 400
MOST_CITES = 8


def analysis_schema() -> dict[str, Any]:
    """Return the JSON schema of an analysis."""
    one = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": LONGEST},
            "cites": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": MOST_CITES},
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
    voice: Voice, card: Card, goal: Goal, facts: Sequence[Passage], *, names: Sequence[str] = ()
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
    said: Any = None
    note, share = "", 1.0
    while voice.left and said is None:
        room = room_of(card, share=share)
        fixed = estimate_tokens(system) + estimate_tokens(prompt.text) + estimate_tokens(goal_line(goal))
        window = fit_window(
            [Section("records", tuple(map(passage_line, facts)))], tokens=max(0, room.prompt - fixed)
        )
        text = prompt.render(
            goal=goal_line(goal),
            records=as_data(window.lines["records"], left_out=window.left_out.get("records", 0)),
            n=str(SENTENCES),
            form=json.dumps({"sentences": [{"text": "…", "cites": ["E001"]}]}, ensure_ascii=False),
        )
        shown = facts[: len(window.lines["records"])]
        try:
            reply = voice.ask(
                (Message.system(system), Message.user(text)), schema=analysis_schema(), max_tokens=room.reply
            )
            said = load_tolerant(reply.text)
        except TooLongError as error:
            note, share = str(error), share * SHRINK
        except ModelReplyError as error:
            note = str(error)
        except SilenceError as silence:
            return Analysis(turn=silence.turn, note=silence.reason, prompts=hashes)
    sentences = read_sentences(said, {p.id: p.text for p in shown}, names) if said is not None else ()
    if not sentences:
        return Analysis(turn=Turn.UNUSABLE, note=note or "it said nothing that can be read", prompts=hashes)
    return Analysis(turn=Turn.ANSWERED, sentences=sentences, prompts=hashes)


def read_sentences(said: Any, records: Mapping[str, str], names: Sequence[str]) -> tuple[Sentence, ...]:
    """Return the sentences that can be read, each checked; what is no sentence is left out."""
    entries = said.get("sentences") if isinstance(said, Mapping) else said
    found = []
    for entry in entries[:SENTENCES] if isinstance(entries, list) else ():
        text = entry.get("text") if isinstance(entry, Mapping) else None
        if not isinstance(text, str) or not text.strip():
            continue
        cites = entry.get("cites")
        listed = [c.strip() for c in cites if isinstance(c, str)] if isinstance(cites, list) else []
        words = " ".join(clean_text(text, limit=LONGEST).split())
        found.append(check_sentence(words, listed[:MOST_CITES], records=records, names=names))
    return tuple(found)
