"""Plugins are found without running, described in a sandbox, and run when a person has trusted them."""

import importlib.metadata
import json
import os
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from plugins import write_plugin

import novum.sandbox
from novum.core.calls import CallStatus, ToolCall
from novum.core.errors import UsageError
from novum.core.goals import Budget, Confirmation, Goal, Objective, ObjectiveKind
from novum.core.settings import load_settings
from novum.core.spaces import Candidate, PoolSpace
from novum.runtime import Workspace
from novum.sandbox.select import open_sandbox
from novum.tools.plugins.trust import NotTrustedError

pytestmark = pytest.mark.sandbox


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    return tmp_path


@pytest.fixture(scope="module")
def sandbox():
    opened = open_sandbox("namespace")
    yield opened
    opened.close()


@pytest.fixture
def workspace(folder, sandbox, monkeypatch):
    opened = []
    monkeypatch.setattr(novum.sandbox, "open_sandbox", lambda *_: sandbox, raising=False)

    def open_one(**settings):
        workspace = Workspace(load_settings(workspace=folder / "w", embedder="hashing", **settings))
        opened.append(workspace)
        return workspace

    yield open_one
    for one in opened:
        vars(one).pop("sandbox", None)
        one.close()


def call(**arguments):
    return ToolCall(tool="lab.double", arguments={"length": "150 cm", **arguments})


