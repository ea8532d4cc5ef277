"""The models that can be served by name, and any other by its weights."""

import json
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from novum.core.errors import NotFoundError, UsageError
from novum.core.model_entry import ENGINE_NAMES

GENERIC = "generic"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineForm(_Frozen):
    """How one engine serves a model."""

    flags: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    since: str = ""
    """The first version of the engine that can."""
    form: str = ""
    """Which of the repository's files, as ``Q8_0``."""
    repository: str = ""
    """Where this engine's own hub has it."""


class Servable(_Frozen):
    """A model with released weights."""

    name: str
    family: str = GENERIC
    repository: str
    """The weights' name on a hub, or the path of a folder or file that is here."""
    local: bool = False
    """Whether `repository` is a path."""
    weights_gb: float | None = None
    """Size of the weights, in units of 10⁹ bytes."""
    context_tokens: int | None = None
    """What the model was made for."""
    kv_kb_per_token: float | None = None
    """What one token of context occupies, in units of 1000 bytes."""
    kv_heads: int = 1
    """Over how many GPUs that can be divided."""
    fp8: bool = False
    """Whether it needs GPUs that compute in FP8."""
    least_gpus: int = 1
    least_gpu_gb: float = 0.0
    """Memory that each GPU must have."""
    smaller: tuple[str, ...] = ()
    """What to serve where it does not fit, the nearest first."""
    engines: dict[str, EngineForm] = {}
    """How the engines serve it; empty: any engine may try."""

    @property
    def is_gguf(self) -> bool:
        """Whether the weights are in the form that llama.cpp and Ollama read."""
        return self.repository.lower().endswith("gguf")


@cache
def load_catalogue() -> dict[str, Servable]:
    """Return the models that are known by name."""
    text = resources.files("novum.agents.models.engines").joinpath("catalogue.toml").read_text("utf-8")
    found = {}
    for name, table in tomllib.loads(text).items():
        engines = {engine: table.pop(engine) for engine in ENGINE_NAMES if engine in table}
        found[name] = Servable.model_validate({**table, "name": name, "engines": engines})
    return found


def find_servable(name: str, *, weights: str | None = None) -> Servable:
    """Return what a name and, where given, weights of one's own mean.

    Args:
        name: a model of the catalogue, or any name for other weights.
        weights: a folder with safetensors, a GGUF file, or a repository's name.

    Raises:
        NotFoundError: the name is not known and no weights are given, or a path leads nowhere.
        UsageError: the folder holds no weights.
    """
    known = load_catalogue().get(name)
    if weights is None:
        if known is None:
            raise NotFoundError(
                f"no model {name!r} is known to serve; --weights names a folder, a GGUF file or a "
                f"repository, and these are known: {', '.join(load_catalogue())}, tiny"
            )
        return known
    path = Path(weights)
    if path.exists():
        measured = measure(path.resolve())
    elif weights.startswith(("/", "./", "../", "~")) or weights.lower().endswith(".gguf"):
        raise NotFoundError(f"there is nothing at {weights!r}")
    else:
        measured = {"repository": weights}
    if known is not None:  # its flags and habits, with weights from elsewhere
        return known.model_copy(update=measured)
    return Servable(name=name, **measured)


def measure(path: Path) -> dict[str, Any]:
    """Return what can be told of weights from their files: size, context, memory for each token.

    Raises:
        UsageError: there are none.
    """
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise UsageError(f"{str(path)!r} is a file, but no GGUF; for safetensors name their folder")
        return {"repository": str(path), "local": True, "weights_gb": path.stat().st_size / 1e9}
    sizes = [file.stat().st_size for file in path.glob("*.safetensors")]
    if not sizes:
        raise UsageError(f"there are no safetensors in {str(path)!r}")
    return {"repository": str(path), "local": True, "weights_gb": sum(sizes) / 1e9, **_read_config(path)}


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = config.get("text_config") or config
        heads = config.get("num_key_value_heads") or config["num_attention_heads"]
        size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        kv_kb = 2 * config["num_hidden_layers"] * heads * size * 2 / 1000
        context = config["max_position_embeddings"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return {}  # then nothing is promised of the context
    return {"context_tokens": context, "kv_kb_per_token": kv_kb, "kv_heads": heads}
