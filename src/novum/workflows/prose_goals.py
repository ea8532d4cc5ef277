"""Goals from prose: a model reads the text, the goal-file parser has the word on what it wrote."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from novum.agents.models.base import Model
from novum.agents.scientist.goal_writing import LONGEST, Amount, GoalDraft, to_goal_file, write_goal
from novum.agents.scientist.quoting import quoted
from novum.agents.scientist.saying import Said
from novum.agents.scientist.toolbox import Toolbox
from novum.core.calls import PropertySpec, ToolSpec
from novum.core.errors import GoalError, ModelReplyError, UsageError
from novum.core.goals import Goal, ObjectiveKind
from novum.core.quantity import DIMENSIONLESS
from novum.tools.registry import Registry
from novum.workflows.assays import choose_assays
from novum.workflows.goal_files import is_goal_path, load_goal
from novum.workflows.goal_language import Wish, parse_clause, parse_goal

FEWEST_WORDS = 3
"""A text of fewer words is a slip in the goal language, and no prose."""
MOST_TOOLS = 30
"""Tools whose properties a model is told of; of more, the most relevant."""

_WORD = re.compile(r"[^\W\d_]{2,}")


def is_prose(source: str) -> bool:
    """Say whether a goal is neither a file nor in the goal language, and has words enough to mean something.

    Example:
        >>> is_prose("find me a drug-like molecule"), is_prose("maximise qed"), is_prose("qed > > 1")
        (True, False, False)
    """
    if is_goal_path(source) or len(_WORD.findall(source)) < FEWEST_WORDS:
        return False
    try:
        parse_goal(source)
    except GoalError:
        return True
    return False


def write_goal_file(text: str, registry: Registry, model: Model, *, folder: Path, step: str) -> str:
    """Return the goal file that a model makes of a text; it has been read and can be measured here.

    The model names no file that the text does not name, and chooses no settings of tools.

    Args:
        text: what somebody wants, in prose.
        registry: the tools that can measure properties.
        model: whom to ask.
        folder: where files that the text names are looked for.
        step: where the exchange is recorded.

    Raises:
        GoalError: the text is too long, or the model made nothing of it that can be pursued.
        ModelUnavailableError: the model does not answer.
    """
    if len(text) > LONGEST:
        raise GoalError(f"the goal has {len(text)} characters; a model is given up to {LONGEST}")

    def check(draft: GoalDraft) -> str:
        wrong = _overreach(draft, text)
        if wrong:
            return wrong
        try:
            goal = parse_goal_file(written(draft), registry)
            choose_assays(goal, registry)
        except UsageError as error:
            return str(error)
        return ""

    def written(draft: GoalDraft) -> str:
        placed = _placed(draft, folder)
        return to_goal_file(placed, text, model=model.name, amounts=amounts_of)

    lines = property_lines(text, registry)
    try:
        return written(write_goal(model, text, lines, check=check, step=step))
    except ModelReplyError as error:
        raise GoalError(f"model {model.name!r} made no goal of the text: {error}") from error


def parse_goal_file(text: str, registry: Registry, *, seed: int | None = None, **budget: int | None) -> Goal:
    """Return the goal that the text of a goal file states; as `goal_files.load_goal`.

    Raises:
        GoalError: anything that keeps the goal from being pursued, with line and key.
    """
    with tempfile.TemporaryDirectory(prefix="novum-") as folder:
        file = Path(folder, "goal.yaml")
        file.write_text(text, encoding="utf-8")
        return load_goal(str(file), registry, seed=seed, **budget)


def property_lines(text: str, registry: Registry) -> list[str]:
    """Return what can be measured, a line for each property; of many tools those that a text speaks of."""
    found = (tool.spec for tool in registry.tools())
    specs = [spec for spec in found if spec.properties and registry.is_available(spec)]
    if len(specs) > MOST_TOOLS:
        specs = list(Toolbox(specs).search(text, MOST_TOOLS))
    lines: dict[str, str] = {}
    for spec in specs:
        for measured in spec.properties:
            lines.setdefault(measured.name, _property_line(measured, spec))
    order = Toolbox([_as_tool(spec, p) for spec in specs for p in spec.properties]).search(text, len(lines))
    relevant = [spec.properties[0].name for spec in order]
    return [lines[name] for name in dict.fromkeys([*relevant, *lines])]


def amounts_of(wish: str) -> Sequence[Amount]:
    """Return the numbers of a wish with their unit; none for what is no wish."""
    try:
        read = parse_clause(wish)
    except GoalError:
        return ()
    unit = read.unit or DIMENSIONLESS
    return tuple(Amount(value, unit) for value in _values(read))


def _values(wish: Wish) -> list[float]:
    if wish.kind is ObjectiveKind.TARGET and wish.target is not None and wish.high is not None:
        return [wish.target, wish.high - wish.target]
    return [value for value in (wish.low, wish.high) if value is not None]


def _overreach(draft: GoalDraft, text: str) -> str:
    """Return what a model may not choose: files of the machine that the text does not name."""
    space = draft.space
    if isinstance(space.get("start", []), str):
        return "space.start: give a list of SMILES, not a file"
    if "templates" in space:
        return "space.templates: leave them out; files are named by people"
    if space.get("kind") == "pool":
        file = space.get("file")
        if not isinstance(file, str) or not Said(text).has_words(file):
            return f"space.file: {str(file)[:80]!r} does not stand in the text, which has to name the file"
    return ""


def _placed(draft: GoalDraft, folder: Path) -> GoalDraft:
    """Return the draft with its pool where it was looked for, wherever the goal file will lie."""
    file = draft.space.get("file")
    if draft.space.get("kind") != "pool" or not isinstance(file, str):
        return draft
    return draft.model_copy(update={"space": {**draft.space, "file": str(folder / file)}})


def _property_line(measured: PropertySpec, spec: ToolSpec) -> str:
    unit = "" if measured.unit == DIMENSIONLESS else f" in {measured.unit}"
    usual = f", usually {measured.usual[0]:g} to {measured.usual[1]:g}" if measured.usual else ""
    return f"{measured.name}{unit}: {quoted(measured.description, limit=160)}{usual}, by {spec.name}"


def _as_tool(spec: ToolSpec, measured: PropertySpec) -> ToolSpec:
    """Return a tool as if it measured one property alone, so that properties can be searched."""
    return spec.model_copy(update={"name": measured.name, "properties": (measured,), "parameters": {}})
