"""Tool calls and reasoning are read out of any text; no text does harm."""

import json
from contextlib import suppress
from string import ascii_letters

import pytest
import strategies
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novum.agents.models.dialects import (
    MAX_CALLS,
    parse_tool_calls,
    split_thinking,
    to_tool_use,
    write_tool_calls,
)
from novum.agents.models.reading import MAX_CHARACTERS, load_tolerant
from novum.agents.models.repetition import REPEATS, Repetition, find_loop
from novum.core.conversation import Reply, ToolUse
from novum.core.digest import canonical_json
from novum.core.errors import ModelReplyError

many = settings(max_examples=150, deadline=None)
few = settings(max_examples=40, deadline=None)

names = st.text(ascii_letters + "_-", min_size=1, max_size=12)
calls = st.lists(
    st.builds(ToolUse, name=names, arguments=strategies.json_objects), min_size=1, max_size=3
).map(tuple)
MARKS = (
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<|action_start|>", "<|plugin|>", "<|action_end|>",
    "<function=f>", "</function>", "<parameter=k>", "</parameter>", '{"name": "f", "arguments": {', "}}", "{",
    "[", '"', "'", "\\", "\\ud800", "1e999", "NaN", "tool_calls", "\ud800", "```json", "\n", ",", ":",
)  # fmt: skip
hostile = st.lists(st.sampled_from(MARKS) | st.text(max_size=6), max_size=20).map("".join)


def plain(uses) -> list[tuple[str, dict]]:
    return [(use.name, use.arguments) for use in uses]


@pytest.mark.parametrize("dialect", ["openai", "intern-s1", "hermes"])
@few
@given(wanted=calls)
def test_what_a_dialect_writes_is_read_back(dialect, wanted):
    rest, found = parse_tool_calls(write_tool_calls(wanted, dialect))
    assert plain(found) == plain(wanted)
    assert rest == ""


@few
@given(
    wanted=st.builds(
        ToolUse,
        name=names,
        arguments=st.dictionaries(
            names,
            st.text(ascii_letters + " ()=#[]@0123456789") | st.integers(0, 99) | st.booleans(),
            max_size=3,
        ),
    )
)
def test_what_qwen_coder_writes_is_read_back(wanted):
    rest, found = parse_tool_calls(write_tool_calls([wanted], "qwen3-coder"))
    assert plain(found) == plain([wanted])
    assert rest == ""


@many
@given(text=hostile)
@example("<think>" * 50)
@example("<tool_call>" * 200)
@example("[" * 5000)
@example('<tool_call>{"name": "f", "arguments": ' + "[" * 3000)
def test_no_text_raises_anything_but_the_named_error(text):
    thought, rest = split_thinking(text)
    try:
        said, found = parse_tool_calls(rest)
    except ModelReplyError:
        return
    reply = Reply(text=said.encode("utf-8", "replace").decode(), tool_calls=found)
    for use in found:
        assert canonical_json(use.arguments).encode("utf-8")
    assert len(found) <= MAX_CALLS
    assert reply.tool_calls == found
    assert len(thought) + len(rest) <= len(text)


@many
@given(text=hostile)
def test_reading_json_raises_nothing_but_the_named_error(text):
    try:
        value = load_tolerant(text)
    except ModelReplyError:
        return
    assert isinstance(value, dict | list)
    assert canonical_json(value).encode("utf-8")


@few
@given(
    value=strategies.json_objects.filter(bool),
    before=st.text(ascii_letters + " .,!\n"),
    after=st.text(ascii_letters + " .,!"),
)
def test_json_is_found_in_prose(value, before, after):
    assert load_tolerant(f"{before}{json.dumps(value)}{after}") == value
    assert load_tolerant(f"{before}\n```json\n{json.dumps(value, indent=1)}\n```\n{after}") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ("{'a': 'b'}", {"a": "b"}),
        ("{a: 1}", {"a": 1}),
        ('{"a": [1, 2', {"a": [1, 2]}),
        ('{"a": 1} // that is it', {"a": 1}),
        ('{"a": True, "b": None}', {"a": True, "b": None}),
        ('First {"x": 1}, then {"a": {"b": 2}}', {"a": {"b": 2}}),
        ('[{"a": 1}]', [{"a": 1}]),
        ('{"smiles": "CCO", "gap": {"value": 4},}', {"smiles": "CCO", "gap": {"value": 4}}),
        ("In the range [0, 1) it is {'a': {\"b\": 2}}.", {"a": {"b": 2}}),
        ('[{"a": 1}, {"b": 2},]', [{"a": 1}, {"b": 2}]),
        ("{}", {}),
    ],
)
def test_json_that_is_nearly_right_is_mended(text, value):
    assert load_tolerant(text) == value


