"""How families are spoken to, and the model that says what it was told to say."""

import subprocess
import sys

import pytest

from novum.agents.models.base import Finish, Message, Reply, Request, Sampling
from novum.agents.models.engines.catalogue import __name__ as _catalogue
from novum.agents.models.profiles import families, get_profile
from novum.agents.models.scripted import ScriptedModel
from novum.core.access import Destination
from novum.core.errors import ModelReplyError, ModelUnavailableError, NotReleasedError, SettingsError
from novum.core.knowledge import Access

HELLO = Request(messages=(Message.user("Hello"),))


# Source: the guides of the Intern-S1 family (github.com/InternLM/Intern-S1, docs/); the card of Qwen3-8B.
@pytest.mark.parametrize(
    ("family", "temperature", "top_p", "top_k"),
    [
        ("intern-s1", 0.7, 1.0, 50),
        ("intern-s1-mini", 0.8, 1.0, 50),
        ("intern-s1-pro", 0.8, 0.95, 50),
        ("intern-s2-preview", 0.8, 0.95, 50),
        ("qwen3", 0.6, 0.95, 20),
    ],
)
def test_each_family_is_sampled_as_its_makers_say(family, temperature, top_p, top_k):
    drawn = get_profile(family).draw(Sampling(), thinking=None, tools=False)
    assert (drawn["temperature"], drawn["top_p"], drawn["top_k"]) == (temperature, top_p, top_k)


def test_tools_without_thinking_are_sampled_otherwise_and_what_is_asked_wins():
    profile = get_profile("intern-s1")
    drawn = profile.draw(Sampling(temperature=0.1), thinking=False, tools=True)
    assert (drawn["temperature"], drawn["top_p"]) == (0.1, 0.8)


def test_a_generic_model_is_sampled_as_its_server_does():
    assert get_profile("generic").draw(Sampling(), thinking=None, tools=True) == {}


@pytest.mark.parametrize(
    ("family", "engine", "sent"),
    [
        ("intern-s1", "lmdeploy", {"enable_thinking": False}),
        ("intern-s1-mini", "lmdeploy", {"enable_thinking": False}),
        ("intern-s1-pro", "lmdeploy", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("intern-s1", "vllm", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("intern-s2-preview", "sglang", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("qwen3", "llama.cpp", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("qwen3", "ollama", {"reasoning_effort": "none"}),
        ("generic", "vllm", {}),
    ],
)
def test_thinking_is_switched_as_each_server_wants_it(family, engine, sent):
    assert get_profile(family).switch(False, engine=engine) == sent


@pytest.mark.parametrize("engine", ["vllm", "sglang", "lmdeploy", "llama.cpp", "ollama", None])
def test_a_switch_that_nobody_set_is_not_sent(engine):
    for family in families():
        assert get_profile(family).switch(None, engine=engine) == {}


def test_every_family_of_the_catalogue_has_a_profile():
    import tomllib
    from importlib.resources import files

    package = _catalogue.rpartition(".")[0]
    told = tomllib.loads(files(package).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    wanted = {entry["family"] for entry in told.values() if isinstance(entry, dict) and "family" in entry}
    assert wanted
    assert wanted <= set(families())


def test_an_unknown_family_is_an_error_that_names_the_known_ones():
    with pytest.raises(SettingsError, match="intern-s1-mini"):
        get_profile("gpt")


def test_a_scripted_model_plays_its_lines_and_remembers_what_it_was_asked():
    model = ScriptedModel(
        ["one", Reply(text="two", finish=Finish.LENGTH), lambda r: r.messages[-1].text.upper()]
    )
    replies = [model.complete(HELLO) for _ in range(3)]
    assert [reply.text for reply in replies] == ["one", "two", "HELLO"]
    assert model.requests == [HELLO] * 3


def test_a_scripted_model_raises_the_errors_of_its_script():
    model = ScriptedModel([ModelReplyError("no", kind="empty"), "yes"])
    with pytest.raises(ModelReplyError):
        model.complete(HELLO)
    assert model.complete(HELLO).text == "yes"


def test_a_script_ends_unless_it_is_played_again():
    model = ScriptedModel(["one"])
    model.complete(HELLO)
    with pytest.raises(ModelUnavailableError, match="ended after 1"):
        model.complete(HELLO)
    again = ScriptedModel(["a", "b"], cycle=True)
    assert [again.complete(HELLO).text for _ in range(3)] == ["a", "b", "a"]


def test_the_rules_of_access_hold_for_a_scripted_model_too():
    model = ScriptedModel(["x"], destination=Destination.REMOTE_MODEL)
    with pytest.raises(NotReleasedError):
        model.complete(Request(messages=(Message.user("x", access=Access.RESTRICTED),)))
    assert model.requests == []


def test_nothing_heavy_is_loaded_before_a_model_is_asked():
    program = (
        "import sys, novum.agents.models.gateway, novum.agents.models.check, novum.agents.models.structured,"
        "novum.agents.models.exchanges, novum.agents.models.science_spans\n"
        "print([name for name in ('litellm', 'openai', 'torch', 'rdkit', 'json_repair', 'transformers') "
        "if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert said.stdout.strip() == "[]", said.stderr
