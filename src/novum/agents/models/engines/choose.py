"""The engines by name, and the one to take where none is named."""

from novum.agents.models.engines.base import Engine
from novum.agents.models.engines.catalogue import Servable
from novum.agents.models.engines.forms import GGUF_ENGINES, TENSOR_ENGINES
from novum.agents.models.engines.parallel import Lmdeploy, Sglang, Vllm
from novum.agents.models.engines.quantised import LlamaCpp, Ollama
from novum.core.errors import NotFoundError, UsageError

_ALL: tuple[Engine, ...] = (Vllm(), Sglang(), Lmdeploy(), LlamaCpp(), Ollama())
ENGINES = {engine.name: engine for engine in _ALL}
"""In the order in which they are taken where none is named."""


def get_engine(name: str) -> Engine:
    """Return an engine by its name.

    Raises:
        NotFoundError: there is none of that name.
    """
    for engine in _ALL:
        if engine.name == name:
            return engine
    raise NotFoundError(f"there is no engine {name!r}; there are {', '.join(ENGINES)}")


def choose_engine(servable: Servable, *, installed: bool) -> Engine:
    """Return the first engine that serves a model's form of weights.

    Args:
        servable: the model.
        installed: whether only engines count that can be started here.

    Raises:
        UsageError: none of them is installed.
    """
    suited = GGUF_ENGINES if servable.is_gguf else TENSOR_ENGINES
    able = [engine for engine in _ALL if engine.name in (servable.engines or suited)]
    for engine in able:
        if not installed or not engine.find_missing():
            return engine
    missing = "; or ".join(engine.find_missing() for engine in able)
    raise UsageError(
        f"nothing that serves {servable.name} is installed: install {missing}; "
        "--print shows the command without it"
    )
