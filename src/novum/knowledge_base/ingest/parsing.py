"""Parsers of others, on input that nobody vouches for."""

import importlib.util
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata

from novum.core.errors import IngestError, MissingExtraError
from novum.core.text import clean_text

BAD_INPUT: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,  # also RecursionError and NotImplementedError
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What parsers raise on bytes that they did not expect; each adds its own by name."""


@contextmanager
def parsing(what: str, *others: type[Exception], logger: str | None = None) -> Iterator[list[str]]:
    """Run a parser; yields the list that its warnings go to, each once.

    Args:
        what: what is read, for the message.
        others: the exceptions of the parser's own that derive from no usual one.
        logger: the log to which the parser tells what it mends; it is silent meanwhile.

    Raises:
        IngestError: the parser failed, or needs more memory than there is.
    """
    said: list[str] = []
    log = logging.getLogger(logger) if logger else None
    level = log.level if log else 0
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if log:
                log.setLevel(logging.CRITICAL)
            yield said
        said += dict.fromkeys(clean_text(str(w.message), limit=200) for w in caught)
    except (*BAD_INPUT, *others) as error:
        why = clean_text(str(error) or type(error).__name__, limit=300)
        raise IngestError(f"it cannot be read as {what}: {why}") from error
    except MemoryError as error:
        raise IngestError(f"it needs more memory than there is to be read as {what}") from error
    finally:
        if log:
            log.setLevel(level)


def need(module: str, *, feature: str, extra: str) -> None:
    """Find out whether a module is there.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(feature=feature, extra=extra)


@lru_cache(maxsize=64)
def version_of(distribution: str) -> str:
    """Return the version of an installed distribution; empty for Python's own library."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
