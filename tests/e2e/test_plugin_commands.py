"""``novum tools new``, ``check``, ``trust`` and ``test``, as a person types them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugins import write_plugin

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture
def novum(tmp_path):
    """Run the command in an empty folder, with nothing of ours around it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOVUM_")}
    environment = kept | {
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        "NOVUM_EMBEDDER": "hashing",
        "COLUMNS": "200",
    }

    def run(*arguments: object, code: int = 0, program: str = "novum") -> subprocess.CompletedProcess[str]:
        first = [str(Path(sys.executable).with_name("novum"))] if program == "novum" else program.split()
        ended = subprocess.run(
            [*first, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended

    return run


def test_a_new_package_works_and_its_own_tests_pass(novum, tmp_path):
    novum("tools", "new", "lab.swing_time")
    package = tmp_path / "lab.swing_time"
    report = json.loads(novum("tools", "check", "./lab.swing_time", "--json").stdout)
    assert report["passed"]
    checks = {finding["check"] for finding in report["tools"][0]["findings"]}
    assert {"schema", "units", "ranges", "docstring", "determinism", "bad arguments", "reach"} <= checks
    ended = novum(package, program=f"{sys.executable} -m pytest -q -p no:cacheprovider")
    assert "4 passed" in ended.stdout
    assert "swing_time.tool:swing_time" in (package / "pyproject.toml").read_text()
    novum("tools", "new", "lab.swing_time", code=2)  # and nothing is overwritten


def test_a_single_file_is_trusted_tested_and_run(novum, tmp_path):
    novum("tools", "new", "swing", "--single-file")
    refused = novum("tools", "run", "swing", "length=1 m", code=2)
    assert "novum tools trust swing" in refused.stderr
    asked = novum("tools", "trust", "swing", code=2)
    assert "tools/swing.py" in asked.stderr
    assert "network hosts" in asked.stderr
    assert "--yes" in asked.stderr
    granted = novum("tools", "trust", "swing", "--yes", "--json")
    assert json.loads(granted.stdout)["needs"]["hosts"] == []
    assert json.loads(novum("tools", "test", "swing", "--json").stdout)["passed"]
    assert "2.00641 s" in novum("tools", "run", "swing", "length=1 m").stdout
    (tmp_path / "tools" / "swing.py").write_text(
        (tmp_path / "tools" / "swing.py").read_text().replace("2 * math.pi", "3 * math.pi")
    )
    changed = novum("tools", "test", "swing", code=2)
    assert "has changed since it was trusted" in changed.stderr
    novum("tools", "trust", "swing", "--yes")
    assert "1 of 1 values differ" in novum("tools", "test", "swing", code=1).stderr
    assert "2 grants taken back" in novum("tools", "trust", "swing", "--withdraw").stdout
    assert "not trusted" in novum("tools", "list").stdout


def test_a_fault_is_reported_and_is_the_exit_code(novum, tmp_path):
    write_plugin(tmp_path / "odd.py", body="import random\nlength = length + random.random()")
    ended = novum("tools", "check", "odd.py", code=1)
    assert "its answer depends on a seed" in ended.stdout
    assert "lab.double failed the check" in ended.stderr
    (tmp_path / "odd.py").write_text("raise RuntimeError('boom')")
    assert "RuntimeError: boom" in novum("tools", "check", "odd.py", code=1).stdout
    assert "no file" in novum("tools", "check", "nowhere.py", code=2).stderr
    assert "pyproject.toml" in novum("tools", "check", ".", code=2).stderr


def test_a_module_and_a_tool_of_ours_can_be_checked(novum, tmp_path):
    write_plugin(tmp_path / "lengths.py")
    assert "lab.double: passed" in novum("tools", "check", "lengths:double").stdout
    report = json.loads(novum("tools", "check", "chemistry.descriptors", "--json").stdout)
    assert report["passed"]
    assert "comes with novum" in novum("tools", "trust", "chemistry.descriptors", code=2).stderr


def test_a_server_is_added_only_by_a_persons_word(novum, tmp_path):
    pytest.importorskip("mcp_server_time")
    asked = novum("tools", "add-mcp", "time", "--", "mcp-server-time", code=2)
    assert "without a network" in asked.stderr
    assert "mcp.time.convert_time" in asked.stderr
    assert not (tmp_path / ".config" / "novum" / "mcp.json").exists()
    added = json.loads(novum("tools", "add-mcp", "time", "--yes", "--json", "--", "mcp-server-time").stdout)
    assert added["tools"] == ["mcp.time.get_current_time", "mcp.time.convert_time"]
    assert "is removed" in novum("tools", "remove-mcp", "time").stdout
    assert json.loads((tmp_path / ".config" / "novum" / "trusted.json").read_text())["grants"] == []
    assert "not encrypted" in novum("tools", "add-mcp", "x", "http://example.org/mcp", code=2).stderr
    assert "no MCP server" in novum("tools", "remove-mcp", "time", code=2).stderr
