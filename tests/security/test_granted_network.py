"""A call reaches the hosts that it was granted, through the proxy, and nothing else."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from novum.core.calls import CallStatus
from novum.core.errors import UsageError
from novum.sandbox import Limits, SandboxRequest

pytestmark = pytest.mark.sandbox

FETCH = """
import httpx
from novum.sandbox.network import open_client
got = []
for url in {urls!r}:
    try:
        with open_client() as client:
            got.append(client.get(url).text)
    except httpx.HTTPError as error:
        got.append(type(error).__name__)
print(got)
"""


@pytest.fixture(scope="module")
def sandbox():
    from novum.sandbox import make_sandbox

    opened = make_sandbox("namespace")
    yield opened
    opened.close()


@pytest.fixture
def server():
    class Greeter(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"123")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served.server_address[1]
        served.shutdown()
        thread.join()


def fetch(sandbox, urls, hosts):
    return sandbox.run(
        SandboxRequest(
            "novum.sandbox.inside.code:execute",
            {"source": FETCH.format(urls=urls)},
            hosts=hosts,
            limits=Limits(wall_s=60),
        )
    )


def test_a_granted_host_is_reached_and_every_attempt_is_known(sandbox, server):
    urls = [f"http://127.0.0.1:{server}/", "http://127.0.0.1:9/", "http://metadata.example:80/"]
    result = fetch(sandbox, urls, (f"127.0.0.1:{server}",))
    assert result.status is CallStatus.OK, result
    assert result.stdout.startswith("['123', 'ProxyError', 'ProxyError']"), result
    tried = {(attempt.host, attempt.port): attempt.allowed for attempt in result.network}
    assert tried == {("127.0.0.1", server): True, ("127.0.0.1", 9): False, ("metadata.example", 80): False}
    through = next(attempt for attempt in result.network if attempt.allowed)
    assert through.received > 0
    assert all(attempt.reason for attempt in result.network if not attempt.allowed)


def test_without_a_grant_there_is_no_proxy(sandbox, server):
    result = fetch(sandbox, [f"http://127.0.0.1:{server}/"], ())
    assert result.status is CallStatus.ERROR, result
    assert "granted" in result.message
    assert result.network == ()


def test_a_grant_opens_no_other_way(sandbox, server):
    ports = {"server": server}
    result = sandbox.run(
        SandboxRequest(
            "novum.sandbox.inside.attacks:reach_out",
            {"ports": ports, "addresses": []},
            hosts=(f"127.0.0.1:{server}",),
        )
    )
    assert result.status is CallStatus.OK, result
    assert "done" not in result.value.values(), result.value


def test_a_malformed_grant_is_the_callers_error(sandbox):
    with pytest.raises(UsageError, match="grant"):
        fetch(sandbox, [], ("http://example.org/",))
