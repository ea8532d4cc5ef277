"""Every check that a tool must pass, made from its spec and from calls in the sandbox."""

import dataclasses
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from novum.core.calls import CallStatus, ToolSpec
from novum.core.errors import NovumError, ToolFailedError, UnitError
from novum.core.quantity import DIMENSIONLESS, canonical_unit
from novum.core.text import UNSAFE, clean_text
from novum.sandbox.base import Limits, Sandbox, SandboxRequest, SandboxResult
from novum.tools.conformance import watch
from novum.tools.conformance.arguments import MEANINGLESS, NoSampleError, edges, sample, wrong
from novum.tools.conformance.report import Report
from novum.tools.described import DescribedTool
from novum.tools.examples import Example
from novum.tools.registry import AnyTool
from novum.tools.runner import check_answer, launch_of

BUDGET_S: Final = 120.0
"""Seconds after which no further call is started."""

MOST_EDGES: Final = 24
MOST_FORKS: Final = 8

_ACTS: Final = re.compile(r"\\x(?:1b|9b|9d|90|08)|\\u(?:200[b-f]|202[a-e]|206[0-9a-f])")
"""What is left, as an escape, of a text that would have acted on a terminal."""
_PICKLED: Final = re.compile(rb"\x80[\x02-\x05]")
_PICKLE_NAMES: Final = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_PICKLE_TEXT: Final = re.compile(r"^gA[JRSU][A-Za-z0-9+/]")


@dataclass(frozen=True, slots=True)
class Tried:
    """One call, and what it reached for."""

    result: SandboxResult
    status: CallStatus
    message: str
    answer: Any
    seen: tuple[Mapping[str, Any], ...]
    pickles: tuple[str, ...]
    """Files that it left and that hold pickles."""


