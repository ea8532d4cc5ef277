"""What error a formation energy declares, by the kind of compound."""

from pymatgen.core import Lattice, Structure

from novum.tools.materials.samples import ALUMINIDE
from novum.tools.materials.stability import stability
from novum.tools.materials.structures import write_structure


def test_an_oxide_declares_a_larger_error_than_an_intermetallic() -> None:
    sites = [[0, 0, 0], [0.305, 0.305, 0]]
    rutile = Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], sites)
    oxide = stability(write_structure(rutile), competing="elements")
    assert oxide.std["formation_energy"] == 0.13
    assert stability(ALUMINIDE, competing="elements").std["formation_energy"] == 0.08
