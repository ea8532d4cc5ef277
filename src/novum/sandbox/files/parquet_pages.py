"""What a Parquet file would cost to read, found from its pages and not from its footer.

The footer is a claim. Dictionaries and shared prefixes let a few bytes stand for gigabytes, and each
page says for itself how it is encoded and how much it unpacks to. Here every page's header is read,
which is a few bytes each, before a decoder in C++ sees the file.

References:
    The Apache Parquet format, parquet.thrift; the Thrift compact protocol.
"""

import base64
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow.parquet

MAGIC: Final = b"PAR1"

# Arrow stores its schema as base64; this is what a text in it looks like at each of three offsets,
# without the characters at the ends that its neighbours would change
_EXTENSION: Final = tuple(
    base64.b64encode(bytes(shift) + b"ARROW:extension")[(4 if shift else 0) : -4] for shift in range(3)
)
_FOOTER_BYTES: Final = 4 << 20
_CHUNKS: Final = 100_000
_PAGES: Final = 200_000
_FIXED_BYTES: Final = 16  # of a fixed-length value: decimals and UUIDs have at most these

_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
# not 7, DELTA_BYTE_ARRAY: there each value may repeat all of the one before it
_ENCODINGS: Final = {
    0: "PLAIN",
    2: "PLAIN_DICTIONARY",
    3: "RLE",
    4: "BIT_PACKED",
    5: "DELTA_BINARY_PACKED",
    6: "DELTA_LENGTH_BYTE_ARRAY",
    8: "RLE_DICTIONARY",
    9: "BYTE_STREAM_SPLIT",
}

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


def check_footer(raw: bytes) -> int:
    """Return where the footer of a Parquet file starts.

    Raises:
        ValueError: it is no Parquet file, is encrypted, or has an extension type. The code that is
            registered for such a type's name runs when Arrow so much as reads the footer, also where it
            was told to leave extensions alone; hence the search in the bytes.
    """
    if len(raw) < 12 or not raw.startswith(MAGIC) or not raw.endswith(MAGIC):
        raise ValueError("it is not a Parquet file, or an encrypted one")
    (length,) = struct.unpack("<I", raw[-8:-4])
    start: int = len(raw) - 8 - length
    if length > _FOOTER_BYTES or start < 4:
        raise ValueError(f"its footer declares {length} bytes")
    if any(pattern in raw[start:] for pattern in _EXTENSION):
        raise ValueError("it has columns of an extension type; only plain columns are read")
    return start


def check_schema(metadata: "pyarrow.parquet.FileMetaData") -> None:
    """Refuse a schema that is no plain table of columns.

    Raises:
        ValueError: it has nested columns, or wide values of a fixed length.
    """
    for i in range(len(metadata.schema)):
        column = metadata.schema.column(i)
        if column.max_repetition_level > 0 or column.max_definition_level > 1 or column.path != column.name:
            raise ValueError("it has nested columns; only plain columns are read")
        if column.physical_type == "FIXED_LEN_BYTE_ARRAY" and not 0 < column.length <= _FIXED_BYTES:
            raise ValueError(f"it has values of {column.length} bytes")


def check_pages(raw: bytes, metadata: "pyarrow.parquet.FileMetaData", *, footer: int, limit: int) -> None:
    """Go through the headers of all pages.

    Args:
        raw: the whole file.
        metadata: its footer, as it was read.
        footer: where that starts.
        limit: how many bytes all pages together may unpack to.

    Raises:
        ValueError: they unpack to more, are encoded in a way that has no bound, lie outside of the file,
            or have other numbers of values than the footer says.
    """
    if metadata.num_row_groups * metadata.num_columns > _CHUNKS:
        raise ValueError("it has too many groups of rows")
    walk = _Pages(raw, limit)
    total = 0
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        total += group.num_rows
        for c in range(metadata.num_columns):
            chunk = group.column(c)
            if chunk.file_path:
                raise ValueError("it refers to another file")
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            end = start + chunk.total_compressed_size
            if not 4 <= start <= end <= footer:
                raise ValueError("a column lies outside of the file")
            if walk.count(start, end) != group.num_rows or chunk.num_values != group.num_rows:
                raise ValueError("a column has another number of values than the footer says")
    if total != metadata.num_rows:
        raise ValueError("it has another number of rows than its footer says")


class _Pages:
    """Goes through pages and adds up what they unpack to."""

    def __init__(self, raw: bytes, limit: int) -> None:
        self._raw = raw
        self._limit = limit
        self._left = limit
        self._pages = 0

    def count(self, start: int, end: int) -> int:
        """Return how many values the pages between two places hold."""
        values, at = 0, start
        while at < end:
            self._pages += 1
            if self._pages > _PAGES:
                raise ValueError(f"it has more than {_PAGES} pages")
            reader = _Compact(self._raw, at, end)
            page = reader.struct()
            unpacked, packed = _number(page, 2), _number(page, 3)
            self._left -= unpacked
            if self._left < 0:
                raise ValueError(f"it unpacks to more than {self._limit} bytes")
            match page.get(1):
                case (5, kind) if kind == _DATA_PAGE:
                    header, encoding = _inner(page, 5), 2
                    values += _number(header, 1)
                case (5, kind) if kind == _DATA_PAGE_V2:
                    header, encoding = _inner(page, 8), 4
                    values += _number(header, 1)
                case (5, kind) if kind == _DICTIONARY_PAGE:
                    header, encoding = _inner(page, 7), 2
                case _:
                    raise ValueError("it has a page of an unknown kind")
            if (number := _number(header, encoding)) not in _ENCODINGS:
                raise ValueError(f"it has a page in encoding {number}, which is not read")
            at = reader.at + packed
            if at > end:
                raise ValueError("a page lies outside of its column")
        return values


def _number(fields: dict[int, tuple[int, Any]], field: int) -> int:
    kind, value = fields.get(field, (0, 0))
    if kind != _I32 or not 0 <= value < 2**31:
        raise ValueError("the header of a page is damaged")
    return int(value)


def _inner(fields: dict[int, tuple[int, Any]], field: int) -> dict[int, tuple[int, Any]]:
    kind, value = fields.get(field, (0, None))
    if kind != _STRUCT:
        raise ValueError("the header of a page is damaged")
    assert isinstance(value, dict)
    return value


class _Compact:
    """Reads one structure in Thrift's compact protocol: field → (kind, value)."""

    def __init__(self, raw: bytes, at: int, end: int) -> None:
        self._raw = raw
        self._end = end
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, tuple[int, Any]]:
        if depth > 4:
            raise ValueError("the header of a page is nested too deeply")
        fields: dict[int, tuple[int, Any]] = {}
        field = 0
        while (head := self._byte()) != _STOP:
            kind = head & 0x0F
            field = field + (head >> 4) if head >> 4 else self._signed()
            # the last one would win in one reader and the first in another
            if field in fields:
                raise ValueError("the header of a page has a field twice")
            fields[field] = (kind, self._value(kind, depth))
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == _TRUE
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._skip(8)
            case 8:
                return self._skip(self._unsigned())
            case 12:
                return self.struct(depth + 1)
            case _:
                # lists, sets and maps: no header of a page has one
                raise ValueError("the header of a page is damaged")

    def _byte(self) -> int:
        if self.at >= self._end:
            raise ValueError("the header of a page is cut")
        self.at += 1
        return self._raw[self.at - 1]

    def _skip(self, size: int) -> None:
        if size > self._end - self.at:
            raise ValueError("the header of a page is cut")
        self.at += size

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("the header of a page is damaged")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
