"""JSON out of text that was meant to be JSON."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from novum.core.errors import ModelReplyError

MAX_DEPTH = 64
"""Nesting beyond this is no answer."""

MAX_CHARACTERS = 400_000
_MOST_BRACKETS = 1000
"""Places at which JSON may be seen to begin."""
_MOST_READ = 8 * MAX_CHARACTERS
"""Characters read in vain, all beginnings together: this bounds the time."""
_MINUS: Final = re.compile("\u2212(?=\\d)")
"""The minus of typographers."""
_QUOTED: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_NUMBER: Final = re.compile(
    r"(?:(?P<value>:)|[\[,])\s*(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    # A comma after the value of a key is followed by a key: 1,234 is no number of JSON.
    r"(?=\s*(?:(?(value),(?!\s*[-+.\d])|,)|[}\]]|//|/\*|\#|\Z))"
)
"""A number that stands as a value of its own, to its end."""
_KEY: Final = re.compile(r"""\s*(?:"(?P<a>[^"\n]*)"|'(?P<b>[^'\n]*)'|(?P<c>\w+))\s*:""")


def load_strict(text: str) -> Any:
    """Return the JSON value that `text` is.

    Raises:
        ModelReplyError: it is not JSON, nested too deeply, holds a number that is not finite, or has one key
            twice with different values.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ModelReplyError(f"not JSON: {_short(error)}", kind="malformed") from error
    return sound(value)


def load_tolerant(text: str, *, cut: bool = False, fits: Callable[[Any], bool] | None = None) -> Any:
    """Return the object or list that `text` holds, mended where needed.

    Prose and fences around it, trailing commas, single quotes, missing brackets at the end, comments and
    unquoted keys are mended. A number never is: after mending, each number of the result must stand in the
    text as it is. Of several objects the last is taken, because drafts come first.

    Args:
        text: what was said.
        cut: whether it ends too early. Such a text is not mended: where it ends in ``30``, it may have been
            going to say ``300``.
        fits: says whether a value is what was asked for; the last that fits is then taken, if any does.

    Raises:
        ModelReplyError: there is no object or list in it, or none that can be mended without a guess.

    Example:
        >>> load_tolerant("Sure! {'smiles': 'CCO',} Does that help?")
        {'smiles': 'CCO'}
    """
    if len(text) > MAX_CHARACTERS:
        raise ModelReplyError(f"{len(text)} characters are no answer to read JSON from", kind="malformed")
    text = _MINUS.sub("-", text)
    pieces = _pieces(text)
    if not pieces:
        raise ModelReplyError("there is no JSON in it", kind="malformed")
    values = _values(text, [piece for piece in pieces if text[piece.start] == "{"] or pieces, cut=cut)
    last = next(values)
    if fits is None or fits(last):
        return last
    return next(filter(fits, values), last)


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    is_whole: bool
    value: Any = None


def _values(text: str, pieces: list[_Piece], *, cut: bool) -> Iterator[Any]:
    """Yield the values of pieces, the last first; at least one.

    Raises:
        ModelReplyError: one that is broken cannot be mended. What stands before it was a draft.
    """
    for piece in reversed(pieces):
        if piece.is_whole:
            yield sound(piece.value)
        elif cut:
            raise ModelReplyError("the reply was cut before its JSON was whole", kind="cut")
        elif len(pieces) == 1 or ":" in text[piece.start : piece.end]:
            yield sound(_mended(text[piece.start : piece.end]))
    if not any(piece.is_whole or ":" in text[piece.start : piece.end] for piece in pieces):
        yield sound(_mended(text[pieces[-1].start : pieces[-1].end]))


def _pieces(text: str) -> list[_Piece]:
    """Return the outermost objects and lists in a text, those that are broken too.

    A bracket in prose is none: what begins with ``[`` and cannot be read counts only at the very beginning.

    Raises:
        ModelReplyError: so much looks like JSON that reading it would take too long, or a key is repeated.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    pieces: list[_Piece] = []
    first = len(text) - len(text.lstrip())
    at = tried = read = 0
    while (at := _next_bracket(text, at)) >= 0:
        tried += 1
        if tried > _MOST_BRACKETS or read > _MOST_READ:
            raise ModelReplyError("more brackets than an answer has", kind="malformed")
        try:
            value, end = decoder.raw_decode(text, at)
            pieces.append(_Piece(at, end, True, value))
        except (ValueError, RecursionError) as error:
            read += (error.pos if isinstance(error, json.JSONDecodeError) else len(text)) - at
            if text[at] == "[" and at != first:
                at += 1
                continue
            end = _matching(text, at)
            pieces.append(_Piece(at, end, False))
        at = end
    return [piece for piece in pieces if not piece.is_whole or piece.value or len(pieces) == 1]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs) and any(value[key] != one for key, one in pairs):
        raise ModelReplyError("a key stands twice in one object, with different values", kind="malformed")
    return value


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

    _check_keys(text)
    try:
        value: Any = repair_json(text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, TypeError) as error:
        raise ModelReplyError(f"JSON that cannot be mended: {_short(error)}", kind="malformed") from error
    if text[0] == "{" and isinstance(value, list):
        value = max((one for one in value if isinstance(one, dict)), key=len, default=None)
    if not isinstance(value, dict | list) or not value:
        raise ModelReplyError("JSON that cannot be mended", kind="malformed")
    written = Counter(json.loads(found["number"]) for found in _NUMBER.finditer(_QUOTED.sub('""', text)))
    if guessed := Counter(_numbers(value)) - written:
        raise ModelReplyError(
            f"a number in it is none of JSON, and {next(iter(guessed))!r} would be a guess", kind="malformed"
        )
    return value


def _numbers(value: Any) -> Iterator[int | float]:
    """Yield the numbers in what `repair_json` returned."""
    rest = [value]
    while rest:
        match rest.pop():
            case bool():
                pass
            case int() | float() as number:
                yield number
            case dict() as inner:
                rest += inner.values()
            case list() as inner:
                rest += inner


def _check_keys(text: str) -> None:
    """Refuse broken JSON that is nested too deeply, or in which a key stands twice in one object.

    Raises:
        ModelReplyError: it is so.
    """
    open_: list[set[str]] = []
    at = 0
    while at < len(text):
        c = text[at]
        if c == '"' and (quoted := _QUOTED.match(text, at)):
            at = quoted.end()
            continue
        at += 1
        if c in "{[":
            open_.append(set())
            if len(open_) > MAX_DEPTH:
                raise ModelReplyError(f"JSON nested more than {MAX_DEPTH} deep", kind="malformed")
        elif c in "}]" and open_:
            open_.pop()
        if c in "{," and open_ and (found := _KEY.match(text, at)):
            key = found["a"] or found["b"] or found["c"] or ""
            if key in open_[-1]:
                raise ModelReplyError(f"the key {key[:80]!r} stands twice in one object", kind="malformed")
            open_[-1].add(key)
            at = found.end()


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
