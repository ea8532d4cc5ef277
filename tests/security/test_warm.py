"""What belongs to backends that fork each call from a warm interpreter."""

import os
import secrets
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError, SandboxUnavailableError
from novum.sandbox import Limits, Profile, SandboxOptions, make_sandbox
from novum.sandbox.trials.bench import Bench

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module", params=["namespace", "landlock"])
def bench(request):
    opened = Bench(request.param)
    try:
        opened.sandbox.attest()
    except SandboxUnavailableError as error:
        opened.close()
        if os.environ.get("CI"):
            pytest.fail(f"the {request.param} sandbox must be available here: {error}")
        pytest.skip(str(error))
    yield opened
    opened.close()


def test_a_dead_zygote_is_reported_once_and_replaced(bench):
    with bench.fresh() as fresh:
        for outer in (False, True):
            assert fresh.ask("echo", value=1).value == 1
            failures = []

            def run_long(failures=failures):
                try:
                    fresh.ask("pause", seconds=30)
                except SandboxBrokenError as error:
                    failures.append(error)

            thread = threading.Thread(target=run_long)
            thread.start()
            time.sleep(0.5)
            outermost = fresh.sandbox._lines[Profile()].zygote._process.pid
            inner = Path(f"/proc/{outermost}/task/{outermost}/children").read_text().split()
            alone = bench.name != "namespace"  # only namespaces need a watcher around the zygote
            os.kill(outermost if outer or alone else int(inner[0]), signal.SIGKILL)
            thread.join(20)
            assert not thread.is_alive()
            assert len(failures) == 1
            assert fresh.ask("echo", value=2).value == 2


def test_a_zygote_outlives_the_thread_that_started_it(bench):
    """PDEATHSIG would follow threads."""
    with bench.fresh() as fresh:
        thread = threading.Thread(target=lambda: fresh.ask("echo"))
        thread.start()
        thread.join()
        time.sleep(0.1)
        assert fresh.ask("echo", value=3).value == 3


def test_readable_paths_are_seen_and_read_only(bench):
    """A profile's readable directory is there, importable, read-only, and its neighbours are not."""
    mark = secrets.token_hex(6)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        shown, hidden = Path(directory, "shown"), Path(directory, "hidden")
        shown.mkdir()
        hidden.write_text("hidden")
        (shown / f"module_{mark}.py").write_text("def answer():\n    return __file__\n")
        profile = Profile(name="with path", readable=(str(shown),))
        result = bench.ask(f"module_{mark}:answer", profile=profile)
        assert result.value == str(shown / f"module_{mark}.py"), result
        result = bench.ask("survey", profile=profile, paths=[str(hidden)], canary=mark, port=9)
        assert result.value["opened"] == [], result
        assert result.value["directory"] in result.value["scratch"], result
        result = bench.ask("run_program", profile=profile, arguments=["touch", str(shown / "new")])
        assert result.value["code"] != 0, result
        assert not (shown / "new").exists(), result


def test_programs_that_a_call_starts_count_too(bench):
    program = "held = []\nwhile True: held.append(bytearray(1 << 20))"
    result = bench.ask(
        "run_program", arguments=["python3", "-c", program], limits=Limits(wall_s=30, memory_mb=96)
    )
    # either the call is ended, or the program meets its own RLIMIT_DATA first
    assert result.status is CallStatus.OUT_OF_MEMORY or "MemoryError" in result.value["err"], result


def test_modules_with_threads_are_imported_by_the_call(bench):
    """A module that starts a thread at import cannot be preloaded; its calls work all the same."""
    mark = secrets.token_hex(6)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        Path(directory, f"threaded_{mark}.py").write_text(
            "import threading\nthread = threading.Thread(target=threading.Event().wait, daemon=True)\n"
            "thread.start()\ndef alive():\n    return thread.is_alive()\n"
        )
        profile = Profile(name="threaded", modules=(f"threaded_{mark}",), readable=(directory,))
        assert bench.ask(f"threaded_{mark}:alive", profile=profile).value is True


