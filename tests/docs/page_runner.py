"""Runs, loads or parses the blocks of pages, in a folder of their own."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path

import pytest
from doc_blocks import EXAMPLES, Block, blocks_of

from novum.core.errors import GoalError
from novum.core.settings import Settings, load_settings
from novum.runtime import Workspace
from novum.tools.registry import Registry
from novum.workflows.goal_files import load_goal

COMMAND_LIMIT_S = 100
MOST_EXPERIMENTS = 8
"""What one campaign may spend here, whatever its page says."""


def check_pages(
    pages: Sequence[Path], root: Path, monkeypatch: pytest.MonkeyPatch, *, registry: Registry
) -> None:
    """Check every block of pages that follow each other, in one folder below `root`."""
    folder = root / "work"
    folder.mkdir()
    shutil.copytree(EXAMPLES, folder / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for variable in [name for name in os.environ if name.startswith("NOVUM_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root / "config"))
    monkeypatch.setenv("NOVUM_EMBEDDER", "hashing")  # loads in no time; other tests load the model
    environment = dict(os.environ)
    bin_folder = Path(sys.executable).parent
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {"PATH": f"{bin_folder}:{environment['PATH']}", "PYTHONPATH": ":".join(paths)}
    page = types.ModuleType("page")
    page.__file__ = str(pages[0])
    # A tool that is defined on the page looks for its code in its module.
    monkeypatch.setitem(sys.modules, "page", page)
    namespace = vars(page)
    blocks = [b for page in pages for b in blocks_of(page) if b.directive != "not run"]
    for block in blocks:  # files first: a page may show a command before the file that it reads
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, encoding="utf-8")
        if block.title == "novum.toml":  # its keys are checked below; in force it would change what follows
            (folder / block.title).unlink()
    for block in blocks:
        _check(block, folder, registry=registry, environment=environment, namespace=namespace)


def _check(block: Block, folder: Path, *, registry: Registry, environment: dict, namespace: dict) -> None:
    match block.language:
        case "console":
            assert block.commands, f"{block.place}: a console block has a line that begins with '$ '"
            for command in block.commands:
                _run(block, command, folder, environment)
        case "python" if not block.title:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, block.place, "exec"), namespace)
        case "yaml":
            _load_goal(block, folder, registry)
        case "toml":
            content = tomllib.loads(block.text)
            if block.title == "novum.toml":
                Settings.model_validate(content)
        case "json":
            json.loads(block.text)
        case "csv":
            rows = list(csv.reader(io.StringIO(block.text)))
            assert len({len(row) for row in rows}) == 1, f"{block.place}: rows differ in length"


def _run(block: Block, command: str, folder: Path, environment: dict) -> None:
    small = re.sub(r"(?<=--experiments )\d+", lambda n: str(min(int(n[0]), MOST_EXPERIMENTS)), command)
    ended = subprocess.run(
        ["bash", "-c", small],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        stdin=subprocess.DEVNULL,
    )
    said = f"exit code {ended.returncode}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    assert ended.returncode == block.expected_code, f"{block.place}: $ {command}\n{said}"
    if block.expected_code:  # an error's message is worth its exact words
        shown = [line for line in block.text.splitlines() if not line.startswith("$ ")]
        assert [_plain(line) for line in shown] == [_plain(line) for line in ended.stderr.splitlines()]


def _plain(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def _load_goal(block: Block, folder: Path, registry: Registry) -> None:
    path = folder / (block.title or "page.yaml")
    path.write_text(block.text, encoding="utf-8")
    here = registry
    if (folder / "tools").is_dir():  # the page adds a tool
        with Workspace(load_settings()) as opened:
            here = opened.registry
    if block.directive == "must be refused":
        with pytest.raises(GoalError):
            load_goal(str(path), here)
        return
    load_goal(str(path), here)
