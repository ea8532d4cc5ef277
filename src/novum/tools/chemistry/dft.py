"""chemistry.dft: frontier orbitals and dipole of one geometry by Kohn-Sham density functional theory."""

import importlib.util
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import Properties, Unit, tool
from novum.tools.chemistry.constants import ATOMIC_DEBYE, BOHR_ANGSTROM, HARTREE_EV
from novum.tools.chemistry.geometry import Geometry, changed_bonds, embed, parse_xyz, with_hydrogens
from novum.tools.chemistry.gfn2 import Gfn2, lowest
from novum.tools.chemistry.molecules import Smiles, parse_smiles
from novum.tools.examples import Example

Functional = Literal["pbe0", "b3lyp", "pbe"]
Basis = Literal["def2-svp", "def2-svpd", "def2-tzvp"]

NAMES = {
    "pbe0": "PBE0",
    "b3lyp": "B3LYP",
    "pbe": "PBE",
    "def2-svp": "def2-SVP",
    "def2-svpd": "def2-SVPD",
    "def2-tzvp": "def2-TZVP",
}

GRID_LEVEL = 1
"""PySCF's integration grid. Against level 3, PBE0 on three molecules of 7 to 13 heavy atoms keeps the gap to
0.0002 eV, the dipole to 0.0003 debye and the energy to 0.1 millihartree, at 40 % of the time."""

CONVERGED = 1e-7
"""Change of energy between two cycles, in hartree."""

MAX_MEMORY_MB = 3000
"""What PySCF may plan with; the rest of the tool's memory is for what it does not count."""


WATER = """3
water as measured, in angstrom
O 0.0 0.0 0.11726921
H 0.75698224 0.0 -0.46907685
H -0.75698224 0.0 -0.46907685
"""

EXAMPLES = (
    Example(
        arguments={"smiles": "O", "basis": "def2-svpd", "xyz": WATER},
        expected={"dipole_moment": 1.855},
        atol=0.1,
        source="measured dipole moment, NIST CCCBDB; the functional's usual error",
    ),
)


class DftProperties(Properties):
    """What Kohn-Sham theory says of one geometry."""

    # No method error: a gap of orbital energies is not an observable that a reference could measure,
    # and its distance from the optical or the fundamental gap depends on the functional.
    total_energy_dft: Annotated[
        float, Unit("hartree"), Field(description="total energy with the functional and basis that ran", le=0)
    ]
    homo_lumo_gap: Annotated[
        float,
        Unit("eV"),
        Field(description="gap of the frontier orbitals, the lesser of two spins", ge=0, le=60),
    ]
    homo_energy: Annotated[
        float, Unit("eV"), Field(description="highest occupied orbital energy", ge=-100, le=40)
    ]
    lumo_energy: Annotated[
        float, Unit("eV"), Field(description="lowest empty orbital energy", ge=-60, le=100)
    ]
    dipole_moment: Annotated[
        float,
        Unit("debye"),
        Field(description="dipole moment; of an ion about its centre of nuclear charge", ge=0, le=1000),
    ]


@tool(
    name="chemistry.dft",
    version="1",
    method="PBE0/def2-SVP",
    profile="dft",
    preload=("rdkit.Chem.rdForceFieldHelpers", "rdkit.Chem.rdDistGeom", "pyscf.dft", "pyscf.df"),
    libraries=("rdkit", "pyscf"),
    extra="dft",
    nominal_cost_s=30.0,
    timeout_s=1800,
    memory_mb=4096,
    examples=EXAMPLES,
)
def dft(
    smiles: Smiles,
    *,
    functional: Functional = "pbe0",
    basis: Basis = "def2-svp",
    xyz: Annotated[str, Field(max_length=100_000)] = "",
    n_conformers: Annotated[int, Field(ge=1, le=100)] = 16,
    seed: int = 0,
) -> DftProperties:
    """Compute frontier orbitals and dipole moment by density functional theory, in the gas.

    One energy at a fixed geometry, density-fitted, restricted for closed and unrestricted for open
    shells. The geometry is relaxed with GFN2-xTB where tblite is installed and with a force field where
    it is not; the details say which. A gap is one of orbital energies: hybrids (PBE0, B3LYP) give larger
    ones than PBE, and the relation to those of GFN2-xTB depends on the bonding. Compare like with like.

    Args:
        smiles: the molecule.
        functional: the exchange-correlation functional.
        basis: the basis set; def2-svpd adds diffuse functions for anions and dipole moments.
        xyz: geometry in XYZ format, in angstrom and in the atom order of the SMILES with hydrogens
            last, as chemistry.xtb returns it; empty makes one from the SMILES.
        n_conformers: conformers to choose from where the geometry is made here.
        seed: of the conformers.

    References:
        PBE0: doi:10.1063/1.478522. B3LYP: doi:10.1063/1.464913. PBE: doi:10.1103/PhysRevLett.77.3865.
        def2 basis sets: doi:10.1039/b508541a. PySCF: doi:10.1063/5.0006074.
    """
    molecule = with_hydrogens(parse_smiles(smiles))
    geometry, source = _geometry(molecule, xyz, n_conformers=n_conformers, seed=seed)
    found = single_point(geometry, functional=functional, basis=basis)
    warnings = []
    if geometry.unpaired:
        warnings.append(
            f"open shell with {geometry.unpaired} unpaired electrons: the gap is the lesser of two spins"
        )
    if source in ("MMFF94", "UFF", "none"):
        warnings.append(f"geometry by force field ({source}), not relaxed quantum-mechanically")
    return DftProperties(
        total_energy_dft=found["energy"],
        homo_lumo_gap=found["lumo"] - found["homo"],
        homo_energy=found["homo"],
        lumo_energy=found["lumo"],
        dipole_moment=found["dipole"],
        ran=f"{NAMES[functional]}/{NAMES[basis]}",
        warnings=tuple(warnings),
        details={
            "geometry": source,
            "xyz": geometry.to_xyz(f"{source} geometry"),
            "charge": geometry.charge,
            "unpaired_electrons": geometry.unpaired,
            "cycles": found["cycles"],
            "basis_functions": found["basis_functions"],
        },
    )


