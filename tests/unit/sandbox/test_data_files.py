"""Arrays and tables that untrusted code wrote are read without running any of it."""

import base64
import io
import json
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from novum.core.errors import NotFoundError, ToolFailedError, UnitError, UsageError
from novum.sandbox.files import parquet_decoder
from novum.sandbox.files.arrays import LabelledArray, load_array, load_arrays, save_array, save_arrays
from novum.sandbox.files.labels import check_unit, find_pickle
from novum.sandbox.files.parquet_decoder import decode
from novum.sandbox.files.tables import TableCaps, load_table, save_table

CAPS = {"rows": 1000, "columns": 10, "cells": 10_000, "size": 1 << 20}


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self):
        return (Path.touch, (self._canary,))


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


def npy(header: str, data: bytes = b"", *, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    raw = header.encode("latin-1")
    form = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + version + struct.pack(form, len(raw) if length is None else length) + raw + data


DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?"),
    npst.unicode_string_dtypes(endianness="?", max_len=4),
)


@settings(max_examples=60, deadline=None)
@given(npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)), st.booleans())
def test_an_array_comes_back_with_its_labels(tmp_path_factory, array, by_columns):
    path = tmp_path_factory.mktemp("array") / "x.npy"
    array = np.asfortranarray(array) if by_columns else array
    axes = tuple(f"n_{i}" for i in range(array.ndim))
    save_array(path, array, unit="kJ / mol", axes=axes)
    back = load_array(path)
    np.testing.assert_array_equal(back.values, array)
    assert back.values.dtype == array.dtype.newbyteorder("=")
    assert back.values.shape == array.shape
    assert (back.unit, back.axes) == ("kJ/mol", axes)


def test_arrays_come_back_with_their_labels(tmp_path):
    path = tmp_path / "x.npz"
    forces = LabelledArray(np.arange(6.0).reshape(2, 3), "eV/angstrom", ("n_atoms", "xyz"))
    save_arrays(path, {"forces": forces, "energy": LabelledArray(np.array(-3.5), "hartree", ())})
    back = load_arrays(path)
    np.testing.assert_array_equal(back["forces"].values, forces.values)
    assert (back["forces"].unit, back["forces"].axes) == ("eV/Å", ("n_atoms", "xyz"))
    assert (float(back["energy"].values), back["energy"].unit, back["energy"].axes) == (-3.5, "hartree", ())
    np.testing.assert_array_equal(np.load(path)["forces"], forces.values)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_files_of_numpy_itself_are_read_without_labels(tmp_path, save):
    save(tmp_path / "x.npz", a=np.eye(3), b=np.array(["text"]))
    np.save(tmp_path / "x.npy", np.eye(3))
    arrays = load_arrays(tmp_path / "x.npz")
    np.testing.assert_array_equal(arrays["a"].values, np.eye(3))
    assert arrays["b"].values.tolist() == ["text"]
    assert load_array(tmp_path / "x.npy").unit is None


def test_what_cannot_be_labelled_is_not_written(tmp_path):
    path = tmp_path / "x.npy"
    with pytest.raises(UsageError, match="object"):
        save_array(path, np.array([{}]), unit="1", axes=["n"])
    with pytest.raises(UsageError, match="axes"):
        save_array(path, np.eye(2), unit="1", axes=["n"])
    with pytest.raises(UnitError, match="furlong_per_moon"):
        save_array(path, np.eye(2), unit="furlong_per_moon", axes=["a", "b"])
    with pytest.raises(UsageError, match="npy"):
        save_array(tmp_path / "x.dat", np.eye(2), unit="1", axes=["a", "b"])
    with pytest.raises(UsageError, match="unit"):
        save_arrays(tmp_path / "x.npz", {"a": LabelledArray(np.eye(2))})
    with pytest.raises(UsageError, match="called"):
        save_arrays(tmp_path / "x.npz", {"../a": LabelledArray(np.eye(2), "1", ("a", "b"))})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels",
    [
        {"dtype": "f4", "shape": [2, 2], "axes": ["a", "b"], "unit": "eV"},
        {"dtype": "f8", "shape": [4], "axes": ["a"], "unit": "eV"},
        {"dtype": "f8", "shape": [2, 2], "axes": ["a"], "unit": "eV"},
        {"dtype": "f8", "shape": [2, 2], "axes": ["a", "b\x1b[31m"], "unit": "eV"},
        {"dtype": "f8", "shape": [2, 2], "axes": ["a", "b"], "unit": "9^9^9^9"},
        {"dtype": "f8", "shape": [2, 2], "axes": ["a", "b"], "unit": "__import__('os')"},
        {"unit": "eV"},
        [],
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels):
    np.save(tmp_path / "x.npy", np.eye(2))
    (tmp_path / "x.npy.json").write_text(json.dumps(labels))
    with pytest.raises(ToolFailedError):
        load_array(tmp_path / "x.npy")


