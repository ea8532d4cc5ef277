"""The proposer: asks for hypotheses until enough are in order, tells what is wrong, and stops in time."""

from dataclasses import dataclass, replace

from novum.agents.models.base import Message
from novum.agents.models.reading import load_tolerant
from novum.agents.scientist.asking import SilenceError, TooLongError, Voice
from novum.agents.scientist.desk import Desk, room_of
from novum.agents.scientist.prompts import load_prompt
from novum.agents.scientist.proposals import Draft, proposal_example, proposal_schema, read_proposals
from novum.agents.scientist.quoting import as_data, quoted
from novum.core.deliberation import Rejected, Turn
from novum.core.errors import ModelReplyError

SECTIONS = ("space", "known", "lessons", "passages")
FAULTS_TOLD = 6


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of asking."""

    turn: Turn
    drafts: tuple[Draft, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    note: str = ""


def propose(voice: Voice, desk: Desk, n: int, *, enough: int, probes: str) -> Proposed:
    """Return at most `n` proposals that are in order, and what was wrong with the others.

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
    closed = {o.candidate.id for o in context.observations if not o.recalled}
    closed |= desk.outlook.study.closed
    made = Proposed(Turn.UNUSABLE)
    talk: list[Message] = []
    citable: frozenset[str] = frozenset()
    while voice.left and len(made.drafts) < enough:
        lacking = n - len(made.drafts)
        if not talk:
            messages, citable = desk.lay(
                load_prompt("propose"),
                SECTIONS,
                role="proposer",
                n=str(lacking),
                candidate=desk.form.instruction(),
                form=proposal_example(desk.form, objectives),
                probes=probes,
            )
            talk = list(messages)
        try:
            reply = voice.ask(
                talk,
                schema=proposal_schema(desk.form, objectives, context, n=lacking),
                max_tokens=room_of(desk.card).reply,
            )
        except TooLongError as overflow:
            made = replace(made, note=f"its prompt was too long: {overflow}")
            desk.shrink()
            talk = []
            continue
        except SilenceError as silence:
            return _ended(made, silence)
        try:
            said = load_tolerant(reply.text)
        except ModelReplyError as error:
            faults = [Rejected(said=reply.text[:200], reason=str(error))]
            drafts: list[Draft] = []
        else:
            drafts, faults = read_proposals(said, desk.form, context, closed=closed, citable=citable)
            drafts = drafts[:lacking]
        closed |= {draft.candidate.id for draft in drafts}
        made = replace(
            made,
            turn=Turn.ANSWERED if made.drafts or drafts else Turn.UNUSABLE,
            drafts=(*made.drafts, *drafts),
            rejected=(*made.rejected, *faults),
        )
        if not faults:
            break
        told = as_data(f"- {quoted(f.said, limit=120)}: {f.reason}" for f in faults[:FAULTS_TOLD])
        asked_again = load_prompt("again").render(faults=told, n=str(n - len(made.drafts)))
        talk = [*talk[:2], Message.assistant(reply.text[:2000] or "…"), Message.user(asked_again)]
    if made.drafts:
        return replace(made, note="")
    last = made.rejected[-1].reason if made.rejected else made.note or "it proposed nothing"
    return replace(made, note=f"nothing that it proposed can be tested; at last: {last}")


def _ended(made: Proposed, silence: SilenceError) -> Proposed:
    """Return what there was before the model fell silent."""
    if made.drafts:
        return replace(made, note=f"it fell silent after {len(made.drafts)} proposals: {silence.reason}")
    return replace(made, turn=silence.turn, note=silence.reason)
