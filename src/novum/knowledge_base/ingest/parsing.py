"""Parsers of others, on input that nobody vouches for."""

import importlib.util
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    Warning,  # raised, as pymatgen does
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What parsers raise on bytes that they did not expect; each adds its own by name."""


@dataclass(slots=True)
class Said:
    """What a parser told beside its result."""

    warnings: list[str] = field(default_factory=list)
    """Each once."""
    errors: list[str] = field(default_factory=list)
    """What it logged as an error, and went on."""


@contextmanager
def parsing(what: str, *others: type[Exception], logger: str | None = None) -> Iterator[Said]:
    """Run a parser; yields what it tells, which is complete at the end.

    Args:
        what: what is read, for the message.
        others: the exceptions of the parser's own that derive from no usual one.
        logger: the log to which the parser tells what it mends; it reaches nobody else meanwhile.

    Raises:
        IngestError: the parser failed, or needs more memory than there is.
    """
    said = Said()
    try:
        with warnings.catch_warnings(record=True) as caught, _listening(logger, said):
            warnings.simplefilter("always")
            yield said
        said.warnings += dict.fromkeys(clean_text(str(w.message), limit=200) for w in caught)
    except (*BAD_INPUT, *others) as error:
        raise IngestError(f"it cannot be read as {what}: {explained(error)}") from error
    except MemoryError as error:
        raise IngestError(f"it needs more memory than it may have to be read as {what}") from error


def explained(error: BaseException) -> str:
    """Return what an error of a parser says, or what it is called."""
    return clean_text(str(error) or type(error).__name__, limit=300)


class _Ear(logging.Handler):
    """Takes down what is logged."""

    def __init__(self, said: Said) -> None:
        super().__init__()
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self._said.errors.append(clean_text(record.getMessage(), limit=200))


@contextmanager
def _listening(name: str | None, said: Said) -> Iterator[None]:
    if name is None:
        yield
        return
    log, ear = logging.getLogger(name), _Ear(said)
    handlers, propagate = log.handlers, log.propagate
    log.handlers, log.propagate = [ear], False
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate


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
