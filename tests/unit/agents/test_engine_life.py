"""A server's life: late, dead on arrival, never ready, stubborn, and stopped with all that it started."""

import os
import signal
import subprocess
import sys
import time

import pytest
from fake_engine import put_engine
from loopback import free_port

from novum.agents.models.engines.base import Command, Launch
from novum.agents.models.engines.processes import MARK, find_marked, send_signal
from novum.agents.models.engines.served import ServedModels
from novum.agents.models.engines.serving import Server, Started
from novum.core.errors import ModelUnavailableError, UsageError


def launch_of(program, port, **more) -> Launch:
    at = f"http://127.0.0.1:{port}"
    return Launch(
        engine="vllm",
        server=(Command((str(program), "--port", str(port)), more.pop("variables", {})),),
        base_url=f"{at}/v1",
        health_url=f"{at}/health",
        served_as="m",
        family="generic",
        **more,
    )


@pytest.fixture
def start(tmp_path):
    """Starts a fake engine that behaves as said; whatever is left of it is ended."""
    started = []

    def start(**how) -> Server:
        more = how.pop("launch", {})
        server = Server(launch_of(put_engine(tmp_path, **how), free_port(), **more), tmp_path / "log")
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop(patience_s=0)


def is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_that_starts_late_is_waited_for_and_ends_in_order(start, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    server = start(late_s=0.8)
    waits = []
    server.wait_healthy(patience_s=60, on_wait=lambda waited, line: waits.append((waited, line)))
    assert waits
    assert waits[-1][1] == "offline: None"
    assert (tmp_path / "vllm.host").read_text() == "127.0.0.1"
    assert server.stop() is True
    assert "leaving in order" in server.started.tail()
    assert find_marked(server.started.mark) == []


def test_a_server_that_dies_early_is_told_with_the_end_of_its_log(start):
    server = start(dies=3)
    with pytest.raises(ModelUnavailableError, match=r"(?s)exit code 3.*CUDA out of memory") as told:
        server.wait_healthy(patience_s=60)
    assert told.value.kind == "failed"
    assert find_marked(server.started.mark) == []


def test_a_server_that_is_never_ready_is_stopped(start):
    server = start(deaf=True)
    with pytest.raises(ModelUnavailableError, match=r"not ready after .* s, and was stopped") as told:
        server.wait_healthy(patience_s=0.6)
    assert told.value.kind == "timeout"
    assert find_marked(server.started.mark) == []


def test_a_server_that_ignores_being_asked_is_killed(start):
    server = start(stubborn=True)
    server.wait_healthy(patience_s=60)
    assert server.stop(patience_s=0.3) is False
    assert find_marked(server.started.mark) == []


def test_workers_are_ended_too_whatever_session_they_are_in(start, tmp_path):
    server = start(worker=True)
    server.wait_healthy(patience_s=60)
    worker = int((tmp_path / "vllm.worker").read_text())
    assert is_there(worker)
    assert server.stop() is False  # the worker had to be killed
    assert not is_there(worker)


def test_a_server_that_ends_by_itself_is_told(start):
    server = start(leaves_s=0.5)
    server.wait_healthy(patience_s=60)
    assert server.wait() == 139
    assert "segmentation fault" in str(server.failure())


def test_another_server_on_the_port_is_not_taken_for_ours(start, tmp_path):
    theirs = start()
    theirs.wait_healthy(patience_s=60)
    other = tmp_path / "other"
    other.mkdir()
    port = int(theirs.launch.base_url.rpartition(":")[2].partition("/")[0])
    ours = Server(launch_of(put_engine(other, dies=1), port), other / "log")
    ours.wait()
    with pytest.raises(ModelUnavailableError, match="another server answers in its place"):
        ours.wait_healthy(patience_s=60)
    assert theirs.started.is_alive()


def python(code: str) -> Command:
    return Command((sys.executable, "-c", code))


def test_weights_that_are_here_are_not_fetched(start, tmp_path):
    mark = tmp_path / "fetched"
    fetch = python(f"open({str(mark)!r}, 'w')")
    here = start(launch={"present": python("pass"), "after": (fetch,)})
    here.wait_healthy(patience_s=60, may_download=False)
    assert not mark.exists()
    missing = start(launch={"present": python("raise SystemExit(1)"), "after": (fetch,)})
    missing.wait_healthy(patience_s=60, may_download=True)
    assert mark.exists()


def test_weights_that_may_not_be_fetched_stop_the_server(start):
    server = start(
        launch={
            "present": python("raise SystemExit(1)"),
            "after": (python("raise SystemExit(9)"),),
            "downloads": "the weights m",
        }
    )
    with pytest.raises(UsageError, match="would download the weights m, which was not allowed"):
        server.wait_healthy(patience_s=60, may_download=False)
    assert find_marked(server.started.mark) == []


def test_weights_that_cannot_be_fetched_are_told(start):
    server = start(launch={"after": (python("print('no such model'); raise SystemExit(4)"),)})
    with pytest.raises(ModelUnavailableError, match=r"(?s)ended with exit code 4.*no such model"):
        server.wait_healthy(patience_s=60)
    assert find_marked(server.started.mark) == []


def test_an_interrupt_while_weights_are_fetched_ends_the_fetching(start):
    def interrupt(_waited: float, line: str) -> None:
        if line == "fetching":
            raise KeyboardInterrupt

    fetch = python("import time; print('fetching', flush=True); time.sleep(600)")
    server = start(launch={"after": (fetch,)})
    with pytest.raises(KeyboardInterrupt):
        server.wait_healthy(patience_s=60, on_wait=interrupt)
    server.stop()
    assert find_marked(server.started.mark) == []


def test_variables_reach_the_engine(start):
    server = start(launch={"variables": {"HF_HUB_OFFLINE": "1"}})
    server.wait_healthy(patience_s=60)
    assert "offline: 1" in server.started.tail()


def test_a_program_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be started: No such file"):
        Server(launch_of(tmp_path / "nothing", 1), tmp_path / "log")


def test_another_process_finds_the_server_and_stops_it(start, tmp_path):
    server = start(worker=True)
    server.wait_healthy(patience_s=60)
    kept = ServedModels(tmp_path / "served")
    kept.put("mini", server.started)
    code = (
        "import sys; from pathlib import Path\n"
        "from novum.agents.models.engines.served import ServedModels\n"
        "kept = ServedModels(Path(sys.argv[1]))\n"
        "print(kept.running(), kept.find('mini').stop(patience_s=1))"
    )
    # The server's end is only seen once its parent has collected it.
    stopper = subprocess.Popen(
        [sys.executable, "-c", code, str(kept.folder)], stdout=subprocess.PIPE, text=True
    )
    server.wait()
    assert stopper.communicate(timeout=60)[0] == "['mini'] False\n"
    assert kept.find("mini") is None
    assert kept.running() == []


def test_a_process_that_only_has_the_id_is_never_touched(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        kept = ServedModels(tmp_path)
        kept.put("mini", Started(bystander.pid, "0" * 32, tmp_path / "log"))
        assert kept.find("mini") is None
        assert send_signal(bystander.pid, signal.SIGKILL, mark="0" * 32) is False
        Started(bystander.pid, "0" * 32, tmp_path / "log").stop(patience_s=0)
        time.sleep(0.1)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_damaged_record_is_as_none(tmp_path):
    kept = ServedModels(tmp_path)
    for content in ("", "{}", "[1]", '{"pid": "x", "mark": ""}', f'{{"pid": {os.getpid()}, "mark": ""}}'):
        (tmp_path / "mini.json").write_text(content)
        assert kept.find("mini") is None
    assert MARK not in os.environ
