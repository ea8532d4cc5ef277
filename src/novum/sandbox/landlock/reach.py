"""Making the interpreter reachable for users who may not pass through where it lies, as below /root.

Each call of root's is a user of its own, and needs the way to what it may read. Where mounts are
allowed, the zygote sees those directories with the windows alone in them; the host sees no change.
"""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from novum.sandbox.kernel import linux


def closed_directories(windows: Sequence[str]) -> list[str]:
    """Return the outermost directories on the way to `windows` through which not everybody may pass."""
    closed = sorted(
        {str(d) for path in windows for d in Path(path).parents if not d.stat().st_mode & stat.S_IXOTH}
    )
    return [path for path in closed if not any(path.startswith(f"{other}/") for other in closed)]


def open_the_way(windows: Sequence[str]) -> None:
    """Let everybody pass to `windows`, in a mount namespace of the calling process.

    Raises:
        OSError: mounts are refused; the message says what to do.
    """
    closed = closed_directories(windows)
    if not closed:
        return
    needed = [path for path in windows if any(path.startswith(f"{cover}/") for cover in closed)]
    try:
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        with contextlib.ExitStack() as stack:
            held = {}  # by descriptor: the cover hides the way there
            for path in needed:
                held[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
                stack.callback(os.close, held[path])
            for path in closed:
                linux.mount("tmpfs", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=1m,mode=0755")
            for path, fd in sorted(held.items()):
                _bind(fd, Path(path))
    except OSError as error:
        raise OSError(
            error.errno,
            f"{needed[0]} lies below {', '.join(closed)}, where only root may pass, and mounts are refused "
            f"({error.strerror}). Each call is a user of its own: install Python where everybody may read "
            "it, or run novum as an ordinary user",
        ) from error


def _bind(fd: int, place: Path) -> None:
    source = f"/proc/self/fd/{fd}"
    if place.exists():
        return  # beneath another window
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    linux.mount(source, str(place), None, linux.MS_BIND | linux.MS_REC)
