import pytest
from made_up_tools import absent, brew, refractometer, weigh

from novum.core.calls import CallStatus, ToolCall
from novum.core.errors import (
    MissingExtraError,
    NotFoundError,
    SandboxBrokenError,
    ToolArgumentError,
    ToolFailedError,
)
from novum.core.quantity import Quantity
from novum.memory.calls import CallCache
from novum.sandbox.base import Limits, SandboxResult
from novum.sandbox.fake import FakeSandbox
from novum.tools import worker
from novum.tools.registry import Registry
from novum.tools.runner import LONGEST_TEXT, Runner, check_answer


class Shelf:
    """A cache that keeps the first success under each key, and remembers what it was told."""

    def __init__(self):
        self.kept = {}
        self.puts = []

    def find(self, key):
        return self.kept.get(key)

    def put(self, result, *, limits=None):
        self.puts.append((result, limits))
        if result.ok:
            self.kept.setdefault(result.key, result)
        return True


def runner(script=None, cache=None, **options):
    sandbox = FakeSandbox({worker.ENTRY: script} if script is not None else {})
    registry = Registry([brew, weigh, refractometer, absent])
    return Runner(registry, sandbox, cache, **options), sandbox


def answers(**properties):
    return lambda **_: {"properties": properties, "details": {}, "warnings": []}


CAT = ToolCall(tool="lab.weigh", arguments={"thing": "cat"})
COFFEE = ToolCall(tool="lab.brew", arguments={"bean": "arabica", "temperature": "365 K"}, seed=2)


def test_a_call_becomes_quantities_with_their_source():
    result = runner()[0].run(COFFEE)
    assert result.ok
    assert result.message == ""
    assert result.call == COFFEE
    assert result.properties == {"strength": Quantity(value=3.02, unit="g/L", std=0.5)}
    assert result.details == {"bean": "arabica", "pours": []}
    assert result.warnings == ("hot",)
    assert (result.method, result.tool_version, result.sandbox) == ("percolation at home", "1", "fake")
    assert not result.cached


def test_the_sandbox_gets_normal_arguments_and_the_tools_limits():
    run, sandbox = runner(limits=Limits(scratch_mb=7))
    run.run(COFFEE)
    (request,) = sandbox.requests
    assert request.entry == "novum.tools.worker:call"
    assert request.arguments == {
        "entry": "made_up_tools:brew",
        "arguments": {"bean": "arabica", "temperature": 365.0, "times": [], "grinds": 3},
        "seed": 2,
    }
    assert request.seed == 2
    assert (request.limits.wall_s, request.limits.memory_mb, request.limits.scratch_mb) == (300, 2048, 7)
    assert request.profile.modules == ("novum.tools.worker", "made_up_tools")
    assert [path.rpartition("/")[2] for path in request.profile.readable] == ["tools"]


def test_a_tool_of_novum_needs_no_further_folder():
    from novum.tools.chemistry.descriptors import descriptors

    sandbox = FakeSandbox({worker.ENTRY: SandboxResult(status=CallStatus.CRASH)})
    Runner(Registry([descriptors]), sandbox).run(
        ToolCall(tool="chemistry.descriptors", arguments={"smiles": "C"})
    )
    assert sandbox.requests[0].profile.readable == ()
    assert sandbox.requests[0].profile.name == "chemistry"


def test_wrong_arguments_launch_nothing():
    run, sandbox = runner()
    with pytest.raises(ToolArgumentError, match="did you mean 'bean'"):
        run.run(ToolCall(tool="lab.brew", arguments={"been": "arabica"}))
    with pytest.raises(NotFoundError, match=r"did you mean 'lab\.brew'"):
        run.run(ToolCall(tool="lab.brw", arguments={}))
    with pytest.raises(MissingExtraError, match=r"novum\[unicorn\]"):
        run.run(ToolCall(tool="lab.absent", arguments={"thing": "x"}))
    with pytest.raises(MissingExtraError):
        run.warm("lab.absent")
    assert sandbox.requests == []


