"""The one place where litellm is loaded, with everything off that a workbench does not want."""

import os
from functools import cache
from types import ModuleType

_SWITCHES = {
    # Without these it fetches prices, headers and news from the network when it is loaded.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    # In its other mode it reads .env of the current folder into the environment.
    "LITELLM_MODE": "PRODUCTION",
}


_IS_STREAM = {"Content-Type": "text/event-stream"}
_ANSWER = (
    'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "nobody", "choices": '
    '[{"index": 0, "delta": {"content": "…"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)


@cache
def load_litellm() -> ModuleType:
    """Return litellm, loaded at the first call, which takes seconds."""
    os.environ.update(_SWITCHES)
    import litellm

    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False  # else it asks again by itself, without what a server refused
    for callbacks in (
        litellm.callbacks,
        litellm.input_callback,
        litellm.success_callback,
        litellm.failure_callback,
        litellm.service_callback,
    ):
        callbacks.clear()
    _rehearse(litellm)
    return litellm


def _rehearse(litellm: ModuleType) -> None:
    """Ask one question that goes nowhere.

    The first question with tools loads as much again. That belongs to loading, not to somebody's deadline.
    """
    import httpx
    from openai import OpenAI

    line = httpx.MockTransport(lambda _: httpx.Response(200, text=_ANSWER, headers=_IS_STREAM))
    client = OpenAI(
        api_key="none", base_url="http://nobody.invalid", http_client=httpx.Client(transport=line)
    )
    function = {"name": "nothing", "parameters": {"type": "object", "properties": {}}}
    for _ in litellm.completion(
        model="openai/nobody",
        messages=[{"role": "user", "content": "…"}],
        tools=[{"type": "function", "function": function}],
        client=client,
        api_key="none",
        stream=True,
        stream_options={"include_usage": True},
    ):
        pass
