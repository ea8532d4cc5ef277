"""Every check that a tool must pass, made from its spec and from calls in the sandbox."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any, Final

from novum.core.calls import CallStatus
from novum.core.errors import NovumError, ToolFailedError
from novum.core.text import clean_text
from novum.sandbox.base import Limits, Sandbox, SandboxRequest
from novum.tools.conformance import watch
from novum.tools.conformance.arguments import MEANINGLESS, NoSampleError, edges, sample, wrong
from novum.tools.conformance.evidence import Tried, check_evidence, try_call
from novum.tools.conformance.promises import check_promises
from novum.tools.conformance.report import Report
from novum.tools.described import DescribedTool
from novum.tools.examples import Example
from novum.tools.registry import AnyTool
from novum.tools.runner import check_answer, launch_of

BUDGET_S: Final = 120.0
"""Seconds after which no further call is started, and one under way is ended."""

MOST_EDGES: Final = 24


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
        check_promises(self.spec, self.report, remote=self._is_remote)
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
            check_evidence(self._tried, self.spec, self.report)
        return self.report

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
            limits=dataclasses.replace(
                Limits(),
                wall_s=min(spec.timeout_s, max(1.0, self._until - time.monotonic())),
                memory_mb=spec.memory_mb,
            ),
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


def _refuses(tool: AnyTool, arguments: Mapping[str, Any]) -> bool:
    try:
        tool.normalise(arguments)
    except NovumError:
        return True
    return False


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
