"""The tiny model, made once, and its server on loopback: for tests that talk to a real one."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from novum.agents.models.engines.serving import Server
from novum.agents.models.engines.tiny import launch_tiny
from novum.core.model_entry import ModelEntry


def free_port() -> int:
    """Return a port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving_tiny(folder: Path) -> Iterator[ModelEntry]:
    """Serve the tiny model for as long as it is open; what it needs on disk is kept in `folder`."""
    server = Server(launch_tiny(cache=folder / "models", port=free_port()), folder / "tiny.log")
    try:
        server.wait_healthy(patience_s=180)
        yield ModelEntry(base_url=server.launch.base_url, model="tiny", engine="tiny", context_tokens=32768)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelEntry]:
    """A running tiny server, as the settings name it: to be used as ``pytest_plugins = ["tiny_model"]``."""
    with serving_tiny(tmp_path_factory.mktemp("tiny")) as entry:
        yield entry
