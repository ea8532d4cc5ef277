"""Compute the reference phases that the package keeps, and write them beside the code that reads them.

Run it after a change of a calculator's weights or of how crystals are relaxed:

    python benchmarks/reference_energies.py                       # the elements, by every method
    python benchmarks/reference_energies.py --pairs Al Ni Ti      # and every pair of these, by CHGNet 0.3.0

What is there already is kept unless --anew is given; a run that is cut short has lost one pair.
"""

import argparse
import itertools
import json
import warnings
from pathlib import Path

from novum.core.crystal_tables import VOLUMES
from novum.core.errors import ToolFailedError
from novum.tools.materials.calculators import METALS, Method
from novum.tools.materials.references import KEPT, competing_phases, elemental_phase


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", nargs="*", default=[], metavar="ELEMENT")
    parser.add_argument("--anew", action="store_true", help="forget what is kept")
    parser.add_argument("--output", type=Path, default=KEPT)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = {} if given.anew else json.loads(KEPT.read_text(encoding="utf-8"))
    if given.anew:
        KEPT.write_text("{}", encoding="utf-8")
    for method in (Method("chgnet"), Method("chgnet-r2scan"), Method("emt")):
        found = kept.setdefault(method.title, {})
        for symbol in sorted(METALS) if method.name == "emt" else VOLUMES:
            if f"element:{symbol}" not in found:
                try:
                    found[f"element:{symbol}"] = elemental_phase(symbol, method).energy
                except ToolFailedError as error:
                    print(f"{method.title}: {symbol} is left out: {error}")
        write(kept, given.output)
    method = Method("chgnet")
    found = kept[method.title]
    for pair in itertools.combinations(sorted(given.pairs), 2):
        for phase in competing_phases(pair, method):
            found[phase.name] = phase.energy
        write(kept, given.output)
        print(f"{method.title}: {'-'.join(pair)}", flush=True)


def write(kept: dict[str, dict[str, float | None]], path: Path) -> None:
    ordered = {title: dict(sorted(kept[title].items())) for title in sorted(kept)}
    path.write_text(json.dumps(ordered, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
