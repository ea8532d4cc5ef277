"""The proxy connects a call to what was granted, and lists whatever else it tried."""

import contextlib
import os
import re
import socket
import socketserver
import threading
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novum.core.errors import SandboxBrokenError, UsageError
from novum.sandbox.base import NetworkAttempt
from novum.sandbox.network.grants import parse_authority
from novum.sandbox.network.proxy import FilteringProxy, ProxyLimits

PUBLIC = "93.184.215.14"
PATIENCE_S = 20.0


def listen() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen(64)
    return listener


class Talker(socketserver.BaseRequestHandler):
    """Sends back what it gets, until the other side is done."""

    def handle(self):
        self.server.seen.append(self.client_address)
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)
        self.server.ended.set()


@pytest.fixture
def echo():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker)
    server.seen, server.ended = [], threading.Event()
    server.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Caller:
    """A client that says exactly what it is told to."""

    def __init__(self, address: bytes, said: bytes = b"") -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if said:
            self.say(said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, said: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(said)

    def head(self) -> str:
        """The answer up to its empty line, and no byte of what follows."""
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                break
            got += byte
        return got.decode("ascii")

    def rest(self) -> bytes:
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                got += data
        return got


def connect(target: str, *, version: str = "1.1") -> bytes:
    return f"CONNECT {target} HTTP/{version}\r\nHost: {target}\r\n\r\n".encode()


class Serving:
    """A proxy that notes what it looks up and connects to, in place of the internet."""

    def __init__(self, *hosts, resolve=None, reach=None, **limits):
        listener = listen()
        self.address = listener.getsockname()
        self.looked_up, self.connected = [], []
        self.answers = resolve or (lambda name: [PUBLIC])
        self.reach = reach
        self.far = []
        self.proxy = FilteringProxy(
            listener, hosts, limits=ProxyLimits(**limits), resolve=self.resolve, connect=self.connect
        )

    def resolve(self, name, port):
        self.looked_up.append((name, port))
        return self.answers(name)

    async def connect(self, address, port):
        self.connected.append((address, port))
        if self.reach:
            self.reach(address)
        near, far = socket.socketpair()
        near.setblocking(False)
        self.far.append(far)
        return near

    def __enter__(self):
        self.proxy.start()
        return self

    def __exit__(self, *_):
        self.proxy.close()
        for far in self.far:
            far.close()

    def ask(self, said: bytes) -> str:
        with Caller(self.address, said) as caller:
            return (caller.head().encode() + caller.rest()).decode()

    @property
    def attempts(self):
        return self.proxy.attempts


@contextlib.contextmanager
def real(*hosts, **limits):
    listener = listen()
    address = listener.getsockname()
    with FilteringProxy(listener, hosts, limits=ProxyLimits(**limits)) as proxy:
        yield proxy, address


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = threads(), descriptors()
    yield
    wait_for(lambda: (threads(), descriptors()) == before)


def threads() -> int:
    return len([t for t in threading.enumerate() if t.name.startswith("novum-")])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def wait_for(condition) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


# what was granted


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_granted_host_is_reached_and_bytes_are_counted(echo, name):
    with real(f"{name}:{echo.port}") as (proxy, address):
        with Caller(address, connect(f"{name}:{echo.port}")) as caller:
            assert caller.head() == "HTTP/1.1 200 Connection established\r\n\r\n"
            caller.say(b"measure this")
            caller.socket.shutdown(socket.SHUT_WR)
            assert caller.rest() == b"measure this"
        assert echo.ended.wait(PATIENCE_S)
    assert proxy.attempts == (NetworkAttempt(name, echo.port, allowed=True, sent=12, received=12),)


def test_large_transfer_arrives_whole_in_both_directions(echo):
    sent = os.urandom(5_000_000)
    target = f"127.0.0.1:{echo.port}"
    with real(target) as (proxy, address), Caller(address, connect(target)) as caller:
        caller.head()
        speaker = threading.Thread(target=caller.say, args=(sent,))
        speaker.start()
        got = b""
        while len(got) < len(sent):
            got += caller.socket.recv(1 << 20)
        speaker.join()
        assert got == sent
    assert (proxy.attempts[0].sent, proxy.attempts[0].received) == (len(sent), len(sent))


def test_host_that_closes_first_ends_the_tunnel():
    with Serving("example.org") as serving, Caller(serving.address, connect("example.org:443")) as caller:
        caller.head()
        serving.far[0].sendall(b"bye")
        serving.far[0].shutdown(socket.SHUT_WR)
        assert caller.rest() == b"bye"
    assert serving.attempts[0].received == 3


def test_client_that_closes_ends_the_tunnel_even_if_the_host_says_nothing():
    with Serving("example.org", concurrent=1) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            caller.head()
            caller.say(b"last words")
        far = serving.far[0]
        far.settimeout(PATIENCE_S)
        assert far.recv(100) == b"last words"
        assert far.recv(100) == b""

        def place_is_free():
            with Caller(serving.address, connect("example.org:443")) as caller:
                return " 200 " in caller.head()

        wait_for(place_is_free)


def test_name_is_looked_up_once_and_the_judged_address_is_connected_to():
    with (
        Serving("*.example.org:8443") as serving,
        Caller(serving.address, connect("Data.EXAMPLE.org.:8443")) as caller,
    ):
        assert "200" in caller.head()
    assert serving.looked_up == [("data.example.org", 8443)]
    assert serving.connected == [(PUBLIC, 8443)]
    assert serving.attempts[0].host == "data.example.org"


def test_next_address_is_tried_when_one_cannot_be_reached():
    def reach(address):
        if address != "2606:4700::1111":
            raise ConnectionRefusedError(111, "Connection refused")

    with Serving("example.org", resolve=lambda _: [PUBLIC, "2606:4700::1111"], reach=reach) as serving:
        assert " 200 " in first_line(serving, "example.org:443")
    assert [address for address, _ in serving.connected] == [PUBLIC, "2606:4700::1111"]


# what was not


@pytest.mark.parametrize(
    "target",
    ["evil.net:443", "example.org:80", "www.example.org:443", "example.org.evil.net:443", "localhost:443",
     "127.0.0.1:443", "[::1]:443", "169.254.169.254:80", "xn--exmple-cua.org:443", "[::ffff:127.0.0.1]:443"],
)  # fmt: skip
def test_host_that_was_not_granted_is_refused_and_listed(target):
    with Serving("example.org") as serving:
        assert serving.ask(connect(target)).startswith("HTTP/1.1 403 it is not among the granted hosts\r\n")
    assert (serving.looked_up, serving.connected) == ([], [])
    (attempt,) = serving.attempts
    assert not attempt.allowed
    assert attempt.reason == "it is not among the granted hosts"
    assert (attempt.host, attempt.port) == parse_authority(target)


def test_nothing_is_reached_when_nothing_was_granted(echo):
    with real() as (proxy, address), Caller(address, connect(f"127.0.0.1:{echo.port}")) as caller:
        assert "403" in caller.head()
    assert not echo.seen
    assert not proxy.attempts[0].allowed


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["fe80::1%1"],
     ["0.0.0.0"], ["224.0.0.1"], ["240.0.0.1"], ["64:ff9b::7f00:1"], [PUBLIC, "192.168.0.1"], ["nonsense"]],
)  # fmt: skip
def test_granted_name_with_an_address_that_is_not_public_is_refused(addresses):
    with Serving("example.org", resolve=lambda _: addresses) as serving:
        assert "403 its address" in serving.ask(connect("example.org:443"))
    assert serving.connected == []
    (attempt,) = serving.attempts
    assert not attempt.allowed
    assert addresses[-1] in attempt.reason


