import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novum.core.errors import NotFoundError, StoreError, UsageError
from novum.memory.artifacts import Artifacts


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=2000), max_size=5))
def test_bytes_come_back_as_they_were_put(blobs: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(Path(folder))
        for blob in blobs:
            artifact = artifacts.put(blob, "blob.bin")
            assert artifact.size == len(blob)
            assert Artifacts(Path(folder)).get(artifact.sha256) == blob


def test_equal_bytes_are_one_file_under_their_hash(artifacts: Artifacts) -> None:
    first = artifacts.put(b"spectrum", "a.csv", "text/csv")
    second = artifacts.put(b"spectrum", "b.txt")
    assert first.sha256 == second.sha256
    assert (first.name, first.media_type, second.name) == ("a.csv", "text/csv", "b.txt")
    path = artifacts.path(first.sha256)
    assert path.parent.name == first.sha256[:2]
    assert [p for p in artifacts.root.rglob("*") if p.is_file()] == [path]


def test_a_damaged_file_is_a_store_error_and_healed_by_putting_it_again(artifacts: Artifacts) -> None:
    artifact = artifacts.put(b"spectrum", "a.csv")
    artifacts.path(artifact.sha256).write_bytes(b"sp")
    with pytest.raises(StoreError, match="damaged"):
        artifacts.get(artifact.sha256)
    artifacts.put(b"spectrum", "a.csv")
    assert artifacts.get(artifact.sha256) == b"spectrum"


def test_an_unknown_hash_is_not_found(artifacts: Artifacts) -> None:
    with pytest.raises(NotFoundError):
        artifacts.get("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_what_is_not_a_hash_is_refused(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(UsageError):
        artifacts.path(name)


def test_files_left_behind_are_swept_on_opening_and_fresh_ones_kept(artifacts: Artifacts) -> None:
    old, fresh = artifacts.root / "tmp" / "old", artifacts.root / "tmp" / "fresh"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    Artifacts(artifacts.root)
    assert not old.exists()
    assert fresh.exists()
    assert artifacts.sweep(older_than_s=-1) == 1


def test_a_root_that_is_a_file_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Artifacts(tmp_path / "file")