def single_point(geometry: Geometry, *, functional: str, basis: str) -> dict[str, Any]:
    """Return energy (hartree), homo and lumo (eV), dipole (debye), cycles and basis_functions.

    Args:
        geometry: where the atoms are.
        functional: any name that PySCF knows.
        basis: any name that PySCF knows.

    Raises:
        ToolFailedError: the calculation did not converge, or an element has no basis.
    """
    from pyscf import dft as kohn_sham
    from pyscf import gto, lib
    from pyscf.lib.exceptions import BasisNotFoundError

    lib.num_threads(1)  # sums over threads would differ in the last digits between runs
    atoms = [(int(z), tuple(xyz)) for z, xyz in zip(geometry.numbers, geometry.positions, strict=True)]
    try:
        molecule = gto.M(
            atom=atoms,
            unit="angstrom",
            basis=basis,
            charge=geometry.charge,
            spin=geometry.unpaired,
            verbose=0,
            max_memory=MAX_MEMORY_MB,
            ecp=basis if max(geometry.numbers) > _LAST_WITHOUT_CORE_POTENTIAL else {},
        )
    except BasisNotFoundError as error:
        raise ToolFailedError(f"{basis} does not cover an element of the molecule") from error
    kind = kohn_sham.UKS if geometry.unpaired else kohn_sham.RKS
    field = kind(molecule, xc=functional).density_fit()
    field.grids.level = GRID_LEVEL
    field.conv_tol = CONVERGED
    field.max_cycle = 100
    field.chkfile = None
    energy = float(field.kernel())
    if not field.converged:
        raise ToolFailedError(f"{functional}/{basis} did not converge in {field.max_cycle} cycles")
    energies, occupations = np.atleast_2d(field.mo_energy), np.atleast_2d(field.mo_occ)
    spins = [_frontier(e * HARTREE_EV, o) for e, o in zip(energies, occupations, strict=True)]
    homo, lumo = min((s for s in spins if s is not None), key=lambda s: s[1] - s[0], default=(None, None))
    if homo is None or lumo is None:
        raise ToolFailedError("the molecule has no pair of occupied and empty orbitals")
    # PySCF's dipole is in debye with its own constants; atomic units keep to ours.
    dipole = np.array(field.dip_moment(unit="AU", verbose=0))
    centre = np.average(geometry.positions / BOHR_ANGSTROM, axis=0, weights=geometry.numbers)
    dipole -= geometry.charge * centre
    return {
        "energy": energy,
        "homo": homo,
        "lumo": lumo,
        "dipole": float(np.linalg.norm(dipole)) * ATOMIC_DEBYE,
        "cycles": int(field.cycles),
        "basis_functions": int(molecule.nao),
    }


_LAST_WITHOUT_CORE_POTENTIAL = 36
"""Krypton: heavier elements of the def2 sets come with an effective core potential."""


def _frontier(energies: Any, occupations: Any) -> tuple[float, float] | None:
    occupied = occupations > 0
    if occupied.all() or not occupied.any():
        return None
    return float(energies[occupied].max()), float(energies[~occupied].min())


def _geometry(molecule: Any, xyz: str, *, n_conformers: int, seed: int) -> tuple[Geometry, str]:
    if xyz:
        return parse_xyz(xyz, molecule), "given"
    conformers, field = embed(molecule, n_conformers=n_conformers, seed=seed)
    if importlib.util.find_spec("tblite") is None:
        return conformers[0], field
    geometry, _ = Gfn2(lowest(conformers)).relax()
    changes = changed_bonds(molecule, geometry)
    if changes:
        raise ToolFailedError(f"the molecule did not survive relaxation: {'; '.join(changes[:5])}")
    return geometry, "GFN2-xTB"
