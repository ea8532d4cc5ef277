"""A card says what a server was seen to do, and not what it says of itself."""

import base64
import json
import struct
import zlib
from importlib.util import find_spec

import pytest
from fault_server import FAULTS, MODEL, TOOL, FaultServer, call, fail, garbage, overflow, say

from novum.agents.models.base import Card
from novum.agents.models.check import probe
from novum.agents.models.gateway import Gateway
from novum.agents.models.library import load_litellm
from novum.core.errors import ModelUnavailableError
from novum.core.model_entry import ModelEntry

pytest_plugins = ["tiny_model"]
pytestmark = pytest.mark.slow  # the library takes seconds to load


@pytest.fixture(scope="module", autouse=True)
def _library():
    load_litellm()


def card_of(scene, *, models=({"id": "m", "object": "model"},), family="qwen3", engine=None) -> Card:
    with FaultServer(then=scene, models=models) as server:
        entry = ModelEntry(base_url=server.url, model="m", family=family, engine=engine)
        gateway = Gateway("mine", entry, sleep=lambda _: None)
        try:
            return probe(gateway, patience_s=20)
        finally:
            gateway.close()


def colour_of(body) -> str:
    """Return the name of the colour of the picture in a question, as one who sees it."""
    (part,) = (p for p in body["messages"][-1]["content"] if p["type"] == "image_url")
    png = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    at = png.index(b"IDAT")
    (size,) = struct.unpack(">I", png[at - 4 : at])
    rgb = zlib.decompress(png[at + 4 : at + 4 + size])[1:4]
    return {b"\xff\x00\xff": "Magenta.", b"\x00\xff\xff": "Cyan."}[rgb]


def able(body, stage):
    """Answer as a good server with a good model does."""
    template = body.get("chat_template_kwargs", {})
    thought = "" if template.get("enable_thinking") is False else "let me think"
    question = json.dumps(body["messages"][-1]["content"])
    if "response_format" in body:
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        answer = {name: told["enum"][0] for name, told in properties.items()}
        return say(json.dumps(answer), reasoning=thought)(body, stage)
    if body.get("tools"):
        name = body["tools"][0]["function"]["name"]
        return say(tool_calls=[call(name, {"liquid": "water"})], reasoning=thought)(body, stage)
    if body.get("max_tokens", 0) > 1_000_000:
        return overflow()(body, stage)
    if "image_url" in question:
        return say(colour_of(body), reasoning=thought)(body, stage)
    if "Count" in question:
        return say(" ".join(map(str, range(60))), pause_s=0.001)(body, stage)
    return say("Hello there.", reasoning=thought)(body, stage)


def plain(body, stage):
    """Answer as a server does that passes over everything but the words."""
    return say("Hello there.")(body, stage)


def test_a_good_server_has_a_good_card():
    card = card_of(able)
    assert card.probed
    assert (card.model, card.served_as) == ("mine", MODEL)
    assert (card.tools, card.json_schema, card.forced_tool) == ("native", True, True)
    assert (card.streaming, card.thinking, card.images) == (True, "switchable", True)
    assert card.context_tokens == 4096
    assert card.tokens_per_s > 0
    assert card.first_token_s >= 0
    assert all(finding.ok for finding in card.findings), card.findings
    assert all(finding.seen for finding in card.findings)


def test_a_server_that_passes_over_everything_has_an_honest_card():
    card = card_of(plain)
    assert (card.tools, card.json_schema, card.forced_tool) == ("none", False, False)
    assert (card.thinking, card.images, card.streaming) == ("never", None, True)
    assert card.context_tokens is None
    seen = {finding.name: finding for finding in card.findings}
    assert "passed over" in seen["json_schema"].seen
    assert "Hello there." in seen["images"].seen


def test_a_schema_that_the_model_just_happens_to_follow_in_form_is_not_enforced():
    card = card_of(say('{"code": "hello"}'))
    assert card.json_schema is False


