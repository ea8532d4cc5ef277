"""What an engine is asked for, and the commands that it answers with."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from novum.agents.models.engines.catalogue import Servable
from novum.agents.models.engines.machine import Machine
from novum.core.model_entry import EngineName

HOST = "127.0.0.1"
"""The only address that anything is served on."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be served, and how.

    Args:
        servable: the model.
        machine: what it is to run on.
        port: where it is to answer, on loopback.
        n_gpus: how many GPUs to use, over all nodes; None for the fewest that hold it.
        context_tokens: most tokens of prompt and answer together; None for as many as fit.
        head: address of the first of several nodes, as the others reach it.
        flags: more of the engine's own flags, put behind ours.
    """

    servable: Servable
    machine: Machine
    port: int
    n_gpus: int | None = None
    context_tokens: int | None = None
    head: str = "HEAD_ADDRESS"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and variables that are set for it.

    Example:
        >>> Command(("vllm", "serve", "a b"), {"HF_HUB_OFFLINE": "1"}).line
        "HF_HUB_OFFLINE=1 vllm serve 'a b'"
    """

    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    node: int = 0

    @property
    def line(self) -> str:
        """The command as a shell takes it."""
        set_ = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        return " ".join([*set_, shlex.join(self.argv)])


@dataclass(frozen=True, slots=True)
class Launch:
    """How a model is brought up on loopback."""

    engine: EngineName
    server: tuple[Command, ...]
    """What serves: one command for each node, the first node's first."""
    base_url: str
    health_url: str
    """Answers with 200 once the model is loaded."""
    served_as: str
    """The name under which the server will know the model."""
    family: str
    context_tokens: int | None = None
    before: tuple[Command, ...] = ()
    """What is run first, on the node that each names."""
    present: Command | None = None
    """Run here once the server answers: it succeeds if the weights are here."""
    after: tuple[Command, ...] = ()
    """What is run here once the server answers, to fetch weights that are not here."""
    hub: str = ""
    """The repository in the cache of the Hugging Face hub, where the engine looks first; empty otherwise."""
    downloads: str = ""
    """What would be fetched from the network; empty where everything is here."""
    notes: tuple[str, ...] = ()


class Engine(Protocol):
    """A program that serves models behind an OpenAI-compatible interface."""

    @property
    def name(self) -> EngineName:
        """What it is called in the settings."""
        ...

    @property
    def port(self) -> int:
        """Where it answers if nothing else is said."""
        ...

    def launch(self, order: Order) -> Launch:
        """Return the commands for an order.

        Raises:
            UsageError: this engine cannot serve it, or it does not fit, with what would.
        """
        ...

    def find_missing(self) -> str:
        """Return what must be installed first, in words; empty where it can be started."""
        ...
