"""A campaign notes how far the knowledge base went, so that what is cut off its end is missed."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from conftest import novum_command
from knowledge_items import make_item

from novum.knowledge_base import KnowledgeBase


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "ws"))


def cut_off(knowledge: Path, n: int) -> None:
    """Leave the first `n` versions, and nothing by which the knowledge base itself could notice."""
    with sqlite3.connect(knowledge / "items.sqlite3") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        for table in ("items", "bodies", "links"):
            connection.execute(f"DELETE FROM {table} WHERE seq > ?", (n,))
        connection.execute("UPDATE items SET until = NULL WHERE until > ?", (n,))
        for table in ("disagreements", "resolutions", "forecasts"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM tips WHERE name <> 'items'")
        connection.execute(
            "UPDATE tips SET n = ?, hash = (SELECT hash FROM bodies WHERE seq = ?) WHERE name = 'items'",
            (n, n),
        )
    connection.close()


def checks(ended) -> dict[str, bool | None]:
    return {check["name"]: check["ok"] for check in ended.json["checks"]}


def test_a_knowledge_base_that_goes_on_holds_what_a_campaign_noted(workspace):
    assert checks(novum_command("verify", "demo", "-w", workspace, "--json"))["knowledge base"] is True
    with KnowledgeBase(workspace / "knowledge", embedder="hashing") as kb:
        position, _ = kb.head
        kb.retract(kb.query()[0].id, reason="later")
        assert kb.head[0] > position
    assert checks(novum_command("verify", "demo", "-w", workspace, "--json"))["knowledge base"] is True
    assert novum_command("kb", "verify", "-w", workspace, "--json").json["ok"] is True


def test_an_end_that_was_cut_off_is_missed(workspace):
    cut_off(workspace / "knowledge", 2)
    with KnowledgeBase(workspace / "knowledge", embedder="hashing") as kb:
        assert kb.verify().ok  # by itself it cannot know
    ended = novum_command("verify", "demo", "-w", workspace, "--json")
    assert (ended.code, checks(ended)["knowledge base"]) == (5, False)
    ended = novum_command("kb", "verify", "-w", workspace, "--json")
    assert ended.code == 5
    said = "was noted by campaign demo, finished; the end of the chain is missing"
    assert any(said in fault for fault in ended.json["faults"])


def test_another_knowledge_base_in_its_place_is_found_out(workspace):
    shutil.rmtree(workspace / "knowledge")
    ended = novum_command("verify", "demo", "-w", workspace, "--json")
    assert (ended.code, checks(ended)["knowledge base"]) == (5, False)
    with KnowledgeBase(workspace / "knowledge", embedder="hashing") as kb:
        kb.record(make_item(str(n), id=f"K-{n}", subject=str(n)) for n in range(200))
    ended = novum_command("kb", "verify", "-w", workspace, "--json")
    assert ended.code == 5
    assert "another one is there" in ended.json["faults"][0]
