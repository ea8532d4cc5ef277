"""Crystals: what a call of CHGNet costs cold and warm, and what the optimiser finds against random search.

    python benchmarks/materials.py [--seeds 6] [--calls 5] [--json FILE]

The calls run in the sandbox, each in a process of its own. The search is that of
examples/intermetallics.yaml, inside this process: its oracle is the energies that the package keeps, which
are what the tool answers with. The arms of a seed share their first batch. "Known" counts, of seven compounds
that calorimetry puts lowest, those that an arm met; chance is what as many different draws from the space
meet on average.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

from novum.agents.base import PlanningContext
from novum.agents.choose import open_planner
from novum.agents.optimizer.generators.crystals import CrystalGenerator
from novum.core.calls import ToolCall
from novum.core.crystals import find_prototype
from novum.core.goals import Goal
from novum.core.quantity import Quantity
from novum.core.science import Observation
from novum.core.spaces import Candidate, CrystalSpace
from novum.sandbox import open_sandbox
from novum.tools.materials.calculators import Method
from novum.tools.materials.hull import Place, place_on_hull
from novum.tools.materials.references import competing_phases, elemental_phase, kept_energies
from novum.tools.registry import Registry
from novum.tools.runner import Runner
from novum.workflows.goal_files import load_goal

EXAMPLE = Path(__file__).parents[1] / "examples" / "intermetallics.yaml"

KNOWN = ("B33:Hf,Pt", "B33:Pt,Zr", "B20:Al,Pt", "D5_13:Al,Pt", "B20:Al,Pd", "B19:Pt,Ti", "C37:Pd,Al")
"""The compounds that the example names, as ids of its space."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    registry = Registry.load()
    figures = {"calls": time_calls(registry, given.calls), "search": search(registry, given.seeds)}
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def time_calls(registry: Registry, n: int) -> dict[str, float]:
    pairs = [("Al", "Ni"), ("Al", "Pt"), ("Hf", "Pt"), ("Cu", "Pd"), ("Pd", "Zr"), ("Ni", "Ti"), ("Al", "Cu")]
    prototype = find_prototype("L1_2")
    assert prototype is not None
    seconds = []
    with open_sandbox() as sandbox:
        runner = Runner(registry, sandbox)
        for i in range(n + 1):
            call = ToolCall(
                tool="materials.stability",
                arguments={"structure": prototype.crystal(pairs[i % len(pairs)])},
                replicate=i,
            )
            begun = time.perf_counter()
            result = runner.run(call)
            seconds.append(time.perf_counter() - begun)
            assert result.ok, result.message
    figures = {"cold_s": seconds[0], "warm_s": statistics.median(seconds[1:])}
    print(f"a call of materials.stability: {figures['cold_s']:.2f} s cold, {figures['warm_s']:.2f} s warm")
    return figures


def search(registry: Registry, seeds: int) -> dict[str, dict[str, float]]:
    goal = load_goal(str(EXAMPLE), registry)
    assert isinstance(goal.space, CrystalSpace)
    spec = registry.get("materials.stability").spec
    properties = {o.property: spec.find_property(o.property) for o in goal.objectives}
    oracle = Oracle(goal.space)
    figures = {}
    n = goal.budget.experiments
    print(f"{n} experiments, {seeds} seeds    {'known of 7':>12} {'chance':>8} {'lowest stable, mean':>20}")
    for name in ("optimizer", "random"):
        known, lowest, size = [], [], 0
        for seed in range(seeds):
            found = run(goal.model_copy(update={"seed": seed}), name, oracle, properties)
            known.append(len(set(KNOWN) & set(found)))
            stable = [p.formation for p in found.values() if p.above <= 0.03]
            lowest.append(min(stable, default=0.0))
            size = len(oracle)
        chance = len(KNOWN) * n / size
        figures[name] = {
            "known": statistics.fmean(known),
            "chance": chance,
            "lowest_stable_ev": statistics.fmean(lowest),
        }
        print(f"{name:28} {statistics.fmean(known):12.2f} {chance:8.2f} {statistics.fmean(lowest):17.3f} eV")
    return figures


class Oracle:
    """What `materials.stability` answers, from the energies that the package keeps."""

    def __init__(self, space: CrystalSpace) -> None:
        self._method = Method("chgnet")
        self._kept = kept_energies(self._method)
        self._phases: dict[tuple[str, ...], list] = {}
        generator = CrystalGenerator(space)
        self._size = sum(1 for _ in generator.start(random.Random(0), frozenset()))

    def __len__(self) -> int:
        return self._size

    def __call__(self, candidate: Candidate) -> Place:
        elements = tuple(sorted(candidate.arguments["elements"]))
        if elements not in self._phases:
            own = [elemental_phase(e, self._method) for e in elements]
            self._phases[elements] = own + competing_phases(elements, self._method)
        energy = self._kept[candidate.id]
        assert energy is not None
        return place_on_hull(candidate.arguments["formula"], energy, self._phases[elements])


def run(goal: Goal, name: str, oracle: Oracle, properties: dict) -> dict[str, Place]:
    planner = open_planner(name)
    observations: list[Observation] = []
    found: dict[str, Place] = {}
    iteration = 0
    while len(observations) < goal.budget.experiments:
        plan = planner.plan(
            PlanningContext(
                goal=goal,
                iteration=iteration,
                n=min(goal.budget.batch, goal.budget.experiments - len(observations)),
                observations=tuple(observations),
                properties=properties,
                costs=dict.fromkeys(properties, 1.0),
                noise={},
                first_id=len(observations) + 1,
                cites={},
            )
        )
        for hypothesis in plan.hypotheses:
            place = oracle(hypothesis.candidate)
            found[hypothesis.candidate.id] = place
            values = {"formation_energy": place.formation, "energy_above_hull": place.above}
            observations.append(
                Observation(
                    candidate=hypothesis.candidate,
                    values={p: Quantity(value=v, unit="eV") for p, v in values.items()},
                )
            )
        iteration += 1
    return found


if __name__ == "__main__":
    main()