def test_name_that_changes_its_address_gains_nothing():
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    with Serving("example.org", resolve=lambda _: next(answers)) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            assert "200" in caller.head()
        assert "403 its address 127.0.0.1" in serving.ask(connect("example.org:443"))
    assert serving.connected == [(PUBLIC, 443)]
    assert len(serving.looked_up) == 2


def test_wildcard_over_a_private_zone_is_refused_too():
    with Serving("*.example.org", resolve=lambda _: ["10.0.0.7"]) as serving:
        assert "not public (private or reserved)" in serving.ask(connect("db.example.org:443"))
    assert serving.connected == []


def test_name_that_cannot_be_resolved_is_listed_as_failed():
    with Serving("example.org", resolve=lambda _: []) as serving:
        assert "502 its name could not be resolved" in serving.ask(connect("example.org:443"))
    assert serving.attempts[0].allowed
    assert "resolved" in serving.attempts[0].reason


def test_resolver_that_fails_is_not_the_end_of_the_proxy():
    def resolve(_):
        raise socket.gaierror(-2, "Name or service not known")

    with Serving("example.org", resolve=resolve) as serving:
        for _ in range(2):
            assert "502" in serving.ask(connect("example.org:443"))


def test_port_that_nobody_listens_on_is_listed_as_failed():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with real(f"127.0.0.1:{port}") as (proxy, address), Caller(address) as caller:
            caller.say(connect(f"127.0.0.1:{port}"))
            assert "502 it could not be connected to: Connection refused" in caller.head()
    assert proxy.attempts[0].allowed
    assert "refused" in proxy.attempts[0].reason


