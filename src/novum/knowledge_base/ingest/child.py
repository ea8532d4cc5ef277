"""The process in which files are read: what to read comes over a socket, and what was found goes back.

Standard input is that socket. Each line of it names a file, which comes open beside it. Each answer is a
line of JSON; one of the kind ``bytes`` is followed by as many bytes as it says. How much memory and time
there is, is set from outside.
"""

import array
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from novum.core.calls import Artifact
from novum.core.digest import digest_bytes
from novum.core.errors import IngestError, MissingExtraError
from novum.knowledge_base.ingest.draft import Task
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.parsing import BAD_INPUT, explained
from novum.knowledge_base.ingest.readers import READERS
from novum.knowledge_base.ingest.report import Report
from novum.knowledge_base.ingest.source import HEAD_BYTES, Source
from novum.knowledge_base.ingest.wire import about_from, bounds_from, draft_to

_BUFFER_BYTES = 2**16
_MAX_REQUEST_BYTES = 2**24


def main() -> None:
    """Read files until there are no more."""
    connection = socket.socket(fileno=os.dup(0))
    # What a library prints must not be taken for an answer.
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    with connection, connection.makefile("wb", _BUFFER_BYTES) as out:
        answers = _Answers(cast(BinaryIO, out))
        answers.tell(kind="ready")
        answers.flush()
        for request, descriptor in _requests(connection):
            try:
                _read(request, descriptor, answers)
            finally:
                os.close(descriptor)
            answers.flush()


def _read(request: dict[str, Any], descriptor: int, answers: "_Answers") -> None:
    source = Source(
        **request["source"],
        label=request["source"]["name"],
        head=os.pread(descriptor, HEAD_BYTES, 0),
        _descriptor=descriptor,
        _stamp=(0, 0),
    )
    format = Format(request["format"])
    about, bounds = about_from(request["about"]), bounds_from(request["bounds"])
    task = Task(source, about, bounds, answers, answers.keep if request["keeps"] else None)
    try:
        for draft in READERS[format](task):
            answers.tell(kind="draft", draft=draft_to(draft))
    except MissingExtraError as error:
        answers.tell(kind="missing", feature=error.feature, extra=error.extra)
    except IngestError as error:
        answers.tell(kind="refused", reason=str(error))
    except BAD_INPUT as error:
        # What a reader did not expect refuses the file, and stops nothing else.
        answers.tell(kind="refused", reason=f"it cannot be read as {format}: {explained(error)}")
    except MemoryError:
        answers.tell(kind="full", reason=f"it needs more memory than it may have to be read as {format}")
    else:
        answers.tell(kind="end")


class _Answers(Report):
    """A report whose notes are told at once, as all answers are."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self._out = out

    def note(self, name: str, message: str, *, place: str = "") -> None:  # noqa: ARG002
        self.tell(kind="note", message=message, place=place)

    def keep(self, data: bytes, name: str, media_type: str) -> Artifact:
        """Send bytes to be stored."""
        self.tell(kind="bytes", size=len(data), name=name, media_type=media_type)
        self._out.write(data)
        return Artifact(name=name, sha256=digest_bytes(data), size=len(data), media_type=media_type)

    def tell(self, **what: Any) -> None:
        """Send one line."""
        self._out.write(json.dumps(what).encode() + b"\n")

    def flush(self) -> None:
        """Send what waits to be sent."""
        self._out.flush()


def _requests(connection: socket.socket) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each line that comes, and the file that is open beside it."""
    waiting, descriptors = b"", array.array("i")
    while True:
        while b"\n" not in waiting:
            data, found, _, _ = socket.recv_fds(connection, 2**16, 4)
            if not data or len(waiting) > _MAX_REQUEST_BYTES:
                return
            waiting += data
            descriptors.extend(found)
        line, _, waiting = waiting.partition(b"\n")
        yield json.loads(line), descriptors.pop(0)


if __name__ == "__main__":
    main()
