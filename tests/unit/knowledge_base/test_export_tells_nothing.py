"""An export does not tell what was withheld: not even the ids of closed items, which are hashes of them."""

from collections.abc import Iterator

import pytest

from novum.core.knowledge import (
    Access,
    DataClass,
    Evidence,
    EvidenceRole,
    KnowledgeItem,
    Level,
    Provenance,
    item_id,
)
from novum.core.science import Origin
from novum.knowledge_base.base import KnowledgeBase
from novum.knowledge_base.exchange import export_crate, verify_crate


def fact(text, **changes):
    return KnowledgeItem(
        id=item_id(subject="s", relation="states", conditions={}, method="", value=None, text=text),
        level=Level.FACTUAL,
        data_class=DataClass.TEXT,
        domain="life",
        subject="s",
        relation="states",
        text=text,
        origin=Origin.MEASURED,
        provenance=Provenance(source="paper"),
        **changes,
    )


SECRET = fact("a patient's finding", access=Access.SENSITIVE)
OPEN = fact("an open finding")


@pytest.fixture
def knowledge(tmp_path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase(tmp_path / "knowledge", embedder="hashing") as opened:
        yield opened


def content(crate):
    return b"".join(file.read_bytes() for file in sorted(crate.rglob("*")) if file.is_file())


@pytest.mark.parametrize("role", list(EvidenceRole))
def test_the_id_of_a_closed_item_is_nowhere_in_an_export(knowledge, tmp_path, role):
    named = fact(f"it {role.value} something", evidence=(Evidence(target=SECRET.id, role=role),))
    named = named.model_copy(update={"origin": Origin.SIMULATED})
    knowledge.record([SECRET, OPEN, named])
    exported = export_crate(knowledge.items, tmp_path / "crate")
    assert SECRET.id.encode() not in content(tmp_path / "crate")
    assert OPEN.id.encode() in content(tmp_path / "crate")
    assert set(exported.withheld) == {SECRET.id, named.id}
    assert verify_crate(tmp_path / "crate").n_items == 1


def test_what_names_a_closed_item_goes_where_that_one_may_go(knowledge, tmp_path):
    named = fact("it refutes something", evidence=(Evidence(target=SECRET.id, role=EvidenceRole.REFUTES),))
    knowledge.record([SECRET, OPEN, named])
    exported = export_crate(knowledge.items, tmp_path / "crate", allow=[Access.SENSITIVE])
    assert exported.withheld == ()
    assert SECRET.id.encode() in content(tmp_path / "crate")


def test_an_item_whose_place_a_closed_one_took_does_not_name_it(knowledge, tmp_path):
    newer = fact(
        "a newer finding of a patient",
        access=Access.SENSITIVE,
        evidence=(Evidence(target=OPEN.id, role=EvidenceRole.SUPERSEDES),),
    )
    knowledge.record([OPEN])
    knowledge.record([newer])
    export_crate(knowledge.items, tmp_path / "crate")
    assert newer.id.encode() not in content(tmp_path / "crate")


def test_what_a_closed_item_supports_does_not_name_it(knowledge, tmp_path):
    knowledge.record([OPEN, SECRET])
    knowledge.link(SECRET.id, EvidenceRole.SUPPORTS, OPEN.id)
    exported = export_crate(knowledge.items, tmp_path / "crate")
    assert SECRET.id.encode() not in content(tmp_path / "crate")
    assert OPEN.id in exported.withheld
