"""Readers whose library can crash on a damaged file, run in a process of their own.

A crash, a hang, or memory that runs out ends that process and refuses that file. Between the two processes
travel JSON and plain bytes, never pickles.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, fields
from datetime import datetime
from typing import IO, Any

from novum.core.errors import IngestError
from novum.core.knowledge import Access, DataClass, Interval, Level
from novum.core.quantity import Quantity
from novum.core.science import Origin
from novum.core.text import clean_text
from novum.knowledge_base.ingest.bounds import Bounds
from novum.knowledge_base.ingest.draft import About, Columns, Draft, Reader, Shape, Task
from novum.knowledge_base.ingest.formats import Format
from novum.knowledge_base.ingest.parsing import need

MAX_FRAME_BYTES = 64 * 2**20
"""Length of what is told in one go, bytes to keep aside."""


def apart(format: Format, *, module: str, extra: str) -> Reader:
    """Return a reader that reads a format in a process of its own.

    Args:
        format: what `novum.knowledge_base.ingest.child` shall read.
        module: what has to be installed.
        extra: where it comes from.
    """

    def read(task: Task) -> Iterator[Draft]:
        need(module, feature=f"reading {format}", extra=extra)
        yield from _read(task, format)

    return read


def _read(task: Task, format: Format) -> Iterator[Draft]:
    source = task.source
    descriptor = source.descriptor
    command = [sys.executable, "-P", "-m", "novum.knowledge_base.ingest.child", str(descriptor)]
    request = {
        "format": format.value,
        "about": asdict(task.about),
        "bounds": asdict(task.bounds),
        "source": {"name": source.name, "size": source.size, "sha256": source.sha256},
    }
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(descriptor,),
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "HDF5_PLUGIN_PRELOAD": "::",  # no filter is loaded from a library that lies somewhere
        },
    )
    assert child.stdin is not None
    assert child.stdout is not None
    remaining = min(max(0.0, task.deadline - time.monotonic()), threading.TIMEOUT_MAX)
    alarm = threading.Timer(remaining, child.kill)
    alarm.daemon = True
    alarm.start()
    try:
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(json.dumps(request).encode())
        if not (yield from _drafts(task, child.stdout)):
            task.check_time()
            status = child.wait()
            why = f"signal {-status}" if status < 0 else f"exit code {status}"
            raise IngestError(f"its reader crashed on it ({why}), as on a damaged file")
    finally:
        alarm.cancel()
        child.kill()
        child.stdout.close()
        child.wait()


def _drafts(task: Task, stream: IO[bytes]) -> Generator[Draft, None, bool]:
    """Yield the drafts that a child tells; return whether it came to its end.

    Raises:
        IngestError: the child refuses the file, or does not keep to what was agreed.
        StoreError: bytes could not be stored.
    """
    while line := stream.readline(MAX_FRAME_BYTES):
        try:
            told = json.loads(line)
            kind = told["kind"]
            if kind == "draft":
                draft = draft_from(told["draft"])
            elif kind == "bytes":
                size = int(told["size"])
                if not 0 <= size <= task.bounds.max_held_bytes:
                    raise IngestError(f"its reader gave {size} bytes to keep")
        except (ValueError, TypeError, LookupError) as error:
            raise IngestError("its reader told something that cannot be understood") from error
        if kind == "draft":
            yield draft
        elif kind == "bytes":
            data = stream.read(size)
            task.store(data, str(told["name"]), str(told["media_type"]))
        elif kind == "note":
            task.note(clean_text(str(told["message"])), place=clean_text(str(told["place"])))
        elif kind == "refused":
            raise IngestError(clean_text(str(told["reason"]), limit=500))
        elif kind == "end":
            return True
    return False


def draft_to(draft: Draft) -> dict[str, Any]:
    """Return a draft as JSON data."""
    data = {f.name: getattr(draft, f.name) for f in fields(draft)}
    data["value"] = None if draft.value is None else draft.value.model_dump(mode="json")
    data["interval"] = None if draft.interval is None else draft.interval.model_dump(mode="json")
    data["created"] = None if draft.created is None else draft.created.isoformat()
    return data


def draft_from(data: dict[str, Any]) -> Draft:
    """Return a draft from JSON data.

    Raises:
        LookupError: a field is missing.
        TypeError: there is one too many.
        ValueError: one has a value that it cannot have.
    """
    changed = {
        "data_class": DataClass(data["data_class"]),
        "level": None if data["level"] is None else Level(data["level"]),
        "value": None if data["value"] is None else Quantity.model_validate(data["value"]),
        "interval": None if data["interval"] is None else Interval.model_validate(data["interval"]),
        "created": None if data["created"] is None else datetime.fromisoformat(data["created"]),
        "flags": tuple(data["flags"]),
    }
    return Draft(**{**data, **changed})


def about_from(data: dict[str, Any]) -> About:
    """Return what a user says, from JSON data."""
    columns = data["columns"]
    conditions = columns["conditions"]
    changed = {
        "origin": Origin(data["origin"]),
        "access": None if data["access"] is None else Access(data["access"]),
        "level": None if data["level"] is None else Level(data["level"]),
        "shape": None if data["shape"] is None else Shape(data["shape"]),
        "columns": Columns(**{**columns, "conditions": None if conditions is None else tuple(conditions)}),
    }
    return About(**{**data, **changed})


def bounds_from(data: dict[str, Any]) -> Bounds:
    """Return bounds from JSON data."""
    return Bounds(**data)
