"""What ``novum mcp serve`` offers, spoken with the SDK's own client; and who may come in over HTTP."""

import contextlib
import os
import stat
from pathlib import Path

import anyio
import httpx2
import pytest
from known_items import items
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from novum.cli.mcp.http import Gate, load_token, make_app
from novum.cli.mcp.offers import offered_name, offers
from novum.cli.mcp.protocol import make_server
from novum.core.access import Destination
from novum.core.errors import ToolArgumentError, UsageError
from novum.core.knowledge import Access
from novum.core.settings import load_settings
from novum.runtime import Workspace

TOKEN = "a-token-that-is-long-enough"
PORT = 8765


@pytest.fixture
def workspace(known):
    with Workspace(load_settings(workspace=known)) as opened:
        yield opened


def spoken(workspace, *calls, to=Destination.LOCAL, read_only=False):
    """Return the tools that a client sees, and what its calls gave."""

    async def main():
        server = make_server(offers(workspace, to=to, read_only=read_only))
        async with Client(server) as client:
            listed = (await client.list_tools()).tools
            return listed, [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(main)


def test_a_client_sees_tools_campaigns_and_knowledge(workspace):
    listed, _ = spoken(workspace)
    names = {tool.name for tool in listed}
    assert {"chemistry-descriptors", "search_knowledge", "list_campaigns", "run_campaign"} <= names
    assert all(len(name) <= 64 and "." not in name for name in names)
    (tool,) = [tool for tool in listed if tool.name == "chemistry-descriptors"]
    assert tool.input_schema["required"] == ["smiles"]
    measured = tool.output_schema["properties"]["properties"]["properties"]
    assert "in angstrom**2" in measured["tpsa"]["description"]
    assert not tool.annotations.read_only_hint


def test_read_only_offers_nothing_that_runs(workspace):
    listed, _ = spoken(workspace, read_only=True)
    assert {tool.name for tool in listed} == {
        "search_knowledge",
        "show_item",
        "list_campaigns",
        "show_campaign",
    }
    assert all(tool.annotations.read_only_hint for tool in listed)


def test_a_tool_answers_with_quantities_and_their_units(workspace):
    _, (found,) = spoken(workspace, ("chemistry-descriptors", {"smiles": "CCO"}))
    assert not found.is_error
    weight = found.structured_content["properties"]["molecular_weight"]
    assert weight == {"value": pytest.approx(46.07, abs=0.01), "unit": "g/mol"}


def test_a_mistake_is_an_error_in_words_and_ends_nothing(workspace):
    _, results = spoken(
        workspace,
        ("chemistry-descriptors", {"smile": "CCO"}),
        ("chemistry-descriptors", {"smiles": "c1ccccc"}),
        ("no-such-tool", {}),
        ("show_campaign", {"campaign": "nowhere"}),
        ("search_knowledge", {"text": "gap", "n": 1000}),
        ("search_knowledge", {"text": ""}),
        ("list_campaigns", {}),
    )
    assert [one.is_error for one in results] == [True, True, True, True, True, True, False]
    assert "did you mean 'smiles'" in results[0].content[0].text
    assert "unclosed ring" in results[1].structured_content["message"]


def test_knowledge_is_found_and_what_is_restricted_stays(workspace):
    everything = list(items().values())
    hidden = [item for item in everything if item.access is not Access.PUBLIC]
    _, (near, far) = spoken(
        workspace, ("search_knowledge", {"text": "gap", "n": 50}), ("search_knowledge", {"text": "zzz"})
    )
    seen = near.structured_content
    assert seen["items"]
    _, (remote,) = spoken(
        workspace, ("search_knowledge", {"text": "gap", "n": 50}), to=Destination.REMOTE_MODEL
    )
    shown = {item["id"] for item in remote.structured_content["items"]}
    assert not shown & {item.id for item in hidden}
    assert set(remote.structured_content) == {"items"}  # a count would confirm a guess
    assert not far.is_error


def test_what_is_closed_takes_no_place_of_what_may_be_told(workspace):
    public = next(i for i in items().values() if i.access is Access.PUBLIC)
    told = public.model_copy(update={"id": "", "text": "a quokka was weighed", "subject": "quokka"})
    told = told.model_copy(update={"id": "K-00000000aa"})
    secrets = [
        told.model_copy(
            update={"id": f"K-0000000{n:03d}", "access": Access.SENSITIVE, "text": "quokka quokka"}
        )
        for n in range(5)
    ]
    workspace.knowledge.record([told, *secrets])
    _, (far,) = spoken(
        workspace, ("search_knowledge", {"text": "quokka", "n": 1}), to=Destination.REMOTE_MODEL
    )
    assert [item["text"] for item in far.structured_content["items"]] == ["a quokka was weighed"]


def test_an_item_that_is_withheld_is_not_even_confirmed(workspace):
    item = next(iter(items().values())).model_copy(update={"access": Access.SENSITIVE, "text": "a secret"})
    (kept,) = workspace.knowledge.record([item])
    wanted = getattr(kept, "id", item.id)
    _, (near,) = spoken(workspace, ("show_item", {"id": wanted}))
    assert near.structured_content["text"] == "a secret"
    _, (far, none) = spoken(
        workspace,
        ("show_item", {"id": wanted}),
        ("show_item", {"id": "0" * 12}),
        to=Destination.REMOTE_MODEL,
    )
    assert far.content[0].text.replace(wanted, "") == none.content[0].text.replace("0" * 12, "")


def test_an_item_that_names_a_withheld_one_is_withheld_as_well(workspace):
    public = next(i for i in items().values() if i.access is Access.PUBLIC)
    secret = public.model_copy(update={"id": "their own id", "access": Access.SENSITIVE, "text": "a secret"})
    teller = public.model_copy(
        update={"id": "K-00000000ab", "text": "a numbat", "status_reason": "their own id"}
    )
    workspace.knowledge.record([secret, teller])
    calls = (("show_item", {"id": teller.id}), ("search_knowledge", {"text": "numbat", "n": 50}))
    _, (near, _) = spoken(workspace, *calls)
    assert near.structured_content["status_reason"] == "their own id"
    _, (far, found) = spoken(workspace, *calls, to=Destination.REMOTE_MODEL)
    assert far.is_error
    assert teller.id not in {item["id"] for item in found.structured_content["items"]}


def test_a_campaign_tells_a_model_elsewhere_nothing_of_a_candidate_that_is_closed(tmp_path):
    with Workspace(load_settings(workspace=tmp_path / "ws")) as opened:
        name = "maximise-qed-1"
        spoken(opened, ("run_campaign", {"goal": "maximise qed", "experiments": 2}))
        record = opened.record(name)
        subject = next(iter(record.observations())).candidate.id
        known = next(iter(opened.knowledge.query(subjects=[subject])))
        opened.knowledge.record(
            [known.model_copy(update={"id": "K-00000000ac", "access": Access.SENSITIVE, "text": "a secret"})]
        )
        asked = ("show_campaign", {"campaign": name}), ("list_campaigns", {})
        _, (near, _) = spoken(opened, *asked)
        _, (far, listed) = spoken(opened, *asked, to=Destination.REMOTE_MODEL)
    assert subject in str(near.structured_content)
    assert subject not in str(far.structured_content)
    hidden = {e.experiment.id for e in record.experiments.values() if e.experiment.candidate.id == subject}
    assert hidden
    assert not any(id in str(far.structured_content["verdicts"]) for id in hidden)
    assert listed.structured_content["campaigns"]


def test_a_campaign_runs_to_its_end_and_can_be_read(tmp_path):
    with Workspace(load_settings(workspace=tmp_path / "ws")) as opened:
        _, (ran, listed, shown) = spoken(
            opened,
            ("run_campaign", {"goal": "maximise qed", "experiments": 2}),
            ("list_campaigns", {}),
            ("show_campaign", {"campaign": "maximise-qed-1"}),
        )
    assert ran.structured_content["outcome"] == "finished", ran
    assert ran.structured_content["experiments_used"] == 2
    assert [one["id"] for one in listed.structured_content["campaigns"]] == ["maximise-qed-1"]
    assert shown.structured_content["best"] == ran.structured_content["best"]


@pytest.mark.parametrize("goal", ["goal.yaml", "/etc/passwd", "objectives:\n  - maximise qed", ""])
def test_a_client_cannot_name_a_file_as_goal(workspace, tmp_path, monkeypatch, goal):
    monkeypatch.chdir(tmp_path)
    (run,) = [offer for offer in offers(workspace, to=Destination.LOCAL) if offer.name == "run_campaign"]
    with pytest.raises((UsageError, ToolArgumentError)):
        run.call({"goal": goal})


def test_names_that_many_clients_take():
    assert offered_name("a." + "b" * 100) == "a-" + "b" * 62


@contextlib.asynccontextmanager
async def http_client(app, **headers):
    """A client of the application, without a network."""
    inner = app._app
    async with inner.router.lifespan_context(inner):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url=f"http://127.0.0.1:{PORT}", headers=headers
        ) as client:
            yield client


