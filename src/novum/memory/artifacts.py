"""Artifacts: bytes that calls produced, stored once under their SHA-256."""

import os
import re
import tempfile
import time
from pathlib import Path

from novum.core.calls import Artifact
from novum.core.digest import digest_bytes
from novum.core.errors import NotFoundError, StoreError, UsageError

ABANDONED_S = 3600.0
"""Age from which a temporary file counts as left behind by a process that died."""


class Artifacts:
    """A folder of immutable files named by their content.

    Several processes may write at once: equal bytes give one file, and a file appears whole or not at
    all. Temporary files of dead processes are removed on opening.

    Args:
        root: the folder, made where it is missing.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._temporary = self.root / "tmp"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot use {self.root} for artifacts: {error}") from error
        self.sweep()

    def put(self, data: bytes, name: str, media_type: str = "application/octet-stream") -> Artifact:
        """Store bytes, durably, and return what names them. A damaged file of that name is replaced.

        Raises:
            StoreError: the bytes could not be written.
        """
        artifact = Artifact(name=name, sha256=digest_bytes(data), size=len(data), media_type=media_type)
        target = self._place(artifact.sha256)
        try:
            if not _holds(target, artifact.sha256):
                self._write(data, target)
        except OSError as error:
            raise StoreError(f"cannot store artifact {name!r} as {target}: {error}") from error
        return artifact

    def get(self, sha256: str) -> bytes:
        """Return the bytes of that hash.

        Raises:
            NotFoundError: no such artifact.
            StoreError: the file no longer has its hash.
            UsageError: `sha256` is not a hash.
        """
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read artifact {path}: {error}") from error
        if digest_bytes(data) != sha256:
            raise StoreError(
                f"artifact {path} is damaged: its content no longer has its hash. Restore it from a backup, "
                f"or remove it and run the experiment again"
            )
        return data

    def path(self, sha256: str) -> Path:
        """Return where the bytes of that hash lie; their content is not checked.

        Raises:
            NotFoundError: no such artifact.
            UsageError: `sha256` is not a hash.
        """
        path = self._place(sha256)
        if not path.is_file():
            raise NotFoundError(f"no artifact {sha256} in {self.root}")
        return path

    def sweep(self, *, older_than_s: float = ABANDONED_S) -> int:
        """Remove temporary files left behind; return how many.

        Raises:
            StoreError: a file could not be removed.
        """
        removed = 0
        limit = time.time() - older_than_s
        for path in self._temporary.iterdir():
            try:
                if path.stat().st_mtime <= limit:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # its writer finished, or another process sweeps as well
            except OSError as error:
                raise StoreError(f"cannot remove the temporary file {path}: {error}") from error
        return removed

    def _place(self, sha256: str) -> Path:
        # The hash may come from a tool's answer: anything else could point outside the folder.
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise UsageError(f"{sha256!r} is not a SHA-256: 64 hexadecimal digits in lower case")
        return self.root / sha256[:2] / sha256

    def _write(self, data: bytes, target: Path) -> None:
        shard = target.parent
        if not shard.is_dir():
            shard.mkdir(exist_ok=True)
            _sync_folder(self.root)
        file, name = tempfile.mkstemp(dir=self._temporary)
        temporary = Path(name)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(shard)


def _holds(path: Path, sha256: str) -> bool:
    return path.is_file() and digest_bytes(path.read_bytes()) == sha256


def _sync_folder(folder: Path) -> None:
    # The name of a file is durable only once its folder is.
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