class Checker:
    """Checks one tool, in a sandbox that shows it nothing of what it asks for.

    Args:
        tool: the tool.
        sandbox: where it is called.
        granted: whether it gets the files, hosts and accelerators that it declares.
        budget_s: seconds after which no further call is started.
    """

    def __init__(
        self, tool: AnyTool, sandbox: Sandbox, *, granted: bool = False, budget_s: float = BUDGET_S
    ) -> None:
        self.tool = tool
        self.spec = tool.spec
        self.report = Report(tool.spec.name)
        self._sandbox = sandbox
        self._granted = granted
        self._until = time.monotonic() + budget_s
        self._tried: list[Tried] = []

    def run(self) -> Report:
        """Make every check and return the report.

        Raises:
            InfrastructureError: no isolation can be had, or it failed.
        """
        self._check_description()
        self._check_schema()
        self._check_units()
        self._check_ranges()
        missing = self.tool.missing_libraries()
        if missing:
            self.report.skip("calls", f"these packages are not installed: {', '.join(missing)}")
            return self.report
        base, seed = self._base()
        if base is not None and self._check_call(base, seed):
            self._check_repetition(base, seed)
            self._check_wrong_arguments(base, seed)
            self._check_edges(base, seed)
            self._check_examples()
        if self._tried:
            self._check_reach()
            self._check_texts()
            self._check_files()
        return self.report

    # -- what it says of itself

    def _check_description(self) -> None:
        spec = self.spec
        faults = [] if len(spec.description) >= 20 else ["its description has fewer than 20 characters"]
        faults += [
            f"argument {name!r} is not described"
            for name, schema in _arguments(spec).items()
            if not schema.get("description")
        ]
        faults += [f"it has no {what}" for what in ("version", "method") if not getattr(spec, what).strip()]
        self.report.add("docstring", faults, kept="the tool and its arguments are described")
        if not spec.source:
            self.report.note("source", "no reference says where its method comes from")

    def _check_schema(self) -> None:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        faults = []
        try:
            Draft202012Validator.check_schema(self.spec.parameters)
        except SchemaError as error:
            faults.append(clean_text(error.message, limit=200))
        if not self._is_remote and self.spec.parameters.get("additionalProperties") is not False:
            faults.append("it takes arguments that it does not name")
        faults += [
            f"argument {name!r} has no type"
            for name, schema in _arguments(self.spec).items()
            if not {"type", "enum", "const", "anyOf", "allOf", "oneOf", "$ref"} & set(schema)
        ]
        n = len(_arguments(self.spec))
        self.report.add("schema", faults, kept=f"{n} {'argument' if n == 1 else 'arguments'}")

    def _check_units(self) -> None:
        units = {f"property {p.name!r}": p.unit for p in self.spec.properties}
        units |= {f"argument {n!r}": s["x-unit"] for n, s in _arguments(self.spec).items() if "x-unit" in s}
        faults = []
        for where, unit in units.items():
            try:
                canonical_unit(unit)
            except UnitError as error:
                faults.append(f"{where}: {error}")
        stated = sorted({unit for unit in units.values() if unit != DIMENSIONLESS})
        self.report.add("units", faults, kept=", ".join(stated) or "pure numbers only")
        bare = [
            n for n, s in _arguments(self.spec).items() if s.get("type") == "number" and "x-unit" not in s
        ]
        if bare:
            self.report.note("units", f"taken as pure numbers: {', '.join(bare)}")

    def _check_ranges(self) -> None:
        if self._is_remote:
            self.report.skip("ranges", "a server's schema seldom states what can occur")
            return
        faults = [
            f"property {p.name!r} says neither which values can occur (ge, le) nor which are usual"
            for p in self.spec.properties
            if p.low is None and p.high is None and p.usual is None
        ]
        self.report.add("ranges", faults, kept="every property says what can occur or is usual")

    # -- what it does

    def _base(self) -> tuple[dict[str, Any] | None, int]:
        examples: tuple[Example, ...] = self.tool.examples
        if not examples:
            self.report.note(
                "examples", "it declares none, so 'novum tools test' has nothing to hold it against"
            )
        try:
            given = examples[0].arguments if examples else sample(self.spec)
            return self.tool.normalise(given), examples[0].seed if examples else 0
        except NoSampleError as error:
            if self._is_remote:  # whoever adds a server cannot write its examples
                self.report.skip("calls", str(error).partition(":")[0])
            else:
                self.report.add("call", [str(error)])
        except NovumError as error:
            self.report.add("call", [f"its own example does not fit its schema: {error}"])
        return None, 0

    def _check_call(self, base: Mapping[str, Any], seed: int) -> bool:
        tried = self._call(base, seed)
        fault = self._fault(tried)
        if fault and not self._granted and (self.spec.hosts or self.spec.files or self.spec.gpu):
            self.report.skip("call", f"{fault}; it asks for more than computing, and is checked once trusted")
            return False
        self.report.add("call", [fault] if fault else [], kept=_shown(tried.answer))
        if fault:
            return False
        wall, nominal = tried.result.wall_s, self.spec.nominal_cost_s
        self.report.add(
            "time and memory",
            [],
            kept=f"{wall:.2f} s of {self.spec.timeout_s:g} s, "
            f"{tried.result.peak_memory_mb:.0f} MB of {self.spec.memory_mb} MB",
        )
        if wall > 10 * nominal + 1:
            self.report.note("time and memory", f"a call took {wall:.1f} s, and {nominal:g} s are declared")
        return True

    def _check_repetition(self, base: Mapping[str, Any], seed: int) -> None:
        if not self.spec.deterministic:
            self.report.skip("determinism", "it does not promise equal numbers")
            return
        first, second = (self._call(base, seed) for _ in range(2))
        faults = _differences(first, second, "equal calls give different answers")
        if not faults and not self.spec.stochastic_in_seed:
            said = "its answer depends on a seed, and it has no parameter 'seed'"
            faults = _differences(first, self._call(base, seed + 1), said)
        promised = "for an equal seed" if self.spec.stochastic_in_seed else "whatever the seed"
        self.report.add("determinism", faults, kept=f"equal numbers {promised}")

    def _check_wrong_arguments(self, base: Mapping[str, Any], seed: int) -> None:
        faults, n = [], 0
        for label, arguments in wrong(self.spec, base):
            if self._is_over("bad arguments"):
                break
            n += 1
            if self._is_remote:  # what a server takes is its own affair; what we pass on is not
                faults += [] if _refuses(self.tool, arguments) else [f"{label} is taken"]
                continue
            tried = self._call(arguments, seed)
            if tried.status is CallStatus.OK:
                faults.append(f"{label} is taken, and gives {_shown(tried.answer)}")
            elif not tried.message.startswith("ToolArgumentError"):
                faults.append(f"{label}: {tried.status.value}: {tried.message[:150]}")
        self.report.add("bad arguments", faults, kept=f"{n} refused in words")

    def _check_edges(self, base: Mapping[str, Any], seed: int) -> None:
        faults, taken, n = [], [], 0
        for label, arguments in list(edges(self.spec, base))[:MOST_EDGES]:
            if self._is_over("hard values"):
                break
            n += 1
            tried = self._call(arguments, seed)
            if tried.status is CallStatus.ERROR:
                kind, _, words = tried.message.partition(": ")
                if kind not in ("ToolFailedError", "ToolArgumentError") or not words.strip():
                    faults.append(
                        f"{label} ends with {tried.message[:120]!r}; raise ToolFailedError with the "
                        "reason, or narrow the parameter's range"
                    )
                continue
            fault = self._fault(tried)
            if fault:
                faults.append(f"{label}: {fault}")
            elif arguments[label.partition("=")[0]] in MEANINGLESS:
                taken.append(label)
        self.report.add("hard values", faults, kept=f"{n} tried, each gave an answer or a reason")
        if taken:
            self.report.note("hard values", f"texts without meaning gave numbers: {', '.join(taken)}")

    def _check_examples(self) -> None:
        faults = []
        for number, example in enumerate(self.tool.examples, 1):
            if self._is_over("examples"):
                break
            tried = self._call(self.tool.normalise(example.arguments), example.seed)
            fault = self._fault(tried)
            if fault:
                faults.append(f"example {number}: {fault}")
                continue
            found = check_answer(self.spec, tried.answer)["properties"]
            for name, value in example.expected.items():
                unit = next(p.unit for p in self.spec.properties if p.name == name)
                got = found[name].to(unit).value if name in found else None
                if got is None or abs(got - value) > example.atol + example.rtol * abs(value) + 1e-12 * abs(
                    value
                ):
                    faults.append(f"example {number}: {name} is {got}, and {value:g} is expected")
        if self.tool.examples:
            n = len(self.tool.examples)
            self.report.add("examples", faults, kept=f"{n} {'fits' if n == 1 else 'fit'}")

    # -- what came with the calls

    def _check_reach(self) -> None:
        faults = []
        programs, forks = set(), 0
        for tried in self._tried:
            for one in tried.seen:
                kind, what = str(one.get("kind")), str(one.get("what"))
                match kind:
                    case "read":
                        faults.append(f"it reads {what}, which it does not declare under 'files'")
                    case "write":
                        faults.append(f"it writes {what}, outside of its working directory")
                    case "network" if not self.spec.hosts:
                        faults.append(f"it reaches for the network, {what}, and declares no 'hosts'")
                    case "fork":
                        forks = max(forks, int(one.get("n", 1)))
                    case "program":
                        programs.add(what)
        if forks > MOST_FORKS:
            faults.append(f"it makes {forks} processes in one call")
        elif forks:
            self.report.note("reach", f"it makes {forks} processes")
        if programs:
            self.report.note("reach", f"it starts {', '.join(sorted(programs))}")
        self.report.add("reach", faults, kept="nothing but libraries and its own working directory")

    def _check_texts(self) -> None:
        faults = []
        for tried in self._tried:
            said = {
                "what it prints": f"{tried.result.stdout}{tried.result.stderr}",
                "its messages": tried.message,
                "its answer": _escaped(tried.answer),
            }
            faults += [
                f"{where} would act on a terminal" for where, text in said.items() if _ACTS.search(text)
            ]
        if _ACTS.search(self.spec.description):
            faults.append("its description would act on a terminal")
        self.report.add("texts", faults, kept="no text acts on a terminal")
        printed = max((len(t.result.stdout) for t in self._tried), default=0)
        if printed:
            self.report.note("texts", f"it prints {printed} characters in a call")

    def _check_files(self) -> None:
        faults = [f"the file {name} holds a pickle" for tried in self._tried for name in tried.pickles]
        for tried in self._tried:
            if tried.status is CallStatus.BAD_RESULT:
                faults.append(f"its answer is not JSON data: {tried.message[:150]}")
            elif any(_PICKLE_TEXT.match(text) for text in _texts(tried.answer)):
                faults.append("its answer holds a pickle, as text")
        self.report.add("data", faults, kept="JSON answers; no pickles")

    # -- calling

    @property
    def _is_remote(self) -> bool:
        return isinstance(self.tool, DescribedTool) and self.tool.kind == "mcp"

    def _is_over(self, check: str) -> bool:
        if time.monotonic() < self._until:
            return False
        self.report.skip(check, "the time for checking is used up")
        return True

    def _call(self, arguments: Mapping[str, Any], seed: int) -> Tried:
        launch, spec = launch_of(self.tool, arguments, seed), self.spec
        data = launch.profile.data if self._granted or self._is_remote else ()
        request = SandboxRequest(
            entry=f"{watch.__name__}:watched",
            arguments={
                "entry": launch.entry,
                "arguments": launch.arguments,
                "readable": [*launch.profile.readable, *data],
            },
            profile=dataclasses.replace(
                launch.profile,
                modules=(*launch.profile.modules, watch.__name__),
                data=data,
                gpu=launch.profile.gpu and self._granted,
            ),
            limits=dataclasses.replace(Limits(), wall_s=spec.timeout_s, memory_mb=spec.memory_mb),
            seed=seed,
            hosts=launch.hosts if self._granted or self._is_remote else (),
        )
        tried = try_call(self._sandbox, request, launch.files)
        self._tried.append(tried)
        return tried

    def _fault(self, tried: Tried) -> str:
        """Return what is wrong with an answer that should be a good one; nothing where it is one."""
        if tried.status is not CallStatus.OK:
            return f"{tried.status.value}: {tried.message[:200]}"
        try:
            check_answer(self.spec, tried.answer)
        except ToolFailedError as error:
            return clean_text(str(error), limit=300)
        return ""


