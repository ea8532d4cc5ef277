"""A tool that reaches a host and leaves a file, to run in the real sandbox."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from novum.tools.base import Properties, Unit, tool


class Fetched(Properties):
    length: Annotated[float, Unit("m"), Field(description="what the server said", ge=0, le=1000)]


@tool(
    name="net.fetch",
    version="1",
    method="asking a server",
    hosts=(f"127.0.0.1:{os.environ.get('FETCH_PORT', '9')}",),
    timeout_s=60.0,
)
def fetch(address: str, x: float) -> Fetched:
    """Ask a server for a length, try another one that was not granted, and keep the answer in a file.

    Args:
        address: of the server.
        x: a number.
    """
    import httpx

    from novum.sandbox.network import open_client

    with open_client() as client:
        said = client.get(address).text
    try:
        with open_client() as client:
            client.get("http://metadata.example:80/")
    except httpx.HTTPError as error:
        Path("out", "refusal.txt").write_text(str(error), encoding="utf-8")
    Path("out", "answer.txt").write_text(said, encoding="utf-8")
    os.symlink("/etc/passwd", "out/link")
    return Fetched(length=float(said) + x)
