"""What is Docker's own: the first process, the pool, images, owners, versions, engines that are not there."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from docker_engine import find_engine

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox import Limits, Profile, SandboxRequest
from novum.sandbox.docker import DockerSandbox, build_image
from novum.sandbox.docker.engine import Engine
from novum.sandbox.docker.frames import PAYLOAD_BYTES, FrameError, FrameReader, Kind, encode
from novum.sandbox.docker.hardening import Machine, Shape, container_config, filter_text
from novum.sandbox.docker.ownership import MARK, is_orphan, own_labels
from novum.sandbox.docker.versions import find_warnings
from novum.sandbox.docker.windows import find_mounts

pytestmark = pytest.mark.docker

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def host():
    with _engine_or_skip() as found:
        yield found


def _engine_or_skip(**options):
    class Found:
        def __enter__(self):
            self.manager = find_engine(**options)
            try:
                return self.manager.__enter__()
            except SandboxUnavailableError as error:
                if os.environ.get("CI"):
                    pytest.fail(f"a Docker engine must be available here: {error}")
                pytest.skip(str(error))

        def __exit__(self, *error):
            return self.manager.__exit__(*error)

    return Found()


@pytest.fixture(scope="module")
def sandbox(host):
    with DockerSandbox(host=host) as opened:
        assert opened.attest().passed, opened.attest().broken
        yield opened


@pytest.fixture(scope="module")
def hostile():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        Path(directory, "hostile_docker.py").write_text((HERE / "hostile_docker.py").read_text())
        yield Profile(name="hostile", readable=(directory,))


@pytest.fixture
def engine(host):
    opened = Engine(host)
    yield opened
    opened.close()


def ask(sandbox, entry, /, *, limits=None, profile=None, into=None, hosts=(), **arguments):
    return sandbox.run(
        SandboxRequest(
            entry=entry if ":" in entry else f"novum.sandbox.inside.probes:{entry}",
            arguments=arguments,
            limits=limits or Limits(wall_s=60),
            profile=profile or Profile(),
            collect_into=into,
            hosts=hosts,
        )
    )


def own_containers(engine) -> list[str]:
    return [c["Id"] for c in engine.find() if c["Labels"].get(f"{MARK}.pid") == str(os.getpid())]


# the first process of a container


def test_a_call_cannot_write_a_frame(sandbox, hostile):
    result = ask(sandbox, "hostile_docker:forge_frames", profile=hostile)
    assert result.status is CallStatus.OK, result
    assert {name: seen for name, seen in result.value.items() if seen.startswith("done")} == {}
    assert result.value["/proc/1/fd"] == "PermissionError"


def test_frames_on_a_calls_own_outputs_are_its_output(sandbox, hostile):
    result = ask(sandbox, "hostile_docker:speak_in_frames", profile=hostile)
    assert (result.status, result.value) == (CallStatus.OK, "spoken"), result
    assert result.stdout.count("{}") == 4
    assert result.stderr.count("{}") == 3


def test_the_first_process_is_out_of_reach(sandbox, hostile):
    result = ask(sandbox, "hostile_docker:touch_the_first_process", profile=hostile)
    assert result.status is CallStatus.OK, result
    seen = dict(result.value)
    # one may ask whether it is there, and that is all
    assert seen.pop("still there").startswith("done")
    assert {name: what for name, what in seen.items() if what.startswith("done")} == {}


def test_the_probes_of_the_first_process_see_what_can_be_done():
    """Positive control: the same actions on a child of one's own succeed outside of a sandbox."""
    source = (HERE / "hostile_docker.py").read_text()
    assert "/proc/1/mem" in source
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as child:
        source = source.replace("/proc/1/", f"/proc/{child.pid}/").replace("302, 1,", f"302, {child.pid},")
        source = source.replace("os.sched_setscheduler, 1,", f"os.sched_setscheduler, {child.pid},")
        source = source.replace("PRIO_PROCESS, 1,", f"PRIO_PROCESS, {child.pid},")
        source = source.replace("signal.valid_signals()", "()").replace("range(50)", "()")
        source = source.replace("os.PRIO_USER, 0", f"os.PRIO_PROCESS, {child.pid}")
        source = source.replace("os.pidfd_open(1)", f"os.pidfd_open({child.pid})").replace("121", "0")
        control = subprocess.run(
            [sys.executable, "-c", f"{source}\nimport json; print(json.dumps(touch_the_first_process()))"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    seen = json.loads(control.stdout)
    for name in (
        "mem",
        "maps",
        "environ",
        "root",
        "cwd",
        "exe",
        "processor limit",
        "files limit",
        "scheduler",
        "priority",
    ):
        assert seen[name].startswith("done"), (name, seen)


def test_nothing_that_a_call_leaves_is_imported_by_the_first_process(sandbox, hostile, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    result = ask(sandbox, "hostile_docker:replace_what_is_imported", profile=hostile, into=into)
    assert (result.status, result.value) == (CallStatus.OK, "replaced"), result
    assert [file.name for file in result.artifacts if file.name.endswith(".py")], result
    assert {refused.reason for refused in result.refused} >= {"it is a symbolic link"}, result


def test_memory_taken_from_many_sides_is_out_of_memory(sandbox, hostile):
    """Even where the kernel chose the first process, the call has run out of memory and not the sandbox."""
    result = ask(
        sandbox, "hostile_docker:take_the_memory_of_the_first_process", profile=hostile,
        limits=Limits(wall_s=30, memory_mb=64, scratch_mb=8, processes=40), megabytes=8,
    )  # fmt: skip
    assert result.status is CallStatus.OUT_OF_MEMORY, result
    assert ask(sandbox, "echo", value=1).value == 1


def test_scratch_files_are_held_together(sandbox, hostile):
    """Each place has room for all of it; the three together have no more."""
    limits = Limits(wall_s=30, scratch_mb=16)
    result = ask(sandbox, "hostile_docker:write_everywhere", profile=hostile, limits=limits, megabytes=12)
    assert result.status is CallStatus.OUTPUT_LIMIT, result
    assert "scratch" in result.message


def test_a_call_whose_container_is_killed_from_outside_is_told(host, engine):
    with DockerSandbox(host=host, pool_size=0) as fresh:
        fresh.attest()
        with ThreadPoolExecutor(1) as pool:
            before = set(own_containers(engine))
            running = pool.submit(ask, fresh, "pause", seconds=60)
            started: set[str] = set()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not started:
                started = {c for c in set(own_containers(engine)) - before if engine.state(c).get("Running")}
                time.sleep(0.05)
            time.sleep(1)
            for container in started:
                engine.kill(container)
            assert running.result(30).status is CallStatus.KILLED


# frames


def test_frames_arrive_in_whatever_pieces_they_are_sent():
    payload = os.urandom(PAYLOAD_BYTES * 2 + 17)
    raw = b"".join(encode(Kind.STDOUT, payload)) + b"".join(encode(Kind.DONE, b'""'))
    for size in (1, 7, 4096, len(raw)):
        reader, frames = FrameReader(), []
        for start in range(0, len(raw), size):
            part = raw[start : start + size]
            mixed = bytes([1, 0, 0, 0]) + len(part).to_bytes(4, "big") + part
            noise = bytes([2, 0, 0, 0]) + (3).to_bytes(4, "big") + b"hm\n"
            frames += reader.feed(mixed + noise)
        assert b"".join(body for kind, body in frames if kind is Kind.STDOUT) == payload
        assert frames[-1] == (Kind.DONE, b'""')
        assert reader.said.endswith("hm")
        if size > 1:
            continue
        assert len(reader.said) < 5000, "what is said without end must not be kept without end"


@pytest.mark.parametrize(
    "raw",
    [
        bytes([1, 0, 0, 0, 0, 0, 0, 5]) + b"O" + (PAYLOAD_BYTES + 1).to_bytes(4, "little"),
        bytes([1, 0, 0, 0, 0, 0, 0, 5]) + b"?" + (0).to_bytes(4, "little"),
        bytes([9, 0, 0, 0, 0, 0, 0, 1]) + b"x",
    ],
)
def test_what_is_no_frame_is_refused(raw):
    with pytest.raises(FrameError):
        list(FrameReader().feed(raw))


# owners


def test_a_killed_supervisor_leaves_containers_to_the_next_one(host, engine):
    program = (
        "import os, sys\nfrom novum.sandbox.docker import DockerSandbox\n"
        "from novum.sandbox import SandboxRequest\n"
        "sandbox = DockerSandbox(host=sys.argv[1])\n"
        "from novum.sandbox import Profile\nsandbox.warm(Profile())\nsandbox.settle()\n"
        "print('ready', flush=True)\n"
        "sandbox.run(SandboxRequest('novum.sandbox.inside.probes:pause', {'seconds': 120}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, host], stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"ready\n"
        label = f"{MARK}.pid={owner.pid}"
        time.sleep(1)
        assert len(engine.find([label])) >= 2
        with DockerSandbox(host=host):
            assert len(engine.find([label])) >= 2, "those of a living supervisor are left alone"
        owner.kill()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and any(c["State"] == "running" for c in engine.find([label])):
        time.sleep(0.1)
    assert not [c for c in engine.find([label]) if c["State"] == "running"], "they end by themselves"
    assert engine.find([label]), "there is nothing to sweep"
    with DockerSandbox(host=host):
        assert engine.find([label]) == []


def test_only_an_owner_that_can_be_judged_is_called_dead():
    own = own_labels()
    assert not is_orphan(own)
    gone = {**own, f"{MARK}.pid": "4194305"}
    assert is_orphan(gone)
    assert is_orphan({**own, f"{MARK}.start": "1"}), "another process has got the number since"
    assert is_orphan({**own, f"{MARK}.boot": "before"})
    assert not is_orphan({**gone, f"{MARK}.host": "another machine"})
    assert not is_orphan({**gone, f"{MARK}.host": "another machine", f"{MARK}.boot": "before"})
    assert not is_orphan({**gone, f"{MARK}.pid-namespace": "pid:[1]"})
    assert not is_orphan({**gone, MARK: "probe"})
    assert not is_orphan({})


def test_a_container_says_whose_it_is_and_how_it_is_held(sandbox, engine):
    ask(sandbox, "echo")
    sandbox.settle()
    found = engine.inspect(own_containers(engine)[0])
    assert found["Config"]["Labels"].items() >= own_labels().items()
    config = found["HostConfig"]
    assert config["NetworkMode"] == "none"
    assert config["CapDrop"] == ["ALL"]
    assert not config["CapAdd"]
    assert config["ReadonlyRootfs"]
    assert not config["Privileged"]
    assert "no-new-privileges" in config["SecurityOpt"]
    assert config["MemorySwap"] == config["Memory"] > 0
    assert config["PidsLimit"] == Limits().processes + 1
    assert config["LogConfig"]["Type"] == "none"
    assert "/proc/kallsyms" in config["MaskedPaths"]
    assert found["Config"]["User"] == "65532:65532"
    assert all(not mount["RW"] for mount in found["Mounts"])
    assert not any("docker.sock" in mount["Source"] for mount in found["Mounts"])


# the pool


def test_a_waiting_container_takes_the_call_and_another_takes_its_place(host, engine, sandbox):
    assert sandbox.settle()
    others = set(own_containers(engine))
    with DockerSandbox(host=host, pool_size=2) as fresh:
        ask(fresh, "echo")
        assert fresh.settle()
        waiting = set(own_containers(engine)) - others
        before = fresh.idle_memory_mb()
        assert before > 0
        assert ask(fresh, "echo", value=1).value == 1
        assert fresh.settle()
        after = set(own_containers(engine)) - others
        assert len(waiting - after) == 1
        assert len(after - waiting) == 1
        assert fresh.idle_memory_mb() == pytest.approx(before, rel=0.5)
    assert set(own_containers(engine)).isdisjoint(waiting | after)


def test_a_refill_blocks_nobody(host, monkeypatch):
    from novum.sandbox.docker.container import Container

    with DockerSandbox(host=host, pool_size=1) as fresh:
        fresh.warm(Profile())
        assert fresh.settle()
        held = threading.Event()
        start = Container.start
        in_background: list[str] = []

        def slow(*arguments, **options):
            in_background.append(threading.current_thread().name)
            held.wait(30)
            return start(*arguments, **options)

        monkeypatch.setattr(Container, "start", slow)
        try:
            request = SandboxRequest("json:dumps", {"obj": 1})
            assert fresh.run(request).value == "1", "the waiting one took it"
        finally:
            held.set()
        assert fresh.settle()
        assert in_background == ["novum-docker-pool"]


def test_a_waiting_container_that_was_killed_is_replaced(host, engine):
    with DockerSandbox(host=host, pool_size=1) as fresh:
        ask(fresh, "echo")
        fresh.settle()
        for container in own_containers(engine):
            engine.kill(container)
        time.sleep(0.5)
        assert ask(fresh, "echo", value=2).value == 2


def test_the_memory_of_the_pool_is_bounded(host, engine):
    with DockerSandbox(host=host, pool_size=3, pool_mb=25) as small:
        small.attest()
        for number in range(3):
            assert ask(small, "echo", value=number, profile=Profile(name=str(number))).value == number
            assert small.settle()
            assert small.idle_memory_mb() <= 25
    with DockerSandbox(host=host, pool_size=1, pool_mb=0) as none:
        assert ask(none, "echo", value=1).value == 1
        assert none.settle()
        assert none.idle_memory_mb() == 0


def test_closing_twice_removes_everything_once(host, engine):
    others = set(own_containers(engine))
    fresh = DockerSandbox(host=host)
    ask(fresh, "echo")
    fresh.close()
    fresh.close()
    assert set(own_containers(engine)) <= others
    with pytest.raises(SandboxBrokenError, match="closed"):
        ask(fresh, "echo")


def test_a_fork_of_us_neither_uses_nor_ends_the_sandbox(host):
    program = (
        "import os, sys\nfrom novum.sandbox.docker import DockerSandbox\n"
        "from novum.sandbox import SandboxRequest\n"
        "sandbox = DockerSandbox(host=sys.argv[1])\n"
        "request = SandboxRequest('json:dumps', {'obj': 1})\nsandbox.run(request)\nsandbox.settle()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try: sandbox.run(request)\n"
        "    except Exception as error: print(type(error).__name__, flush=True)\n"
        "    sandbox.close()\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "print(sandbox.run(request).value, flush=True)\nsandbox.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, host],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["SandboxBrokenError", "1"], done


def test_calls_at_once_have_their_own_answers(sandbox):
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda n: ask(sandbox, "echo", value=n), range(12)))
    assert [r.value for r in results] == list(range(12))


# network, files


def test_a_granted_host_is_reached_and_no_other(sandbox):
    source = (
        "import socket, os\n"
        "def fetch(port):\n"
        "    seen = []\n"
        "    for target in (f'localhost:{port}', 'example.org:443'):\n"
        "        with socket.socket(socket.AF_UNIX) as s:\n"
        "            s.connect(os.environ['NOVUM_PROXY'])\n"
        "            s.sendall(f'CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n'.encode())\n"
        "            said = b''\n"
        "            while part := s.recv(4096): said += part\n"
        "            head, _, body = said.decode().partition('\\r\\n\\r\\n')\n"
        "            seen += [head.split()[1], body]\n"
        "    return seen\n"
    )
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as server:
        os.chmod(directory, 0o755)
        Path(directory, "fetching.py").write_text(source)
        port = server.getsockname()[1]

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=serve)
        thread.start()
        profile = Profile(name="fetching", readable=(directory,))
        result = ask(sandbox, "fetching:fetch", profile=profile, hosts=(f"localhost:{port}",), port=port)
        thread.join(10)
    assert [result.value[0], result.value[1], result.value[2]] == ["200", "hello", "403"], result
    assert [(a.host, a.allowed) for a in result.network] == [("localhost", True), ("example.org", False)]
    assert "NOVUM_PROXY" not in ask(sandbox, "survey", paths=[], canary="x" * 9, port=9).value["environment"]


def test_a_directory_that_others_may_not_enter_can_hold_a_window(sandbox):
    """As an interpreter in root's own home: bound by path, it is reached though the way to it is closed."""
    mark = secrets.token_hex(6)
    with tempfile.TemporaryDirectory() as closed:
        assert os.stat(closed).st_mode & 0o077 == 0
        shown = Path(closed, "shown")
        shown.mkdir()
        shown.chmod(0o755)
        (shown / f"m{mark}.py").write_text("def answer(): return __file__\n")
        Path(closed, "beside").write_text(mark)
        profile = Profile(name="closed", readable=(str(shown),))
        assert ask(sandbox, f"m{mark}:answer", profile=profile).value == str(shown / f"m{mark}.py")
        seen = ask(
            sandbox, "survey", profile=profile, paths=[f"{closed}/beside"], canary="x" * 9, port=9
        ).value
        assert seen["opened"] == []
        assert {"/work", "/tmp", "/dev/shm"} == set(seen["scratch"])


def test_what_is_mounted_beneath_a_window_is_a_window_of_its_own(tmp_path, monkeypatch):
    from novum.sandbox.docker import windows

    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.setattr(windows, "_mount_points", lambda: ["/", "/proc", str(inner)])
    found = find_mounts([str(outer), str(outer / "within")])
    assert {str(outer), str(inner)} <= set(found)
    assert str(outer / "within") not in found
    assert not any(path.startswith("/proc") for path in found)


# other engines


@pytest.mark.slow
def test_an_engine_that_does_not_see_our_files_uses_an_image_of_them(tmp_path_factory, monkeypatch):
    """As if it were on another machine: the closure of our interpreter is all that it has of us."""
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine that does not see our files")
    hidden = tempfile.mkdtemp(prefix="novum-hidden-")
    os.chmod(hidden, 0o755)
    monkeypatch.setattr(tempfile, "tempdir", hidden)
    try:
        with _engine_or_skip(hiding=hidden) as host:
            with pytest.raises(SandboxUnavailableError, match="novum sandbox image"):
                DockerSandbox(host=host)
            shown = Path(hidden, "shown")
            shown.mkdir()
            (shown / "told.py").write_text("def where(): return __file__\n")
            name = build_image(host, readable=[str(shown)], without=_not_needed())
            with DockerSandbox(host=host) as remote:
                attestation = remote.attest()
                assert attestation.passed, attestation.broken
                assert attestation.versions["image"] == name
                profile = Profile(name="told", readable=(str(shown),))
                assert ask(remote, "told:where", profile=profile).value.endswith(str(shown / "told.py"))
                numbers = Profile(name="numbers", modules=("numpy",))
                assert ask(remote, "numpy:sum", profile=numbers, a=[1, 2]).status is not CallStatus.CRASH
                shell = ask(remote, "run_program", arguments=["sh", "-c", "echo $((6 * 7))"])
                assert shell.value["out"] == "42\n", shell
                with pytest.raises(SandboxUnavailableError, match="hosts"):
                    ask(remote, "echo", hosts=("localhost:1",))
                with pytest.raises(SandboxUnavailableError, match="does not hold"):
                    ask(remote, "echo", profile=Profile(name="other", readable=("/opt",)))
    finally:
        monkeypatch.undo()
        subprocess.run(["rm", "-r", hidden], check=True)


def _not_needed() -> set[str]:
    """Everything in site-packages but what the test uses: an image of all of it takes minutes."""
    import numpy

    site = Path(numpy.__file__).parents[1]
    needed = {"numpy", "numpy.libs", "novum"}
    return {path.name for path in site.iterdir() if path.name not in needed and path.suffix != ".pth"}


def test_an_image_of_another_version_is_refused(host, engine):
    name = f"novum-sandbox:test-{secrets.token_hex(4)}"
    engine.import_image(iter([bytes(10240)]), name, labels={"org.novum.image.protocol": "0"})
    try:
        with pytest.raises(SandboxUnavailableError, match="not of this version"):
            DockerSandbox(host=host, image=name)
        with pytest.raises(SandboxUnavailableError, match="no image"):
            DockerSandbox(host=host, image="novum-sandbox:not-there")
    finally:
        engine.remove_image(name)


def test_no_engine_is_told_at_once_with_what_to_do(tmp_path):
    started = time.monotonic()
    with pytest.raises(SandboxUnavailableError, match=r"start it|install it"):
        DockerSandbox(host=f"unix://{tmp_path}/docker.sock")
    assert time.monotonic() - started < 5
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/dead.sock")
    with pytest.raises(SandboxUnavailableError, match="start it"):
        DockerSandbox(host=f"unix://{tmp_path}/dead.sock")
    (tmp_path / "file").touch()
    with pytest.raises(SandboxUnavailableError, match="no socket"):
        DockerSandbox(host=f"unix://{tmp_path}/file")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SandboxUnavailableError, match="no Docker engine answers"):
        DockerSandbox(host=f"tcp://127.0.0.1:{port}")


