"""A tool that is known by its description: what a stranger may say of it, and what is made of arguments."""

import pytest

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.errors import ToolArgumentError, UnitError, UsageError
from novum.tools.described import DescribedTool, DescriptionError, checked_schema, checked_spec

SCHEMA = {
    "type": "object",
    "properties": {
        "length": {"type": "number", "x-unit": "m", "minimum": 0, "maximum": 10},
        "times": {"type": "integer", "default": 2},
        "points": {"type": "array", "items": {"type": "number"}, "default": []},
        "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    },
    "required": ["length"],
    "additionalProperties": False,
}


def spec(**changes) -> ToolSpec:
    given = {
        "name": "lab.double",
        "version": "1",
        "description": "Double.",
        "entry": "m:f",
        "parameters": SCHEMA,
        "properties": (PropertySpec(name="length", unit="m", description="doubled"),),
        "method": "arithmetic",
    }
    return ToolSpec(**(given | changes))


@pytest.fixture
def double():
    return DescribedTool(checked_spec(spec()), origin="here", kind="file", code="0", launch=lambda *_: None)


def test_equal_requests_become_equal_arguments(double):
    wanted = {"length": 1.5, "times": 2, "points": [1.0], "name": None}
    for length in ("150 cm", 1.5, {"value": 1500, "unit": "mm"}):
        found = double.normalise({"length": length, "points": [1]})
        assert found == wanted
        assert [type(v) for v in found["points"]] == [float]
    assert double.normalise({"length": 1, "times": 3.0})["times"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lenght": 1.0, "length": 1.0}, r"unknown argument 'lenght'; did you mean 'length'\?"),
        ({}, "argument 'length' is missing"),
        ({"length": 11.0}, "argument 'length': maximum is 10, not 11.0"),
        ({"length": "1 K"}, "argument 'length'"),
        ({"length": 1.0, "times": "twice"}, "argument 'times': type is 'integer', not 'twice'"),
        ({"length": 1.0, "points": [float("nan")]}, "without NaN"),
        ({"length": True}, "argument 'length': type is 'number'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_words(double, arguments, said):
    with pytest.raises(ToolArgumentError, match=said):
        double.normalise(arguments)


def test_a_schema_cannot_send_us_elsewhere_or_keep_us_busy():
    with pytest.raises(DescriptionError, match="outside of itself"):
        checked_schema({"properties": {"x": {"$ref": "http://localhost/x.json"}}}, what="it")
    slow = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}, "pattern": {"type": "string"}}}
    kept = checked_schema(slow, what="it")
    assert kept["properties"] == {"x": {"type": "string"}, "pattern": {"type": "string"}}
    deep = {"type": "array"}
    for _ in range(40):
        deep = {"type": "array", "items": deep}
    with pytest.raises(DescriptionError, match="levels"):
        checked_schema({"properties": {"x": deep}}, what="it")
    with pytest.raises(DescriptionError, match="bytes"):
        checked_schema({"properties": {"x": {"enum": ["y" * 200_000]}}}, what="it")
    with pytest.raises(DescriptionError, match="JSON schema of an object"):
        checked_schema({"type": "string"}, what="it")
    with pytest.raises(DescriptionError, match="no JSON schema"):
        checked_schema({"properties": {"x": {"type": "unicorn"}}}, what="it")
    with pytest.raises(DescriptionError, match="schema of its own"):
        checked_schema({"properties": {"x": True}}, what="it")


def test_a_schema_that_refers_to_itself_without_end_is_an_error_in_words():
    loop = {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}
    found = DescribedTool(
        spec(parameters=checked_schema(loop, what="it")),
        origin="here",
        kind="file",
        code="0",
        launch=lambda *_: None,
    )
    with pytest.raises(ToolArgumentError, match="leads nowhere"):
        found.normalise({"x": 1})


def test_texts_of_strangers_show_and_do_not_act():
    found = checked_spec(spec(description="red \x1b[31m", method="\u202e" + "m" * 500))
    assert found.description == "red \\x1b[31m"
    assert len(found.method) == 100
    assert "\u202e" not in found.method


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "a" * 65}, DescriptionError),
        ({"files": ("home",)}, DescriptionError),
        ({"hosts": ("no host",)}, UsageError),
        ({"properties": (PropertySpec(name="x y", description="d"),)}, DescriptionError),
        ({"properties": (PropertySpec(name="x", unit="furlongs per moon", description="d"),)}, UnitError),
        (
            {"properties": tuple(PropertySpec(name=f"x{i}", description="d") for i in range(200))},
            DescriptionError,
        ),
    ],
)
def test_a_description_that_cannot_be_a_tools_is_refused(changes, error):
    with pytest.raises(error):
        checked_spec(spec(**changes))
