"""The Docker engine, as far as we need it: the one place that imports its client library."""

import contextlib
import logging
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox.docker.ownership import MARK, is_orphan

_log = logging.getLogger(__name__)

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"

_TIMEOUT_S: Final = 60.0
_PROBE_S: Final = 5.0
_REMOVALS: Final = 5
_AGAIN_S: Final = 0.1


class Engine:
    """A connection to an engine. Safe to use from several threads.

    Args:
        host: ``unix://PATH`` or ``tcp://HOST:PORT``; None is the usual socket of this machine.

    Raises:
        UsageError: `host` is of another form.
        SandboxUnavailableError: no engine answers there; the message says what to do.
    """

    def __init__(self, host: str | None = None) -> None:
        self.host = host or DEFAULT_HOST
        if not self.host.startswith(("unix://", "tcp://")):
            raise UsageError(f"engine {self.host!r} is not of the form unix://PATH or tcp://HOST:PORT")
        _knock(self.host)
        import docker
        import requests

        # every request of ours has its answer, or one of these
        self._errors = (docker.errors.DockerException, requests.exceptions.RequestException)
        self._api_error = docker.errors.APIError
        self._not_found = docker.errors.NotFound
        try:
            self._api = docker.APIClient(base_url=self.host, version="auto", timeout=_TIMEOUT_S)
            # the library keeps a connection for each address that it asked for, and every container has
            # addresses of its own: there is nothing to gain by keeping them
            self._api.headers["Connection"] = "close"
            told: dict[str, Any] = self._api.version()
            about: dict[str, Any] = self._api.info()
        except self._errors as error:
            raise SandboxUnavailableError(f"the engine at {self.host} does not answer: {error}") from error
        self.versions = {
            "engine": str(told.get("Version", "")),
            "api": str(self._api.api_version),
            "kernel": str(told.get("KernelVersion", "")),
            "cgroup": str(about.get("CgroupVersion") or "1"),
            **{
                str(part.get("Name", "")): str(part.get("Version", ""))
                for part in told.get("Components") or ()
                if part.get("Name") in ("runc", "containerd", "crun")
            },
        }
        self.runtimes = tuple(about.get("Runtimes") or ())
        self.default_runtime = str(about.get("DefaultRuntime") or "runc")
        self.system = str(about.get("OSType") or "")
        self.memory_limits = bool(about.get("MemoryLimit"))

    def close(self) -> None:
        """Let go of the connection."""
        self._api.close()

    # containers

    def create(self, config: dict[str, Any]) -> str:
        """Create a container and return its id.

        Raises:
            SandboxUnavailableError: the engine refuses it as it is.
            SandboxBrokenError: the engine failed.
        """
        try:
            return str(self._api.create_container_from_config(config)["Id"])
        except self._api_error as error:
            if error.is_client_error():
                raise SandboxUnavailableError(f"the engine refuses a container: {_reason(error)}") from error
            raise SandboxBrokenError(f"the engine could not make a container: {_reason(error)}") from error
        except self._errors as error:
            raise SandboxBrokenError(f"the engine failed: {error}") from error

    def attach(self, container: str) -> socket.socket:
        """Return a socket on a container's standard input and outputs, mixed as the engine does it."""
        with self._failing("attach to a container"):
            stream = self._api.attach_socket(
                container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
        raw = getattr(stream, "_sock", stream)
        # by descriptor: ours then lives and dies by itself, whatever the library keeps of its own
        connection = socket.socket(fileno=os.dup(raw.fileno()))
        connection.settimeout(None)
        with contextlib.suppress(AttributeError):
            stream._response.close()
        stream.close()
        return connection

    def start(self, container: str) -> None:
        """Start a container."""
        with self._failing("start a container"):
            self._api.start(container)

    def limit(self, container: str, *, memory: int, processes: int) -> None:
        """Change a running container's limits: bytes of memory, and processes."""
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{container}/update"
        with self._failing("limit a container"):
            # the library's own method knows no limit on processes
            answer = self._api.post(
                url,
                json={"Memory": memory, "MemorySwap": memory, "PidsLimit": processes},
                timeout=_TIMEOUT_S,
            )
            if answer.status_code != 200:
                raise SandboxBrokenError(f"the engine could not limit a container: {answer.text[:300]}")

    def kill(self, container: str) -> None:
        """Kill everything in a container; one that has ended already is left alone."""
        with contextlib.suppress(*self._errors):
            self._api.kill(container)

    def wait(self, container: str, *, timeout_s: float) -> int:
        """Wait until everything in a container has ended; return the exit code of its first process."""
        with self._failing("wait for a container"):
            return int(self._api.wait(container, timeout=timeout_s)["StatusCode"])

    def state(self, container: str) -> dict[str, Any]:
        """Return what the engine says of a container's state; empty when there is none any more."""
        try:
            state: dict[str, Any] = self._api.inspect_container(container)["State"]
        except self._errors:
            return {}
        return state

    def inspect(self, container: str) -> dict[str, Any]:
        """Return everything that the engine says of a container."""
        with self._failing("inspect a container"):
            found: dict[str, Any] = self._api.inspect_container(container)
        return found

    def remove(self, container: str) -> None:
        """Kill and remove a container; one that is gone, or that another remover has, is no error."""
        reason: object = ""
        for _ in range(_REMOVALS):
            try:
                self._api.remove_container(container, force=True, v=True)
            except self._not_found:
                return
            except self._api_error as error:
                if error.status_code == 409 and "in progress" in _reason(error):
                    return
                # it was just about to end by itself, and the engine stumbles over that
                reason = _reason(error)
                time.sleep(_AGAIN_S)
            except self._errors as error:
                reason = error
                break
            else:
                return
        _log.warning("container %s could not be removed: %s", container[:12], reason)

    def find(self, labels: Iterable[str] = (MARK,)) -> list[dict[str, Any]]:
        """Return the containers that have all these labels, running or not."""
        with self._failing("list containers"):
            found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": list(labels)})
        return found

    def sweep(self) -> int:
        """Remove what supervisors of this machine have left that are dead; return how many there were."""
        orphans = [found["Id"] for found in self.find() if is_orphan(found.get("Labels") or {})]
        for container in orphans:
            self.remove(container)
        return len(orphans)

    # images and files

    def find_image(self, name: str) -> dict[str, str] | None:
        """Return the labels of an image, or None where there is none of that name."""
        try:
            found = self._api.inspect_image(name)
        except self._not_found:
            return None
        except self._errors as error:
            raise SandboxBrokenError(f"the engine failed to look for image {name!r}: {error}") from error
        return dict((found.get("Config") or {}).get("Labels") or {})

    def import_image(self, archive: Iterator[bytes], name: str, *, labels: Mapping[str, str]) -> None:
        """Make an image out of a tar archive, without any registry."""
        repository, _, tag = name.rpartition(":")
        changes = [f"LABEL {key}={_quoted(value)}" for key, value in labels.items()]
        with self._failing("take an image"):
            self._api.import_image_from_data(archive, repository=repository, tag=tag, changes=changes)

    def remove_image(self, name: str) -> None:
        """Remove an image; one that is not there, or in use, is left alone."""
        with contextlib.suppress(*self._errors):
            self._api.remove_image(name)

    def shares_files(self, image: str) -> bool:
        """Whether the engine sees this machine's files: a directory with an unguessable name is there too."""
        with tempfile.TemporaryDirectory(prefix="novum-canary-") as directory:
            canary = Path(directory, os.urandom(16).hex())
            canary.mkdir()
            mount = {"Type": "bind", "Source": str(canary), "Target": "/canary", "ReadOnly": True}
            config = {
                "Image": image,
                "Cmd": ["/canary"],  # never started
                "Labels": {MARK: "probe"},
                "HostConfig": {"NetworkMode": "none", "Mounts": [mount]},
            }
            try:
                container = self._api.create_container_from_config(config)["Id"]
            except self._api_error as error:
                if error.is_client_error():
                    return False
                raise SandboxBrokenError(f"the engine failed: {_reason(error)}") from error
            except self._errors as error:
                raise SandboxBrokenError(f"the engine failed: {error}") from error
            self.remove(container)
        return True

    @contextlib.contextmanager
    def _failing(self, action: str) -> Iterator[None]:
        try:
            yield
        except self._api_error as error:
            raise SandboxBrokenError(f"the engine could not {action}: {_reason(error)}") from error
        except self._errors as error:
            raise SandboxBrokenError(f"the engine could not {action}: {error}") from error


def _reason(error: Any) -> str:
    return str(error.explanation or error)[:500]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def _knock(host: str) -> None:
    """Find out within moments whether anybody is there, and why not."""
    if host.startswith("tcp://"):
        address, _, port = host.removeprefix("tcp://").rpartition(":")
        if not address or not port.isdigit():
            raise UsageError(f"engine {host!r} is not of the form tcp://HOST:PORT")
        try:
            socket.create_connection((address.strip("[]"), int(port)), timeout=_PROBE_S).close()
        except OSError as error:
            raise SandboxUnavailableError(
                f"no Docker engine answers at {host} ({error}): start it, or choose another sandbox"
            ) from error
        return
    path = host.removeprefix("unix://")
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise SandboxUnavailableError(f"{path} is no socket of a Docker engine")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(path)
    except FileNotFoundError as error:
        todo = (
            "it is not running: start it ('systemctl start docker'), or name another socket"
            if shutil.which("dockerd", path=f"{os.defpath}:/usr/sbin:/usr/local/bin:/usr/local/sbin")
            else "Docker is not installed: install it ('apt-get install docker.io')"
        )
        raise SandboxUnavailableError(f"there is no Docker engine at {path}; {todo}") from error
    except PermissionError as error:
        raise SandboxUnavailableError(
            f"this user may not use the Docker engine at {path}: join the group that owns the socket "
            "('usermod -aG docker USER', then log in anew). Its members are as powerful as root"
        ) from error
    except OSError as error:
        raise SandboxUnavailableError(
            f"no Docker engine answers at {path} ({error.strerror}): start it ('systemctl start docker')"
        ) from error
