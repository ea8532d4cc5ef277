"""Questions about molecules and materials, asked on the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from novum.core.errors import UsageError

if TYPE_CHECKING:
    from novum.knowledge_base.base import KnowledgeBase
    from novum.knowledge_base.items import Filters
    from novum.knowledge_base.structures import Alike


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about structures; nothing, one thing, or too much."""

    MOST: ClassVar[int] = 10_000
    """Items about structures that a text can be looked for in."""

    similar: str | None = None
    containing: str | None = None
    composition: str | None = None
    crystal: Path | None = None
    least: float | None = None
    """Least similarity."""

    def __bool__(self) -> bool:
        return any(
            part is not None for part in (self.similar, self.containing, self.composition, self.crystal)
        )


def ask(knowledge: "KnowledgeBase", question: Question, n: int, filters: "Filters") -> "list[Alike]":
    """Return the items that answer a question about structures, best first.

    Raises:
        NotFoundError: the file of a crystal is not there.
        UsageError: more than one thing is asked, or it is no structure.
    """
    asked = [question.similar, question.containing, question.composition, question.crystal]
    if sum(part is not None for part in asked) > 1:
        raise UsageError("ask about one structure: --similar, --containing, --composition or --crystal")
    structures, least = knowledge.structures, question.least
    if question.similar is not None:
        found = structures.similar(question.similar, n, **filters)
    elif question.containing is not None:
        found = structures.containing(question.containing, n, **filters)
    elif question.composition is not None:
        tolerance = 0.0 if least is None else 1.0 - least
        return structures.of_composition(question.composition, n, tolerance=tolerance, **filters)
    else:
        assert question.crystal is not None
        found = structures.matching(_load_crystal(question.crystal), n, **filters)
    return [alike for alike in found if least is None or alike.similarity >= least]


def _load_crystal(path: Path) -> Any:
    from novum.core.errors import NotFoundError

    if not path.is_file():
        raise NotFoundError(f"there is no file {str(path)!r}")
    from pymatgen.core import Structure

    try:
        return Structure.from_file(path)
    except (ValueError, KeyError, IndexError, TypeError, OSError, AssertionError) as error:
        raise UsageError(f"{str(path)!r} holds no crystal that can be read: {error}") from error
