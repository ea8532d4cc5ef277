import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from novum.core.calls import CallStatus, ToolCall, ToolResult
from novum.core.errors import StoreError
from novum.core.quantity import Quantity
from novum.memory.calls import CallCache


def result(key: str, status: CallStatus = CallStatus.OK, *, value: float = 1.0, **kw: object) -> ToolResult:
    call = ToolCall(tool="chemistry.xtb", arguments={"smiles": "CCO"})
    properties = {"gap": Quantity(value=value, unit="eV")} if status is CallStatus.OK else {}
    return ToolResult(call=call, key=key, status=status, properties=properties, **kw)


@pytest.fixture
def cache(tmp_path: Path):
    with CallCache(tmp_path / "calls.sqlite3") as cache:
        yield cache


def test_a_success_is_answered_as_cached_after_reopening(tmp_path: Path) -> None:
    with CallCache(tmp_path / "calls.sqlite3") as cache:
        assert cache.find("k") is None
        assert cache.put(result("k"))
    with CallCache(tmp_path / "calls.sqlite3") as cache:
        assert cache.find("k") == result("k", cached=True)


def test_the_first_success_stays(cache: CallCache) -> None:
    assert cache.put(result("k", value=1.0))
    assert not cache.put(result("k", value=2.0))
    assert cache.find("k").properties["gap"].value == 1.0


def test_an_answer_from_the_cache_is_not_kept_again(cache: CallCache) -> None:
    assert not cache.put(result("k", cached=True))
    assert cache.find("k") is None


@pytest.mark.parametrize("status", [status for status in CallStatus if status is not CallStatus.OK])
def test_failures_are_never_answers(cache: CallCache, status: CallStatus) -> None:
    assert cache.put(result("k", status, message="no"))
    assert cache.find("k") is None
    found = cache.find_failure("k")
    assert (found is None) == (status is CallStatus.KILLED)


def test_a_failure_is_kept_once_for_each_limits(cache: CallCache) -> None:
    assert cache.put(result("k", CallStatus.TIMEOUT), limits={"wall_s": 10})
    assert not cache.put(result("k", CallStatus.TIMEOUT), limits={"wall_s": 10})
    assert cache.put(result("k", CallStatus.TIMEOUT), limits={"wall_s": 20})


def test_a_limit_that_was_reached_says_nothing_about_more_generous_ones(cache: CallCache) -> None:
    cache.put(result("k", CallStatus.TIMEOUT), limits={"wall_s": 10, "memory_mb": 100})
    assert cache.find_failure("k", limits={"wall_s": 10, "memory_mb": 100}).status is CallStatus.TIMEOUT
    assert cache.find_failure("k", limits={"wall_s": 5}) is not None
    assert cache.find_failure("k", limits={"wall_s": 11, "memory_mb": 100}) is None
    assert cache.find_failure("k", limits={"cpu_s": 1}) is None


def test_an_error_of_the_tool_holds_under_any_limits(cache: CallCache) -> None:
    cache.put(result("k", CallStatus.ERROR, message="did not converge"), limits={"wall_s": 10})
    found = cache.find_failure("k", limits={"wall_s": 1000})
    assert (found.message, found.cached) == ("did not converge", True)


def test_a_success_takes_back_the_failures_before_it(cache: CallCache) -> None:
    cache.put(result("k", CallStatus.ERROR))
    cache.put(result("k"))
    assert cache.find_failure("k") is None
    assert cache.find("k") is not None


def test_threads_share_the_cache(cache: CallCache) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda i: cache.put(result(f"k{i % 20}")), range(100)))
    assert sum(new) == 20


def test_a_result_that_cannot_be_read_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite3"
    with CallCache(path) as cache:
        cache.put(result("k"))
        connection = sqlite3.connect(path)
        connection.execute("UPDATE results SET payload = '{}'")
        connection.commit()
        connection.close()
        with pytest.raises(StoreError, match="may be deleted"):
            cache.find("k")
