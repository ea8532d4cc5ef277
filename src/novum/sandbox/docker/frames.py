"""What passes between the supervisor and the first process of a container.

Inwards, on standard input: four bytes of length and that much JSON, the terms of the one call; then its
job, as `novum.sandbox.inside.guest` reads it; then nothing, or a single byte, which means "end the call now".
The end of the input means that the supervisor is gone.

Outwards, on standard output: frames of one byte of kind, four bytes of length, and the payload. Only
the first process can write them: the call has neither that descriptor nor a way to one.

The standard library only: it is loaded on both sides of the border.
"""

import json
import os
import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

PROTOCOL: Final = 1
"""Raised when either side would misunderstand an older other one."""

PAYLOAD_BYTES: Final = 1 << 16
"""Of one frame, at most."""

TERMS_BYTES: Final = 1 << 16
"""Of the terms of a call, at most."""

KILL: Final = b"K"

_HEAD: Final = struct.Struct("<cI")
_LENGTH: Final = struct.Struct("<I")


class Kind(Enum):
    """What a frame carries."""

    READY = b"R"
    """JSON: the first process waits for its job."""
    STDOUT = b"O"
    STDERR = b"E"
    ANSWER = b"A"
    ENDED = b"X"
    """JSON: every process of the call is gone, and this is how it ended."""
    REFUSED = b"N"
    """JSON: the name of something that is not taken out, and the reason."""
    FILE = b"F"
    """JSON: name and size of a file; its content follows."""
    CHUNK = b"C"
    FILE_END = b"Z"
    """JSON: why the content is not whole, or an empty text."""
    DONE = b"D"
    """JSON: why no more files could be found, or an empty text. The last frame."""


def encode(kind: Kind, payload: bytes) -> Iterator[bytes]:
    """Yield the frames that carry `payload`; more than one where it is long."""
    view = memoryview(payload)
    while True:
        part = view[:PAYLOAD_BYTES]
        yield _HEAD.pack(kind.value, len(part)) + part
        view = view[PAYLOAD_BYTES:]
        if not view:
            return


def encode_terms(terms: dict[str, Any]) -> bytes:
    """Return the terms of a call as they are sent."""
    body = json.dumps(terms).encode()
    return _LENGTH.pack(len(body)) + body


def read_terms(fd: int) -> dict[str, Any] | None:
    """Read the terms of a call, or return None when the supervisor hung up before it had sent them."""
    head = _read_exactly(fd, _LENGTH.size)
    if head is None:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > TERMS_BYTES:
        return None
    body = _read_exactly(fd, size)
    if body is None:
        return None
    terms: dict[str, Any] = json.loads(body)
    return terms


def _read_exactly(fd: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)


class FrameError(ValueError):
    """What arrived are no frames."""


class FrameReader:
    """Cuts the byte stream of a container's attached outputs into frames.

    The engine mixes both outputs into one stream, each piece with eight bytes in front. Standard output
    is made of frames; of standard error the end is kept, for messages. Nothing is allocated by what a
    length says: pieces are taken as they come, and a frame beyond `PAYLOAD_BYTES` is an error.
    """

    _TAIL: Final = 4000

    def __init__(self) -> None:
        self._raw = bytearray()
        self._left = 0
        self._of_stdout = False
        self._frames = bytearray()
        self._said = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Take what arrived; yield the frames that are complete.

        Raises:
            FrameError: it is not a stream of frames.
        """
        self._raw += data
        while self._raw:
            if not self._left:
                if len(self._raw) < 8:
                    break
                stream, self._left = self._raw[0], int.from_bytes(self._raw[4:8], "big")
                if stream not in (1, 2):
                    raise FrameError(f"the engine sent a piece of stream {stream}, expected 1 or 2")
                self._of_stdout = stream == 1
                del self._raw[:8]
                continue
            piece = self._raw[: self._left]
            del self._raw[: self._left]
            self._left -= len(piece)
            if self._of_stdout:
                self._frames += piece
            else:
                self._said = (self._said + piece)[-self._TAIL :]
        yield from self._cut()

    def _cut(self) -> Iterator[tuple[Kind, bytes]]:
        while len(self._frames) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._frames)
            if size > PAYLOAD_BYTES:
                raise FrameError(f"a frame says that it has {size} bytes, more than {PAYLOAD_BYTES}")
            if len(self._frames) < _HEAD.size + size:
                return
            payload = bytes(self._frames[_HEAD.size : _HEAD.size + size])
            del self._frames[: _HEAD.size + size]
            try:
                yield Kind(kind), payload
            except ValueError as error:
                raise FrameError(f"a frame has the kind {kind!r}, which is none") from error

    @property
    def said(self) -> str:
        """The end of what came on standard error."""
        return self._said.decode(errors="backslashreplace").strip()
