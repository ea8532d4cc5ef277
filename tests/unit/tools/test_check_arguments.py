"""The arguments with which a tool is tried: usual and hard ones fit its schema, wrong ones do not."""

import pytest
from jsonschema import Draft202012Validator
from made_up_tools import brew

from novum.tools.base import Tool
from novum.tools.chemistry.descriptors import descriptors
from novum.tools.chemistry.dft import dft
from novum.tools.chemistry.xtb import xtb
from novum.tools.conformance import Outcome, Report
from novum.tools.conformance.arguments import NoSampleError, edges, sample, usual, wrong

TOOLS = [brew, descriptors, dft, xtb]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.spec.name)
def test_what_is_tried_is_what_it_is_called(tool: Tool):
    validator = Draft202012Validator(tool.spec.parameters)
    base = sample(tool.spec)
    assert validator.is_valid(base)
    assert all(validator.is_valid(arguments) for _, arguments in edges(tool.spec, base))
    bad = list(wrong(tool.spec, base))
    assert bad
    assert not any(validator.is_valid(arguments) for _, arguments in bad)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "number", "exclusiveMinimum": 0}, 1.0),
        ({"type": "number", "maximum": -5}, -10.0),
        ({"type": "integer", "minimum": 1, "maximum": 4}, 2),
        ({"type": "string", "examples": ["CCO"]}, "CCO"),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [1.0, 1.0]),
        ({"$ref": "#/$defs/one"}, True),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, False),
        ({"type": "object", "properties": {"x": {"const": 3}}, "required": ["x"]}, {"x": 3}),
    ],
)
def test_a_usual_value_is_guessed_from_the_schema(schema, value):
    assert usual("x", schema, {"one": {"const": True}}) == value


def test_what_cannot_be_guessed_is_named():
    with pytest.raises(NoSampleError, match="'formula'"):
        usual("formula", {"type": "string"}, {})


def test_a_report_passes_only_when_something_was_kept_and_nothing_broken():
    report = Report("lab.x")
    assert not report.passed
    report.skip("call", "no time")
    report.note("source", "none")
    assert not report.passed
    report.add("units", [], kept="m")
    assert report.passed
    report.add("call", ["it crashes", "it crashes"])
    assert [f.said for f in report.broken] == ["it crashes"]
    assert str(report).splitlines()[0] == "lab.x: failed"
    assert report.findings[0].outcome is Outcome.SKIPPED
