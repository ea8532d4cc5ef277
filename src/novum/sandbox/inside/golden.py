"""Small calculations whose numbers must be the same inside a sandbox as outside."""

import hashlib
import io
from typing import Any, Final

MODULES: Final = (
    "numpy",
    "scipy.linalg",
    "rdkit.Chem.Descriptors",
    "pymatgen.core",
    "ase.build",
    "PIL.Image",
)
"""What `compute` uses, for a profile to preload."""


def compute() -> dict[str, Any]:
    """Return one number or digest by each of the main scientific libraries."""
    import ase.build
    import ase.calculators.emt
    import numpy as np
    import scipy.linalg
    from PIL import Image
    from pymatgen.core import Lattice, Structure
    from rdkit.Chem import Descriptors, MolFromSmiles, MolToSmiles

    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(24, 24))
    molecule = MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")
    salt = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.692), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    copper = ase.build.bulk("Cu", cubic=True)
    copper.calc = ase.calculators.emt.EMT()
    picture = io.BytesIO()
    Image.fromarray((rng.random((16, 16)) * 255).astype(np.uint8)).save(picture, "PNG")
    return {
        "numpy": hashlib.sha256((matrix @ matrix.T).tobytes()).hexdigest(),
        "scipy": [repr(float(x)) for x in scipy.linalg.svdvals(matrix)[:4]],
        "rdkit": [MolToSmiles(molecule), repr(Descriptors.MolWt(molecule)), repr(Descriptors.TPSA(molecule))],  # type: ignore[attr-defined]
        "pymatgen": [
            salt.composition.reduced_formula,
            repr(float(salt.density)),
            salt.get_space_group_info()[0],
        ],
        "ase": repr(float(copper.get_potential_energy())),
        "pillow": hashlib.sha256(picture.getvalue()).hexdigest(),
        "matplotlib": _plot(),
    }


def _plot() -> str:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "novum"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([0, 1, 4, 9])
    written = io.StringIO()
    figure.savefig(written, metadata={"Date": None})
    pyplot.close(figure)
    return hashlib.sha256(written.getvalue().encode()).hexdigest()
