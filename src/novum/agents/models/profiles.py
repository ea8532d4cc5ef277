"""How each family of models likes to be spoken to: sampling, thinking switch, dialect of tool calls."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from novum.core.conversation import Sampling
from novum.core.errors import SettingsError
from novum.core.frozen import Frozen

Dialect = Literal["openai", "intern-s1", "hermes", "qwen3-coder"]
"""Forms in which models write tool calls into their text; openai: none of its own."""


class Profile(Frozen):
    """What is known of a family before any of its servers was asked.

    Example:
        >>> get_profile("intern-s1").sampling.top_k
        50
    """

    family: str
    sampling: Sampling = Sampling()
    plain: Sampling | None = None
    """Sampling with thinking off; None: the same."""
    tools: Sampling | None = None
    """Sampling with tools, over the other two; None: the same."""
    dialect: Dialect = "openai"
    thinking: Literal["none", "template"] = "none"
    """Whether and how thinking is switched."""
    thinking_top_level: tuple[str, ...] = ()
    """Engines that take the switch as an argument of the request itself."""
    tags: bool = False
    """Molecules are written between ``<SMILES>`` and ``</SMILES>``."""
    images: bool = False
    time_series: tuple[str, ...] = ()
    """Engines that take time series for it."""
    calls_in_special_tokens: tuple[str, ...] = ()
    """Engines that drop the marks around its tool calls, as special tokens, unless they are told not to."""

    def draw(self, asked: Sampling, *, thinking: bool | None, tools: bool) -> dict[str, Any]:
        """Return how to sample: what was asked, over what the makers recommend."""
        layers = [
            self.sampling,
            self.plain if thinking is False else None,
            self.tools if tools and thinking is False else None,
            asked,
        ]
        drawn: dict[str, Any] = {}
        for layer in layers:
            if layer is not None:
                drawn |= layer.model_dump(exclude_none=True)
        return drawn

    def switch(self, thinking: bool | None, *, engine: str | None) -> dict[str, Any]:
        """Return the fields of a request that switch thinking on or off; none where nothing is asked.

        A switch is left out, never null: null has a meaning of its own in some chat templates.

        Example:
            >>> get_profile("intern-s1").switch(False, engine="lmdeploy")
            {'enable_thinking': False}
            >>> get_profile("qwen3").switch(False, engine="vllm")
            {'chat_template_kwargs': {'enable_thinking': False}}
            >>> get_profile("qwen3").switch(None, engine="vllm")
            {}
        """
        if thinking is None or self.thinking == "none":
            return {}
        if engine == "ollama":
            # Its OpenAI-compatible interface knows no template arguments.
            return {"reasoning_effort": "medium" if thinking else "none"}
        if engine in self.thinking_top_level:
            return {"enable_thinking": thinking}
        return {"chat_template_kwargs": {"enable_thinking": thinking}}

    def marks(self, *, engine: str | None, tools: bool) -> dict[str, Any]:
        """Return the fields of a request that keep the marks around tool calls in the text.

        Example:
            >>> get_profile("intern-s1").marks(engine="vllm", tools=True)
            {'skip_special_tokens': False}
            >>> get_profile("intern-s1").marks(engine="lmdeploy", tools=True)
            {}
        """
        return {"skip_special_tokens": False} if tools and engine in self.calls_in_special_tokens else {}


@cache
def _profiles() -> dict[str, Profile]:
    text = files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8")
    return {name: Profile(family=name, **told) for name, told in tomllib.loads(text).items()}


def families() -> tuple[str, ...]:
    """Return the names of the families that have a profile."""
    return tuple(_profiles())


def get_profile(family: str) -> Profile:
    """Return the profile of a family.

    Raises:
        SettingsError: there is none.
    """
    found = _profiles().get(family)
    if found is None:
        raise SettingsError(f"unknown family of models {family!r}; there are {', '.join(families())}")
    return found
