"""What a tool reaches for while it runs, seen by Python's audit events inside the sandbox.

It finds what a tool does not hide. It holds nothing back: that is the sandbox's part, and code that
means harm can go around it.
"""

import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from novum.core.text import clean_text

MOST: Final = 50
"""How many different things are reported."""

_SCRATCH: Final = ("/work", "/tmp", "/dev/shm")  # noqa: S108  (inside a sandbox, these are the call's own)
_READABLE: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/dev", "/proc", "/sys")
_REACHING: Final = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto"}
)
_FORKING: Final = frozenset({"os.fork", "os.forkpty"})
_STARTING: Final = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "pty.spawn"})
_LISTING: Final = frozenset({"os.listdir", "os.scandir", "os.chdir"})
_CHANGING: Final = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod"}
)


def watched(entry: str, arguments: dict[str, Any], readable: list[str]) -> dict[str, Any]:
    """Call a function, and return its answer or its error with what it reached for.

    Args:
        entry: ``package.module:function``.
        arguments: its arguments.
        readable: paths that it declared.

    Returns:
        ``{"seen": [{"kind", "what", "n"}], "value": …}``, or with ``raised`` and ``text`` in place of
        ``value``.
    """
    module, _, name = entry.partition(":")
    function = getattr(importlib.import_module(module), name)
    seen: dict[tuple[str, str], int] = {}
    sys.addaudithook(_hook(seen, readable))
    try:
        answer: dict[str, Any] = {"value": function(**arguments)}
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001  (whatever a tool raises is what it said)
        answer = {"raised": type(error).__name__, "text": clean_text(str(error), limit=2000)}
    found = [{"kind": kind, "what": what, "n": n} for (kind, what), n in list(seen.items())[:MOST]]
    return {"seen": found, **answer}


def _hook(seen: dict[tuple[str, str], int], readable: Iterable[str]) -> Any:
    own = {sys.prefix, sys.base_prefix, *sys.path, *(os.path.realpath(path) for path in sys.path)}
    allowed = tuple(sorted({*_READABLE, *_SCRATCH, *readable, *(path for path in own if path)}))

    def note(kind: str, what: object) -> None:
        key = kind, clean_text(str(what), limit=200)
        if key in seen or len(seen) < MOST:
            seen[key] = seen.get(key, 0) + 1

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path = _path(given[0])
            if path is None:
                return
            writes = _writes(given)
            if writes and not _beneath(path, (*_SCRATCH, "/dev", "/proc")):
                note("write", path)
            elif not writes and not _beneath(path, allowed):
                note("read", path)
        elif event in _LISTING:
            path = _path(given[0])
            if path is not None and path != "/" and not _beneath(path, allowed):
                note("read", path)
        elif event in _CHANGING:
            path = _path(given[0])
            if path is not None and not _beneath(path, _SCRATCH):
                note("write", path)
        elif event in _REACHING:
            target = given[1] if event in ("socket.connect", "socket.sendto") else given[:2]
            if not isinstance(target, str | bytes):  # a path is a unix socket: the proxy's
                note("network", target)
        elif event in _FORKING:
            note("fork", event)
        elif event in _STARTING:
            note("program", given[0])

    return hook


def _path(value: Any) -> str | None:
    if isinstance(value, int) or value is None:
        return None
    try:
        return os.path.abspath(os.fsdecode(value))  # noqa: PTH100  (a hook must not import or resolve)
    except (TypeError, ValueError):
        return None


def _writes(given: tuple[Any, ...]) -> bool:
    mode, flags = (*given, None, None)[1:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _beneath(path: str, parents: Iterable[str]) -> bool:
    return any(path == parent or path.startswith(f"{parent.rstrip('/')}/") for parent in parents)
