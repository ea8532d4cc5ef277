"""A server's life: started on loopback, waited for, watched, and stopped in order."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from novum.agents.models.engines.base import Command, Launch
from novum.agents.models.engines.processes import MARK, find_marked, stop_marked
from novum.core.errors import ModelFault, ModelUnavailableError, UsageError

TAIL_LINES = 15
POLL_S = 0.25
GRACE_S = 20.0
"""How long an engine has to end once it is asked."""

OnWait = Callable[[float, str], None]
"""Called while a server comes up, with the seconds since the start and its log's latest line."""


@dataclass(frozen=True, slots=True)
class Started:
    """A server that was started, as another process can find it again."""

    pid: int
    mark: str
    log: Path

    def is_alive(self) -> bool:
        """Whether any of its processes is still there."""
        return bool(find_marked(self.mark))

    def stop(self, *, patience_s: float = GRACE_S) -> bool:
        """Stop it; say whether it ended when asked, or had to be killed."""
        return stop_marked(self.mark, leader=self.pid, patience_s=patience_s)

    def tail(self, n_lines: int = TAIL_LINES) -> str:
        """Return the end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line for line in lines[-n_lines:] if line.strip())


class Server:
    """A server process of ours, in a session of its own, so that Ctrl-C reaches it through us only.

    Args:
        launch: what to start; only what runs on this machine, with one node.
        log: the file that takes what it prints; it is written anew.
    """

    def __init__(self, launch: Launch, log: Path) -> None:
        self.launch = launch
        mark = secrets.token_hex(16)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = launch.server[0]
        try:
            log.write_bytes(b"")
            with log.open("ab") as stream:  # others add to it: what fetches the weights
                self._process = subprocess.Popen(
                    command.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=_environment(command.variables, mark),
                    start_new_session=True,
                )
        except OSError as error:
            raise UsageError(f"{command.argv[0]!r} cannot be started: {error.strerror}") from error
        self.started = Started(self._process.pid, mark, log)

    def wait_healthy(
        self, *, patience_s: float, on_wait: OnWait | None = None, may_download: bool = True
    ) -> None:
        """Wait until the server answers, then fetch through it what is not here.

        Args:
            patience_s: how long it may take to answer; what is fetched then takes its time.
            on_wait: called again and again meanwhile.
            may_download: whether anything may be fetched.

        Raises:
            UsageError: something would have to be fetched, and may not; the server is stopped then.
            ModelUnavailableError: it ended, or did not become healthy in time; it is stopped then, and the
                message has the end of its log.
        """
        begin = time.monotonic()
        while not _answers(self.launch.health_url):
            waited = time.monotonic() - begin
            if self._process.poll() is not None:
                self.stop(patience_s=0)
                raise self._failure(f"ended after {waited:.0f} s with {self._ending()}")
            if waited >= patience_s:
                self.stop()
                raise self._failure(f"was not ready after {waited:.0f} s, and was stopped", kind="timeout")
            if on_wait is not None:
                on_wait(waited, self.started.tail(1))
            time.sleep(POLL_S)
        if self._process.poll() is not None:  # somebody else's server answers there
            self.stop(patience_s=0)
            raise self._failure(f"ended with {self._ending()}, and another server answers in its place")
        if self.launch.present is not None and self._run(self.launch.present, on_wait) == 0:
            return
        if self.launch.after and not may_download:
            self.stop()
            raise UsageError(
                f"{self.launch.engine} would download {self.launch.downloads}, which was not allowed"
            )
        for command in self.launch.after:
            if code := self._run(command, on_wait):
                self.stop()
                raise self._failure(f"answered, but '{command.line}' ended with exit code {code}")

    def wait(self) -> int:
        """Wait until the server ends by itself, and return its exit code."""
        return self._process.wait()

    def failure(self) -> ModelUnavailableError:
        """Return the error that says how the server ended by itself."""
        return self._failure(f"ended with {self._ending()}")

    def stop(self, *, patience_s: float = GRACE_S) -> bool:
        """Stop the server and everything that it started; say whether it ended when asked."""
        # It is collected in between, or it would count as still there.
        in_order = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                in_order = False
        rest = stop_marked(self.started.mark, leader=self.started.pid, patience_s=1.0 if in_order else 0.0)
        self._process.wait()
        return in_order and rest

    def _run(self, command: Command, on_wait: OnWait | None) -> int:
        begin = time.monotonic()
        with self.started.log.open("ab") as stream:
            # It carries the mark as well, and so ends with the server if the wait is interrupted.
            running = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=_environment(command.variables, self.started.mark),
            )
        try:
            while (code := running.poll()) is None:
                if on_wait is not None:
                    on_wait(time.monotonic() - begin, self.started.tail(1))
                time.sleep(POLL_S)
        except BaseException:
            running.kill()
            running.wait()
            raise
        return code

    def _ending(self) -> str:
        code = self._process.returncode
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _failure(self, what: str, *, kind: ModelFault = "failed") -> ModelUnavailableError:
        tail = self.started.tail()
        said = f"; the end of {self.started.log}:\n{tail}" if tail else f"; {self.started.log} is empty"
        return ModelUnavailableError(f"{self.launch.engine} {what}{said}", kind=kind)


def _environment(variables: Mapping[str, str], mark: str) -> dict[str, str]:
    return {**os.environ, **variables, MARK: mark}


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
