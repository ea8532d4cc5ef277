import hashlib
import io
import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rocrate.rocrate import ROCrate

from novum.core.errors import UsageError
from novum.core.knowledge import (
    Access,
    Evidence,
    EvidenceRole,
    ItemStatus,
    KnowledgeItem,
    Provenance,
    item_id,
)
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.knowledge_base import KnowledgeBase
from novum.knowledge_base.exchange import (
    CrateError,
    export_crate,
    find_origins,
    import_crate,
    layout,
    reading,
    verify_crate,
)
from novum.knowledge_base.ingest import About, ingest

Make = Callable[..., KnowledgeItem]


@pytest.fixture
def kb(tmp_path: Path, item: Make):
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        fact = item("the gap is 4 eV", id="K-fact", subject="a")
        kb.record([fact])
        kb.record(
            [
                item(
                    "conjugation lowers the gap",
                    id="K-insight",
                    subject="b",
                    relation="says",
                    value=None,
                    evidence=(Evidence(target="K-fact", role=EvidenceRole.DERIVED_FROM),),
                    provenance=Provenance(source="10.1/x", agent="Ada", tool="fit", tool_version="2"),
                ),
                item("a patient's scan", id="K-secret", subject="c", relation="x", access=Access.SENSITIVE),
                item("an early result", id="K-early", subject="d", relation="y", access=Access.RESTRICTED),
            ]
        )
        kb.retract("K-fact", reason="the sample was impure")
        yield kb


@pytest.fixture
def crate(tmp_path: Path, kb: KnowledgeBase) -> Path:
    export_crate(kb.items, tmp_path / "crate", name="What we know", licence="CC-BY-4.0")
    return tmp_path / "crate"


@pytest.fixture
def other(tmp_path: Path):
    with KnowledgeBase(tmp_path / "other", embedder="hashing") as other:
        yield other


def reseal(crate: Path) -> None:
    """Make the manifest fit again, as somebody would who changed a crate on purpose."""
    metadata = json.loads((crate / layout.METADATA).read_text())
    for entity in metadata["@graph"]:
        if "sha256" in entity:
            entity["sha256"] = hashlib.sha256((crate / entity["@id"]).read_bytes()).hexdigest()
    (crate / layout.METADATA).write_text(json.dumps(metadata))
    (crate / layout.MANIFEST).write_text(
        "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
            for path in sorted(crate.iterdir())
            if path.name != layout.MANIFEST
        )
    )


