"""What a sandboxed call costs: the median of many no-op calls with rdkit loaded.

``python benchmarks/sandbox.py [CALLS]`` prints a table, then the same as JSON. The comparison is a
bare fork with a pipe from an interpreter with the same libraries: no isolation, no limits.
"""

import json
import os
import statistics
import subprocess
import sys
import time

from novum.sandbox import NamespaceSandbox, Profile, SandboxRequest

PROFILE = Profile(name="benchmark", modules=("rdkit.Chem", "novum.sandbox.probes"))
REQUEST = SandboxRequest("novum.sandbox.probes:echo", {"value": 1}, profile=PROFILE)

# in a process of its own: only there has fork the same pages to copy as a zygote's
FORK = """
import json, os, statistics, sys, time
import rdkit.Chem
costs = []
for _ in range(int(sys.argv[1])):
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
    costs.append(1000 * (time.perf_counter() - started))
print(json.dumps(costs))
"""


def measure(pool_size: int, calls: int, *, rest_s: float) -> tuple[list[float], float]:
    """Return milliseconds per call, and until the first answer of a new sandbox."""
    costs = []
    with NamespaceSandbox(pool_size=pool_size) as sandbox:
        started = time.perf_counter()
        sandbox.run(REQUEST)
        first = 1000 * (time.perf_counter() - started)
        for _ in range(calls):
            time.sleep(rest_s)
            started = time.perf_counter()
            assert sandbox.run(REQUEST).value == 1
            costs.append(1000 * (time.perf_counter() - started))
    return costs, first


def main(calls: int) -> None:
    rows = {}
    rows["from the pool, a pause between calls"], _ = measure(2, calls, rest_s=0.03)
    rows["from the pool, back to back"], first = measure(2, calls, rest_s=0.0)
    rows["without a pool"], _ = measure(0, calls, rest_s=0.0)
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(calls)], capture_output=True, text=True, check=True
    )
    rows["bare fork and pipe, no isolation"] = json.loads(done.stdout)
    print(f"{'milliseconds per call, rdkit loaded':40}{'median':>8}{'min':>8}{'p95':>8}")
    table = {}
    for name, costs in rows.items():
        p95 = statistics.quantiles(costs, n=20)[-1]
        table[name] = {"median": statistics.median(costs), "min": min(costs), "p95": p95}
        print(f"{name:40}{table[name]['median']:8.2f}{table[name]['min']:8.2f}{p95:8.2f}")
    print(f"{'first call, attestation included':40}{first:8.0f}")
    print(json.dumps({"calls": calls, "cores": os.cpu_count(), "ms": table, "first_call_ms": first}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
