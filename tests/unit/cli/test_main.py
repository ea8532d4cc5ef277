"""The root command: help, errors, exit codes, and what it must not load."""

import json
import subprocess
import sys

import pytest
import typer.main
from conftest import novum_command

from novum.cli.main import COMMANDS, LazyCommands, describe_error, root
from novum.core.errors import EvidenceError, GoalError, NotFoundError, StoreError, ToolFailedError

FORBIDDEN = (
    "torch",
    "rdkit",
    "chromadb",
    "langgraph",
    "litellm",
    "pymatgen",
    "sentence_transformers",
    "pydantic",
    "numpy",
    "rich",
)

KB = (
    *("search", "list", "show", "stats", "quality", "bias", "why", "impact", "history", "diff", "conflicts"),
    *(
        "resolve",
        "retract",
        "reinstate",
        "link",
        "amend",
        "add",
        "export",
        "import",
        "verify",
        "rebuild",
        "appraise",
        "gc",
    ),
)
PAGES = [
    (),
    *((name,) for name in COMMANDS),
    *(("kb", name) for name in KB),
    *(("tools", name) for name in ("list", "show", "run")),
    *(("model", name) for name in ("list", "add", "use", "remove", "check", "serve", "stop")),
]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom novum.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(m for m in {FORBIDDEN!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Campaigns:" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: " ".join(page) or "novum")
def test_help(page: tuple[str, ...], snapshot: object) -> None:
    ended = novum_command(*page, "--help")
    assert ended.code == 0
    assert "Example" in ended.out
    assert ended.out == snapshot


def test_static_help_is_what_the_command_says_of_itself() -> None:
    commands = LazyCommands()
    for name, entry in COMMANDS.items():
        assert commands[name].short_help == entry.help, name


def test_no_command_shows_the_help() -> None:
    assert "Usage: novum" in "".join([(ended := novum_command()).out, ended.err])


def test_version() -> None:
    ended = novum_command("--version")
    assert (ended.code, ended.out.split()[0]) == (0, "novum")


def test_unknown_command_offers_the_nearest() -> None:
    ended = novum_command("campaings")
    assert ended.code == 2
    assert "Did you mean 'campaigns'?" in ended.err


def test_unknown_option_is_a_usage_error() -> None:
    ended = novum_command("campaigns", "--jsn")
    assert ended.code == 2
    assert "--json" in ended.err


@pytest.mark.parametrize(
    ("error", "code"), [(NotFoundError, 2), (StoreError, 4), (EvidenceError, 5), (ToolFailedError, 1)]
)
def test_exit_code_is_that_of_the_error(
    error: type[Exception], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("so it is")

    monkeypatch.setattr("novum.cli.campaigns.open_workspace", fail)
    ended = novum_command("campaigns")
    assert (ended.code, ended.out, ended.err) == (code, "", "error: so it is\n")
    assert "Traceback" in novum_command("campaigns", "--debug").err
    told = novum_command("campaigns", "--json").told["error"]
    assert told == {"type": error.__name__, "message": "so it is", "exit_code": code}


def test_error_of_a_goal_file_names_line_and_key_in_json() -> None:
    told = json.loads(describe_error(GoalError("no", line=3, key="seed"), as_json=True))["error"]
    assert (told["line"], told["key"]) == (3, "seed")


def test_error_with_control_characters_only_shows() -> None:
    assert describe_error(NotFoundError("\x1b[2J\x07"), as_json=False) == "error: \\x1b[2J\\x07"


def test_root_is_a_typer_command() -> None:
    assert typer.main.get_command(root).name == "novum"
