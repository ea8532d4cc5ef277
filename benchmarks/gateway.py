"""What the gateway adds to a question, over litellm alone.

    python benchmarks/gateway.py [--calls 200] [--json result.json]

A server on loopback answers at once. Both arms stream the same reply and read it to its end, in turn, so
that a busy moment of the machine meets both; figures are medians. The arm "litellm" has what it needs
to be as fast as it can be: one client with its connections, kept over all calls. The target is 10 ms added.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from fault_server import FaultServer, say

from novum.agents.models.base import Message, Request, ToolSchema
from novum.agents.models.gateway import Gateway
from novum.agents.models.library import load_litellm
from novum.core.model_entry import ModelEntry

TARGET_MS = 10.0
TOOL = ToolSchema(
    name="xtb", description="Calculates a gap.", parameters={"type": "object", "properties": {}}
)
WORDS = "The gap of benzene is larger than that of naphthalene, and smaller than that of ethene. " * 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    begin = time.perf_counter()
    litellm = load_litellm()
    load_s = time.perf_counter() - begin
    from openai import OpenAI

    with FaultServer(then=say(WORDS, piece=40)) as server:
        gateway = Gateway("benchmark", ModelEntry(base_url=server.url, model="m"))
        client = OpenAI(api_key="none", base_url=server.url, max_retries=0)
        request = Request(messages=(Message.user("Which gap is larger?"),), tools=(TOOL,), seed=1)
        function = {"name": TOOL.name, "description": TOOL.description, "parameters": TOOL.parameters}

        def plain() -> None:
            for _ in litellm.completion(
                model="openai/m",
                messages=[{"role": "user", "content": "Which gap is larger?"}],
                tools=[{"type": "function", "function": function}],
                tool_choice="auto",
                seed=1,
                client=client,
                api_key="none",
                base_url=server.url,
                max_retries=0,
                timeout=60,
                stream=True,
                stream_options={"include_usage": True},
            ):
                pass

        arms = {"litellm": plain, "gateway": lambda: gateway.complete(request)}
        taken: dict[str, list[float]] = {name: [] for name in arms}
        for ask in arms.values():
            ask()
        for turn in range(options.calls):
            for name in sorted(arms, reverse=bool(turn % 2)):
                begin = time.perf_counter()
                arms[name]()
                taken[name].append((time.perf_counter() - begin) * 1000)
        gateway.close()
        client.close()
    medians = {name: statistics.median(times) for name, times in taken.items()}
    added = statistics.median(
        after - before for before, after in zip(taken["litellm"], taken["gateway"], strict=True)
    )
    print(f"loading the library, once: {load_s:.1f} s")
    for name, median in medians.items():
        print(f"{name:10} {median:7.2f} ms a call")
    load = os.getloadavg()[0]
    verdict = "within" if added <= TARGET_MS else "above"
    print(f"{added:+.2f} ms added: {verdict} the target of {TARGET_MS:g} ms; load average {load:.1f}")
    if options.json is not None:
        result = {
            "calls": options.calls,
            "target_ms": TARGET_MS,
            "added_ms": added,
            "median_ms": medians,
            "load_s": load_s,
            "load_average": load,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