@pytest.mark.parametrize(
    "unit", ["9^9^9^9", "m^9^9", "9**9**9", "m**(9**9)", "(" * 60, "m " * 50, "", "m^1000", "x;y"]
)
def test_a_unit_is_no_arithmetic(unit):
    with pytest.raises(ValueError, match="unit"):
        check_unit(unit)


@pytest.mark.parametrize(
    "unit",
    ["1", "eV", "kcal/mol", "eV/angstrom", "1/s", "m**2", "J/mol/K", "%", "°C"],
)
def test_ordinary_units_pass(unit):
    assert check_unit(unit)


def test_object_arrays_are_refused_and_run_nothing(tmp_path, canary):
    np.save(tmp_path / "x.npy", np.array([Trap(canary)], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.array([Trap(canary)], dtype=object), allow_pickle=True)
    for load, name in ((load_array, "x.npy"), (load_arrays, "x.npz")):
        with pytest.raises(ToolFailedError, match="objects"):
            load(tmp_path / name)
    assert not canary.exists()
    np.load(tmp_path / "x.npy", allow_pickle=True)
    assert canary.exists(), "the control: numpy, told to, runs it"


def pickles(canary: Path) -> dict[str, bytes]:
    made = {f"protocol {n}": pickle.dumps(Trap(canary), protocol=n) for n in range(6)}
    import joblib

    for name, level in (("joblib", 0), ("joblib packed", 3)):
        stream = io.BytesIO()
        joblib.dump(Trap(canary), stream, compress=level)
        made[name] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", made["protocol 2"])
    made["torch"] = stream.getvalue()
    return made


@pytest.mark.parametrize("kind", [*(f"protocol {n}" for n in range(6)), "joblib", "joblib packed", "torch"])
@pytest.mark.parametrize("load", [load_array, load_arrays, load_table])
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt", "x.csv", "x.parquet"])
def test_pickles_are_recognised_by_content_and_refused(tmp_path, canary, kind, load, name):
    (tmp_path / name).write_bytes(pickles(canary)[kind])
    with pytest.raises(ToolFailedError, match="pickles are never read"):
        load(tmp_path / name)
    assert not canary.exists()


def test_what_torch_writes_is_recognised(tmp_path):
    torch = pytest.importorskip("torch")
    for new in (True, False):
        torch.save({"w": torch.zeros(2)}, tmp_path / "x.pt", _use_new_zipfile_serialization=new)
        for load in (load_array, load_arrays, load_table):
            with pytest.raises(ToolFailedError, match="pickles are never read"):
                load(tmp_path / "x.pt")


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"
BAD_ARRAYS = {
    "empty": b"",
    "cut": npy(HEADER)[:9],
    "other": b"hello world, this is no array",
    "version 3": npy(HEADER, bytes(16), version=b"\x03\x00"),
    "long header": npy(HEADER, bytes(16), version=b"\x02\x00", length=1 << 31),
    "header over cap": npy(HEADER.ljust(5000), bytes(16)),
    "too little": npy(HEADER, bytes(15)),
    "too much": npy(HEADER, bytes(17)),
    "huge": npy(HEADER.replace("2", "2**60".replace("**60", "0" * 11))),
    "negative": npy(HEADER.replace("2", "-2"), bytes(16)),
    "truth as length": npy(HEADER.replace("2", "True"), bytes(8)),
    "overflow": npy(HEADER.replace("(2,)", "(4294967296, 4294967296, 0)")),
    "many axes": npy(HEADER.replace("(2,)", str((1,) * 40)), bytes(8)),
    "nothing wide": npy(HEADER.replace("<f8", "<U0").replace("(2,)", "(1000000000,)")),
    "call": npy(HEADER.replace("(2,)", "(__import__('os').getpid(),)")),
    "more keys": npy(HEADER.replace("}", "'x': 1}"), bytes(16)),
    "records": npy(HEADER.replace("'<f8'", "[('a', '<f8'), ('b', 'O')]"), bytes(32)),
    "deep": npy("(" * 3000),
    "escapes": npy(HEADER.replace("<f8", "\\d<f8"), bytes(16)),
    "parameters": npy(HEADER.replace("<f8", "f8,f8"), bytes(32)),
    "void": npy(HEADER.replace("<f8", "|V8"), bytes(16)),
    "object": npy(HEADER.replace("<f8", "|O"), bytes(16)),
    "truth": npy(HEADER.replace("<f8", "|b1"), b"\x01\x02"),
    "no text": npy(HEADER.replace("<f8", "<U1"), struct.pack("<2I", 0x110000, 0)),
    "half a text": npy(HEADER.replace("<f8", "<U1"), struct.pack("<2I", 0xD800, 0)),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_damaged_and_lying_arrays_are_refused(tmp_path, kind):
    raw = BAD_ARRAYS[kind]
    (tmp_path / "x.npy").write_bytes(raw)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", raw)
    tracemalloc.start()
    try:
        with pytest.raises(ToolFailedError, match="cannot read"):
            load_array(tmp_path / "x.npy")
        with pytest.raises(ToolFailedError, match="cannot read"):
            load_arrays(tmp_path / "x.npz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_the_header_of_the_tests_above_is_good():
    """The control: only what each of them changes is wrong with it."""
    np.testing.assert_array_equal(np.load(io.BytesIO(npy(HEADER, bytes(16)))), [0, 0])


def test_sizes_are_capped(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(1000))
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1000), b=np.zeros(1000))
    with pytest.raises(ToolFailedError, match="more than 8000"):
        load_array(tmp_path / "x.npy", limit_bytes=8000)
    with pytest.raises(ToolFailedError, match="more than 12000"):
        load_arrays(tmp_path / "x.npz", limit_bytes=12_000)
    assert len(load_arrays(tmp_path / "x.npz", limit_bytes=17_000)) == 2


def test_a_bomb_of_zeros_is_refused_by_what_it_declares_and_by_what_it_has(tmp_path):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (400000000,), }"
    with (
        zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as file,
    ):
        file.write(npy(header))
        for _ in range(40):
            file.write(bytes(10_000_000))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 20
    raw = (tmp_path / "x.npz").read_bytes()
    real = struct.pack("<I", 400_000_000 + len(npy(header)))
    assert real in raw
    (tmp_path / "liar.npz").write_bytes(raw.replace(real, struct.pack("<I", 1000)))
    tracemalloc.start()
    try:
        for name in ("x.npz", "liar.npz"):
            with pytest.raises(ToolFailedError, match=r"bytes|CRC"):
                load_arrays(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names", [["a.npy", "a.npy"], ["../a.npy"], ["a.txt"], ["a.pkl"], ["/a.npy"], ["x" * 200 + ".npy"]]
)
def test_members_that_are_no_arrays_are_refused(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in names:
            archive.writestr(name, npy(HEADER, bytes(16)))
    with pytest.raises(ToolFailedError):
        load_arrays(tmp_path / "x.npz")


def test_links_and_pipes_are_not_read(tmp_path):
    np.save(tmp_path / "real.npy", np.eye(2))
    (tmp_path / "x.npy").symlink_to("real.npy")
    os.mkfifo(tmp_path / "y.npy")
    for load in (load_array, load_arrays, load_table):
        for name in ("x.npy", "y.npy"):
            with pytest.raises(ToolFailedError, match="cannot read"):
                load(tmp_path / name)
        with pytest.raises(NotFoundError):
            load(tmp_path / "missing")


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1, 2, 3],
            "gap": [0.1, float("nan"), 1e-300],
            "name": ["benzene", "Größe, β", 'quoted "x"'],
            "ok": [True, False, True],
        }
    )


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_table_comes_back_with_its_units(tmp_path, name):
    save_table(tmp_path / name, frame(), units={"gap": "electron_volt", "n": "1"})
    back = load_table(tmp_path / name)
    pd.testing.assert_frame_equal(back.frame, frame())
    assert back.units == {"gap": "eV", "n": "1"}


