"""Whether a model fits a machine: over how many GPUs it is divided, and how long a context then fits.

The estimate is for 16-bit keys and values: weights / n + context + working memory ≤ 90 % of each GPU. That is
what the engines take by default. It agrees with the least numbers of GPUs that the models' authors give.
"""

from dataclasses import dataclass

from novum.agents.models.engines.base import Order
from novum.agents.models.engines.catalogue import Servable, load_catalogue
from novum.agents.models.engines.machine import Gpu, Machine
from novum.core.errors import UsageError

GPU_SHARE = 0.9
"""The part of a GPU's memory that engines take."""
MAIN_SHARE = 0.75
"""The part of the main memory that a model may take without crowding out everything else."""
WORKING_GB = 3.0
"""Activations, graphs and the driver's own, on each GPU."""
WORKING_CPU_GB = 1.0
LEAST_CONTEXT = 16384
"""Tokens; a campaign's prompt with its tools needs about this."""
STEP = 1024
"""Contexts are rounded down to a multiple of this."""
ROUNDED = 0.95
"""A GPU that is sold as having 80 GB may show a little less."""
FP8_FROM = (8, 9)
"""CUDA compute capability from which FP8 is computed: Ada, Hopper and later."""
COMMON_GPUS = {24: 24564, 80: 81559, 141: 143771}
"""Memory of usual GPUs: GB, as they are sold → MiB, as their driver says."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a model fits."""

    n_gpus: int = 0
    """Over all nodes; 0 is on the processor."""
    n_nodes: int = 1
    devices: tuple[int, ...] = ()
    """Which GPUs of a node; empty for the first ones."""
    context_tokens: int | None = None
    checked: bool = True
    """Whether the size of the weights was known."""


