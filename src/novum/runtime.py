"""The composition root: settings → a workspace with everything wired. Nothing is loaded before it is used."""

from collections.abc import Callable
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

from novum.core.digest import digest, digest_bytes
from novum.core.errors import NotFoundError, SettingsError, StoreError
from novum.core.events import Event
from novum.core.goals import Goal
from novum.core.record import CampaignRecord
from novum.core.settings import Settings, load_settings, user_cache, user_file

if TYPE_CHECKING:
    from novum.agents.base import Planner
    from novum.agents.models.base import Model
    from novum.knowledge_base import KnowledgeBase
    from novum.memory.artifacts import Artifacts
    from novum.memory.ledger import Ledger
    from novum.sandbox.base import Sandbox
    from novum.sandbox.select import SandboxOptions
    from novum.tools.mcp.servers import ServerStore
    from novum.tools.plugins.trust import TrustStore
    from novum.tools.registry import Registry
    from novum.tools.runner import Runner
    from novum.workflows.conversations import Conversations
    from novum.workflows.discovery import Discovery
    from novum.workflows.tracing import Tracer

RECORDED_VERSIONS = ("novum", "langgraph", "numpy", "scipy", "rdkit", "tblite", "pyscf", "ase", "torch")
"""The packages whose versions go into a campaign's first event."""


