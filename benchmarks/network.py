"""What the network proxy of a sandbox adds to a connection, measured on loopback.

``python benchmarks/network.py [CONNECTIONS] [MEGABYTES]`` prints a table, then the same as JSON. The
comparison is the same exchange without the proxy. The host is a process of its own; the client and
the proxy share this one, so that what the proxy adds is an upper bound.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from novum.sandbox.network.proxy import FilteringProxy, ProxyLimits

# answers 1 byte with 1 byte, and "g" with a flood until the client has had enough
HOST = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def talk(client):
    with client:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while said := client.recv(1):
                if said == b"g":
                    while True:
                        client.sendall(bytes(1 << 20))
                client.sendall(said)
        except OSError:
            pass
while True:
    threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
"""


def direct(port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection(("127.0.0.1", port))


def proxied(address: bytes, port: int) -> Callable[[], socket.socket]:
    request = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(address)
        client.sendall(request)
        answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        return client

    return connect


def first_bytes(connect: Callable[[], socket.socket], times: int) -> list[float]:
    """Return microseconds to connect, say one byte and hear one."""
    costs = []
    for _ in range(times):
        started = time.perf_counter()
        with connect() as client:
            client.sendall(b".")
            client.recv(1)
            costs.append(1e6 * (time.perf_counter() - started))
    return costs


def round_trips(connect: Callable[[], socket.socket], times: int) -> list[float]:
    """Return microseconds to say one byte and hear one over an open connection."""
    costs = []
    with connect() as client:
        for _ in range(times):
            started = time.perf_counter()
            client.sendall(b".")
            client.recv(1)
            costs.append(1e6 * (time.perf_counter() - started))
    return costs


def download(connect: Callable[[], socket.socket], megabytes: int) -> float:
    """Return megabytes per second."""
    left, buffer = megabytes << 20, bytearray(1 << 20)
    with connect() as client:
        client.sendall(b"g")
        started = time.perf_counter()
        while left > 0:
            left -= client.recv_into(buffer)
        return megabytes / (time.perf_counter() - started)


def main(connections: int, megabytes: int) -> None:
    host = subprocess.Popen([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    port = int(host.stdout.readline())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen(64)
    address = listener.getsockname()
    limits = ProxyLimits(connections=100 * connections, total_bytes=1 << 50)
    table: dict[str, dict[str, float]] = {}
    try:
        with FilteringProxy(listener, [f"127.0.0.1:{port}"], limits=limits):
            for name, connect in (("direct", direct(port)), ("proxy", proxied(address, port))):
                table[name] = {
                    "connect_us": statistics.median(first_bytes(connect, connections)),
                    "round_trip_us": statistics.median(round_trips(connect, 5 * connections)),
                    "mb_per_s": max(download(connect, megabytes) for _ in range(3)),
                }
        started = time.perf_counter()
        for _ in range(20):
            spare = socket.socket(socket.AF_UNIX)
            spare.bind("")
            spare.listen()
            with FilteringProxy(spare, [f"127.0.0.1:{port}"]):
                pass
        life = 1e6 * (time.perf_counter() - started) / 20
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
    print(f"{'':10}{'connect and 1 byte':>20}{'round trip':>14}{'download':>14}")
    for name, row in table.items():
        print(
            f"{name:10}{row['connect_us']:17.0f} us{row['round_trip_us']:11.0f} us{row['mb_per_s']:9.0f} MB/s"
        )
    print(f"a proxy's start and end: {life:.0f} us")
    print(json.dumps({"cores": os.cpu_count(), "life_us": life, **table}))


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [500, 500][len(given) :]))
