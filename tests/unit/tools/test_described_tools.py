"""A tool that is known by its description: what a stranger may say of it, and what is made of arguments."""

import pytest

from novum.core.calls import PropertySpec, ToolSpec
from novum.core.errors import InfrastructureError, ToolArgumentError, UnitError, UsageError
from novum.sandbox.base import Profile
from novum.tools.conformance.checks import Checker
from novum.tools.described import DescribedTool, DescriptionError, Launch, checked_schema, checked_spec
from novum.tools.plugins.scaffold import write_file

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


def test_a_schema_that_refers_to_itself_without_end_is_refused_in_words():
    loop = {"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}
    with pytest.raises(DescriptionError, match="refers to itself without end"):
        checked_schema(loop, what="it")
    with pytest.raises(DescriptionError, match="which is not there"):
        checked_schema({"properties": {"x": {"$ref": "#/$defs/a"}}}, what="it")


def described(schema) -> DescribedTool:
    return DescribedTool(
        checked_spec(spec(parameters=schema)), origin="here", kind="file", code="0", launch=lambda *_: None
    )


def test_a_schema_whose_references_double_at_each_step_is_refused():
    chain = {f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(20)}
    doubled = {"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": {**chain, "a20": {}}}
    with pytest.raises(DescriptionError, match="stands for more than"):
        checked_schema(doubled, what="it")
    long = {f"a{i}": {"$ref": f"#/$defs/a{i + 1}"} for i in range(200)}
    with pytest.raises(DescriptionError, match="deeper than"):
        checked_schema(
            {"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": {**long, "a200": {}}}, what="it"
        )


def test_a_schema_of_a_tree_is_taken_and_one_that_doubles_with_the_data_is_given_up():
    def tree(n):
        again = [{"items": {"$ref": "#/$defs/tree"}}] * n
        return described(
            {
                "properties": {"x": {"$ref": "#/$defs/tree"}},
                "$defs": {"tree": {"type": "array", "allOf": again}},
            }
        )

    deep = []
    for _ in range(30):
        deep = [deep]
    assert tree(1).normalise({"x": deep}) == {"x": deep}
    with pytest.raises(ToolArgumentError, match="leads nowhere"):
        tree(2).normalise({"x": deep})


def test_a_schema_of_any_shape_is_taken_or_refused_in_words():
    taken = described(
        {
            "properties": {
                "n": {"type": ["integer", "null"]},
                "list": {"type": "array", "items": True},
                "default": {"type": ["number", "null"], "default": None},
            }
        }
    )
    assert taken.normalise({"n": 5.0, "list": [5]}) == {"n": 5, "list": [5], "default": None}
    too_deep = {"type": "object"}
    for _ in range(100_000):
        too_deep = {"x": too_deep}
    for parameters, said in (
        ({"properties": {"n": {"type": "number", "minimum": 10**400}}}, "larger than any"),
        ({"properties": {"n\x1b[2J": {"type": "number"}}}, "cannot be shown"),
        ({"properties": {"n": {"type": "object", "x": {"a\nb": 1}}}}, "cannot be shown"),
        ({"properties": {"n": {"x-unit": 5}}}, "is no text"),
        ({"$defs": [1]}, "no JSON schema"),
        ({"properties": {"n": {"anyOf": 5}}}, "no JSON schema"),
        ({"x": too_deep}, "nested too deep"),
    ):
        with pytest.raises(DescriptionError, match=said):
            described(parameters)


@pytest.mark.parametrize("name", ["bad.\x1b[2Jx", "bad.x\nfake.tool", "Bad.x", "bad..x", "bad.ж"])
def test_a_name_that_is_not_dotted_lower_case_is_refused_and_shown_harmless(name):
    with pytest.raises(DescriptionError, match="dotted lower case") as raised:
        checked_spec(spec(name=name))
    assert str(raised.value).isprintable()


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
        ({"timeout_s": 86_401.0}, DescriptionError),
        ({"timeout_s": float("inf")}, DescriptionError),
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


def test_a_check_waits_no_longer_than_its_own_time_whatever_a_tool_declares():
    asked = []

    class Recording:
        def run(self, request, **_):
            asked.append(request.limits.wall_s)
            raise InfrastructureError("seen")

    found = DescribedTool(
        checked_spec(spec(timeout_s=80_000)),
        origin="here",
        kind="file",
        code="0",
        launch=lambda arguments, _: Launch("m:f", dict(arguments), Profile(name="plugin", modules=())),
    )
    with pytest.raises(InfrastructureError, match="seen"):
        Checker(found, Recording(), budget_s=20).run()
    assert asked
    assert max(asked) <= 20


@pytest.mark.parametrize("name", ["class", "numpy", "lab.numpy"])
def test_a_new_tool_is_not_called_like_a_keyword_or_an_installed_package(name, tmp_path):
    with pytest.raises(UsageError, match="choose another name"):
        write_file(name, tmp_path)
    assert not list(tmp_path.iterdir())
