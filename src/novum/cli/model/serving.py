"""``novum model serve`` and ``stop``: a model's server, started on loopback and stopped in order."""

from typing import Annotated

import typer

from novum.cli import render
from novum.cli.model.group import UserOption, app, check_name
from novum.cli.model.planning import plan, print_launch, to_document
from novum.cli.model.starting import (
    bring_up,
    check_free,
    check_port,
    ending_on_signal,
    register,
    served_models,
    stop,
)
from novum.cli.options import JsonOption, examples
from novum.cli.terminal import err, write_json
from novum.core.errors import NotFoundError, UsageError


@app.command(
    "serve",
    epilog=examples(
        "novum model serve tiny",
        "novum model serve intern-s1-mini --engine vllm --yes",
        "novum model serve intern-s1-mini-gguf --weights ./Intern-S1-mini-Q8_0.gguf --detach",
        "novum model serve intern-s1 --engine lmdeploy --machine 8x80",
        "novum model serve mine --engine vllm --weights ./my-model -- --tool-call-parser hermes",
    ),
)
def serve(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model that is known, tiny, or any name.")],
    flags: Annotated[
        list[str] | None, typer.Argument(metavar="[-- FLAGS]", help="More flags, for the engine.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            help="vllm, sglang, lmdeploy, llama.cpp or ollama.  [default: what is installed]",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="WHERE", help="A folder, a GGUF file, or a repository's name."),
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the commands; start nothing.")] = False,
    machine: Annotated[
        str | None,
        typer.Option(
            "--machine",
            metavar="SIZE",
            help="Print for another machine: GPUs x GB as 8x80, nodes first as 2x8x141, without GPU as 0x16.",
        ),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", min=1, metavar="N", help="GPUs to use.  [default: the fewest]")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option("--context", min=256, metavar="N", help="Tokens of context.  [default: what fits]"),
    ] = None,
    head: Annotated[
        str, typer.Option("--head", metavar="HOST", help="The first of several nodes, for the others.")
    ] = "HEAD_ADDRESS",
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, metavar="N", help="On loopback.  [default: the engine's]"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Let the engine download the weights.")] = False,
    train: Annotated[
        bool,
        typer.Option("--train", help="For tiny: train it for a minute first."),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave it running; 'novum model stop' ends it.")
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, metavar="S", help="Seconds to wait until it is loaded.")
    ] = 1800,
    known_as: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What to call it in the settings.")
    ] = None,
    user: UserOption = False,
    json: JsonOption = False,
) -> None:
    """Start a model's server on this machine, wait until it answers, and make it known.

    The command is made for the GPUs that are here and free. Only loopback is listened on. Nothing is
    downloaded unless --yes allows it. Ctrl-C stops the server and all that it started.
    """
    called = known_as or name
    check_name(called)
    launch = plan(
        name,
        engine=engine,
        weights=weights,
        machine=machine,
        gpus=gpus,
        context=context,
        head=head,
        port=port,
        flags=tuple(flags or ()),
        print_only=print_only,
        train=train,
    )
    if print_only or machine is not None:
        print_launch(launch, json=json)
        return
    if not yes:
        from novum.agents.models.engines.cached import use_cached

        launch = use_cached(launch)
    if any(command.node for command in (*launch.before, *launch.server)) or launch.before:
        raise UsageError("it needs several nodes, and novum starts nothing on others: --print the commands")
    if launch.downloads and not yes and launch.present is None:
        raise UsageError(
            f"{launch.engine} would download {launch.downloads}; --yes lets it, "
            "--weights names a copy that is here"
        )
    check_port(launch.base_url)
    check_free(called, launch)
    served = served_models()
    if served.find(called) is not None:
        raise UsageError(f"{called} runs already; 'novum model stop {called}' ends it")
    for note in launch.notes:
        err().print(render.line("note: ", note))
    with ending_on_signal():
        server = bring_up(launch, called, served, patience_s=timeout, may_download=yes)
        try:
            register(launch, called, user=user)
            if json:
                write_json({"name": called, **to_document(launch), "log": str(server.started.log)})
            if detach:
                err().print(render.line(f"it runs on; 'novum model stop {called}' ends it"))
                return
            err().print(render.line("Ctrl-C stops it"))
            server.wait()
            served.forget(called)
            raise server.failure()
        except KeyboardInterrupt:
            stop(server, called, served)
        except BaseException:
            server.stop()
            served.forget(called)
            raise


@app.command("stop", epilog=examples("novum model stop mini", "novum model stop"))
def stop_served(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The model; without one, all that run.")
    ] = None,
) -> None:
    """Stop a server that 'novum model serve' started, with all that it started.

    No other process is touched, whatever its id. The model stays in the settings.
    """
    served = served_models()
    names = served.running() if name is None else [name]
    for one in names:
        check_name(one)
        started = served.find(one)
        if started is None:
            served.forget(one)
            running = ", ".join(served.running()) or "none"
            raise NotFoundError(f"{one!r} does not run, or was not started by novum (running: {running})")
        in_order = started.stop()
        served.forget(one)
        err().print(render.line(f"{one} is stopped{'' if in_order else '; it had to be killed'}"))
    if not names:
        err().print(render.line("nothing that novum started runs"))
