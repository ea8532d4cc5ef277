"""Where plugins lie: in ``./tools``, in ``novum.toml``, in entry points. Nothing is imported here."""

import hashlib
import importlib.metadata
import importlib.util
import io
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final, Literal

from novum.core.errors import UsageError
from novum.tools.registry import BUILT_IN, GROUP, BrokenTool

FOLDER: Final = "tools"
"""The folder, beside ``novum.toml``, whose files may be tools."""

MOST_FILES: Final = 2000
MOST_BYTES: Final = 16_000_000

_OWN: Final = __name__.partition(".")[0]


class SourceError(UsageError):
    """A plugin that cannot be found or shown to a sandbox."""


@dataclass(frozen=True, slots=True)
class Source:
    """A module that offers tools, as bytes."""

    origin: str
    """For people: a path, or a package."""
    kind: Literal["file", "package"]
    module: str
    attribute: str = ""
    """The one tool that is meant; every tool of the module without it."""
    promised: str = ""
    """The name that an entry point gives to its tool."""
    archive: bytes = b""
    """A zip file with the code; empty where the sandbox sees it among the libraries."""
    code: str = ""
    """SHA-256 of the code."""


def find_sources(folder: Path, named: Sequence[str]) -> Iterator[Source | BrokenTool]:
    """Yield every plugin's source, and those that cannot be had.

    Args:
        folder: the working directory, whose ``tools/*.py`` count where they hold a ``@tool``.
        named: of the setting ``tools``: ``path.py`` or ``module:function``.

    Raises:
        UsageError: two packages offer different tools under one name.
    """
    files = sorted(folder.joinpath(FOLDER).glob("*.py"))
    paths = {path: str(path.relative_to(folder)) for path in files if _looks_like_tools(path)}
    for text in named:
        if text.endswith(".py"):
            path = folder.joinpath(text).absolute()
            paths.setdefault(path, text)
    for path, shown in paths.items():
        try:
            yield file_source(path, origin=shown)
        except SourceError as error:
            yield BrokenTool(shown, str(error))
    for text in named:
        if not text.endswith(".py"):
            try:
                yield module_source(text, folder)
            except SourceError as error:
                yield BrokenTool(text, str(error))
    yield from _offered()


def file_source(path: Path, *, origin: str = "") -> Source:
    """Return the source of a single file; it alone is shown to the sandbox.

    Raises:
        SourceError: it is no regular file, or cannot be imported under its name.
    """
    name = path.stem
    if not name.isidentifier() or name in sys.stdlib_module_names or name == _OWN:
        raise SourceError(
            f"{path.name} cannot be imported: call it otherwise, in letters, digits and underscores, "
            "and not like a module of Python"
        )
    content = {f"{name}.py": _read(path)}
    return Source(
        origin or str(path), "file", module=name, archive=_archive(content), code=_digest_of(content)
    )


def module_source(text: str, folder: Path | None = None, *, promised: str = "", origin: str = "") -> Source:
    """Return the source of ``package.module:function``, found in `folder` or among what is installed.

    Raises:
        SourceError: it is not there, or cannot be shown to a sandbox.
    """
    module, _, attribute = text.partition(":")
    top = module.partition(".")[0]
    if not all(part.isidentifier() for part in module.split(".")):
        raise SourceError(f"{text!r} is neither a file 'name.py' nor of the form 'package.module:function'")
    found = PathFinder.find_spec(top, [str(folder)]) if folder else None
    found = found or _installed(top)
    if found is None:
        here = f" in {str(folder)!r}, nor is one" if folder else " that is"
        raise SourceError(f"there is no module {top!r}{here} installed")
    content, place = _content_of(found)
    installed = any(place.is_relative_to(Path(prefix).resolve()) for prefix in (sys.prefix, sys.base_prefix))
    return Source(
        origin or text,
        "package",
        module=module,
        attribute=attribute,
        promised=promised,
        archive=b"" if installed else _archive(content),
        code=_digest_of(content),
    )


def _offered() -> Iterator[Source | BrokenTool]:
    """Yield what installed packages offer under their entry points, novum's own left out."""
    paths = dict(BUILT_IN)
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: p.name):
        if paths.setdefault(point.name, point.value) != point.value:
            raise UsageError(
                f"two tools are called {point.name!r}: {paths[point.name]} and {point.value}; "
                f"uninstall or rename one"
            )
    for name, path in paths.items():
        if path.partition(".")[0] == _OWN:
            continue
        try:
            package = path.partition(":")[0].partition(".")[0]
            yield module_source(path, promised=name, origin=f"package {package}")
        except SourceError as error:
            yield BrokenTool(name, str(error))


def _looks_like_tools(path: Path) -> bool:
    """Say whether a file may hold tools: a project's folder of that name often holds something else."""
    try:
        content = _read(path)
    except SourceError:
        return True  # so that it is listed, with its error
    return b"novum" in content and b"@tool" in content


def _installed(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)  # of a top-level name: nothing is imported
    except ValueError:  # loaded by other means than an import
        return None


def _content_of(found: ModuleSpec) -> tuple[Mapping[str, bytes], Path]:
    if found.submodule_search_locations:
        folder = Path(next(iter(found.submodule_search_locations))).resolve()
        return dict(_files_of(folder)), folder
    if not found.origin or not found.origin.endswith(".py"):
        raise SourceError(f"{found.name!r} is no module that is written in Python")
    file = Path(found.origin).resolve()
    return {file.name: _read(file)}, file


def _files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    n = size = 0
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder.parent)
        if any(part == "__pycache__" or part.startswith(".") for part in inside.parts):
            continue
        if path.is_dir() and not path.is_symlink():
            continue
        content = _read(path)
        n, size = n + 1, size + len(content)
        if n > MOST_FILES or size > MOST_BYTES:
            raise SourceError(
                f"the package {folder.name!r} holds more than {MOST_FILES} files or {MOST_BYTES // 10**6} MB"
            )
        yield inside.as_posix(), content


def _read(path: Path) -> bytes:
    """Return a plugin's file. A link is refused: it could show the sandbox anything."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{str(path)!r} is a link or no regular file")
        if found.st_size > MOST_BYTES:
            raise SourceError(f"{str(path)!r} is larger than {MOST_BYTES // 10**6} MB")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _digest_of(content: Mapping[str, bytes]) -> str:
    summed = hashlib.sha256()
    for name in sorted(content):
        summed.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(content[name]).digest())
    return summed.hexdigest()


def _archive(content: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(content):
            archive.writestr(zipfile.ZipInfo(name), content[name])
    return packed.getvalue()
