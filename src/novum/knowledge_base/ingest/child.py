"""The process in which a reader may crash: a request on standard input, what it found on standard output.

Each answer is a line of JSON; one of the kind ``bytes`` is followed by as many bytes as it says.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from novum.core.calls import Artifact
from novum.core.digest import digest_bytes
from novum.core.errors import IngestError
from novum.knowledge_base.ingest import anndata, sampled
from novum.knowledge_base.ingest.apart import about_from, bounds_from, draft_to
from novum.knowledge_base.ingest.draft import Reader, Shape, Task
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.parsing import BAD_INPUT
from novum.knowledge_base.ingest.report import Report
from novum.knowledge_base.ingest.source import HEAD_BYTES, Source

_SPARE_BYTES = 1024 * 2**20
"""Memory for the libraries and for copies, on top of what a file may hold."""


_REFUSED: tuple[type[Exception], ...] = (IngestError, *BAD_INPUT)


class _Told(Report):
    """A report whose notes are told at once."""

    def note(self, name: str, message: str, *, place: str = "") -> None:  # noqa: ARG002
        _tell(kind="note", message=message, place=place)


def main() -> None:
    """Read the file that is open as the first argument says."""
    request = json.load(sys.stdin)
    descriptor = int(sys.argv[1])
    bounds = bounds_from(request["bounds"])
    _limit(bounds.max_held_bytes, bounds.max_seconds)
    source = Source(
        **request["source"],
        label=request["source"]["name"],
        head=os.pread(descriptor, HEAD_BYTES, 0),
        _descriptor=descriptor,
        _stamp=(0, 0),
    )
    task = Task(source, about_from(request["about"]), bounds, _Told(), _keep)
    try:
        for draft in _reader(task, Format(request["format"]))(task):
            _tell(kind="draft", draft=draft_to(draft))
    except _REFUSED as error:
        _tell(kind="refused", reason=str(error) or type(error).__name__)
    except MemoryError:
        _tell(kind="refused", reason="it needs more memory than it may have")
    else:
        _tell(kind="end")


def _reader(task: Task, format: Format) -> Reader:
    if format is not Format.HDF5:
        raise IngestError(f"{format} is not read in a process of its own")
    if task.about.shape is Shape.OMICS or (task.about.shape is None and anndata.is_anndata(task)):
        return anndata.read_anndata
    return sampled.read_hdf5


def _limit(held: int, seconds: float) -> None:
    """Bound memory and time, and forbid to write files."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + 6 * held + _SPARE_BYTES
    cpu = max(1, min(int(seconds) + 1, 2**31))
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _keep(data: bytes, name: str, media_type: str) -> Artifact:
    _tell(kind="bytes", size=len(data), name=name, media_type=media_type)
    sys.stdout.buffer.write(data)
    return Artifact(name=name, sha256=digest_bytes(data), size=len(data), media_type=media_type)


def _tell(**what: Any) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
