"""The tiny model, made once, and its server on loopback: for tests that talk to a real one.

To be named in ``pytest_plugins = ["tiny_model"]``, and not imported: pytest takes it once for all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import free_port

from novum.agents.models.engines.serving import Server
from novum.agents.models.engines.tiny import launch_tiny
from novum.core.model_entry import ModelEntry


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
    """A running tiny server, as the settings name it."""
    with serving_tiny(tmp_path_factory.mktemp("tiny")) as entry:
        yield entry
