"""Where experiments run: this machine, or the record of a campaign that already ran."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, cast

from novum.core.calls import CallStatus, ToolCall, ToolResult
from novum.core.errors import EvidenceError, InfrastructureError, ToolArgumentError, UsageError
from novum.core.extensions import extension_names, open_extension
from novum.core.science import Experiment
from novum.tools.runner import Runner


class Executor(Protocol):
    """Runs experiments, several at a time where it can."""

    def run(self, experiments: Sequence[Experiment]) -> Iterator[tuple[Experiment, tuple[ToolResult, ...]]]:
        """Yield each experiment with its results as it ends, in any order.

        The calls of one experiment run in their order; the first that fails ends it, for what follows
        costs more and could not save it. A failed call is a result, never an exception.

        Raises:
            InfrastructureError: the place where experiments run is broken; nothing is lost.
            KeyboardInterrupt: a person stopped it; what had not ended leaves no result.
        """
        ...


class LocalExecutor:
    """Runs experiments on this machine, `workers` at a time, each call in the sandbox.

    Args:
        runner: runs one call.
        workers: experiments at the same time.
        cancel: ends every running call at once.
    """

    def __init__(self, runner: Runner, *, workers: int, cancel: Callable[[], None]) -> None:
        self._runner = runner
        self._workers = workers
        self._cancel = cancel

    def run(self, experiments: Sequence[Experiment]) -> Iterator[tuple[Experiment, tuple[ToolResult, ...]]]:
        """Yield each experiment with its results as it ends."""
        if not experiments:
            return
        stop = threading.Event()
        pool = ThreadPoolExecutor(
            max_workers=min(self._workers, len(experiments)), thread_name_prefix="experiment"
        )
        running: dict[Future[tuple[ToolResult, ...] | None], Experiment] = {}
        try:
            for experiment in experiments:
                running[pool.submit(self._run_one, experiment, stop)] = experiment
            while running:
                # A time limit keeps the main thread able to see Ctrl-C.
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                # What succeeded first, so that a broken sandbox loses none of it.
                for future in sorted(done, key=lambda f: f.exception() is not None):
                    experiment = running.pop(future)
                    results = future.result()
                    if results is not None:
                        yield experiment, results
        finally:
            if running:
                stop.set()
                self._cancel()
            pool.shutdown(wait=True, cancel_futures=True)

    def _run_one(self, experiment: Experiment, stop: threading.Event) -> tuple[ToolResult, ...] | None:
        results: list[ToolResult] = []
        for call in experiment.calls:
            if stop.is_set():
                return None
            try:
                result = self._call(call, experiment)
            except InfrastructureError:
                if stop.is_set():  # the sandbox was closed under the call, on purpose
                    return None
                raise
            if stop.is_set():
                return None
            results.append(result)
            if not result.ok:
                break
        return tuple(results)

    def _call(self, call: ToolCall, experiment: Experiment) -> ToolResult:
        try:
            return self._runner.run(call, fresh=experiment.sealed or experiment.fresh)
        except ToolArgumentError as error:
            key = call.key(version="", code_hash="")
            return ToolResult(call=call, key=key, status=CallStatus.ERROR, message=str(error))


def open_executor(name: str, runner: Runner, *, workers: int, cancel: Callable[[], None]) -> Executor:
    """Return where experiments run.

    Args:
        name: ``local``, or what a package offers as ``novum.executors``; its factory gets the rest.
        runner: runs one call.
        workers: experiments at the same time.
        cancel: ends every running call at once.

    Raises:
        UsageError: there is none of that name.
        ExtensionError: a package offers it, and it cannot be loaded.
    """
    if name == "local":
        return LocalExecutor(runner, workers=workers, cancel=cancel)
    offered = open_extension("executor", name, runner, workers=workers, cancel=cancel)
    if offered is None:
        known = ", ".join(map(repr, ("local", *extension_names("executor"))))
        raise UsageError(f"unknown executor {name!r}; there are {known}")
    return cast(Executor, offered)


class RecordedExecutor:
    """Answers from a campaign's record. What is not in it is an error, never a new call."""

    def __init__(self, results: Mapping[str, tuple[ToolResult, ...]]) -> None:
        self._results = results

    def run(self, experiments: Sequence[Experiment]) -> Iterator[tuple[Experiment, tuple[ToolResult, ...]]]:
        """Yield each experiment with the results on record.

        Raises:
            EvidenceError: the record has no such experiment, or it made other calls.
        """
        for experiment in experiments:
            results = self._results.get(experiment.id)
            if results is None:
                raise EvidenceError(f"experiment {experiment.id} is not in the record")
            made = tuple(result.call for result in results)
            if made != experiment.calls[: len(made)]:
                raise EvidenceError(f"experiment {experiment.id} made other calls in the record")
            yield experiment, results