def test_which_it_is_is_read_from_its_bytes(tmp_path):
    frame().to_parquet(tmp_path / "x.csv")
    frame().to_csv(tmp_path / "x.parquet", index=False)
    for name in ("x.csv", "x.parquet"):
        pd.testing.assert_frame_equal(load_table(tmp_path / name).frame, frame())


def test_times_come_back_in_utc(tmp_path):
    table = pa.table(
        {"t": pa.array([0, 10**6], pa.timestamp("us", "UTC")), "d": pa.array([0, 1], pa.date32())}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    back = load_table(tmp_path / "x.parquet").frame
    assert back["t"].dt.year.tolist() == [1970, 1970]
    assert back["d"].dt.day.tolist() == [1, 2]


def test_what_cannot_be_read_back_is_not_written(tmp_path):
    with pytest.raises(UsageError, match="ends neither"):
        save_table(tmp_path / "x.pkl", frame(), units={})
    with pytest.raises(UsageError, match="not there"):
        save_table(tmp_path / "x.csv", frame(), units={"absent": "eV"})
    with pytest.raises(UnitError):
        save_table(tmp_path / "x.csv", frame(), units={"gap": "nonsense_unit"})
    with pytest.raises(UsageError, match="name"):
        save_table(tmp_path / "x.csv", pd.DataFrame({"a\nb": [1]}), units={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels",
    [
        {"columns": ["n"], "rows": 3, "units": {}},
        {"columns": ["n", "gap", "name", "ok"], "rows": 4, "units": {}},
        {"columns": ["n", "gap", "name", "ok"], "rows": 3, "units": {"x": "eV"}},
        {"columns": ["n", "gap", "name", "ok"], "rows": 3, "units": {"n": 1}},
        {"columns": ["n", "gap", "name", "ok"], "rows": 3, "units": {"n": "9^9^9^9"}},
        {},
    ],
)
def test_labels_of_another_table_are_refused(tmp_path, labels):
    frame().to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "x.csv.json").write_text(json.dumps(labels))
    with pytest.raises(ToolFailedError):
        load_table(tmp_path / "x.csv")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"a,a\n1,2\n",
        b"a,\n1,2\n",
        b"a,b\n1,2,3\n",
        b"a,b\n1,2\n1,2,3\n",
        b"a,b\n1,\xff\n",
        b"\xff,b\n1,2\n",
        b"a,b\n1,\x002\n",
        b'"a,b\n1,2\n',
        b"a\x1b[31m,b\n1,2\n",
        "a\u202e,b\n1,2\n".encode(),
        b"x" * 130 + b"\n1\n",
        b"PK\x05\x06" + bytes(18),
        b"PAR1" + bytes(100) + b"PAR1",
        b"PAR1",
        b"PARE" + bytes(100) + b"PARE",
    ],
)
def test_damaged_and_deceiving_tables_are_refused(tmp_path, raw):
    (tmp_path / "x.csv").write_bytes(raw)
    with pytest.raises(ToolFailedError, match="cannot read"):
        load_table(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("caps", "match"),
    [
        (TableCaps(rows=2), "2 rows"),
        (TableCaps(columns=3), "3 columns"),
        (TableCaps(cells=11), "11 cells"),
        (TableCaps(file_bytes=20), "more than 20"),
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_tables_are_capped(tmp_path, caps, match, name):
    save_table(tmp_path / name, frame(), units={})
    with pytest.raises(ToolFailedError, match=match):
        load_table(tmp_path / name, caps=caps)


def parquet(table: pa.Table, **options) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue().to_pybytes()


LONG = pa.table({"s": ["x" * 10_000] * 1000})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"compression": "zstd"}, "unpacks to more"),
        ({"use_dictionary": False, "compression": "zstd"}, "unpacks to more"),
        ({"use_dictionary": False, "column_encoding": {"s": "DELTA_BYTE_ARRAY"}}, "encoding 7"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_small_files_of_long_columns_do_not_unfold(options, match, version):
    raw = parquet(LONG, data_page_version=version, **options)
    assert len(raw) < 20_000
    with pytest.raises(ValueError, match=match):
        decode(raw, **CAPS)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
def test_every_usual_layout_is_read(version, dictionary, compression):
    table = pa.table({"n": list(range(500)), "s": [None, *(str(i % 7) for i in range(499))]})
    raw = parquet(
        table,
        data_page_version=version,
        use_dictionary=dictionary,
        compression=compression,
        row_group_size=100,
    )
    assert decode(raw, **CAPS).to_pydict() == table.to_pydict()


class Registered(pa.ExtensionType):
    """To open a file is enough to run what an extension's name is registered for."""

    ran: list[bytes] = []

    def __init__(self) -> None:
        super().__init__(pa.int64(), "novum.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"payload"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        cls.ran.append(serialized)
        return cls()


@pytest.fixture
def registered():
    pa.register_extension_type(Registered())
    yield Registered
    pa.unregister_extension_type("novum.test")


def test_extension_types_are_refused_before_their_code_runs(registered):
    column = pa.ExtensionArray.from_storage(registered(), pa.array([1, 2]))
    offsets = set()
    for n in range(6):
        raw = parquet(pa.table({**{f"plain{i}": [1, 2] for i in range(n)}, "x": column}))
        stored = pq.read_metadata(pa.BufferReader(raw)).metadata[b"ARROW:schema"]
        offsets.add(base64.b64decode(stored).index(b"ARROW:extension") % 3)
        registered.ran.clear()
        with pytest.raises(ValueError, match="extension type"):
            decode(raw, **CAPS)
        assert registered.ran == []
        pq.ParquetFile(pa.BufferReader(raw), arrow_extensions_enabled=False)
        assert registered.ran, "the control: Arrow runs it, though told not to"
    assert offsets == {0, 1, 2}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}]),
        pa.array([b"bytes"]),
        pa.array([0], pa.timestamp("us", "Europe/Berlin")),
        pa.array([b"x" * 100], pa.binary(100)),
        pa.array([1]).cast(pa.decimal128(30)),
        pa.array([0], pa.time64("us")),
    ],
)
def test_columns_that_are_not_plain_are_refused(column):
    with pytest.raises(ValueError, match=r"column|values"):
        decode(parquet(pa.table({"a": column})), **CAPS)


