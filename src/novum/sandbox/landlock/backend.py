"""The Landlock sandbox: what its isolation is made of, and what it does not promise."""

import os
from typing import Any, Final

from novum.core.errors import UsageError
from novum.sandbox.base import Profile, SandboxRequest, SandboxResult
from novum.sandbox.kernel import landlock as landlock_rules
from novum.sandbox.landlock.scratch import Home
from novum.sandbox.warm.broker import Zygote
from novum.sandbox.warm.sandbox import POOL_MB, POOL_SIZE, WarmSandbox
from novum.sandbox.windows import Windows

_TCP_SINCE: Final = 4
_SCOPES_SINCE: Final = 6

_NOT_PROMISED: Final = {
    "own_kernel": "the kernel is the host's, as with the namespace sandbox",
    "own_namespaces": "processes, network and mounts are the host's: access to them is refused",
    "names_of_files_hidden": "names, sizes and owners of the host's files can be asked for (stat), though "
    "none can be opened: Landlock does not cover that",
    "numbers_of_processes_hidden": "which process numbers exist, and whose they are, can be asked for, "
    "though nothing in /proc but a few files of its own can be opened",
    "scratch_sized": "the scratch lies on the host's disk and is looked through every 20 ms, or for a tenth "
    "of the time where that takes longer: until then a call can write beyond its limit, as seen by some "
    "tens of MB. A file that has lost its name and is only mapped counts as far as it is mapped",
    "granted_hosts": "no socket can be had, so hosts that a tool was granted cannot be served",
    "shared_memory": "POSIX shared memory and named semaphores, and with them the locks and queues of "
    "multiprocessing, cannot be had",
}


class LandlockSandbox(WarmSandbox):
    """Runs every call behind Landlock and seccomp, in the host's own namespaces.

    It works where namespaces are refused, as in an ordinary container, and promises less: `degraded` says
    what. Files are closed to a call but for its libraries and a scratch directory of its own, sockets
    cannot be had at all, and other processes can be neither signalled nor looked into.

    As root each call runs as a user of its own. As an ordinary user it runs as that user, which needs
    Linux 6.12.

    Args:
        pool_size: isolated children to keep ready per profile; 0 makes every call wait for its own.
        pool_mb: memory that idle zygotes and children may hold together.
    """

    name = "landlock"
    zygote_module = "novum.sandbox.landlock.zygote"
    scratch_is_sized = False

    def __init__(self, *, pool_size: int = POOL_SIZE, pool_mb: int = POOL_MB) -> None:
        self._facts: dict[str, Any] = {}
        self._home = Home()  # before the zygotes, so that at the end it goes after them
        super().__init__(pool_size=pool_size, pool_mb=pool_mb)

    def run_unattested(self, request: SandboxRequest) -> SandboxResult:
        """Run one call without asking first what is enforced: for the attestation's own probes.

        Raises:
            UsageError: the request grants network hosts, which cannot be served here.
        """
        if request.hosts:
            raise UsageError(
                f"hosts {', '.join(request.hosts)} were granted, but the landlock sandbox has no network of "
                "its own to filter and refuses every socket: use the namespace or docker sandbox for it"
            )
        return super().run_unattested(request)

    def close(self) -> None:
        """End every process that this sandbox started, and remove its directory. It may be called twice."""
        super().close()
        self._home.close()

    def zygote_settings(self) -> dict[str, Any]:
        """Return what the zygote wants to know beside the profile."""
        return {"home": str(self._home.path)}

    def explain(self, step: str, text: str) -> str:
        """Return the message for a machine that refuses isolation."""
        return (
            f"no isolation by Landlock on this machine ({step}: {text}); use the docker or namespace sandbox"
        )

    def mechanisms(self) -> dict[str, str]:
        """Return what enforces each promise and limit."""
        version = landlock_rules.abi()
        held = super().mechanisms()
        if not self._facts.get("own_users", os.geteuid() == 0):
            held["processes"] = "watchdog"
            identity = f"Landlock {version} scope, seccomp"
        else:
            identity = "a user of its own" + (
                f", Landlock {version} scope" if version >= _SCOPES_SINCE else ""
            )
        return {
            **held,
            "files": f"Landlock {version}",
            "network": "seccomp (no sockets)" + (f", Landlock {version}" if version >= _TCP_SINCE else ""),
            "other_processes": identity,
            "privileges": "no capabilities, no_new_privs, seccomp allow-list",
            "scratch_mb": "watchdog on allocated bytes and names, RLIMIT_FSIZE",
        }

    def degraded(self) -> dict[str, str]:
        """Return what this backend does not promise: promise → reason."""
        missing = dict(_NOT_PROMISED)
        if not self._facts.get("own_users", os.geteuid() == 0):
            missing["own_user"] = (
                f"calls run as user {os.geteuid()}, as you do: what the kernel counts by user (processes, "
                "pipes, pending signals) is shared with you"
            )
            missing["processes_held"] = (
                "processes are counted every 20 ms and at the end rather than held, since the kernel would "
                "count all of yours: a burst can pass the limit for that long before the call ends"
            )
            if not self._facts.get("asks", True):
                missing["file_modes"] = (
                    "another filter around this process has a listener already: a call cannot change the "
                    "modes and times of its own files"
                )
        return missing

    def _start(self, profile: Profile, windows: Windows, *, preload: bool) -> Zygote:
        zygote = super()._start(profile, windows, preload=preload)
        self._facts = zygote.facts
        self._enforced = self.mechanisms()
        return zygote
