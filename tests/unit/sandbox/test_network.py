"""A tool reaches the granted hosts through the proxy's socket, encrypted from end to end."""

import gc
import http.server
import socket
import ssl
import subprocess
import sys
import threading
from asyncio.selector_events import BaseSelectorEventLoop

import httpx
import pytest
import trustme

from novum.core.errors import ToolFailedError, UsageError
from novum.sandbox.network.client import CONNECT_TIMEOUT_S, open_client
from novum.sandbox.network.proxy import FilteringProxy, ProxyLimits

SECRET = b"the plain text that no proxy sees"


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://elsewhere.invalid/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(SECRET)))
        self.end_headers()
        self.wfile.write(SECRET)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that does not trust the certificate leaves in the middle


def serve(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def plain():
    yield from serve(Server(("127.0.0.1", 0), Pages))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def encrypted(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = Server(("127.0.0.1", 0), Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield from serve(server)


@pytest.fixture
def trust(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def granted(tmp_path, monkeypatch):
    """Start a proxy for the hosts and name its socket as a sandbox does."""
    proxies = []

    def start(*hosts, **options):
        listener = socket.socket(socket.AF_UNIX)
        path = str(tmp_path / f"{len(proxies)}.sock")
        listener.bind(path)
        listener.listen(64)
        proxy = FilteringProxy(listener, hosts, **options)
        proxy.start()
        proxies.append(proxy)
        monkeypatch.setenv("NOVUM_PROXY", path)
        return proxy

    yield start
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_http_goes_through_a_tunnel(granted, plain, host):
    proxy = granted(f"{host}:{plain}")
    with open_client() as client:
        assert client.get(f"http://{host}:{plain}/").content == SECRET
        assert client.post(f"http://{host}:{plain}/", content=b"x" * 300_000).content == b"x" * 300_000
    proxy.close()
    (attempt,) = proxy.attempts  # both requests went through one tunnel
    assert (attempt.host, attempt.port, attempt.allowed, attempt.reason) == (host, plain, True, "")
    assert attempt.sent > 300_000
    assert attempt.received > 300_000


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_https_is_verified_and_encrypted_from_end_to_end(granted, encrypted, trust, host, monkeypatch):
    passed = bytearray()
    sendall = BaseSelectorEventLoop.sock_sendall

    async def overhear(loop, sock, data):
        passed.extend(data)
        return await sendall(loop, sock, data)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_sendall", overhear)
    proxy = granted(f"{host}:{encrypted}")
    with open_client(verify=trust) as client:
        assert client.get(f"https://{host}:{encrypted}/").content == SECRET
    proxy.close()
    assert len(passed) > 1000
    assert SECRET not in passed
    assert proxy.attempts[0].allowed


def test_certificate_of_an_unknown_authority_is_not_trusted(granted, encrypted):
    granted(f"localhost:{encrypted}")
    with open_client() as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(f"https://localhost:{encrypted}/")


def test_certificate_of_another_host_is_not_trusted(granted, encrypted, trust, monkeypatch):
    async def connect(_address, _port):
        connection = socket.create_connection(("127.0.0.1", encrypted))
        connection.setblocking(False)
        return connection

    granted("data.example.org", resolve=lambda *_: ["93.184.215.14"], connect=connect)
    with open_client(verify=trust) as client, pytest.raises(httpx.ConnectError, match="not valid for"):
        client.get("https://data.example.org/")


def test_host_that_was_not_granted_says_so(granted, plain):
    proxy = granted("data.example.org")
    with open_client() as client:
        for url in (f"http://127.0.0.1:{plain}/", "https://evil.example/", "http://[::1]:80/"):
            with pytest.raises(httpx.ProxyError, match="not among the granted hosts \\(403\\)"):
                client.get(url)
    proxy.close()
    assert [attempt.host for attempt in proxy.attempts] == ["127.0.0.1", "evil.example", "::1"]


def test_redirect_to_a_host_that_was_not_granted_is_refused(granted, plain):
    granted(f"localhost:{plain}")
    with open_client(follow_redirects=True) as client, pytest.raises(httpx.ProxyError, match="granted"):
        client.get(f"http://localhost:{plain}/elsewhere")


def test_international_name_is_the_same_on_both_sides(granted, plain):
    async def connect(_address, _port):
        connection = socket.create_connection(("127.0.0.1", plain))
        connection.setblocking(False)
        return connection

    proxy = granted("bücher.example:80", resolve=lambda *_: ["93.184.215.14"], connect=connect)
    with open_client() as client:
        assert client.get("http://bücher.example/").content == SECRET
    assert proxy.attempts[0].host == "xn--bcher-kva.example"


def test_host_that_cannot_be_reached_says_why(granted):
    granted("gone.example", resolve=lambda *_: [])
    with open_client() as client, pytest.raises(httpx.ProxyError, match="could not be resolved"):
        client.get("https://gone.example/")


# httpcore leaves a socket that could not connect to the garbage collector
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_proxy_that_ended_is_a_connection_error(granted, plain):
    granted(f"localhost:{plain}").close()
    with open_client() as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://localhost:{plain}/")
    gc.collect()


def test_many_requests_at_once_are_answered(granted, plain):
    proxy = granted(f"localhost:{plain}")
    with open_client() as client:
        got = []
        threads = [
            threading.Thread(target=lambda: got.append(client.get(f"http://localhost:{plain}/").content))
            for _ in range(24)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [SECRET] * 24
    proxy.close()
    assert all(attempt.allowed for attempt in proxy.attempts)


def test_client_waits_for_a_bounded_time_and_longer_than_the_proxy_tries(granted):
    granted("data.example.org")
    with open_client() as client:
        assert None not in client.timeout.as_dict().values()
        assert client.timeout.connect == CONNECT_TIMEOUT_S > ProxyLimits().connect_s
    with open_client(timeout=3) as client:
        assert client.timeout.read == 3


def test_proxies_of_the_environment_are_not_used(granted, plain, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    granted(f"localhost:{plain}")
    with open_client() as client:
        assert client.get(f"http://localhost:{plain}/").content == SECRET


def test_call_without_network_is_told_so(monkeypatch):
    monkeypatch.delenv("NOVUM_PROXY", raising=False)
    with pytest.raises(ToolFailedError, match="no host was granted"):
        open_client()


@pytest.mark.parametrize("option", ["transport", "mounts", "proxy", "trust_env"])
def test_another_way_out_cannot_be_chosen(granted, option):
    granted("data.example.org")
    with pytest.raises(UsageError, match=option):
        open_client(**{option: None})


def test_importing_it_loads_no_http_library():
    code = "import sys, novum.sandbox.network.client; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "novum.sandbox.network.client" in loaded
    assert not loaded & {"httpx", "httpcore", "h11", "ssl", "pydantic", "numpy", "asyncio"}
