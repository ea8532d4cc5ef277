"""What JSON can carry without loss.

The standard library and the error tree only: it is loaded on both sides of the border.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from novum.core.errors import UsageError

MAX_DEPTH: Final = 60
"""Levels that a value may nest."""


def find_unjson(value: Any) -> str | None:
    """Return where `value` holds something that JSON cannot carry without loss, or None.

    Example:
        >>> find_unjson({"gap": [1.0, float("nan")]})
        'the answer holds nan at $.gap[1], which is not JSON data'
        >>> find_unjson({"gap": [1.0, None]})
    """
    # a list as stack, not recursion: a deep answer must not end in a RecursionError
    pending: list[tuple[Any, str, int]] = [(value, "$", 0)]
    while pending:
        item, place, depth = pending.pop()
        if item is None or isinstance(item, str | bool | int):
            continue
        if isinstance(item, float):
            if not math.isfinite(item):
                return f"the answer holds {float(item)} at {place}, which is not JSON data"
        elif depth > MAX_DEPTH:
            return f"the answer is nested deeper than {MAX_DEPTH} levels at {place[:80]}"
        elif isinstance(item, list | tuple):
            pending.extend((part, f"{place}[{i}]", depth + 1) for i, part in enumerate(item))
        elif isinstance(item, dict):
            for key, part in item.items():
                if not isinstance(key, str):
                    return f"the answer holds the key {key!r} at {place}; keys must be texts"
                pending.append((part, f"{place}.{key}", depth + 1))
        else:
            return f"the answer holds a {type(item).__name__} at {place}, which is not JSON data"
    return None


def encode_arguments(entry: str, arguments: Mapping[str, Any]) -> str:
    """Return the arguments of a call as JSON.

    Raises:
        UsageError: they hold something that is not JSON data.
    """
    try:
        return json.dumps(dict(arguments), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the arguments for {entry!r} are not JSON data: {error}") from error
