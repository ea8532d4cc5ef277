"""What is the landlock backend's own, with a hand on the host's side; run as a program, all of it.

Each case is a function of a bench and raises AssertionError. ``python landlock_program.py`` prints one
JSON line per case; with ``in-a-container`` it first gives up what an ordinary container lacks, and
runs every check of the interface and the attestation too. `as_user.py` runs it as an ordinary user.
"""

import contextlib
import errno
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from unittest import mock

import pytest

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError, UsageError
from novum.sandbox import Limits, NamespaceSandbox, Profile, SandboxRequest, windows
from novum.sandbox.conformance import CHECKS
from novum.sandbox.kernel import linux
from novum.sandbox.landlock import LandlockSandbox, filters, scratch
from novum.sandbox.trials.bench import Bench

DEAF = (
    "import os, signal, sys, time\n"
    "for number in range(1, signal.NSIG):\n"
    "    try: signal.signal(number, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass\n"
)
ORPHANS = DEAF + (
    "for _ in range(8):\n"
    "    if os.fork() == 0:\n"
    "        os.closerange(0, 3)\n"
    "        os.setsid()\n"
    "        if os.fork() == 0:\n"
    "            os.setsid()\n"
    "            while True: time.sleep(60)\n"
    "        os._exit(0)\n"
)
"""Eight processes of the call without a parent, a session or an ear."""

HOPPER = DEAF + (
    "deadline = time.monotonic() + 30\n"
    "os.closerange(0, 3)\n"
    "if os.fork(): os._exit(0)\n"
    "while time.monotonic() < deadline:\n"
    "    if os.fork(): os._exit(0)\n"
    "    os.setsid()\n"
)
"""A process that is another one every millisecond."""


def open_bench() -> Bench:
    return Bench("landlock", make=LandlockSandbox)


def python(bench, program, *arguments, limits=None, **more):
    """Run a Python program inside, in a process of its own."""
    return bench.ask(
        "run_program", arguments=[sys.executable, "-c", program, *arguments], limits=limits, **more
    )


