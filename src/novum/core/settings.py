"""Settings: one frozen object. Argument > CLI > NOVUM_* > ./novum.toml > user file > default."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from novum.core.errors import NotFoundError, SettingsError
from novum.core.model_entry import ModelEntry


def user_file() -> Path:
    """Return the path of the user's own settings file; it need not exist."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(base) / "novum" / "novum.toml"


def user_cache() -> Path:
    """Return the folder for what can be made again; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "novum"


class Settings(BaseSettings):
    """What can be set once for all commands.

    Example:
        >>> load_settings(workers=2).workers
        2
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="NOVUM_")

    workspace: Path = Path(".novum")
    """Folder that holds the ledger, the knowledge base, artifacts and reports."""
    sandbox: Literal["auto", "docker", "namespace", "landlock"] = "auto"
    """Which isolation runs the tools; auto takes the strongest that keeps its promises here."""
    allow_degraded_sandbox: bool = False
    """Whether auto may end at landlock, which does not make every promise."""
    sandbox_pool: int = Field(default=2, ge=0, le=64)
    """Isolated processes or containers to keep ready for each set of libraries."""
    sandbox_pool_mb: int = Field(default=2048, ge=0)
    """Memory that what is kept ready may hold together, in MB."""
    docker_host: str | None = Field(default_factory=lambda: os.environ.get("DOCKER_HOST") or None)
    """Address of the Docker engine, as unix:///run/docker.sock; without it DOCKER_HOST, or the usual one."""
    docker_runtime: str | None = None
    """Runtime of the containers, as runsc for gVisor; without it, the engine's own."""
    grants: dict[str, tuple[str, ...]] = {}
    """Network hosts that a tool may reach: tool name → hosts, as name, name:port or *.domain."""
    tools: tuple[str, ...] = ()
    """More tools, beside those in ./tools and of installed packages: path.py, or module:function."""
    embedder: str = "auto"
    """What turns text into vectors: auto, minilm, hashing, or a sentence-transformers folder."""
    planner: str = "optimizer"
    """Who proposes hypotheses."""
    model: str | None = None
    """Name of the model that is used when none is named."""
    models: dict[str, ModelEntry] = {}
    """Language models by name; 'novum model' writes them."""
    executor: str = "local"
    """Where experiments run: local, or what an installed package offers as novum.executors."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    """Experiments that run at the same time on this machine."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the framework's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources as the module's docstring says."""
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, Path("novum.toml")),
            TomlConfigSettingsSource(settings_cls, user_file()),
        )

    def get_model(self, name: str | None = None) -> tuple[str, ModelEntry]:
        """Return a model with its name; without a name, the default or the only one.

        Raises:
            NotFoundError: there is none of that name, or none is the default.
        """
        wanted = name or self.model or (next(iter(self.models)) if len(self.models) == 1 else None)
        if wanted is None:
            what = "no model is set up" if not self.models else "no model is the default"
            raise NotFoundError(f"{what}; 'novum model add' makes one known, 'novum model use' chooses one")
        if wanted not in self.models:
            known = ", ".join(self.models) or "none"
            raise NotFoundError(f"there is no model {wanted!r} in the settings (there are: {known})")
        return wanted, self.models[wanted]


def load_key(entry: ModelEntry) -> SecretStr | None:
    """Return the key for a model's server, from the variable that its entry names; None where it names none.

    Raises:
        SettingsError: the variable is not set, or empty.
    """
    if entry.api_key_env is None:
        return None
    key = os.environ.get(entry.api_key_env, "").strip()
    if not key:
        raise SettingsError(f"the variable {entry.api_key_env}, which is to hold the model's key, is not set")
    return SecretStr(key)


def read_secret(variable: str) -> str | None:
    """Return what an environment variable holds, or None; for tokens that no file should hold."""
    return os.environ.get(variable) or None


def load_settings(**given: Any) -> Settings:
    """Return the settings in force; `given` wins over every other source, unless it is None.

    Raises:
        SettingsError: a setting is unknown or out of range, or a settings file is not TOML.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(Settings.model_fields)
        raise SettingsError(f"setting {name!r}: {first['msg']} (settings are: {known})") from error
    except ValueError as error:  # tomllib's decode error
        raise SettingsError(f"novum.toml cannot be read: {error}") from error
