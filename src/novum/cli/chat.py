"""``novum chat``: questions about a campaign, answered by a model and checked by code."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from novum.cli import render
from novum.cli.options import (
    CampaignArgument,
    JsonOption,
    WorkspaceOption,
    examples,
    get_record,
    open_workspace,
)
from novum.cli.pursuit import INTERRUPTED, find_scales
from novum.cli.stopping import stopping_in_order
from novum.cli.terminal import err, out, show, write_json
from novum.core.deliberation import Turn
from novum.core.errors import ModelUnavailableError, NoUsableReplyError, NovumError, UsageError

if TYPE_CHECKING:
    from novum.agents.models.base import Model
    from novum.agents.scientist.answering import Inquiry
    from novum.core.prose import Analysis, Sentence
    from novum.core.record import CampaignRecord
    from novum.runtime import Workspace
    from novum.workflows.learning import CampaignKnowledge

app = typer.Typer(rich_markup_mode=None, add_completion=False)

SHOWN = 160
"""Characters of a cited record below an answer."""


@app.command(
    "chat",
    short_help="Ask a language model about a campaign; its answer is checked.",
    epilog=examples(
        "novum chat maximise-qed-1",
        "novum chat maximise-qed-1 'Which prediction was furthest off?'",
        "novum chat maximise-qed-1 'What failed, and why?' --model mini --json",
    ),
)
def chat(
    campaign: CampaignArgument,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="One question; without it, ask one by one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Whom to ask.  [default: the default model]")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Ask a language model about a campaign; its answer is checked.

    The model is told the campaign's records and what the knowledge base says, as far as that may go where
    the model is. Each sentence cites records, which 'novum show' shows. A citation that does not exist, and
    a number that does not stand in a record that its sentence cites, is marked.

    Without QUESTION it asks for one after the other, until an empty line or Ctrl-D; questions may also come
    through a pipe, one a line. What was asked and answered is kept beside the ledger of campaigns, which
    stays as it is.
    """
    with stopping_in_order(lambda *_: None), open_workspace(workspace, model=model) as opened:
        talk = Talk(opened, campaign, model)
        try:
            if question is not None:
                talk.answer(question, json=json, indent=2)
                return
            for asked in questions(talk.prompt, json=json):
                try:
                    talk.answer(asked, json=json, indent=None)
                except (ModelUnavailableError, NoUsableReplyError) as error:
                    report(error, json=json)
        except KeyboardInterrupt:
            err().print(render.line("stopped; what was answered is kept"))
            raise typer.Exit(INTERRUPTED) from None


