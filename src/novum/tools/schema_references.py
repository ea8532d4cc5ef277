"""References in a stranger's JSON schema: few lines of them can stand for more steps than anybody waits."""

from typing import Any, Final
from urllib.parse import unquote

MOST_EXPANDED: Final = 5000
"""Parts of a schema with every reference written out; one that comes back to itself counts once."""

DEEPEST_EXPANDED: Final = 64
MOST_FOLLOWED: Final = 20_000
"""References that are followed to check the arguments of one call."""

_REFERENCES: Final = ("$ref", "$dynamicRef")
_NO_SCHEMAS: Final = frozenset({"const", "enum", "default", "examples", "$defs", "definitions"})
_INTO_DATA: Final = frozenset({"properties", "additionalProperties", "items", "prefixItems", "contains"})
"""Keywords whose schemas hold for a part of the data: behind them a schema may come back to itself."""


class _FaultError(Exception):
    pass


class TooManyReferencesError(Exception):
    """Arguments for which a schema follows more references than `MOST_FOLLOWED`."""


def references_fault(schema: dict[str, Any]) -> str:
    """Return what is wrong with the references of a schema; nothing where they can be followed.

    Example:
        >>> references_fault({"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}})
        ''
        >>> references_fault({"properties": {"x": {"$ref": "#/$defs/a"}}})
        "refers to '#/$defs/a', which is not there"
    """
    try:
        _Walk(schema).follow(schema, open_=frozenset(), here=frozenset(), depth=0)
    except _FaultError as fault:
        return str(fault)
    return ""


class _Walk:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._n = 0

    def follow(self, part: Any, *, open_: frozenset[str], here: frozenset[str], depth: int) -> None:
        """Walk through a part; `open_` are the references that led to it, `here` those on the same data."""
        if isinstance(part, list):
            for one in part:
                self.follow(one, open_=open_, here=here, depth=depth)
        if not isinstance(part, dict):
            return
        self._n += 1
        if self._n > MOST_EXPANDED:
            raise _FaultError(f"stands for more than {MOST_EXPANDED} parts once its references are followed")
        if depth > DEEPEST_EXPANDED:
            raise _FaultError(f"is deeper than {DEEPEST_EXPANDED} levels once its references are followed")
        for key, value in part.items():
            if key in _REFERENCES and isinstance(value, str):
                if value in here:
                    raise _FaultError(f"refers to itself without end, at {value[:100]!r}")
                if value not in open_:
                    self.follow(
                        self._target(value), open_=open_ | {value}, here=here | {value}, depth=depth + 1
                    )
            elif key in ("properties", "dependentSchemas") and isinstance(value, dict):
                within = frozenset[str]() if key in _INTO_DATA else here
                for one in value.values():
                    self.follow(one, open_=open_, here=within, depth=depth + 1)
            elif key not in _NO_SCHEMAS:
                within = frozenset[str]() if key in _INTO_DATA else here
                self.follow(value, open_=open_, here=within, depth=depth + 1)

    def _target(self, reference: str) -> Any:
        found: Any = self._root
        missing = _FaultError(f"refers to {reference[:100]!r}, which is not there")
        if reference not in ("#", "#/") and not reference.startswith("#/"):
            raise missing
        for step in [unquote(s).replace("~1", "/").replace("~0", "~") for s in reference.split("/")[1:]]:
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (LookupError, TypeError, ValueError):
                raise missing from None
        return found


def bounded_validator(schema: dict[str, Any]) -> Any:
    """Return a validator that fetches nothing and follows no more than `MOST_FOLLOWED` references.

    Its methods raise `TooManyReferencesError` beyond that: a schema that comes back to itself twice at each
    level doubles its work with each level of the data.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    left = MOST_FOLLOWED

    def counted(keyword: str) -> Any:
        plain = Draft202012Validator.VALIDATORS[keyword]

        def check(validator: Any, value: Any, instance: Any, within: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise TooManyReferencesError
            yield from plain(validator, value, instance, within) or ()

        return check

    bounded = extend(Draft202012Validator, {keyword: counted(keyword) for keyword in _REFERENCES})
    return bounded(schema, registry=Registry())
