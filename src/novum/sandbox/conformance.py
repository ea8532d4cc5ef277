"""The checks that every sandbox must pass, shipped so that other backends can run them too.

A check is a function of a sandbox; its docstring is the promise; it raises `AssertionError` where
the promise is broken. `RESULT_CHECKS` are about what comes back, `ISOLATION_CHECKS` about what
cannot happen; `CHECKS` are both.

Example:
    >>> from novum.sandbox import FakeSandbox
    >>> for check in RESULT_CHECKS:
    ...     check(FakeSandbox())
"""

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from novum.core.calls import CallStatus
from novum.core.errors import UsageError
from novum.sandbox.attest import ENVIRONMENT_NAMES, host_canaries
from novum.sandbox.base import IN_DIRECTORY, OUT_DIRECTORY, Limits, Sandbox, SandboxRequest, SandboxResult

Check = Callable[[Sandbox], None]


def _ask(
    sandbox: Sandbox, probe: str, *, seed: int = 0, limits: Limits | None = None, **arguments: Any
) -> SandboxResult:
    entry = probe if ":" in probe else f"novum.sandbox.inside.probes:{probe}"
    return sandbox.run(
        SandboxRequest(entry=entry, arguments=arguments, seed=seed, limits=limits or Limits(wall_s=60))
    )


def _expect(kept: bool, seen: object) -> None:
    if not kept:
        raise AssertionError(f"seen: {seen}")


def _expect_status(result: SandboxResult, *allowed: CallStatus) -> None:
    _expect(result.status in allowed, result)


def returns_the_value_unchanged(sandbox: Sandbox) -> None:
    """An answer of JSON data arrives as it was given."""
    value: dict[str, Any] = {
        "text": "Å → ∞ \x1b",
        "n": [1, -2.5, True, None, 10**30],
        "deep": [[[{"a": {}}]]],
        "": [],
    }
    result = _ask(sandbox, "echo", value=value)
    _expect(result.status is CallStatus.OK and result.value == value and result.message == "", result)


def names_its_backend(sandbox: Sandbox) -> None:
    """A result says which backend ran it."""
    _expect(_ask(sandbox, "echo").backend == sandbox.name, sandbox.name)


def reports_an_exception_as_an_error(sandbox: Sandbox) -> None:
    """A function that raises gives status error, with the exception's class and text."""
    result = _ask(sandbox, "fail", text="no such basis set")
    _expect(result.status is CallStatus.ERROR and result.message == "ValueError: no such basis set", result)


def cleans_and_cuts_messages(sandbox: Sandbox) -> None:
    """A message carries no control, bidirectional or invisible character and has at most 2000."""
    result = _ask(sandbox, "fail", text="\x1b]0;x\x07\u202e\U000e0041\x9b" + "y" * 5000)
    hostile = [c for c in result.message if not c.isprintable() and c != "\n"]
    _expect(result.status is CallStatus.ERROR and not hostile and len(result.message) <= 2000, result)


def reports_unknown_entries_as_errors(sandbox: Sandbox) -> None:
    """An entry that does not exist, or is not of the form module:function, gives status error."""
    for entry in ("novum.no_such_module:f", "novum.sandbox.inside.probes:no_such_function", "os:sep", ":"):
        _expect_status(_ask(sandbox, entry), CallStatus.ERROR)


def refuses_answers_that_are_not_json(sandbox: Sandbox) -> None:
    """NaN, infinities, objects, bytes, sets, non-text keys, too deep nesting: bad-result, and where."""
    for kind in ("nan", "infinite", "object", "bytes", "keys", "set", "deep", "surrogate", "digits"):
        result = _ask(sandbox, "odd_answer", kind=kind)
        _expect(
            result.status is CallStatus.BAD_RESULT and result.value is None and bool(result.message), result
        )
    _expect("$.gap[1]" in _ask(sandbox, "odd_answer", kind="nan").message, "no place in the message")


def refuses_answers_that_are_too_large(sandbox: Sandbox) -> None:
    """An answer above the limit gives status output-limit."""
    result = _ask(sandbox, "odd_answer", kind="large", limits=Limits(wall_s=60, result_kb=100))
    _expect(result.status is CallStatus.OUTPUT_LIMIT and result.value is None, result)


