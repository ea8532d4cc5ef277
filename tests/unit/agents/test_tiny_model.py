"""The tiny model and its server: a real one, whose schemas hold whatever its weights are."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import httpx
import jsonschema
import pytest

from novum.agents.models.reach import State, reach, reach_all
from novum.agents.models.tiny.decoding import TinyModel, Wish
from novum.agents.models.tiny.making import conversations, make_tiny_model, one_thread

pytest_plugins = ["tiny_model"]
pytestmark = pytest.mark.skipif(not find_spec("llguidance"), reason="the extra serve-tiny is not installed")

HYPOTHESES = {
    "type": "object",
    "properties": {
        "hypotheses": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "statement": {"type": "string"},
                    "value": {"type": "number", "minimum": 0, "maximum": 10},
                    "n": {"type": "integer", "minimum": 1, "maximum": 8},
                    "kind": {"enum": ["raises", "lowers"]},
                    "cites": {"type": "array", "items": {"type": "string", "pattern": "^K[0-9]{4}$"}},
                },
                "required": ["statement", "value", "n", "kind", "cites"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["hypotheses"],
    "additionalProperties": False,
}
MEASURE = {
    "type": "object",
    "properties": {"smiles": {"type": "string"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["smiles", "n"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "measure", "description": "m", "parameters": MEASURE}},
    {"type": "function", "function": {"name": "chemistry.stop", "parameters": {"type": "object"}}},
]


@pytest.fixture
def ask(tiny_server):
    """Sends a request to the server and returns its answer."""

    def ask(*, status: int = 200, **more: object) -> dict:
        body = {"model": "tiny", "messages": [{"role": "user", "content": "Measure benzene."}], **more}
        answer = httpx.post(f"{tiny_server.base_url}/chat/completions", json=body, timeout=60)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


def form(schema: dict) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


def stream_of(entry, **more: object) -> list[dict]:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "stream": True, **more}
    with httpx.stream("POST", f"{entry.base_url}/chat/completions", json=body, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_the_server_answers_as_one_of_its_kind(tiny_server):
    assert reach(tiny_server.base_url).models == ("tiny",)
    nobody, oddly = "http://127.0.0.1:9/v1", tiny_server.base_url.removesuffix("/v1")
    found = reach_all([nobody, oddly, tiny_server.base_url])
    assert [one.state for one in found] == [State.SILENT, State.ANSWERS_ODDLY, State.ANSWERS]


def test_the_server_listens_on_loopback_only(tiny_server):
    port = httpx.URL(tiny_server.base_url).port
    with open("/proc/net/tcp") as file:
        bound = [line.split()[1] for line in file.readlines()[1:] if line.split()[3] == "0A"]
    assert [b.split(":")[0] for b in bound if int(b.split(":")[1], 16) == port] == [
        socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    ]


@pytest.mark.parametrize("seed", range(8))
def test_a_schema_holds_whatever_is_drawn(ask, seed):
    answer = ask(response_format=form(HYPOTHESES), seed=seed, max_tokens=2000)
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "stop"
    jsonschema.validate(json.loads(choice["message"]["content"]), HYPOTHESES)


def test_an_object_is_written_where_only_json_is_asked_for(ask):
    answer = ask(response_format={"type": "json_object"}, max_tokens=2000)
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "measure"}}])
def test_a_tool_that_must_be_called_is_called(ask, seed, choice):
    answer = ask(tools=TOOLS, tool_choice=choice, seed=seed, max_tokens=2000)["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    (call,) = answer["message"]["tool_calls"]
    arguments = json.loads(call["function"]["arguments"])
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    jsonschema.validate(arguments, schemas[call["function"]["name"]])
    if choice != "required":
        assert call["function"]["name"] == "measure"


def test_no_tool_is_called_where_none_may_be(ask):
    answer = ask(tools=TOOLS, tool_choice="none", max_tokens=40)["choices"][0]
    assert "tool_calls" not in answer["message"]
    assert "<tool_call>" not in (answer["message"]["content"] or "")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"response_format": form(HYPOTHESES), "max_tokens": 2000},
        {"stop": ["e", "a"]},
        {"temperature": 0, "max_tokens": 30},
        {"top_p": 0.5, "top_k": 40, "max_tokens": 60},
    ],
)
def test_a_stream_says_what_the_whole_says(tiny_server, ask, more):
    whole = ask(messages=[{"role": "user", "content": "hi"}], **more)
    chunks = stream_of(tiny_server, stream_options={"include_usage": True}, **more)
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks[:-1])
    assert said == (whole["choices"][0]["message"]["content"] or "")
    assert chunks[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-1]["usage"] == whole["usage"]


def test_a_streamed_call_says_what_the_whole_one_says(tiny_server, ask):
    more = {"tools": TOOLS, "tool_choice": "required", "seed": 3, "max_tokens": 2000}
    (call,) = ask(messages=[{"role": "user", "content": "hi"}], **more)["choices"][0]["message"]["tool_calls"]
    deltas = [c["choices"][0]["delta"] for c in stream_of(tiny_server, **more)]
    parts = [part for delta in deltas for part in delta.get("tool_calls", [])]
    assert parts[0]["id"] == call["id"]
    assert parts[0]["function"]["name"] == call["function"]["name"]
    assert "".join(p["function"]["arguments"] for p in parts) == call["function"]["arguments"]
    assert len(parts) > 2


def test_the_same_question_has_the_same_answer_and_another_seed_another(ask):
    first, again = ask(max_tokens=40), ask(max_tokens=40)
    assert first["choices"] == again["choices"]
    assert ask(max_tokens=40, seed=1)["choices"] == ask(max_tokens=40, seed=1)["choices"]
    assert ask(max_tokens=40, seed=1)["choices"] != ask(max_tokens=40, seed=2)["choices"]


def test_questions_at_the_same_time_do_not_mix(ask):
    def one(seed: int) -> dict:
        return ask(response_format=form(HYPOTHESES), seed=seed, max_tokens=2000)["choices"][0]

    alone = [one(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == alone


def test_a_client_that_goes_away_holds_nobody_up(tiny_server, ask):
    long = form({"type": "array", "items": {"enum": ["yes", "no"]}, "minItems": 14000})
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "response_format": long}
    body |= {"max_tokens": 30000}
    url = f"{tiny_server.base_url}/chat/completions"
    for seed in range(3):
        with httpx.stream("POST", url, json={**body, "stream": True, "seed": seed}, timeout=60) as answer:
            next(answer.iter_lines())
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json={**body, "seed": seed}, timeout=0.3)
    assert ask(max_tokens=3)["usage"]["completion_tokens"] <= 3


def test_the_limit_of_tokens_holds(ask):
    answer = ask(max_tokens=5)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 5


def test_what_stops_an_answer_is_left_out(ask):
    text = ask(seed=5, max_tokens=60)["choices"][0]["message"]["content"]
    stop = text[10:12]
    cut = ask(seed=5, max_tokens=60, stop=stop)["choices"][0]
    assert cut["message"]["content"] == text[: text.index(stop)]
    assert cut["finish_reason"] == "stop"


def test_earlier_calls_and_their_results_are_read(ask):
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "measure", "arguments": '{"smiles":"C","n":1}'},
    }
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Measure"}, {"type": "text", "text": "C"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": '{"gap": 4.5}'},
    ]
    assert ask(messages=messages, tools=TOOLS, max_tokens=5)["usage"]["prompt_tokens"] > 60


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    ("more", "status", "code", "said"),
    [
        ({"model": "gpt"}, 404, "model_not_found", "'gpt' does not exist"),
        ({"messages": []}, 400, "invalid_request", "messages"),
        ({"messages": [{"content": "x"}]}, 400, "invalid_request", "a message has a role"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "unsupported_content", "reads text only"),
        ({"messages": [{"role": "user", "content": "w " * 40000}]}, 400, "context_length_exceeded", "32768"),
        ({"max_tokens": 40000}, 400, "context_length_exceeded", "32768"),
        ({"max_tokens": 0}, 400, "invalid_request", "max_tokens"),
        ({"temperature": 3}, 400, "invalid_request", "temperature"),
        ({"n": 2}, 400, "invalid_request", "one answer"),
        ({"response_format": form({"type": "strange"})}, 400, "invalid_schema", "cannot be enforced"),
        ({"response_format": {"type": "json_schema"}}, 400, "invalid_request", "json_schema is missing"),
        ({"tool_choice": "required"}, 400, "invalid_request", "no tool is offered"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "none"}}},
            400,
            "invalid_request",
            "no tool 'none'",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(ask, more, status, code, said):
    error = ask(status=status, **more)["error"]
    assert error["code"] == code
    assert said in error["message"]


def test_a_body_that_is_no_json_is_refused(tiny_server):
    answer = httpx.post(f"{tiny_server.base_url}/chat/completions", content=b"{", timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_the_seed_fixes_the_weights(tmp_path):
    one, same = make_tiny_model(tmp_path / "a"), make_tiny_model(tmp_path / "b")
    other = make_tiny_model(tmp_path / "a", seed=1)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, same, other)]
    assert weights[0] == weights[1] != weights[2]
    assert (one / "tokenizer.json").read_bytes() == (same / "tokenizer.json").read_bytes()
    assert make_tiny_model(tmp_path / "a") == one  # found, not made again
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted([one.name, other.name])


@pytest.mark.slow
def test_a_trained_one_knows_its_conversations(tmp_path):
    losses = []
    with one_thread():
        folder = make_tiny_model(tmp_path, train=True, on_step=lambda _, loss: losses.append(loss))
        model = TinyModel(folder)
        assert losses[-1] < 0.1 < losses[0]
        for conversation in conversations():
            asked, answer = conversation["messages"][:2]
            tools = {t["function"]["name"]: t["function"]["parameters"] for t in conversation["tools"]}
            prompt = model.encode([asked], conversation["tools"])
            pieces = list(model.write(Wish(prompt, tools=tools, temperature=0, max_tokens=300)))
            said = "".join(piece.text for piece in pieces)
            if tools:
                assert pieces[-1].finish == "tool_calls"
                assert json.loads(said) == answer["tool_calls"][0]["function"]
            else:
                assert said == answer["content"]
