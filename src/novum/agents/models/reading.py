"""JSON out of text that was meant to be JSON."""

import json
import math
from typing import Any

from novum.core.errors import ModelReplyError

MAX_DEPTH = 64
"""Nesting beyond this is no answer."""

MAX_CHARACTERS = 400_000


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
    try:
        return load_strict(text)
    except ModelReplyError:
        pass
    whole = _first_whole(text)
    if whole is not None:
        return whole
    if cut:
        raise ModelReplyError("the reply was cut before its JSON was whole", kind="cut")
    if "{" not in text and "[" not in text:
        raise ModelReplyError("there is no JSON in it", kind="malformed")
    from json_repair import repair_json

    start = min(i for i in (text.find("{"), text.find("[")) if i >= 0)
    try:
        value: Any = repair_json(text[start:], return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, TypeError) as error:
        raise ModelReplyError(f"JSON that cannot be mended: {_short(error)}", kind="malformed") from error
    if isinstance(value, list) and any(isinstance(v, dict) for v in value) and text[start] == "{":
        value = max((v for v in value if isinstance(v, dict)), key=len)  # several values in a row
    if not isinstance(value, dict | list) or (not value and text[start:].strip() not in ("{}", "[]")):
        raise ModelReplyError("JSON that cannot be mended", kind="malformed")
    return sound(value)


def _first_whole(text: str) -> Any:
    """Return the longest object or list in `text` that is JSON as it stands, or None."""
    decoder = json.JSONDecoder()
    found: tuple[int, Any] | None = None
    at, tried = 0, 0
    while tried < 200 and (at := _next_bracket(text, at)) >= 0:
        tried += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict) and (found is None or end - at > found[0]):
            found = (end - at, value)
        elif found is None and isinstance(value, list) and value:
            found = (0, value)
        at = end
    if found is None:
        return None
    try:
        return sound(found[1])
    except ModelReplyError:
        return None


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
