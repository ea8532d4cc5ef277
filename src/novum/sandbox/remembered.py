"""Attestations of earlier processes: what was probed on this boot, by this user, with this code, holds on.

Probing a backend takes a third of a second with namespaces and seconds with containers; a command line
cannot spend that each time. Nothing but a whole, passed attestation is kept, and not for long.
"""

import json
import logging
import os
import stat
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from novum.core.digest import digest, digest_bytes
from novum.sandbox.base import Attestation

_log = logging.getLogger(__name__)

HOURS: Final = 12
"""How long an attestation holds."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file of attestations that only its owner may write.

    Anything that is not as it should be (another owner, damage, age) means that there is none.
    """

    path: Path

    def find(self, key: str) -> Attestation | None:
        """Return the attestation kept under `key`, or None."""
        entry = self._read().get(key)
        if entry is None:
            return None
        try:
            found = Attestation(
                **{**entry["attestation"], "warnings": tuple(entry["attestation"]["warnings"])}
            )
        except (KeyError, TypeError):
            return None
        return found if found.passed else None

    def put(self, key: str, attestation: Attestation) -> None:
        """Keep a passed attestation; one that cannot be written is measured again next time."""
        if not attestation.passed:
            return
        fresh = self._read()
        fresh[key] = {"at": time.time(), "attestation": asdict(attestation)}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, delete=False, encoding="utf-8"
            ) as file:
                json.dump(fresh, file)
            Path(file.name).replace(self.path)
        except OSError as error:
            _log.info("attestations cannot be kept in %s: %s", self.path, error)

    def _read(self) -> dict[str, Any]:
        """Return what has the right form, the right age and the right owner."""
        try:
            with self.path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    return {}
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {name: entry for name, entry in found.items() if _is_fresh(entry)}


def _is_fresh(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(at := entry.get("at"), int | float):
        return False
    return 0 <= time.time() - at < HOURS * 3600


def key_of(name: str, versions: dict[str, str], *settings: object) -> str:
    """Return what an attestation depends on: backend, versions, boot, user, interpreter, our own code."""
    package = Path(__file__).parent
    code = [
        (file.relative_to(package).as_posix(), digest_bytes(file.read_bytes()))
        for file in sorted(package.rglob("*.py"))
    ]
    status = Path("/proc/self/status")
    rights = (
        [
            line
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith(("Cap", "Seccomp"))
        ]
        if status.exists()
        else []
    )
    boot = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""
    return digest(
        [
            name,
            versions,
            boot,
            rights,
            os.geteuid(),
            os.getgroups(),
            sys.executable,
            sys.version,
            code,
            list(settings),
        ]
    )
