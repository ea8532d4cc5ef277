"""JSON out of text that was meant to be JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any

from novum.core.errors import ModelReplyError

MAX_DEPTH = 64
"""Nesting beyond this is no answer."""

MAX_CHARACTERS = 400_000
_MOST_PIECES = 100


def load_strict(text: str) -> Any:
    """Return the JSON value that `text` is.

    Raises:
        ModelReplyError: it is not JSON, nested too deeply, or holds a number that is not finite.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelReplyError(f"not JSON: {_short(error)}", kind="malformed") from error
    return sound(value)


def load_tolerant(text: str, *, cut: bool = False) -> Any:
    """Return the object or list that `text` holds, mended where needed.

    Prose and fences around it, trailing commas, single quotes, missing brackets at the end, comments and
    unquoted keys are mended. Of several values the largest object is taken.

    A text that was `cut` is not mended: where it ends in ``30``, it may have been going to say ``300``.

    Raises:
        ModelReplyError: there is no object or list in it.

    Example:
        >>> load_tolerant("Sure! {'smiles': 'CCO',} Does that help?")
        {'smiles': 'CCO'}
    """
    if len(text) > MAX_CHARACTERS:
        raise ModelReplyError(f"{len(text)} characters are no answer to read JSON from", kind="malformed")
    pieces = _pieces(text)
    if not pieces:
        raise ModelReplyError("there is no JSON in it", kind="malformed")
    objects = [piece for piece in pieces if text[piece.start] == "{"]
    best = max(objects or pieces, key=lambda piece: piece.end - piece.start)
    if best.is_whole:
        return sound(best.value)
    if cut:
        raise ModelReplyError("the reply was cut before its JSON was whole", kind="cut")
    return sound(_mended(text[best.start : best.end]))


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    is_whole: bool
    value: Any = None


def _pieces(text: str) -> list[_Piece]:
    """Return the outermost objects and lists in a text, those that are broken too.

    A bracket in prose is none: what begins with ``[`` and cannot be read counts only at the very beginning.
    """
    decoder = json.JSONDecoder()
    pieces: list[_Piece] = []
    first = len(text) - len(text.lstrip())
    at = 0
    while len(pieces) < _MOST_PIECES and (at := _next_bracket(text, at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
            pieces.append(_Piece(at, end, True, value))
        except (ValueError, RecursionError):
            if text[at] == "[" and at != first:
                at += 1
                continue
            end = _matching(text, at)
            pieces.append(_Piece(at, end, False))
        at = end
    return [piece for piece in pieces if not piece.is_whole or piece.value or len(pieces) == 1]


def _matching(text: str, start: int) -> int:
    """Return the place after the bracket that closes the one at `start`, or the end of the text."""
    depth, quoted, escaped = 0, False, False
    for i in range(start, len(text)):
        c = text[i]
        if quoted:
            quoted = c != '"' or escaped
            escaped = c == "\\" and not escaped
        elif c == '"':
            quoted = True
        elif c in "{[":
            depth += 1
        elif c in "}]":
            depth -= 1
            if depth == 0:
                return i + 1
    return len(text)


def _mended(text: str) -> Any:
    from json_repair import repair_json

    try:
        value: Any = repair_json(text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, TypeError) as error:
        raise ModelReplyError(f"JSON that cannot be mended: {_short(error)}", kind="malformed") from error
    if text[0] == "{" and isinstance(value, list):
        value = max((one for one in value if isinstance(one, dict)), key=len, default=None)
    if not isinstance(value, dict | list) or not value:
        raise ModelReplyError("JSON that cannot be mended", kind="malformed")
    return value


def _next_bracket(text: str, start: int) -> int:
    places = [i for i in (text.find("{", start), text.find("[", start)) if i >= 0]
    return min(places, default=-1)


def sound(value: Any, *, depth: int = 0) -> Any:
    """Return `value` without lone surrogates, so that a ledger can hold it.

    Raises:
        ModelReplyError: it is nested too deeply, or holds a number that is not finite or too long.
    """
    if depth > MAX_DEPTH:
        raise ModelReplyError(f"JSON nested more than {MAX_DEPTH} deep", kind="malformed")
    match value:
        case str():
            return whole_text(value)
        case float() if not math.isfinite(value):
            raise ModelReplyError("a number that is not finite", kind="malformed")
        case int() if not isinstance(value, bool) and abs(value) >= 1 << 63:
            raise ModelReplyError("a number of more than 18 digits", kind="malformed")
        case dict():
            return {whole_text(str(k)): sound(v, depth=depth + 1) for k, v in value.items()}
        case list():
            return [sound(v, depth=depth + 1) for v in value]
    return value


def whole_text(text: str) -> str:
    """Return `text` with lone surrogates, which no encoding can hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def _short(error: BaseException) -> str:
    return str(error)[:200]