def seeds_before_the_call(sandbox: Sandbox) -> None:
    """The same seed gives the same random numbers, another seed others."""
    first, again, other = (_ask(sandbox, "draw", seed=seed).value for seed in (7, 7, 8))
    _expect(first == again and first != other and bool(first), (first, again, other))


def refuses_arguments_that_are_not_json(sandbox: Sandbox) -> None:
    """Arguments that JSON cannot carry are the caller's error, not the code's."""
    for value in (float("nan"), object(), {1, 2}):
        try:
            result = _ask(sandbox, "echo", value=value)
        except UsageError:
            continue
        raise AssertionError(f"seen: {result}")


def attests_to_something(sandbox: Sandbox) -> None:
    """A sandbox says what it enforces, under its own name, and says the same again."""
    attestation = sandbox.attest()
    _expect(attestation.backend == sandbox.name and bool(attestation.checks), attestation)
    _expect(sandbox.attest() == attestation, attestation)


def serves_several_threads_at_once(sandbox: Sandbox) -> None:
    """Concurrent calls get each their own answer."""
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda n: _ask(sandbox, "echo", value=n).value, range(12)))
    _expect(values == list(range(12)), values)


def passes_its_attestation(sandbox: Sandbox) -> None:
    """Every promise that the sandbox attests to was seen kept."""
    _expect(sandbox.attest().passed, sandbox.attest().broken)


def captures_and_cuts_output(sandbox: Sandbox) -> None:
    """Both outputs are captured apart, cut at the limit with a flag, and cleaned."""
    result = _ask(sandbox, "write_output", out="out\n", err="err\x1b[31m\n")
    _expect((result.stdout, result.stderr, result.truncated) == ("out\n", "err\\x1b[31m\n", False), result)
    result = _ask(sandbox, "write_output", out="x" * 1000, repeat=10, limits=Limits(wall_s=60, output_kb=4))
    _expect(result.status is CallStatus.OK and len(result.stdout) == 4096 and result.truncated, result)


def survives_output_that_is_not_text(sandbox: Sandbox) -> None:
    """Invalid UTF-8 and NUL in the output become visible escapes."""
    result = _ask(sandbox, "write_raw", data=[0xFF, 0x00, 0xC3, 0x28])
    _expect(result.status is CallStatus.OK and result.stdout == "\\xff\\x00\\xc3(", result)


def shows_no_host_secret(sandbox: Sandbox) -> None:
    """No host file, environment, process, socket or network can be reached; nothing of the host written."""
    with host_canaries() as host:
        paths = [
            str(host.secret),
            f"/proc/{host.pid}/environ",
            "/etc/shadow",
            str(Path.home()),
        ]
        paths += [
            f"/proc/{os.getpid()}/root{host.secret}",
            f"/proc/1/root{host.secret}",
            f"/proc/1/cwd{host.secret}",
        ]
        result = _ask(
            sandbox, "survey", paths=paths, canary=host.mark, port=host.port, abstract=host.abstract
        )
        reached = host.reached()
        touched = _ask(sandbox, "touch_processes", pid=host.pid)
        leaked = [
            place
            for place in ("/", "/etc", "/usr", "/usr/bin", "/dev", "/work", "/tmp", "/dev/shm")  # noqa: S108
            if Path(place, f"x{host.mark}").exists()
        ]
        _expect(Path(f"/proc/{host.pid}").exists(), "the canary process is gone")
    seen = result.value
    _expect_status(result, CallStatus.OK)
    _expect(not leaked, leaked)
    _expect(reached == 0, f"{reached} connections reached the host")
    _expect(not (seen["opened"] or seen["environments"] or seen["written"] or seen["proc_writable"]), seen)
    _expect(not (seen["loopback"] or seen["egress"] or seen["datagram"] or seen["abstract"]), seen)
    _expect(set(seen["environment"]) <= ENVIRONMENT_NAMES and not seen["other_processes"], seen)
    _expect_status(touched, CallStatus.OK)
    done = {what for what, succeeded in touched.value.items() if succeeded}
    numbers_are_seen = "numbers_of_processes_hidden" in sandbox.attest().degraded
    _expect(done <= ({"seen"} if numbers_are_seen else set()), touched)


