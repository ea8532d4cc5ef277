"""The proposer: asks for hypotheses until enough are in order, tells what is wrong, and stops in time."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import Desk, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.proposals import Draft, proposal_example, proposal_schema, read_proposals
from novum.agents.scientist.quoting import quoted
from novum.core.deliberation import Rejected, Turn

SECTIONS = ("space", "known", "lessons", "passages")
FAULTS_TOLD = 6
MOST_READ = 32
"""Hypotheses of one answer that are looked at; nobody asked for more."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of asking."""

    turn: Turn
    drafts: tuple[Draft, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    note: str = ""


class _Gathering:
    """The proposals of one step, judged as they come; what is in order is kept whatever comes after it."""

    def __init__(self, desk: Desk, *, enough: int) -> None:
        context = desk.outlook.context
        self._desk = desk
        self._enough = enough
        self._closed = set(desk.outlook.study.closed)
        self._closed |= {o.candidate.id for o in context.observations if not o.recalled}
        self.citable: Collection[str] = frozenset()
        self.drafts: list[Draft] = []
        self.rejected: list[Rejected] = []

    def judge(self, entries: list[Any]) -> str:
        """Take what is in order; return what is not, while there is not enough."""
        drafts, faults = read_proposals(
            entries[:MOST_READ],
            self._desk.form,
            self._desk.outlook.context,
            closed=self._closed,
            citable=self.citable,
        )
        self._closed |= {draft.candidate.id for draft in drafts}
        self.drafts += drafts
        self.rejected += faults
        if len(self.drafts) >= self._enough or (self.drafts and not faults):
            return ""
        told = "; ".join(f"{quoted(f.said, limit=120)}: {f.reason}" for f in faults[:FAULTS_TOLD])
        kept = f" {len(self.drafts)} are in order; do not repeat them." if self.drafts else ""
        return (told or "there is no hypothesis in it") + f".{kept} Propose others in place of these."


def propose(voice: Voice, desk: Desk, n: int, *, enough: int, probes: str) -> Proposed:
    """Return proposals that are in order, and what was wrong with the others.

    As long as there are fewer than `enough`, what is not in order is told to the model, which may replace
    it, as often as `voice` may still ask.

    Args:
        voice: the model in this step.
        desk: what it is told.
        n: how many it is asked for.
        enough: how many can be tested.
        probes: what the tools gave that it called.
    """
    context = desk.outlook.context
    objectives = context.goal.objectives
    gathering = _Gathering(desk, enough=enough)
    size = proposal_schema(desk.form, objectives, context, n=n, citable=desk.ids(SECTIONS))
    silence: SilenceError | None = None
    while True:
        messages, gathering.citable = desk.lay(
            load_prompt("propose"),
            SECTIONS,
            role="proposer",
            schema=size,
            n=str(n),
            candidate=desk.form.instruction(),
            form=proposal_example(desk.form, objectives),
            probes=probes,
        )
        schema = proposal_schema(desk.form, objectives, context, n=n, citable=gathering.citable)
        try:
            voice.fill(messages, schema, check=gathering.judge, max_tokens=room_of(desk.card).reply)
        except TooLongError:
            desk.shrink()
            continue
        except SilenceError as error:
            silence = error
        break
    drafts, rejected = tuple(gathering.drafts), tuple(gathering.rejected)
    if drafts:
        note = "" if len(drafts) >= enough else f"{len(drafts)} of {enough} proposals are in order"
        if silence is not None and silence.turn is Turn.UNAVAILABLE:
            note = f"{note}; then it did not answer: {silence.reason}"
        return Proposed(Turn.ANSWERED, drafts, rejected, note)
    assert silence is not None
    note = silence.reason
    if rejected and silence.turn is Turn.UNUSABLE:
        note = f"nothing that it proposed can be tested; the last: {rejected[-1].reason}"
    return Proposed(silence.turn, (), rejected, note)
