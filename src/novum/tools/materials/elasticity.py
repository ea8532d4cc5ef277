"""materials.elasticity: the elastic tensor, moduli, and whether the crystal withstands small strains."""

import contextlib
import io
from typing import Annotated

import numpy as np
from pydantic import Field

from novum.core.errors import ToolFailedError
from novum.tools.base import MethodError, Properties, Unit, Usual, tool
from novum.tools.examples import Example
from novum.tools.materials.calculators import CalculatorName, Family, Method
from novum.tools.materials.compression import MODULUS_ERROR
from novum.tools.materials.relaxation import relax
from novum.tools.materials.samples import COPPER
from novum.tools.materials.structures import (
    StructureText,
    formula_of,
    parse_structure,
    reading_warnings,
    to_atoms,
)

UNSTABLE = "the elastic tensor is not positive definite: mechanically unstable"
UNMEASURED = (
    "no error of this method is known for shear_modulus, young_modulus, poisson_ratio and least_stiffness; "
    "potentials as CHGNet make crystals too soft under shear"
)

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class ElasticProperties(Properties):
    """Elastic moduli of a polycrystal of the material, by the averages of Voigt, Reuss and Hill."""

    bulk_modulus: Annotated[
        float,
        Unit("GPa"),
        MethodError(MODULUS_ERROR),
        Usual(20, 300),
        Field(description="Hill's average", le=1000),
    ]
    shear_modulus: Annotated[float, Unit("GPa"), Usual(5, 150), Field(description="Hill's average", le=1000)]
    young_modulus: Annotated[
        float, Unit("GPa"), Usual(10, 400), Field(description="from Hill's averages", le=2000)
    ]
    poisson_ratio: Annotated[float, Usual(0.1, 0.45), Field(description="from Hill's averages")]
    least_stiffness: Annotated[
        float,
        Unit("GPa"),
        Field(description="lowest eigenvalue of the elastic tensor; positive where it is stable", le=2000),
    ]


@tool(
    name="materials.elasticity",
    version="1",
    method="CHGNet 0.3.0, finite strains",
    profile="mlip",
    preload=("novum.tools.materials.loaded",),
    libraries=("chgnet", "pymatgen", "ase", "torch"),
    extra="mlip",
    nominal_cost_s=5.0,
    timeout_s=900,
    memory_mb=3072,
    examples=(
        Example(
            arguments={"structure": COPPER, "calculator": "emt"},
            expected={"bulk_modulus": 134.4},
            rtol=0.01,
            source="the curvature of EMT's energies by 'materials.equation_of_state'",
        ),
    ),
)
def elasticity(
    structure: StructureText,
    *,
    calculator: CalculatorName = "chgnet",
    family: Family = "chgnet",
    checkpoint: str = "",
    strain: Annotated[float, Field(ge=1e-4, le=0.02)] = 0.01,
) -> ElasticProperties:
    """Compute the elastic tensor from the stresses under small strains, with the atoms relaxed.

    The tensor in the details refers to the axes of the conventional standard cell.

    The verdict applies the Born criterion in its general form: a crystal at rest is mechanically stable
    if and only if its elastic tensor is positive definite. Moduli of an unstable crystal mean little; the
    result then carries a warning.

    Args:
        structure: the crystal, as CIF, POSCAR or extended XYZ.
        calculator: the energy surface.
        family: the architecture of the weights, where the calculator is "checkpoint".
        checkpoint: path of the weights as the sandbox sees it, where the calculator is "checkpoint".
        strain: size of the strains, positive and negative.

    References:
        Born criterion: Mouhat, Coudert, Phys. Rev. B 90, 224104 (2014), doi:10.1103/PhysRevB.90.224104.
        Averages: Hill, Proc. Phys. Soc. A 65, 349 (1952), doi:10.1088/0370-1298/65/5/307.
    """
    from ase.optimize import BFGS
    from ase.units import GPa
    from pymatgen.analysis.elasticity import ElasticTensor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    method = Method(calculator, family, checkpoint)
    given = parse_structure(structure)
    standard = SpacegroupAnalyzer(given, symprec=0.05)
    relaxed = relax(standard.get_conventional_standard_structure(), method, force=0.005, steps=500)
    start = to_atoms(relaxed.structure)
    tensor = np.zeros((6, 6))
    for column, (i, j) in enumerate(VOIGT):
        stresses = []
        for sign in (1.0, -1.0):
            shape = np.eye(3)
            shape[i, j] += sign * strain / 2
            shape[j, i] += sign * strain / 2
            atoms = start.copy()
            atoms.set_cell(start.cell.array @ shape, scale_atoms=True)
            atoms.calc = method.calculator(relaxed.structure)
            with contextlib.redirect_stdout(io.StringIO()):
                if not BFGS(atoms, logfile=None).run(fmax=0.01, steps=200):
                    raise ToolFailedError("the atoms reached no minimum under a strain")
            stresses.append(atoms.get_stress(voigt=True) / GPa)
        # a shear in Voigt's notation is twice the tensor's component
        tensor[:, column] = (stresses[0] - stresses[1]) / (2 * strain)
    found = ElasticTensor.from_voigt((tensor + tensor.T) / 2)
    eigenvalues = np.linalg.eigvalsh((tensor + tensor.T) / 2)
    stable = bool(eigenvalues[0] > 0)
    uneven = float(np.abs(tensor - tensor.T).max())
    bulk, shear = float(found.k_vrh), float(found.g_vrh)
    return ElasticProperties(
        bulk_modulus=bulk,
        shear_modulus=shear,
        young_modulus=9 * bulk * shear / (3 * bulk + shear),
        poisson_ratio=(3 * bulk - 2 * shear) / (2 * (3 * bulk + shear)),
        least_stiffness=float(eigenvalues[0]),
        warnings=(*reading_warnings(given), *([] if stable else [UNSTABLE]), UNMEASURED),
        ran=f"{method.title}, finite strains",
        details={
            "formula": formula_of(relaxed.structure),
            "mechanically_stable": stable,
            "elastic_tensor_gpa": np.round((tensor + tensor.T) / 2, 3).tolist(),
            "asymmetry_gpa": round(uneven, 3),
            "bulk_modulus_voigt_gpa": round(float(found.k_voigt), 3),
            "bulk_modulus_reuss_gpa": round(float(found.k_reuss), 3),
            "shear_modulus_voigt_gpa": round(float(found.g_voigt), 3),
            "shear_modulus_reuss_gpa": round(float(found.g_reuss), 3),
            "universal_anisotropy": round(float(found.universal_anisotropy), 4),
        },
    )
