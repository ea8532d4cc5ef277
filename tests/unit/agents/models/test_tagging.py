"""Molecules go to a model of the Intern family between its tags, and to every other as they are."""

import pytest

from novum.agents.models.base import Message, ToolOutput
from novum.agents.models.payload import messages_of
from novum.agents.models.profiles import get_profile
from novum.agents.scientist.quoting import quoted

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
TALK = (
    Message.system("You are the proposer."),
    Message.user(f'E001, rank 1: {quoted(ASPIRIN)}: "gap" 4.3 eV'),
    Message.assistant("I see."),
    Message.tool(ToolOutput(id="1", name="lookup", text=f"found {ASPIRIN}")),
)


def told(family: str) -> list[str]:
    return [m["content"] for m in messages_of(TALK, get_profile(family), engine="vllm")]


@pytest.mark.parametrize("family", ["intern-s1", "intern-s1-mini"])
def test_the_intern_family_reads_molecules_between_tags(family):
    system, user, _, tool = told(family)
    assert f'"<SMILES>{ASPIRIN}</SMILES>"' in user
    assert f"<SMILES>{ASPIRIN}</SMILES>" in tool
    assert system == TALK[0].text


def test_other_models_are_told_what_was_written():
    assert told("generic") == [m.text for m in TALK]
