"""Every block of README and docs is run, loaded or parsed. A page, or a group of pages, has its own folder."""

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
from pathlib import Path

import pytest
from doc_blocks import DOCS, EXAMPLES, LANGUAGES, ROOT, Block, blocks_of

from novum.core.errors import GoalError
from novum.tools.registry import Registry
from novum.workflows.goal_files import load_goal

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]
COMMAND_LIMIT_S = 100
MOST_EXPERIMENTS = 8
"""What one campaign may spend here, whatever its page says."""

TOGETHER = ("docs/tutorial/first-campaign.md", "README.md", "docs/how-to/knowledge-base.md")
"""Pages that follow each other in one folder: the later ones look at what the first one made."""


def _is_slow(page: Path) -> bool:
    """Say whether a page runs commands, which may run campaigns."""
    return any(b.language == "console" and b.directive != "not run" for b in blocks_of(page)) or (
        ".run(" in page.read_text(encoding="utf-8")
    )


GROUPS = [[ROOT / name for name in TOGETHER], *([p] for p in PAGES if str(p.relative_to(ROOT)) not in TOGETHER)]
PARAMETERS = [
    pytest.param(
        pages,
        id="+".join(p.stem for p in pages),
        marks=[pytest.mark.slow, pytest.mark.sandbox] if any(map(_is_slow, pages)) else [],
    )
    for pages in GROUPS
]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_block_says_what_it_is(page):
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block.place}: say what the block is, not {block.language!r}"
        if block.directive in ("not run", "must be refused"):
            assert block.reason, f"{block.place}: say why it is not run"


@pytest.mark.parametrize("pages", PARAMETERS)
def test_the_blocks_work(pages, registry, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copytree(EXAMPLES, folder / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    for variable in [name for name in os.environ if name.startswith("NOVUM_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NOVUM_EMBEDDER", "hashing")  # loads in no time; other tests load the model
    environment = dict(os.environ)
    bin_folder = Path(sys.executable).parent
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {"PATH": f"{bin_folder}:{environment['PATH']}", "PYTHONPATH": ":".join(paths)}
    namespace = {"__name__": "__main__"}
    blocks = [b for page in pages for b in blocks_of(page) if b.directive != "not run"]
    for block in blocks:  # files first: a page may show a command before the file that it reads
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")
        if block.title == "pyproject.toml":
            _offer_entry_points(folder, block)
        if block.title == "novum.toml":  # read in a test of its own; it would change what follows
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
            tomllib.loads(block.text)
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
    assert ended.returncode == block.expected_code, (
        f"{block.place}: $ {command}\nexit code {ended.returncode}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    )
    if block.expected_code:  # an error's message is worth its exact words
        shown = [line for line in block.text.splitlines() if not line.startswith("$ ")]
        assert [_plain(line) for line in shown] == [_plain(line) for line in ended.stderr.splitlines()]


def _plain(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def _load_goal(block: Block, folder: Path, registry: Registry) -> None:
    path = folder / (block.title or "page.yaml")
    path.write_text(block.text, encoding="utf-8")
    here = registry
    if (folder / "pyproject.toml").exists():  # the page adds a tool
        import importlib

        importlib.invalidate_caches()
        here = Registry.load()
    if block.directive == "must be refused":
        with pytest.raises(GoalError):
            load_goal(str(path), here)
        return
    load_goal(str(path), here)


def _offer_entry_points(folder: Path, block: Block) -> None:
    """Do for the entry points what installing the page's package would do, on the path of the test only."""
    project = tomllib.loads(block.text)["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
