"""Every call in a container of its own."""

import contextlib
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox.base import Attestation, Limits, Profile, SandboxRequest, SandboxResult
from novum.sandbox.docker.container import Container, ContainerLostError
from novum.sandbox.docker.engine import Engine
from novum.sandbox.docker.frames import PROTOCOL
from novum.sandbox.docker.hardening import PROXY_DIRECTORY, Machine, Shape
from novum.sandbox.docker.image import (
    FULL,
    IMPORT_LABEL,
    PROTOCOL_LABEL,
    PYTHON_LABEL,
    READABLE_LABEL,
    prepare_empty,
)
from novum.sandbox.docker.pool import Pool
from novum.sandbox.docker.versions import find_warnings
from novum.sandbox.docker.windows import find_mounts
from novum.sandbox.jobs import Job, check_profile, prepare_job
from novum.sandbox.network.proxy import FilteringProxy, ProxyLimits
from novum.sandbox.outcomes import to_result
from novum.sandbox.warm.broker import ENVIRONMENT
from novum.sandbox.windows import Windows, find_windows

_log = logging.getLogger(__name__)

POOL_SIZE: Final = 2
POOL_MB: Final = 2048

_ATTEMPTS: Final = 3
_PROXY_SOCKET: Final = "proxy"
# unshare of mounts and users, unshare of users; mount of nothing on nothing; a new root
_ATTEMPTS_AT_MOUNTS: Final = 4
_NAMESPACE_CALLS: Final = {
    "x86_64": ((272, [0x10020000]), (272, [0x10000000]), (165, [0, 0, 0, 0, 0]), (161, [0])),
    "aarch64": ((97, [0x10020000]), (97, [0x10000000]), (40, [0, 0, 0, 0, 0]), (51, [0])),
}

_BOOTSTRAP: Final = (
    "import sys; own, raw = sys.argv[1:3]; sys.path[:0] = [own] if own else []; "
    "from novum.sandbox.docker.init import main; main(raw)"
)


@dataclass(slots=True)
class _Known:
    """What was learnt of a profile."""

    windows: Windows | None
    base_mb: int | None = None
    preload: bool = True


