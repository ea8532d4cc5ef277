"""What a sandboxed call costs, beside a bare fork with a pipe from a process with the same libraries.

``python benchmarks/sandbox.py [CALLS]`` prints a table for each backend that this machine has, then the
same as JSON. The bare fork isolates nothing and limits nothing; it runs in turn with the others.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from novum.core.errors import InfrastructureError
from novum.core.settings import load_settings
from novum.runtime import Workspace
from novum.sandbox import Profile, Sandbox, SandboxRequest, make_sandbox
from novum.sandbox.select import STRENGTH, SandboxOptions

PROBES = "novum.sandbox.inside.probes"
SETS = {
    "rdkit": ("rdkit.Chem",),
    "six libraries": ("rdkit.Chem", "pymatgen.core", "ase.build", "scipy.linalg", "sklearn", "torch"),
}

# in a process of its own: only there has fork the same pages to copy as a zygote's
FORK = """
import importlib, json, os, sys, time
for module in sys.argv[1:]:
    importlib.import_module(module)
print("ready", flush=True)
for _ in sys.stdin:
    started = time.perf_counter()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps({"value": 1}).encode())
        os._exit(0)
    os.close(writer)
    json.loads(os.read(reader, 4096))
    os.close(reader)
    os.waitpid(child, 0)
    print(1000 * (time.perf_counter() - started), flush=True)
"""


class BareFork:
    """The floor: fork, write to a pipe, read it, wait."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORK, *modules], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __call__(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def timed(sandbox: Sandbox, profile: Profile, *, rest_s: float) -> Callable[[], float]:
    """Return a function that makes one call and returns its milliseconds, after a rest for the pool."""
    request = SandboxRequest(f"{PROBES}:echo", {"value": 1}, profile=profile)
    assert sandbox.run(request).value == 1

    def call() -> float:
        time.sleep(rest_s)
        started = time.perf_counter()
        result = sandbox.run(request)
        cost = 1000 * (time.perf_counter() - started)
        assert result.value == 1
        return cost

    return call


def measure(backend: str, options: SandboxOptions, calls: int) -> dict[str, dict[str, float]]:
    """Return the costs of a backend, with and without its pool, beside the floor."""
    rows: dict[str, dict[str, float]] = {}
    rest_s = 0.5 if backend == "docker" else 0.03
    for name, modules in SETS.items():
        profile = Profile(name=name, modules=(*modules, PROBES))
        floor = BareFork((*modules, PROBES))
        pooled = make_sandbox(backend, options)
        alone = make_sandbox(backend, SandboxOptions(**{**vars_of(options), "pool_size": 0}))
        try:
            started = time.perf_counter()
            pooled.attest()
            attested = time.perf_counter() - started
            alone.attest()
            ways = {
                "from the pool": timed(pooled, profile, rest_s=rest_s),
                "without a pool": timed(alone, profile, rest_s=rest_s),
                "bare fork": floor,
            }
            costs: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(calls):  # in turn, so that a busy moment hits all of them
                for way, call in ways.items():
                    costs[way].append(call())
            base = statistics.median(costs["bare fork"])
            for way, seen in costs.items():
                rows[f"{name}, {way}"] = {
                    "median": statistics.median(seen),
                    "min": min(seen),
                    "p95": statistics.quantiles(seen, n=20)[-1],
                    "ratio": statistics.median(seen) / base,
                }
            rows[f"{name}, idle pool"] = {"mb": pooled.idle_memory_mb(), "attestation_s": attested}
        finally:
            floor.close()
            pooled.close()
            alone.close()
    return rows


def vars_of(options: SandboxOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.__slots__}


def main(calls: int) -> None:
    options = Workspace(load_settings()).sandbox_options
    table = {}
    for backend in STRENGTH:
        try:
            table[backend] = measure(backend, options, calls if backend != "docker" else max(20, calls // 5))
        except InfrastructureError as error:
            print(f"{backend}: not here: {str(error).splitlines()[0]}")
            continue
        print(f"{backend + ', milliseconds per call':44}{'median':>8}{'min':>8}{'p95':>8}{'× fork':>8}")
        for name, row in table[backend].items():
            if "mb" in row:
                print(f"{name:44}{row['mb']:8.0f} MB, attested in {row['attestation_s']:.2f} s")
            else:
                numbers = "".join(f"{row[column]:8.2f}" for column in ("median", "min", "p95", "ratio"))
                print(f"{name:44}{numbers}")
    print(json.dumps({"calls": calls, "cores": os.cpu_count(), "ms": table}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
