"""Reading what untrusted code says: one JSON document, strictly.

An answer is a claim. Nothing in it can change how the call is said to have ended beyond what the
code could have caused anyway by returning or raising.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from novum.core.calls import CallStatus
from novum.sandbox.json_data import MAX_DEPTH
from novum.sandbox.text import clean_text

MESSAGE_LIMIT: Final = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call said: a value, or why there is none."""

    status: CallStatus
    value: Any = None
    message: str = ""


def parse_answer(raw: bytes) -> Answer:
    """Read the answer of a call; anything but exactly one answer is a bad result.

    Example:
        >>> parse_answer(b'{"value": 1}').value
        1
        >>> parse_answer(b'{"value": NaN}').status.value
        'bad-result'
    """
    try:
        document = parse_strict(raw)
    except ValueError as error:
        return _bad(f"the answer could not be read: {error}")
    if not isinstance(document, dict):
        return _bad("the answer is not an answer")
    match document:
        case {"value": value} if len(document) == 1:
            return Answer(CallStatus.OK, value=value)
        case {"raised": str(name), "text": str(text), "limit": "memory"}:
            return Answer(CallStatus.OUT_OF_MEMORY, message=_message(name, text))
        case {"raised": str(name), "text": str(text), "limit": "processes"}:
            return Answer(CallStatus.TOO_MANY_PROCESSES, message=_message(name, text))
        case {"raised": str(name), "text": str(text)}:
            return Answer(CallStatus.ERROR, message=_message(name, text))
        case {"refused": str(why)}:
            return _bad(why)
        case {"large": int(size)}:
            return Answer(CallStatus.OUTPUT_LIMIT, message=f"the answer has {size} bytes, more than allowed")
    return _bad("the answer is not an answer")


def parse_strict(raw: bytes) -> Any:
    """Return the JSON value in `raw`.

    Refused: NaN and infinities (also as ``1e999``), duplicate keys, integers of thousands of digits,
    nesting deeper than `MAX_DEPTH`, lone surrogates, anything after the first document.

    Raises:
        ValueError: it is refused, with the reason.
    """
    _check_depth(raw)
    text = raw.decode("utf-8")
    value = json.loads(
        text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
    )
    if re.search(r"\\u[dD][89a-fA-F]", text):
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # UnicodeEncodeError is a ValueError
    return value


def _check_depth(raw: bytes) -> None:
    # before json.loads, which recurses: a host that raised its recursion limit would overflow its stack
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in re.finditer(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', raw, re.DOTALL):
        first = token.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH + 2:  # the envelope, and the value's own first level
                raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        elif first in b"]}":
            depth -= 1


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON data")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is out of range")
    return number


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has the same key twice")
    return found


def _message(name: str, text: str) -> str:
    return clean_text(f"{name}: {text}" if text else name, limit=MESSAGE_LIMIT)


def _bad(why: str) -> Answer:
    return Answer(CallStatus.BAD_RESULT, message=clean_text(why, limit=MESSAGE_LIMIT))