class Talk:
    """One conversation about one campaign.

    Raises:
        NotFoundError: there is no such campaign, or no such model.
        UsageError: the campaign has not begun.
    """

    def __init__(self, workspace: "Workspace", campaign: str, model: str | None) -> None:
        from novum.workflows.conversations import about

        self._workspace = workspace
        self._campaign = campaign
        self._record: CampaignRecord = get_record(workspace, campaign)
        if self._record.started is None:
            raise UsageError(f"campaign {campaign!r} has no beginning on record; 'novum verify' says more")
        self._scales = find_scales(workspace, self._record.goal)
        asked = workspace.open_model(model)
        self._model: Model
        self._model, self._step = workspace.conversations.open(about(campaign), asked)
        self._knowledge = self._open_knowledge()
        self._earlier: list[tuple[str, str]] = []

    @property
    def prompt(self) -> str:
        """What stands before a question."""
        return f"{self._campaign}? "

    def answer(self, question: str, *, json: bool, indent: int | None) -> None:
        """Ask, and show what was answered.

        Raises:
            UsageError: the question is empty.
            ModelUnavailableError: the model does not answer.
            NoUsableReplyError: no answer could be used.
        """
        if not question.strip():
            raise UsageError("the question is empty")
        found, inquiry = self._ask(question)
        if not found.sentences:
            if found.turn is Turn.UNAVAILABLE:
                raise ModelUnavailableError(found.note, kind="failed")
            raise NoUsableReplyError(
                f"model {self._model.name!r} gave no usable answer: {found.note}", kind="schema", problems=()
            )
        self._earlier.append((question, " ".join(s.text for s in found.sentences)))
        if json:
            write_json(answer_json(self._campaign, question, self._model, found, inquiry), indent=indent)
        else:
            show(*answer_page(found, inquiry))

    def _ask(self, question: str) -> "tuple[Analysis, Inquiry]":
        from novum.agents.scientist.answering import answer
        from novum.agents.scientist.asking import Voice, patience_with
        from novum.agents.scientist.desk import room_of
        from novum.workflows.inquiry import inquire

        inquiry = inquire(
            question,
            self._record,
            scales=self._scales,
            knowledge=self._knowledge,
            to=self._model.destination,
            earlier=self._earlier,
        )
        card = self._model.card
        patience = patience_with(card, reply_tokens=room_of(card).reply)
        voice = Voice(self._model, step=self._step(), seed=0, patience=patience)
        if not err().is_terminal:
            return answer(voice, self._model.card, inquiry), inquiry
        with err().status(f"asking {self._model.name}"):
            return answer(voice, self._model.card, inquiry), inquiry

    def _open_knowledge(self) -> "CampaignKnowledge | None":
        """Return what is known; None where nothing was ever recorded."""
        from novum.workflows.learning import CampaignKnowledge

        if not (self._workspace.settings.workspace / "knowledge").is_dir():
            return None
        base = self._workspace.knowledge
        return CampaignKnowledge(base, self._record.goal, to=self._model.destination)


def questions(prompt: str, *, json: bool) -> Iterator[str]:
    """Yield questions as they are typed, until an empty line or the end; or those of a pipe."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    ask: Callable[[str], str] = err().input if json else out().input
    while True:
        try:
            asked = ask(prompt).strip()
        except EOFError:
            return
        if not asked:
            return
        yield asked


def report(error: NovumError, *, json: bool) -> None:
    """Say that one question has no answer; the next may have."""
    if json:
        write_json({"error": {"type": type(error).__name__, "message": str(error)}}, indent=None)
    else:
        show(render.text(f"no answer: {error}", "red"))


def answer_page(found: "Analysis", inquiry: "Inquiry") -> list[Any]:
    """Return an answer with its citations and marks, and the records that it cites."""
    shown: list[Any] = []
    for sentence in found.sentences:
        line = render.text(sentence.text)
        beside = [name for name in sentence.cites if f"[{name}" not in sentence.text]
        if beside:
            line.append(" ").append(render.text(f"[{', '.join(beside)}]", "cyan"))
        for mark in sentence.marks:
            line.append(" ").append(render.text(f"‹{mark.value}›", "bold yellow"))
        shown.append(line)
    rows = [(name, render.text(inquiry.records[name].text, limit=SHOWN)) for name in _cited(found, inquiry)]
    if rows:
        shown += [Text(), render.fields(rows)]
    return shown


def answer_json(
    campaign: str, question: str, model: "Model", found: "Analysis", inquiry: "Inquiry"
) -> dict[str, Any]:
    """Return an answer as JSON data."""
    return {
        "campaign": campaign,
        "question": question,
        "model": model.name,
        "sentences": [_sentence_json(sentence) for sentence in found.sentences],
        "records": {name: inquiry.records[name].text for name in _cited(found, inquiry)},
        "ok": not any(sentence.marks for sentence in found.sentences),
    }


def _sentence_json(sentence: "Sentence") -> dict[str, Any]:
    return sentence.model_dump(mode="json")


def _cited(found: "Analysis", inquiry: "Inquiry") -> list[str]:
    names = dict.fromkeys(name for sentence in found.sentences for name in sentence.cites)
    return [name for name in names if name in inquiry.records]
