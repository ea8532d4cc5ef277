"""A sandbox for the tests of other parts. It isolates nothing."""

import importlib
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from novum.core.calls import CallStatus
from novum.core.errors import SandboxBrokenError
from novum.sandbox.answers import MESSAGE_LIMIT, parse_answer
from novum.sandbox.base import Attestation, Profile, SandboxRequest, SandboxResult
from novum.sandbox.json_data import encode_arguments, find_unjson
from novum.sandbox.text import clean_text

Script = SandboxResult | SandboxBrokenError | Callable[..., Any]


class FakeSandbox:
    """Runs the entry in this very process, with every right of it: **no isolation, no limits**.

    It exists so that tools, workflows and planners can be tested without processes. Nothing selects
    it on its own: it has to be constructed. Its attestation fails, and says so.

    Args:
        script: what happens instead of the real entry: a result to return, a `SandboxBrokenError` to
            raise, or a function to call with the arguments. Entries that are not named run for real.

    Example:
        >>> fake = FakeSandbox({"lab:measure": lambda gap: {"gap": gap * 2}})
        >>> fake.run(SandboxRequest(entry="lab:measure", arguments={"gap": 2})).value
        {'gap': 4}
    """

    name = "fake"

    def __init__(self, script: Mapping[str, Script] | None = None) -> None:
        self._script = dict(script or {})
        self._lock = threading.Lock()
        self.requests: list[SandboxRequest] = []
        """Every request so far, for assertions."""

    def run(self, request: SandboxRequest) -> SandboxResult:
        """Run one call here and now; limits are ignored but for the size of the answer.

        Raises:
            UsageError: the arguments are not JSON data.
            SandboxBrokenError: the script says so.
        """
        arguments = encode_arguments(request.entry, request.arguments)
        with self._lock:
            self.requests.append(request)
        scripted = self._script.get(request.entry)
        if isinstance(scripted, SandboxResult):
            return scripted
        if isinstance(scripted, SandboxBrokenError):
            raise scripted
        started = time.monotonic()
        try:
            function = scripted if scripted is not None else _load(request.entry)
            _seed(request.seed)
            value = function(**json.loads(arguments))
        except Exception as error:  # noqa: BLE001  (whatever the tool raises is its answer)
            text = clean_text(f"{type(error).__name__}: {error}", limit=MESSAGE_LIMIT)
            return self._result(CallStatus.ERROR, started, message=text)
        place = find_unjson(value)
        if place is not None:
            return self._result(
                CallStatus.BAD_RESULT, started, message=clean_text(place, limit=MESSAGE_LIMIT)
            )
        try:
            raw = json.dumps({"value": value}, ensure_ascii=False).encode()
        except ValueError as error:
            message = clean_text(f"the answer is not JSON data: {error}", limit=MESSAGE_LIMIT)
            return self._result(CallStatus.BAD_RESULT, started, message=message)
        if len(raw) > request.limits.result_kb * 1024:
            message = f"the answer has {len(raw)} bytes, more than allowed"
            return self._result(CallStatus.OUTPUT_LIMIT, started, message=message)
        answer = parse_answer(raw)
        return self._result(answer.status, started, value=answer.value, message=answer.message)

    def warm(self, profile: Profile) -> None:
        """Do nothing: there is nothing to start."""

    def attest(self) -> Attestation:
        """Say that nothing is enforced."""
        return Attestation(
            backend=self.name,
            checks={"isolates": False},
            seen={"isolates": "the fake runs in our own process"},
        )

    def adopt(self, attestation: Attestation) -> None:
        """Do nothing: whatever was seen elsewhere, the fake isolates nothing."""

    def versions(self) -> dict[str, str]:
        """Return nothing: there is nothing that it is made of."""
        return {}

    def idle_memory_mb(self) -> float:
        """Return zero: nothing is kept."""
        return 0.0

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def _result(
        self, status: CallStatus, started: float, *, value: Any = None, message: str = ""
    ) -> SandboxResult:
        elapsed = time.monotonic() - started
        return SandboxResult(status=status, value=value, message=message, wall_s=elapsed, backend=self.name)


def _load(entry: str) -> Callable[..., Any]:
    module, separator, name = entry.partition(":")
    if not separator:
        raise ValueError(f"entry {entry!r} is not of the form 'package.module:function'")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _seed(seed: int) -> None:
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
