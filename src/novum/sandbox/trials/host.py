"""Trials of what belongs to the host: files, secrets, processes, sockets, the network, the terminal."""

import contextlib
import os
import pty
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from novum.core.calls import CallStatus
from novum.sandbox.attest import ENVIRONMENT_NAMES, HostCanaries, host_canaries
from novum.sandbox.trials.bench import ATTACKS, Bench, Trials, expect, expect_status

TRIALS = Trials()

SYSTEM_DIRECTORIES = (
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/run", "/sbin",
    "/srv", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var", "/var/cache",
)  # fmt: skip

KERNEL_FILES = (
    "/proc/kcore", "/proc/kallsyms", "/proc/keys", "/proc/kmsg", "/proc/config.gz", "/proc/cmdline",
    "/proc/timer_list", "/proc/modules", "/proc/slabinfo", "/proc/iomem", "/sys/class/net",
    "/sys/kernel/notes", "/sys/firmware/acpi", "/dev/kvm", "/dev/vda", "/dev/sda", "/dev/mem",
    "/dev/kmsg", "/dev/tty", "/dev/fuse",
)  # fmt: skip


@TRIALS.add(row=1)
def host_files_cannot_be_read(bench: Bench) -> None:
    """A secret of ours, the password file, keys and databases are not to be opened, by any name."""
    with host_canaries() as host:
        home = Path.home()
        database = host.secret.with_name("base.sqlite3")
        database.write_text(host.mark, encoding="ascii")
        paths = [
            str(host.secret), str(database), "/etc/shadow", "/etc/gshadow", "/etc/machine-id",
            str(home / ".ssh"), str(home / ".bash_history"), str(home / ".config"), "/var/lib", "/home",
            f"/proc/{host.pid}/root{host.secret}", f"/proc/self/root{host.secret}",
            f"/proc/self/cwd/../{host.secret}", f"/proc/1/root{host.secret}", f"/proc/1/cwd{host.secret}",
        ]  # fmt: skip
        result = bench.ask(f"{ATTACKS}:read_some", paths=paths)
    expect_status(result, CallStatus.OK)
    expect(result.value == [] and host.mark not in result.stdout + result.stderr, result)


@TRIALS.add(row=2)
def nothing_is_written_on_the_host(bench: Bench) -> None:
    """No directory of the system and no setting of the kernel can be written; the host stays as it was."""
    name = f"novum-{secrets.token_hex(8)}"
    places = [*SYSTEM_DIRECTORIES, sys.prefix, sys.base_prefix, str(Path(os.__file__).parent)]
    made = bench.attack("make_files", directories=places, name=name)
    there = [place for place in places if Path(place, name).exists()]
    expect(there == [], there)
    # what could be made may only be the call's own, which no other call sees
    left = bench.ask("os:listdir", path="/").value
    expect(name not in (left or []), (made, left))
    settings = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/sys/vm/drop_caches",
        "/sys/power/state",
    ]
    expect(bench.attack("open_for_writing", paths=settings) == [], settings)


@TRIALS.add(row=3)
def the_environment_is_ours_alone(bench: Bench) -> None:
    """No variable of the host is seen, in the call's own environment or any process's, the first included."""
    mark = secrets.token_hex(16)
    with _variable("NOVUM_TRIAL_KEY", mark), bench.fresh() as other, host_canaries() as host:
        seen = _survey(other, host)
        canary = other.ask("survey", paths=[], canary=mark, port=host.port).value
    expect(seen["environments"] == [] and canary["environments"] == [], (seen, canary))
    expect(set(seen["environment"]) <= ENVIRONMENT_NAMES, seen["environment"])


@TRIALS.add(row=4)
def secrets_in_our_memory_stay_ours(bench: Bench) -> None:
    """What we hold in memory is not in the memory of a call."""
    pieces = [secrets.token_hex(8) for _ in range(3)]
    held = "".join(pieces)
    with _variable("NOVUM_TRIAL_KEY", held), bench.fresh() as other:
        result = other.ask("search_memory", pieces=pieces)
    expect_status(result, CallStatus.OK)
    expect(result.value == 0, f"a secret of {len(held)} characters was found {result.value} times")