def test_what_pandas_stores_about_itself_is_not_used(tmp_path):
    metadata = {
        "pandas": json.dumps({"index_columns": ["a"], "columns": [], "column_indexes": [{"numpy_type": "O"}]})
    }
    pq.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata(metadata), tmp_path / "x.parquet")
    back = load_table(tmp_path / "x.parquet").frame
    assert list(back.columns) == ["a"]
    assert isinstance(back.index, pd.RangeIndex)


def test_pages_are_counted_and_not_the_footer():
    """A page whose header says that it unpacks to two gigabytes, under a footer that says otherwise."""
    raw = bytearray(parquet(pa.table({"n": [1, 2, 3]}), use_dictionary=False, compression="snappy"))
    assert raw[4:7] == b"\x15\x00\x15"  # type: data page; then the unpacked size as a varint
    size = raw[7]
    assert size < 0x80
    raw[7:8] = b"\xfe\xff\xff\xff\x0f"
    with pytest.raises(ValueError, match=r"more than|outside|footer|damaged"):
        decode(bytes(raw), **CAPS)


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("kill -ABRT $$", "SIGABRT"),
        ("exit 7", "code 7"),
        ("printf 'a\\033[31mreason' >&2; exit 3", r"a\\x1b\[31mreason"),
        ("printf 'not arrow'", "damaged"),
    ],
)
def test_a_decoder_that_crashes_takes_nothing_with_it(tmp_path, monkeypatch, script, match):
    save_table(tmp_path / "x.parquet", frame(), units={})
    program = tmp_path / "decoder"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(parquet_decoder.sys, "executable", str(program))
    with pytest.raises(ToolFailedError, match=match):
        load_table(tmp_path / "x.parquet")