def test_idle_memory_is_known_and_bounded(bench):
    """Profiles beyond the pool's memory end, the longest unused first, and start again when needed."""
    with make_sandbox(bench.name, SandboxOptions(pool_mb=40)) as small:
        profiles = [Profile(name=str(n), modules=("numpy",)) for n in range(3)]
        for profile in profiles:
            asked = Bench.ask
            bench_of_it = Bench(bench.name, make=lambda: small)
            assert asked(bench_of_it, "echo", value=1, profile=profile).value == 1
            assert small._lines[profile].zygote is not None
        assert small._lines[profiles[0]].zygote is None
        assert 0 < small.idle_memory_mb() < 120
        assert asked(bench_of_it, "echo", value=2, profile=profiles[0]).value == 2


def test_refill_does_not_block_a_caller(bench):
    """The caller has its answer while the next isolated processes are still being made."""
    with bench.fresh() as fresh:
        fresh.ask("echo")
        line = fresh.sandbox._lines[Profile()]
        assert len(line.waiting) == fresh.options.pool_size
        assert all(child.pidfd == -1 for child in line.waiting), "the refill was waited for"


def test_tables_are_preloaded_and_work_in_a_call(bench):
    """Arrow starts a thread of its allocator; that does not keep its users from being preloaded."""
    profile = Profile(name="tables", modules=("pandas", "pyarrow.parquet", "novum.sandbox.inside.code"))
    source = (
        "import sys\npreloaded = 'pandas' in sys.modules\nimport pandas\n"
        "frame = pandas.DataFrame({'x': range(100_000)})\nframe.to_parquet('out/t.parquet')\n"
        "answer = [preloaded, int(pandas.read_parquet('out/t.parquet').x.sum())]\n"
    )
    result = bench.ask("novum.sandbox.inside.code:execute", profile=profile, source=source)
    assert result.value == [True, 4999950000], result


def test_a_fork_of_us_is_told_to_open_its_own(bench):
    """Two processes that take from one pool would hand two jobs to one child."""
    with bench.fresh() as fresh:
        assert fresh.ask("echo", value=1).value == 1
        pid = os.fork()
        if pid == 0:
            try:
                fresh.ask("echo", value=2)
            except SandboxBrokenError as error:
                os._exit(0 if "one of its own" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert fresh.ask("echo", value=3).value == 3


def test_a_call_with_an_input_file_leaves_the_pool_alone(bench, tmp_path):
    (tmp_path / "x").write_text("x")
    with bench.fresh() as fresh:
        fresh.ask("echo")
        line = fresh.sandbox._lines[Profile()]
        before = list(line.waiting)
        assert fresh.ask("echo", value=1, inputs={"x": tmp_path / "x"}).value == 1
        if fresh.name == "namespace":  # where the size of a scratch is fixed early
            assert list(line.waiting) == before


def test_descriptors_that_run_out_are_our_own_trouble_and_nothing_leaks(bench):
    import resource

    with bench.fresh() as fresh:
        fresh.ask("echo")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = len(os.listdir("/proc/self/fd"))
        zygote = fresh.sandbox._lines[Profile()].zygote
        free = os.dup(0)
        os.close(free)
        try:
            for room in range(1, 8):  # a call needs ten
                resource.setrlimit(resource.RLIMIT_NOFILE, (free + room, hard))
                with pytest.raises(SandboxBrokenError, match="descriptors"):
                    zygote.spawn(256)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert len(os.listdir("/proc/self/fd")) == before
        assert fresh.ask("echo", value=4).value == 4


def test_processor_time_of_children_that_nobody_waits_for_counts():
    bench = Bench("namespace")
    source = (
        "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(30):\n"
        "    if os.fork() == 0:\n"
        "        end = time.process_time() + 0.3\n"
        "        while time.process_time() < end: pass\n"
        "        os._exit(0)\n"
        "    time.sleep(0.35)\n"
    )
    try:
        result = bench.ask(
            "novum.sandbox.inside.code:execute", source=source, limits=Limits(wall_s=60, cpu_s=2)
        )
    finally:
        bench.close()
    assert result.status is CallStatus.TIMEOUT, result
    assert "processor time" in result.message


def test_a_folder_with_a_door_in_it_is_not_shown(bench, tmp_path):
    """A read-only window does not keep a call from connecting to a socket behind it."""
    import socket

    from novum.core.errors import UsageError

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        with pytest.raises(UsageError, match="socket"):
            bench.ask("echo", profile=Profile(name="door", readable=(str(tmp_path),)))
    with pytest.raises(UsageError, match="folder of its own"):
        bench.ask("echo", profile=Profile(name="home", readable=(str(Path.home()),)))
