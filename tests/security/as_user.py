"""Run a Python file as an ordinary user, from root: the interpreter included, wherever it lives.

``python as_user.py UID FILE ARGUMENT...``. In a mount namespace of its own, so that nothing of the
host changes: directories that only root may enter are covered, and the interpreter bound back in.
"""

import os
import stat
import sys
from pathlib import Path

from novum.sandbox.kernel import linux


def main(uid: int, arguments: list[str]) -> None:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    needed = [sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[2])]
    # by descriptor: the cover hides the way there
    held = {path: os.open(path, os.O_PATH) for path in needed}
    closed = sorted(
        {str(d) for path in needed for d in Path(path).parents if not d.stat().st_mode & stat.S_IXOTH}
    )
    covered = [path for path in closed if not any(path.startswith(f"{other}/") for other in closed)]
    for path in covered:
        linux.mount("tmpfs", path, "tmpfs", 0, "mode=0755")
    for path, fd in sorted(held.items()):
        if any(path.startswith(f"{cover}/") for cover in covered):
            Path(path).mkdir(parents=True, exist_ok=True)
            linux.mount(f"/proc/self/fd/{fd}", path, None, linux.MS_BIND | linux.MS_REC)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    os.execve(sys.executable, [sys.executable, "-X", "dev", "-W", "error", *arguments], environment)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
