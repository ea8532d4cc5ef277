"""What passes between a decision and a tool: specifications, calls, results, artifacts."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from novum.core.digest import digest
from novum.core.frozen import Frozen
from novum.core.quantity import DIMENSIONLESS, Quantity


class PropertySpec(Frozen):
    """One property that a tool measures.

    `low` and `high` bound the values that can occur, in `unit`: a result outside them is a failed
    calculation. `error` is the method's typical error (one standard deviation, in `unit`) against
    the quantity that its name promises; absent where the value is exact by definition.
    """

    name: str
    unit: str = DIMENSIONLESS
    description: str
    low: float | None = None
    high: float | None = None
    error: float | None = Field(default=None, ge=0)
    usual: tuple[float, float] | None = None
    """Between these, in `unit`, lie about 95 % of what is usually measured: what a planner expects before
    it has data."""


class ToolSpec(Frozen):
    """What the rest of novum knows of a tool without loading it.

    `parameters` is a JSON schema of the arguments; a parameter with a unit carries ``x-unit``.
    `method` names the physics or the algorithm ("GFN2-xTB", "RDKit"): two tools that give one
    property by different methods check each other. `nominal_cost_s` is the declared duration of a
    usual call, used for planning so that plans do not depend on the machine's mood.
    """

    name: str
    version: str
    description: str
    entry: str
    """Where the function lives, as ``package.module:function``."""
    parameters: dict[str, Any]
    properties: tuple[PropertySpec, ...]
    method: str
    deterministic: bool = True
    """The same arguments and seed give the same numbers."""
    stochastic_in_seed: bool = False
    """Another seed gives another answer, so that replicates measure noise."""
    nominal_cost_s: float = Field(default=1.0, gt=0)
    timeout_s: float = Field(default=300.0, gt=0)
    memory_mb: int = Field(default=2048, gt=0)
    profile: str = "base"
    """Name of the set of libraries that its sandbox preloads."""
    preload: tuple[str, ...] = ()
    """Modules that its sandbox imports before the first call."""
    code_hash: str = ""
    """SHA-256 of the source of the module that holds the function."""
    source: str = ""
    """References: DOI, library and version."""
    extra: str | None = None
    """The optional dependency group that it needs, if any."""
    hosts: tuple[str, ...] = ()
    """Network hosts that it asks for; it reaches those that a person grants, and nothing else."""
    gpu: bool = False
    """It asks for the machine's accelerators."""
    files: tuple[str, ...] = ()
    """Files and folders of the machine that it asks to read, as absolute paths."""

    def find_property(self, name: str) -> PropertySpec | None:
        """Return the property called `name`, or None."""
        return next((p for p in self.properties if p.name == name), None)


class ToolCall(Frozen):
    """One call of one tool, with validated arguments.

    Example:
        >>> call = ToolCall(tool="chemistry.descriptors", arguments={"smiles": "CCO"}, seed=7)
        >>> call.key(version="1", code_hash="abc") == call.key(version="1", code_hash="abc")
        True
    """

    tool: str
    arguments: dict[str, Any]
    seed: int = 0
    replicate: int = 0
    """Counts deliberate repetitions; a repetition is never answered from the cache."""

    def key(self, *, version: str, code_hash: str) -> str:
        """Return the content address of the call: equal keys promise equal results."""
        return digest([self.tool, version, code_hash, self.arguments, self.seed, self.replicate])


class CallStatus(StrEnum):
    """How a call ended, as measured by the supervisor and never as claimed by the tool."""

    OK = "ok"
    ERROR = "error"
    """The tool said that it could not."""
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "oom"
    TOO_MANY_PROCESSES = "pids"
    OUTPUT_LIMIT = "output-limit"
    KILLED = "killed"
    CRASH = "crash"
    BAD_RESULT = "bad-result"
    """It answered, with something that is not what it promised."""


class Artifact(Frozen):
    """Bytes that a call produced, named by their content."""

    name: str
    sha256: str
    size: int = Field(ge=0)
    media_type: str = "application/octet-stream"


class Reached(Frozen):
    """One try of a call to reach a network host, as the sandbox's proxy saw it."""

    host: str
    port: int
    allowed: bool
    reason: str = ""
    """Why it was refused, or failed."""
    sent: int = Field(default=0, ge=0)
    """Bytes to the host."""
    received: int = Field(default=0, ge=0)
    """Bytes from it."""


class ToolResult(Frozen):
    """What came of a call: properties with units, or the reason why not."""

    call: ToolCall
    key: str
    status: CallStatus
    properties: dict[str, Quantity] = {}
    details: dict[str, Any] = {}
    """Anything else that the tool reports and that JSON can hold; never judged."""
    artifacts: tuple[Artifact, ...] = ()
    network: tuple[Reached, ...] = ()
    """Every try to reach a host, the refused ones included."""
    message: str = ""
    """Why the call failed; empty when it did not."""
    warnings: tuple[str, ...] = ()
    tool_version: str = ""
    method: str = ""
    backend: str = "embedded"
    """Which realisation of a learned tool ran: embedded, checkpoint or endpoint."""
    sandbox: str = ""
    wall_s: float = Field(default=0.0, ge=0)
    cpu_s: float = Field(default=0.0, ge=0)
    peak_memory_mb: float = Field(default=0.0, ge=0)
    cached: bool = False

    @property
    def ok(self) -> bool:
        """Whether the call gave a usable result."""
        return self.status is CallStatus.OK