def test_a_socket_that_we_may_not_use_names_the_group(monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/docker.sock")
        listener.listen()

        def refused(self, address):
            raise PermissionError(13, "Permission denied")

        class Refusing(socket.socket):
            connect = refused

        monkeypatch.setattr("novum.sandbox.docker.engine.socket.socket", Refusing)
        with pytest.raises(SandboxUnavailableError, match="group that owns the socket"):
            Engine(f"unix://{tmp_path}/docker.sock")


@pytest.mark.parametrize(
    "options",
    [{"host": "ssh://somewhere"}, {"host": "tcp://nowhere"}, {"pool_size": -1}, {"pool_mb": -1}, {"cpus": 0}],
)
def test_bad_options_are_the_callers_error(options):
    with pytest.raises(UsageError):
        DockerSandbox(**options)


def test_an_unknown_runtime_is_refused_with_those_there_are(host):
    with pytest.raises(SandboxUnavailableError, match=r"no runtime 'kata'.*runc"):
        DockerSandbox(host=host, runtime="kata")


# versions, filters, accelerators


@pytest.mark.parametrize(
    ("runc", "told"),
    [
        ("1.1.5+ds1", {"CVE-2024-21626", "CVE-2025-52881"}),
        ("1.1.12", {"CVE-2025-52881"}),
        ("1.2.7", {"CVE-2025-52881"}),
        ("1.2.8", set()),
        ("1.3.2", {"CVE-2025-52881"}),
        ("1.3.3", set()),
        ("v1.4.0", set()),
        ("2.0.0", set()),
        ("unknown", set()),
    ],
)
def test_old_runtimes_are_warned_of(runc, told):
    warnings = find_warnings({"engine": "20.10.24", "runc": runc})
    for number in ("CVE-2024-21626", "CVE-2025-52881"):
        assert any(number in warning for warning in warnings) == (number in told)
    assert all("back-ported" in warning for warning in warnings)


def test_warnings_reach_the_attestation(host, monkeypatch):
    with DockerSandbox(host=host, pool_size=0) as fresh:
        monkeypatch.setitem(fresh._engine.versions, "runc", "1.0.0")
        assert any("runc 1.0.0 is older" in warning for warning in fresh.attest().warnings)
        assert fresh.attest().versions["runtime"] == fresh._engine.default_runtime


def test_the_filter_lets_a_process_limit_only_itself():
    calls = json.loads(filter_text())["syscalls"]
    plain = {
        name
        for call in calls
        if call["action"] == "SCMP_ACT_ALLOW" and not call.get("args")
        for name in call["names"]
    }
    assert {"read", "kill", "execve"} <= plain
    assert plain.isdisjoint(
        {"prlimit64", "setpriority", "sched_setscheduler", "ptrace", "mount", "io_uring_setup"}
    )


@pytest.fixture
def machine():
    return Machine(image="image:tag", command=("python3",), windows=("/usr",))


def _config(machine, profile, **options):
    shape = Shape(profile, memory_mb=100, scratch_mb=10, processes=8)
    return container_config(replace(shape, **options), machine, base_mb=20, labels={MARK: "call"})


def test_accelerators_are_asked_for_only_where_the_profile_does(machine):
    plain = _config(machine, Profile())["HostConfig"]
    assert "DeviceRequests" not in plain
    assert "Devices" not in plain
    assert "/sys/class" in plain["MaskedPaths"]
    nvidia = replace(machine, accelerators=("/dev/nvidia0", "/dev/nvidiactl"))
    gpu = _config(nvidia, Profile(name="gpu", gpu=True))["HostConfig"]
    assert gpu["DeviceRequests"] == [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
    assert "Devices" not in gpu
    assert "/sys/class" not in gpu["MaskedPaths"]
    assert gpu["CapDrop"] == ["ALL"]
    amd = replace(machine, accelerators=("/dev/dri/renderD128", "/dev/kfd"))
    gpu = _config(amd, Profile(name="gpu", gpu=True))["HostConfig"]
    assert [device["PathOnHost"] for device in gpu["Devices"]] == ["/dev/dri/renderD128", "/dev/kfd"]
    assert "DeviceRequests" not in gpu


def test_a_container_is_given_no_more_than_its_shape(machine):
    config = _config(machine, Profile())
    host = config["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == (20 + 100 + 10) << 20
    assert set(host["Tmpfs"]) == {"/work", "/tmp", "/dev/shm"}
    assert all("size=10m" in options and "uid=65532" in options for options in host["Tmpfs"].values())
    assert all(mount["ReadOnly"] and mount["BindOptions"]["NonRecursive"] for mount in host["Mounts"])
    assert "NanoCpus" not in host
    assert _config(replace(machine, cpus=1.5), Profile())["HostConfig"]["NanoCpus"] == 1_500_000_000
    assert _config(replace(machine, runtime="runsc"), Profile())["HostConfig"]["Runtime"] == "runsc"
    names = {entry.partition("=")[0] for entry in config["Env"]}
    assert "PATH" in names
    assert not names & {"HTTP_PROXY", "DOCKER_HOST", "AWS_SECRET_ACCESS_KEY"}
    proxied = _config(machine, Profile(), proxy="/private/one")["HostConfig"]["Mounts"]
    assert proxied[-1]["Source"] == "/private/one"
    assert proxied[-1]["ReadOnly"]


# gVisor


@pytest.fixture(scope="module")
def gvisor(host):
    engine = Engine(host)
    there = "runsc" in engine.runtimes
    engine.close()
    if not there:
        pytest.skip("this engine has no runtime 'runsc'")
    with DockerSandbox(host=host, runtime="runsc", pool_size=1) as opened:
        yield opened


@pytest.mark.slow
def test_gvisor_keeps_every_promise(gvisor):
    attestation = gvisor.attest()
    assert attestation.passed, attestation.broken
    assert attestation.versions["runtime"] == "runsc"
    assert "kernel" in attestation.seen["system_calls_filtered"]
    assert not any("runc" in warning for warning in attestation.warnings)


@pytest.mark.slow
def test_files_leave_gvisor(gvisor, hostile, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    result = ask(gvisor, "hostile_docker:replace_what_is_imported", profile=hostile, into=into)
    assert (result.status, result.value) == (CallStatus.OK, "replaced"), result
    assert [file.name for file in result.artifacts if file.name.endswith(".py")], result
    assert {refused.reason for refused in result.refused} >= {"it is a symbolic link"}, result
