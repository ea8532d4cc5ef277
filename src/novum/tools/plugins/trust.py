"""What a person has granted to the tools of others, for exactly the code that was there."""

import json
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from pydantic import ValidationError

from novum.core.errors import StoreError, UsageError
from novum.core.frozen import Frozen
from novum.tools.described import DescribedTool, Needs

FILE: Final = "trusted.json"


class NotTrustedError(UsageError):
    """A tool of others that nobody trusted yet, or whose code has changed since."""

    def __init__(self, tool: str, *, origin: str, changed: bool) -> None:
        why = "has changed since it was trusted" if changed else "is not trusted yet"
        super().__init__(
            f"tool {tool!r} (from {origin}) {why}; read its code, then: novum tools trust {shlex.quote(tool)}"
        )
        self.tool = tool


class Grant(Frozen):
    """What was granted, to which code, and when."""

    tool: str
    origin: str
    code: str
    """SHA-256 of the tool's own code."""
    needs: Needs
    granted_at: str
    """UTC, as ISO 8601."""

    def __str__(self) -> str:
        return f"{self.code} trusted {self.granted_at}"


class _File(Frozen):
    version: int = 1
    grants: tuple[Grant, ...] = ()


class TrustStore:
    """The grants of this user, in one file that others can neither read nor write.

    It lies beside the user's settings and not in a workspace: a folder that somebody sends along cannot
    bring trust with it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read: tuple[tuple[int, int], list[Grant]] | None = None

    def grants(self) -> list[Grant]:
        """Return all grants.

        Raises:
            StoreError: the file cannot be read, or holds something else.
        """
        try:
            found = self.file.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, list(_File.model_validate_json(self.file.read_bytes()).grants)
            return list(self._read[1])
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            raise StoreError(
                f"{str(self.file)!r} cannot be read as grants; move it away and trust your tools again"
            ) from error

    def find(self, tool: DescribedTool) -> Grant | None:
        """Return the grant for a tool as it is now, or None."""
        wanted = (tool.spec.name, tool.code, tool.needs)
        return next((g for g in self.grants() if (g.tool, g.code, g.needs) == wanted), None)

    def check(self, tool: DescribedTool) -> Grant:
        """Return the grant for a tool as it is now.

        Raises:
            NotTrustedError: there is none, or one for other code, with what to type.
        """
        found = self.find(tool)
        if found is None:
            known = any(grant.tool == tool.spec.name for grant in self.grants())
            raise NotTrustedError(tool.spec.name, origin=tool.origin, changed=known)
        return found

    def add(self, tool: DescribedTool) -> Grant:
        """Grant a tool what it needs; earlier grants to the same name stay with their own code."""
        granted = Grant(
            tool=tool.spec.name,
            origin=tool.origin,
            code=tool.code,
            needs=tool.needs,
            granted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        rest = [g for g in self.grants() if (g.tool, g.code) != (granted.tool, granted.code)]
        self._write([*rest, granted])
        return granted

    def withdraw(self, name: str) -> int:
        """Take back every grant to a name; return how many there were."""
        grants = self.grants()
        rest = [grant for grant in grants if grant.tool != name]
        if len(rest) < len(grants):
            self._write(rest)
        return len(grants) - len(rest)

    def _write(self, grants: list[Grant]) -> None:
        content = _File(grants=tuple(grants)).model_dump(mode="json")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with NamedTemporaryFile("w", dir=self.file.parent, delete=False) as written:  # of mode 600
                json.dump(content, written, indent=1)
            os.replace(written.name, self.file)  # noqa: PTH105
        except OSError as error:
            raise StoreError(f"{str(self.file)!r} cannot be written: {error.strerror}") from error
