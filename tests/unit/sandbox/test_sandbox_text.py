"""Text from a sandbox shows; it does not act."""

from hypothesis import given
from hypothesis import strategies as st

from novum.sandbox.text import clean_text, decode_output


@given(st.text(st.characters(exclude_categories=[])))
def test_clean_text_never_acts(text):
    cleaned = clean_text(text)
    assert not [c for c in cleaned if c in "\x1b\x07\x9b\x7f\r\u202e\u2066\u200b\u200d\ufeff\U000e0041"]
    assert not [c for c in cleaned if ord(c) < 32 and c not in "\t\n"]
    cleaned.encode("utf-8")


@given(st.text(), st.integers(10, 100))
def test_clean_text_holds_its_limit(text, limit):
    assert len(clean_text(text, limit=limit)) <= limit


def test_ordinary_text_stays():
    text = "ΔE = −3.2 eV\tat 300 K\nH₂O → naïve café 分子"
    assert clean_text(text) == text


def test_hostile_sequences_become_visible():
    assert clean_text("\x1b]52;c;aGk=\x07") == "\\x1b]52;c;aGk=\\x07"
    assert clean_text("\u202egnp.exe") == "\\u202egnp.exe"
    assert clean_text("\U000e0049") == "\\U000e0049"


def test_lone_carriage_returns_become_lines():
    assert clean_text("10%\r20%\r\n") == "10%\n20%\n"


@given(st.binary())
def test_any_bytes_decode(raw):
    decode_output(raw).encode("utf-8")