class Workspace:
    """One folder with its ledger, knowledge base and artifacts, and the rooms over them.

    Each room is made when it is first asked for.

    Args:
        settings: what is in force.
        listener: called with campaign id and event after each event is on disk.

    Example:
        >>> import tempfile
        >>> with Workspace(load_settings(workspace=tempfile.mkdtemp())) as workspace:
        ...     workspace.ledger.campaigns()
        []
    """

    def __init__(
        self, settings: Settings | None = None, *, listener: Callable[[str, Event], None] | None = None
    ) -> None:
        self.settings = settings or load_settings()
        self._listener = listener
        self._models: list[Callable[[], None]] = []

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The workspace's folder, made when it is missing.

        Raises:
            StoreError: it cannot be made.
        """
        try:
            self.settings.workspace.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the workspace {str(self.settings.workspace)!r} cannot be made: {error.strerror}; "
                "choose another with --workspace"
            ) from error
        return self.settings.workspace

    @cached_property
    def ledger(self) -> "Ledger":
        """What happened."""
        from novum.memory.ledger import Ledger

        return Ledger(self.root / "ledger.sqlite3", listener=self._listener)

    @cached_property
    def conversations(self) -> "Conversations":
        """What models were asked beside campaigns."""
        from novum.memory.ledger import Ledger
        from novum.workflows.conversations import Conversations

        return Conversations(Ledger(self.root / "conversations.sqlite3"))

    @cached_property
    def artifacts(self) -> "Artifacts":
        """Bytes by their hash."""
        from novum.memory.artifacts import Artifacts

        return Artifacts(self.root / "artifacts")

    @cached_property
    def knowledge(self) -> "KnowledgeBase":
        """What is known."""
        from novum.knowledge_base import KnowledgeBase

        return KnowledgeBase(
            self.root / "knowledge",
            embedder=self.settings.embedder,
            trace=lambda target: self.tracer(target),
        )

    @cached_property
    def tracer(self) -> "Tracer":
        """Finds the experiments that knowledge rests on."""
        from novum.workflows.tracing import Tracer

        return Tracer(self.ledger)

    @cached_property
    def registry(self) -> "Registry":
        """The tools: novum's own, and the plugins that can be seen from the working directory."""
        from novum.tools.plugins.describe import Plugins
        from novum.tools.registry import Registry

        plugins = Plugins(
            folder=Path.cwd(),
            named=self.settings.tools,
            sandbox=lambda: self.sandbox,
            remember_in=user_cache() / "plugins",
        )
        return Registry.load([*plugins.load(), *self.servers.load()], trust=self.trust)

    @cached_property
    def servers(self) -> "ServerStore":
        """The MCP servers that this user added."""
        from novum.tools.mcp import servers

        return servers.ServerStore(user_file().parent / servers.FILE)

    @cached_property
    def trust(self) -> "TrustStore":
        """What this user has granted to the tools of others."""
        from novum.tools.plugins import trust

        return trust.TrustStore(user_file().parent / trust.FILE)

    @cached_property
    def sandbox(self) -> "Sandbox":
        """Where tools run."""
        from novum.sandbox import open_sandbox

        return open_sandbox(self.settings.sandbox, self.sandbox_options)

    @property
    def sandbox_options(self) -> "SandboxOptions":
        """What is set about the sandbox's backends."""
        from novum.sandbox import SandboxOptions

        settings = self.settings
        return SandboxOptions(
            allow_degraded=settings.allow_degraded_sandbox,
            pool_size=settings.sandbox_pool,
            pool_mb=settings.sandbox_pool_mb,
            docker_host=settings.docker_host,
            docker_runtime=settings.docker_runtime,
            remember_in=user_cache() / "attestations.json",
        )

    @cached_property
    def runner(self) -> "Runner":
        """Runs one tool call."""
        from novum.memory.calls import CallCache
        from novum.tools.runner import Runner

        return Runner(
            self.registry,
            self.sandbox,
            CallCache(self.root / "calls.sqlite3"),
            artifacts=self.artifacts,
            grants=self.settings.grants,
        )

    @cached_property
    def uncached_runner(self) -> "Runner":
        """Runs one tool call, and keeps nothing: for trying a tool."""
        from novum.tools.runner import Runner

        return Runner(self.registry, self.sandbox, grants=self.settings.grants)

    @cached_property
    def discovery(self) -> "Discovery":
        """Runs campaigns."""
        from novum.core.access import Destination
        from novum.workflows.discovery import Discovery
        from novum.workflows.executors import open_executor
        from novum.workflows.learning import CampaignKnowledge

        return Discovery(
            ledger=self.ledger,
            knowledge=lambda goal: CampaignKnowledge(self.knowledge, goal, to=Destination.LOCAL),
            registry=self.registry,
            planners=self.open_planner,
            executor=open_executor(
                self.settings.executor,
                self.runner,
                workers=self.settings.workers,
                cancel=lambda: self.sandbox.close(),
            ),
            checkpoints=self.root / "checkpoints.sqlite3",
            describe=self.describe,
            keep=self.artifacts.put,
        )

    @property
    def chosen_planner(self) -> str:
        """The planner that the settings name; "auto" is the scientist where a model is set up."""
        from novum.agents.choose import AUTO

        if self.settings.planner != AUTO:
            return self.settings.planner
        try:
            self.settings.get_model()
        except NotFoundError:
            return "optimizer"
        return "scientist"

    def open_planner(self, name: str, *, model: "str | Model | None" = None) -> "Planner":
        """Return the planner called `name`.

        Args:
            name: as `agents.choose` has it.
            model: whom it asks, or that one's name in the settings; without it the default. A name that the
                settings do not have any more, or whose key is not set, gives a model that answers nothing and
                says why: what a campaign began with it goes on without it.

        Raises:
            UsageError: there is no such planner, or no model for it.
            SettingsError: the default model's key is not set.
        """
        from novum.agents.choose import MODEL_PLANNERS, open_planner

        if name not in MODEL_PLANNERS:
            return open_planner(name)
        if model is None:
            return open_planner(name, model=self.open_model())
        if not isinstance(model, str):
            return open_planner(name, model=model)
        try:
            return open_planner(name, model=self.open_model(model))
        except (NotFoundError, SettingsError) as error:
            from novum.agents.models.absent import AbsentModel

            return open_planner(name, model=AbsentModel(model, str(error)))

    def open_model(self, name: str | None = None) -> "Model":
        """Return the model of that name in the settings, or the default.

        Raises:
            NotFoundError: there is none.
            SettingsError: its key is not set, or its family is unknown.
        """
        from novum.agents.models.cards import find_card
        from novum.agents.models.gateway import Gateway
        from novum.core.settings import load_key

        name, entry = self.settings.get_model(name)
        card = find_card(entry)
        if entry.context_tokens is not None:
            from novum.agents.models.base import Card

            known = card or Card(model=name)
            card = known.model_copy(update={"context_tokens": known.context_tokens or entry.context_tokens})
        opened = Gateway(name, entry, key=load_key(entry), card=card)
        self._models.append(opened.close)
        return opened

    def load_goal(self, source: str, *, seed: int | None = None, **budget: int | None) -> Goal:
        """Return the goal that a YAML file or a sentence states; see `workflows.goal_files.load_goal`."""
        from novum.workflows.goal_files import load_goal

        return load_goal(source, self.registry, seed=seed, **budget)

    def record(self, campaign: str) -> CampaignRecord:
        """Return a campaign, rebuilt from its ledger.

        Raises:
            NotFoundError: there is no such campaign.
        """
        if not self.ledger.exists(campaign):
            raise NotFoundError(f"there is no campaign {campaign!r}; 'novum campaigns' lists them")
        return CampaignRecord.from_events(self.ledger.events(campaign))

    def describe(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the versions in use and what the sandbox was seen to enforce.

        Raises:
            SandboxUnavailableError: no isolation can be had.
        """
        attestation = self.sandbox.attest()
        return recorded_versions(), {
            "backend": attestation.backend,
            "checks": dict(attestation.checks),
            "mechanisms": dict(attestation.mechanisms),
            "degraded": dict(attestation.degraded),
            "versions": dict(attestation.versions),
        }

    def close(self) -> None:
        """Close every room that was opened, and every connection to a model."""
        for close in self._models:
            close()
        for name in ("sandbox", "knowledge", "conversations", "ledger"):
            if name in self.__dict__:
                self.__dict__[name].close()


def recorded_versions() -> dict[str, str]:
    """Return the versions that go into a campaign's first event: Python, packages, and the deciding code."""
    versions = {"python": python_version(), "code": deciding_code()}
    for package in RECORDED_VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def deciding_code() -> str:
    """Return the digest of what decides: core, agents and workflows, prompts too; 16 hexadecimal characters.

    Another digest says that a campaign decided again may come out otherwise, and that nobody meddled.
    """
    root = Path(__file__).parent
    files = (file for room in ("core", "agents", "workflows") for file in (root / room).rglob("*.*"))
    sources = sorted(file for file in files if file.suffix in (".py", ".md", ".toml"))
    return digest([[file.relative_to(root).as_posix(), digest_bytes(file.read_bytes())] for file in sources])[
        :16
    ]
