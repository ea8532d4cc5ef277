"""What an MCP server says of its tools, as specs of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.core.quantity import canonical_unit
from novum.tools.described import DescriptionError
from novum.tools.mcp.servers import Server, offered
from novum.tools.mcp.translate import properties_of, stated_unit, to_spec, tool_name
from novum.tools.registry import BrokenTool


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ({"type": "number", "x-unit": "eV"}, "eV"),
        ({"type": "number", "unit": "kcal/mol"}, "kcal/mol"),
        ({"type": "number", "units": "nm"}, "nm"),
        ({"type": "number", "description": "band gap [eV]"}, "eV"),
        ({"type": "number", "description": "length (in nm)."}, "nm"),
        ({"type": "number", "description": "how many (roughly)"}, None),
        ({"type": "number", "description": "in eV, as everybody knows"}, None),
        ({"type": "number", "unit": "flurb", "description": "time [s]"}, "s"),
        ({"type": "number", "unit": 7}, None),
    ],
)
def test_a_unit_counts_where_it_is_stated(field, unit):
    assert stated_unit(field) == unit


def test_only_numbers_at_the_top_become_properties():
    schema = {
        "properties": {
            "gap": {"type": "number", "minimum": 0, "description": "[eV]"},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "name": {"type": "string"},
            "mixed": {"anyOf": [{"type": "number"}, {"type": "string"}]},
            "is it": {"type": "number"},
            "flag": {"type": "boolean"},
            "nested": {"type": "object", "properties": {"x": {"type": "number"}}},
        }
    }
    found = properties_of(schema)
    assert [(p.name, p.unit, p.low) for p in found] == [("gap", "eV", 0), ("maybe", "1", None)]
    assert properties_of(None) == properties_of({"type": "array"}) == ()


@given(st.text(min_size=1, max_size=200))
def test_every_name_becomes_one_of_ours(text):
    name = tool_name("lab", text)
    assert len(name) <= 64
    assert name.startswith("mcp.lab.")
    assert name.replace(".", "").replace("_", "").isalnum()
    assert name == name.lower()
    assert name.isascii()


def test_long_names_that_begin_alike_stay_apart():
    assert tool_name("lab", "x" * 100 + "a") != tool_name("lab", "x" * 100 + "b")


def translate(**tool):
    given = {"name": "gap", "description": "", "input_schema": {"type": "object"}, "output_schema": None}
    return to_spec(given | tool, server="lab", version="", code="0", timeout_s=10, memory_mb=100)


def test_units_of_arguments_are_kept_where_they_are_known():
    fields = {
        "t": {"type": "number", "description": "of the bath [K]"},
        "odd": {"type": "number", "x-unit": "flurb"},
        "text": {"type": "string", "description": "a unit [K]"},
    }
    known = translate(input_schema={"type": "object", "properties": fields}).parameters["properties"]
    assert canonical_unit(known["t"]["x-unit"]) == "K"
    assert "x-unit" not in known["odd"]
    assert "x-unit" not in known["text"]


@pytest.mark.parametrize(
    "schema", [{"type": "string"}, {"properties": {"x": {"$ref": "https://example.org/x"}}}, None, []]
)
def test_a_schema_that_cannot_be_a_tools_is_refused(schema):
    with pytest.raises(DescriptionError):
        translate(input_schema=schema)


def test_one_tool_that_cannot_be_used_stops_no_other():
    good = {"name": "gap", "description": "d", "input_schema": {"type": "object"}, "output_schema": None}
    server = Server(
        name="lab",
        url="https://example.org/mcp",
        tools=(good, good | {"name": "odd", "input_schema": {"type": "string"}}, {"name": "half"}),
    )
    found = list(offered(server))
    assert [one.spec.name for one in found if not isinstance(one, BrokenTool)] == ["mcp.lab.gap"]
    assert [one.name for one in found if isinstance(one, BrokenTool)] == ["mcp.lab: odd", "mcp.lab: half"]
    assert found[0].spec.hosts == ("example.org:443",)


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "a.b", "x" * 40])
def test_a_server_needs_a_plain_name(name):
    with pytest.raises(ValueError, match="name"):
        Server(name=name)


def test_a_number_that_may_be_absent_is_a_number_and_a_bound_beyond_all_numbers_is_refused():
    (found,) = properties_of({"properties": {"y": {"type": ["number", "null"], "minimum": 0}}})
    assert (found.name, found.low) == ("y", 0.0)
    with pytest.raises(DescriptionError, match="larger than any"):
        properties_of({"properties": {"y": {"type": "number", "minimum": 10**400}}})
    assert properties_of({"properties": {"y": {"type": "number", "anyOf": 5}}})[0].name == "y"