@pytest.mark.parametrize("text", ["", "no", "3", '"text"', "true", '{"a": NaN}', '{"a": 1e999}'])
def test_what_holds_no_object_is_malformed(text):
    with pytest.raises(ModelReplyError) as raised:
        load_tolerant(text)
    assert raised.value.kind == "malformed"


@pytest.mark.parametrize(
    "number",
    ["10^-1", "1 000", "2*3", "5 ± 1", "5 or 6", "1,234", "0,5", ".5", "012", "1_000", "–2.3", "3 % of 4"],
)
@pytest.mark.parametrize("rest", [', "std": 1}', ', "std": 1', ', "note": "it was, 5, 1, 2, 10",}'])
def test_mending_never_makes_another_number(number, rest):
    with suppress(ModelReplyError):
        assert load_tolerant(f'{{"value": {number}{rest}')["value"] == number, "words stay words"
    call = to_tool_use("xtb", f'{{"value": {number}{rest}')
    assert call.malformed or call.arguments["value"] == number


@pytest.mark.parametrize("text", ['{"value": −2.3}', '{"value": −2.3,}', "so {'value': −2.3, 'std': 1"])
def test_the_minus_of_typographers_is_a_minus(text):
    assert load_tolerant(text)["value"] == -2.3


@pytest.mark.parametrize(
    "text",
    [
        '{"value": 5, "value": 9}',
        '{"a": {"value": 5, "unit": "eV", "value": 9}}',
        '{"value": 5, "value": 9',
        "{'value': 5, 'value': 9}",
        "{value: 5, unit: eV, value: 9}",
        '{"value": "a", "value": "b",}',
    ],
)
def test_a_key_with_two_values_is_malformed(text):
    with pytest.raises(ModelReplyError, match="twice") as raised:
        load_tolerant(text)
    assert raised.value.kind == "malformed"
    assert to_tool_use("xtb", text).malformed


def test_one_key_in_several_objects_is_in_order():
    assert load_tolerant('[{"value": 5}, {"value": 9},]') == [{"value": 5}, {"value": 9}]
    assert load_tolerant('{"a": {"value": 5}, "value": 9,}') == {"a": {"value": 5}, "value": 9}
    assert load_tolerant('{"value": 5, "value": 5}') == {"value": 5}


def test_of_several_objects_the_last_that_fits_is_taken():
    text = 'A draft: {"a": 1, "why": "a long reason"}. No, rather {"a": 2}. That is {"of": "a kind"}.'
    assert load_tolerant(text) == {"of": "a kind"}
    assert load_tolerant(text, fits=lambda value: "a" in value) == {"a": 2}
    assert load_tolerant(text, fits=lambda _: False) == {"of": "a kind"}


def test_a_draft_does_not_stand_in_for_a_last_word_that_cannot_be_read():
    with pytest.raises(ModelReplyError):
        load_tolerant('A draft: {"value": 4}. No, rather {"value": 5 ± 1}.', fits=lambda _: True)
    with pytest.raises(ModelReplyError) as raised:
        load_tolerant('A draft: {"value": 4}. No, rather {"value": 5', cut=True, fits=lambda _: True)
    assert raised.value.kind == "cut"


