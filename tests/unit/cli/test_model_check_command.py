"""``novum model check`` over the real tiny server: its card is right, is kept, and belongs to the server."""

from importlib.util import find_spec

import pytest
from conftest import novum_command

from novum.agents.models.base import Card

pytest_plugins = ["tiny_model"]
pytestmark = pytest.mark.skipif(not find_spec("llguidance"), reason="the extra serve-tiny is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("NOVUM_MODEL", "NOVUM_MODELS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def model(*arguments: object):
    return novum_command("model", *arguments)


def test_the_card_of_the_tiny_server_is_right_and_kept(tiny_server, folder):
    model("add", "mine", tiny_server.base_url, "--model", "tiny", "--engine", "tiny")
    assert model("list", "--json").json["models"][0]["checked"] is None
    ended = model("check", "--json")
    assert ended.code == 0, ended.err
    card = Card.model_validate(ended.json)
    assert (card.model, card.served_as, card.engine) == ("mine", "tiny", "tiny")
    assert card.probed
    assert (card.tools, card.forced_tool, card.json_schema, card.streaming) == ("native", True, True, True)
    assert (card.images, card.context_tokens, card.thinking) == (False, 32768, "never")
    assert card.tokens_per_s is None or card.tokens_per_s > 0
    found = {finding.name: finding.ok for finding in card.findings}
    assert {"chat", "streaming", "tools", "json_schema", "thinking", "images", "context", "speed"} <= set(
        found
    )
    assert found["chat"] is True
    (listed,) = model("list", "--json").json["models"]
    assert (listed["state"], listed["checked"]) == ("answers", card.probed_at.date().isoformat())
    # The card is the server's, not the name's.
    model("add", "same", tiny_server.base_url, "--model", "tiny")
    model("add", "other", tiny_server.base_url, "--model", "larger")
    checked = {m["name"]: m["checked"] for m in model("list", "--json").json["models"]}
    assert (checked["same"], checked["other"]) == (listed["checked"], None)
    assert "answers, but serves tiny" in model("list").out


def test_the_card_is_shown_as_a_table(tiny_server):
    model("add", "mine", tiny_server.base_url, "--model", "tiny")
    shown = model("check", "mine").out
    for words in (
        "32768 tokens",
        "json schema",
        "forced tool",
        "called through the server",
        "reads text only",
    ):
        assert words in shown
    assert "remote" not in shown


def test_a_server_that_does_not_answer_has_no_card(folder):
    model("add", "gone", "http://127.0.0.1:9/v1", "--model", "m")
    ended = model("check", "gone", "--timeout", 2)
    assert ended.code == 4
    assert list((folder / "cache").rglob("*.json")) == []


def test_a_key_that_is_not_there_is_said_before_anything_is_asked(tiny_server, monkeypatch):
    monkeypatch.delenv("LAB_KEY", raising=False)
    model("add", "mine", tiny_server.base_url, "--model", "tiny", "--key-variable", "LAB_KEY")
    ended = model("check")
    assert (ended.code, "LAB_KEY" in ended.err) == (2, True)


def test_without_a_model_one_is_told_how_to_get_one():
    ended = model("check")
    assert (ended.code, "'novum model add'" in ended.err) == (2, True)
