"""What came with the calls of a tool: what it reached for, what it said, what it left."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from novum.core.calls import CallStatus, ToolSpec
from novum.core.text import UNSAFE
from novum.sandbox.base import Sandbox, SandboxRequest, SandboxResult
from novum.tools.conformance.report import Report

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


def check_evidence(calls: Sequence[Tried], spec: ToolSpec, report: Report) -> None:
    """Check what came with a tool's calls.

    Args:
        calls: all that were made.
        spec: of the tool.
        report: takes what is found.
    """
    _check_reach(calls, spec, report)
    _check_texts(calls, spec, report)
    _check_files(calls, report)


def _check_reach(calls: Sequence[Tried], spec: ToolSpec, report: Report) -> None:
    faults = []
    programs, forks = set(), 0
    for tried in calls:
        for one in tried.seen:
            kind, what = str(one.get("kind")), str(one.get("what"))
            match kind:
                case "read":
                    faults.append(f"it reads {what}, which it does not declare under 'files'")
                case "write":
                    faults.append(f"it writes {what}, outside of its working directory")
                case "network" if not spec.hosts:
                    faults.append(f"it reaches for the network, {what}, and declares no 'hosts'")
                case "fork":
                    forks = max(forks, int(one.get("n", 1)))
                case "program":
                    programs.add(what)
    if forks > MOST_FORKS:
        faults.append(f"it makes {forks} processes in one call")
    elif forks:
        report.note("reach", f"it makes {forks} processes")
    if programs:
        report.note("reach", f"it starts {', '.join(sorted(programs))}")
    report.add(
        "reach",
        faults,
        kept="libraries and its own folder alone, as far as nothing is hidden",
    )


def _check_texts(calls: Sequence[Tried], spec: ToolSpec, report: Report) -> None:
    faults = []
    for tried in calls:
        said = {
            "what it prints": f"{tried.result.stdout}{tried.result.stderr}",
            "its messages": tried.message,
            "its answer": _escaped(tried.answer),
        }
        faults += [f"{where} would act on a terminal" for where, text in said.items() if _ACTS.search(text)]
    if _ACTS.search(spec.description):
        faults.append("its description would act on a terminal")
    report.add("texts", faults, kept="no text acts on a terminal")
    printed = max((len(t.result.stdout) for t in calls), default=0)
    if printed:
        report.note("texts", f"it prints {printed} characters in a call")


def _check_files(calls: Sequence[Tried], report: Report) -> None:
    faults = [f"the file {name} holds a pickle" for tried in calls for name in tried.pickles]
    for tried in calls:
        if tried.status is CallStatus.BAD_RESULT:
            faults.append(f"its answer is not JSON data: {tried.message[:150]}")
        elif any(_PICKLE_TEXT.match(text) for text in _texts(tried.answer)):
            faults.append("its answer holds a pickle, as text")
    report.add("data", faults, kept="JSON answers; no pickles")


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
