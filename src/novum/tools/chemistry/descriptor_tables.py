"""The tables behind two descriptors, read when this module is imported.

Reading takes 0.4 s and a call a few milliseconds, so that a sandbox imports this module once, before
its calls, and everybody else imports it inside the function that needs it.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

from rdkit import Chem, RDConfig
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from novum.core.errors import ToolFailedError


def find_alerts(molecule: Chem.Mol) -> list[str]:
    """Return the names of the BRENK and PAINS alerts that a molecule matches, sorted."""
    return sorted(entry.GetDescription() for entry in _ALERTS.GetMatches(molecule))


def sa_score(molecule: Chem.Mol) -> float:
    """Return the synthetic accessibility of a molecule, from 1 (easy) to 10 (hard)."""
    return float(_SCORER.calculateScore(molecule))


def _load_alerts() -> FilterCatalog:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(FilterCatalogParams.FilterCatalogs.BRENK)
    parameters.AddCatalog(FilterCatalogParams.FilterCatalogs.PAINS)
    return FilterCatalog(parameters)


def _load_scorer() -> ModuleType:
    """Load RDKit's own contribution, which is installed with it but lies outside its package."""
    path = Path(RDConfig.RDContribDir) / "SA_Score" / "sascorer.py"
    spec = importlib.util.spec_from_file_location("sascorer", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ToolFailedError(f"this RDKit comes without its synthetic accessibility score ({path})")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.readFragmentScores()
    return module


_ALERTS = _load_alerts()
_SCORER = _load_scorer()
