import inspect
import subprocess
import sys
from typing import Annotated, Any

import made_up_tools
import pytest
from made_up_tools import Weight, brew, weigh
from pydantic import Field

from novum.core.errors import ToolArgumentError, ToolFailedError
from novum.tools.base import Properties, ToolDefinitionError, Unit, tool


def test_a_tool_is_still_a_function():
    assert brew("arabica", grinds=2, temperature=365.0).strength == 2.0
    assert inspect.signature(brew).parameters["grinds"].default == 3


def test_the_spec_comes_from_signature_and_docstring():
    spec = brew.spec
    assert spec.entry == "made_up_tools:brew"
    assert spec.description == "Brew coffee at a temperature.\n\nThe second paragraph stays."
    assert spec.source == "A cookbook."
    assert spec.stochastic_in_seed
    assert not weigh.spec.stochastic_in_seed
    assert [p.model_dump(exclude_none=True) for p in spec.properties] == [
        {"name": "strength", "unit": "g/L", "description": "extracted mass", "low": 0.0, "high": 100.0},
        {"name": "yield_", "unit": "1", "description": "share extracted", "low": 0.0, "high": 1.0},
    ]


def test_the_schema_is_what_a_planner_reads():
    assert brew.spec.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["bean"],
        "properties": {
            "bean": {"type": "string", "enum": ["arabica", "robusta"], "description": "the species."},
            "temperature": {
                "type": "number",
                "minimum": 273,
                "maximum": 400,
                "default": 365.0,
                "description": "of the water, while it runs.",
                "x-unit": "K",
            },
            "times": {
                "type": "array",
                "items": {"type": "number"},
                "default": [],
                "description": "of the pours.",
                "x-unit": "s",
            },
            "grinds": {"type": "integer", "minimum": 1, "default": 3, "description": "turns of the mill."},
        },
    }


@pytest.mark.parametrize(
    "temperature", [300, 300.0, "300 K", "26.85 degC", {"value": 300000, "unit": "mK"}, " 3e2 kelvin "]
)
def test_arguments_are_converted_to_the_tools_unit(temperature):
    assert brew.normalise({"bean": "arabica", "temperature": temperature})["temperature"] == pytest.approx(
        300
    )


def test_lists_are_converted_item_by_item():
    assert brew.normalise({"bean": "arabica", "times": [1, "2 min"]})["times"] == [1.0, 120.0]


def test_defaults_are_filled_in():
    assert brew.normalise({"bean": "arabica"}) == brew.normalise(
        {"grinds": 3, "temperature": "365 K", "bean": "arabica"}
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "argument 'bean' is missing"),
        ({"bean": "arabica", "grind": 1}, "unknown argument 'grind'; did you mean 'grinds'"),
        ({"bean": "arabica", "xyzzy": 1}, "unknown argument 'xyzzy'; known are bean, temperature"),
        ({"bean": "liberica"}, "'arabica' or 'robusta'"),
        ({"bean": "arabica", "grinds": "3"}, "argument 'grinds'.*valid integer.*not '3'"),
        ({"bean": "arabica", "grinds": 2.5}, "argument 'grinds'"),
        ({"bean": "arabica", "grinds": True}, "argument 'grinds'"),
        ({"bean": "arabica", "grinds": 0}, "greater than or equal to 1"),
        ({"bean": "arabica", "temperature": 500}, "less than or equal to 400"),
        ({"bean": "arabica", "temperature": "500 eV"}, "cannot turn 'eV' into 'K'"),
        ({"bean": "arabica", "temperature": "300 kelwin"}, "unknown unit 'kelwin'"),
        ({"bean": "arabica", "temperature": "300"}, "not a number with a unit"),
        ({"bean": "arabica", "temperature": {"value": 300}}, "argument 'temperature'"),
        ({"bean": "arabica", "temperature": {"value": 300, "unit": "K", "x": 1}}, "argument 'temperature'"),
        ({"bean": "arabica", "temperature": float("nan")}, "NaN"),
        ({"bean": object()}, "JSON"),
        ({"bean": "arabica", "seed": 3}, "unknown argument 'seed'"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, reason):
    with pytest.raises(ToolArgumentError, match=reason):
        brew.normalise(arguments)


def test_invoking_passes_the_seed_only_where_it_is_wanted():
    assert brew.invoke({"bean": "arabica", "temperature": 365}, seed=5).strength == pytest.approx(3.05)
    assert weigh.invoke({"thing": "cat"}, seed=5).weight == 3


@pytest.mark.parametrize("claim", [-1, "heavy", [1]])
def test_an_impossible_answer_fails_with_the_property_named(claim):
    with pytest.raises(ToolFailedError, match="impossible result: weight"):
        weigh.invoke({"thing": "cat", "claim": claim}, seed=0)


