"""What became of the files: taken, refused, and what was left out of those that were taken."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Taken:
    """A file from which items came."""

    name: str
    sha256: str
    format: str
    n_items: int
    """Without what was in the file twice."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not taken, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a file that was left out or is doubtful."""

    name: str
    place: str
    """As ``column 'yield'`` or ``page 3``; empty for the whole file."""
    message: str
    n: int = 1
    """How often it was noted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a walk has come; told before each file and once after the last."""

    n_done: int
    n_files: int
    name: str
    """The next file; empty at the end."""
    n_items: int
    """Items from all files so far."""


OnProgress = Callable[[Progress], None]
"""Is called as a walk goes on."""

MAX_NOTES = 1_000
"""Different notes that are kept; the others are only counted."""


@dataclass(slots=True)
class Report:
    """Filled while items are taken; complete when the last one has come."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    n_unlisted_notes: int = 0
    """Notes beyond the first thousand different ones."""
    _notes: dict[tuple[str, str, str], int] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was left out or is doubtful, in the order in which it was first found."""
        return tuple(Note(*key, n=n) for key, n in self._notes.items())

    @property
    def n_items(self) -> int:
        """Items from all files that were read to their end."""
        return sum(taken.n_items for taken in self.taken)

    def note(self, name: str, message: str, *, place: str = "") -> None:
        """Add a note; an equal one is counted."""
        key = (name, place, message)
        if key in self._notes or len(self._notes) < MAX_NOTES:
            self._notes[key] = self._notes.get(key, 0) + 1
        else:
            self.n_unlisted_notes += 1
