"""A language model that the user serves, or that somebody serves for them, as the settings name it."""

import re
from ipaddress import ip_address
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

EngineName = Literal["vllm", "sglang", "lmdeploy", "llama.cpp", "ollama", "tiny"]
ENGINE_NAMES: tuple[str, ...] = get_args(EngineName)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a model may be called in the settings."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_UNBROKEN = 16
"""Characters without an underscore from which a word of capitals and digits looks like a key."""


class ModelEntry(BaseModel):
    """Where a model answers and how it is spoken to; never a secret.

    Example:
        >>> entry = ModelEntry(base_url="http://127.0.0.1:8000/v1", model="internlm/Intern-S1-mini")
        >>> entry.is_remote, entry.family
        (False, 'generic')
    """

    # An error must not repeat what was given: somebody may have pasted a key.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    base_url: str
    """Address of the OpenAI-compatible interface, with the path in front of ``/chat/completions``."""
    model: str = Field(min_length=1, max_length=512)
    """The name under which the server knows the model."""
    family: str = Field(default="generic", min_length=1, max_length=64)
    """Whose habits it has: sampling, thinking switch, form of tool calls."""
    engine: EngineName | None = None
    """What serves it, where known."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    context_tokens: int | None = Field(default=None, ge=256)
    """Most tokens of prompt and answer together, where known."""
    price_prompt: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Price of a million tokens read, in `currency`."""
    price_completion: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Price of a million tokens written, in `currency`."""
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    """ISO 4217 code of the prices."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, given: str) -> str:
        # Whatever is wrong is not repeated: the address may hold a password.
        parts = urlsplit(given)
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("an address holds no user, password or query; name a variable in api_key_env")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("expected an address such as http://127.0.0.1:8000/v1")
        if any(character <= " " for character in given):
            raise ValueError("an address holds no blanks")
        return given.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _variable(cls, given: str | None) -> str | None:
        if given is None:
            return None
        looks_like_key = len(given) >= _UNBROKEN and "_" not in given
        if not _VARIABLE.fullmatch(given) or looks_like_key:
            raise ValueError(
                "expected the NAME of an environment variable in capitals, as MY_MODEL_KEY, "
                "not the key itself; a key does not belong into a settings file"
            )
        return given

    @property
    def is_remote(self) -> bool:
        """Whether what is sent leaves this machine; a name that is not ``localhost`` counts as leaving."""
        return not is_loopback(self.base_url)


def is_loopback(url: str) -> bool:
    """Say whether an address is on this machine for certain; nothing is looked up.

    Example:
        >>> is_loopback("http://[::1]:8000/v1"), is_loopback("http://localhost.example.org/v1")
        (True, False)
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