def test_the_decoder_sees_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "canary-91")
    save_table(tmp_path / "x.parquet", frame(), units={})
    real, seen = parquet_decoder.subprocess.run, []

    def watched(*arguments, **options):
        seen.append(options["env"])
        return real(*arguments, **options)

    monkeypatch.setattr(parquet_decoder.subprocess, "run", watched)
    assert len(load_table(tmp_path / "x.parquet").frame) == 3
    assert "canary-91" not in str(seen)
    assert set(seen[0]) == {"ARROW_DEFAULT_MEMORY_POOL", "OMP_NUM_THREADS", "LANG"}


def _bases() -> dict[str, bytes]:
    one, many = io.BytesIO(), io.BytesIO()
    np.save(one, np.arange(12.0).reshape(3, 4))
    np.savez_compressed(many, a=np.arange(5), b=np.array(["x", "yz"]))
    return {"x.npy": one.getvalue(), "x.npz": many.getvalue(), "x.csv": frame().to_csv(index=False).encode()}


BASES = _bases()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(BASES)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0.3, 1),
)
def test_any_damage_ends_in_a_value_or_one_error(tmp_path_factory, name, changes, length):
    raw = bytearray(BASES[name])
    for at, value in changes:
        raw[int(at * (len(raw) - 1))] = value
    path = tmp_path_factory.mktemp("damage") / name
    path.write_bytes(raw[: int(len(raw) * length)])
    load = {"x.npy": load_array, "x.npz": load_arrays, "x.csv": load_table}[name]
    with suppress(ToolFailedError):
        load(path)


@given(st.binary(max_size=200))
def test_plain_bytes_are_looked_at_without_trouble(raw):
    assert find_pickle(raw) is None or "never read" in str(find_pickle(raw))


def test_nothing_heavy_is_loaded_to_write_labels():
    code = (
        "import sys, novum.sandbox.files.arrays, novum.sandbox.files.tables\n"
        "print({'numpy', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    done = parquet_decoder.subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