def gives_no_privilege(sandbox: Sandbox) -> None:
    """The code is not root, has no capability, cannot get one, and its system calls are filtered."""
    seen = _ask(sandbox, "survey", paths=[], canary=secrets.token_hex(8), port=9).value
    _expect(seen["uid"] != 0 and not seen["became_root"] and not any(seen["capabilities"].values()), seen)
    # gVisor is a kernel of its own around the filter, and does not show it
    filtered = seen["seccomp"] == 2 or sandbox.versions().get("runtime") == "runsc"
    _expect(seen["no_new_privileges"] == 1 and filtered, seen)


def gives_an_empty_writable_scratch(sandbox: Sandbox) -> None:
    """The code starts in a new writable directory with empty in/ and out/; temporary files have a place."""
    seen = _ask(sandbox, "survey", paths=[], canary=secrets.token_hex(8), port=9).value
    _expect(seen["directory"] in seen["scratch"] and len(seen["scratch"]) >= 2, seen)
    for directory in (IN_DIRECTORY, OUT_DIRECTORY):
        _expect(_ask(sandbox, "os:listdir", path=directory).value == [], directory)


def keeps_calls_apart(sandbox: Sandbox) -> None:
    """Nothing that a call leaves (files, variables, modules, sockets, processes) reaches the next ones."""
    mark = secrets.token_hex(8)
    left = _ask(sandbox, "leave_traces", mark=mark)
    _expect(left.status is CallStatus.OK and len(left.value) >= 2, left)
    for _ in range(4):
        found = _ask(sandbox, "find_traces", mark=mark)
        _expect(found.status is CallStatus.OK and found.value == [], found)


def leaves_no_process(sandbox: Sandbox) -> None:
    """When a call returns, its detached, deaf children are gone; and it returns without waiting for them."""
    mark = f"left{secrets.token_hex(4)}"
    started = time.monotonic()
    command = f"setsid sh -c 'sleep 60; : {mark}' >/dev/null 2>&1 & echo started"
    arguments: dict[str, Any] = {"cmd": command}
    result = _ask(sandbox, "subprocess:getoutput", **arguments)
    _expect(result.status is CallStatus.OK and result.value == "started", result)
    _expect(find_processes(mark) == [], find_processes(mark))
    _expect(_ask(sandbox, "daemonise").status is CallStatus.OK, "daemonise")
    _expect(time.monotonic() - started < 30, "it waited for a detached process")


