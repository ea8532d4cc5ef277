"""What a file of data says about itself: units, axes; and what it must not be."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from novum.core.errors import NotFoundError, ToolFailedError, UnitError
from novum.sandbox.files.names import shown
from novum.sandbox.files.streams import open_regular

LABELS_BYTES: Final = 1 << 16
"""Of the labels of one file."""

# a parser of units does arithmetic: '9^9^9^9' would keep it busy for ever
_TERM: Final = r"(?:1|[A-Za-zµμΩÅ°%Δ]\w{0,30}|[°%])(?:(?:\*\*|\^)-?\d{1,2}(?:\.\d{1,3})?)?"
_UNIT: Final = re.compile(rf"{_TERM}(?: ?[*/·] ?{_TERM}| {_TERM}){{0,9}}")

_PICKLES: Final = (
    (re.compile(rb"\x80[\x02-\x05]"), "it is a pickle, as joblib and old versions of torch write them"),
    (re.compile(rb"\(?[dlt]p0\n|\((?:[dlt]|i\w)|c[\w.]+\n[\w.]+\n|ccopy_reg\n"), "it is a pickle"),
    (re.compile(rb"\x78[\x01\x5e\x9c\xda]|ZF0x"), "it looks like a compressed pickle, as joblib writes them"),
    (re.compile(rb"PK\x03\x04.{26}[\w./-]*data\.pkl", re.DOTALL), "it is a pickle, as torch writes them"),
)


def find_pickle(head: bytes) -> str | None:
    r"""Return, in words, which kind of pickle the first bytes of a file are, or None.

    It makes a message clear; what is read is decided by what a file is, not by what it is not.

    Example:
        >>> find_pickle(b"\x80\x04K\x01.")
        'it is a pickle, as joblib and old versions of torch write them; pickles are never read'
    """
    for pattern, what in _PICKLES:
        if pattern.match(head):
            return f"{what}; pickles are never read"
    return None


def check_unit(unit: str) -> str:
    """Return a unit that a stranger named, in its canonical spelling.

    Raises:
        ValueError: it is unknown, or more than products and powers of names.
    """
    from novum.core.quantity import canonical_unit

    if len(unit) > 80 or not _UNIT.fullmatch(unit):
        raise ValueError(f"the unit {shown(unit)!r} is not a product of names and powers")
    try:
        return canonical_unit(unit)
    except UnitError as error:
        raise ValueError(f"the unit {shown(unit)!r} is unknown") from error


def labels_path(path: Path) -> Path:
    """Return where the labels of a file lie: beside it, with ``.json`` behind its name."""
    return path.with_name(path.name + ".json")


def write_labels(path: Path, labels: Mapping[str, Any]) -> None:
    """Write the labels of the file at `path`."""
    labels_path(path).write_text(json.dumps(labels), encoding="utf-8")


def read_labels(path: Path) -> dict[str, Any] | None:
    """Return the labels of the file at `path`, or None where there are none.

    Raises:
        ToolFailedError: they cannot be read.
    """
    beside = labels_path(path)
    try:
        with open_regular(beside, limit=LABELS_BYTES) as file:
            return parse_labels(file.read())
    except NotFoundError:
        return None
    except ValueError as error:
        raise ToolFailedError(f"cannot read {shown(beside.name)!r}: {error}") from error


def parse_labels(raw: bytes) -> dict[str, Any]:
    """Return the labels in a JSON document.

    Raises:
        ValueError: it is too long, not strict JSON, or no object.
    """
    from novum.sandbox.answers import parse_strict

    if len(raw) > LABELS_BYTES:
        raise ValueError(f"its labels have more than {LABELS_BYTES} bytes")
    labels = parse_strict(raw)
    if not isinstance(labels, dict):
        raise ValueError("its labels are not an object")
    return labels