def test_tool_calls_in_the_text_are_seen_as_such():
    text = '<tool_call>{"name": "look_up", "arguments": {"liquid": "water"}}</tool_call>'
    assert card_of(say(text)).tools == "content"


def test_a_tool_of_another_name_is_no_tool_call():
    assert card_of(say(tool_calls=[call(TOOL, {})])).tools == "none"


def test_a_server_that_does_not_stream_is_probed_with_whole_replies():
    def whole(body, stage):
        if body.get("stream"):
            return fail(400, "stream is not supported")(body, stage)
        return able(body, stage)

    card = card_of(whole)
    assert card.streaming is False
    assert (card.tools, card.json_schema, card.images) == ("native", True, True)
    assert card.tokens_per_s is None


def test_a_server_that_answers_a_stream_with_a_whole_reply_does_not_stream():
    def deaf(body, stage):
        return able({key: value for key, value in body.items() if key != "stream"}, stage)

    assert card_of(deaf).streaming is False


def test_reasoning_that_cannot_be_switched_off_is_seen():
    assert card_of(say("yes", reasoning="hmm")).thinking == "always"


def test_a_family_without_a_switch_is_seen_to_reason_or_not():
    assert card_of(say("yes", reasoning="hmm"), family="generic").thinking == "always"
    assert card_of(say("yes"), family="generic").thinking == "never"


@pytest.mark.parametrize(
    "told",
    [
        "The picture could not be rendered, which is required.",
        "I'm sorry, but I can't see a magenta or cyan square.",
        "Magenta.",
        "Magenta, cyan, red or blue.",
    ],
)
def test_one_that_sees_nothing_is_not_believed_to_see(told):
    def blind(body, stage):
        return say(told)(body, stage) if "image_url" in json.dumps(body) else able(body, stage)

    assert not card_of(blind).images


def test_images_that_a_server_refuses_are_ruled_out():
    def blind(body, stage):
        if "image_url" in json.dumps(body):
            return fail(400, "this model takes no images")(body, stage)
        return able(body, stage)

    assert card_of(blind).images is False


@pytest.mark.parametrize(
    ("listed", "engine", "tokens"),
    [
        ({"id": "m", "owned_by": "vllm", "max_model_len": 32768}, "vllm", 32768),
        ({"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 8192}}, "llama.cpp", 8192),
        ({"id": "m", "owned_by": "library"}, "ollama", None),
        ({"id": "m", "owned_by": "somebody"}, "", None),
    ],
)
def test_engine_and_context_are_read_from_the_list_of_models(listed, engine, tokens):
    card = card_of(plain, models=(listed,))
    assert (card.engine, card.context_tokens) == (engine, tokens)


@pytest.mark.parametrize("scene", [fail(401), fail(404), garbage()], ids=["401", "404", "garbage"])
def test_what_is_no_model_server_has_no_card(scene):
    with pytest.raises(ModelUnavailableError):
        card_of(scene)


@pytest.mark.parametrize("name", ["thinking without end", "empty reply", "endless repetition", "refusal"])
def test_a_strange_model_has_a_card_all_the_same(name):
    card = card_of(FAULTS[name])
    assert card.probed
    assert card.json_schema is False
    assert card.tools == "none"


@pytest.mark.skipif(not find_spec("llguidance"), reason="the extra serve-tiny is not installed")
def test_the_card_of_a_real_server_is_right(tiny_server):
    gateway = Gateway("tiny", tiny_server)
    try:
        card = probe(gateway)
    finally:
        gateway.close()
    assert (card.tools, card.json_schema, card.forced_tool) == ("native", True, True)
    assert (card.streaming, card.images, card.thinking) == (True, False, "never")
    assert card.context_tokens == tiny_server.context_tokens
    assert card.tokens_per_s > 1


def test_a_card_survives_json():
    card = card_of(plain)
    assert Card.model_validate_json(card.model_dump_json()) == card
