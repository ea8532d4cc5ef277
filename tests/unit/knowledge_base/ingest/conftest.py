"""Small real files of every format, made on the spot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from novum.core.calls import Artifact
from novum.core.digest import digest_bytes
from novum.core.knowledge import KnowledgeItem
from novum.core.science import Origin
from novum.knowledge_base.ingest import About, Bounds, Columns, ReaderProcess, Report, ingest


class Kept:
    """Keeps bytes in memory, as a store of artifacts does on disk."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def __call__(self, data: bytes, name: str, media_type: str) -> Artifact:
        artifact = Artifact(name=name, sha256=digest_bytes(data), size=len(data), media_type=media_type)
        self.blobs[artifact.sha256] = data
        return artifact


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def report() -> Report:
    return Report()


def make_about(**changes: Any) -> About:
    columns = changes.pop("columns", {})
    return About(**{"origin": Origin.MEASURED, "domain": "chemistry", **changes}, columns=Columns(**columns))


@pytest.fixture
def about() -> Callable[..., About]:
    return make_about


@pytest.fixture(scope="session")
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess() as started:
        yield started


@pytest.fixture
def take(
    tmp_path: Path, kept: Kept, report: Report, reader: ReaderProcess
) -> Callable[..., list[KnowledgeItem]]:
    """Write a file, take it, and return the items in it, without the one of the file itself.

    Raises the reason if it is refused.
    """

    def taken(
        name: str, content: str | bytes, *, bounds: Bounds | None = None, **about: Any
    ) -> list[KnowledgeItem]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        n_refused = len(report.refused)
        more = {} if bounds is None else {"bounds": bounds}
        items = list(ingest(path, make_about(**about), keep=kept, report=report, reader=reader, **more))
        if len(report.refused) > n_refused:
            raise RefusedForTest(report.refused[-1].reason)
        return items[1:]

    return taken


class RefusedForTest(Exception):
    """A file was refused, with the reason."""


@pytest.fixture
def refuse(take: Callable[..., list[KnowledgeItem]]) -> Callable[..., str]:
    """Take a file that must be refused, and return the reason."""

    def reason(name: str, content: str | bytes, **rest: Any) -> str:
        with pytest.raises(RefusedForTest) as refused:
            take(name, content, **rest)
        return str(refused.value)

    return reason
