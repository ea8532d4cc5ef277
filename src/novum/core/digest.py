"""Canonical JSON and its SHA-256: the one way in which novum names content."""

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys, no spaces and no NaN or infinity.

    Equal values give equal text, on every machine and in every process.

    Raises:
        ValueError: a float that is not finite.
        TypeError: a value that JSON cannot hold.

    Example:
        >>> canonical_json({"b": 1.0, "a": [True, None]})
        '{"a":[true,null],"b":1.0}'
    """
    return _ENCODER.encode(value)


def is_json(value: Any) -> bool:
    """Say whether `value` can be written as canonical JSON.

    Example:
        >>> is_json({"x": 1.5}), is_json({"x": float("nan")})
        (True, False)
    """
    try:
        canonical_json(value)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, 64 hexadecimal characters.

    Example:
        >>> digest({"a": 1}) == digest(dict(a=1))
        True
    """
    return digest_bytes(canonical_json(value).encode())


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()
