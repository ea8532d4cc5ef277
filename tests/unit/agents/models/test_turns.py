"""Turns alternate on the line, because some chat templates refuse two of one side in a row."""

from novum.agents.models.base import Image, Message
from novum.agents.models.payload import messages_of
from novum.agents.models.profiles import get_profile

PLAIN = get_profile("generic")


def test_what_one_side_says_twice_in_a_row_is_one_turn():
    talk = (Message.system("rules"), Message.user("a question"), Message.user("its form"))
    told = messages_of(talk, PLAIN, engine=None)
    assert told == [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "a question\n\nits form"},
    ]


def test_turns_of_different_sides_and_turns_with_pictures_stay_apart():
    picture = Image.from_bytes(b"...", media_type="image/png")
    talk = (
        Message.user("look", picture),
        Message.user("well?"),
        Message.assistant("yes"),
        Message.user("so"),
    )
    told = messages_of(talk, PLAIN, engine=None)
    assert [m["role"] for m in told] == ["user", "user", "assistant", "user"]
    assert told[1]["content"] == "well?"
