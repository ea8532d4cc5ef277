"""Names of files that strangers chose: which of them may reach a file system of ours.

The standard library only: it is loaded on both sides of the border.
"""

import unicodedata
from typing import Final

from novum.sandbox.text import clean_text

PART_BYTES: Final = 120
"""Of one part of a name, in UTF-8."""

SHOWN_CHARACTERS: Final = 160
"""Of a name that is shown in a refusal."""

_ASCII: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+ ")
_RESERVED: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in "0123456789¹²³"))
)


def safe_part(raw: str) -> str:
    """Return one part of a name in Unicode's composed form (NFC), if it is safe.

    Safe are letters of every script, the digits 0 to 9 and ``._-+`` and space, with neither a dot, a
    hyphen nor a space in front, neither a dot nor a space at the end, at most `PART_BYTES` bytes, and
    no name of a Windows device.

    Raises:
        ValueError: it is not safe, with the reason.

    Example:
        >>> safe_part("Spektrum β 3.csv")
        'Spektrum β 3.csv'
        >>> safe_part("..")
        Traceback (most recent call last):
        ...
        ValueError: its name starts with '.'
    """
    # before normalising, which takes time that grows with the text
    if len(raw) > PART_BYTES:
        raise ValueError(f"its name is longer than {PART_BYTES} bytes")
    name = unicodedata.normalize("NFC", raw)
    if not name:
        raise ValueError("its name has an empty part")
    # categories alone would let fillers pass, which are letters that show nothing
    if clean_text(name) != name or not all(c in _ASCII or unicodedata.category(c)[0] == "L" for c in name):
        raise ValueError("its name holds a character other than letters, digits and '._-+ '")
    if len(name.encode("utf-8")) > PART_BYTES:
        raise ValueError(f"its name is longer than {PART_BYTES} bytes")
    if name[0] in ".- ":
        raise ValueError(f"its name starts with {name[0]!r}")
    if name[-1] in ". ":
        raise ValueError(f"its name ends with {name[-1]!r}")
    if name.split(".", 1)[0].rstrip().casefold() in _RESERVED:
        raise ValueError("its name is that of a Windows device")
    return name


def safe_path(raw: str, *, depth: int) -> str:
    """Return a relative name with ``/`` between its parts, each as `safe_part` gives it.

    ``./`` in front is dropped, as archivers write it.

    Args:
        raw: the name.
        depth: how many folders may be around the file.

    Raises:
        ValueError: it is absolute, too deep, or a part is not safe; with the reason.
    """
    if raw.startswith("/"):
        raise ValueError("its name is absolute")
    parts = raw.removeprefix("./").split("/", depth + 1)
    if ".." in parts:
        raise ValueError("its name leads out of its folder")
    if len(parts) > depth + 1:
        raise ValueError(f"it lies deeper than {depth} folders")
    return "/".join(safe_part(part) for part in parts)


def collision_key(name: str) -> str:
    """Return what two names share that some file system of ours would take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def shown(name: str) -> str:
    """Return a name as it may be shown anywhere: in one line, with escapes for what is not seen, and cut."""
    start = clean_text(name[: 2 * SHOWN_CHARACTERS])
    seen = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in start)
    return clean_text("".join(seen), limit=SHOWN_CHARACTERS)