def app_of(workspace) -> Gate:
    return make_app(
        make_server(offers(workspace, to=Destination.LOCAL, read_only=True)), token=TOKEN, port=PORT
    )


def test_the_sdks_client_comes_in_with_the_token(workspace):
    async def main():
        async with http_client(app_of(workspace), Authorization=f"Bearer {TOKEN}") as http:
            transport = streamable_http_client(f"http://127.0.0.1:{PORT}/mcp", http_client=http)
            async with Client(transport) as client:
                return (await client.list_tools()).tools

    assert "search_knowledge" in [tool.name for tool in anyio.run(main)]


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong-wrong-wrong-wrong"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({**BEARER, "Host": "evil.example"}, 421),
        ({**BEARER, "Host": f"evil.example:{PORT}"}, 421),
        ({**BEARER, "Host": "127.0.0.1:9"}, 421),
        ({**BEARER, "Origin": "http://evil.example"}, 403),
        ({**BEARER, "Origin": "null"}, 403),
        ({**BEARER, "Origin": f"http://localhost:{PORT}"}, 200),
        (BEARER, 200),
    ],
)
def test_who_may_come_in(workspace, headers, status):
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    }

    async def main():
        accepted = {"Accept": "application/json, text/event-stream"}
        async with http_client(app_of(workspace)) as client:
            return await client.post("/mcp", json=asked, headers={**accepted, **headers})

    response = anyio.run(main)
    assert response.status_code == status, response.text
    assert TOKEN not in response.text


def test_the_token_is_made_once_for_its_owner_only(tmp_path, monkeypatch):
    monkeypatch.delenv("NOVUM_MCP_TOKEN", raising=False)
    token, place = load_token(tmp_path / "config")
    assert len(token) > 32
    assert load_token(tmp_path / "config") == (token, place)
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o600
    os.chmod(place, 0o644)
    with pytest.raises(UsageError, match="others may read"):
        load_token(tmp_path / "config")


def test_the_token_may_come_from_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVUM_MCP_TOKEN", TOKEN)
    assert load_token(tmp_path)[0] == TOKEN
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("NOVUM_MCP_TOKEN", "short")
    with pytest.raises(UsageError, match="at least 16"):
        load_token(tmp_path)
