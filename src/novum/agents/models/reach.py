"""Whether a server answers at an address, and which models it names. No key is sent."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from novum.core.model_entry import is_loopback

PATIENCE_S = 2.0


class State(StrEnum):
    """What came back from an address."""

    ANSWERS = "answers"
    ASKS_FOR_KEY = "asks for a key"
    ANSWERS_ODDLY = "answers, but not as such a server does"
    SILENT = "does not answer"


@dataclass(frozen=True, slots=True)
class Reached:
    """What was seen at an address."""

    state: State
    detail: str = ""
    models: tuple[str, ...] = ()
    """The names under which it serves."""


def reach(base_url: str, *, patience_s: float = PATIENCE_S) -> Reached:
    """Ask an OpenAI-compatible server for its models.

    A proxy of the environment is used for remote addresses only.
    """
    import httpx

    try:
        with httpx.Client(timeout=patience_s, trust_env=not is_loopback(base_url)) as client:
            answer = client.get(f"{base_url.rstrip('/')}/models")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Reached(State.SILENT, str(error) or type(error).__name__)
    if answer.status_code in (401, 403):
        return Reached(State.ASKS_FOR_KEY)
    if answer.status_code != httpx.codes.OK:
        return Reached(State.ANSWERS_ODDLY, f"HTTP {answer.status_code}")
    try:
        listed = answer.json()["data"]
        return Reached(State.ANSWERS, models=tuple(str(model["id"]) for model in listed))
    except (ValueError, KeyError, TypeError):
        return Reached(State.ANSWERS_ODDLY, "no list of models")


def reach_all(base_urls: Iterable[str], *, patience_s: float = PATIENCE_S) -> list[Reached]:
    """Ask several servers at the same time; the answers stand in the order of the addresses."""
    addresses = list(base_urls)
    if not addresses:
        return []
    with ThreadPoolExecutor(max_workers=min(16, len(addresses))) as pool:
        return list(pool.map(lambda address: reach(address, patience_s=patience_s), addresses))
