"""Links lead somewhere, tables say what the code says, and every page can be found."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from cli_reference import PAGE, WIDTH, cli_reference
from doc_blocks import BLOCK_PAGES, DOCS, ROOT
from markdown_it import MarkdownIt
from pydantic import BaseModel
from ruamel.yaml import YAML

from novum.core import errors
from novum.core.calls import CallStatus
from novum.core.goals import Budget
from novum.core.settings import Settings
from novum.core.spaces import LinearConstraint
from novum.workflows.goal_files import (
    ConfirmationEntry,
    CrystalsEntry,
    GoalFile,
    MoleculesEntry,
    ParameterEntry,
    ParametersEntry,
    PoolEntry,
    WishEntry,
)

PAGES = [*BLOCK_PAGES, ROOT / "CHANGELOG.md"]
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]


def links_of(page: Path) -> list[str]:
    """Return the targets of a page's links and images."""
    found = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target:
                found.append(str(target))
    return found


def headings_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    texts = [text.content for one, text in pairwise(tokens) if one.type == "heading_open"]
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", text.lower()).strip()) for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_that_are_there(page):
    for target in links_of(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target} is not there"
        if anchor:
            assert anchor in headings_of(file), f"{page.name}: {target} has no such heading"


def test_every_page_is_in_the_navigation():
    configuration = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def leaves(node):
        if isinstance(node, str):
            return {node}
        return set().union(*(leaves(n) for n in (node.values() if isinstance(node, dict) else node)))

    assert leaves(configuration["nav"]) == {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")}


def test_the_site_loads_nothing_from_elsewhere():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert YAML(typ="safe").load(text)["theme"]["font"] is False
    assert "http" not in text
    # The script that draws such diagrams would be fetched.
    assert not any("```mermaid" in p.read_text(encoding="utf-8") for p in PAGES)


def test_the_page_of_commands_is_what_help_says():
    said, page = cli_reference(), PAGE.read_text(encoding="utf-8")
    assert page == said, "run: python tests/docs/cli_reference.py"


@pytest.mark.parametrize("command", ["", "run", "kb search"])
def test_the_page_of_commands_is_what_the_terminal_shows(command):
    program = Path(sys.executable).with_name("novum")
    shown = subprocess.run(
        [str(program), *command.split(), "--help"],
        env={**os.environ, "COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    said = "\n".join(line.rstrip() for line in shown.strip().splitlines())
    assert said in PAGE.read_text(encoding="utf-8")


def rows_of(page: Path, heading: str) -> dict[str, list[str]]:
    """Return the table under a heading: first cell, without backticks → the other cells."""
    text = page.read_text(encoding="utf-8")
    section = re.split(r"^#", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows[2:]}


SECTIONS: list[tuple[str, type[BaseModel]]] = [
    ("## Top level", GoalFile),
    ("## One of `objectives`", WishEntry),
    ("## `space` with `kind: molecules`", MoleculesEntry),
    ("## `space` with `kind: crystals`", CrystalsEntry),
    ("## `space` with `kind: pool`", PoolEntry),
    ("## `space` with `kind: parameters`", ParametersEntry),
    ("One of `parameters`:", ParameterEntry),
    ("One of `constraints`: Σ coefficient × parameter ≤ bound.", LinearConstraint),
    ("## `budget`", Budget),
    ("## `confirmation`", ConfirmationEntry),
]


@pytest.mark.parametrize(("heading", "model"), SECTIONS, ids=[h.strip("#: ") for h, _ in SECTIONS])
def test_the_goal_file_reference_has_every_key_with_its_default(heading, model):
    text = (DOCS / "reference" / "goal-file.md").read_text(encoding="utf-8")
    section = text.split(f"{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", section, flags=re.MULTILINE)
    assert table is not None
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[0].splitlines()[2:]]
    documented = {row[0].strip("`"): row[2] for row in rows}
    assert set(documented) == set(model.model_fields)
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, bool):
            assert documented[name] == str(default).lower(), name
        elif isinstance(default, int | float):
            assert float(documented[name]) == default, name


def test_every_setting_is_documented_with_its_variable():
    documented = rows_of(DOCS / "reference" / "settings.md", "# Settings")
    assert set(documented) == set(Settings.model_fields)
    for name, cells in documented.items():
        assert cells[0] == f"`NOVUM_{name.upper()}`"


def test_every_error_is_documented_with_its_exit_code():
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+Error)` \| (?:`(\w+)`)? ?\| (\d+) \|", page, flags=re.MULTILINE)
    documented = {name: (parent, int(code)) for name, parent, code in rows}
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.NovumError)]
    for error in classes:
        parent = error.__bases__[0].__name__ if error is not errors.NovumError else ""
        assert documented.pop(error.__name__) == (parent, error.exit_code)
    assert documented == {}


def test_every_state_of_a_call_is_documented():
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, flags=re.MULTILINE)) == {s.value for s in CallStatus}


def test_readme_is_short_and_begins_with_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 200
    beginning = "\n".join(lines[:15])
    assert "make demo" in beginning
    assert "make test" in beginning