def fit_gpus(order: Order) -> Fit:
    """Return how a model is divided among GPUs: the fewest that hold it, a power of two.

    Raises:
        UsageError: it does not fit, or the GPUs cannot compute in its precision, with what would.
    """
    servable, machine = order.servable, order.machine
    usable = [gpu for gpu in machine.gpus if not gpu.is_taken]
    if not usable:
        taken = "all GPUs are in use" if machine.gpus else "there is no GPU"
        raise UsageError(_refusal(servable, machine, taken))
    if servable.fp8 and all(gpu.capability is not None and gpu.capability < FP8_FROM for gpu in usable):
        raise UsageError(
            _refusal(servable, machine, "its weights are FP8, which these GPUs cannot compute with")
        )
    usable.sort(key=lambda gpu: (-gpu.memory_mb, gpu.index))
    at_most = len(usable) * machine.n_nodes
    if order.n_gpus is not None and order.n_gpus > at_most:
        raise UsageError(f"{order.n_gpus} GPUs are asked for, and {at_most} are free: {machine.describe()}")
    counts = [order.n_gpus] if order.n_gpus else _counts(len(usable), machine.n_nodes)
    for n in counts:
        if n < servable.least_gpus and order.n_gpus is None:
            continue
        n_nodes = 1 if n <= len(usable) else machine.n_nodes
        chosen = usable[: n // n_nodes]
        context = _context(servable, min(gpu.memory_gb for gpu in chosen), n, order.context_tokens)
        if context is None:
            continue
        devices = tuple(sorted(gpu.index for gpu in chosen))
        first = devices == tuple(range(len(devices)))
        known = context or order.context_tokens
        return Fit(n, n_nodes, () if first else devices, known, checked=servable.weights_gb is not None)
    raise UsageError(_refusal(servable, machine, "the free GPUs are too few or too small"))


def fit_llama(order: Order) -> Fit:
    """Return where llama.cpp or Ollama puts a model: on the GPUs if they hold all of it, else in main memory.

    Raises:
        UsageError: it fits nowhere, with what would.
    """
    servable, machine = order.servable, order.machine
    if servable.weights_gb is None:
        return Fit(len(machine.gpus), context_tokens=order.context_tokens, checked=False)
    gpus = [gpu for gpu in machine.gpus if not gpu.is_taken]
    if gpus:
        room = sum(GPU_SHARE * gpu.memory_gb - WORKING_CPU_GB for gpu in gpus) - servable.weights_gb
        context = _context_in(servable, room, 1, order.context_tokens)
        if context is not None:
            return Fit(len(gpus), context_tokens=context or order.context_tokens)
    room = MAIN_SHARE * machine.memory_gb - WORKING_CPU_GB - servable.weights_gb
    context = _context_in(servable, room, 1, order.context_tokens)
    if context is None:
        raise UsageError(_refusal(servable, machine, "there is too little memory"))
    return Fit(0, context_tokens=context or order.context_tokens)


def fits(servable: Servable, machine: Machine) -> bool:
    """Say whether a model can be served on a machine by any engine that takes its form."""
    order = Order(servable, machine, port=0)
    try:
        (fit_llama if servable.is_gguf else fit_gpus)(order)
    except UsageError:
        return False
    return True


def _counts(n_gpus: int, n_nodes: int) -> list[int]:
    """Return the powers of two up to the GPUs of one node, then those of all nodes together."""
    powers = [2**k for k in range(n_gpus.bit_length()) if 2**k <= n_gpus]
    return powers if n_nodes == 1 else [*powers, powers[-1] * n_nodes]


def _context(servable: Servable, gpu_gb: float, n_gpus: int, wanted: int | None) -> int | None:
    if servable.weights_gb is None:
        return wanted or 0
    if gpu_gb < ROUNDED * servable.least_gpu_gb:
        return None
    room = GPU_SHARE * gpu_gb - WORKING_GB - servable.weights_gb / n_gpus
    return _context_in(servable, room, min(n_gpus, servable.kv_heads), wanted)


def _context_in(servable: Servable, room_gb: float, divided_by: int, wanted: int | None) -> int | None:
    """Return the context that fits into what is left; 0 where nobody knows, None where it is too little."""
    if room_gb <= 0:
        return None
    if servable.kv_kb_per_token is None:
        return wanted or servable.context_tokens or 0
    held = int(room_gb * 1e6 * divided_by / servable.kv_kb_per_token)
    most = servable.context_tokens or held
    if wanted is not None:
        return wanted if held >= wanted else None
    context = min(held, most)
    return most if context == most else _rounded(context)


def _rounded(context: int) -> int | None:
    rounded = context // STEP * STEP
    return rounded if rounded >= LEAST_CONTEXT else None


def _refusal(servable: Servable, machine: Machine, why: str) -> str:
    size = f", {servable.weights_gb:.0f} GB of weights," if servable.weights_gb is not None else ""
    said = f"{servable.name}{size} cannot be served here: {why}. The machine: {machine.describe()}."
    if not servable.is_gguf and (enough := _enough(servable)):
        said += f" It would fit {enough}."
    instead = [name for name in servable.smaller if fits(load_catalogue()[name], machine)]
    if instead:
        said += f" Here fits: {' or '.join(_how(load_catalogue()[name]) for name in instead[:3])}."
    return said


def _how(servable: Servable) -> str:
    return f"{servable.name} (with {', '.join(servable.engines)})"


def _enough(servable: Servable) -> str:
    """Return the usual GPUs that would do, as ``8 GPUs of 80 GB or 4 of 141 GB``."""
    found: list[str] = []
    for gb, mb in COMMON_GPUS.items():
        for n in (1, 2, 4, 8) if servable.least_gpus <= 8 else (servable.least_gpus,):
            gpu = Gpu(0, "", mb, mb)
            if n >= servable.least_gpus and _context(servable, gpu.memory_gb, n, None) is not None:
                found.append(f"{n} of {gb} GB" if found else f"{n} {'GPU' if n == 1 else 'GPUs'} of {gb} GB")
                break
    return " or ".join(found)
