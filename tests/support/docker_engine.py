"""A Docker engine for tests: the one that is there, or one of our own for as long as it is needed."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from novum.core.errors import SandboxUnavailableError

_START_S = 60
_END_S = 30
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/local/sbin"


@contextlib.contextmanager
def find_engine(*, hiding: str | None = None, own: bool = False) -> Iterator[str]:
    """Give the address of an engine: that of DOCKER_HOST, the usual one, or one of our own, which ends after.

    Args:
        hiding: a directory that the engine must not see, as if it were on another machine; that needs
            an engine of our own.
        own: whether only an engine of our own will do.

    Raises:
        SandboxUnavailableError: there is none, and none can be started; the message says why.
    """
    if hiding is None and not own:
        for host in filter(None, (os.environ.get("DOCKER_HOST"), "unix:///var/run/docker.sock")):
            if _answers(host):
                yield host
                return
    if os.geteuid() != 0:
        raise SandboxUnavailableError("no Docker engine answers, and only root can start one")
    daemon = shutil.which("dockerd", path=_PATH)
    if daemon is None:
        raise SandboxUnavailableError("no Docker engine answers, and none is installed (no dockerd)")
    # not below a directory that a test hides; short, since a socket's path may not be long
    with tempfile.TemporaryDirectory(
        prefix="novum-engine-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as raw:
        directory = Path(raw)
        directory.chmod(0o711)
        with _started(daemon, directory, hiding=hiding) as host:
            yield host


def _answers(host: str) -> bool:
    from novum.sandbox.docker.engine import Engine

    try:
        Engine(host).close()
    except SandboxUnavailableError:
        return False
    return True


@contextlib.contextmanager
def _started(daemon: str, directory: Path, *, hiding: str | None) -> Iterator[str]:
    host = f"unix://{directory}/docker.sock"
    command = [
        daemon,
        *("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"),
        *("--pidfile", f"{directory}/docker.pid", "-H", host),
        # containers have no network here, and the firewall of the machine is not ours to change
        *("--iptables=false", "--bridge=none"),
    ]
    runsc = shutil.which("runsc", path=_PATH)
    if runsc is not None:
        # the one platform that needs neither a recent kernel nor virtualisation
        wrapper = directory / "runsc"
        wrapper.write_text(f'#!/bin/sh\nexec {runsc} --platform=ptrace --network=none "$@"\n')
        wrapper.chmod(0o755)
        command += ["--add-runtime", f"runsc={wrapper}"]
    if hiding is not None:
        cover = f'mount -t tmpfs tmpfs "{hiding}" && exec "$@"'
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", cover, "sh", *command]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": _PATH, "HOME": str(directory)},
        )
        try:
            deadline = time.monotonic() + _START_S
            while not _answers(host):
                if process.poll() is not None or time.monotonic() > deadline:
                    said = (directory / "log").read_text(errors="replace")[-2000:]
                    raise SandboxUnavailableError(f"no Docker engine could be started: {said}")
                time.sleep(0.1)
            # for the tests that run as an ordinary user; the way here is known to us alone
            (directory / "docker.sock").chmod(0o666)
            yield host
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _unmount(directory)


def _unmount(directory: Path) -> None:
    """Take away what an engine leaves mounted, so that its directory can be removed."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in lines]
    for place in sorted((p for p in places if p.startswith(f"{directory}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