@TRIALS.add(row=5)
def inherited_descriptors_are_closed(bench: Bench) -> None:
    """An inheritable descriptor of ours on a secret does not reach a call."""
    mark = secrets.token_hex(16)
    with tempfile.TemporaryFile() as file:
        file.write(mark.encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        with bench.fresh() as other:
            result = other.ask("read_descriptors", canary=mark)
    expect_status(result, CallStatus.OK)
    expect(result.value == [], result)


@TRIALS.add(row=6)
def host_processes_are_out_of_reach(bench: Bench) -> None:
    """A process of the host is not seen, signalled, traced, read; killing everybody kills nobody of ours."""
    with host_canaries() as host:
        result = bench.ask("touch_processes", pid=host.pid)
        alive = Path(f"/proc/{host.pid}/environ").read_bytes()
    expect(host.mark.encode() in alive, "the canary process is gone")
    if result.status is CallStatus.OK:
        touched = {what for what, done in result.value.items() if done}
        harmless = {"killed_all"} if bench.promises("numbers_of_processes_hidden") else {"killed_all", "seen"}
        expect(touched <= harmless, touched)
    else:  # it killed itself with everybody that it could reach
        expect_status(result, CallStatus.KILLED, CallStatus.CRASH)


@TRIALS.add(row=7)
def our_own_ports_are_out_of_reach(bench: Bench) -> None:
    """Nothing that listens on the host, on loopback or on an address of its own, is connected."""
    with _listener("127.0.0.1") as (local, seen_local), _listener("0.0.0.0") as (everywhere, seen_all):  # noqa: S104
        ports = {"local": local, "everywhere": everywhere}
        came = bench.attack("reach_out", ports=ports, addresses=_own_addresses())
        expect(
            not [
                way
                for way, outcome in came.items()
                if way.startswith(("loopback", "host")) and outcome == "done"
            ],
            came,
        )
        expect(seen_local() + seen_all() == 0, "a connection arrived")


@TRIALS.add(row=8)
def there_is_no_way_out(bench: Bench) -> None:
    """No address outside is reached: TCP, UDP, names, metadata, raw, packet, netlink, vsock; at once."""
    with _listener("127.0.0.1") as (port, _):
        started = time.monotonic()
        came = bench.attack("reach_out", ports={"local": port}, addresses=[])
        took = time.monotonic() - started
    expect("done" not in came.values(), came)
    expect(took < 20, f"{took:.1f} s")


@TRIALS.add(row=9)
def host_unix_sockets_are_out_of_reach(bench: Bench) -> None:
    """Neither a path nor an abstract socket of the host, nor the engine's or the bus's, can be connected."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        Path(directory).chmod(0o755)
        path = f"{directory}/listener"
        listener.bind(path)
        Path(path).chmod(0o777)
        listener.listen()
        listener.setblocking(False)
        paths = [
            path,
            f"/proc/1/root{path}",
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/run/containerd/containerd.sock",
        ]
        paths += ["/run/dbus/system_bus_socket", "/run/systemd/private", "/tmp/.X11-unix/X0"]  # noqa: S108
        expect(bench.attack("knock", paths=paths) == [], paths)
        with contextlib.suppress(BlockingIOError):
            listener.accept()
            raise AssertionError("seen: a connection arrived")
    with host_canaries() as host:
        seen = _survey(bench, host)
        expect(not seen["abstract"] and host.reached() == 0, seen)


@TRIALS.add(row=13)
def nothing_is_typed_into_our_terminal(bench: Bench) -> None:
    """A call of a process with a controlling terminal cannot put characters into that terminal."""
    expect(bench.attack("type_into_terminals", text="x") == [], "characters were pushed")
    # the same from a supervisor that has a terminal: the sandbox must give it up
    command = bench.program(
        f"entry = '{ATTACKS}:type_into_terminals'\n"
        "print('TYPED', sandbox.run(SandboxRequest(entry, {'text': 'novumtyped'})).value)\n"
        "sandbox.close()\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)  # noqa: S606
    try:
        said = _read_all(terminal)
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    expect(status == 0 and "TYPED []" in said, said)
    expect("novumtyped" not in said, said)


@TRIALS.add(row=14)
def kernel_files_are_masked(bench: Bench) -> None:
    """The kernel's own files are absent or empty; there is no /sys, no disk and no terminal device."""
    seen = bench.attack("read_some", paths=list(KERNEL_FILES))
    allowed = set() if bench.promises("kernel_files_masked") else set(seen)
    expect(set(seen) <= allowed, seen)


def controls() -> Iterator[tuple[str, bool]]:
    """Yield the positive controls: outside a sandbox, each probe must find what is there."""
    from novum.sandbox.inside import attacks, probes

    with host_canaries() as host:
        paths = [str(host.secret)]
        seen = probes.survey(
            paths=paths, canary=host.mark, port=host.port, abstract=host.abstract, harmless=True
        )
        touched = probes.touch_processes(host.pid, harmless=True)
        yield "host files", seen["opened"] == paths and attacks.read_some(paths) == paths
        yield "environments", seen["environments"] == [f"/proc/{host.pid}/environ"]
        yield "loopback", bool(seen["loopback"])
        yield "abstract sockets", bool(seen["abstract"]) and host.reached() == 2
        yield "processes", host.pid in seen["other_processes"] and touched["seen"] and touched["signalled"]
        yield "filter", seen["seccomp"] == 0
        yield "writing", attacks.make_files([str(host.secret.parent)], "made") == [str(host.secret.parent)]
        yield "settings", attacks.open_for_writing(paths) == paths
    pieces = [secrets.token_hex(8) for _ in range(3)]
    held = "".join(pieces).encode()
    yield "memory", probes.search_memory(pieces) >= 1 and bool(held)
    with tempfile.TemporaryFile() as file:
        mark = secrets.token_hex(16)
        file.write(mark.encode())
        file.flush()
        yield "descriptors", file.fileno() in probes.read_descriptors(mark)
    with _listener("127.0.0.1") as (port, count):
        came = attacks.reach_out({"local": port}, [])
        yield "ports", came["loopback local"] == "done" and count() == 1
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/s")
        listener.listen()
        yield "unix sockets", attacks.knock([f"{directory}/s"]) == [f"{directory}/s"]


def _survey(bench: Bench, host: HostCanaries) -> dict[str, Any]:
    result = bench.ask("survey", paths=[], canary=host.mark, port=host.port, abstract=host.abstract)
    expect_status(result, CallStatus.OK)
    seen: dict[str, Any] = result.value
    return seen


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextlib.contextmanager
def _listener(address: str) -> Iterator[tuple[int, Any]]:
    with socket.create_server((address, 0)) as server:
        server.settimeout(0.2)
        seen = [0]
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    server.accept()[0].close()
                    seen[0] += 1

        def count() -> int:
            time.sleep(0.3)
            return seen[0]

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], count
        finally:
            done.set()
            thread.join()


def _own_addresses() -> list[str]:
    done = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False)
    return [word for word in done.stdout.split() if ":" not in word][:3]


def _read_all(terminal: int) -> str:
    said = bytearray()
    with contextlib.suppress(OSError):  # EIO when the last writer has gone
        while part := os.read(terminal, 4096):
            said += part
    return said.decode(errors="replace")