def test_a_tool_that_fails_says_why():
    result = runner()[0].run(ToolCall(tool="lab.brew", arguments={"bean": "robusta"}))
    assert (result.status, result.message) == (CallStatus.ERROR, "no robusta in this house")
    assert result.properties == {}


@pytest.mark.parametrize("status", [s for s in CallStatus if s not in (CallStatus.OK, CallStatus.BAD_RESULT)])
def test_every_bad_end_is_a_result_with_its_status(status):
    ended = SandboxResult(status=status, message="x" * 9000, wall_s=1.5, cpu_s=1.0, backend="cage")
    result = runner(ended)[0].run(CAT)
    assert result.status is status
    assert not result.ok
    assert len(result.message) == LONGEST_TEXT
    assert (result.wall_s, result.cpu_s, result.sandbox) == (1.5, 1.0, "cage")


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        ({"value": float("nan"), "unit": "kg"}, "nan"),
        ({"value": float("inf"), "unit": "kg"}, "inf"),
        ({"value": "7", "unit": "kg"}, "not a finite number"),
        ({"value": True, "unit": "kg"}, "not a finite number"),
        ({"value": 7}, "not a value with a unit"),
        (7, "not a value with a unit"),
        ({"value": 7, "unit": "kg", "note": "!"}, "not a value with a unit"),
        ({"value": 7, "unit": "m"}, "cannot turn 'm' into 'kg'"),
        ({"value": 7, "unit": "zorkmid"}, "unknown unit"),
        ({"value": 7, "unit": ["kg"]}, "unknown unit"),
        ({"value": 7, "unit": "kg", "std": -1}, "negative standard deviation"),
        ({"value": 7, "unit": "kg", "std": "no"}, "not a finite number"),
        ({"value": -7, "unit": "kg"}, "weight = -7 kg is below 0, the least that can occur"),
        ("k" * 100_000, "not a value with a unit"),
        (None, "empty: every property is absent"),
    ],
)
def test_a_bad_answer_is_a_bad_result_with_the_reason(weight, reason):
    ended = SandboxResult(status=CallStatus.OK, value=answers(weight=weight)())
    result = runner(ended)[0].run(CAT)
    assert result.status is CallStatus.BAD_RESULT
    assert reason in result.message
    assert len(result.message) < 500
    assert result.properties == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "holds no properties"),
        ([], "holds no properties"),
        ({}, "holds no properties"),
        ({"properties": []}, "holds no properties"),
        ({"properties": {}}, "lacks weight"),
        ({"properties": {"weight": None, "mass": None}}, "adds mass"),
        ({"properties": {"wieght": 7}}, "lacks weight and adds wieght"),
        ({"properties": {"weight": {"value": 1, "unit": "kg"}}, "details": [1]}, "wrong type"),
        ({"properties": {"weight": {"value": 1, "unit": "kg"}}, "warnings": "w"}, "wrong type"),
        ({"properties": {"weight": {"value": 1, "unit": "kg"}}, "details": {"a": float("nan")}}, "JSON"),
    ],
)
def test_an_answer_of_the_wrong_shape_is_a_bad_result(value, reason):
    result = runner(SandboxResult(status=CallStatus.OK, value=value))[0].run(CAT)
    assert result.status is CallStatus.BAD_RESULT
    assert reason in result.message


def test_units_of_the_answer_are_converted_to_the_promised_one():
    ended = SandboxResult(
        status=CallStatus.OK, value=answers(weight={"value": 2500, "unit": "g", "std": 100})()
    )
    found = runner(ended)[0].run(CAT).properties["weight"]
    assert (found.value, found.unit, found.std) == (pytest.approx(2.5), "kg", pytest.approx(0.1))


def test_a_bound_is_not_missed_by_rounding():
    checked = check_answer(
        brew.spec,
        {"properties": {"strength": {"value": 100.0 * (1 + 1e-12), "unit": "g/L"}, "yield_": None}},
    )
    assert set(checked["properties"]) == {"strength"}
    with pytest.raises(ToolFailedError, match="above 100, the most that can occur"):
        check_answer(
            brew.spec, {"properties": {"strength": {"value": 100.001, "unit": "g/L"}, "yield_": None}}
        )


