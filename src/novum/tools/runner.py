"""ToolCall → validation → sandbox → ToolResult, with every answer checked against its promise."""

import dataclasses
import math
import mimetypes
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Protocol

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from novum.core.calls import Artifact, CallStatus, PropertySpec, Reached, ToolCall, ToolResult, ToolSpec
from novum.core.digest import canonical_json
from novum.core.errors import (
    NotFoundError,
    NotGrantedError,
    SandboxBrokenError,
    ToolArgumentError,
    ToolFailedError,
    UnitError,
)
from novum.core.quantity import Quantity
from novum.sandbox.base import Limits, Profile, Sandbox, SandboxRequest, SandboxResult
from novum.tools import worker
from novum.tools.base import Tool
from novum.tools.described import DescribedTool, Launch
from novum.tools.files import files_of
from novum.tools.registry import AnyTool, Registry

ATTEMPTS = 3
"""How often a call is tried where the sandbox itself breaks."""

LONGEST_TEXT = 2000
"""Characters kept of a message or a warning."""

MOST_WARNINGS = 20


class ArtifactStore(Protocol):
    """Bytes by their hash; `memory.artifacts.Artifacts` is one."""

    def put(self, data: bytes, name: str, media_type: str = ...) -> Artifact:
        """Keep bytes, and return what names them."""
        ...

    def get(self, sha256: str) -> bytes:
        """Return the bytes of that hash.

        Raises:
            NotFoundError: there are none.
        """
        ...


class ResultCache(Protocol):
    """Results by the content address of their call; `memory.calls.CallCache` is one."""

    def find(self, key: str) -> ToolResult | None:
        """Return the success kept under `key`, or None."""
        ...

    def put(self, result: ToolResult, *, limits: Mapping[str, float] | None = None) -> bool:
        """Keep a result and the limits under which it came; return whether it was new."""
        ...


