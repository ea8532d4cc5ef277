"""Tables: units in headers, uncertainty, conditions, and what is left out with a reason."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.core.errors import UnitError
from novum.core.knowledge import DataClass, Interval
from novum.core.quantity import Quantity, UncertaintyKind
from novum.core.science import Origin
from novum.knowledge_base.ingest import Bounds
from novum.knowledge_base.ingest.cells import Number, is_missing, parse_number
from novum.knowledge_base.ingest.units import Role, parse_header, parse_unit


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("T [K]", "T", "K"),
        ("yield (%)", "yield", "%"),
        ("energy_ev", "energy", "eV"),
        ("t / s", "t", "s"),
        ("k / s-1", "k", "1/s"),
        ("rate (s^-1)", "rate", "1/s"),
        ("E (kJ mol⁻¹)", "E", "kJ/mol"),
        ("density (g cm-3)", "density", "g/cm**3"),
        ("cp (J/(mol K))", "cp", "J/K/mol"),
        ("T (C)", "T", "°C"),
        ("charge (C)", "charge", "C"),
        ("formation_energy_ev_per_atom", "formation_energy per atom", "eV"),
        ("E (eV/atom)", "E per atom", "eV"),
        ("pH", "pH", "1"),
        ("mass fraction [-]", "mass fraction", "1"),
        ("Al (wt%)", "Al", "%"),
        ("name", "name", None),
        ("T", "T", None),
        ("column_m", "column_m", None),
        ("yield (isolated)", "yield (isolated)", None),
    ],
)
def test_headers_say_name_and_unit(header, name, unit):
    found = parse_header(header)
    assert (found.name, found.unit) == (name, unit)


def test_a_unit_that_means_two_things_is_no_unit():
    assert "may mean arbitrary or atomic units" in parse_header("intensity (a.u.)").problem
    with pytest.raises(UnitError, match="unknown unit"):
        parse_unit("furlongs_per")


@pytest.mark.parametrize(
    ("header", "role", "of"),
    [
        ("yield_std (%)", Role.STD, "yield"),
        ("σ(T)", Role.STD, "T"),
        ("std(T [K])", Role.STD, "T"),
        ("energy error", Role.STD, "energy"),
        ("yield_ci95_low", Role.LOW, "yield"),
        ("yield 90% CI high", Role.HIGH, "yield"),
        ("standard", Role.VALUE, ""),
    ],
)
def test_headers_say_whose_uncertainty_they_give(header, role, of):
    found = parse_header(header)
    assert (found.role, found.of) == (role, of)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("4.31", Number(4.31)),
        ("−3.2", Number(-3.2)),
        ("4.31 ± 0.12", Number(4.31, 0.12)),
        ("4.31(12)", Number(4.31, 0.12)),
        ("1.5(2)e-3", Number(0.0015, 0.0002)),
        ("5.2 eV", Number(5.2, None, "eV")),
        (7, Number(7.0)),
        ("<0.5", None),
        ("1,234", None),
        ("6,1 eV", None),
        ("1_000", None),
        ("inf", None),
        ("1e999", None),
        (float("nan"), None),
        (True, None),
        ("abc", None),
    ],
)
def test_cells_give_plain_finite_numbers_or_none(cell, number):
    found = parse_number(cell)
    assert found == number or (
        found is not None and number is not None and found.std == pytest.approx(number.std)
    )


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(1e-3, 1e3))
def test_a_number_that_is_written_with_its_uncertainty_is_read_back(value, std):
    assert parse_number(f"{value!r} ± {std!r}") == Number(value, std)


@given(st.text(max_size=30))
def test_no_cell_breaks_the_reader(text):
    found = parse_number(text)
    assert found is None or found.value == found.value
    assert isinstance(is_missing(text), bool)


@given(st.text(max_size=40))
def test_no_header_breaks_the_reader(text):
    header = parse_header(text)
    assert header.unit is None or parse_header(text, unit=header.unit).unit == header.unit


def test_values_have_units_uncertainty_and_conditions(take):
    items = take(
        "yields.csv",
        "smiles,T [K],solvent,yield (%),yield_std,notes\nOCC,300,water,54.2,1.1,fine\nCCN,310,,12,,poor\n",
    )
    assert [item.value for item in items] == [
        Quantity(value=54.2, unit="%", std=1.1, kind=UncertaintyKind.MEASUREMENT),
        Quantity(value=12.0, unit="%"),
    ]
    assert [item.conditions for item in items] == [{"T [K]": 300.0, "solvent": "water"}, {"T [K]": 310.0}]
    assert items[0].subject == "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
    assert items[0].arguments == {"smiles": "CCO"}
    assert items[0].text == "CCO: yield = 54.2 ± 1.1 % at T [K] = 300, solvent = water."


def test_the_uncertainty_of_a_calculation_is_one_of_its_model(take):
    (item,) = take("t.csv", "smiles,gap_ev,gap_err\nCCO,6.1,0.3\n", origin=Origin.SIMULATED)
    assert item.value.kind is UncertaintyKind.MODEL


def test_an_uncertainty_in_another_unit_is_converted_as_a_difference(take, report):
    (item,) = take("t.csv", "material,Tg (°C),Tg_std [K]\nPS,100,1.5\n")
    assert item.value.std == pytest.approx(1.5)
    (item,) = take("u.csv", "material,Tg (°C),Tg_std (eV)\nPS,100,1.5\n")
    assert item.value.std is None
    assert report.notes[-1].message == "left out: its unit 'eV' is none of 'Tg (°C)'"


def test_bounds_with_their_probability_become_an_interval(take):
    header = "material,strength [MPa],strength_ci90_low,strength_ci90_high"
    (item,) = take("t.csv", f"{header}\nTiN,21,19,25\n")
    assert item.interval == Interval(low=19, high=25, level=0.9)


def test_a_column_without_a_unit_is_left_out_with_a_note(take, report):
    items = take("t.csv", "smiles,gap_ev,score\nCCO,6.1,3\n")
    assert [item.relation for item in items] == ["gap"]
    assert [(note.place, note.message) for note in report.notes] == [
        ("column 'score'", "numbers without a unit were left out; write it into the header, as 'yield [%]'")
    ]


def test_a_table_without_any_unit_is_refused_and_a_unit_can_be_said(take, refuse):
    table = "smiles,gap\nCCO,6.1\n"
    assert "without one: 'gap'" in refuse("t.csv", table)
    (item,) = take("t.csv", table, columns={"units": {"gap": "eV"}})
    assert item.value == Quantity(value=6.1, unit="eV")
    assert "unknown unit 'eVV'" in refuse("t.csv", table, columns={"units": {"gap": "eVV"}})


def test_missing_and_unclear_cells_are_counted_not_guessed(take, report):
    rows = "CCO,\nCCN,NaN\nCCC,n/a\nCCCC,<0.5\nCCCCC,inf\nCCCCCC,6.1\n"
    (item,) = take("t.csv", "smiles,gap_ev\n" + rows)
    assert item.arguments == {"smiles": "CCCCCC"}
    assert [(note.message, note.n) for note in report.notes] == [
        ("cells without a value were left out", 3),
        ("cells that hold no plain, finite number were left out", 2),
    ]


def test_conditions_and_subject_can_be_said(take):
    table = "batch_no,stirring [1/s],T [K]\nB7,10,350\n"
    (item,) = take("t.csv", table, columns={"subject": "batch_no", "conditions": ("stirring [1/s]",)})
    assert (item.subject, item.relation, item.conditions) == ("B7", "T", {"stirring [1/s]": 10.0})


def test_ids_of_samples_mean_something_in_their_own_file_only(take):
    (one,) = take("a.csv", "sample_id,mass_mg\nS1,3\n")
    (two,) = take("b.csv", "sample_id,mass_mg\nS1,4\n")
    assert one.subject != two.subject
    assert one.subject_label == two.subject_label == "S1"
    (said,) = take("a.csv", "sample_id,mass_mg\nS1,3\n", columns={"subject": "sample_id"})
    assert said.subject == "S1"


def test_rows_without_a_subject_are_told_apart(take):
    items = take("t.csv", "mass_mg\n3\n3\n")
    assert len({item.id for item in items}) == 2


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_found(take, mark):
    table = "# made by hand\n" + "smiles,gap_ev,T [K]\nCCO,6.1,300\n".replace(",", mark)
    (item,) = take("t.csv", table)
    assert (str(item.value), item.conditions) == ("6.1 eV", {"T [K]": 300.0})


def test_a_decimal_comma_must_be_said(take, refuse, report):
    table = "smiles;gap_ev\nCCO;6,1\n"
    assert refuse("t.csv", table) == "there is nothing in it that could be taken"
    assert "no plain, finite number" in report.notes[-1].message
    (item,) = take("t.csv", table, columns={"decimal": ","})
    assert str(item.value) == "6.1 eV"


def test_a_row_that_does_not_fit_is_left_out_and_counted(take, report):
    items = take("t.csv", 'smiles,gap_ev\nCCO,6.1\nCCN\nCCC,5,5\n"C,C",5\n')
    assert len(items) == 1
    assert ("rows that have not 2 cells, as the headers have, were left out", 2) in [
        (note.message, note.n) for note in report.notes
    ]


def test_a_file_that_ends_inside_quotes_is_refused(refuse):
    assert "unexpected end of data" in refuse("t.csv", 'smiles,gap_ev\nCCO,6.1\n"CCN,5')


def test_an_error_of_nothing_is_a_value_of_its_own(take):
    (item,) = take("t.csv", "material,error_rate [%]\nTiN,3\n")
    assert (item.relation, str(item.value)) == ("error_rate", "3 %")


def test_two_columns_of_one_name_are_refused(refuse):
    assert refuse("t.csv", "smiles,gap_ev,gap_ev\nCCO,1,2\n") == "two columns are called 'gap_ev'; rename one"


def test_headers_alone_are_no_table(refuse):
    assert refuse("t.csv", "smiles,gap_ev\n") == "it has no rows"


def test_a_null_in_the_middle_of_a_table_ends_it(take, report, refuse):
    rows = "".join(f"{'C' * (i % 30 + 1)},{i}\n" for i in range(2000))
    assert "holds a null" in refuse("t.csv", "smiles,gap_ev\n" + rows + "C\x00,1\n")


def test_json_tables_have_three_shapes(take):
    row = {"smiles": "CCO", "gap": {"value": 6.1, "unit": "eV", "std": 0.2}}
    lists = {"smiles": ["CCO"], "gap_ev": [6.1]}
    wrapped = {"units": {"gap": "eV"}, "data": [{"smiles": "CCO", "gap": 6.1}]}
    found = [take("t.json", json.dumps(content))[0].value for content in ([row], lists, wrapped)]
    assert [str(value) for value in found] == ["6.10 ± 0.20 eV", "6.1 eV", "6.1 eV"]


def test_json_lines_are_read_line_by_line(take, refuse):
    lines = '{"smiles": "CCO", "gap_ev": 6.1}\n\n{"smiles": "CCN", "gap_ev": NaN}\n'
    (item,) = take("t.jsonl", lines)
    assert item.provenance.locator == {"line": 1, "column": "gap_ev"}
    assert "JSON, line 2" in refuse("u.jsonl", '{"gap_ev": 1}\n{"gap_ev": ')


def test_a_graph_in_json_becomes_relations(take, report):
    graph = {
        "nodes": [{"id": "TP53"}, {"id": "MDM2"}],
        "links": [{"source": "MDM2", "target": "TP53", "relation": "inhibits"}, {"source": "MDM2"}],
    }
    (item,) = take("g.json", json.dumps(graph))
    assert (item.subject, item.relation, item.object) == ("MDM2", "inhibits", "TP53")
    assert item.data_class is DataClass.STRUCTURED
    assert [note.message for note in report.notes] == ["1 edges without source or target were left out"]


@pytest.mark.parametrize("content", ['{"a": 1}', "[1, 2]", '{"a": [1], "b": [1, 2]}', "[" * 100_000])
def test_json_that_is_no_table_is_refused(refuse, content):
    assert refuse("t.json", content)


def parquet_bytes(table, **options):
    out = io.BytesIO()
    parquet.write_table(table, out, **options)
    return out.getvalue()


def test_parquet_keeps_types_and_units_of_its_metadata(take, report):
    schema = pa.schema(
        [
            pa.field("smiles", pa.string()),
            pa.field("gap", pa.float64(), metadata={"unit": "eV"}),
            pa.field("spectrum", pa.list_(pa.float64())),
        ]
    )
    content = parquet_bytes(pa.table([["CCO", "CCN"], [6.1, None], [[1.0], [2.0]]], schema=schema))
    (item,) = take("t.parquet", content)
    assert (item.value, item.provenance.tool) == (Quantity(value=6.1, unit="eV"), "pyarrow")
    assert ("column 'spectrum'", "a nested column was left out") in [
        (n.place, n.message) for n in report.notes
    ]


def test_a_row_group_that_unfolds_too_far_is_refused(refuse):
    table = pa.table({"gap_ev": [0.0] * 200_000})
    content = parquet_bytes(table, use_dictionary=False, compression="zstd")
    assert len(content) < 10_000
    assert "row group 1 has" in refuse("t.parquet", content, bounds=Bounds(max_held_bytes=100_000))


def test_a_parquet_file_that_is_cut_off_is_refused(refuse):
    content = parquet_bytes(pa.table({"gap_ev": [1.0, 2.0]}))
    assert "cannot be read as Parquet" in refuse("t.parquet", content[:-20])
