"""Which engine reads which form of weights, and what it would fetch."""

from novum.agents.models.engines.catalogue import GENERIC, EngineForm, Servable, load_catalogue
from novum.core.errors import UsageError
from novum.core.model_entry import EngineName

TENSOR_ENGINES: tuple[EngineName, ...] = ("vllm", "sglang", "lmdeploy")
"""Engines that read safetensors."""
GGUF_ENGINES: tuple[EngineName, ...] = ("llama.cpp", "ollama")
"""Engines that read GGUF."""


def find_form(engine: EngineName, servable: Servable) -> EngineForm:
    """Return how an engine serves a model.

    Raises:
        UsageError: it cannot.
    """
    if engine in servable.engines:
        return servable.engines[engine]
    if servable.engines or servable.is_gguf is not (engine in GGUF_ENGINES):
        others = [
            other.name
            for other in load_catalogue().values()
            if engine in other.engines and servable.family in (other.family, GENERIC)
        ]
        hint = f"; {engine} serves {', '.join(others)}" if others else ""
        able = servable.engines or (GGUF_ENGINES if servable.is_gguf else TENSOR_ENGINES)
        raise UsageError(f"{servable.name} is served by {', '.join(able)}, not by {engine}{hint}")
    return EngineForm()


def download_of(servable: Servable, form: EngineForm) -> str:
    """Return what would be fetched, in words; empty for weights that are here."""
    if servable.local:
        return ""
    size = f"about {servable.weights_gb:.0f} GB" if servable.weights_gb is not None else "of unknown size"
    return f"the weights {form.repository or servable.repository}, {size}"
