"""Walls around one command that is given open files to read: Landlock and a system call filter, and no more.

``python -m novum.sandbox.walls PLACE… -- COMMAND`` builds them and becomes COMMAND. It may read below each
PLACE and what the interpreter needs; it writes no file, reaches no network, and sees no file of its user but
those that it is handed open. That is less than a sandbox is: it stays the same user, and its memory and time
have to be bounded by whoever starts it.
"""

import os
import sys
from collections.abc import Iterable

from novum.core.errors import SandboxUnavailableError
from novum.sandbox.base import Profile
from novum.sandbox.kernel import landlock, linux, seccomp
from novum.sandbox.windows import find_windows

_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types")
_OWN = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def command_prefix(readable: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what to put before a command, so that it runs within walls; empty where the kernel has none.

    Args:
        readable: folders that it may read beside the interpreter's.
    """
    try:
        if sys.platform != "linux" or landlock.abi() == 0:
            return ()
        linux.machine()
        code = filter(os.path.isdir, sys.path)
        shown = find_windows(Profile(name="walls", readable=(*code, *readable))).visible
    except (OSError, SandboxUnavailableError):
        return ()
    return (sys.executable, "-P", "-m", "novum.sandbox.walls", *shown, "--")


def main() -> None:
    """Build the walls, and become the command.

    Raises:
        OSError: a wall cannot be built; nothing has been run then.
    """
    end = sys.argv.index("--")
    places, command = sys.argv[1:end], sys.argv[end + 1 :]
    compiled = seccomp.prepare(seccomp.Policy("none"))
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.drop_capabilities()
    landlock.restrict(
        version=landlock.abi(),
        readable=filter(os.path.exists, (*places, *_SYSTEM, *_OWN)),
        writable=(),
        devices=filter(os.path.exists, _DEVICES),
    )
    seccomp.load(compiled)
    os.execv(command[0], command)  # noqa: S606 a command of ours


if __name__ == "__main__":
    main()