def test_a_crate_is_read_by_the_library_of_ro_crate(crate: Path) -> None:
    read = ROCrate(crate)
    assert (read.version, read.name) == ("1.2", "What we know")
    assert (read.license.id, read.license["name"]) == ("https://spdx.org/licenses/CC-BY-4.0", "CC-BY-4.0")
    assert {entity.id for entity in read.data_entities} == {
        layout.RECORDS,
        layout.GRAPH,
        layout.ITEMS_TABLE,
        layout.VERSIONS_TABLE,
        layout.LINKS_TABLE,
    }
    action = read.dereference("#export")
    assert action["prov:wasAssociatedWith"]["name"] == "novum"
    assert (
        read.dereference(layout.RECORDS)["sha256"]
        == hashlib.sha256((crate / layout.RECORDS).read_bytes()).hexdigest()
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
def test_the_graph_says_in_terms_of_prov_what_rests_on_what(crate: Path) -> None:
    rdflib = pytest.importorskip("rdflib")
    graph = rdflib.Graph().parse(data=(crate / layout.GRAPH).read_text(), format="json-ld")
    prov = rdflib.Namespace("http://www.w3.org/ns/prov#")
    item = rdflib.URIRef("urn:novum:item:K-insight:1")
    assert (item, prov.wasDerivedFrom, rdflib.URIRef("urn:novum:item:K-fact")) in graph
    assert (item, rdflib.RDF.type, prov.Entity) in graph
    (activity,) = graph.objects(item, prov.wasGeneratedBy)
    (agent,) = graph.objects(activity, prov.wasAssociatedWith)
    assert (agent, rdflib.RDF.type, prov.SoftwareAgent) in graph
    retracted = rdflib.URIRef("urn:novum:item:K-fact:2")
    assert list(graph.objects(retracted, prov.invalidatedAtTime))
    assert (retracted, prov.wasRevisionOf, rdflib.URIRef("urn:novum:item:K-fact:1")) in graph


def test_tables_hold_the_latest_versions_all_versions_and_links(crate: Path) -> None:
    latest = pq.read_table(crate / layout.ITEMS_TABLE).to_pylist()
    versions = pq.read_table(crate / layout.VERSIONS_TABLE).to_pylist()
    links = pq.read_table(crate / layout.LINKS_TABLE).to_pylist()
    assert {(row["id"], row["status"]) for row in latest} == {("K-fact", "retracted"), ("K-insight", "stale")}
    assert [(row["id"], row["version"]) for row in versions] == [
        ("K-fact", 1),
        ("K-insight", 1),
        ("K-fact", 2),
        ("K-insight", 2),
    ]
    assert (versions[0]["value"], versions[0]["unit"]) == (4.0, "eV")
    assert {(row["id"], row["target"], row["role"]) for row in links} == {
        ("K-insight", "K-fact", "derived_from")
    }


def test_what_is_not_public_stays_unless_it_is_allowed_by_name(tmp_path: Path, kb: KnowledgeBase) -> None:
    done = export_crate(kb.items, tmp_path / "public")
    assert done.withheld == ("K-early", "K-secret")
    everything = b"".join(path.read_bytes() for path in done.path.iterdir())
    assert b"K-secret" not in everything
    assert b"patient" not in everything
    assert verify_crate(done.path).n_left_out == 2
    done = export_crate(kb.items, tmp_path / "more", allow=[Access.RESTRICTED])
    assert done.withheld == ("K-secret",)
    done = export_crate(kb.items, tmp_path / "all", allow=[Access.RESTRICTED, Access.SENSITIVE])
    assert done.withheld == ()
    assert verify_crate(done.path).n_left_out == 0


def test_an_item_that_was_closed_later_goes_out_in_no_version(tmp_path: Path, kb: KnowledgeBase) -> None:
    kb.items.revise(kb.get("K-insight").model_copy(update={"access": Access.SENSITIVE}))
    done = export_crate(kb.items, tmp_path / "crate")
    assert "K-insight" in done.withheld
    assert b"conjugation" not in (done.path / layout.RECORDS).read_bytes()
    assert verify_crate(done.path).n_items == 1


def test_only_chosen_items_are_exported(tmp_path: Path, kb: KnowledgeBase) -> None:
    done = export_crate(kb.items, tmp_path / "crate.zip", ids=["K-fact"])
    found = verify_crate(done.path)
    assert (found.n_items, found.n_versions, found.digest) == (1, 2, done.digest)


def test_a_path_that_is_taken_is_left_alone(tmp_path: Path, kb: KnowledgeBase) -> None:
    (tmp_path / "crate").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        export_crate(kb.items, tmp_path / "crate")


def test_an_empty_knowledge_base_makes_a_crate_that_verifies(tmp_path: Path, other: KnowledgeBase) -> None:
    export_crate(other.items, tmp_path / "crate.zip")
    assert verify_crate(tmp_path / "crate.zip").n_items == 0
    assert import_crate(other, tmp_path / "crate.zip").n_versions == 0


def test_a_crate_verifies_with_nothing_but_the_crate(tmp_path: Path, crate: Path) -> None:
    shutil.move(crate, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "kb")
    found = verify_crate(tmp_path / "elsewhere")
    assert (found.n_files, found.n_items, found.n_versions, found.name) == (7, 2, 4, "What we know")
    assert verify_crate(tmp_path / "elsewhere", digest=found.digest) == found
    with pytest.raises(CrateError, match="it is another crate"):
        verify_crate(tmp_path / "elsewhere", digest="0" * 64)


@pytest.mark.parametrize(
    "name", [layout.RECORDS, layout.GRAPH, layout.ITEMS_TABLE, layout.METADATA, layout.MANIFEST]
)
def test_a_changed_byte_in_any_file_is_noticed(crate: Path, name: str) -> None:
    data = bytearray((crate / name).read_bytes())
    data[len(data) // 2] ^= 1
    (crate / name).write_bytes(data)
    with pytest.raises(CrateError):
        verify_crate(crate)


def change_item(records: list[dict[str, Any]]) -> None:
    records[0]["item"]["value"]["value"] = 5.0


def change_version(records: list[dict[str, Any]]) -> None:
    records[0]["item"]["version"] = 7


def change_time(records: list[dict[str, Any]]) -> None:
    records[0]["recorded_at"] = "2020-01-01T00:00:00.000000+00:00"


def drop_middle(records: list[dict[str, Any]]) -> None:
    del records[1]


def drop_end(records: list[dict[str, Any]]) -> None:
    del records[-1]


def swap(records: list[dict[str, Any]]) -> None:
    records[0], records[1] = records[1], records[0]


def repeat(records: list[dict[str, Any]]) -> None:
    records.append(records[-1])


def hide_gap(records: list[dict[str, Any]]) -> None:
    (gap,) = [number for number, record in enumerate(records) if "left_out" in record]
    del records[gap]


def both(records: list[dict[str, Any]]) -> None:
    records[0]["left_out"] = 2


def add_field(records: list[dict[str, Any]]) -> None:
    records[0]["item"]["extra"] = 1


@pytest.mark.parametrize(
    "change",
    [
        change_item,
        change_version,
        change_time,
        drop_middle,
        drop_end,
        swap,
        repeat,
        hide_gap,
        both,
        add_field,
    ],
)
def test_a_changed_history_is_noticed_even_when_the_files_hashes_were_made_to_fit(
    crate: Path, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    records = [json.loads(line) for line in (crate / layout.RECORDS).read_text().splitlines()]
    change(records)
    (crate / layout.RECORDS).write_text("".join(json.dumps(record) + "\n" for record in records))
    reseal(crate)
    with pytest.raises(CrateError, match=layout.RECORDS + "|record"):
        verify_crate(crate)


def test_files_that_were_added_or_are_missing_are_noticed(crate: Path) -> None:
    (crate / "more.txt").write_text("hello")
    with pytest.raises(CrateError, match=r"were added: more\.txt"):
        verify_crate(crate)
    (crate / "more.txt").unlink()
    (crate / layout.GRAPH).unlink()
    with pytest.raises(CrateError, match="are missing"):
        verify_crate(crate)


def zipped(path: Path, *files: tuple[str, bytes], kind: int = stat.S_IFREG) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (kind | 0o644) << 16
            archive.writestr(info, data)
    return path


@pytest.mark.parametrize(
    "name",
    ["../escape", "/etc/passwd", "a/../../b", "C:/x", "a\\..\\b", "./a", "a//b", "line\nbreak", "x" * 501],
)
def test_a_name_that_leads_out_of_the_crate_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CrateError, match="could lead out of it"):
        verify_crate(zipped(tmp_path / "crate.zip", (name, b"x")))


def test_links_and_devices_are_refused(tmp_path: Path, crate: Path) -> None:
    with pytest.raises(CrateError, match="no plain file"):
        verify_crate(zipped(tmp_path / "crate.zip", ("a", b"/etc/passwd"), kind=stat.S_IFLNK))
    (crate / "link").symlink_to("/etc/passwd")
    with pytest.raises(CrateError, match="a link"):
        verify_crate(crate)


def test_an_archive_that_unfolds_to_far_more_is_refused_unread(tmp_path: Path) -> None:
    path = zipped(tmp_path / "crate.zip", (layout.RECORDS, bytes(50 * 2**20)))
    assert path.stat().st_size < 100_000
    with pytest.raises(CrateError, match="would unfold"):
        verify_crate(path)


def test_an_archive_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "crate.zip", (layout.MANIFEST, b"x" * 5000))
    data = path.read_bytes()
    assert data.count((5000).to_bytes(4, "little")) == 2
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(CrateError):
        verify_crate(path)


def test_too_many_files_or_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "crate.zip", *((f"f{i}", b"xyz") for i in range(20)))
    monkeypatch.setattr(reading, "MAX_FILES", 10)
    with pytest.raises(CrateError, match="more than 10 files"):
        verify_crate(path)
    monkeypatch.setattr(reading, "MAX_FILES", 100)
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    with pytest.raises(CrateError, match="more than 10 bytes"):
        verify_crate(path)


