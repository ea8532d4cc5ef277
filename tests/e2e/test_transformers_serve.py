"""The tiny model behind ``transformers serve``: another real server, whose schemas are empty words."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from loopback import free_port

from novum.agents.models.base import Card
from novum.agents.models.check import probe
from novum.agents.models.engines.base import Command, Launch
from novum.agents.models.engines.serving import Server
from novum.agents.models.engines.tiny import QUIET
from novum.agents.models.gateway import Gateway
from novum.agents.models.tiny.making import make_tiny_model
from novum.core.model_entry import ModelEntry

NEEDED = ("fastapi", "accelerate", "uvicorn")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"),
]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """What the server was seen to do."""
    folder: Path = tmp_path_factory.mktemp("transformers")
    weights = make_tiny_model(folder)
    port = free_port()
    at = f"http://127.0.0.1:{port}"
    program = Path(sys.executable).parent / "transformers"
    argv = (str(program), "serve", str(weights), "--host", "127.0.0.1", "--port", str(port))
    launch = Launch(
        engine="tiny",
        server=(Command(argv, QUIET),),
        base_url=f"{at}/v1",
        health_url=f"{at}/health",
        served_as=str(weights),
        family="generic",
    )
    server = Server(launch, folder / "log")
    try:
        server.wait_healthy(patience_s=180)
        entry = ModelEntry(base_url=launch.base_url, model=str(weights))
        gateway = Gateway("theirs", entry)
        try:
            return probe(gateway, patience_s=5)
        finally:
            gateway.close()
    finally:
        server.stop(patience_s=1)  # it goes on writing what nobody waits for any more


def test_it_answers(card):
    assert card.probed
    assert {f.name: f.ok for f in card.findings}["chat"] is True


def test_a_schema_that_it_passes_over_is_not_taken_for_enforced(card):
    assert card.json_schema is False


def test_a_random_model_that_must_call_a_tool_does_not(card):
    assert card.tools == "none"
    assert card.forced_tool is False