def test_talkative_tools_are_cut():
    value = {
        "properties": {"weight": {"value": 1, "unit": "kg"}},
        "warnings": ["w" * 10_000] * 500,
        "method": "m" * 500,
    }
    result = runner(SandboxResult(status=CallStatus.OK, value=value))[0].run(CAT)
    assert len(result.warnings) == 20
    assert {len(w) for w in result.warnings} == {LONGEST_TEXT}
    assert len(result.method) == 100


def test_a_broken_sandbox_is_tried_again_and_then_reported():
    run, sandbox = runner(SandboxBrokenError("no zygote"))
    with pytest.raises(SandboxBrokenError, match="no zygote"):
        run.run(CAT)
    assert len(sandbox.requests) == 3

    attempts = []

    class Recovers(FakeSandbox):
        def run(self, request):
            attempts.append(request)
            if len(attempts) < 3:
                raise SandboxBrokenError("not yet")
            return super().run(request)

    assert Runner(Registry([weigh]), Recovers()).run(CAT).ok


def test_a_call_is_answered_from_the_cache_once_it_has_run():
    shelf = Shelf()
    run, sandbox = runner(cache=shelf)
    first = run.run(COFFEE)
    again = run.run(
        ToolCall(
            tool="lab.brew", arguments={"temperature": {"value": 91.85, "unit": "degC"}, "bean": "arabica"}
        )
    )
    assert not first.cached
    assert not again.cached  # another seed, and the tool takes one
    same = run.run(COFFEE)
    assert same.cached
    assert same.properties == first.properties
    assert len(sandbox.requests) == 2
    assert shelf.puts[0][1]["wall_s"] == 300


def test_the_seed_is_no_part_of_the_key_where_the_tool_takes_none():
    run, sandbox = runner(cache=Shelf())
    assert not run.run(CAT).cached
    other = CAT.model_copy(update={"seed": 99})
    result = run.run(other)
    assert result.cached
    assert result.call == other
    assert run.key(other) == run.key(CAT) == result.key
    assert len(sandbox.requests) == 1


def test_repetitions_and_fresh_calls_always_run():
    run, sandbox = runner(cache=Shelf())
    run.run(CAT)
    repeated = CAT.model_copy(update={"replicate": 1})
    assert not run.run(repeated).cached
    assert not run.run(repeated).cached
    assert not run.run(CAT, fresh=True).cached
    assert len(sandbox.requests) == 4


def test_failures_are_kept_but_never_answer():
    shelf = Shelf()
    run, sandbox = runner(cache=shelf)
    bad = ToolCall(tool="lab.brew", arguments={"bean": "robusta"})
    run.run(bad)
    run.run(bad)
    assert [r.status for r, _ in shelf.puts] == [CallStatus.ERROR] * 2
    assert len(sandbox.requests) == 2


def test_the_cache_of_memory_fits(tmp_path):
    with CallCache(tmp_path / "calls.db") as cache:
        run, sandbox = runner(cache=cache)
        first, again = run.run(CAT), run.run(CAT)
        assert again == first.model_copy(update={"cached": True})
        bad = ToolCall(tool="lab.brew", arguments={"bean": "robusta"})
        failed = run.run(bad)
        assert cache.find_failure(run.key(bad)).message == failed.message
        assert len(sandbox.requests) == 2


def test_the_worker_refuses_what_is_no_tool():
    with pytest.raises(ToolFailedError, match="'made_up_tools:not_a_tool' is not a tool"):
        worker.call("made_up_tools:not_a_tool", {}, 0)
    with pytest.raises(ToolFailedError, match="'made_up_tools:ghost' is not a tool"):
        worker.call("made_up_tools:ghost", {}, 0)
    with pytest.raises(ToolArgumentError):
        worker.call("made_up_tools:brew", {"bean": 7}, 0)


def test_the_worker_answers_in_json():
    assert worker.call("made_up_tools:weigh", {"thing": "cat"}, 0) == {
        "properties": {"weight": {"value": 3.0, "unit": "kg"}},
        "details": {},
        "warnings": [],
        "method": "scales",
    }
