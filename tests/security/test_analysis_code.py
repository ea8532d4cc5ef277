"""Code that a model wrote finds nothing and reaches nobody; what it says is no measurement."""

import json
import socket
import time

import pytest

from novum.core.calls import CallStatus, ToolCall
from novum.core.errors import SandboxUnavailableError
from novum.memory.artifacts import Artifacts
from novum.sandbox.select import open_sandbox
from novum.tools.analysis.python import python
from novum.tools.registry import Registry
from novum.tools.runner import Runner

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Artifacts(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def runner(store):
    try:
        sandbox = open_sandbox()
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    yield Runner(Registry([python]), sandbox, artifacts=store)
    sandbox.close()


@pytest.fixture
def run(runner):
    return lambda code, **files: runner.run(
        ToolCall(tool="analysis.python", arguments={"code": code, "files": files})
    )


def test_it_finds_its_files_and_no_other_of_the_machine(run, store, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the key is 1234")
    table = store.put(b"x,y\n1,2\n", "data.csv")
    found = run(
        "import os, pandas as pd\n"
        "print(pd.read_csv('in/data.csv').y.sum(), sorted(os.listdir('in')))\n"
        f"print(os.path.exists({str(secret)!r}), os.path.exists({str(store.root)!r}))\n"
        "print([p for p in ('/etc/shadow', '/home', '/root/.ssh') if os.path.exists(p)])\n",
        **{"data.csv": table.sha256},
    )  # fmt: skip
    assert found.ok, found.message
    said = found.details["printed"].splitlines()
    assert said[0] == "2 ['data.csv']"
    assert said[1] == "False False"
    assert said[2] == "[]"


def test_its_inputs_cannot_be_changed(run, store):
    table = store.put(b"x\n1\n", "data.csv")
    found = run("open('in/data.csv', 'w').write('x')", **{"data.csv": table.sha256})
    assert found.status is CallStatus.ERROR
    assert "PermissionError" in found.message
    assert store.get(table.sha256) == b"x\n1\n"


def test_it_reaches_no_server_on_this_machine_or_elsewhere(run):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.1)
        port = server.getsockname()[1]
        found = run(
            "import socket\n"
            f"for place in (('127.0.0.1', {port}), ('192.0.2.1', 80)):\n"
            "    try:\n"
            "        socket.create_connection(place, 2)\n"
            "        print('reached', place)\n"
            "    except OSError:\n"
            "        print('no')\n"
        )
        assert found.details["printed"].split() == ["no", "no"]
        with pytest.raises(TimeoutError):
            server.accept()


def test_it_sees_no_environment_of_ours(run, monkeypatch):
    monkeypatch.setenv("SOME_MODEL_KEY", "sk-1234")
    found = run("import os; print(dict(os.environ))")
    assert "sk-1234" not in found.details["printed"]


def test_a_program_that_never_ends_or_takes_all_memory_is_ended(runner):
    limited = python.spec.model_copy(update={"timeout_s": 2.0, "memory_mb": 400})
    quick = type(python)(
        python.function, spec=limited, arguments=python._arguments, answer=python._answer, units={},
        libraries=(),
    )  # fmt: skip
    one = Runner(Registry([quick]), runner._sandbox)
    started = time.monotonic()
    hung = one.run(ToolCall(tool="analysis.python", arguments={"code": "while True: pass"}))
    assert hung.status is CallStatus.TIMEOUT
    greedy = one.run(ToolCall(tool="analysis.python", arguments={"code": "x = b'a' * 10**9; print(len(x))"}))
    assert greedy.status in (CallStatus.OUT_OF_MEMORY, CallStatus.ERROR)
    assert not greedy.details
    assert time.monotonic() - started < 60


def test_nothing_is_left_for_the_next(run):
    run("open('out/mine.csv', 'w').write('1'); open('/tmp/mine', 'w').write('1')")
    found = run("import os; print(os.listdir('out'), os.path.exists('/tmp/mine'))")
    assert found.details["printed"] == "[] False\n"


def test_an_answer_that_it_forges_holds_no_number(run):
    forged = {"value": {"properties": {"qed": {"value": 1.0, "unit": "1"}}, "details": {"printed": "x"}}}
    found = run(
        "import os\n"
        "for fd in range(3, 10):\n"
        "    try:\n"
        f"        os.write(fd, {json.dumps(forged).encode()!r})\n"
        "    except OSError:\n"
        "        pass\n"
        "os._exit(0)\n"
    )
    assert found.properties == {}
    assert found.status is not CallStatus.OK
