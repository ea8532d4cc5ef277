"""Answers are claims, read strictly."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novum.core.calls import CallStatus
from novum.core.errors import UsageError
from novum.sandbox.answers import parse_answer, parse_strict
from novum.sandbox.json_data import MAX_DEPTH, encode_arguments, find_unjson

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_every_json_value_passes_unchanged(value):
    assert find_unjson(value) is None
    raw = json.dumps({"value": value}, ensure_ascii=False, allow_nan=False).encode()
    assert parse_answer(raw).value == value
    assert parse_answer(raw).status is CallStatus.OK


@given(st.binary())
def test_garbage_is_a_bad_result(raw):
    answer = parse_answer(raw)
    assert answer.value is None
    assert answer.status is CallStatus.BAD_RESULT


@pytest.mark.parametrize(
    "raw",
    [
        b'{"value": NaN}',
        b'{"value": -Infinity}',
        b'{"value": 1e999}',
        b'{"value": 1}{"value": 1}',
        b'{"value": 1, "value": 1}',
        b'{"value": "\\ud800"}',
        b'{"value": ' + b"9" * 5000 + b"}",
        b'{"value": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"raised": "E", "text": 1}',
        b'{"large": "x"}',
        b"null",
        b"",
    ],
)
def test_hostile_answers_are_bad_results(raw):
    assert parse_answer(raw).status is CallStatus.BAD_RESULT


@pytest.mark.parametrize("unit", ["[", '{"a":', '"\\"', '"', '\\"', "[]"])
def test_hostile_answers_are_read_in_linear_time(unit):
    started = time.monotonic()
    for raw in (unit * 300_000, "[" * 70 + unit * 300_000, '["' + unit * 300_000):
        parse_answer(raw.encode())
    assert time.monotonic() - started < 10


def test_the_deepest_allowed_value_arrives():
    value: list = []
    for _ in range(MAX_DEPTH):
        value = [value]
    assert find_unjson(value) is None
    assert parse_answer(json.dumps({"value": value}).encode()).value == value
    assert "nested" in (find_unjson([value]) or "")
    with pytest.raises(ValueError, match="nested"):
        parse_strict(json.dumps({"value": [value]}).encode())


def test_messages_are_clean():
    assert parse_answer(b'{"raised": "E", "text": "\\u001b[31m", "limit": null}').message == "E: \\x1b[31m"


def test_a_place_is_named():
    assert "$.a[1].b" in (find_unjson({"a": [0, {"b": float("inf")}]}) or "")
    assert "'complex'" not in (find_unjson(1j) or "")
    assert "complex" in (find_unjson(1j) or "")


def test_arguments_that_are_not_json_are_a_usage_error():
    with pytest.raises(UsageError, match="not JSON data"):
        encode_arguments("a:b", {"x": float("nan")})
