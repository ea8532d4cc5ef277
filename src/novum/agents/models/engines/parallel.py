"""vLLM, SGLang and LMDeploy: engines that divide a model among GPUs, and among nodes."""

import shutil
import subprocess
from dataclasses import dataclass

from novum.agents.models.engines.base import HOST, Command, Launch, Order
from novum.agents.models.engines.catalogue import EngineForm, Servable
from novum.agents.models.engines.fit import Fit, fit_gpus
from novum.agents.models.engines.forms import download_of, find_form
from novum.core.model_entry import EngineName

RAY_PORT = 6379
SGLANG_PORT = 20000
"""Where its nodes meet."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}
"""With weights from a folder nothing needs the network; so that nothing tries."""
RUNS_CODE = "--trust-remote-code runs Python that comes with the weights"


@dataclass(frozen=True, slots=True)
class Vllm:
    """vLLM, as ``vllm serve``."""

    name: EngineName = "vllm"
    port: int = 8000

    def launch(self, order: Order) -> Launch:
        """Return the commands; several nodes are joined by Ray."""
        form, fit = _prepare(self.name, order)
        servable, n_nodes = order.servable, fit.n_nodes
        argv = ["vllm", "serve", servable.repository, "--host", HOST, "--port", str(order.port)]
        argv += ["--served-model-name", servable.name] if servable.local else []
        argv += ["--tensor-parallel-size", str(fit.n_gpus)]
        argv += ["--distributed-executor-backend", "ray"] if n_nodes > 1 else []
        argv += ["--max-model-len", str(fit.context_tokens)] if fit.context_tokens else []
        argv += [*form.flags, *order.flags]
        server = (Command(tuple(argv), _variables(servable, form, fit)),)
        return _launch(self.name, order, fit, form, server=server, before=_ray(order, fit))

    def find_missing(self) -> str:
        """Say whether ``vllm`` is on the path."""
        return "" if shutil.which("vllm") else "vLLM, in an environment of its own: pip install vllm"


@dataclass(frozen=True, slots=True)
class Sglang:
    """SGLang, as ``python3 -m sglang.launch_server``."""

    name: EngineName = "sglang"
    port: int = 30000

    def launch(self, order: Order) -> Launch:
        """Return the commands, one for each node."""
        form, fit = _prepare(self.name, order)
        servable, n_nodes = order.servable, fit.n_nodes
        argv = ["python3", "-m", "sglang.launch_server", "--model-path", servable.repository]
        argv += ["--host", HOST, "--port", str(order.port), "--tp", str(fit.n_gpus)]
        argv += ["--served-model-name", servable.name] if servable.local else []
        argv += ["--context-length", str(fit.context_tokens)] if fit.context_tokens else []
        nodes: list[list[str]] = [[]]
        if n_nodes > 1:
            join = ["--dist-init-addr", f"{order.head}:{SGLANG_PORT}", "--nnodes", str(n_nodes)]
            nodes = [[*join, "--node-rank", str(rank)] for rank in range(n_nodes)]
        variables = _variables(servable, form, fit)
        server = tuple(
            Command((*argv, *node, *form.flags, *order.flags), variables, rank)
            for rank, node in enumerate(nodes)
        )
        return _launch(self.name, order, fit, form, server=server)

    def find_missing(self) -> str:
        """Say whether ``python3`` finds the package sglang."""
        look = "import importlib.util as u, sys; sys.exit(u.find_spec('sglang') is None)"
        try:
            found = subprocess.run(["python3", "-c", look], check=False, timeout=60).returncode == 0
        except (OSError, subprocess.SubprocessError):
            found = False
        return "" if found else "SGLang, in an environment of its own: pip install 'sglang[all]'"


@dataclass(frozen=True, slots=True)
class Lmdeploy:
    """LMDeploy, as ``lmdeploy serve api_server``."""

    name: EngineName = "lmdeploy"
    port: int = 23333

    def launch(self, order: Order) -> Launch:
        """Return the commands; several nodes are joined by Ray."""
        form, fit = _prepare(self.name, order)
        servable = order.servable
        argv = ["lmdeploy", "serve", "api_server", servable.repository]
        argv += ["--server-name", HOST, "--server-port", str(order.port), "--tp", str(fit.n_gpus)]
        argv += ["--model-name", servable.name] if servable.local else []
        argv += ["--session-len", str(fit.context_tokens)] if fit.context_tokens else []
        argv += [*form.flags, *order.flags]
        server = (Command(tuple(argv), _variables(servable, form, fit)),)
        return _launch(self.name, order, fit, form, server=server, before=_ray(order, fit))

    def find_missing(self) -> str:
        """Say whether ``lmdeploy`` is on the path."""
        return (
            "" if shutil.which("lmdeploy") else "LMDeploy, in an environment of its own: pip install lmdeploy"
        )


def _prepare(engine: EngineName, order: Order) -> tuple[EngineForm, Fit]:
    return find_form(engine, order.servable), fit_gpus(order)


def _variables(servable: Servable, form: EngineForm, fit: Fit) -> dict[str, str]:
    devices = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, fit.devices))} if fit.devices else {}
    return {**devices, **(OFFLINE if servable.local else {}), **form.variables}


def _ray(order: Order, fit: Fit) -> tuple[Command, ...]:
    if fit.n_nodes == 1:
        return ()
    head = Command(("ray", "start", "--head", f"--port={RAY_PORT}"))
    join = ("ray", "start", f"--address={order.head}:{RAY_PORT}")
    return (head, *(Command(join, node=node) for node in range(1, fit.n_nodes)))


def _launch(
    engine: EngineName,
    order: Order,
    fit: Fit,
    form: EngineForm,
    *,
    server: tuple[Command, ...],
    before: tuple[Command, ...] = (),
) -> Launch:
    servable, at = order.servable, f"http://{HOST}:{order.port}"
    notes = [f"needs {engine} {form.since} or later"] if form.since else []
    notes += [RUNS_CODE] if "--trust-remote-code" in server[0].argv else []
    if not fit.checked:
        notes.append("the size of the weights is not known: whether they fit was not checked")
    if servable.fp8 and any(gpu.capability is None for gpu in order.machine.gpus):
        notes.append("its weights are FP8: that needs Hopper (H100, H200); Ada is not verified, A100 cannot")
    return Launch(
        engine=engine,
        server=server,
        base_url=f"{at}/v1",
        health_url=f"{at}/health",
        served_as=servable.name if servable.local else servable.repository,
        family=servable.family,
        context_tokens=fit.context_tokens,
        before=before,
        hub="" if servable.local else servable.repository,
        downloads=download_of(servable, form),
        notes=tuple(notes),
    )
