"""Tables as arguments: names with units, cells, and what is missing."""

import pytest

from novum.core.errors import ToolFailedError
from novum.tools.analysis.tables import Table, read_table


def test_labels_that_differ_stay_apart_however_they_are_written():
    table = Table({"x": [1.0, 2.0, 3.0], "id": [1234567.0, 1234568.0, "1234567"]})
    (labels,) = table.complete(["x"], ["id"]).texts
    assert labels == ("1234567", "1234568", "1234567")
    assert Table({"x": [1.0], "id": [0.1]}).complete(["x"], ["id"]).texts == (("0.1",),)


def test_a_unit_may_be_left_out_where_that_is_clear():
    table = Table({"t [K]": [1.0], "t [degC]": [2.0], "gap [eV]": [3.0]})
    assert table.name("gap") == "gap [eV]"
    assert table.unit("gap") == "eV"
    with pytest.raises(ToolFailedError, match="several columns"):
        table.name("t")
    with pytest.raises(ToolFailedError, match="unknown unit"):
        Table({"x [flurb]": [1.0]}).unit("x")


@pytest.mark.parametrize("cell", [None, "", " ", "NaN", "n/a", "None"])
def test_missing_cells_leave_their_row_out_and_that_is_told(cell):
    rows = Table({"x": [1.0, cell, 3.0], "y": ["2", "3", "4.5"]}).complete(["x", "y"])
    assert rows.numbers.tolist() == [[1.0, 2.0], [3.0, 4.5]]
    assert rows.warnings == ("1 of 3 rows lack a value in a column that is needed, and were left out",)


def test_what_is_no_table_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "in/empty.csv").write_text("")
    (tmp_path / "in/head.csv").write_text("a,b\n")
    (tmp_path / "in/bytes.csv").write_bytes(b"\xff\xfe\x00")
    files = dict.fromkeys(("ragged.csv", "empty.csv", "head.csv", "bytes.csv"), "0" * 64)
    for columns, given, name, said in (
        ({}, {}, "", "no table"),
        ({"x": [1.0]}, files, "", "not by both"),
        ({"x": [1.0]}, {}, "a.csv", "no file"),
        ({"x": [1.0], "y": [1.0, 2.0]}, {}, "", "differ in length"),
        ({"x": []}, {}, "", "no rows"),
        ({}, files, "", "which table"),
        ({}, files, "other.csv", "no file is 'other.csv'"),
        ({}, files, "ragged.csv", "differ in length"),
        ({}, files, "empty.csv", "cannot be read"),
        ({}, files, "head.csv", "no rows"),
        ({}, files, "bytes.csv", "cannot be read"),
    ):
        with pytest.raises(ToolFailedError, match=said):
            read_table(columns, given, name)


def test_a_column_that_is_named_twice_is_refused():
    with pytest.raises(ToolFailedError, match="named twice"):
        Table({"gap [eV]": [1.0]}).complete(["gap", "gap [eV]"])


@pytest.mark.parametrize(("size", "said"), [(1e150, "too large"), (1e-150, "too small")])
def test_values_whose_squares_no_computer_holds_are_refused(size, said):
    with pytest.raises(ToolFailedError, match=said):
        Table({"x": [size, 0.0]}).complete(["x"])
    assert len(Table({"x": [1.0, 1e-150]}).complete(["x"])) == 2