def try_call(sandbox: Sandbox, request: SandboxRequest, files: Mapping[str, bytes]) -> Tried:
    """Run a watched call, and take it apart."""
    with TemporaryDirectory(prefix="novum-") as name:
        folder, left = Path(name), Path(name, "out")
        left.mkdir()
        placed = {}
        for file, content in files.items():
            placed[file] = folder / file
            placed[file].write_bytes(content)
        result = sandbox.run(dataclasses.replace(request, inputs=placed, collect_into=left))
        pickles = tuple(f.name for f in result.artifacts if _is_pickle(f.name, f.path))
    said = result.value if isinstance(result.value, dict) else {}
    seen = tuple(one for one in said.get("seen") or () if isinstance(one, dict))
    status, message, answer = result.status, result.message, said.get("value")
    if status is CallStatus.OK and "raised" in said:
        status, message = CallStatus.ERROR, f"{said['raised']}: {said.get('text', '')}"
    return Tried(result, status, message, answer, seen, pickles)


def _is_pickle(name: str, path: Path) -> bool:
    with path.open("rb") as file:
        return name.lower().endswith(_PICKLE_NAMES) or bool(_PICKLED.match(file.read(2)))


def _refuses(tool: AnyTool, arguments: Mapping[str, Any]) -> bool:
    try:
        tool.normalise(arguments)
    except NovumError:
        return True
    return False


