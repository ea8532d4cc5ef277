"""What was started and may still run, in files: so that another process can stop it."""

import json
from dataclasses import dataclass
from pathlib import Path

from novum.agents.models.engines.serving import Started


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The servers that were started, by the model's name.

    Args:
        folder: where they are written down, and where their logs are.
    """

    folder: Path

    def log(self, name: str) -> Path:
        """Return the file for a server's log."""
        return self.folder / f"{name}.log"

    def put(self, name: str, started: Started) -> None:
        """Write down a server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(name)
        # The mark names the processes that a stop may kill: nobody else is to write it.
        file.touch(mode=0o600)
        file.write_text(json.dumps({"pid": started.pid, "mark": started.mark}) + "\n", encoding="utf-8")

    def find(self, name: str) -> Started | None:
        """Return the server of a model if it still runs."""
        try:
            kept = json.loads(self._file(name).read_text(encoding="utf-8"))
            started = Started(int(kept["pid"]), str(kept["mark"]), self.log(name))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return started if len(started.mark) == 32 and started.is_alive() else None

    def running(self) -> list[str]:
        """Return the names of the models whose servers still run."""
        return [file.stem for file in sorted(self.folder.glob("*.json")) if self.find(file.stem)]

    def forget(self, name: str) -> None:
        """Remove what was written down of a server."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"
