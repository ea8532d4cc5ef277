"""Unpacking archives of strangers."""

import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from novum.core.errors import ToolFailedError
from novum.sandbox.files.intake import Intake, Report
from novum.sandbox.files.names import safe_path, shown
from novum.sandbox.files.streams import (
    DAMAGED,
    PIECE_BYTES,
    CappedStream,
    TooMuchError,
    decompressed,
    find_zip_problem,
    open_regular,
    open_zip,
)
from novum.sandbox.files.walk import Caps

USUAL_RATIO: Final = 200
"""Bytes that may come out of one packed byte. Tables and structures stay below 50."""

_EXTENSION_BYTES: Final = 1 << 13
_EXTENSIONS_COST: Final = 1 << 28  # sum of the squares of their lengths: that is what searching costs
_TAR_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_TAR_EXTENSIONS: Final = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


def unpack(archive: Path, into: Path, *, caps: Caps | None = None, ratio: int = USUAL_RATIO) -> Report:
    """Unpack a zip or tar archive, or a single file packed by gzip, bzip2 or xz.

    What the archive is, is read from its bytes, not its name. Sizes in headers are not trusted:
    everything is counted as it comes out. Only regular files with safe names come out; links, devices,
    encrypted members, absolute names and names with ``..``, and the second of two equal names are
    refused. Archives inside are files like others. Modes, owners and times are not taken along.

    Args:
        archive: a regular file; with more bytes than `Caps.total_bytes` it is not read.
        into: existing, empty directory of ours. Afterwards it holds exactly what is reported.
        caps: limits on what comes out; `Caps()` where it is not given.
        ratio: how many bytes may come out of one packed byte, of a member and of the archive. Not
            judged below `novum.sandbox.files.streams.RATIO_FROM_BYTES`.

    Returns:
        What came out, in the order of the archive, and what was refused. An archive that is damaged or
        goes over a cap gives what came before, with a refusal under its own name.

    Raises:
        NotFoundError: there is no such file.
        ToolFailedError: it is no archive of these kinds, or too large.
        UsageError: `into` is missing, a link, or not empty.
        SandboxBrokenError: `into` cannot be written.

    References:
        D. Fifield, A better zip bomb, WOOT 2019; PEP 706 for tar's ``data`` filter.
    """
    caps = caps or Caps()
    with open_regular(archive, limit=caps.total_bytes) as file, Intake(into) as intake:
        work = _Unpacking(intake, into, caps, ratio)
        try:
            work.run(file, archive.name)
        except TooMuchError as error:
            intake.refuse(archive.name, f"the rest was not unpacked: {error}")
        except (*DAMAGED, tarfile.TarError) as error:
            intake.refuse(archive.name, f"the rest was not unpacked, it is damaged: {error}")
        return intake.report()


