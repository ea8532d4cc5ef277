"""Ctrl-C and SIGTERM: a campaign ends in order, with its last event written."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from novum.core.events import CampaignFinished, Event, Interrupted

Listener = Callable[[str, Event], None]


@contextmanager
def stopping_in_order(watch: Listener) -> Iterator[Listener]:
    """Turn Ctrl-C and SIGTERM into a KeyboardInterrupt in this thread, which must be the main one.

    Libraries get in the way of that twice. RDKit puts its own handler in the place of Python's while it
    works, so that Ctrl-C would end a search for substructures with half an answer, and nothing else.
    SIGINT is therefore blocked, taken by a thread that waits for it, and passed on as SIGTERM, which
    RDKit leaves alone. And an ``except`` somewhere may swallow the KeyboardInterrupt. It is then raised
    again at the next event. Or it makes another error of it: whatever is raised after that is one, too.

    Yields:
        The listener to give to the workspace; it passes events on to `watch`.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    requested, ended = threading.Event(), threading.Event()
    main = threading.get_ident()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        requested.set()
        raise KeyboardInterrupt

    def listen(campaign: str, event: Event) -> None:
        watch(campaign, event)
        if requested.is_set() and not isinstance(event, Interrupted | CampaignFinished):
            raise KeyboardInterrupt

    def relay() -> None:
        while True:
            signal.sigwait({signal.SIGINT})
            if ended.is_set():
                return
            signal.pthread_kill(main, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    # Blocked before other threads start: they inherit it, and so leave the signal to the relay.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    thread = threading.Thread(target=relay, name="interrupts", daemon=True)
    thread.start()
    try:
        yield listen
    except Exception as error:
        if requested.is_set():
            raise KeyboardInterrupt from error
        raise
    finally:
        ended.set()
        assert thread.ident is not None
        signal.pthread_kill(thread.ident, signal.SIGINT)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGTERM, before)
