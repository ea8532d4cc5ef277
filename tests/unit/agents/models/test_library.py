"""The library behind the gateway calls nobody, reads no files of ours, and tells nobody."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from fault_server import FaultServer, cut, say

from novum.agents.models.base import Message, Request
from novum.agents.models.gateway import Gateway
from novum.core.errors import ModelUnavailableError
from novum.core.model_entry import ModelEntry

pytestmark = pytest.mark.slow

PROGRAM = """
import json, os, socket
def refuse(*_, **__):
    raise AssertionError("it reached for the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from novum.agents.models.library import load_litellm
litellm = load_litellm()
print(json.dumps({
    "planted": os.environ.get("PLANTED"),
    "callbacks": [len(c) for c in (litellm.callbacks, litellm.success_callback, litellm.failure_callback)],
    "telemetry": getattr(litellm, "telemetry", False),
}))
"""


def test_loading_reaches_for_no_network_and_reads_no_env_file(tmp_path):
    (tmp_path / ".env").write_text("PLANTED=yes\n")
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    seen = json.loads(said.stdout.strip().splitlines()[-1])
    assert seen["planted"] is None
    assert seen["callbacks"] == [0, 0, 0]
    assert not seen["telemetry"]


def test_threads_that_ask_at_the_same_time_do_not_see_each_others_replies():
    def echo(body, stage):
        text = body["messages"][0]["content"]
        return (cut(text) if text.endswith("odd") else say(f"you said {text}", piece=2, pause_s=0.001))(
            body, stage
        )

    with FaultServer(then=echo) as server:
        gateway = Gateway("mine", ModelEntry(base_url=server.url, model="m"), tries=1)

        def ask(n: int) -> str:
            text = f"{n} {'odd' if n % 2 else 'even'}"
            try:
                return gateway.complete(Request(messages=(Message.user(text),), deadline_s=60)).text
            except ModelUnavailableError as error:
                return error.kind

        with ThreadPoolExecutor(6) as pool:
            said = list(pool.map(ask, range(12)))
        gateway.close()
    assert said == ["dropped" if n % 2 else f"you said {n} even" for n in range(12)]