class _Unpacking:
    """One archive on its way into an intake."""

    def __init__(self, intake: Intake, into: Path, caps: Caps, ratio: int) -> None:
        self._intake = intake
        self._into = into
        self._caps = caps
        self._ratio = ratio

    def run(self, file: IO[bytes], name: str) -> None:
        head = file.read(512)
        file.seek(0)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            self._zip(file)
        elif _is_tar(head):
            size = os.fstat(file.fileno()).st_size
            self._tar(CappedStream(file, limit=size, packed=size, ratio=1))
        elif (source := decompressed(file, head)) is not None:
            # twice: what is refused is unpacked too, on the way to what follows
            limit, packed = 2 * self._caps.total_bytes, os.fstat(file.fileno()).st_size
            stream = CappedStream(source, limit=limit, packed=packed, ratio=self._ratio)
            if _is_tar(stream.peek_first(512)):
                self._tar(stream)
            else:
                self._single(stream, name)
        else:
            raise ToolFailedError(
                f"{shown(name)!r} is not an archive that can be unpacked: zip, tar, or gzip, bzip2 or xz "
                "of a tar archive or a single file"
            )

    def _zip(self, file: IO[bytes]) -> None:
        with open_zip(file, entries=self._caps.entries) as archive:
            for info in archive.infolist():
                # what zipfile makes of the name hides a NUL and what follows
                raw = info.orig_filename
                if raw.endswith("/") and not info.file_size:
                    continue
                problem = find_zip_problem(info)
                if problem:
                    self._intake.refuse(raw, problem)
                elif (name := self._admit(raw, info.file_size)) is not None:
                    self._intake.put(name, self._zip_chunks(archive, info))

    def _zip_chunks(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with archive.open(info) as member:
                yield from self._capped(member, info.compress_size).chunks()
        except TooMuchError as error:
            raise ValueError(str(error)) from error
        except DAMAGED as error:
            raise ValueError(f"it is damaged: {error}") from error

    def _tar(self, file: CappedStream) -> None:
        # as a stream: no header can send the reader back to where it was
        with _Tar.open(fileobj=file, mode="r|", tarinfo=_Header) as archive:
            for count, member in enumerate(archive):
                if count >= self._caps.entries:
                    raise TooMuchError(f"it has more than {self._caps.entries} members")
                self._tar_member(archive, member)

    def _tar_member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if member.isdir():
            return
        if member.type not in _TAR_FILES or member.issparse():
            kind = "a link" if member.issym() or member.islnk() else "not a regular file"
            self._intake.refuse(member.name, f"it is {kind}")
            return
        name = self._admit(member.name, member.size)
        if name is None:
            return
        try:
            tarfile.data_filter(member, str(self._into))
        except tarfile.FilterError as error:
            self._intake.refuse(member.name, f"it is not plain data: {error}")
            return
        content = archive.extractfile(member)
        assert content is not None  # it is a regular file
        self._intake.put(name, iter(lambda: content.read(PIECE_BYTES), b""))

    def _single(self, stream: CappedStream, name: str) -> None:
        # the header's own name is ignored: it is one more thing that a stranger chose
        stem, _, suffix = name.rpartition(".")
        admitted = self._admit(stem if stem and suffix.lower() in ("gz", "bz2", "xz") else name, 0)
        if admitted is not None:
            self._intake.put(admitted, self._within_limit(stream))

    def _within_limit(self, stream: CappedStream) -> Iterator[bytes]:
        size, limit = 0, self._left()
        for piece in stream.chunks():
            size += len(piece)
            if size > limit:
                raise TooMuchError(f"it unpacks to more than {limit} bytes")
            yield piece

    def _admit(self, raw: str, claimed: int) -> str | None:
        try:
            name = safe_path(raw, depth=self._caps.depth)
            if self._intake.n_files >= self._caps.files:
                raise ValueError(f"there are more than {self._caps.files} files")
            if claimed > self._left():
                raise ValueError(f"with its {claimed} bytes there would be too many")
        except ValueError as error:
            self._intake.refuse(raw, str(error))
            return None
        return name

    def _left(self) -> int:
        largest = self._caps.total_bytes if self._caps.file_bytes is None else self._caps.file_bytes
        return min(largest, self._caps.total_bytes - self._intake.n_bytes)

    def _capped(self, source: IO[bytes], packed: int) -> CappedStream:
        return CappedStream(source, limit=self._left(), packed=packed, ratio=self._ratio)


class _Tar(tarfile.TarFile):
    """A tar archive that adds up what its extended headers cost."""

    cost = 0


class _Header(tarfile.TarInfo):
    """A header whose extensions are short.

    The standard library reads them whole, and before Python 3.11.10 searches them in a time that grows
    with their square (CVE-2024-6232).
    """

    # the entry that the standard library leaves for subclasses, as a comment there says
    def _proc_member(self, archive: _Tar) -> tarfile.TarInfo:
        if self.size < 0:
            raise tarfile.ReadError("a member has less than no bytes")
        if self.type in _TAR_EXTENSIONS:
            archive.cost += self.size**2
            if self.size > _EXTENSION_BYTES or archive.cost > _EXTENSIONS_COST:
                raise tarfile.ReadError("its extended headers are too long")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"
