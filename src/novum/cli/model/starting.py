"""A server's start, as ``novum model serve`` makes and shows it, and its end."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from novum.cli import render
from novum.cli.model.naming import make_entry, write_entry
from novum.cli.terminal import err
from novum.core.errors import NotFoundError, UsageError
from novum.core.settings import load_settings, user_cache

if TYPE_CHECKING:
    from novum.agents.models.engines.base import Launch
    from novum.agents.models.engines.served import ServedModels
    from novum.agents.models.engines.serving import Server

QUIET_S = 30.0
"""Without a terminal, how often it is said that a server is waited for."""


def check_port(base_url: str) -> None:
    """Check that nobody listens where a server is to answer.

    Raises:
        UsageError: somebody does.
    """
    port = int(base_url.rpartition(":")[2].partition("/")[0])
    with socket.socket() as probe:
        # As servers do, so that a port whose last connections fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} is taken ({error.strerror}); --port chooses another, "
                "'novum model add' makes a server known that runs already"
            ) from error


def check_free(name: str, launch: "Launch") -> None:
    """Check that a model's name is not that of another server.

    Raises:
        UsageError: it is.
    """
    entry = load_settings().models.get(name)
    if entry is not None and (entry.is_remote or entry.engine not in (None, launch.engine)):
        where = f"{entry.engine or 'a server'} at {entry.base_url}"
        raise UsageError(f"{name!r} is {where} in the settings; --as gives this one another name")


def served_models() -> "ServedModels":
    """Return the servers that were started here."""
    from novum.agents.models.engines.served import ServedModels

    return ServedModels(user_cache() / "served")


@contextmanager
def ending_on_signal() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into a KeyboardInterrupt, as Ctrl-C is one."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def bring_up(
    launch: "Launch", name: str, served: "ServedModels", *, patience_s: float, may_download: bool
) -> "Server":
    """Start a server and wait until it answers.

    Raises:
        ModelUnavailableError: it did not come up; its log's end is in the message.
        UsageError: something would have to be downloaded, and may not.
        KeyboardInterrupt: the wait was interrupted; the server is stopped.
    """
    from novum.agents.models.engines.serving import Server

    err().print(render.line(f"{launch.server[0].line}"))
    server = Server(launch, served.log(name))
    served.put(name, server.started)
    begin = time.monotonic()
    try:
        with progress(f"{launch.engine} loads {launch.served_as}") as on_wait:
            server.wait_healthy(patience_s=patience_s, on_wait=on_wait, may_download=may_download)
    except KeyboardInterrupt:
        stop(server, name, served)
        raise
    except BaseException:
        server.stop()
        served.forget(name)
        raise
    took = render.duration(time.monotonic() - begin)
    err().print(render.line(f"{name} answers at {launch.base_url} after {took}"))
    return server


@contextmanager
def progress(doing: str) -> Iterator[Any]:
    """Show how long a server is waited for and what it last said; without a terminal, now and then."""
    console = err()
    if console.is_terminal:
        with console.status(doing) as status:
            yield lambda waited, line: status.update(
                render.line(f"{doing}, {render.duration(waited)}  ", render.text(line, "dim", limit=100))
            )
        return
    said = 0.0

    def say(waited: float, line: str) -> None:
        nonlocal said
        if waited - said >= QUIET_S:
            said = waited
            console.print(render.line(f"{doing}, {render.duration(waited)}: ", render.text(line, limit=200)))

    yield say


def register(launch: "Launch", name: str, *, user: bool) -> None:
    """Write a served model into the settings, as its server names it."""
    from novum.agents.models.reach import reach

    names = reach(launch.base_url, patience_s=10).models
    served_as = launch.served_as if launch.served_as in names or not names else names[0]
    entry = make_entry(
        base_url=launch.base_url,
        model=served_as,
        family=launch.family,
        engine=launch.engine,
        context_tokens=launch.context_tokens,
    )
    settings = load_settings()
    if settings.models.get(name) != entry:
        file = write_entry(name, entry, user=user)
        err().print(render.line(f"{name} is in {file}"))
    try:
        default = load_settings().get_model()[0]
    except NotFoundError:
        default = None
    if default != name:
        err().print(render.line(f"'novum model use {name}' makes it the default"))


def stop(server: "Server", name: str, served: "ServedModels") -> None:
    """Stop a server in order; a second Ctrl-C kills it."""
    err().print(render.line(f"stopping {name}"))
    try:
        in_order = server.stop()
    except KeyboardInterrupt:
        server.stop(patience_s=0)
        in_order = False
    served.forget(name)
    err().print(render.line(f"{name} is stopped{'' if in_order else '; it had to be killed'}"))
