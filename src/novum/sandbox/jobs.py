"""What goes into a sandbox: one job, checked before anything is launched."""

import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from novum.core.errors import UsageError
from novum.sandbox.base import Limits, Profile, SandboxRequest
from novum.sandbox.json_data import encode_arguments

_CHUNK: Final = 1 << 20
_MEGABYTE: Final = 1 << 20
_LIMITS: Final = (
    "wall_s", "cpu_s", "memory_mb", "processes", "scratch_mb", "output_kb", "result_kb", "files", "files_mb"
)  # fmt: skip
_INSIDE: Final = ("cpu_s", "memory_mb", "processes", "scratch_mb", "result_kb", "files", "files_mb")
_NAME: Final = re.compile(r"(?!\.)[\w.+ -]{1,120}(/(?!\.)[\w.+ -]{1,120}){0,3}")
_BENEATH: Final = ("/proc/", "/dev/", "/sys/", "/etc/", "/run/", "/var/run/")
_OF_EVERYBODY: Final = ("/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/var", "/var/run")
_MOST_READABLE: Final = 50_000
_SYSTEM: Final = ("/proc", "/dev", "/sys", "/etc", "/work", "/tmp", "/usr", "/bin", "/lib", "/lib64")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Job:
    """A request, ready to be sent: see `novum.sandbox.inside.guest` for its form."""

    request: SandboxRequest
    head: bytes
    inputs: tuple[tuple[Path, int], ...]
    """Files in the order of sending, with the sizes that were promised."""

    @property
    def scratch_mb(self) -> int:
        """The scratch that the call needs: what its limits allow, and its input files."""
        size = sum(size for _, size in self.inputs)
        return self.request.limits.scratch_mb + math.ceil(size / _MEGABYTE)

    def parts(self) -> Iterator[bytes]:
        """Yield what to send, in order.

        Raises:
            UsageError: an input file can no longer be read, or has another size than at first.
        """
        yield struct.pack("<Q", len(self.head)) + self.head
        for path, size in self.inputs:
            try:
                with path.open("rb") as file:
                    left = size
                    while left and (part := file.read(min(left, _CHUNK))):
                        left -= len(part)
                        yield part
            except OSError as error:
                raise UsageError(f"input file {str(path)!r} cannot be read: {error.strerror}") from error
            if left:
                raise UsageError(f"input file {str(path)!r} has become shorter while it was read")


def prepare_job(request: SandboxRequest) -> Job:
    """Check a request and make it ready to be sent.

    Raises:
        UsageError: its arguments are not JSON data; a limit, path, host or input file is out of range.
    """
    arguments = encode_arguments(request.entry, request.arguments)
    check_limits(request.limits)
    if request.hosts:
        from novum.sandbox.network.grants import check_grants

        check_grants(request.hosts)
    if request.collect_into is not None and not request.collect_into.is_dir():
        raise UsageError(f"collect_into {str(request.collect_into)!r} is not a directory")
    inputs = [(name, path, _size_of_input(name, path)) for name, path in request.inputs.items()]
    for name in request.inputs:
        parents = {str(parent) for parent in PurePosixPath(name).parents}
        if clash := parents & set(request.inputs):
            raise UsageError(f"input file {name!r} cannot lie in {clash.pop()!r}, which is a file as well")
    head = json.dumps(
        {
            "entry": request.entry,
            "seed": request.seed,
            "limits": {name: getattr(request.limits, name) for name in _INSIDE},
            "inputs": [(name, size) for name, _, size in inputs],
            "proxied": bool(request.hosts),
        }
    )
    body = f'{head[:-1]}, "arguments": {arguments}}}'.encode()
    return Job(request, body, tuple((path, size) for _, path, size in inputs))


def check_limits(limits: Limits) -> None:
    """Refuse limits that no backend could hold.

    Raises:
        UsageError: one is not a positive number below 10⁹.
    """
    for name in _LIMITS:
        value = getattr(limits, name)
        if not 0 < value < 10**9:
            raise UsageError(f"limit {name} is {value!r}, expected a positive number below 10^9")


def check_profile(profile: Profile) -> None:
    """Refuse readable paths that are not there or are the system's own.

    Raises:
        UsageError: a path is relative, missing, or reserved.
    """
    for path in (*profile.readable, *profile.data):
        if not Path(path).is_absolute():
            raise UsageError(f"readable path {path!r} of profile {profile.name!r} is not absolute")
        for name in (os.path.normpath(path), os.path.realpath(path)):
            if name == "/" or name in _SYSTEM or name.startswith(_BENEATH):
                raise UsageError(f"path {path!r} cannot be made readable: it is the system's own")
            if Path.home().is_relative_to(name) or name in _OF_EVERYBODY:
                raise UsageError(
                    f"path {path!r} cannot be made readable: it holds more than a tool's code, a home for "
                    "instance; put the tool into a folder of its own"
                )
        if not Path(path).exists():
            raise UsageError(f"readable path {path!r} of profile {profile.name!r} does not exist")
        _refuse_doors(path)


def _refuse_doors(path: str) -> None:
    """Refuse a folder with sockets or pipes: a read-only window does not stop who connects through it."""
    looked_at = 0
    for folder, _, names in os.walk(path):
        looked_at += len(names)
        if looked_at > _MOST_READABLE:
            raise UsageError(
                f"path {path!r} cannot be made readable: it holds more than {_MOST_READABLE} files; put the "
                "tool into a folder of its own"
            )
        for name in names:
            place = Path(folder, name)
            try:
                mode = place.lstat().st_mode
            except OSError:
                continue  # gone, or not ours to see
            if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
                raise UsageError(
                    f"path {path!r} cannot be made readable: {str(place)!r} is a socket or a pipe"
                )


def _size_of_input(name: str, path: Path) -> int:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"input file name {name!r} cannot be used: expected letters, digits and '._+- ', at most three "
            "folders, no part that begins with a dot"
        )
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(f"input file {str(path)!r} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"input file {str(path)!r} is not a regular file")
    return found.st_size