class Runner:
    """Runs tool calls. Safe to use from several threads where its sandbox and cache are.

    Args:
        registry: the tools.
        sandbox: where they run.
        cache: what answers a call that has run before; None runs every call.
        artifacts: where the files that a call leaves are kept; None leaves them.
        grants: tool → network hosts that a person lets it reach.
        limits: what a call may use; a tool's own `timeout_s` and `memory_mb` replace time and memory.
    """

    def __init__(
        self,
        registry: Registry,
        sandbox: Sandbox,
        cache: ResultCache | None = None,
        *,
        artifacts: ArtifactStore | None = None,
        grants: Mapping[str, Sequence[str]] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._registry = registry
        self._sandbox = sandbox
        self._cache = cache
        self._artifacts = artifacts
        self._grants = dict(grants or {})
        self._limits = limits or Limits()

    def normalise(self, call: ToolCall) -> ToolCall:
        """Return the call as it will run: own units, every default, no seed where none is used.

        Raises:
            NotFoundError: there is no such tool.
            MissingExtraError: its library is not installed.
            NotGrantedError: it asks for network hosts that nobody has granted.
            NotTrustedError: it is a tool of others that nobody has trusted as it is now.
            ToolArgumentError: the arguments do not fit.
        """
        found = self._available(call.tool)
        seed = call.seed if found.spec.stochastic_in_seed else 0
        return call.model_copy(update={"arguments": found.normalise(call.arguments), "seed": seed})

    def key(self, call: ToolCall) -> str:
        """Return the content address under which the result of `call` is kept.

        Raises:
            NotFoundError, MissingExtraError, NotGrantedError, NotTrustedError, ToolArgumentError: as
                `normalise`.
        """
        spec = self._registry.get(call.tool).spec
        return self.normalise(call).key(version=spec.version, code_hash=spec.code_hash)

    def run(self, call: ToolCall, *, fresh: bool = False) -> ToolResult:
        """Run one call to its end, or answer it from the cache.

        A failure of the tool, or an answer that is not what the tool promised, is a result with its
        status and reason. Repetitions (`replicate` above 0) and `fresh` calls are always run.

        Raises:
            NotFoundError: there is no such tool.
            MissingExtraError: its library is not installed.
            NotGrantedError: it asks for network hosts that nobody has granted.
            NotTrustedError: it is a tool of others that nobody has trusted as it is now.
            ToolArgumentError: the arguments do not fit; nothing was launched.
            SandboxBrokenError: the sandbox itself failed, three times.
            SandboxUnavailableError: no isolation can be had.
            StoreError: the cache cannot be used.
        """
        found = self._available(call.tool)
        key = self.key(call)
        cache = self._cache if isinstance(found, Tool) or found.cacheable else None
        if cache and not fresh and call.replicate == 0:
            known = cache.find(key)
            if known:
                return known.model_copy(update={"call": call, "cached": True})
        limits = dataclasses.replace(
            self._limits, wall_s=found.spec.timeout_s, memory_mb=found.spec.memory_mb
        )
        result = self._launch(call, found, key=key, limits=limits)
        if cache:
            cache.put(result, limits=dataclasses.asdict(limits))
        return result

    def warm(self, tool: str) -> None:
        """Make the next call of a tool fast.

        Raises:
            NotFoundError: there is no such tool.
            MissingExtraError: its library is not installed.
            NotGrantedError: it asks for network hosts that nobody has granted.
            NotTrustedError: it is a tool of others that nobody has trusted as it is now.
        """
        self._sandbox.warm(launch_of(self._available(tool), {}, 0).profile)

    def _available(self, name: str) -> AnyTool:
        found = self._registry.require(name)
        if isinstance(found, DescribedTool):
            return found  # whoever trusted it was shown its hosts
        granted = self._grants.get(name, ())
        if not set(found.spec.hosts) <= set(granted):
            raise NotGrantedError(tool=name, hosts=found.spec.hosts)
        return found

    def _launch(self, call: ToolCall, found: AnyTool, *, key: str, limits: Limits) -> ToolResult:
        spec, normal = found.spec, self.normalise(call)
        launch = launch_of(found, normal.arguments, normal.seed)
        request = SandboxRequest(
            entry=launch.entry,
            arguments=launch.arguments,
            profile=launch.profile,
            limits=limits,
            seed=normal.seed,
            hosts=launch.hosts,
        )
        ended, kept = self._run_and_keep(request, {**launch.files, **self._inputs(spec, normal)})
        answer: dict[str, Any] = {}
        refused = tuple(_clip(f"file {file.name} was not taken: {file.reason}") for file in ended.refused)
        status, message = ended.status, _clip(ended.message.removeprefix(f"{ToolFailedError.__name__}: "))
        if status is CallStatus.OK:
            message = ""
            try:
                answer = check_answer(spec, ended.value)
            except ToolFailedError as error:
                status, message = CallStatus.BAD_RESULT, _clip(str(error))
        return ToolResult(
            call=call,
            key=key,
            status=status,
            message=message,
            artifacts=kept,
            network=tuple(Reached(**dataclasses.asdict(attempt)) for attempt in ended.network),
            tool_version=spec.version,
            sandbox=ended.backend or self._sandbox.name,
            wall_s=ended.wall_s,
            cpu_s=ended.cpu_s,
            peak_memory_mb=ended.peak_memory_mb,
            **{"method": spec.method, **answer, "warnings": (*answer.get("warnings", ()), *refused)},
        )

    def _inputs(self, spec: ToolSpec, call: ToolCall) -> dict[str, bytes]:
        """Return the files that a call names by their hash: name inside → content."""
        named = files_of(spec, call.arguments)
        if named and self._artifacts is None:
            raise ToolArgumentError(f"{spec.name}: there are no artifacts here that could be its files")
        found = {}
        for name, sha256 in named.items():
            assert self._artifacts is not None
            try:
                found[name] = self._artifacts.get(sha256)
            except NotFoundError as error:
                raise ToolArgumentError(f"{spec.name}: file {name!r}: {error}") from error
        return found

    def _run_and_keep(
        self, request: SandboxRequest, files: Mapping[str, bytes]
    ) -> tuple[SandboxResult, tuple[Artifact, ...]]:
        retry = Retrying(
            retry=retry_if_exception_type(SandboxBrokenError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.05),
            reraise=True,
        )
        if self._artifacts is None and not files:
            return retry(self._sandbox.run, request), ()
        with TemporaryDirectory(prefix="novum-") as folder:
            request = dataclasses.replace(request, inputs=_put(files, Path(mkdtemp(dir=folder))))

            def attempt() -> SandboxResult:
                into = Path(mkdtemp(dir=folder)) if self._artifacts is not None else None
                return self._sandbox.run(dataclasses.replace(request, collect_into=into))

            ended = retry(attempt)
            if ended.status is not CallStatus.OK or self._artifacts is None:
                return ended, ()
            left = ((file, mimetypes.guess_type(file.name)[0]) for file in ended.artifacts)
            return ended, tuple(
                self._artifacts.put(file.path.read_bytes(), file.name, kind or "application/octet-stream")
                for file, kind in left
            )


def check_answer(spec: ToolSpec, value: Any) -> dict[str, Any]:
    """Return what a tool's answer says, in the units that its spec promises.

    The answer is a claim of untrusted code, so that nothing in it is taken on trust: every promised
    property must be there or be given as None, at least one must have a value, and each value must be
    finite, of the right dimension and within the bounds of its spec.

    Args:
        spec: what was promised.
        value: JSON data as `worker.call` returns it.

    Returns:
        The fields `properties`, `details`, `warnings` and `method` of a ToolResult.

    Raises:
        ToolFailedError: the answer breaks the promise, with how.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("properties"), Mapping):
        raise ToolFailedError(f"the answer holds no properties, but {_clip(repr(value), 80)}")
    claimed = value["properties"]
    promised = {p.name: p for p in spec.properties}
    if set(claimed) != set(promised):
        lacking = sorted(set(promised) - set(claimed))
        extra = sorted(map(str, set(claimed) - set(promised)))
        said = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"adds {', '.join(extra)}"] * bool(extra)
        raise ToolFailedError(f"the answer {' and '.join(said)}, against what {spec.name} promises")
    properties = {
        name: _check_quantity(promised[name], claimed[name]) for name in promised if claimed[name] is not None
    }
    details, warnings = value.get("details") or {}, value.get("warnings") or ()
    if not isinstance(details, dict) or not isinstance(warnings, list | tuple):
        raise ToolFailedError("the answer's details or warnings have the wrong type")
    if promised and not properties:
        raise ToolFailedError("the answer is empty: every property is absent")
    if not promised and not details:
        raise ToolFailedError("the answer is empty")
    try:
        canonical_json(details)
    except (ValueError, TypeError) as error:
        raise ToolFailedError(f"the answer's details are not JSON data: {error}") from error
    return {
        "properties": properties,
        "details": details,
        "warnings": tuple(_clip(str(w)) for w in warnings[:MOST_WARNINGS]),
        "method": _clip(str(value.get("method") or spec.method), 100),
    }


def _check_quantity(promised: PropertySpec, claimed: Any) -> Quantity:
    name = promised.name
    if not isinstance(claimed, Mapping) or not {"value", "unit"} <= set(claimed) <= {"value", "unit", "std"}:
        raise ToolFailedError(f"{name} is {_clip(repr(claimed), 80)}, not a value with a unit")
    numbers = [claimed["value"], *([claimed["std"]] if claimed.get("std") is not None else [])]
    if any(isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x) for x in numbers):
        raise ToolFailedError(f"{name} is {_clip(repr(claimed), 80)}, not a finite number")
    if min(numbers[1:], default=0) < 0:
        raise ToolFailedError(f"{name} has a negative standard deviation")
    try:
        found = Quantity(**{**claimed, "unit": str(claimed["unit"])}).to(promised.unit)
    except UnitError as error:
        raise ToolFailedError(f"{name}: {error}") from error
    slack = 1e-9 * abs(found.value)  # a conversion may move a bound by rounding
    if promised.low is not None and found.value < promised.low - slack:
        raise ToolFailedError(f"{name} = {found} is below {promised.low:g}, the least that can occur")
    if promised.high is not None and found.value > promised.high + slack:
        raise ToolFailedError(f"{name} = {found} is above {promised.high:g}, the most that can occur")
    return found


def _put(files: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    placed = {}
    for name, content in files.items():
        placed[name] = folder / name
        placed[name].write_bytes(content)
    return placed


def launch_of(found: AnyTool, arguments: Mapping[str, Any], seed: int) -> Launch:
    """Return what the sandbox is asked to run for one call of a tool."""
    if isinstance(found, DescribedTool):
        return found.launch(arguments, seed)
    given = {"entry": found.spec.entry, "arguments": dict(arguments), "seed": seed}
    return Launch(worker.ENTRY, given, _profile(found), hosts=found.spec.hosts)


def _profile(found: Tool[..., Any]) -> Profile:
    """Return what the sandbox of a tool has ready: its module, its libraries, its plugin's folder."""
    spec = found.spec
    module = spec.entry.partition(":")[0]
    return Profile(
        name=spec.profile,
        modules=(worker.__name__, module, *spec.preload),
        readable=_plugin_root(module),
        data=spec.files,
        gpu=spec.gpu,
    )


def _plugin_root(module: str) -> tuple[str, ...]:
    """Return the folder that holds a plugin's package, where the interpreter's own folders do not."""
    package = module.partition(".")[0]
    path = getattr(sys.modules.get(package), "__file__", None)
    if package == __name__.partition(".")[0] or path is None:
        return ()
    file = Path(path).resolve()
    root = file.parent.parent if file.name == "__init__.py" else file.parent
    own = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)}
    return () if own & set(root.parents) else (str(root),)


def _clip(text: str, length: int = LONGEST_TEXT) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
