"""A bar for what may take long, and mostly does not."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from novum.cli.terminal import err

SLOW_S = 1.0
"""Seconds after which something is said."""


@contextmanager
def shown_if_slow(what: str, *, json: bool, after_s: float = SLOW_S) -> Iterator[Callable[[int, int], None]]:
    """Give what takes how many of how many are done, and shows it on a terminal from `after_s` on.

    Args:
        what: what is being done, in words.
        json: whether data are written, and nothing is to be shown.
        after_s: seconds for which nothing is shown.
    """
    if json or not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=err(), transient=True)
    begun = time.monotonic()
    tasks: list[TaskID] = []
    with ExitStack() as stack:

        def on_progress(done: int, total: int) -> None:
            if not tasks and time.monotonic() - begun >= after_s:
                stack.enter_context(bar)
                tasks.append(bar.add_task(what, total=total))
            if tasks:
                bar.update(tasks[0], completed=done, total=total)

        yield on_progress