# what is not one CONNECT request


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "connect"])
def test_other_methods_are_told_to_use_connect(method):
    with Serving("example.org:80") as serving:
        answer = serving.ask(
            f"{method} http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\n\r\n".encode()
        )
    assert answer.startswith("HTTP/1.1 405 ")
    assert "Allow: CONNECT" in answer
    assert "use CONNECT host:port" in answer.partition("\r\n\r\n")[2]
    assert serving.attempts == (
        NetworkAttempt("example.org", 80, allowed=False, reason=serving.attempts[0].reason),
    )
    assert serving.connected == []


@pytest.mark.parametrize(
    "said",
    [
        connect("user@example.org:443"),
        connect("user:secret@example.org:443"),
        connect("example.org"),
        connect("example.org:0"),
        connect("example.org:65536"),
        connect("example.org:99999999999999999999"),
        connect("example.org:-443"),
        connect("example.org:443:443"),
        connect("example.org:0443"),
        connect("example.org:443/"),
        connect("https://example.org:443"),
        connect("example.org..:443"),
        connect("example%2eorg:443"),
        connect("example.org\t:443"),
        connect("bücher.example:443"),
        connect("2130706433:443"),
        connect("0x7f.1:443"),
        connect("::1:443"),
        connect("[::1%25lo]:443"),
        connect("example.org:443", version="1.0"),
        connect("example.org:443", version="2.0"),
        b"CONNECT example.org:443\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"CONNECT  example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x05\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"\0\r\n\r\n",
    ],
)
def test_malformed_request_is_refused_and_listed(said):
    with Serving("example.org", "bücher.example", "user.example.org", header_s=0.3) as serving:
        answer = serving.ask(said)
    assert answer.startswith("HTTP/1.1 ")
    assert 400 <= int(answer.split()[1]) < 600
    assert (serving.looked_up, serving.connected) == ([], [])
    (attempt,) = serving.attempts
    assert not attempt.allowed
    assert attempt.reason


def test_flood_of_headers_is_refused():
    flood = b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n" + b"X-Fill: 1\r\n" * 100_000
    with Serving("example.org") as serving, Caller(serving.address) as caller:
        caller.say(flood)
        assert " 431 " in caller.head()
    assert "malformed" in serving.attempts[0].reason


def test_request_that_never_ends_is_given_up():
    with Serving("example.org", header_s=0.3) as serving, Caller(serving.address) as caller:
        with contextlib.suppress(OSError):
            for byte in connect("example.org:443")[:-2]:
                caller.socket.send(bytes([byte]))
                time.sleep(0.01)
        assert "408 no complete request within 0.3 s" in caller.head()
    assert serving.attempts[0].reason == "no complete request within 0.3 s"


def test_client_that_leaves_without_a_word_is_no_attempt():
    with Serving("example.org") as serving:
        with Caller(serving.address):
            pass
        assert "403" in serving.ask(connect("other.org:443"))
    assert [attempt.host for attempt in serving.attempts] == ["other.org"]


def test_data_with_the_request_is_refused():
    with Serving("example.org") as serving:
        assert "400 data came before" in serving.ask(connect("example.org:443") + b"\x16\x03\x01")
    assert (serving.looked_up, serving.connected) == ([], [])
    assert serving.attempts[0].host == "example.org"
    assert not serving.attempts[0].allowed


