"""Settings files, changed in place: comments and order, as people wrote them, stay."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable

from novum.core.errors import SettingsError, UsageError
from novum.core.settings import user_file


def settings_file(*, user: bool) -> Path:
    """Return the file to write: the working folder's, or the user's."""
    return user_file() if user else Path("novum.toml")


def put_model(file: Path, name: str, keys: Mapping[str, Any]) -> None:
    """Write the table ``[models.NAME]`` in the place of the one that may be there.

    Raises:
        SettingsError: the file is not TOML.
        UsageError: it cannot be written.
    """
    with _changing(file) as document:
        models = document.setdefault("models", tomlkit.table(is_super_table=True))
        _require_table(file, models)
        table = tomlkit.table()
        table.update(keys)
        models[name] = table


def remove_model(file: Path, name: str) -> bool:
    """Remove a model's table, and the line that makes it the default; say whether there was any.

    Raises:
        SettingsError: the file is not TOML.
        UsageError: it cannot be written.
    """
    if not file.exists():
        return False
    with _changing(file) as document:
        models = document.get("models", {})
        _require_table(file, models)
        found = models.pop(name, None) is not None
        if document.get("model") == name:
            del document["model"]
            found = True
        return found


def put_default(file: Path, name: str) -> None:
    """Write the line ``model = NAME``.

    Raises:
        SettingsError: the file is not TOML.
        UsageError: it cannot be written.
    """
    with _changing(file) as document:
        document["model"] = name


def _require_table(file: Path, models: object) -> None:
    if not isinstance(models, AbstractTable | Mapping):
        raise SettingsError(f"{str(file)!r}: 'models' is not a table")


@contextmanager
def _changing(file: Path) -> Iterator[tomlkit.TOMLDocument]:
    """Yield a file's content, and write it back if it was changed: all of it, or nothing."""
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        document = tomlkit.parse(before)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error}") from error
    except TOMLKitError as error:
        raise SettingsError(f"{str(file)!r} cannot be read: {error}") from error
    yield document
    after = tomlkit.dumps(document)
    if after == before:
        return
    try:
        _write(file.resolve(), after)  # where it is a link, what it leads to is written
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error.strerror}") from error


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
