"""Prompts: Markdown files with named slots, checked both ways, each known by its hash."""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from novum.core.digest import digest_bytes

_SLOT = re.compile(r"\{\{ *(\w+) *\}\}")


class SlotError(ValueError):
    """A prompt was filled with other slots than it has: a fault of the program, not of a model."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One template.

    Example:
        >>> Prompt("greeting", "Hello {{ who }}.").render(who="{{ you }}")
        'Hello {{ you }}.'
    """

    name: str
    text: str

    @property
    def slots(self) -> frozenset[str]:
        """The names of its slots."""
        return frozenset(_SLOT.findall(self.text))

    @property
    def hash(self) -> str:
        """SHA-256 of the template, slots unfilled."""
        return digest_bytes(self.text.encode())

    def render(self, **given: str) -> str:
        """Return the text with every slot filled. What fills a slot is not read for slots again.

        Raises:
            SlotError: a slot is missing, or there is none of that name.
        """
        missing, unknown = self.slots - set(given), set(given) - self.slots
        if missing or unknown:
            raise SlotError(
                f"prompt {self.name!r}: "
                + "; ".join(
                    f"{what} {', '.join(sorted(names))}"
                    for what, names in (("not filled", missing), ("no slot", unknown))
                    if names
                )
            )
        return _SLOT.sub(lambda slot: given[slot[1]], self.text)


@lru_cache(maxsize=32)
def load_prompt(name: str) -> Prompt:
    """Return the prompt that the file ``name.md`` holds.

    Raises:
        FileNotFoundError: there is no such file.
    """
    file = resources.files(__package__) / f"{name}.md"
    return Prompt(name, file.read_text(encoding="utf-8").strip() + "\n")


def prompt_names() -> tuple[str, ...]:
    """Return the names of all prompts."""
    files = (file.name for file in resources.files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in files if name.endswith(".md")))
