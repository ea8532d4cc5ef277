"""``novum model list``: which models there are, and which answer."""

from typing import TYPE_CHECKING, Any

from novum.cli import render
from novum.cli.model.group import app
from novum.cli.options import JsonOption, examples
from novum.cli.terminal import err, show, write_json
from novum.core.model_entry import ModelEntry
from novum.core.settings import load_settings

if TYPE_CHECKING:
    from novum.agents.models.reach import Reached


@app.command("list", epilog=examples("novum model list", "novum model list --json"))
def list_models(json: JsonOption = False) -> None:
    """List the models, with where they are, whether they answer, and when they were checked.

    Each server is asked for the names of its models, without a key.
    """
    from novum.agents.models.reach import reach_all

    settings = load_settings()
    reached = reach_all(entry.base_url for entry in settings.models.values())
    rows = [
        (name, entry, found) for (name, entry), found in zip(settings.models.items(), reached, strict=True)
    ]
    default = settings.get_model()[0] if settings.model in settings.models or len(rows) == 1 else None
    if json:
        write_json(
            {"default": default, "models": [to_document(*row, default=row[0] == default) for row in rows]}
        )
        return
    if not rows:
        err().print(render.line("no model is set up; 'novum model serve' or 'novum model add' does it"))
        return
    show(
        render.table(
            ("model", "served as", "at", "family", "engine", "state", "checked"),
            [
                (
                    render.line(name, render.text("  default", "bold") if name == default else ""),
                    entry.model,
                    render.line(entry.base_url, render.text("  remote", "yellow") if entry.is_remote else ""),
                    entry.family,
                    entry.engine,
                    state(entry, found),
                    checked(entry),
                )
                for name, entry, found in rows
            ],
        )
    )


def to_document(name: str, entry: ModelEntry, found: "Reached", *, default: bool) -> dict[str, Any]:
    """Return a model as JSON shows it."""
    return {
        "name": name,
        "default": default,
        **entry.model_dump(mode="json"),
        "remote": entry.is_remote,
        "state": found.state.value,
        "detail": found.detail,
        "serves": list(found.models),
        "checked": checked(entry) or None,
    }


def state(entry: ModelEntry, found: "Reached") -> Any:
    """Return whether a model can be asked, as its server's answer says."""
    from novum.agents.models.reach import State

    if found.state is State.ANSWERS and entry.model not in found.models:
        return render.text(f"answers, but serves {', '.join(found.models) or 'nothing'}", "yellow")
    colour = {State.ANSWERS: "green", State.ASKS_FOR_KEY: "green", State.SILENT: "red"}
    text = "answers, with a key" if found.state is State.ASKS_FOR_KEY else found.state.value
    return render.text(text, colour.get(found.state, "yellow"))


def checked(entry: ModelEntry) -> str:
    """Return the day on which a model was last checked; empty where it was not."""
    from novum.agents.models.cards import find_card

    card = find_card(entry)
    return card.probed_at.date().isoformat() if card is not None and card.probed_at else ""
