"""What went wrong with a model server, told from what came over the line."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from novum.agents.models.discretion import Discretion
from novum.agents.models.wire import Seen
from novum.core.errors import ContextOverflowError, ModelFault, ModelReplyError, ModelUnavailableError
from novum.core.text import clean_text

_OVERFLOW = re.compile(
    r"maximum context length|context[ _-]?(?:length|window|size)|exceeds? .{0,40}(?:context|max_model_len)|"
    r"too many (?:input )?tokens|prompt is too long|input (?:is too long|length .{0,60}exceed)|"
    r"longer than the (?:model's )?(?:maximum|context)|max_total_tokens|exceed_context_size",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum context length (?:is|of)|context (?:length|window|size)\D{0,30}|max_model_len\D{0,12}|"
    r"n_ctx\D{0,12})\s*(\d{3,8})",
    re.IGNORECASE,
)
_ASKED = re.compile(
    r"(?:requested|prompt contains(?: at least)?|resulted in|n_prompt_tokens\D{0,6}|input tokens?\D{0,6})"
    r"\s*(\d{2,9})",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\A\W*(?:(?:i['’]?m|i am|we['’]?re|we are)\s+(?:(?:very|so)\s+)?(?:sorry|afraid)|sorry|apologies)?"
    r"[\s,.!;:-]*(?:but\s+|that\s+)?(?:i|we)\s*"
    r"(?:can['’]?t|cannot|can not|won['’]?t|will not|(?:am|are|['’]m|['’]re) (?:unable|not able) to|"
    r"(?:must|have to) decline)\b"
    r"(?!.{0,40}\b(?:be sure|be certain|exclude|rule out|conclude|determine|tell whether)\b)",
    re.IGNORECASE | re.DOTALL,
)
_ERROR = re.compile(rb'^data:\s*(\{\s*"(?:error|object"\s*:\s*"error)".*)$', re.MULTILINE)
_LONGEST_REFUSAL = 600
"""Characters; who declines is brief."""


def is_refusal(text: str) -> bool:
    """Say whether a reply declines: it is short, holds no JSON and no list, and begins with a refusal.

    Example:
        >>> is_refusal("I'm sorry, but I can't help with that.")
        True
        >>> is_refusal("I cannot be sure that the gap is larger.")
        False
    """
    return len(text) <= _LONGEST_REFUSAL and not set(text) & set("{}[]") and bool(_REFUSAL.match(text))


def fault_of(
    seen: Seen, *, error: BaseException | None, discretion: Discretion
) -> ModelReplyError | ModelUnavailableError:
    """Return the error that stands for what was seen.

    Args:
        seen: what came over the line.
        error: what the library made of it, where it raised.
        discretion: takes out what must not be in any text.
    """

    def told(text: str) -> str:
        # The cut comes last: what is left of a key that was cut could not be told from other words.
        text = discretion.hide_in_error(clean_text(discretion.hide_in_error(text)))
        return clean_text(text, limit=400).strip() or "no reason given"

    if seen.failure is not None and (seen.status is None or seen.status < 400):
        return _of_connection(seen.failure)
    if seen.status is None:
        return ModelReplyError(f"the request could not be sent: {told(str(error))}", kind="rejected")
    if 300 <= seen.status < 400:
        return ModelUnavailableError(
            f"the model server sends on to another address (HTTP {seen.status}); set base_url to that",
            kind="denied",
        )
    if seen.status < 400:
        return _of_stream(seen, told)
    return _of_status(seen.status, told(message_of(seen.error)), retry_after_s=seconds_of(seen.retry_after))


def _of_stream(seen: Seen, told: Callable[[str], str]) -> ModelReplyError | ModelUnavailableError:
    reported = _ERROR.findall(seen.tail)
    if reported:
        return _of_status(500, told(message_of(reported[-1].decode("utf-8", "replace"))), retry_after_s=None)
    if seen.ended or (seen.n_bytes and not seen.streamed):
        begin = told(seen.tail.decode("utf-8", "replace"))[:80]
        return ModelReplyError(f"the server's answer is none of a model: {begin}", kind="malformed")
    return ModelUnavailableError("the reply ended in its middle", kind="dropped")


def _of_connection(failure: Exception) -> ModelUnavailableError:
    kind: ModelFault
    match failure:
        case httpx.TimeoutException():
            kind, text = "timeout", "the model server did not answer in time"
        case httpx.ConnectError() | httpx.ProxyError() | httpx.UnsupportedProtocol():
            kind, text = "unreachable", "the model server cannot be reached; is it running?"
        case _:
            kind, text = "dropped", f"the connection to the model server broke ({type(failure).__name__})"
    return ModelUnavailableError(text, kind=kind)


def _of_status(
    status: int, message: str, *, retry_after_s: float | None
) -> ModelReplyError | ModelUnavailableError:
    said = f"HTTP {status}: {message}"
    if status == 413 or _OVERFLOW.search(message):
        limit, asked = (p.search(message) for p in (_LIMIT, _ASKED))
        return ContextOverflowError(
            f"more than the model can read: {message}",
            limit=int(limit[1]) if limit else None,
            asked=int(asked[1]) if asked else None,
        )
    if status in (401, 403, 407):
        return ModelUnavailableError(
            f"the model server denies access ({said}); check the variable that api_key_env names",
            kind="denied",
        )
    if status in (404, 405):
        return ModelUnavailableError(
            f"the server has no such model or address ({said}); 'novum model check' shows what it has",
            kind="denied",
        )
    if status in (408, 504):
        return ModelUnavailableError(f"the model took too long ({said})", kind="timeout")
    if status in (429, 502, 503, 529):
        return ModelUnavailableError(
            f"the model server is busy ({said})", kind="overloaded", retry_after_s=retry_after_s
        )
    if status >= 500:
        return ModelUnavailableError(
            f"the model server failed ({said})", kind="failed", retry_after_s=retry_after_s
        )
    return ModelReplyError(f"the model server could not handle the request ({said})", kind="rejected")


def message_of(body: str) -> str:
    """Return the words of an error's body, in whichever form the server writes them."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    for _ in range(3):
        if isinstance(value, dict):
            value = value.get("error") or value.get("message") or value.get("detail") or str(value)
        elif isinstance(value, list) and value:
            value = value[0]
    return str(value)


def seconds_of(header: str) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for: it holds a number or a date.

    Example:
        >>> seconds_of("1.5"), seconds_of("soon")
        (1.5, None)
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None