def marked(mark: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in process.read_bytes():
                found.append(int(process.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def wait_until(true, seconds=15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return bool(true())


def homes(bench) -> list[Path]:
    """The scratch directories of calls, finished or waiting."""
    return [path for path in bench.sandbox._home.path.glob("*/*") if path.name != "own"]


def zygote_of(bench) -> int:
    return bench.sandbox._lines[Profile()].zygote._process.pid


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def a_long_call(bench, program, mark):
    """Run a program inside from a thread; yields the list that gets what it raised or returned."""
    ends = []

    def run():
        try:
            ends.append(python(bench, program, mark))
        except SandboxBrokenError as error:
            ends.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert wait_until(lambda: marked(mark)), "the call did not start"
    try:
        yield ends
    finally:
        thread.join(40)
        assert not thread.is_alive()


def orphans_end_with_their_call(bench):
    """Double forks, new sessions and ignored signals save no process, nor does forking all the time."""
    for program in (ORPHANS + "os._exit(0)\n", HOPPER):
        mark = secrets.token_hex(8)
        assert python(bench, program, mark).status is CallStatus.OK
        assert marked(mark) == []
    mark = secrets.token_hex(8)
    result = python(bench, ORPHANS + "time.sleep(60)\n", mark, limits=Limits(wall_s=1))
    assert result.status is CallStatus.TIMEOUT, result
    assert marked(mark) == []


def a_killed_guard_leaves_nothing(bench):
    """When a guard is killed its call ends as our own error, with all its processes; the next one works."""
    with bench.fresh() as fresh:
        mark = secrets.token_hex(8)
        assert fresh.ask("echo", value=1).value == 1
        with a_long_call(fresh, ORPHANS + "time.sleep(60)\n", mark) as ends:
            assert wait_until(lambda: len(marked(mark)) >= 9)
            ours = set(marked(mark))
            guards = [
                pid
                for pid in children_of(zygote_of(fresh))
                if ours & {grandchild for child in children_of(pid) for grandchild in children_of(child)}
            ]
            (guard,) = guards
            os.kill(guard, signal.SIGKILL)
        assert isinstance(ends[0], SandboxBrokenError), ends
        assert marked(mark) == []
        assert fresh.ask("echo", value=2).value == 2
        assert wait_until(lambda: len(homes(fresh)) <= 3), homes(fresh)


def a_killed_zygote_leaves_nothing(bench):
    """When the zygote is killed its calls end as our own error, with all their processes."""
    with bench.fresh() as fresh:
        mark = secrets.token_hex(8)
        with a_long_call(fresh, ORPHANS + "time.sleep(60)\n", mark) as ends:
            os.kill(zygote_of(fresh), signal.SIGKILL)
        assert isinstance(ends[0], SandboxBrokenError), ends
        assert wait_until(lambda: marked(mark) == [])
        assert fresh.ask("echo", value=2).value == 2


SUPERVISOR = (
    "import sys, threading\n"
    "from novum.sandbox import SandboxRequest\n"
    "from novum.sandbox.landlock import LandlockSandbox\n"
    "sandbox = LandlockSandbox()\n"
    "print(sandbox._home.path, flush=True)\n"
    "sandbox.run_unattested(SandboxRequest('novum.sandbox.inside.probes:run_program',\n"
    "    {'arguments': [sys.executable, '-c', sys.argv[2], sys.argv[1]]}))\n"
)


def a_killed_supervisor_leaves_nothing(bench):
    """After kill -9 of the supervisor, and of the zygote too, no process is left, and files are swept."""
    for zygote_too in (False, True):
        mark = secrets.token_hex(8)
        arguments = [sys.executable, "-c", SUPERVISOR, mark, ORPHANS + "time.sleep(60)\n"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as owner:
            home = Path(owner.stdout.readline().decode().strip())
            assert wait_until(lambda mark=mark: len(marked(mark)) >= 10), marked(mark)
            zygotes = children_of(owner.pid)
            os.kill(owner.pid, signal.SIGSTOP)
            if zygote_too:
                for zygote in zygotes:
                    os.kill(zygote, signal.SIGKILL)
            owner.kill()
        assert wait_until(lambda mark=mark: marked(mark) == []), marked(mark)
        assert home.is_dir(), home
        other = scratch.Home()
        other.close()
        assert not home.exists()


def the_scratch_of_the_living_is_not_swept(bench):
    """A sweep leaves alone what belongs to a process that lives."""
    assert bench.ask("echo", value=1).value == 1
    scratch.Home().close()
    assert bench.sandbox._home.path.is_dir()
    assert bench.ask("echo", value=1).value == 1


HOSTILE_TREE = (
    "import os, sys\n"
    "os.makedirs('closed/inner'); open('closed/inner/file', 'w').write('x')\n"
    "os.symlink(sys.argv[1], 'link'); os.symlink('/', 'root'); os.symlink('loop', 'loop')\n"
    "os.mkfifo('pipe'); os.link('closed/inner/file', 'hard')\n"
    "for name in (b'\\xff\\xfe', b'a\\nb', b'-rf', b'x' * 255, '\\u202e'.encode()): open(name, 'w').close()\n"
    "os.mkdir('wide')\n"
    "for n in range(300): os.mkdir(f'wide/{n}')\n"
    "top = os.getcwd()\n"
    "for n in range(2100):\n"
    "    os.mkdir('d'); os.chdir('d')\n"
    "open('bottom', 'w').close()\n"
    "os.chdir(top)\n"
    "os.chmod('closed/inner', 0); os.chmod('closed', 0)\n"
    "os.chmod(os.environ['TMPDIR'], 0); os.chmod('.', 0)\n"
)


def any_tree_is_removed(bench):
    """Closed modes, odd names, depth, width, links and pipes: all of it goes, and nothing of the host.

    A call that makes such a tree may be ended for it. So the same tree is also removed outside of one.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "kept").write_text("kept")
        result = python(bench, HOSTILE_TREE, directory, limits=Limits(wall_s=60, scratch_mb=256))
        assert result.status in (CallStatus.OK, CallStatus.KILLED), result
        made = f"{directory}/made"
        scratch.make(made, owner=None)
        subprocess.run(
            [sys.executable, "-c", HOSTILE_TREE, directory],
            cwd=f"{made}/{scratch.WORK}",
            env={"TMPDIR": f"{made}/{scratch.TEMPORARY}"},
            check=True,
        )
        assert os.path.isdir(made)
        scratch.remove(made)
        assert not os.path.lexists(made)
        assert os.listdir(directory) == ["kept"]
        assert Path(directory, "kept").read_text() == "kept"
    assert wait_until(lambda: len(homes(bench)) <= 2), homes(bench)


def granted_hosts_are_refused(bench):
    """A request with hosts is the caller's error, before anything is launched."""
    with bench.fresh() as fresh:
        request = SandboxRequest("novum.sandbox.inside.probes:echo", {}, hosts=("example.org",))
        with pytest.raises(UsageError, match=r"example.org.*namespace or docker"):
            fresh.sandbox.run_unattested(request)
        assert fresh.sandbox._lines == {}


NO_SOCKETS = (
    "import socket\n"
    "for family in range(45):\n"
    "    for kind in (1, 2, 3, 5):\n"
    "        try: socket.socket(family, kind)\n"
    "        except OSError: continue\n"
    "        print('socket', family, kind)\n"
    "try: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "except OSError: pass\n"
    "else: print('datagrams')\n"
    "one, two = socket.socketpair(); one.send(b'x'); assert two.recv(1) == b'x'\n"
)


def no_socket_can_be_had(bench):
    """No family gives a socket; connected pairs of streams work."""
    result = python(bench, NO_SOCKETS)
    assert (result.value["code"], result.value["out"]) == (0, ""), result


TOUCH = (
    "import ctypes, json, os, resource, signal, sys\n"
    "pid, path = int(sys.argv[1]), sys.argv[2]\n"
    "tries = {\n"
    " 'signal': lambda: os.kill(pid, 0), 'kill': lambda: os.kill(pid, signal.SIGKILL),\n"
    " 'everybody': lambda: os.kill(-1, signal.SIGTERM), 'group': lambda: os.killpg(os.getpgid(pid), 9),\n"
    " 'limit': lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)),\n"
    " 'ask limit': lambda: resource.prlimit(pid, resource.RLIMIT_CPU),\n"
    " 'nice': lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),\n"
    " 'nice user': lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19),\n"
    " 'affinity': lambda: os.sched_setaffinity(pid, {0}),\n"
    " 'schedule': lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),\n"
    " 'pidfd': lambda: os.pidfd_open(pid), 'memory': lambda: open(f'/proc/{pid}/mem'),\n"
    " 'environment': lambda: open(f'/proc/{pid}/environ'), 'status': lambda: open(f'/proc/{pid}/status'),\n"
    " 'descriptors': lambda: os.listdir(f'/proc/{pid}/fd'), 'list': lambda: os.listdir(path),\n"
    " 'write': lambda: open(path + '/x', 'w'), 'mode': lambda: os.chmod(path, 0o777),\n"
    " 'time': lambda: os.utime(path), 'owner': lambda: os.chown(path, os.getuid(), os.getgid()),\n"
    " 'attribute': lambda: os.setxattr(path, 'user.x', b'x'),\n"
    " 'rename': lambda: os.rename(path, path + '2'),\n"
    " 'link': lambda: os.link(path + '/mine', 'stolen'), 'read': lambda: open(path + '/mine'),\n"
    " 'remove': lambda: os.unlink(path + '/mine'), 'truncate': lambda: os.truncate(path + '/mine', 0),\n"
    "}\n"
    "done = []\n"
    "for name, action in tries.items():\n"
    "    try: action()\n"
    "    except OSError: continue\n"
    "    done.append(name)\n"
    "print(json.dumps([done, os.getuid()]))\n"
)


def concurrent_calls_cannot_touch_each_other(bench):
    """Neither processes nor files of a call can be reached from another; as root they are different users."""
    mark = secrets.token_hex(8)
    victim = (
        "import os, sys, time\nopen('mine', 'w').write('mine')\n"
        "print(os.getuid(), os.getcwd(), flush=True)\ntime.sleep(4)\nprint(open('mine').read(), os.nice(0))\n"
    )
    with a_long_call(bench, victim, mark) as ends:
        (pid,) = [pid for pid in marked(mark) if not children_of(pid)]
        assert wait_until(lambda: list(bench.sandbox._home.path.glob("*/*/work/mine")))
        (mine,) = bench.sandbox._home.path.glob("*/*/work/mine")
        place = str(mine.parent)
        mode = os.stat(place).st_mode
        result = python(bench, TOUCH, str(pid), place)
        assert result.value["code"] == 0, result
        done, user = json.loads(result.value["out"])
        assert done in ([], ["nice user"] if os.geteuid() == 0 else []), done
        assert os.stat(place).st_mode == mode
    (end,) = ends
    assert end.value["code"] == 0, end
    other_user, _, content, nice = end.value["out"].split()
    assert (content, int(nice)) == ("mine", os.nice(0)), end
    assert (user != int(other_user)) == (os.geteuid() == 0)


def the_host_cannot_be_touched(bench):
    """Processes and files of the host are out of reach, also those of the same user, also modes and times."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "mine").write_text("mine")
        os.utime(directory, (5, 6))
        before = os.stat(directory)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            result = python(bench, TOUCH, str(process.pid), directory)
            assert process.poll() is None
            assert os.sched_getaffinity(process.pid) == os.sched_getaffinity(0)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0)
            process.communicate(b"\n")
        after = os.stat(directory)
        assert Path(directory, "mine").read_text() == "mine"
    assert result.value["code"] == 0, result
    assert json.loads(result.value["out"])[0] in ([], ["nice user"] if os.geteuid() == 0 else [])
    assert (before.st_mode, before.st_mtime_ns, before.st_uid) == (
        after.st_mode,
        after.st_mtime_ns,
        after.st_uid,
    )


CHANGES = (
    "import os, pathlib, shutil, stat, sys\n"
    "host = sys.argv[1]\n"
    "open('a', 'w').write('#!/bin/sh\\necho ran\\n'); os.chmod('a', 0o750)\n"
    "assert stat.S_IMODE(os.stat('a').st_mode) == 0o750\n"
    "assert os.popen('./a').read() == 'ran\\n'\n"
    "with open('a') as f: os.fchmod(f.fileno(), 0o700)\n"
    "assert stat.S_IMODE(os.stat('a').st_mode) == 0o700\n"
    "os.utime('a', (5, 6)); shutil.copy2('a', 'b'); assert os.stat('b').st_mtime == 6\n"
    "pathlib.Path('c').touch(); pathlib.Path('c').touch(); shutil.copytree('.', '../tmp/all')\n"
    "os.mkdir('e'); os.rename('c', 'e/c'); os.link('b', 'e/b'); os.replace('e/b', 'b2')\n"
    "try: os.chmod('none', 0o700)\nexcept FileNotFoundError: pass\nelse: sys.exit(3)\n"
    "os.symlink(host, 'away'); os.symlink('a', 'here'); os.chmod('here', 0o711)\n"
    "assert stat.S_IMODE(os.stat('a').st_mode) == 0o711\n"
    "directory = os.open(host, os.O_PATH)\n"
    "for action in (lambda: os.chmod('away', 0o777), lambda: os.chmod('away/mine', 0o777),\n"
    "  lambda: os.utime('away'), lambda: os.chmod(sys.executable, 0o700),\n"
    "  lambda: os.chmod('mine', 0o777, dir_fd=directory),\n"
    "  lambda: os.chmod(f'/proc/self/fd/{directory}', 0o777), lambda: os.utime(host + '/mine', (1, 2))):\n"
    "    try: action()\n"
    "    except OSError: continue\n"
    "    sys.exit(4)\n"
)


def own_files_can_be_changed_and_no_others(bench):
    """Modes and times of a call's own files can be changed, through no link to any of the host."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "mine").write_text("mine")
        if os.geteuid() == 0:
            os.chmod(directory, 0o755)
        before = [os.stat(p) for p in (directory, f"{directory}/mine", sys.executable)]
        result = python(bench, CHANGES, directory)
        after = [os.stat(p) for p in (directory, f"{directory}/mine", sys.executable)]
    assert result.value["code"] == 0, result.value["err"]
    assert [(s.st_mode, s.st_mtime_ns) for s in before] == [(s.st_mode, s.st_mtime_ns) for s in after]


FILLERS = {
    "many small files": "n = 0\nwhile True:\n open(f'f{n}', 'wb').write(b'x' * 2**20); n += 1\n",
    "files without a name": (
        "import os\nheld = []\nwhile True:\n f = open('f', 'wb'); os.unlink('f'); f.write(b'x' * 2**20)\n"
        " f.flush(); held.append(f)\n"
    ),
    "mapped files without a name": (
        "import ctypes, os\nlibc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p\nwhile True:\n"
        " f = open('f', 'w+b'); os.unlink('f'); f.write(b'x' * 2**20); f.flush()\n"
        " libc.mmap(None, 2**20, 1, 1, f.fileno(), ctypes.c_long(0)); f.close()\n"
    ),
    "temporary files": (
        "import os, tempfile\nwhile True:\n"
        " fd, _ = tempfile.mkstemp(); os.write(fd, b'x' * 2**19); os.close(fd)\n"
    ),
    "many directories": "import os\nn = 0\nwhile True:\n os.mkdir(f'd{n}'); n += 1\n",
    "a deep tree": "import os\nwhile True:\n os.mkdir('d'); os.chdir('d')\n",
}


def the_scratch_is_watched(bench):
    """However a call fills its scratch, it ends as output-limit, and the message names the limit."""
    used = {}
    for how, program in FILLERS.items():
        before = os.statvfs(tempfile.gettempdir())
        result = python(bench, program, limits=Limits(wall_s=30, scratch_mb=16, memory_mb=512))
        after = os.statvfs(tempfile.gettempdir())
        if how == "a deep tree":  # deeper than names can be, it cannot be looked through any more
            assert result.status in (CallStatus.OUTPUT_LIMIT, CallStatus.KILLED), (how, result)
        else:
            assert result.status is CallStatus.OUTPUT_LIMIT, (how, result)
            assert "scratch limit" in result.message, (how, result)
        used[how] = (before.f_bavail - after.f_bavail) * before.f_frsize >> 20
    assert wait_until(lambda: len(homes(bench)) <= 2), homes(bench)
    return used


def a_closed_directory_hides_nothing(bench):
    """What lies in a directory without any right counts, or ends the call."""
    program = (
        "import os, time\nos.mkdir('d')\nfor n in range(12): open(f'd/{n}', 'wb').write(b'x' * 2**20)\n"
        "os.chmod('d', 0); time.sleep(20)\n"
    )
    result = python(bench, program, limits=Limits(wall_s=30, scratch_mb=8))
    assert result.status in (CallStatus.OUTPUT_LIMIT, CallStatus.KILLED), result


ABSENT = (
    "import errno, os, sys\n"
    "for path in ('/dev/shm/x', '/tmp/x', '/var/tmp/x', sys.prefix + '/x', '/etc/x', '/x', '/usr/x'):\n"
    "    try: open(path, 'w')\n"
    "    except OSError: continue\n"
    "    print('wrote', path)\n"
    "for path in ('/dev/shm', '/tmp', '/etc', '/', '/home', '/proc', '/proc/1', '/proc/net', '/sys',\n"
    "             '/dev', '/run'):\n"
    "    try: os.listdir(path)\n"
    "    except OSError: continue\n"
    "    print('listed', path)\n"
    "for path in ('/proc/self/mountinfo', '/proc/self/net/unix', '/proc/self/cgroup', '/proc/version',\n"
    "             '/etc/passwd', '/proc/self/task/self/net/tcp', '/proc/cpuinfo', '/dev/tty',\n"
    "             '/proc/self/root/etc/passwd'):\n"
    "    try: open(path)\n"
    "    except OSError: continue\n"
    "    print('read', path)\n"
    "for path in ('status', 'maps', 'statm'): open('/proc/self/' + path).read()\n"
    "assert os.getcwd() == os.environ['HOME']\n"
    "assert os.environ['TMPDIR'].startswith(os.path.dirname(os.getcwd()))\n"
)


def files_are_closed_but_for_the_windows(bench):
    """Only the scratch can be written, and only libraries, devices and a few own files of /proc be read."""
    # in the first process of the call: others of it may read less of themselves in /proc
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        mark = f"look_{secrets.token_hex(4)}"
        indented = ABSENT.replace("\n", "\n    ")
        Path(directory, f"{mark}.py").write_text(f"def look():\n    {indented}\n")
        result = bench.ask(f"{mark}:look", profile=Profile(name=mark, readable=(directory,)))
    assert result.status is CallStatus.OK, result
    assert result.stdout == "", result.stdout


KERNEL_MEMORY = (
    "import ctypes, os, platform\n"
    "libc = ctypes.CDLL(None, use_errno=True)\n"
    "x86 = platform.machine() == 'x86_64'\n"
    "numbers = (29, 64, 68, 319, 240, 447) if x86 else (194, 190, 186, 279, 180, 447)\n"
    "for number in numbers:\n"
    "    if libc.syscall(ctypes.c_long(number), 0, 4096, 0o1600) >= 0: print(number)\n"
)


def no_memory_outlives_a_call(bench):
    """SysV memory, semaphores and queues, POSIX queues and memfd cannot be had."""
    result = python(bench, KERNEL_MEMORY)
    assert (result.value["code"], result.value["out"]) == (0, ""), result


def what_is_not_promised_is_so(bench):
    """Each thing that is called degraded was tried: none of it is said without need."""
    degraded = bench.sandbox.attest().degraded
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid() == 0:
            os.chmod(directory, 0o755)
        Path(directory, "file").write_text("twelve bytes")
        program = (
            "import os, sys\n"
            "print(os.stat(sys.argv[1] + '/file').st_size, os.path.exists(f'/proc/{sys.argv[2]}'))\n"
            "import multiprocessing\n"
            "try: multiprocessing.Lock()\n"
            "except OSError as error: print(type(error).__name__)\n"
        )
        result = python(bench, program, directory, str(os.getpid()))
    assert result.value["out"].split()[:2] == ["12", "True"], result
    assert len(result.value["out"].split()) == 3, result
    assert {
        "names_of_files_hidden",
        "numbers_of_processes_hidden",
        "shared_memory",
        "own_kernel",
    } <= degraded.keys()
    assert ("own_user" in degraded) == (os.geteuid() != 0)
    assert all(len(reason) > 20 for reason in degraded.values())


def libraries_write_where_they_may(bench):
    """matplotlib, which keeps files in the home directory, draws inside; preloaded or not."""
    program = (
        "import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
        "plt.plot([1, 2]); plt.savefig('plot.png'); print(open('plot.png', 'rb').read(4))\n"
    )
    limits = Limits(wall_s=120)
    assert "PNG" in python(bench, program, limits=limits).value["out"]
    profile = Profile(name="plots", modules=("matplotlib", "matplotlib.pyplot"))
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        mark = f"plot_{secrets.token_hex(4)}"
        body = "".join(f"    {line}\n" for line in program.splitlines())
        Path(directory, f"{mark}.py").write_text(f"def draw():\n{body}")
        profile = Profile(name="plots", modules=("matplotlib", "matplotlib.pyplot"), readable=(directory,))
        result = bench.ask(f"{mark}:draw", profile=profile, limits=limits)
    assert result.status is CallStatus.OK, result
    assert "PNG" in result.stdout, result


class OnAnOlderKernel(LandlockSandbox):
    """As if Landlock were of Linux 6.10: without scopes."""

    def zygote_settings(self):
        return {**super().zygote_settings(), "landlock_at_most": 5}


def an_older_kernel_is_enough_for_root(bench):
    """Without Landlock's scope root's calls are held by their users; an ordinary user's are refused."""
    older = Bench("landlock", make=OnAnOlderKernel)
    try:
        if os.geteuid() != 0:
            with pytest.raises(SandboxUnavailableError, match=r"Linux 6\.12"):
                older.sandbox.attest()
            return
        assert older.sandbox.attest().passed, older.sandbox.attest().broken
        for case in (
            orphans_end_with_their_call,
            a_killed_guard_leaves_nothing,
            a_killed_zygote_leaves_nothing,
            concurrent_calls_cannot_touch_each_other,
            the_host_cannot_be_touched,
        ):
            case(older)
        bomb = older.ask("fork_bomb", limits=Limits(wall_s=1, processes=16))
        assert bomb.status is not CallStatus.OK, bomb
    finally:
        older.sandbox.close()


COMMANDS = (
    "import fcntl, json\n"
    "def tried():\n"
    "    seen = {}\n"
    "    for path in ('/dev/zero', '/dev/full'):\n"
    "        with open(path, 'r+b', buffering=0) as device:\n"
    "            try: fcntl.ioctl(device, 0x5401, bytes(64))\n"
    "            except OSError as error: seen[path] = type(error).__name__ + str(error.errno)\n"
    "    return seen\n"
)


def accelerators_take_commands_on_request(bench):
    """A device file that a profile with gpu asks for takes commands (here: an unknown one); others do not."""
    with bench.fresh() as fresh, tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        mark = f"device_{secrets.token_hex(4)}"
        Path(directory, f"{mark}.py").write_text(COMMANDS)
        with mock.patch.object(windows, "find_accelerators", return_value=("/dev/zero",)):
            profile = Profile(name=mark, readable=(directory,), gpu=True)
            result = fresh.ask(f"{mark}:tried", profile=profile)
    assert result.status is CallStatus.OK, result
    assert result.value == {
        "/dev/zero": f"OSError{errno.ENOTTY}",
        "/dev/full": f"PermissionError{errno.EACCES}",
    }, result


CASES = (
    orphans_end_with_their_call,
    a_killed_guard_leaves_nothing,
    a_killed_zygote_leaves_nothing,
    a_killed_supervisor_leaves_nothing,
    the_scratch_of_the_living_is_not_swept,
    any_tree_is_removed,
    granted_hosts_are_refused,
    no_socket_can_be_had,
    concurrent_calls_cannot_touch_each_other,
    the_host_cannot_be_touched,
    own_files_can_be_changed_and_no_others,
    the_scratch_is_watched,
    a_closed_directory_hides_nothing,
    files_are_closed_but_for_the_windows,
    no_memory_outlives_a_call,
    what_is_not_promised_is_so,
    libraries_write_where_they_may,
    an_older_kernel_is_enough_for_root,
    accelerators_take_commands_on_request,
)

_DOCKERS: set[int] = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
"""The capabilities that Docker leaves to root in a container."""
_NEW_NAMESPACES = 0x7E02_0000
_FORBIDDEN = {
    # on x86-64 and aarch64
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "mount_setattr": (442, 442),
}  # fmt: skip


def enter_a_container(arguments):
    """Give up what a process in an ordinary container has not, and start again."""
    column = 0 if linux.machine() == "x86_64" else 1
    clone, clone3 = ((56, 435), (220, 435))[column]
    program = [(0x20, 0, 0, 0)]
    for numbers in _FORBIDDEN.values():
        program += [(0x15, 0, 1, numbers[column]), (0x06, 0, 0, 0x0005_0000 | errno.EPERM)]
    program += [(0x15, 0, 1, clone3), (0x06, 0, 0, 0x0005_0000 | errno.ENOSYS)]
    program += [(0x15, 0, 4, clone), (0x20, 0, 0, 16), (0x54, 0, 0, _NEW_NAMESPACES), (0x15, 1, 0, 0)]
    program += [(0x06, 0, 0, 0x0005_0000 | errno.EPERM), (0x06, 0, 0, 0x7FFF_0000)]
    if os.geteuid() != 0:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    filters.load(filters.assemble(program), ask=False)
    if os.geteuid() == 0:
        for capability in set(range(41)) - _DOCKERS:
            linux.prctl(linux.PR_CAPBSET_DROP, capability)
    os.execv(sys.executable, [sys.executable, *arguments])


def namespaces_are_refused_here(bench):
    """In a container the namespace sandbox says that it cannot be had, and why."""
    with NamespaceSandbox() as namespace:
        why = "ordinary container" if os.geteuid() == 0 else "no isolation by namespaces on this machine"
        with pytest.raises(SandboxUnavailableError, match=why):
            namespace.attest()


def landlock_attests_here(bench):
    """In a container the landlock sandbox keeps all that it promises."""
    attestation = bench.sandbox.attest()
    assert attestation.passed, attestation.broken
    assert bench.sandbox._groups is None
    assert "cgroup" not in attestation.mechanisms["memory_mb"]


IN_A_CONTAINER = (namespaces_are_refused_here, landlock_attests_here)


def main(mode: str) -> None:
    if mode == "in-a-container":
        enter_a_container([__file__, "contained"])
    cases = [*CHECKS, *CASES]
    if mode == "contained":
        from novum.sandbox.warm import sandbox as warm

        warm.find_groups = lambda: None  # control groups are read-only in a container
        cases += IN_A_CONTAINER
    bench = open_bench()
    for case in cases:
        started = time.monotonic()
        problem = ""
        try:
            case(bench.sandbox if case in CHECKS else bench)
        except Exception:
            problem = traceback.format_exc()
        line = {
            "case": case.__name__,
            "problem": problem,
            "uid": os.getuid(),
            "s": time.monotonic() - started,
        }
        print(json.dumps(line), flush=True)
    home = bench.sandbox._home.path
    bench.sandbox.close()
    line = {
        "case": "nothing_is_left",
        "problem": f"{home} is left" if home.exists() else "",
        "uid": os.getuid(),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["here"]))
