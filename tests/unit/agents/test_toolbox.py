"""Of hundreds of tools the few that matter reach the model, under names that it can say."""

import json
import re

import pytest
from many_tools import SUBJECTS, many_tools, paraphrases, questions

from novum.agents.scientist.experimenter import tool_schema
from novum.agents.scientist.relevance import Relevance, words_of
from novum.agents.scientist.toolbox import Feed, Toolbox, told_names, tool_names
from novum.core.calls import PropertySpec, ToolSpec
from novum.memory.window import estimate_tokens


def spec(name, *, gives=(), takes=(), about="", cost=1.0):
    return ToolSpec(
        name=name,
        version="1",
        description=about or f"Computes {', '.join(n for n, _ in gives)}.",
        entry="lab:run",
        parameters={
            "properties": {n: {"type": "number" if u else "string", "x-unit": u or "1"} for n, u in takes},
            "required": [n for n, _ in takes],
        },
        properties=tuple(PropertySpec(name=n, unit=u, description=n) for n, u in gives),
        method="law",
        nominal_cost_s=cost,
    )


@pytest.fixture(scope="module")
def box():
    return Toolbox(many_tools())


def recall(box, n, asked=None):
    asked = asked or questions()
    return sum(tool in {s.name for s in box.search(q, n)} for q, tool in asked.items()) / len(asked)


def test_of_three_hundred_tools_the_right_one_is_among_the_first(box):
    assert len(box.specs) == len(questions()) == 300
    assert recall(box, 6) >= 0.95
    assert recall(box, 1) >= 0.9


def test_where_only_the_subject_has_its_own_word_the_right_one_is_among_those_of_the_subject(box):
    asked = paraphrases()
    assert len(asked) == 5 * len(SUBJECTS)
    assert recall(box, 15, asked) == 1
    assert recall(box, 6, asked) < 1, "words alone cannot tell these apart"


def test_what_is_told_of_the_chosen_is_a_fiftieth_of_all(box):
    def size(specs):
        told = [tool_schema(n, s).model_dump(mode="json") for n, s in tool_names(specs).items()]
        return estimate_tokens(json.dumps(told))

    chosen = size(box.search("Does the alloy conduct heat well?", 6))
    assert chosen * 40 < size(box.specs)
    assert chosen < 1500


def test_a_question_of_something_else_finds_nothing(box):
    assert box.search("Who won the cup?", 6) == ()


def test_the_same_question_finds_the_same_tools_in_whatever_order_they_are_given(box):
    turned = Toolbox(reversed(many_tools()))
    for question in list(questions())[::37]:
        one, other = (b.search(question, 3)[0].name for b in (box, turned))
        assert one == other


AREA = spec("lab.area", gives=[("cross_section_area", "m**2")], takes=[("structure", "")])
FLOW = spec("lab.flow", gives=[("flow", "m**3/s")], takes=[("area", "cm**2"), ("structure", "")])
ANGLE = spec("lab.angle", gives=[("area", "rad")], takes=[("structure", "")])
COUNT = spec("lab.count", gives=[("pore_count", "1")], takes=[("structure", "")])
SHARE = spec("lab.share", gives=[("porosity", "1")], takes=[("count", "1")])
LOOP = spec("lab.loop", gives=[("knot", "1")], takes=[("knot_length", "m")])


def test_a_tool_feeds_another_whose_input_has_its_name_and_its_dimension():
    box = Toolbox([AREA, FLOW, ANGLE])
    assert box.feeds(FLOW) == (Feed("lab.area", "cross_section_area", "lab.flow", "area"),)
    assert box.feeds(AREA) == ()


def test_pure_numbers_feed_under_the_same_name_only():
    assert Toolbox([COUNT, SHARE]).feeds(SHARE) == ()
    same = spec("lab.count", gives=[("count", "1")], takes=[("structure", "")])
    assert [f.source for f in Toolbox([same, SHARE]).feeds(SHARE)] == ["lab.count"]


def test_a_tool_comes_with_those_that_give_its_inputs():
    box = Toolbox([AREA, FLOW, ANGLE])
    chosen = box.select("What is the flow?", 4, given=["structure"])
    assert [s.name for s in chosen] == ["lab.flow", "lab.area"]
    assert [s.name for s in box.select("What is the flow?", 1, given=["structure", "area"])] == ["lab.flow"]


def test_a_tool_whose_input_nobody_gives_is_left_out():
    assert Toolbox([LOOP, FLOW]).select("knot flow", 4, given=["structure"]) == ()


def test_tools_that_feed_each_other_in_a_circle_end_the_search():
    one = spec("lab.one", gives=[("height", "m")], takes=[("mass", "kg")])
    two = spec("lab.two", gives=[("mass", "kg")], takes=[("height", "m")])
    assert Toolbox([one, two]).select("height", 4, given=[]) == ()


def test_a_unit_that_is_none_feeds_nothing():
    odd = spec("lab.odd", gives=[("flow", "1")], takes=[("area", "no such unit")])
    assert Toolbox([AREA, odd]).feeds(odd) == ()


def test_names_fit_every_server_and_lead_back():
    specs = [
        spec("lab.a.b"),
        spec("lab.a_b"),
        spec(f"lab.{'long' * 30}.one"),
        spec(f"lab.{'long' * 30}.two"),
        spec("lab.plain"),
    ]
    names = tool_names(specs)
    assert list(names.values()) == specs
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert [names[told] for told in told_names(names).values()] == specs
    assert told_names(tool_names(reversed(specs))) == told_names(names)
    assert told_names(names)["lab.plain"] == "lab_plain"


def test_words_are_read_out_of_names_and_sentences():
    assert words_of("homoLumoGap of the Studies' glasses") == ["homo", "lumo", "gap", "study", "glasse"]
    assert Relevance([]).rank("anything") == []
    assert Relevance(["", "gap"]).scores("gap")[0] == 0
