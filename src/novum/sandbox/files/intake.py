"""The directory into which files of strangers are put, one by one."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from novum.core.errors import SandboxBrokenError, UsageError
from novum.sandbox.base import CollectedFile, RefusedFile
from novum.sandbox.files.names import collision_key, shown
from novum.sandbox.text import clean_text

REFUSALS_KEPT: Final = 50
"""How many refusals a report lists; the last one says how many more there were."""

Report = tuple[tuple[CollectedFile, ...], tuple[RefusedFile, ...]]
"""What was put into the directory, and what was not, with the reasons."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Intake:
    """Fills an empty directory. Files get mode 0600, folders 0700; nothing in it is ever followed.

    Args:
        into: an existing, empty directory.

    Raises:
        UsageError: it is missing, a link, no directory, or not empty.
    """

    def __init__(self, into: Path) -> None:
        self._into = Path(into)
        try:
            self._fd = os.open(self._into, _DIRECTORY)
        except OSError as error:
            raise UsageError(f"cannot put files into {str(into)!r}: {error.strerror}") from error
        with os.scandir(self._fd) as listing:
            occupied = next(listing, None) is not None
        if occupied:
            os.close(self._fd)
            raise UsageError(f"cannot put files into {str(into)!r}: it must be empty")
        self._collected: list[CollectedFile] = []
        self._refused: list[RefusedFile] = []
        self._last: RefusedFile | None = None
        self._more = 0
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._made: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    @property
    def n_bytes(self) -> int:
        """Bytes put in so far, of all files together."""
        return sum(file.size for file in self._collected)

    @property
    def n_files(self) -> int:
        """How many files were put in so far."""
        return len(self._collected)

    def refuse(self, name: str, reason: str) -> None:
        """Note something that is not put in; both texts are cleaned and cut."""
        if len(self._refused) >= REFUSALS_KEPT - 1:
            self._more += 1
            self._last = RefusedFile(shown(name), clean_text(reason, limit=300))
            return
        self._refused.append(RefusedFile(shown(name), clean_text(reason, limit=300)))

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file, hashing it on the way; where `chunks` fails, nothing of it stays.

        Args:
            name: relative, with ``/`` between folders, as `novum.sandbox.files.names` made it safe.
            chunks: the content. ValueError and OSError that it raises refuse the file.

        Raises:
            SandboxBrokenError: the directory cannot be written.
        """
        key = collision_key(name)
        above = [key[:at] for at, character in enumerate(key) if character == "/"]
        if key in self._files or key in self._folders or not self._files.isdisjoint(above):
            self.refuse(name, "there is another of that name")
            return
        made_before = set(self._made)
        digest, size = hashlib.sha256(), 0
        parent, last = self._open_folder(name)
        try:
            fd = self._create(parent, last)
            problem = ""
            try:
                pieces = iter(chunks)
                while True:
                    try:
                        piece = next(pieces, None)
                    except (ValueError, OSError) as error:
                        problem = (
                            (error.strerror or "it cannot be read")
                            if isinstance(error, OSError)
                            else str(error)
                        )
                        break
                    if piece is None:
                        break
                    digest.update(piece)
                    size += len(piece)
                    self._write(fd, piece)
            except BaseException:
                os.unlink(last, dir_fd=parent)
                self._forget(self._made - made_before)
                raise
            finally:
                os.close(fd)
            if problem:
                os.unlink(last, dir_fd=parent)
        finally:
            os.close(parent)
        if problem:
            self._forget(self._made - made_before)
            self.refuse(name, problem)
            return
        self._files.add(key)
        self._folders.update(above)
        self._collected.append(CollectedFile(name, digest.hexdigest(), size, self._into / name))

    def report(self) -> Report:
        """Return what was put in and what was not."""
        refused = list(self._refused)
        if self._last is not None and self._more == 1:
            refused.append(self._last)
        elif self._more:
            refused.append(RefusedFile("...", f"{self._more} more were refused"))
        return tuple(self._collected), tuple(refused)

    def _open_folder(self, name: str) -> tuple[int, str]:
        *folders, last = name.split("/")
        fd, path = os.dup(self._fd), ""
        try:
            for folder in folders:
                path = f"{path}/{folder}" if path else folder
                if path not in self._made:
                    os.mkdir(folder, 0o700, dir_fd=fd)
                    self._made.add(path)
                below = os.open(folder, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
        except OSError as error:
            os.close(fd)
            raise self._broken(error) from error
        return fd, last

    def _create(self, parent: int, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o600, dir_fd=parent)
        except OSError as error:
            raise self._broken(error) from error

    def _write(self, fd: int, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except OSError as error:
            raise self._broken(error) from error

    def _forget(self, folders: set[str]) -> None:
        for path in sorted(folders, key=len, reverse=True):
            with suppress(OSError):
                os.rmdir(path, dir_fd=self._fd)
            self._made.discard(path)

    def _broken(self, error: OSError) -> SandboxBrokenError:
        return SandboxBrokenError(f"cannot write below {str(self._into)!r}: {error.strerror}")
