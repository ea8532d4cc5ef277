"""The tiny server: OpenAI's chat completions over HTTP, with schemas that hold."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from novum.agents.models.tiny.decoding import Piece, TinyModel
from novum.agents.models.tiny.requests import Asked, RefusedError, read_request

LARGEST_BODY = 8 * 2**20


def make_app(model: TinyModel, *, served_as: str = "tiny") -> Starlette:
    """Return the application.

    Args:
        model: what writes the answers.
        served_as: the model's name, to clients.
    """

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def models(_: Request) -> Response:
        return JSONResponse(
            {
                "object": "list",
                "data": [
                    {"id": served_as, "object": "model", "owned_by": "novum", "max_model_len": model.context}
                ],
            }
        )

    async def chat(request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_BODY:
            return _error(RefusedError("the request is too long", code="too_long", status=413))
        try:
            asked = await run_in_threadpool(read_request, body, model, served_as=served_as)
        except RefusedError as error:
            return _error(error)
        answer = Answer(asked, model, served_as=served_as)
        if asked.stream:
            return StreamingResponse(answer.stream(), media_type="text/event-stream")
        return JSONResponse(await run_in_threadpool(answer.whole))

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
        ]
    )


class Answer:
    """One completion, whole or as it is written."""

    def __init__(self, asked: Asked, model: TinyModel, *, served_as: str) -> None:
        self._asked, self._model = asked, model
        key = hashlib.sha256(repr(asked.wish).encode()).hexdigest()[:24]
        self._call_id = f"call_{key[:16]}"
        self._head = {"id": f"chatcmpl-{key}", "created": int(time.time()), "model": served_as}

    def whole(self) -> dict[str, Any]:
        """Return the completion."""
        text, call, last = "", "", Piece()
        for last in self._model.write(self._asked.wish):
            if last.in_call:
                call += last.text
            else:
                text += last.text
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if call:
            name, arguments = _split(call)
            message["tool_calls"] = [self._call(name, arguments)]
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish}],
            "usage": self._usage(last.tokens),
        }

    def stream(self) -> Iterator[str]:
        """Yield the completion as events."""
        yield self._event({"role": "assistant", "content": ""})
        last, call, said = Piece(), "", 0
        for last in self._model.write(self._asked.wish):
            if not last.in_call:
                if last.text:
                    yield self._event({"content": last.text})
                continue
            call += last.text
            name, arguments = _split(call)
            if not name:  # not yet written
                continue
            if not said:
                yield self._event({"tool_calls": [{"index": 0, **self._call(name, "")}]})
            # The last brace closes the call, not the arguments; so it is held back.
            ready = arguments if last.finish else arguments[:-1]
            if new := ready[max(said - 1, 0) :]:
                yield self._event({"tool_calls": [{"index": 0, "function": {"arguments": new}}]})
            said = len(ready) + 1
        yield self._event({}, finish=last.finish)
        if self._asked.include_usage:
            yield self._line({"choices": [], "usage": self._usage(last.tokens)})
        yield "data: [DONE]\n\n"

    def _call(self, name: str, arguments: str) -> dict[str, Any]:
        return {
            "id": self._call_id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _event(self, delta: dict[str, Any], *, finish: str | None = None) -> str:
        return self._line({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _line(self, chunk: dict[str, Any]) -> str:
        return f"data: {json.dumps({**self._head, 'object': 'chat.completion.chunk', **chunk})}\n\n"

    def _usage(self, written: int) -> dict[str, int]:
        read = len(self._asked.wish.prompt)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _split(call: str) -> tuple[str, str]:
    """Return a call's name and arguments as far as they are written; the grammar fixes their order."""
    start, middle = '{"name":"', '","arguments":'
    name, found, arguments = call.removeprefix(start).partition(middle)
    if not found:
        return "", ""
    try:
        whole = json.loads(call)
    except ValueError:  # unfinished
        return name, arguments
    return str(whole["name"]), arguments[:-1]


def _error(error: RefusedError) -> Response:
    said = {"message": str(error), "type": "invalid_request_error", "param": None, "code": error.code}
    return JSONResponse({"error": said}, status_code=error.status)
