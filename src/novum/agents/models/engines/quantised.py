"""llama.cpp and Ollama: GGUF weights, on a laptop's processor, its GPU, or both."""

import shutil
from dataclasses import dataclass

from novum.agents.models.engines.base import HOST, Command, Launch, Order
from novum.agents.models.engines.fit import fit_llama
from novum.agents.models.engines.forms import download_of, find_form
from novum.core.errors import UsageError
from novum.core.model_entry import EngineName

ALL_LAYERS = "99"
"""More layers than any model has: all of it goes to the GPUs."""
ON_PROCESSOR = "no GPU holds it: the processor computes, a few tokens a second"


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """llama.cpp, as ``llama-server``."""

    name: EngineName = "llama.cpp"
    port: int = 8080

    def launch(self, order: Order) -> Launch:
        """Return the command; ``--jinja`` lets the server parse tool calls."""
        servable = order.servable
        form, fit = find_form(self.name, servable), fit_llama(order)
        form_suffix = f":{form.form}" if form.form else ""
        source = ["-m", servable.repository] if servable.local else ["-hf", servable.repository + form_suffix]
        argv = ["llama-server", *source, "--alias", servable.name, "--host", HOST, "--port", str(order.port)]
        argv += ["--jinja"]
        argv += ["--ctx-size", str(fit.context_tokens)] if fit.context_tokens else []
        argv += ["--n-gpu-layers", ALL_LAYERS] if fit.n_gpus else []
        argv += [*form.flags, *order.flags]
        at = f"http://{HOST}:{order.port}"
        return Launch(
            engine=self.name,
            server=(Command(tuple(argv), form.variables),),
            base_url=f"{at}/v1",
            health_url=f"{at}/health",
            served_as=servable.name,
            family=servable.family,
            context_tokens=fit.context_tokens,
            downloads=download_of(servable, form),
            notes=() if fit.n_gpus else (ON_PROCESSOR,),
        )

    def find_missing(self) -> str:
        """Say whether ``llama-server`` is on the path."""
        return "" if shutil.which("llama-server") else "llama.cpp's program llama-server"


@dataclass(frozen=True, slots=True)
class Ollama:
    """Ollama, as a server of its own beside any that runs already; its weights are shared with that."""

    name: EngineName = "ollama"
    port: int = 11435
    """One above Ollama's own, which a running Ollama holds."""

    def launch(self, order: Order) -> Launch:
        """Return the commands: the server, and what fetches the weights through it."""
        servable = order.servable
        form, fit = find_form(self.name, servable), fit_llama(order)
        if servable.local:
            raise UsageError(
                "Ollama takes weights by name, not from a file; --engine llama.cpp serves a GGUF file"
            )
        if order.flags:
            raise UsageError("ollama serve takes no flags; Ollama is set by variables")
        model = form.repository or servable.repository
        at = f"{HOST}:{order.port}"
        context = {"OLLAMA_CONTEXT_LENGTH": str(fit.context_tokens)} if fit.context_tokens else {}
        return Launch(
            engine=self.name,
            server=(Command(("ollama", "serve"), {"OLLAMA_HOST": at, **context, **form.variables}),),
            base_url=f"http://{at}/v1",
            health_url=f"http://{at}/api/version",
            served_as=model,
            family=servable.family,
            context_tokens=fit.context_tokens,
            present=Command(("ollama", "show", model), {"OLLAMA_HOST": at}),
            after=(Command(("ollama", "pull", model), {"OLLAMA_HOST": at}),),
            downloads=download_of(servable, form),
            notes=() if fit.n_gpus else (ON_PROCESSOR,),
        )

    def find_missing(self) -> str:
        """Say whether ``ollama`` is on the path."""
        return "" if shutil.which("ollama") else "Ollama"
