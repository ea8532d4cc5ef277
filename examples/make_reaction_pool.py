"""Writes ``reaction_conditions.csv``: a made-up reaction whose every yield follows from one formula.

The data are ours and invented; nothing in them was measured. A starting material A gives the product
B, which decays to an impurity C:

    A -> B with k1 = S * L * exp(E1 * (1/T0 - 1/T))      B -> C with k2 = 0.02 * exp(E2 * (1/T0 - 1/T))

    yield    = k1 / (k1 - k2) * (exp(-k2 t) - exp(-k1 t))
    impurity = 1 - exp(-k1 t) - yield

with t in hours, T in kelvin, T0 = 333.15 K, E1 = 7000 K, E2 = 11000 K, L the loading of the catalyst in
mol %, and S the activity in the solvent, per hour and mol %: 0.021 (toluene), 0.047 (thf), 0.083 (ethanol),
0.137 (dmf); in dmf B decays twice as fast. Yield and impurity are given in % and rounded to 0.1.

Run it with:   python examples/make_reaction_pool.py > examples/reaction_conditions.csv
"""

import math
import sys
from itertools import product

ACTIVITY = {"toluene": 0.021, "thf": 0.047, "ethanol": 0.083, "dmf": 0.137}
TEMPERATURES_DEGC = (40, 50, 60, 70, 80)
TIMES_H = (1, 2, 4, 8, 16)
LOADINGS = (1, 2, 5)


def outcome(solvent: str, temperature_degc: float, time_h: float, loading: float) -> tuple[float, float]:
    """Return yield and impurity, in %."""
    inverse = 1 / 333.15 - 1 / (temperature_degc + 273.15)
    k1 = ACTIVITY[solvent] * loading * math.exp(7000 * inverse)
    k2 = 0.02 * math.exp(11000 * inverse) * (2 if solvent == "dmf" else 1)
    product_share = k1 / (k1 - k2) * (math.exp(-k2 * time_h) - math.exp(-k1 * time_h))
    impurity_share = 1 - math.exp(-k1 * time_h) - product_share
    return round(100 * product_share, 1), round(100 * impurity_share, 1)


def table() -> str:
    """Return the whole table as CSV."""
    lines = ["run,solvent,temperature_degC,time_h,loading_mol_percent,yield,impurity"]
    rows = product(ACTIVITY, TEMPERATURES_DEGC, TIMES_H, LOADINGS)
    for number, (solvent, temperature, time, loading) in enumerate(rows, 1):
        values = outcome(solvent, temperature, time, loading)
        lines.append(f"R{number:03d},{solvent},{temperature},{time},{loading},{values[0]},{values[1]}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