def refuse(reason: str, function: Any, **options: Any) -> None:
    with pytest.raises(ToolDefinitionError, match=reason):
        tool(**{"name": "lab.bad", "version": "1", "method": "m", **options})(function)


def test_an_undescribed_parameter_is_refused():
    def bad(thing: str) -> Weight:
        """Weigh."""

    refuse("describe parameter 'thing'", bad)


def test_a_description_of_no_parameter_is_refused():
    def bad() -> Weight:
        """Weigh.

        Args:
            ghost: not there.
        """

    refuse("unknown parameters: \\['ghost'\\]", bad)


def test_an_untyped_parameter_is_refused():
    def bad(thing) -> Weight:
        """Weigh.

        Args:
            thing: of no type.
        """

    refuse("parameter 'thing' has no type", bad)


def test_a_nameless_parameter_is_refused():
    def bad(*things: str) -> Weight:
        """Weigh.

        Args:
            things: many.
        """

    refuse("must be one that has a name", bad)


def test_a_missing_docstring_is_refused():
    def bad() -> Weight: ...

    refuse("must say what the tool does", bad)


def test_a_bare_number_is_no_answer():
    def bad() -> float:
        """Weigh."""

    refuse("must be a subclass of Properties", bad)


def test_an_undescribed_property_is_refused():
    class Mute(Properties):
        x: Annotated[float, Unit("m")]

    def bad() -> Mute:
        """Measure."""

    refuse("property 'x' has no description", bad)


def test_a_property_that_is_no_number_is_refused():
    class Word(Properties):
        x: Annotated[str, Field(description="a word")]

    def bad() -> Word:
        """Measure."""

    refuse("property 'x' must be a number", bad)


def test_an_answer_without_properties_is_refused():
    def bad() -> Properties:
        """Measure."""

    refuse("names no property", bad)


@pytest.mark.parametrize("name", ["", "Lab.X", "lab..x", "lab x", "lab.x:y"])
def test_a_crooked_name_is_refused(name):
    refuse("dotted lower case", weigh.function, name=name)


def test_the_code_hash_is_that_of_the_modules_and_libraries_that_run():
    from novum.tools.chemistry.descriptors import descriptors
    from novum.tools.chemistry.xtb import xtb

    hashes = {brew.spec.code_hash, descriptors.spec.code_hash, xtb.spec.code_hash}
    assert len(hashes) == 3
    assert all(len(h) == 64 for h in hashes)
    assert weigh.spec.code_hash == brew.spec.code_hash  # one module, no libraries


def test_editing_a_neighbour_or_a_preloaded_table_changes_the_code_hash(tmp_path, monkeypatch):
    source = '''
from typing import Annotated
from pydantic import Field
from novum.tools.base import Properties, tool
from pkg{n}.helper import number

class A(Properties):
    a: Annotated[float, Field(description="a")]

@tool(name="x", version="1", method="m", preload=("pkg{n}.tables",))
def x() -> A:
    """Say it."""
    return A(a=number())
'''
    monkeypatch.syspath_prepend(tmp_path)
    hashes = []
    for n, (helper, tables) in enumerate([("1", "1"), ("1", "1"), ("2", "1"), ("1", "2")]):
        package = tmp_path / f"pkg{n}"
        package.mkdir()
        for name, text in {
            "__init__": "",
            "helper": f"def number():\n    return {helper}\n",
            "tables": f"TABLE = {tables}\n",
            "main": source.format(n=n),
        }.items():
            (package / f"{name}.py").write_text(text)
        module = __import__(f"pkg{n}.main", fromlist=["x"])
        assert f"pkg{n}.tables" not in sys.modules
        hashes.append((package, module.x.spec.code_hash))
    # Equal but for the package's own name, which the source holds.
    assert len({h for _, h in hashes}) == 4
    for (package, before), changed in zip(hashes, ["helper", "tables", "main", "__init__"], strict=True):
        file = package / f"{changed}.py"
        file.write_text(file.read_text() + "\n# edited\n")
        for name in [m for m in sys.modules if m.startswith(package.name)]:
            del sys.modules[name]
        after = __import__(f"{package.name}.main", fromlist=["x"]).x.spec.code_hash
        assert (after == before) is (changed == "__init__")


def test_listing_the_tools_loads_no_chemistry():
    code = (
        "import sys\n"
        "from novum.tools.registry import Registry\n"
        "assert not Registry.load().broken\n"
        "heavy = {'rdkit', 'pyscf', 'tblite', 'pint', 'ase', 'torch', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_names_of_the_module_stay_what_they_are():
    assert made_up_tools.brew is brew
    assert repr(brew) == "Tool('lab.brew')"
    assert brew.__doc__.startswith("Brew coffee")