def find_processes(mark: str) -> list[str]:
    """Return the processes of the host whose command line holds `mark`."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in process.read_bytes():
                found.append(str(process))
        except OSError:
            continue  # it ended while we looked
    return found


def ends_calls_at_the_wall_clock(sandbox: Sandbox) -> None:
    """A call that sleeps, or spins with every signal ignored, ends as timeout soon after its limit."""
    for probe, arguments in (("pause", {"seconds": 60}), ("spin", {"deaf": True})):
        result = _ask(sandbox, probe, limits=Limits(wall_s=0.5), **arguments)
        _expect(result.status is CallStatus.TIMEOUT and result.message != "", result)
        _expect(0.5 <= result.wall_s < 3, result.wall_s)


def ends_calls_at_the_processor_time(sandbox: Sandbox) -> None:
    """A call that burns more processor time than allowed ends as timeout."""
    result = _ask(sandbox, "spin", limits=Limits(wall_s=30, cpu_s=0.5))
    _expect(result.status in (CallStatus.TIMEOUT, CallStatus.KILLED) and result.cpu_s < 5, result)


def ends_calls_at_the_memory_limit(sandbox: Sandbox) -> None:
    """Private, shared and forked memory above the limit ends as oom; memfd cannot be had."""
    limits = Limits(wall_s=60, memory_mb=128)
    bombs: tuple[dict[str, Any], ...] = (
        {"megabytes": 600, "how": "private"},
        {"megabytes": 300, "how": "shared", "hold_s": 30},
        {"megabytes": 4096, "how": "at-once"},
        {"megabytes": 60, "how": "private", "processes": 6, "hold_s": 30},
    )
    for arguments in bombs:
        result = _ask(sandbox, "allocate", limits=limits, **arguments)
        _expect(result.status is CallStatus.OUT_OF_MEMORY, (arguments, result))
        _expect(result.peak_memory_mb < 600, (arguments, result))
    _expect_status(
        _ask(sandbox, "allocate", megabytes=600, how="memfd", limits=limits),
        CallStatus.ERROR,
        CallStatus.OUT_OF_MEMORY,
    )


def allows_memory_below_the_limit(sandbox: Sandbox) -> None:
    """A call that stays below its memory limit is left alone."""
    result = _ask(sandbox, "allocate", megabytes=100, how="private", limits=Limits(wall_s=60, memory_mb=256))
    _expect(result.status is CallStatus.OK and result.value == 100 and result.peak_memory_mb >= 100, result)


def holds_the_number_of_processes(sandbox: Sandbox) -> None:
    """Forks and threads stop at the limit, or end the call as pids; the next call can fork again at once."""
    limits = Limits(wall_s=60, processes=16)
    for probe in ("fork_many", "start_threads"):
        result = _ask(sandbox, probe, count=100, hold_s=15, limits=limits)
        if result.status is CallStatus.OK:
            _expect(8 <= result.value < 16, (probe, result))
        else:
            _expect_status(result, CallStatus.TOO_MANY_PROCESSES)
    _expect_status(
        _ask(sandbox, "fork_bomb", limits=Limits(wall_s=2, processes=16)),
        CallStatus.TIMEOUT,
        CallStatus.TOO_MANY_PROCESSES,
        CallStatus.ERROR,
    )
    after = _ask(sandbox, "fork_many", count=8, limits=limits)
    _expect(after.value == 8, after)


def holds_the_size_of_the_scratch(sandbox: Sandbox) -> None:
    """Files stop at the limit, for all scratch directories together, and so does their number.

    Either the file system is full then, or the call ends as output-limit.
    """
    limits = Limits(wall_s=60, scratch_mb=12)
    for where in (".", "$TMPDIR"):
        result = _ask(sandbox, "fill_disk", megabytes=100, where=where, hold_s=15, limits=limits)
        if result.status is CallStatus.OK:
            _expect(result.value["stopped"] != "" and 6 <= result.value["written_mb"] <= 12, result)
        else:
            _expect_status(result, CallStatus.OUTPUT_LIMIT)
    if "number_of_files_limited" in sandbox.attest().degraded:
        return
    files = _ask(sandbox, "fill_inodes", count=20_000, where=".", hold_s=15, limits=limits)
    _expect(
        (files.status is CallStatus.OK and files.value < 20_000) or files.status is CallStatus.OUTPUT_LIMIT,
        files,
    )


def takes_files_in_and_out(sandbox: Sandbox) -> None:
    """Input files arrive as they are, in in/; what is left in out/ comes back with its hash."""
    data = bytes(range(256)) * 4096
    with tempfile.TemporaryDirectory() as directory:
        source, into = Path(directory, "source"), Path(directory, "into")
        source.write_bytes(data)
        into.mkdir()
        request = SandboxRequest(
            "novum.sandbox.inside.probes:copy_file",
            {"source": "in/deep/data.bin", "target": "out/deep/Å 1.bin"},
            inputs={"deep/data.bin": source},
            collect_into=into,
            limits=Limits(wall_s=60),
        )
        result = sandbox.run(request)
        _expect(result.status is CallStatus.OK and result.refused == (), result)
        (found,) = result.artifacts
        _expect((found.name, found.size) == ("deep/Å 1.bin", len(data)), found)
        _expect(found.sha256 == hashlib.sha256(data).hexdigest(), found)
        _expect(found.path.read_bytes() == data and found.path.is_relative_to(into), found)
        _expect(source.read_bytes() == data, "the input was changed")


def takes_no_file_that_was_not_asked_for(sandbox: Sandbox) -> None:
    """Links, pipes, sockets, hidden and odd names stay behind, each with its reason; others come."""
    with tempfile.TemporaryDirectory() as into:
        request = SandboxRequest(
            "novum.sandbox.inside.probes:leave_odd_files",
            {},
            collect_into=Path(into),
            limits=Limits(wall_s=60),
        )
        result = sandbox.run(request)
        _expect(result.status is CallStatus.OK, result)
        _expect([file.name for file in result.artifacts] == ["good.csv"], result)
        _expect(len(result.refused) >= result.value, result.refused)
        _expect(all(file.reason for file in result.refused), result.refused)
        left = [path.name for path in Path(into).rglob("*")]
        _expect(left == ["good.csv"], left)


def reports_crashes(sandbox: Sandbox) -> None:
    """A process that dies without an answer is a crash, with its signal or exit code."""
    for how in ("segfault", "abort", "exit", "exit-zero", "sys-exit"):
        result = _ask(sandbox, "end", how=how)
        _expect(result.status is CallStatus.CRASH and result.value is None, (how, result))
        expected = {"exit": 3, "exit-zero": 0, "sys-exit": 4}.get(how)
        _expect(
            result.exit_code == expected and (result.signal is None) == (expected is not None), (how, result)
        )
    _expect_status(_ask(sandbox, "echo"), CallStatus.OK)


def refuses_forged_answers(sandbox: Sandbox) -> None:
    """Garbage, two answers, duplicate keys, NaN, deep nesting, endless numbers: never a value."""
    good = '{"value": 1}'
    for raw, times in (
        ("garbage", 1),
        ("[" * 100_000, 1),
        (good, 2),
        ('{"value": NaN}', 1),
        ('{"value": 1e999}', 1),
        ('{"value": 1, "value": 2}', 1),
        ('{"value": 1, "status": "ok"}', 1),
        ('{"status": "ok", "wall_s": 0}', 1),
        ('{"value": ' + "9" * 5000 + "}", 1),
        ('{"value": "\\ud800"}', 1),
        ('{"raised": 1, "text": []}', 1),
        ('"' + '\\"' * 50_000, 1),
    ):
        result = _ask(sandbox, "forge_answer", raw=raw, times=times)
        _expect(result.status is CallStatus.BAD_RESULT and result.value is None, (raw[:50], result))
    _expect_status(_ask(sandbox, "forge_answer", raw=good, code=1), CallStatus.CRASH)
    flood = _ask(sandbox, "forge_answer", raw="x" * 100_000, times=100)
    _expect(flood.status is CallStatus.OUTPUT_LIMIT and flood.value is None, flood)


def keeps_concurrent_calls_apart(sandbox: Sandbox) -> None:
    """A call that eats all it can does not disturb one that runs beside it."""
    with ThreadPoolExecutor(2) as pool:
        bomb = pool.submit(_ask, sandbox, "fork_bomb", limits=Limits(wall_s=1.5, processes=12))
        results = [
            _ask(sandbox, "fork_many", count=6, limits=Limits(wall_s=30, processes=12)) for _ in range(4)
        ]
        bomb.result()
    _expect(all(r.status is CallStatus.OK and r.value == 6 for r in results), results)


RESULT_CHECKS: tuple[Check, ...] = (
    returns_the_value_unchanged,
    names_its_backend,
    reports_an_exception_as_an_error,
    cleans_and_cuts_messages,
    reports_unknown_entries_as_errors,
    refuses_answers_that_are_not_json,
    refuses_answers_that_are_too_large,
    seeds_before_the_call,
    refuses_arguments_that_are_not_json,
    attests_to_something,
    serves_several_threads_at_once,
)
"""What comes back; the fake passes these too."""

ISOLATION_CHECKS: tuple[Check, ...] = (
    passes_its_attestation,
    captures_and_cuts_output,
    survives_output_that_is_not_text,
    shows_no_host_secret,
    gives_no_privilege,
    gives_an_empty_writable_scratch,
    keeps_calls_apart,
    leaves_no_process,
    ends_calls_at_the_wall_clock,
    ends_calls_at_the_processor_time,
    ends_calls_at_the_memory_limit,
    allows_memory_below_the_limit,
    holds_the_number_of_processes,
    holds_the_size_of_the_scratch,
    takes_files_in_and_out,
    takes_no_file_that_was_not_asked_for,
    reports_crashes,
    refuses_forged_answers,
    keeps_concurrent_calls_apart,
)
"""What cannot happen."""

CHECKS: tuple[Check, ...] = RESULT_CHECKS + ISOLATION_CHECKS