class DockerSandbox:
    """Runs every call in a container of its own, without network, rights or the host's files.

    With runc the kernel is shared with the host: a boundary against everything that a program may do, not
    against an exploit of the kernel itself. With gVisor's runsc, the call meets another kernel first.

    The engine itself is as powerful as root: whoever may use its socket is. No call ever sees it.

    Args:
        pool_size: containers to keep ready for each kind of call (profile and limits) that was asked for;
            0 makes every call wait for its own.
        pool_mb: memory that waiting containers may hold together; beyond it, those of the kinds that
            were not asked for for longest are ended.
        host: ``unix://PATH`` or ``tcp://HOST:PORT``; None is the usual socket of this machine.
        runtime: name of the engine's runtime, as ``runsc``; None is the engine's own choice.
        image: an image to use instead of this machine's files; see `novum.sandbox.docker.image`. Without
            one, an engine that does not see them gets ``novum-sandbox:full``.
        cpus: processors' worth of time that a call may use at once; None is no limit but `Limits.cpu_s`.

    Raises:
        UsageError: an argument is out of range.
        SandboxUnavailableError: no engine answers, or it cannot do what is needed; the message says what
            to do.
    """

    name = "docker"

    def __init__(
        self,
        *,
        pool_size: int = POOL_SIZE,
        pool_mb: int = POOL_MB,
        host: str | None = None,
        runtime: str | None = None,
        image: str | None = None,
        cpus: float | None = None,
    ) -> None:
        if pool_size < 0:
            raise UsageError(f"pool_size is {pool_size}, expected 0 or more")
        if pool_mb < 0:
            raise UsageError(f"pool_mb is {pool_mb}, expected 0 or more")
        if cpus is not None and not cpus > 0:
            raise UsageError(f"cpus is {cpus}, expected more than 0")
        self._engine = Engine(host)
        try:
            self._check_engine(runtime)
            self._runtime = runtime
            self._cpus = cpus
            self._gvisor = "runsc" in (runtime or self._engine.default_runtime)
            swept = self._engine.sweep()
            if swept:
                _log.info("%d containers of dead processes were removed", swept)
            self._image, self._labels = self._find_image(image)
            self._readable: dict[str, str] = json.loads(self._labels.get(READABLE_LABEL, "{}"))
        except BaseException:
            self._engine.close()
            raise
        self._known: dict[Profile, _Known] = {}
        self._lock = threading.Lock()
        self._attesting = threading.Lock()
        self._attestation: Attestation | None = None
        self._pool = Pool(self._engine, self._start, size=pool_size, megabytes=pool_mb)
        # at exit, if nobody closes it before: containers outlive their owner otherwise
        self._finalizer = weakref.finalize(self, _end_all, self._pool, self._engine)

    def run(self, request: SandboxRequest) -> SandboxResult:
        """Run one call to its end.

        Raises:
            UsageError: the arguments are not JSON data; a limit, path, host or input file is out of range.
            SandboxBrokenError: the sandbox itself failed; the call may be retried.
            SandboxUnavailableError: no isolation can be had here, or the attestation failed.
        """
        self._require_attestation()
        return self._run(request, refill=True)

    def run_unattested(self, request: SandboxRequest) -> SandboxResult:
        """Run one call without asking first what is enforced: for the attestation's own probes."""
        return self._run(request, refill=False)

    def warm(self, profile: Profile) -> None:
        """Have containers made ready for calls with `profile` and the default limits; returns at once.

        Raises:
            UsageError: a path of the profile is missing or reserved.
            SandboxUnavailableError: no isolation can be had here, or the attestation failed.
        """
        self._require_attestation()
        self._know(profile)
        limits = Limits()
        self._pool.refill(Shape(profile, limits.memory_mb, limits.scratch_mb, limits.processes))

    def settle(self, *, timeout_s: float = 60.0) -> bool:
        """Wait until the waiting containers are ready and the used ones removed; whether it was in time."""
        return self._pool.settle(timeout_s=timeout_s)

    def adopt(self, attestation: Attestation) -> None:
        """Take what an earlier process saw of this very engine and runtime, instead of probing again."""
        self._attestation = attestation

    def attest(self) -> Attestation:
        """Run the probes inside this backend and return what was seen; once per instance."""
        from novum.sandbox.attest import attest

        with self._attesting:
            if self._attestation is None:
                seen = attest(self)
                if self._gvisor:
                    seen = self._judge_by_effect(seen)
                self._attestation = replace(seen, warnings=(*seen.warnings, *self._warnings()))
            return self._attestation

    def mechanisms(self) -> dict[str, str]:
        """Return what enforces each promise and limit."""
        group = f"cgroup v{self._engine.versions['cgroup']}"
        kernel = "gVisor's own kernel, " if self._gvisor else ""
        return {
            "files": f"{kernel}mount namespace, read-only root and windows",
            "network": f"{kernel}network namespace without an interface",
            "other_processes": f"{kernel}process namespace",
            "privileges": f"{kernel}no capabilities, no_new_privs"
            + ("" if self._gvisor else ", seccomp allow-list"),
            "scratch_mb": "size of each tmpfs, watchdog on their sum",
            "memory_mb": f"{group}, "
            + ("watchdog on resident memory" if self._gvisor else "watchdog on its counters")
            + ", RLIMIT_DATA",
            "processes": "watchdog on their number" if self._gvisor else group,
            "wall_s": "kill by the container's first process, else by the engine",
            "cpu_s": "RLIMIT_CPU, watchdog",
            "output_kb": "bounded reading",
            "result_kb": "bounded reading",
            "files_mb": "bounded collection after the last process is gone",
        }

    def degraded(self) -> dict[str, str]:
        """Return what this backend does not promise: promise → reason."""
        if not self._gvisor:
            return {}
        return {"number_of_files_limited": "gVisor holds the size of the scratch files, and not their number"}

    def versions(self) -> dict[str, str]:
        """Return what this backend is made of."""
        runtime = self._runtime or self._engine.default_runtime
        return {**self._engine.versions, "runtime": runtime, "image": self._image}

    def idle_memory_mb(self) -> float:
        """Return the memory that waiting containers hold now.

        That of their first processes, without the files that they map, which are shared; the engine's
        own helper of each container comes on top, about ten megabytes.
        """
        return self._pool.idle_memory_mb()

    def close(self) -> None:
        """Remove every container of this sandbox. It may be called twice."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, request: SandboxRequest, *, refill: bool) -> SandboxResult:
        job = prepare_job(request)
        self._know(request.profile)
        with contextlib.ExitStack() as stack:
            proxy, directory = self._open_proxy(request, stack)
            shape = Shape.of(job, proxy=directory)
            container = self._hand_over(shape, job, stack)
            if refill and directory is None:
                over = threading.Event()
                stack.callback(over.set)
                self._pool.refill(shape, after=over)
            outcome = container.follow(request)
        if proxy is not None:
            outcome.network = proxy.attempts
        outcome.enforced = self.mechanisms()
        return to_result(outcome, request.limits, backend=self.name)

    def _hand_over(self, shape: Shape, job: Job, stack: contextlib.ExitStack) -> Container:
        """Return a container that has the job; `stack` removes it, also where we are interrupted."""
        failures: list[str] = []
        for _ in range(_ATTEMPTS):
            container = self._pool.take(shape)
            try:
                container.send(job)
            except ContainerLostError as lost:
                self._pool.give_back(container)
                failures.append(str(lost))
            except BaseException:
                self._pool.give_back(container)
                raise
            else:
                stack.callback(self._pool.give_back, container)
                return container
        raise SandboxBrokenError(f"no call could be started: {'; '.join(failures)}")

    def _start(self, shape: Shape) -> Container:
        """Start a container, and learn of its profile what only that shows."""
        known = self._know(shape.profile)
        container = Container.start(self._engine, shape, self._machine(shape, known), base_mb=known.base_mb)
        if container.threads > 1 and known.preload:
            # a fork keeps one thread only: what these modules started would be missing in the call. So
            # the call imports them itself, more slowly.
            container.remove()
            _log.info("profile %s starts threads while it is imported: not preloaded", shape.profile.name)
            known.preload, known.base_mb = False, None
            return self._start(shape)
        for module, reason in container.broken_modules.items():
            _log.warning("profile %s could not preload %s: %s", shape.profile.name, module, reason)
        if known.base_mb is None:
            known.base_mb = container.base_mb
            if self._gvisor:
                # its limits cannot be changed: the next one has the right ones from its start
                container.remove()
                return self._start(shape)
        return container

    def _machine(self, shape: Shape, known: _Known) -> Machine:
        profile = shape.profile
        config = {
            "import_from": [self._readable.get(path, path) for path in profile.readable],
            "modules": profile.modules if known.preload else (),
            "variables": sorted(ENVIRONMENT),
            "proxy": f"{PROXY_DIRECTORY}/{_PROXY_SOCKET}" if shape.proxy is not None else None,
            "gpu": profile.gpu,
        }
        windows = known.windows
        if windows is None:
            python, own = self._labels.get(PYTHON_LABEL, "python3"), self._labels.get(IMPORT_LABEL, "")
        else:
            python, own = sys.executable, windows.import_own or ""
        return Machine(
            image=self._image,
            command=(python, "-s", "-P", "-B", "-c", _BOOTSTRAP, own, json.dumps(config)),
            windows=find_mounts(windows.visible) if windows is not None else (),
            accelerators=windows.accelerators if windows is not None else (),
            runtime=self._runtime,
            gvisor=self._gvisor,
            cpus=self._cpus,
        )

    def _know(self, profile: Profile) -> _Known:
        with self._lock:
            known = self._known.get(profile)
        if known is not None:
            return known
        if self._local:
            check_profile(profile)
            known = _Known(find_windows(profile))
        else:
            missing = sorted({*profile.readable, *profile.data} - set(self._readable))
            if missing:
                raise SandboxUnavailableError(
                    f"image {self._image!r} does not hold {', '.join(missing)}, which profile "
                    f"{profile.name!r} needs: build it anew with these directories"
                )
            known = _Known(None)
        known.preload = not profile.gpu
        with self._lock:
            return self._known.setdefault(profile, known)

    def _find_image(self, image: str | None) -> tuple[str, dict[str, str]]:
        """Return the image to use, and its labels; set whether this machine's files are used."""
        self._local = image is None and sys.platform == "linux"
        if self._local:
            empty = prepare_empty(self._engine)
            if self._engine.shares_files(empty):
                return empty, {}
            self._local = False
        wanted = image or FULL
        labels = self._engine.find_image(wanted)
        if labels is None:
            raise SandboxUnavailableError(
                f"the engine at {self._engine.host} does not see this machine's files, and has no image "
                f"{wanted!r}: build it with 'novum sandbox image'"
                if image is None
                else f"the engine at {self._engine.host} has no image {image!r}"
            )
        if labels.get(PROTOCOL_LABEL) != str(PROTOCOL):
            raise SandboxUnavailableError(
                f"image {wanted!r} is not of this version of novum: build it with 'novum sandbox image'"
            )
        return wanted, labels

    def _check_engine(self, runtime: str | None) -> None:
        if self._engine.system != "linux":
            raise SandboxUnavailableError(
                f"the engine runs {self._engine.system or 'an unknown system'}, expected Linux containers"
            )
        if runtime is not None and runtime not in self._engine.runtimes:
            raise SandboxUnavailableError(
                f"the engine has no runtime {runtime!r}, only {', '.join(sorted(self._engine.runtimes))}: "
                "add it to the engine's configuration (for gVisor: 'runsc install')"
            )

    def _open_proxy(
        self, request: SandboxRequest, stack: contextlib.ExitStack
    ) -> tuple[FilteringProxy | None, str | None]:
        """Serve the granted hosts on a socket in a directory for one container; `stack` ends it."""
        if not request.hosts:
            return None, None
        if not self._local:
            raise SandboxUnavailableError(
                "network hosts can be granted only with an engine that sees this machine's files"
            )
        # nobody else gets past the outer directory; the container is given the inner one
        outer = tempfile.mkdtemp(prefix="novum-proxy-")
        stack.callback(shutil.rmtree, outer, ignore_errors=True)
        held = ProxyLimits(seconds=request.limits.wall_s)
        inner = Path(outer, "socket")
        inner.mkdir()
        inner.chmod(0o755)
        path = inner / _PROXY_SOCKET
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
            path.chmod(0o666)  # the call is another user than we are
            listener.listen(16)
        except OSError as error:
            listener.close()
            raise SandboxBrokenError(f"no socket for the network proxy: {error}") from error
        return stack.enter_context(FilteringProxy(listener, request.hosts, limits=held)), str(inner)

    def _judge_by_effect(self, seen: Attestation) -> Attestation:
        """Judge gVisor's answers to system calls by what they did to the host, which it lets none reach.

        It has no filter inside that could be seen: its own kernel answers, and much "succeeds" there.
        """
        # others of the machine mount too; what came through from inside would come through each time
        for _ in range(_ATTEMPTS_AT_MOUNTS):
            before = _mounts()
            answers = [
                self.run_unattested(
                    SandboxRequest(
                        "novum.sandbox.inside.probes:call_kernel", {"number": number, "arguments": arguments}
                    )
                )
                for number, arguments in _NAMESPACE_CALLS[os.uname().machine]
            ]
            untouched = _mounts() == before
            if untouched:
                break
        inside = self.run_unattested(SandboxRequest("platform:release", {})).value
        ran = all(answer.status is CallStatus.OK for answer in answers)
        kept = ran and inside not in ("", None, self._engine.versions["kernel"]) and untouched
        said = (
            f"kernel {inside} inside, {self._engine.versions['kernel']} outside; "
            f"the host's mounts after unshare and mount: {'as before' if untouched else 'changed'}"
        )
        return replace(
            seen,
            checks={**seen.checks, "system_calls_filtered": kept},
            seen={**seen.seen, "system_calls_filtered": said},
        )

    def _require_attestation(self) -> None:
        attestation = self._attestation or self.attest()
        if not attestation.passed:
            reasons = "; ".join(f"{name}: {seen}" for name, seen in attestation.broken.items())
            raise SandboxUnavailableError(
                f"the {self.name} sandbox does not keep its promises here and is refused ({reasons}). "
                "Update the engine, or choose another backend; 'novum sandbox doctor' shows what each "
                "enforces here."
            )

    def _warnings(self) -> Iterator[str]:
        versions = dict(self._engine.versions)
        if self._gvisor:
            versions.pop("runc", None)  # it starts none of our containers
        yield from find_warnings(versions)
        if self._engine.host.startswith("tcp://"):
            yield f"the engine at {self._engine.host} is reached without encryption or a password"


def _mounts() -> list[str]:
    return sorted(
        line
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        # those of containers come and go
        if "overlay" not in line and "/containers/" not in line
    )


def _end_all(pool: Pool, engine: Engine) -> None:
    pool.close()
    if pool.is_ours:
        engine.close()