@pytest.mark.parametrize(
    "text",
    ["x" + "[" * 399_000, "{" * 200_000, '{"a":' * 60_000, "[" * 900 + "1," * 190_000, "x[1,{" * 70_000],
)
def test_what_is_all_brackets_is_given_up_early(text, monkeypatch):
    read = 0
    decode = json.JSONDecoder.raw_decode

    def counted(self, text, at=0):
        nonlocal read
        try:
            value, end = decode(self, text, at)
        except json.JSONDecodeError as error:
            read += error.pos - at
            raise
        read += end - at
        return value, end

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", counted)
    with pytest.raises(ModelReplyError) as raised:
        load_tolerant(text)
    assert raised.value.kind == "malformed"
    assert read <= 10 * MAX_CHARACTERS


def test_a_cut_text_is_not_mended_into_another_number():
    assert load_tolerant('{"temperature": 30') == {"temperature": 30}
    with pytest.raises(ModelReplyError) as raised:
        load_tolerant('{"temperature": 30', cut=True)
    assert raised.value.kind == "cut"
    with pytest.raises(ModelReplyError):
        load_tolerant('{"range": {"low": 1}, "temperature": 30', cut=True)
    assert load_tolerant('{"temperature": 300} and so', cut=True) == {"temperature": 300}


@pytest.mark.parametrize("word", ["parameters", "arguments"])
def test_parameters_and_arguments_mean_the_same(word):
    text = f'I call. <|action_start|><|plugin|>{{"name": "f", "{word}": {{"a": 1}}}}<|action_end|>'
    rest, found = parse_tool_calls(text)
    assert (rest, plain(found)) == ("I call.", [("f", {"a": 1})])


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "arguments": {"a": 1}}',
        '<tool_call>\n{"name": "f", "arguments": "{\\"a\\": 1}"}\n</tool_call>',
        '<tool_call>{"function": {"name": "f", "arguments": {"a": 1}}}</tool_call>',
        "<function=f><parameter=a>1</parameter></function>",
        '<|action_start|><|plugin|>\n{"name": "f", "parameters": {"a": 1,}}',
    ],
)
def test_calls_without_end_and_with_other_habits_are_read(text):
    assert plain(parse_tool_calls(text)[1]) == [("f", {"a": 1})]


def test_a_call_that_cannot_be_read_shows_what_was_written():
    rest, found = parse_tool_calls("Well <tool_call>call f with a</tool_call>")
    assert rest == "Well"
    assert (found[0].name, found[0].malformed) == ("", "call f with a")


def test_each_call_has_an_id_of_its_own():
    one = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    assert [use.id for use in parse_tool_calls(one * 3)[1]] == ["call_0", "call_1", "call_2"]


def test_a_loop_of_calls_is_no_plan():
    with pytest.raises(ModelReplyError) as raised:
        parse_tool_calls('<tool_call>{"name": "f", "arguments": {}}</tool_call>' * (MAX_CALLS + 1))
    assert raised.value.kind == "repetition"


def test_reasoning_whose_beginning_the_template_wrote_is_reasoning():
    assert split_thinking("so it is CCO</think>\n\nCCO") == ("so it is CCO", "CCO")


def test_a_text_that_speaks_of_thinking_later_stays_whole():
    text = "Write <think> before you reason and </think> after it."
    assert split_thinking(text) == ("", text)


@few
@given(
    unit=st.text(ascii_letters + " ,.", min_size=1, max_size=40), before=st.text(ascii_letters, max_size=30)
)
def test_a_loop_is_found_and_said_once(unit, before):
    watch = Repetition()
    text = before
    for _ in range(4000 // len(unit) + REPEATS + 1):
        text += unit
        if watch.add(unit):
            break
    assert watch.unit
    cut = watch.cut(text)
    assert text.startswith(cut)
    assert len(cut) <= len(before) + 2 * len(unit)
    assert not find_loop(cut)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"| {n} | {n * n} | {n / 7:.3f} |" for n in range(200)),
        ", ".join(str(n) for n in range(600)),
        "C" * 60 + " is a long chain, " + "MKTAYIAKQR" * 10,
        json.dumps([{"smiles": "C" * n, "gap": n / 10} for n in range(60)]),
    ],
)
def test_tables_lists_and_sequences_are_no_loops(text):
    watch = Repetition()
    assert not any(watch.add(text[i : i + 7]) for i in range(0, len(text), 7))
