"""The critic: objections to every hypothesis, each answered by numbers."""

import json
from collections.abc import Mapping, Sequence
from math import hypot
from statistics import median
from typing import Any

from novum.agents.optimizer.outlook import Appraisal
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import Desk, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.quoting import as_data
from novum.agents.scientist.telling import hypothesis_lines
from novum.core.deliberation import Contender, Ground, Objection
from novum.core.text import clean_text

RULE = "numbers decide"
"""The rule for disagreement: an objection counts where arithmetic agrees with it. Whoever has fewer upheld
objections goes first, then whoever promises the greater gain; what no number speaks to is recorded, and
changes nothing."""

FAR = 3.0
"""Standard deviations between two predictions from which one of them is called implausible."""
RISKY = 0.5
"""Probability of failure from which an experiment is called likely to fail."""
LONGEST = 300


def objection_schema(n: int) -> dict[str, Any]:
    """Return the JSON schema of objections to `n` hypotheses."""
    one = {
        "type": "object",
        "properties": {
            "hypothesis": {"type": "integer", "minimum": 1, "maximum": n},
            "ground": {"type": "string", "enum": [g.value for g in Ground]},
            "text": {"type": "string", "maxLength": LONGEST},
        },
        "required": ["hypothesis", "ground", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"objections": {"type": "array", "items": one, "maxItems": 2 * n}},
        "required": ["objections"],
        "additionalProperties": False,
    }


def criticise(
    voice: Voice, desk: Desk, contenders: Sequence[Contender], appraisals: Sequence[Appraisal]
) -> tuple[tuple[Contender, ...], str]:
    """Return the contenders with the objections to them, and a note where there was no critic.

    Args:
        voice: the model in this step.
        desk: what it is told.
        contenders: the hypotheses, in their order.
        appraisals: what the surrogate thinks of each.
    """
    n = len(contenders)
    form = {"objections": [{"hypothesis": 1, "ground": Ground.OTHER.value, "text": "…"}]}
    schema = objection_schema(n)
    messages, _ = desk.lay(
        load_prompt("criticise"),
        ("known",),
        role="critic",
        schema=schema,
        hypotheses=as_data(hypothesis_lines(contenders)),
        form=json.dumps(form, ensure_ascii=False),
    )
    said: list[Any] = []

    def check(entries: list[Any]) -> str:
        said[:] = entries
        return ""

    try:
        voice.fill(messages, schema, check=check, max_tokens=room_of(desk.card).reply)
    except (SilenceError, TooLongError) as error:
        return tuple(contenders), f"no critic: {error}"
    fitted = desk.outlook.surrogate is not None
    gains = [a.gain for a in appraisals]
    found: dict[int, list[Objection]] = {}
    for number, ground, text in read_objections(said, n):
        row = number - 1
        if any(o.ground is ground for o in found.get(row, ())):
            continue
        answer, upheld = _answer(ground, contenders[row], appraisals[row], gains, desk, fitted=fitted)
        objection = Objection(ground=ground, text=text, answer=answer, upheld=upheld)
        found.setdefault(row, []).append(objection)
    return (
        tuple(
            c.model_copy(update={"objections": tuple(found.get(row, ()))}) for row, c in enumerate(contenders)
        ),
        "",
    )


def read_objections(entries: Sequence[Any], n: int) -> list[tuple[int, Ground, str]]:
    """Return the objections that can be read, as (number, ground, text); what cannot is left out.

    An objection changes nothing by itself, so that none is asked for twice.
    """
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        number, ground, text = entry.get("hypothesis"), entry.get("ground"), entry.get("text")
        known = isinstance(ground, str) and ground in set(Ground)
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= n and known:
            words = " ".join(clean_text(str(text or ""), limit=LONGEST).split())
            found.append((number, Ground(str(ground)), words))
    return found


def _answer(
    ground: Ground,
    contender: Contender,
    appraisal: Appraisal,
    gains: Sequence[float],
    desk: Desk,
    *,
    fitted: bool,
) -> tuple[str, bool]:
    """Return what the numbers say to an objection, and whether they agree with it."""
    hypothesis = contender.hypothesis
    if ground is Ground.UNSUPPORTED:
        cites = hypothesis.cites
        return (f"it cites {', '.join(cites)}", False) if cites else ("it cites nothing", True)
    if ground is Ground.OTHER:
        return "no number speaks to it; recorded", False
    if not fitted:
        return "the surrogate has too little data to answer; recorded", False
    match ground:
        case Ground.IMPLAUSIBLE_VALUE:
            apart = [
                (abs(p.expected.value - mean) / hypot(p.expected.std or 0.0, std), p, mean, std)
                for p, (mean, std) in zip(hypothesis.predictions, appraisal.beliefs, strict=True)
            ]
            z, worst, mean, std = max(apart, key=lambda row: row[0])
            return (
                f"the surrogate expects {worst.property} {mean:.4g} ± {std:.2g} {worst.expected.unit}, "
                f"{z:.1f} standard deviations away",
                z > FAR,
            )
        case Ground.LIKELY_TO_FAIL:
            return f"the probability of failure is {appraisal.failure:.0%}", appraisal.failure >= RISKY
        case Ground.TOO_SIMILAR:
            upheld = appraisal.likeness > desk.outlook.generator.cap
            return f"the most similar known candidate has likeness {appraisal.likeness:.2f}", upheld
        case _:
            middle = median(gains)
            return f"its gain is {appraisal.gain:.3g}, the median {middle:.3g}", appraisal.gain < middle
