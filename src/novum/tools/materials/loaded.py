"""CHGNet, ready: a sandbox imports this module before the first call, so that no call loads the weights.

The one place where something is computed at import: a fork of this interpreter then finds the model there.
"""

import ase.build  # noqa: F401
import pymatgen.analysis.phase_diagram
import pymatgen.io.cif
import pymatgen.io.vasp
import pymatgen.symmetry.analyzer  # noqa: F401

from novum.core.crystals import find_prototype
from novum.tools.materials.calculators import Method, load_chgnet
from novum.tools.materials.relaxation import relax
from novum.tools.materials.structures import parse_structure

load_chgnet("r2scan")
_copper = find_prototype("L1_2")
assert _copper is not None
# one relaxation, so that what the libraries set up at their first use is set up here
relax(parse_structure(_copper.crystal(["Cu", "Au"])), Method("chgnet"))