def test_data_while_the_host_is_being_reached_is_refused_and_not_passed_on():
    looked, go = threading.Event(), threading.Event()

    def resolve(_):
        looked.set()
        assert go.wait(PATIENCE_S)
        return [PUBLIC]

    with Serving("example.org", resolve=resolve) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            assert looked.wait(PATIENCE_S)
            caller.say(b"early")
            go.set()
            assert "400 data came before" in caller.head()
        serving.far[0].settimeout(PATIENCE_S)
        assert serving.far[0].recv(10) == b""
    assert (serving.attempts[0].allowed, serving.attempts[0].sent) == (False, 0)


def test_hostile_text_is_shown_and_does_not_act():
    with Serving("example.org") as serving:
        serving.ask(b"GET http://\x1b[31mevil/ HTTP/1.1\r\nHost: a\r\n\r\n")
        serving.ask(b"GET http://a" + b"b" * 5000 + b"/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert len(serving.attempts) == 2
    for attempt in serving.attempts:
        assert "\x1b" not in attempt.host + attempt.reason
        assert len(attempt.host) <= 255
        assert len(attempt.reason) <= 300


def test_hostile_answer_of_a_name_server_is_shown_and_does_not_act():
    with Serving("example.org", resolve=lambda _: ["\x1b[31m\r\nX-Injected: 1\r\n" + "x" * 1000]) as serving:
        head = serving.ask(connect("example.org:443")).partition("\r\n\r\n")[0].split("\r\n")
    assert [line.partition(":")[0] for line in head[1:]] == ["Content-Type", "Content-Length", "Connection"]
    (attempt,) = serving.attempts
    assert "\\x1b[31m X-Injected" in attempt.reason
    assert not {"\x1b", "\r", "\n"} & set(attempt.reason)
    assert len(attempt.reason) <= 300


def test_descriptors_that_a_client_sends_are_dropped(echo):
    reader, writer = os.pipe()
    with real(f"127.0.0.1:{echo.port}") as (_, address), Caller(address) as caller:
        socket.send_fds(caller.socket, [connect(f"127.0.0.1:{echo.port}")], [writer])
        assert "200" in caller.head()
        os.close(writer)
        assert os.read(reader, 1) == b""  # nobody else holds the writing end
    os.close(reader)


# limits


def test_not_one_byte_more_than_allowed_is_passed_on():
    with Serving("example.org", total_bytes=1000) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            caller.head()
            caller.say(b"x" * 400)
            far = serving.far[0]
            far.settimeout(PATIENCE_S)
            assert far.recv(400, socket.MSG_WAITALL) == b"x" * 400
            far.sendall(b"y" * 5000)
            assert caller.rest() == b"y" * 600
        assert "403 more than 1000 bytes" in serving.ask(connect("example.org:443"))
    first, second = serving.attempts
    assert (first.sent, first.received) == (400, 600)
    assert first.reason == "more than 1000 bytes in all"
    assert not second.allowed


def test_exactly_the_allowed_bytes_are_passed_on_in_peace():
    with (
        Serving("example.org", total_bytes=1000) as serving,
        Caller(serving.address, connect("example.org:443")) as caller,
    ):
        caller.head()
        serving.far[0].sendall(b"y" * 1000)
        serving.far[0].shutdown(socket.SHUT_WR)
        assert len(caller.rest()) == 1000
    assert serving.attempts[0].reason == ""


def test_connections_at_a_time_are_bounded():
    with Serving("example.org", concurrent=1) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            assert "200" in caller.head()
            assert "503 more than 1 connections at a time" in serving.ask(b"")
        wait_for(lambda: " 200 " in first_line(serving, "example.org:443"))
    assert next(a.reason for a in serving.attempts if a.reason) == "more than 1 connections at a time"


def test_connections_in_all_are_bounded():
    with Serving("example.org", connections=2) as serving:
        for _ in range(2):
            assert "403" in serving.ask(connect("other.org:443"))
        assert "429 more than 2 connections in all" in serving.ask(b"")
        with pytest.raises(ConnectionRefusedError):
            Caller(serving.address)
    assert [attempt.allowed for attempt in serving.attempts] == [False] * 3


def test_time_is_bounded():
    with Serving("example.org", seconds=0.3) as serving:
        with Caller(serving.address, connect("example.org:443")) as caller:
            assert "200" in caller.head()
            assert caller.rest() == b""
        wait_for(lambda: serving.proxy._listener.fileno() < 0)
        with pytest.raises(ConnectionRefusedError):
            Caller(serving.address)
    assert serving.attempts[0].reason == "longer than 0.3 s"


def test_host_that_is_not_reached_in_time_is_given_up():
    go = threading.Event()
    with Serving("example.org", resolve=lambda _: [PUBLIC] * go.wait(PATIENCE_S), connect_s=0.2) as serving:
        assert "504 it could not be reached within 0.2 s" in serving.ask(connect("example.org:443"))
    go.set()
    assert serving.connected == []


def test_lookups_under_way_are_bounded_even_if_nobody_waits_for_them_any_more():
    go = threading.Event()
    with Serving(
        "example.org", resolve=lambda _: [PUBLIC] * go.wait(PATIENCE_S), connect_s=0.1, concurrent=2
    ) as serving:
        answers = [serving.ask(connect("example.org:443")).split()[1] for _ in range(4)]
    go.set()
    assert answers == ["504", "504", "503", "503"]
    assert len(serving.looked_up) == 2


def test_listed_attempts_are_bounded_and_a_flood_hides_none_that_went_through():
    with Serving("example.org", attempts=3) as serving:
        for i in range(5):
            serving.ask(connect(f"junk{i}.net:443"))
        for _ in range(2):
            with Caller(serving.address, connect("example.org:443")) as caller:
                caller.head()
        serving.ask(connect("late.net:443"))
    *listed, summary = serving.attempts
    assert [attempt.host for attempt in listed] == ["junk0.net", "example.org", "example.org"]
    assert summary.reason == "5 more attempts, 0 of them to granted hosts"
    assert (summary.host, summary.port, summary.allowed) == ("", 0, False)


def test_bytes_of_attempts_that_are_not_listed_are_counted():
    with Serving("example.org", attempts=1) as serving:
        for size in (3, 5, 7):
            with Caller(serving.address, connect("example.org:443")) as caller:
                caller.head()
                serving.far[-1].sendall(b"x" * size)
                serving.far[-1].shutdown(socket.SHUT_WR)
                caller.rest()
    listed, summary = serving.attempts
    assert listed.received == 3
    assert summary.received == 12
    assert summary.allowed
    assert summary.reason == "2 more attempts, 2 of them to granted hosts"


@pytest.mark.parametrize("limit", ["concurrent", "connections", "total_bytes", "seconds", "attempts"])
def test_limit_has_to_be_above_zero(limit):
    with pytest.raises(UsageError, match=limit):
        ProxyLimits(**{limit: 0})


# the end


def test_close_ends_open_connections(echo):
    listener = listen()
    address = listener.getsockname()
    proxy = FilteringProxy(listener, [f"127.0.0.1:{echo.port}"])
    proxy.start()
    with Caller(address, connect(f"127.0.0.1:{echo.port}")) as open_tunnel, Caller(address) as silent:
        open_tunnel.head()
        open_tunnel.say(b"hello")
        assert open_tunnel.socket.recv(5, socket.MSG_WAITALL) == b"hello"
        proxy.close()
        assert open_tunnel.rest() == b""
        assert silent.rest() == b""
        assert echo.ended.wait(PATIENCE_S)
        with pytest.raises(ConnectionRefusedError):
            Caller(address)
    proxy.close()
    (attempt,) = proxy.attempts
    assert (attempt.sent, attempt.received) == (5, 5)


def test_close_does_not_wait_for_a_host_that_takes_nothing():
    with Serving("example.org") as serving, Caller(serving.address, connect("example.org:443")) as caller:
        caller.head()
        caller.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while caller.socket.send(b"x" * 65536):
                pass
        serving.proxy.close()
    assert serving.attempts[0].sent > 0


def test_close_does_not_wait_for_a_lookup():
    looked, go = threading.Event(), threading.Event()

    def resolve(_):
        looked.set()
        return [PUBLIC] * go.wait(PATIENCE_S)

    serving = Serving("example.org", resolve=resolve)
    with serving, Caller(serving.address, connect("example.org:443")):
        assert looked.wait(PATIENCE_S)
    assert not go.is_set()
    go.set()
    assert serving.connected == []


class Stolen(socket.socket):
    """A listener whose other holder takes the connection away and makes the socket block."""

    waits = threading.Event()

    def accept(self):
        super().accept()[0].close()
        self.setblocking(True)
        self.waits.set()
        return super().accept()


def test_listener_that_somebody_made_block_does_not_hold_up_the_end():
    listener = Stolen(socket.AF_UNIX)
    listener.bind("")
    listener.listen()
    proxy = FilteringProxy(listener, [])
    proxy.start()
    with Caller(listener.getsockname()):
        assert listener.waits.wait(PATIENCE_S)
        proxy.close()
    assert proxy.attempts == ()


def test_proxy_that_was_never_started_closes_its_listener():
    listener = listen()
    proxy = FilteringProxy(listener, [])
    proxy.close()
    assert listener.fileno() == -1
    with pytest.raises(SandboxBrokenError, match="closed"):
        proxy.start()


def test_only_a_listening_unix_stream_is_served():
    with (
        socket.socket(socket.AF_UNIX) as quiet,
        pytest.raises(SandboxBrokenError, match="expected a listening"),
    ):
        FilteringProxy(quiet, [])
    with socket.create_server(("127.0.0.1", 0)) as tcp, pytest.raises(SandboxBrokenError):
        FilteringProxy(tcp, [])


def test_proxy_that_fails_serves_nobody_and_says_so(monkeypatch):
    serving = Serving("example.org")
    monkeypatch.setattr(serving.proxy._dialer, "dial", None)
    serving.proxy.start()
    with Caller(serving.address, connect("example.org:443")) as caller:
        assert caller.rest() == b""
    with pytest.raises(SandboxBrokenError, match="failed"):
        serving.proxy.close()
    with pytest.raises(ConnectionRefusedError):
        Caller(serving.address)


# whatever is said

GRANTED = {("data.example.org", 443), ("127.0.0.1", 8080), ("xn--bcher-kva.example", 443)}
PARTS = st.sampled_from(
    [
        "data",
        "example",
        "org",
        "net",
        "xn--bcher-kva",
        "DATA",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "a",
        "@",
        "",
    ]
)
TARGETS = st.builds(
    lambda parts, dot, port: f"{'.'.join(parts)}{dot}:{port}",
    st.lists(PARTS, min_size=1, max_size=4),
    st.sampled_from(["", "."]),
    st.sampled_from([443, 8080, 80, 8443, 0, 65536]) | st.integers(0, 70000),
)


def is_granted(address: tuple[str, int]) -> bool:
    host, port = address
    below = re.fullmatch(r"([a-z0-9-]+\.)+example\.net", host) and port == 8443
    return address in GRANTED or bool(below)


def test_host_that_matches_no_grant_is_never_looked_up_nor_connected_to():
    hosts = ["data.example.org", "*.example.net:8443", "127.0.0.1:8080", "bücher.example"]
    with Serving(*hosts, connections=10**6) as serving:

        @settings(deadline=None, max_examples=300)
        @example("Data.example.org.:443")
        @example("a.data.example.net:8443")
        @example("[::1].example.net:8443")
        @example("127.0.0.1.:8080")
        @example("127.0.0.1:8080")
        @given(TARGETS)
        def check(target):
            serving.looked_up.clear()
            serving.connected.clear()
            answer = first_line(serving, target)
            host, _, port = target.rpartition(":")
            name = host.lower().removesuffix(".")
            wanted = (host if name == "127.0.0.1" else name, int(port))  # an address ends in no dot
            assert (" 200 " in answer) == is_granted(wanted)
            assert bool(serving.connected) == is_granted(wanted)
            literal = wanted[0] == "127.0.0.1"
            assert serving.looked_up == ([wanted] if is_granted(wanted) and not literal else [])

        check()


def first_line(serving: Serving, target: str) -> str:
    with Caller(serving.address, connect(target)) as caller:
        answer = caller.head().partition("\r\n")[0]
    while serving.far:
        serving.far.pop().close()
    return answer


def test_whatever_bytes_come_the_proxy_goes_on_and_connects_to_nothing():
    with Serving("example.org", connections=10**6, header_s=0.05) as serving:

        @settings(deadline=None, max_examples=200)
        @given(
            st.binary(max_size=300)
            | st.builds(lambda a, b: a + b, st.just(connect("evil.net:443")[:-4]), st.binary(max_size=60))
        )
        def check(said):
            with Caller(serving.address, said) as caller:
                caller.socket.shutdown(socket.SHUT_WR)
                assert not caller.rest().startswith(b"HTTP/1.1 200")

        check()
        assert "403" in serving.ask(connect("evil.net:443"))
    assert serving.connected == []