def test_two_files_of_one_name_an_encrypted_file_and_no_archive_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "crate.zip", ("a", b"1"), ("a", b"2"))
    with pytest.raises(CrateError, match="two files"):
        verify_crate(path)
    (tmp_path / "not.zip").write_bytes(b"PK no")
    with pytest.raises(CrateError, match="is no crate"):
        verify_crate(tmp_path / "not.zip")
    with pytest.raises(CrateError, match="there is no crate"):
        verify_crate(tmp_path / "absent")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        "[" * 100 + "]" * 100,
        '{"a": 1',
        "9" * 10_000,
        "\xff",
    ],
    ids=["NaN", "a key twice", "deep", "deep and closed", "open", "a long number", "no UTF-8"],
)
def test_json_that_nobody_can_have_meant_is_refused(text: str) -> None:
    with pytest.raises(CrateError):
        reading.parse_json(text.encode("latin-1"), "x")


def test_huge_json_and_huge_lines_are_refused(crate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_JSON", 100)
    with pytest.raises(CrateError, match="are not read as JSON"):
        verify_crate(crate)
    monkeypatch.setattr(reading, "MAX_JSON", 10**6)
    monkeypatch.setattr(reading, "MAX_LINE", 10)
    monkeypatch.setattr(reading, "_BLOCK", 20)
    with pytest.raises(CrateError, match="a line of more than 10 bytes"):
        verify_crate(crate)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("@graph"),
        lambda m: m["@graph"].clear(),
        lambda m: m["@graph"][0].update(hasPart=[{"@id": "../x"}]),
        lambda m: m["@graph"][0].update(conformsTo={"@id": "urn:other"}),
        lambda m: m["@graph"][0].update(hasPart=3),
    ],
    ids=["no graph", "empty", "other parts", "another profile", "no parts"],
)
def test_metadata_that_describe_something_else_are_refused(
    crate: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    metadata = json.loads((crate / layout.METADATA).read_text())
    change(metadata)
    (crate / layout.METADATA).write_text(json.dumps(metadata))
    lines = (crate / layout.MANIFEST).read_text().splitlines()
    new = hashlib.sha256((crate / layout.METADATA).read_bytes()).hexdigest()
    fixed = [f"{new}  {layout.METADATA}" if line.endswith(layout.METADATA) else line for line in lines]
    (crate / layout.MANIFEST).write_text("\n".join(fixed) + "\n")
    with pytest.raises(CrateError):
        verify_crate(crate)


@pytest.mark.parametrize(
    ("licence", "id"),
    [
        ("", "#licence"),
        ("MIT", "https://spdx.org/licenses/MIT"),
        ("https://example.org/terms", "https://example.org/terms"),
        ("ask us first", "#licence"),
    ],
)
def test_a_licence_is_an_entity_with_a_name(
    tmp_path: Path, other: KnowledgeBase, licence: str, id: str
) -> None:
    export_crate(other.items, tmp_path / "crate", licence=licence)
    read = ROCrate(tmp_path / "crate").license
    assert (read.id, read["name"]) == (id, licence or "None stated")


def test_a_crate_that_does_not_verify_changes_nothing(crate: Path, other: KnowledgeBase) -> None:
    with (crate / layout.RECORDS).open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(CrateError):
        import_crate(other, crate)
    assert other.items.count(status=None) == 0


def test_an_import_brings_every_version_once_with_its_origin(
    crate: Path, kb: KnowledgeBase, other: KnowledgeBase
) -> None:
    done = import_crate(other, crate)
    assert (set(done.new), done.changed, done.n_versions) == ({"K-fact", "K-insight"}, (), 4)
    again = import_crate(other, crate)
    assert (again.new, again.changed, again.n_versions) == ((), (), 0)
    theirs = [version for _, version in kb.history("K-fact")]
    assert [version.status for _, version in other.history("K-fact")][:2] == [v.status for v in theirs]
    assert other.get("K-fact").status_reason == "the sample was impure"
    assert other.get("K-insight").provenance == kb.get("K-insight").provenance
    (origin,) = find_origins(other, "K-fact", 1)
    assert (origin.name, origin.version, origin.crate) == ("What we know", 1, done.crate)
    assert origin.recorded_at == kb.history("K-fact")[0][0]
    assert find_origins(kb, "K-fact") == []
    assert set(other.items.ids(status=None)) == {"K-fact", "K-insight"}


def test_what_contradicts_what_is_known_becomes_a_conflict_and_both_are_kept(
    tmp_path: Path, item: Make, other: KnowledgeBase
) -> None:
    def says(value: float) -> KnowledgeItem:
        return item(f"the gap is {value}", subject="a", value=Quantity(value=value, unit="eV", std=0.1))

    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([says(4.0)])
        export_crate(kb.items, tmp_path / "crate")
    other.record([says(6.0)])
    import_crate(other, tmp_path / "crate")
    (conflict,) = other.conflicts()
    assert len(other.about("a")) == 2
    assert set(other.items.ids()) == {says(4.0).id, says(6.0).id}
    assert conflict.open


def test_an_import_does_not_reopen_what_is_closed_or_reinstate_what_is_withdrawn(
    tmp_path: Path, item: Make, kb: KnowledgeBase, other: KnowledgeBase
) -> None:
    export_crate(kb.items, tmp_path / "before", ids=["K-insight"])
    import_crate(other, tmp_path / "before")
    other.retract("K-insight", reason="it does not hold here")
    kb.items.revise(kb.get("K-insight").model_copy(update={"flags": ("read",), "status": ItemStatus.ACTIVE}))
    export_crate(kb.items, tmp_path / "after", ids=["K-insight"])
    import_crate(other, tmp_path / "after")
    merged = other.get("K-insight")
    assert (merged.status, merged.flags) == (ItemStatus.RETRACTED, ("read",))
    other.items.revise(merged.model_copy(update={"access": Access.SENSITIVE}))
    kb.items.revise(kb.get("K-insight").model_copy(update={"flags": ("read", "again")}))
    export_crate(kb.items, tmp_path / "last", ids=["K-insight"])
    import_crate(other, tmp_path / "last")
    assert other.get("K-insight").access is Access.SENSITIVE


@pytest.mark.parametrize(
    "forged",
    [
        {"subject": "b"},
        {"relation": "mass"},
        {"object": "a solvent"},
        {"conditions": {"T": 300}},
        {"provenance": Provenance(source="test", method="hearsay")},
        {"value": Quantity(value=9.0, unit="eV")},
        {"value": None},
    ],
    ids=["subject", "relation", "object", "conditions", "method", "value", "no value"],
)
@pytest.mark.parametrize("id", [{}, {"id": "K-chosen"}], ids=["an id of content", "a chosen id"])
def test_a_crate_with_something_else_under_an_id_that_is_known_is_refused_and_changes_nothing(
    tmp_path: Path, item: Make, other: KnowledgeBase, id: dict[str, str], forged: dict[str, Any]
) -> None:
    fact = item("the gap is 4 eV", subject="a", **id)
    other.record([fact])
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([item("a bystander", id="K-bystander", subject="z"), fact])
        kb.items.revise(fact.model_copy(update={"text": "forged", **forged}))
        kb.items.revise(fact)  # the last version alone would not show it
        export_crate(kb.items, tmp_path / "crate")
    before = contents(other)
    with pytest.raises(CrateError, match=f"version 2 of item {fact.id} is not what that id means here"):
        import_crate(other, tmp_path / "crate")
    assert contents(other) == before
    assert find_origins(other, fact.id) == []


def test_a_value_under_an_id_that_was_made_of_another_is_refused(
    tmp_path: Path, item: Make, other: KnowledgeBase
) -> None:
    fact = item("the gap is 4 eV", subject="a")
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([fact.model_copy(update={"value": Quantity(value=9.0, unit="eV")})])
        export_crate(kb.items, tmp_path / "crate")
    with pytest.raises(CrateError, match=f"item {fact.id} is not what its id was made of"):
        import_crate(other, tmp_path / "crate")
    assert other.items.count(status=None) == 0


def test_a_crate_does_not_make_an_id_say_something_else_than_it_was_made_of(
    tmp_path: Path, item: Make, other: KnowledgeBase
) -> None:
    said = item("fluorine raises the gap", subject="a", relation="finding", value=None)
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        kb.record([said])
        export_crate(kb.items, tmp_path / "before")
        kb.record([said.model_copy(update={"text": "fluorine lowers the gap"})])
        export_crate(kb.items, tmp_path / "crate")
    for known in (False, True):  # whether the item is known here or not
        with pytest.raises(CrateError, match=f"item {said.id} says what its id was not made of"):
            import_crate(other, tmp_path / "crate")
        assert other.items.count(status=None) == int(known)
        import_crate(other, tmp_path / "before")
    assert other.get(said.id).text == "fluorine raises the gap"


def test_a_crate_may_word_a_value_otherwise_but_does_not_replace_the_words_that_were_here_first(
    tmp_path: Path, item: Make
) -> None:
    fact = {"id": "K-1", "subject": "a"}
    words = "a gap of 4 eV", "the gap is 40 eV!"
    bases = [
        KnowledgeBase(tmp_path / name, embedder="hashing", clock=Clock(i)) for i, name in enumerate("ab")
    ]
    for base, text in zip(bases, words, strict=True):
        base.record([item(text, **fact)])
    for base in bases:
        export_crate(base.items, base.root.with_suffix(".zip"), name=base.root.name)
    for base, there in zip(bases, reversed(bases), strict=True):
        import_crate(base, there.root.with_suffix(".zip"))
        assert base.get("K-1").text == words[0]
        texts = {version.text: version.version for _, version in base.history("K-1")}
        assert set(texts) == set(words)
        (origin,) = find_origins(base, "K-1", 2)
        assert origin.name == there.root.name
    # What is reworded afterwards, by somebody who knows both, is taken over.
    bases[1].record([item("a gap of 4.0 eV", **fact)])
    bases[0].link("ledger:c9/E1", EvidenceRole.SUPPORTS, "K-1")
    export_crate(bases[1].items, tmp_path / "later.zip")
    import_crate(bases[0], tmp_path / "later.zip")
    assert bases[0].get("K-1").text == "a gap of 4.0 eV"
    for base in bases:
        assert base.verify().ok
        base.close()


def test_ids_with_and_without_the_object_in_them_and_derived_values_are_taken(
    tmp_path: Path, item: Make, other: KnowledgeBase
) -> None:
    value, conditions = Quantity(value=4.0, unit="eV", std=0.1), {"T": 300.0, "solvents": ["a", "b"]}
    named = item_id(
        subject="a", relation="gap", conditions=conditions, method="GFN2-xTB", value=value, object="water"
    )
    facts: dict[str, Any] = {"subject": "a", "value": value, "conditions": conditions, "object": "water"}
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        ids = kb.record([item(**facts), item(**facts, id=named)])
        ids.append(kb.derive(lambda a: 2 * a, [named], relation="double", method="arithmetic", unit="J").id)
        export_crate(kb.items, tmp_path / "crate")
    assert set(import_crate(other, tmp_path / "crate").new) == set(ids)
    assert len(set(ids)) == 3


def test_one_file_that_two_took_in_with_another_method_is_the_same_file(
    tmp_path: Path, other: KnowledgeBase
) -> None:
    (tmp_path / "gaps.csv").write_text("name,gap (eV)\nwater,4.0\nethanol,5.0\n")
    with KnowledgeBase(tmp_path / "kb", embedder="hashing") as kb:
        for base, method in ((kb, "survey"), (other, "hearsay")):
            about = About(origin=Origin.SIMULATED, domain="chemistry", method=method)
            base.record(ingest(tmp_path / "gaps.csv", about))
        export_crate(kb.items, tmp_path / "crate")
    assert len(import_crate(other, tmp_path / "crate").changed) == 1


# What two knowledge bases may do before they meet.
steps = st.lists(
    st.tuples(
        st.sampled_from(["K-1", "K-2", "K-3"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["record", "flag", "retract", "close", "support"]),
    ),
    max_size=6,
)


def live(kb: KnowledgeBase, item: Make, doing: list[tuple[str, str, str]]) -> None:
    for id, text, what in doing:
        known = kb.find(id)
        if what == "record" or known is None:
            kb.record([item(f"says {text}", id=id, subject=id, relation="says", value=None)])
        elif what == "flag":
            kb.items.revise(known.model_copy(update={"flags": (*known.flags, text)}))
        elif what == "retract":
            kb.retract(id, reason=text)
        elif what == "close":
            kb.items.revise(known.model_copy(update={"access": Access.RESTRICTED}))
        else:
            kb.link(f"ledger:{text}/1", EvidenceRole.SUPPORTS, id)


def contents(kb: KnowledgeBase) -> dict[str, set[str]]:
    """Return what each item has said in any version, as text."""
    return {
        id: {version.model_copy(update={"version": 1}).model_dump_json() for _, version in kb.history(id)}
        for id in kb.items.ids(status=None)
    }


def latest(kb: KnowledgeBase) -> dict[str, Any]:
    """Return what each item says now, but for what is computed of it here."""
    return {
        id: kb.get(id).model_dump(mode="json", exclude={"version", "confidence", "quality"})
        for id in kb.items.ids(status=None)
    }


class Clock:
    def __init__(self, start: int) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start)

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(common=steps, one=steps, other=steps)
def test_a_merge_loses_nothing_repeats_nothing_and_comes_out_the_same_from_both_sides(
    tmp_path_factory: pytest.TempPathFactory, item: Make, common: Any, one: Any, other: Any
) -> None:
    root = tmp_path_factory.mktemp("merge")
    everything = [Access.RESTRICTED, Access.SENSITIVE]
    bases = [
        KnowledgeBase(root / name, embedder="hashing", clock=Clock(i))
        for i, name in enumerate(("one", "other"))
    ]
    live(bases[0], item, common)
    export_crate(bases[0].items, root / "common", allow=everything)
    import_crate(bases[1], root / "common")
    for base, doing in zip(bases, (one, other), strict=True):
        live(base, item, doing)
    before = [contents(base) for base in bases]
    for base, name in zip(bases, ("from-one", "from-other"), strict=True):
        export_crate(base.items, root / name, allow=everything)
    import_crate(bases[0], root / "from-other")
    import_crate(bases[1], root / "from-one")
    for base in bases:
        now = contents(base)
        for had in before:  # never loses a version
            assert all(said <= now[id] for id, said in had.items())
        numbers = [[v.version for _, v in base.history(id)] for id in now]
        assert all(found == list(range(1, len(found) + 1)) for found in numbers)
        assert base.verify().ok
    assert latest(bases[0]) == latest(bases[1])  # from whichever side
    states = [contents(base) for base in bases]
    for base, name in zip(bases, ("from-other", "from-one"), strict=True):  # once is enough
        done = import_crate(base, root / name)
        assert (done.n_versions, done.new, done.changed) == (0, (), ())
    assert [contents(base) for base in bases] == states
    for base in bases:
        base.close()


def test_reading_in_blocks_gives_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        sizes = {"x": 11}

        def open(self, name: str) -> io.BytesIO:
            return io.BytesIO(b"one\ntwo\n\nxy")

    monkeypatch.setattr(reading, "_BLOCK", 3)
    assert list(reading.lines(Memory(), "x")) == [b"one", b"two", b"", b"xy"]
