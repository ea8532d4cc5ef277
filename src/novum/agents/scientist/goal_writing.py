"""Writing a goal: prose → a goal file, in which stands what the prose does not say."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from novum.agents.models.base import Message, Model, Request
from novum.agents.models.structured import ask_for
from novum.agents.scientist.desk import room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.quoting import as_data, quoted
from novum.agents.scientist.saying import Said
from novum.core.quantity import DIMENSIONLESS
from novum.core.text import clean_text
from novum.memory.window import Section, estimate_tokens, fit_window

LONGEST = 4000
"""Characters of a text that is turned into a goal."""
ASSUMED = "assumed"
"""What stands beside a line that says something that the text does not."""


class Aim(BaseModel):
    """One wish, and where it comes from."""

    model_config = ConfigDict(extra="ignore")

    wish: str = Field(min_length=1, max_length=200)
    words: str = Field(default="", max_length=300)
    """The words of the text that it stands for."""


class GoalDraft(BaseModel):
    """What a text wants, as a goal."""

    model_config = ConfigDict(extra="ignore")

    title: str = Field(default="", max_length=80)
    objectives: list[Aim] = Field(min_length=1, max_length=12)
    space: dict[str, Any] = {}
    experiments: int | None = Field(default=None, ge=1, le=100_000)
    batch: int | None = Field(default=None, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a goal with its unit."""

    value: float
    unit: str = DIMENSIONLESS


Amounts = Callable[[str], Sequence[Amount]]
"""The numbers of one wish with their units."""


def write_goal(
    model: Model,
    text: str,
    properties: Sequence[str],
    *,
    check: Callable[[GoalDraft], str],
    step: str,
) -> GoalDraft:
    """Return what a model reads in a text, once `check` finds nothing wrong with it.

    Args:
        model: whom to ask.
        text: what somebody wants, in prose.
        properties: what can be measured, a line each, the most relevant first.
        check: says what is wrong with a draft; the model is told, and asked again.
        step: where it is recorded.

    Raises:
        NoUsableReplyError: every try failed.
        ContextOverflowError: the text is longer than the model can read.
        ModelUnavailableError: the model does not answer.
    """
    prompt, system = load_prompt("goal"), load_prompt("system").render(role="writer of the goal")
    form = json.dumps(_EXAMPLE, ensure_ascii=False)
    words = quoted(text, limit=LONGEST)
    room = room_of(model.card)
    told = (system, prompt.text, words, form, json.dumps(GoalDraft.model_json_schema()))
    window = fit_window(
        [Section("properties", tuple(properties))],
        tokens=max(0, room.prompt - sum(map(estimate_tokens, told))),
    )
    shown = as_data(window.lines["properties"], left_out=window.left_out.get("properties", 0))
    asked = prompt.render(properties=shown, text=words, form=form)
    request = Request(
        messages=(Message.system(system), Message.user(asked)), max_tokens=room.reply, seed=0, step=step
    )
    return ask_for(GoalDraft, model, request, check=check, same_way=True).value


def to_goal_file(draft: GoalDraft, text: str, *, model: str, amounts: Amounts) -> str:
    """Return a goal file; each line that says something that the text does not is marked.

    Args:
        draft: the goal.
        text: the prose that it was made of.
        model: who made it.
        amounts: the numbers of a wish.
    """
    said = Said(text)
    head = [f"This goal was made by the model {clean_text(model, limit=80)!r} of the text:"]
    head += [f"  {line}" for line in clean_text(text, limit=LONGEST).splitlines()]
    head += [f"What the text does not say is marked {ASSUMED!r}. Read every line before you run it."]
    lines = [f"# {line}".rstrip() for line in head]
    if draft.title:
        lines.append(f"title: {_plain(draft.title)}")
    lines.append("objectives:")
    for aim in draft.objectives:
        lines.append(f"  - {_plain(aim.wish)}{_beside(_of_aim(aim, said, amounts))}")
    if draft.space:
        lines.append("space:")
        lines += _mapping(draft.space, said, indent=2)
    budget = {n: v for n, v in (("experiments", draft.experiments), ("batch", draft.batch)) if v is not None}
    if budget:
        lines.append("budget:")
        lines += _mapping(budget, said, indent=2)
    return "\n".join(lines) + "\n"


_EXAMPLE = {
    "title": "…",
    "objectives": [{"wish": "homo_lumo_gap >= 4 eV", "words": "a gap of at least 4 eV"}],
    "space": {"kind": "molecules"},
    "experiments": 60,
}


def _of_aim(aim: Aim, said: Said, amounts: Amounts) -> str:
    words = " ".join(clean_text(aim.words).split())
    missing = [told for a in amounts(aim.wish) if (told := said.lacks_amount(a.value, a.unit))]
    if words and said.has_words(words):
        source = f'for "{words}"'
        return f"{source}; {ASSUMED}: {', '.join(missing)}" if missing else source
    return f"{ASSUMED}: {', '.join(['the wish itself', *missing])}"


def _mapping(values: Mapping[str, Any], said: Said, *, indent: int) -> Iterator[str]:
    """Yield a mapping as YAML, a line for each of its keys, with what is assumed of it."""
    unit = values.get("unit")
    for key, value in values.items():
        place = " " * indent
        if isinstance(value, dict) and value:
            yield f"{place}{_plain(str(key))}:"
            yield from _mapping(value, said, indent=indent + 2)
            continue
        missing = list(_lacking(value, said, unit if isinstance(unit, str) else DIMENSIONLESS, key=str(key)))
        yield f"{place}{_plain(str(key))}: {_plain(value)}" + _beside(
            f"{ASSUMED}: {', '.join(missing)}" if missing else ""
        )


def _lacking(value: Any, said: Said, unit: str, *, key: str) -> Iterator[str]:
    """Yield what of a value the text does not say."""
    if isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, int | float):
        if told := said.lacks_amount(float(value), unit if key in ("low", "high") else DIMENSIONLESS):
            yield told
    elif isinstance(value, list):
        for one in value:
            yield from _lacking(one, said, unit, key=key)
    elif isinstance(value, str) and key not in ("kind", "unit", "file") and not said.has_words(value):
        yield value


def _beside(note: str) -> str:
    flat = " ".join(clean_text(note).split())
    return f"  # {flat}" if flat else ""


def _plain(value: Any) -> str:
    """Return a value as YAML on one line; bare where nothing in it could be taken for anything else."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w .<>=/±%+*()-]*[\w%)]", value)
    if bare and value.lower() not in ("true", "false", "yes", "no", "on", "off", "null"):
        return str(value)
    return json.dumps(value, ensure_ascii=True)
