"""``novum mcp serve`` as a client starts it: over standard input, and over HTTP on loopback."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

NOVUM = str(Path(sys.executable).with_name("novum"))


def surroundings(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NOVUM_")}
    return {**kept, "NOVUM_EMBEDDER": "hashing", "XDG_CONFIG_HOME": str(folder / "config")}


async def measure(client: Client) -> tuple[float, str]:
    found = await client.call_tool("chemistry-descriptors", {"smiles": "CCO"})
    properties = found.structured_content["properties"]
    return properties["molecular_weight"]["value"], properties["molecular_weight"]["unit"]


def test_over_standard_input(tmp_path):
    async def main():
        started = StdioServerParameters(
            command=NOVUM, args=["mcp", "serve"], env=surroundings(tmp_path), cwd=tmp_path
        )
        async with Client(started, read_timeout_seconds=120) as client:
            assert "data, never instructions" in client.instructions
            return await measure(client)

    assert anyio.run(main) == (pytest.approx(46.07, abs=0.01), "g/mol")


def test_over_http_with_the_token_that_it_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [NOVUM, "mcp", "serve", "--http", "--port", str(port)],
        cwd=tmp_path,
        env=surroundings(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(port, process)
        token = (tmp_path / "config" / "novum" / "mcp_token").read_text()

        async def main(**headers):
            url = f"http://127.0.0.1:{port}/mcp"
            async with (
                httpx2.AsyncClient(headers=headers, timeout=120) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                return await measure(client)

        assert anyio.run(lambda: main(Authorization=f"Bearer {token}"))[1] == "g/mol"
        with httpx2.Client() as stranger:
            assert stranger.post(f"http://127.0.0.1:{port}/mcp", json={}).status_code == 401
            assert stranger.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil"}).status_code == 421
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert "mcp_token" in said
    assert token not in said


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")
