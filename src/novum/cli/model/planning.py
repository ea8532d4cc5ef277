"""What ``novum model serve`` would start, and how that is shown."""

import sys
from typing import TYPE_CHECKING, Any

from novum.cli import render
from novum.cli.terminal import err, show, write_json
from novum.core.errors import UsageError
from novum.core.settings import user_cache

if TYPE_CHECKING:
    from novum.agents.models.engines.base import Launch
    from novum.agents.models.engines.machine import Machine


def plan(
    name: str,
    *,
    engine: str | None,
    weights: str | None,
    machine: str | None,
    gpus: int | None,
    context: int | None,
    head: str,
    port: int | None,
    flags: tuple[str, ...],
    print_only: bool,
    train: bool,
) -> "Launch":
    """Return how a model is served.

    Raises:
        UsageError: it cannot be served so, or not here.
        NotFoundError: the model, its weights or the engine are not known.
    """
    from novum.agents.models.engines.base import Order
    from novum.agents.models.engines.catalogue import find_servable
    from novum.agents.models.engines.choose import choose_engine, get_engine
    from novum.agents.models.engines.machine import look_at_machine

    only_print = print_only or machine is not None
    if engine == "tiny" or (name == "tiny" and engine is None):
        from novum.agents.models.engines.tiny import launch_tiny

        if weights is not None or flags or gpus is not None or context is not None:
            raise UsageError("the tiny model is made here: it takes no weights, GPUs, context or flags")
        return launch_tiny(cache=user_cache() / "tiny-model", port=port, train=train, check=not only_print)
    if train:
        raise UsageError("--train is for the model 'tiny'")
    servable = find_servable(name, weights=weights)
    chosen = get_engine(engine) if engine else choose_engine(servable, installed=not only_print)
    if not only_print and (missing := chosen.find_missing()):
        raise UsageError(
            f"{chosen.name} is not installed here: install {missing}; --print shows the command without it"
        )
    order = Order(
        servable,
        parse_machine(machine) if machine is not None else look_at_machine(),
        port=port or chosen.port,
        n_gpus=gpus,
        context_tokens=context,
        head=head,
        flags=flags,
    )
    return chosen.launch(order)


def parse_machine(size: str) -> "Machine":
    """Return the machine that a size describes.

    Raises:
        UsageError: it is no size.

    Example:
        >>> parse_machine("2x8x141").describe()
        '2 nodes, each with 8 × GPU with 141 GiB, 2256 GiB of main memory'
    """
    from novum.agents.models.engines.machine import Gpu, Machine

    numbers = size.lower().replace("×", "x").split("x")
    if len(numbers) not in (2, 3) or not all(n.isascii() and n.isdigit() and len(n) < 6 for n in numbers):
        raise UsageError(f"{size!r} is no machine; expected GPUs x GB as 8x80, 2x8x141 or 0x16")
    n_nodes, n_gpus, gb = [1, *map(int, numbers)][-3:]
    if n_nodes < 1 or n_nodes > 64 or n_gpus > 64 or gb < 1:
        raise UsageError(f"{size!r} is no machine; at most 64 nodes of 64 GPUs, each with 1 GB at least")
    mb = gb * 1024
    gpus = tuple(Gpu(index, "GPU", mb, mb) for index in range(n_gpus))
    return Machine(gpus, memory_mb=2 * n_gpus * mb if n_gpus else mb, n_nodes=n_nodes)


def print_launch(launch: "Launch", *, json: bool) -> None:
    """Print the commands, one a line, and what is to be known about them."""
    if json:
        write_json(to_document(launch))
        return
    several = len({command.node for command in (*launch.before, *launch.server)}) > 1
    for when, commands in (
        ("", launch.before),
        (", once the others have joined" if launch.before else "", launch.server),
        (", once it answers", launch.after),
    ):
        for command in commands:
            if several or command in launch.after:
                show(render.text(f"# node {command.node}{when}" if several else f"#{when[1:]}"))
            sys.stdout.write(command.line + "\n")
            sys.stdout.flush()
    notes = [*launch.notes, f"downloads {launch.downloads}"] if launch.downloads else [*launch.notes]
    for note in (*notes, f"answers at {launch.base_url} as {launch.served_as}"):
        err().print(render.line("note: ", note))


def to_document(launch: "Launch") -> dict[str, Any]:
    """Return a launch as JSON shows it."""
    return {
        "engine": launch.engine,
        "commands": [
            {"when": when, "node": c.node, "argv": list(c.argv), "variables": dict(c.variables)}
            for when, commands in zip(
                ("before", "server", "after"), (launch.before, launch.server, launch.after), strict=True
            )
            for c in commands
        ],
        "base_url": launch.base_url,
        "served_as": launch.served_as,
        "family": launch.family,
        "context_tokens": launch.context_tokens,
        "downloads": launch.downloads or None,
        "notes": list(launch.notes),
    }
