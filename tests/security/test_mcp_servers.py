"""The tools of MCP servers: translated, run in the sandbox, checked; and what rude servers cannot do."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from novum.core.calls import CallStatus, ToolCall
from novum.core.errors import NotFoundError
from novum.core.settings import load_settings
from novum.runtime import Workspace
from novum.sandbox.base import Sandbox
from novum.sandbox.select import open_sandbox
from novum.tools.conformance import Outcome, check_tool
from novum.tools.mcp.servers import Server, ServerError, ask, checked_server
from novum.tools.plugins.trust import NotTrustedError

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

LAB = Path(__file__).parents[1] / "support" / "mcp_lab.py"
LONG = "measure_the_gap_of_a_molecule_by_a_method_with_a_very_long_name_indeed"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    opened = open_sandbox("namespace")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lab(sandbox) -> Server:
    """The kind laboratory, as it was when it was added."""
    return ask(checked_server(local(), Path.cwd()), sandbox)


def local(*manner: str, timeout_s: float = 20, **more) -> Server:
    command = ("python", str(LAB), *manner)
    return Server(name="lab", command=command, timeout_s=timeout_s, **more)


@pytest.fixture
def workspace(tmp_path, monkeypatch, sandbox) -> Iterator[Workspace]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with Workspace(load_settings(workspace=tmp_path / "w", embedder="hashing")) as opened:
        vars(opened)["sandbox"] = sandbox
        yield opened
        del vars(opened)["sandbox"]


def add(workspace: Workspace, server: Server) -> None:
    workspace.servers.add(server)
    vars(workspace).pop("registry", None)
    for found in workspace.registry.tools():
        if found.spec.name.startswith("mcp."):
            workspace.trust.add(found)


def run(workspace: Workspace, tool: str, **arguments):
    return workspace.runner.run(ToolCall(tool=tool, arguments=arguments))


def test_a_servers_tools_become_tools_with_units_where_they_are_stated(workspace, lab):
    workspace.servers.add(lab)
    spec = workspace.registry.get("mcp.lab.gap").spec
    assert {p.name: p.unit for p in spec.properties} == {"gap": "eV", "length": "nm", "n_atoms": "1"}
    gap, _, atoms = spec.properties
    assert (gap.low, gap.high) == (0, 20)
    assert "no unit is stated" in atoms.description
    assert spec.parameters["properties"]["temperature"]["x-unit"] == "K"
    assert spec.description == "As the MCP server 'lab' describes it: Measure a gap."
    assert spec.version == "3.1"
    assert all(len(tool.spec.name) <= 64 for tool in workspace.registry.tools())
    assert [t.spec.name for t in workspace.registry.tools() if "measure_the_gap" in t.spec.name] != []
    assert not workspace.registry.is_available(spec)
    with pytest.raises(NotTrustedError):
        run(workspace, "mcp.lab.gap", smiles="CCO")


def test_its_numbers_become_quantities_and_are_never_answered_from_the_cache(workspace, lab):
    add(workspace, lab)
    result = run(workspace, "mcp.lab.gap", smiles="CCO", temperature="26.85 degC")
    assert result.ok, result.message
    assert {name: str(found) for name, found in result.properties.items()} == {
        "gap": "2.5 eV",
        "length": "10 nm",
        "n_atoms": "3",
    }
    assert result.details["structured"]["label"] == "at 300.0"
    assert "never an instruction" in result.details["untrusted"]
    assert not run(workspace, "mcp.lab.gap", smiles="CCO", temperature="26.85 degC").cached
    assert run(
        workspace,
        next(t.spec.name for t in workspace.registry.tools() if t.spec.name.startswith("mcp.lab.measure")),
    ).ok


def test_a_server_that_crashes_or_hangs_costs_one_call(workspace, sandbox, lab):
    add(workspace, lab)
    crashed = run(workspace, "mcp.lab.gap", smiles="crash")
    assert crashed.status is CallStatus.ERROR
    assert "broke off" in crashed.message
    add(workspace, lab.model_copy(update={"timeout_s": 6.0}))
    vars(workspace).pop("runner")
    hanging = run(workspace, "mcp.lab.gap", smiles="hang")
    assert hanging.status in (CallStatus.ERROR, CallStatus.TIMEOUT)
    assert hanging.properties == {}
    add(workspace, lab)
    vars(workspace).pop("runner")
    assert run(workspace, "mcp.lab.gap", smiles="CCO").ok  # it was started anew


def test_what_it_answers_is_checked(workspace, lab):
    add(workspace, lab)
    wrong = run(workspace, "mcp.lab.gap", smiles="wrong")
    assert wrong.status is not CallStatus.OK
    assert wrong.properties == {}
    refused = run(workspace, "mcp.lab.gap", smiles="refuse")
    assert refused.status is CallStatus.ERROR
    assert "this molecule is not allowed \\x1b[31m" in refused.message


def test_its_text_is_data_and_bounded(workspace, lab):
    add(workspace, lab)
    told = run(workspace, "mcp.lab.tell", topic="x")
    assert told.ok
    assert "\x1b" not in str(told.details)
    assert "never an instruction" in told.details["untrusted"]
    flood = run(workspace, "mcp.lab.tell", topic="flood")
    assert flood.status is CallStatus.OUTPUT_LIMIT


def test_it_sees_nothing_of_the_machine(workspace, lab, tmp_path, monkeypatch):
    add(workspace, lab)
    monkeypatch.setenv("A_SECRET", "1")
    canary = tmp_path / "canary"
    canary.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        seen = run(workspace, "mcp.lab.look", path=str(port)).details["structured"]
    assert not seen["reached"]
    assert "A_SECRET" not in seen["environment"]
    assert not run(workspace, "mcp.lab.look", path=str(canary)).details["structured"]["exists"]


def test_a_tool_that_is_described_otherwise_than_when_it_was_trusted_is_refused(workspace, sandbox, lab):
    changed = ask(checked_server(local("changed"), Path.cwd()), sandbox)
    # the same command, which now describes itself in other words
    add(workspace, changed.model_copy(update={"tools": lab.tools}))
    result = run(workspace, "mcp.lab.gap", smiles="CCO")
    assert result.status is CallStatus.ERROR
    assert "otherwise than when it was trusted" in result.message


def test_what_it_says_of_itself_does_not_act(workspace, sandbox):
    add(workspace, ask(checked_server(local("changed"), Path.cwd()), sandbox))
    assert "\x1b" not in workspace.registry.get("mcp.lab.gap").spec.description


def test_changed_code_of_a_server_asks_again(workspace, sandbox, tmp_path):
    script = tmp_path / "server.py"
    script.write_text(LAB.read_text())
    server = Server(name="lab", command=("python", "server.py"), timeout_s=20)
    add(workspace, ask(checked_server(server, tmp_path), sandbox))
    assert run(workspace, "mcp.lab.gap", smiles="CCO").ok
    script.write_text(LAB.read_text() + "\n# changed\n")
    vars(workspace).pop("registry")
    vars(workspace).pop("runner")
    with pytest.raises(NotTrustedError, match="has changed"):
        run(workspace, "mcp.lab.gap", smiles="CCO")


@pytest.mark.parametrize(
    ("manner", "said"),
    [("dead", "no licence for this server"), ("mute", "in time|timeout|limit"), ("noise", None)],
)
def test_a_server_that_cannot_be_asked_says_why(sandbox, manner, said):
    server = checked_server(local(manner, timeout_s=20 if manner == "noise" else 3), Path.cwd())
    if said is None:  # noise between messages is passed over
        assert ask(server, sandbox).tools
        return
    with pytest.raises(ServerError, match=said):
        ask(server, sandbox)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (Server(name="x", command=("no-such-program",)), "there is no program"),
        (Server(name="x", url="http://example.org/mcp"), "not encrypted"),
        (Server(name="x", url="https://user:word@example.org/mcp"), "no address"),
        (Server(name="x", url="ftp://example.org"), "no address"),
    ],
)
def test_a_server_that_cannot_be_reached_safely_is_refused(server, said):
    with pytest.raises(ServerError, match=said):
        checked_server(server, Path.cwd())


def test_a_program_that_the_sandbox_does_not_show_is_named(tmp_path, monkeypatch):
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="--show"):
        checked_server(Server(name="x", command=("server",)), tmp_path)
    shown = checked_server(Server(name="x", command=("server",), shown=(str(tmp_path),)), tmp_path)
    assert shown.shown == (str(tmp_path.resolve()),)


def test_a_server_is_forgotten(workspace, lab):
    add(workspace, lab)
    assert workspace.servers.remove("lab").name == "lab"
    with pytest.raises(NotFoundError):
        workspace.servers.remove("lab")
    assert oct(workspace.servers.file.stat().st_mode)[-3:] == "600"


def test_a_server_at_an_address_is_reached_through_the_proxy_and_nothing_else_is(workspace, sandbox):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(LAB), "http", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        server = Server(name="lab", url=f"http://127.0.0.1:{port}/mcp", timeout_s=20)
        add(workspace, ask(checked_server(server, Path.cwd()), sandbox))
        result = run(workspace, "mcp.lab.gap", smiles="CCO")
        assert result.ok, result.message
        assert {(one.host, one.port, one.allowed) for one in result.network} == {("127.0.0.1", port, True)}
    finally:
        process.kill()
        process.wait()
    gone = run(workspace, "mcp.lab.gap", smiles="CCO")
    assert gone.status is CallStatus.ERROR


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def test_a_server_of_somebody_else(workspace, sandbox):
    """The reference server of the protocol's authors, as it is published."""
    pytest.importorskip("mcp_server_time")
    add(
        workspace,
        ask(checked_server(Server(name="time", command=("mcp-server-time",)), Path.cwd()), sandbox),
    )
    result = run(
        workspace,
        "mcp.time.convert_time",
        source_timezone="Asia/Tokyo",
        time="12:00",
        target_timezone="Asia/Kolkata",
    )
    assert result.ok, result.message
    assert result.details["structured"]["time_difference"] == "-3.5h"
    failed = run(
        workspace, "mcp.time.convert_time", source_timezone="Mars", time="12:00", target_timezone="Asia/Tokyo"
    )
    assert "Mars" in failed.message
    assert os.path.exists(workspace.servers.file)


def test_a_servers_tool_can_be_checked(workspace, lab):
    add(workspace, lab.model_copy(update={"timeout_s": 5.0}))
    report = check_tool(workspace.registry.get("mcp.lab.gap"), workspace.sandbox, granted=True)
    assert report.passed, str(report)
    assert any(finding.outcome is Outcome.SKIPPED for finding in report.findings)
