"""The tiny server: OpenAI's chat completions over HTTP, with schemas that hold."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from itertools import islice
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from novum.agents.models.tiny.decoding import Piece, TinyModel, Wish
from novum.agents.models.tiny.requests import Asked, RefusedError, read_request

LARGEST_BODY = 8 * 2**20
BATCH = 4
"""Pieces that are written at a time, before anybody else has a turn."""
LOOK = 32
"""After how many tokens it is looked whether the client is still there."""
CLOSED = 499
"""The status of an answer that nobody waits for any more, as web servers log it."""


def make_app(model: TinyModel, *, served_as: str = "tiny") -> Starlette:
    """Return the application.

    Args:
        model: what writes the answers.
        served_as: the model's name, to clients.
    """
    writing = asyncio.Lock()

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
        answer = Answer(asked, Writer(model, writing), served_as=served_as)
        if asked.stream:
            return StreamingResponse(answer.stream(), media_type="text/event-stream")
        whole = await answer.whole(gone=request.is_disconnected)
        return JSONResponse(whole) if whole is not None else Response(status_code=CLOSED)

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
        ]
    )


class Writer:
    """Has the model write, one completion at a time; who waits holds no thread, and who leaves no lock."""

    def __init__(self, model: TinyModel, writing: asyncio.Lock) -> None:
        self._model, self._writing = model, writing

    async def pieces(self, wish: Wish) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of a completion."""
        async with self._writing:
            written = self._model.write(wish)
            try:
                while batch := await run_in_threadpool(lambda: list(islice(written, BATCH))):
                    for piece in batch:
                        yield piece
            finally:
                written.close()


class Answer:
    """One completion, whole or as it is written."""

    def __init__(self, asked: Asked, writer: Writer, *, served_as: str) -> None:
        self._asked, self._writer = asked, writer
        key = hashlib.sha256(repr(asked.wish).encode()).hexdigest()[:24]
        self._call_id = f"call_{key[:16]}"
        self._head = {"id": f"chatcmpl-{key}", "created": int(time.time()), "model": served_as}

    async def whole(self, *, gone: Callable[[], Awaitable[bool]]) -> dict[str, Any] | None:
        """Return the completion; None once the client is gone."""
        text, call, last = "", "", Piece()
        async with aclosing(self._writer.pieces(self._asked.wish)) as pieces:
            async for last in pieces:
                if last.in_call:
                    call += last.text
                else:
                    text += last.text
                if last.tokens % LOOK == 0 and await gone():
                    return None
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

    async def stream(self) -> AsyncIterator[str]:
        """Yield the completion as events."""
        yield self._event({"role": "assistant", "content": ""})
        last, call, said = Piece(), "", 0
        async with aclosing(self._writer.pieces(self._asked.wish)) as pieces:
            async for last in pieces:
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