def test_a_single_file_runs_when_it_is_trusted(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py")
    opened = workspace()
    with pytest.raises(NotTrustedError, match=r"lab\.double.* \(from tools/doubling.py\)"):
        opened.runner.run(call())
    opened.trust.add(opened.registry.get("lab.double"))
    result = opened.runner.run(call())
    assert result.ok, result
    assert result.properties["length"].value == 3.0
    assert result.sandbox == "namespace"


def test_changed_code_is_refused_until_it_is_trusted_again(workspace, folder):
    file = write_plugin(folder / "tools" / "doubling.py")
    first = workspace()
    first.trust.add(first.registry.get("lab.double"))
    file.write_text(file.read_text() + "\n# changed\n")
    assert first.runner.run(call()).ok  # the code that was trusted is the code that was read
    second = workspace()
    with pytest.raises(NotTrustedError, match="has changed"):
        second.runner.run(call())


def test_only_that_file_is_shown(workspace, folder):
    (folder / "tools").mkdir()
    (folder / "tools" / "neighbour.py").write_text("SECRET = 1\n")
    looks = f"""
    import os, sys
    sys.path.insert(0, {str(folder / "tools")!r})
    try:
        import neighbour
        seen = 1
    except ImportError:
        seen = int(os.path.exists({str(folder)!r}))
    return Length(length=seen)
    """
    write_plugin(folder / "tools" / "doubling.py", body=textwrap.dedent(looks))
    opened = workspace()
    opened.trust.add(opened.registry.get("lab.double"))
    result = opened.runner.run(call())
    assert result.properties["length"].value == 0


def test_what_a_file_does_when_it_is_imported_happens_in_the_sandbox(workspace, folder):
    canary = folder / "canary"
    canary.write_text("untouched")
    top = f"""
import os
try:
    os.remove({str(canary)!r})
except OSError:
    pass
os.environ["PLUGIN_WAS_HERE"] = "1"
"""
    write_plugin(folder / "tools" / "doubling.py", top=top)
    assert workspace().registry.get("lab.double").spec.name == "lab.double"
    assert canary.read_text() == "untouched"
    assert "PLUGIN_WAS_HERE" not in os.environ
    assert "doubling" not in sys.modules


def test_a_plugin_that_fails_is_listed_with_its_error_and_stops_nothing(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py")
    write_plugin(folder / "tools" / "bomb.py", name="lab.bomb", top="raise RuntimeError('boom \x1b[31m')\n")
    write_plugin(folder / "tools" / "crash.py", name="lab.crash", top="import os; os.abort()\n")
    write_plugin(folder / "tools" / "json.py", name="lab.json")
    (folder / "tools" / "link.py").symlink_to("doubling.py")
    (folder / "tools" / "other.py").write_text("raise SystemExit('not a tool at all')\n")
    named = ("nowhere.py", "no_such_module:f", "novum.tools.worker:call", "packaging.version:parse")
    registry = workspace(tools=named).registry
    assert registry.get("lab.double")
    broken = {name: found.error for name, found in registry.broken.items()}
    assert set(broken) == {
        "tools/bomb.py",
        "tools/crash.py",
        "tools/json.py",
        "tools/link.py",
        "nowhere.py",
        "no_such_module:f",
        "novum.tools.worker:call",
        "packaging.version:parse",
    }
    assert "is not a function under @tool" in broken["packaging.version:parse"]
    assert broken["tools/bomb.py"] == "RuntimeError: boom \\x1b[31m"
    assert "call it otherwise" in broken["tools/json.py"]
    assert "a link" in broken["tools/link.py"]
    assert "cannot be read" in broken["nowhere.py"]
    assert "no module 'no_such_module'" in broken["no_such_module:f"]
    assert "is not a function under @tool" in broken["novum.tools.worker:call"]


def test_two_plugins_of_one_name_stop_with_both_places(workspace, folder):
    write_plugin(folder / "tools" / "one.py")
    write_plugin(folder / "tools" / "two.py")
    with pytest.raises(UsageError, match=r"two tools are called 'lab\.double': tools/one"):
        _ = workspace().registry


def test_a_plugin_cannot_take_a_built_in_name(workspace, folder):
    write_plugin(folder / "tools" / "one.py", name="chemistry.descriptors")
    with pytest.raises(UsageError, match=r"two tools are called 'chemistry\.descriptors'"):
        _ = workspace().registry


def test_a_package_named_in_the_settings_is_shown_whole_and_nothing_beside_it(workspace, folder):
    write_plugin(folder / "lab" / "lengths.py", body="from lab.table import TIMES\ntimes = TIMES")
    (folder / "lab" / "__init__.py").write_text("")
    (folder / "lab" / "table.py").write_text("TIMES = 5\n")
    opened = workspace(tools=("lab.lengths:double",))
    opened.trust.add(opened.registry.get("lab.double"))
    assert opened.runner.run(call()).properties["length"].value == 7.5
    (folder / "lab" / "table.py").write_text("TIMES = 6\n")  # the neighbour counts as its code
    with pytest.raises(NotTrustedError, match="has changed"):
        workspace(tools=("lab.lengths:double",)).runner.run(call())


def test_an_installed_package_offers_its_tools(workspace, folder, monkeypatch):
    write_plugin(folder / "site" / "lengths_plugin.py")
    write_plugin(folder / "site" / "bad_plugin.py", name="lab.bad", top="import no_such_library\n")
    monkeypatch.syspath_prepend(folder / "site")
    points = [
        importlib.metadata.EntryPoint("lab.double", "lengths_plugin:double", "novum.tools"),
        importlib.metadata.EntryPoint("lab.bad", "bad_plugin:double", "novum.tools"),
        importlib.metadata.EntryPoint("lab.alias", "lengths_plugin:double", "novum.tools"),
        importlib.metadata.EntryPoint("lab.gone", "gone_plugin:f", "novum.tools"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    opened = workspace()
    broken = opened.registry.broken
    assert set(broken) == {"lab.bad", "lab.alias", "lab.gone"}
    assert "no_such_library" in broken["lab.bad"].error
    assert "calls itself 'lab.double'" in broken["lab.alias"].error
    assert "lengths_plugin" not in sys.modules
    opened.trust.add(opened.registry.get("lab.double"))
    assert opened.runner.run(call()).ok
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: [*points, importlib.metadata.EntryPoint("lab.double", "x:y", "novum.tools")],
    )
    with pytest.raises(UsageError, match=r"two tools are called 'lab\.double'"):
        _ = workspace().registry


def test_a_description_is_asked_once_for_the_same_code(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py")
    assert workspace().registry.get("lab.double")
    again = workspace()
    assert again.registry.get("lab.double")
    assert "sandbox" not in vars(again)


def test_a_remembered_description_is_checked_like_a_fresh_one(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py")
    assert workspace().registry.get("lab.double")
    (kept,) = (folder / ".cache" / "novum" / "plugins").iterdir()
    claim = json.loads(kept.read_text())
    claim[0]["spec"]["parameters"] = {"type": "string"}
    kept.write_text(json.dumps(claim))
    assert "cannot be used" in workspace().registry.broken["tools/doubling.py"].error


def test_a_plugin_whose_answer_breaks_its_promise_fails_like_any_tool(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py", body="return {'length': 1.0}")
    opened = workspace()
    opened.trust.add(opened.registry.get("lab.double"))
    result = opened.runner.run(call())
    assert result.status is CallStatus.ERROR
    assert "not the promised" in result.message


def test_files_are_shown_when_they_are_declared_and_nothing_is_imported_from_them(workspace, folder):
    with TemporaryDirectory(dir="/var/tmp") as place:
        data = Path(place, "handbook")
        data.mkdir()
        (data / "table.txt").write_text("7.5")
        (data / "shadowing.py").write_text("raise SystemExit('imported')\n")
        body = f"""
try:
    import shadowing
except ImportError:
    length = float(open({str(data / "table.txt")!r}).read())
"""
        write_plugin(folder / "tools" / "doubling.py", body=body, more=f"files=({str(data)!r},)")
        opened = workspace()
        found = opened.registry.get("lab.double")
        assert opened.trust.add(found).needs.files == (str(data),)
        result = opened.runner.run(call())
        assert result.ok, result.message
        assert result.properties["length"].value == 15


def test_the_ledger_says_which_code_was_trusted(workspace, folder):
    write_plugin(folder / "tools" / "doubling.py")
    opened = workspace()
    goal = Goal(
        objectives=(Objective(property="length", kind=ObjectiveKind.MAXIMISE, unit="m", tool="lab.double"),),
        space=PoolSpace(
            source="rows",
            rows=tuple(Candidate(id=str(x), label=str(x), arguments={"length": float(x)}) for x in range(3)),
        ),
        budget=Budget(experiments=2, batch=2),
        confirmation=Confirmation(method="none"),
    )
    with pytest.raises(NotTrustedError):
        opened.discovery.create(goal, planner="random")
    code = opened.trust.add(opened.registry.get("lab.double")).code
    campaign = opened.discovery.create(goal, planner="random")
    started = next(iter(opened.ledger.events(campaign)))
    assert started.versions["tool lab.double"].startswith(f"{code} trusted 2")
    assert opened.discovery.run(campaign).state == "finished"


def test_a_pipe_in_the_folder_does_not_hold_anybody_up(workspace, folder):
    (folder / "tools").mkdir()
    os.mkfifo(folder / "tools" / "pipe.py")
    assert "no regular file" in workspace().registry.broken["tools/pipe.py"].error