def _arguments(spec: ToolSpec) -> dict[str, Any]:
    found: dict[str, Any] = spec.parameters.get("properties", {})
    return found


def _differences(first: Tried, second: Tried, said: str) -> list[str]:
    if first.status is not second.status:
        return [f"{said}: {first.status.value} and {second.status.value}"]
    return (
        [] if first.answer == second.answer else [f"{said}: {_shown(first.answer)}; {_shown(second.answer)}"]
    )


def _shown(answer: Any) -> str:
    """Return an answer's first numbers, for people."""
    properties = answer.get("properties") if isinstance(answer, dict) else None
    if not isinstance(properties, dict):
        return clean_text(repr(answer), limit=100)
    numbers = [
        f"{name} = {value['value']:g} {value.get('unit', '')}".strip()
        for name, value in properties.items()
        if isinstance(value, dict) and isinstance(value.get("value"), int | float)
    ]
    return clean_text(", ".join(numbers[:4]) + (" …" if len(numbers) > 4 else ""), limit=200)


def _escaped(answer: Any) -> str:
    show: Callable[[re.Match[str]], str] = lambda found: found[0].encode("unicode_escape").decode("ascii")  # noqa: E731
    return UNSAFE.sub(show, json.dumps(answer, ensure_ascii=False, default=str))


def _texts(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
