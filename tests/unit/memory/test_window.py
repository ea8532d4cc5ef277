"""What does not fit is left out from the end, and said to be."""

from hypothesis import given
from hypothesis import strategies as st

from novum.memory.window import Section, estimate_tokens, fit_window

sections = st.lists(
    st.builds(
        Section,
        name=st.sampled_from("abcdef"),
        lines=st.lists(st.text(max_size=30), max_size=8).map(tuple),
        least=st.integers(0, 5),
    ),
    max_size=5,
    unique_by=lambda s: s.name,
)


@given(sections=sections, tokens=st.integers(0, 120))
def test_a_window_never_holds_more_than_its_tokens_and_never_has_a_gap(sections, tokens):
    found = fit_window(sections, tokens=tokens)
    assert found.tokens <= tokens
    assert found.tokens == sum(estimate_tokens(line) for lines in found.lines.values() for line in lines)
    for section in sections:
        kept = found.lines[section.name]
        assert kept == section.lines[: len(kept)]
        assert found.left_out.get(section.name, 0) == len(section.lines) - len(kept)


def test_everything_is_kept_where_there_is_room():
    found = fit_window([Section("a", ("one", "two")), Section("b", ("three",))], tokens=1000)
    assert found.lines == {"a": ("one", "two"), "b": ("three",)}
    assert found.left_out == {}


def test_the_least_of_an_important_section_comes_before_the_rest_of_all():
    lines = tuple("x" * 30 for _ in range(9))
    found = fit_window([Section("first", lines, least=6), Section("second", lines)], tokens=80)
    assert len(found.lines["first"]) == 7
    assert len(found.lines["second"]) == 1


def test_sections_take_turns_beyond_their_least():
    lines = tuple("x" * 30 for _ in range(9))
    found = fit_window([Section("a", lines), Section("b", lines)], tokens=60)
    assert (len(found.lines["a"]), len(found.lines["b"])) == (3, 3)


def test_an_estimate_counts_bytes_so_that_other_scripts_are_not_underrated():
    assert estimate_tokens("一二三") == 3
    assert estimate_tokens("") == 0
