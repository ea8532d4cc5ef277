"""The pages about models: they show what novum prints, and no key or name is missing."""

import re
import shlex

import pytest
from doc_blocks import DOCS, blocks_of
from test_pages import rows_of
from typer.testing import CliRunner

from novum.agents.models.engines.catalogue import load_catalogue
from novum.core.model_entry import ModelEntry

PAGES = sorted((DOCS / "how-to" / "models").glob("*.md"))
SHOWN = [
    (block.place, block.commands[0], block.text.split("\n", 1)[1])
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "console"
    and block.directive == ""
    and len(block.commands) == 1
    and "--machine" in block.commands[0]
]
FAMILY = ("intern-s1", "intern-s1-mini", "intern-s1-pro", "intern-s2-preview")


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\\\n", " ")).strip()


@pytest.mark.parametrize(("command", "shown"), [s[1:] for s in SHOWN], ids=[s[0] for s in SHOWN])
def test_the_command_that_a_page_shows_is_the_one_that_is_printed(command, shown):
    from novum.cli.model import app

    words = shlex.split(command)
    assert words[:2] == ["novum", "model"]
    ended = CliRunner().invoke(app, words[2:])
    assert ended.exit_code == 0
    assert plain(ended.stdout) == plain(shown)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "lmdeploy"])
def test_each_engine_has_a_page_with_each_model(engine):
    said = (DOCS / "how-to" / "models" / f"{engine}.md").read_text(encoding="utf-8")
    for name in FAMILY:
        assert f"novum model serve {name} --engine {engine} --machine" in said


def test_every_model_that_is_known_by_name_is_in_the_table():
    documented = rows_of(DOCS / "how-to" / "models" / "index.md", "## What is known by name")
    assert set(documented) == {*load_catalogue(), "tiny"}
    for name, servable in load_catalogue().items():
        assert f"{servable.weights_gb:.0f} GB" in documented[name][0]


def test_every_key_of_a_model_is_documented_with_its_default():
    documented = rows_of(DOCS / "reference" / "settings.md", "## One of `models`")
    assert set(documented) == set(ModelEntry.model_fields)
    for name, field in ModelEntry.model_fields.items():
        default = "required" if field.is_required() else field.default
        assert documented[name][0].strip("`") == (str(default) if default is not None else "none")
